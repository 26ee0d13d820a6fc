"""An optimizer's step over all parameters at once: large ones in pieces, small ones packed.

An update rule is a dozen NumPy calls, each of which passes over a parameter, its gradient and its
state. In pieces these stay in the cache from one call to the next, and the pieces are shared among
threads. Small parameters, whose dozens of calls take longer than their numbers, are copied
together, updated as one vector and copied back.

The rules know nothing of this: ``_update`` sees a vector where it saw a parameter, and computes
the same numbers, bit by bit. On a device one kernel updates them all: see fused.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import pairwise
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from nnlite.autograd import Tensor
from nnlite.autograd.tensor import wrap
from nnlite.backend import NUMPY, Array, backend_of
from nnlite.backend.threads import get_num_threads, run
from nnlite.optim.fused import Fused, is_possible

if TYPE_CHECKING:
    from nnlite.optim.noted import NotedRule

CHUNK = 2**16
"""Elements of a piece for one thread: what a rule passes over several times stays in the cache."""

LARGE = 2**18
"""The same for several threads, which wait for Python's lock between short calls."""

SMALL = 2**15
"""Parameters up to this size are packed: three copies take less time than a dozen calls."""

FLUSH = 256
"""Each so many steps, what has decayed to denormal numbers (below 1e-38 in float32) is set to 0:
it moves nothing, never gets to 0 by itself, and many processors compute with it slowly."""

Update: TypeAlias = Callable[[Array, Array, dict[str, Any], SimpleNamespace], None]
State: TypeAlias = Mapping[Tensor, dict[str, Any]]


class Plan:
    """How the parameters of a group are cut and packed; made once, used in each step.

    Args:
        params: those that have a gradient, with their state already made by a first plain step.
        state: of the optimizer. The buffers of packed parameters become views of one array.
        scalars: names of the state entries that are numbers, alike for all elements.
        options: the group's hyper-parameters; other ones than lr may change what a rule remembers.
    """

    def __init__(
        self, params: list[Tensor], state: State, scalars: set[str], options: dict[str, Any]
    ) -> None:
        self._options = _without_lr(options)
        self._pieces: list[_Piece | _Pack | _Whole | Fused] = []
        small: list[Tensor] = []
        on_device = bool(params) and type(params[0].array) is not np.ndarray
        self._on_device = on_device
        chunk = LARGE if get_num_threads() > 1 else CHUNK
        for p in params:
            if not _is_usual(p, state[p], scalars):
                self._pieces.append(_Whole(p, state[p]))
            elif on_device:
                small.append(p)
            elif p.array.size > SMALL:
                self._pieces += _cut(p, state[p], scalars, chunk)
            else:
                small.append(p)
        for members in _alike(small, state, scalars):
            if on_device:
                self._pieces.append(Fused(members, [state[p] for p in members], scalars))
            else:
                self._pieces += _packs(members, state, scalars)
        self._held = [(p, p.array, state[p], len(state[p])) for p in params]
        self._buffers = [
            (entries, name, entry, entry.array)
            for _, _, entries, _ in self._held
            for name, entry in entries.items()
            if isinstance(entry, Tensor)
        ]
        self._size = sum(p.array.size for p in params)

    @staticmethod
    def is_possible(params: list[Tensor]) -> bool:
        """Whether all lie in one memory without gaps, and none shares it with another."""
        if params and type(params[0].array) is not np.ndarray:
            return is_possible(params)
        ranges = []
        for p in params:
            x = p.array
            if backend_of(x) is not NUMPY or not x.flags.c_contiguous:
                return False
            start = x.__array_interface__["data"][0]
            ranges.append((start, start + x.nbytes))
        ranges.sort()
        return all(a[1] <= b[0] for a, b in pairwise(ranges))

    def fits(self, params: list[Tensor], state: State, options: dict[str, Any]) -> bool:
        """Whether everything lies where it lay when the plan was made."""
        if len(params) != len(self._held) or _without_lr(options) != self._options:
            return False
        for p, (q, x, entries, count) in zip(params, self._held, strict=True):
            if p is not q or p.array is not x or state[p] is not entries or len(entries) != count:
                return False
        for entries, name, entry, array in self._buffers:
            if entries.get(name) is not entry or entry.array is not array:
                return False
        return all(piece.is_alike() for piece in self._pieces)

    def step(self, update: Update, options: SimpleNamespace) -> None:
        """One step of all parameters, by the rule ``update``."""
        pieces = self._pieces
        if self._size > LARGE and not self._on_device:
            run([partial(piece.step, update, options) for piece in pieces])
        else:
            for piece in pieces:
                piece.step(update, options)
        # not before all pieces have read their parameter's old ones
        for piece in pieces:
            piece.store_numbers()


