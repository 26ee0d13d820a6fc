"""An optimizer's step over all parameters at once: large ones in pieces, small ones packed.

An update rule is a dozen NumPy calls, each of which passes over a parameter, its gradient and its
state. In pieces these stay in the cache from one call to the next, and the pieces are shared among
threads. Small parameters, whose dozens of calls take longer than their numbers, are copied
together, updated as one vector and copied back.

The rules know nothing of this: ``_update`` sees a vector where it saw a parameter, and computes
the same numbers, bit by bit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import pairwise
from types import SimpleNamespace
from typing import Any, TypeAlias

import numpy as np

from nnlite.autograd import Tensor
from nnlite.autograd.tensor import wrap
from nnlite.backend import NUMPY, Array, backend_of
from nnlite.backend.threads import run

CHUNK = 2**15
"""Elements of a piece: parameter, gradient, two averages and a temporary fit the second cache."""

SMALL = 2**12
"""Parameters up to this size are packed."""

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
        self._params = params
        self._scalars = scalars
        self._options = _without_lr(options)
        self._pieces: list[_Piece | _Pack] = []
        small: list[int] = []
        for i, p in enumerate(params):
            if p.array.size > SMALL:
                self._pieces += _cut(i, p.array, _buffers(state[p], scalars))
            else:
                small.append(i)
        self._pieces += _packs(small, params, state, scalars)
        self._arrays = [p.array for p in params]
        self._held = [_buffers(state[p], scalars) for p in params]
        self._size = sum(x.size for x in self._arrays)

    @staticmethod
    def is_possible(params: list[Tensor]) -> bool:
        """Whether all lie in host memory without gaps, and none shares it with another."""
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
        return (
            len(params) == len(self._params)
            and all(p is q for p, q in zip(params, self._params, strict=True))
            and all(p.array is x for p, x in zip(params, self._arrays, strict=True))
            and all(
                all(entries.get(name) is held for name, held in buffers.items())
                and all(name in buffers or name in self._scalars for name in entries)
                for entries, buffers in zip(map(state.__getitem__, params), self._held, strict=True)
            )
            and _without_lr(options) == self._options
        )

    def step(self, update: Update, state: State, options: SimpleNamespace) -> None:
        """One step of all parameters, by the rule ``update``."""
        gradients = [
            np.ascontiguousarray(p.grad.array).reshape(-1)  # type: ignore[union-attr]
            for p in self._params
        ]
        before = [_numbers(state[p], self._scalars) for p in self._params]
        after: dict[int, dict[str, Any]] = {}
        calls = [
            partial(piece.step, update, gradients, before, after, options) for piece in self._pieces
        ]
        if self._size > 2 * CHUNK:
            run(calls)
        else:
            for call in calls:
                call()
        for i, p in enumerate(self._params):
            state[p].update(_numbers(after[i], self._scalars))


class _Piece:
    """A part of one large parameter."""

    def __init__(self, i: int, x: Array, buffers: dict[str, Tensor], cut: slice) -> None:
        self.i, self.cut = i, cut
        self.x = x.reshape(-1)[cut]
        self.buffers = {name: wrap(b.array.reshape(-1)[cut]) for name, b in buffers.items()}

    def step(
        self,
        update: Update,
        gradients: list[Array],
        before: list[dict[str, Any]],
        after: dict[int, dict[str, Any]],
        options: SimpleNamespace,
    ) -> None:
        """Update this part."""
        state = {**self.buffers, **before[self.i]}
        update(self.x, gradients[self.i][self.cut], state, options)
        after[self.i] = state


class _Pack:
    """Several small parameters, one after the other in one vector."""

    def __init__(self, members: list[int], params: list[Tensor], state: State) -> None:
        self.members = members
        self.arrays = [params[i].array for i in members]
        sizes = [x.size for x in self.arrays]
        ends = np.cumsum(sizes).tolist()
        self.cuts = [slice(end - size, end) for size, end in zip(sizes, ends, strict=True)]
        self.x = np.empty(ends[-1], dtype=self.arrays[0].dtype)
        self.g = np.empty_like(self.x)
        self.buffers: dict[str, Tensor] = {}
        for name in [n for n, e in state[params[members[0]]].items() if isinstance(e, Tensor)]:
            whole = np.concatenate([state[params[i]][name].array.reshape(-1) for i in members])
            self.buffers[name] = wrap(whole)
            for i, x, cut in zip(members, self.arrays, self.cuts, strict=True):
                state[params[i]][name] = wrap(whole[cut].reshape(x.shape))

    def step(
        self,
        update: Update,
        gradients: list[Array],
        before: list[dict[str, Any]],
        after: dict[int, dict[str, Any]],
        options: SimpleNamespace,
    ) -> None:
        """Update them all."""
        np.concatenate([x.reshape(-1) for x in self.arrays], out=self.x)
        np.concatenate([gradients[i] for i in self.members], out=self.g)
        state = {**self.buffers, **before[self.members[0]]}
        update(self.x, self.g, state, options)
        for i, x, cut in zip(self.members, self.arrays, self.cuts, strict=True):
            x[...] = self.x[cut].reshape(x.shape)
            after[i] = state


def _cut(i: int, x: Array, buffers: dict[str, Tensor]) -> Iterator[_Piece]:
    count = -(-x.size // CHUNK)
    for k in range(count):
        yield _Piece(i, x, buffers, slice(x.size * k // count, x.size * (k + 1) // count))


def _packs(
    small: list[int], params: list[Tensor], state: State, scalars: set[str]
) -> Iterator[_Pack]:
    """Packs of parameters of one dtype whose state has the same entries and numbers."""
    alike: dict[Any, list[int]] = {}
    for i in small:
        entries = state[params[i]]
        numbers = tuple(sorted(_numbers(entries, scalars).items()))
        alike.setdefault((params[i].dtype, tuple(sorted(entries)), numbers), []).append(i)
    for members in alike.values():
        while members:
            size = SMALL
            count = 0
            while count < len(members) and size <= CHUNK:
                size += params[members[count]].array.size
                count += 1
            yield _Pack(members[:count], params, state)
            members = members[count:]


def _buffers(entries: dict[str, Any], scalars: set[str]) -> dict[str, Tensor]:
    return {name: entry for name, entry in entries.items() if name not in scalars}


def _numbers(entries: dict[str, Any], scalars: set[str]) -> dict[str, Any]:
    return {name: entry for name, entry in entries.items() if name in scalars}


def _without_lr(options: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if name != "lr"}