class _Part:
    """What pieces and packs have in common: a vector, its buffers, and its numbers.

    Args:
        x: the vector that the rule updates.
        buffers: its state entries, of x's shape.
        owners: the state of the parameters that it belongs to, alike in their numbers.
        scalars: the names of these.
    """

    def __init__(
        self, x: Array, buffers: dict[str, Array], owners: list[dict[str, Any]], scalars: set[str]
    ) -> None:
        self.x = x
        self.buffers = {name: wrap(b) for name, b in buffers.items()}
        self.owners = owners
        self.names = [name for name in owners[0] if name in scalars]
        self.state: dict[str, Any] = {}
        self.steps = 0
        self.noted: NotedRule | None = None
        self.is_notable = x.size <= CHUNK  # its calls are short, and so is its scratch memory

    def update(self, rule: Update, g: Array, options: SimpleNamespace) -> None:
        """Have the rule update x by its gradient g."""
        entries = self.owners[0]
        self.state = {**self.buffers, **{name: entries[name] for name in self.names}}
        if self.noted is not None and self.noted.rule == rule:
            self.noted.step(g, self.state, options)
        elif not (self.is_notable and self._note(rule, g, options)):
            rule(self.x, g, self.state, options)
        self.steps += 1
        if self.steps % FLUSH == 0 and getattr(options, "eps", 1) > 0:
            for buffer in self.buffers.values():
                b = buffer.array
                b[np.abs(b) < np.finfo(b.dtype).tiny] = 0

    def _note(self, rule: Update, g: Array, options: SimpleNamespace) -> bool:
        """Do it, and note how; False where the rule has to be asked each time."""
        # here, since nobody needs them who does not train
        from nnlite.autograd.tracing import NotStraightError
        from nnlite.optim.noted import NotedRule

        try:
            self.noted = NotedRule(rule, self.x, g, self.state, options)
        except NotStraightError:
            self.is_notable = False
            return False
        return True

    def is_alike(self) -> bool:
        """Whether the parameters still have the same numbers: a user may have reset one's."""
        first, *others = self.owners
        return all(first[name] == entries[name] for entries in others for name in self.names)

    def store_numbers(self) -> None:
        """Hand the numbers that the rule advanced to the parameters."""
        for entries in self.owners:
            for name in self.names:
                entries[name] = self.state[name]


class _Piece(_Part):
    """A part of one large parameter."""

    def __init__(self, p: Tensor, entries: dict[str, Any], scalars: set[str], cut: slice) -> None:
        buffers = {
            name: entry.array.reshape(-1)[cut]
            for name, entry in entries.items()
            if name not in scalars
        }
        super().__init__(p.array.reshape(-1)[cut], buffers, [entries], scalars)
        self.p, self.cut = p, cut

    def step(self, rule: Update, options: SimpleNamespace) -> None:
        """Update this part."""
        self.update(rule, _gradient(self.p)[self.cut], options)


class _Pack(_Part):
    """Several small parameters, one after the other in one vector."""

    def __init__(self, members: list[Tensor], state: State, scalars: set[str]) -> None:
        self.members = members
        sizes = [p.array.size for p in members]
        ends = np.cumsum(sizes).tolist()
        self.cuts = [slice(end - size, end) for size, end in zip(sizes, ends, strict=True)]
        self.flat = [p.array.reshape(-1) for p in members]
        x = np.empty(ends[-1], dtype=members[0].dtype)
        self.g = np.empty_like(x)
        owners = [state[p] for p in members]
        buffers: dict[str, Array] = {}
        for name in [name for name in owners[0] if name not in scalars]:
            whole = np.concatenate([entries[name].array.reshape(-1) for entries in owners])
            buffers[name] = whole
            for p, entries, cut in zip(members, owners, self.cuts, strict=True):
                entries[name] = wrap(whole[cut].reshape(p.shape))
        super().__init__(x, buffers, owners, scalars)

    def step(self, rule: Update, options: SimpleNamespace) -> None:
        """Update them all."""
        np.concatenate(self.flat, out=self.x)
        np.concatenate([_gradient(p) for p in self.members], out=self.g)
        self.update(rule, self.g, options)
        for p, cut in zip(self.flat, self.cuts, strict=True):
            p[:] = self.x[cut]


class _Whole:
    """A parameter with unusual state, as it is."""

    def __init__(self, p: Tensor, entries: dict[str, Any]) -> None:
        self.p, self.entries = p, entries

    def step(self, rule: Update, options: SimpleNamespace) -> None:
        """Update it."""
        rule(self.p.array, self.p.grad.array, self.entries, options)  # type: ignore[union-attr]

    def is_alike(self) -> bool:
        """It is alone."""
        return True

    def store_numbers(self) -> None:
        """The rule did so itself."""


def _is_usual(p: Tensor, entries: dict[str, Any], scalars: set[str]) -> bool:
    """Whether all entries but the numbers lie in memory as p does, so that they can be cut."""
    return all(
        isinstance(entry, Tensor)
        and backend_of(entry.array) is backend_of(p.array)
        and entry.dtype == p.dtype
        and entry.shape == p.shape
        and entry.array.flags.c_contiguous
        for name, entry in entries.items()
        if name not in scalars
    )


def _gradient(p: Tensor) -> Array:
    return p._grad.array.reshape(-1)  # type: ignore[union-attr]


def _cut(p: Tensor, entries: dict[str, Any], scalars: set[str], chunk: int) -> Iterator[_Piece]:
    size = p.array.size
    count = -(-size // chunk)
    for k in range(count):
        yield _Piece(p, entries, scalars, slice(size * k // count, size * (k + 1) // count))


def _alike(params: list[Tensor], state: State, scalars: set[str]) -> Iterator[list[Tensor]]:
    """The parameters in groups of one dtype whose state has the same entries and numbers."""
    alike: dict[Any, list[Tensor]] = {}
    for p in params:
        entries = state[p]
        numbers = tuple((name, entries[name]) for name in sorted(scalars & set(entries)))
        alike.setdefault((p.dtype, tuple(sorted(entries)), numbers), []).append(p)
    yield from alike.values()


def _packs(members: list[Tensor], state: State, scalars: set[str]) -> Iterator[_Pack]:
    """Packs of parameters that are alike."""
    while members:
        size = count = 0
        while count < len(members) and size + members[count].array.size <= CHUNK:
            size += members[count].array.size
            count += 1
        yield _Pack(members[:count], state, scalars)
        members = members[count:]


def _without_lr(options: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if name != "lr"}
