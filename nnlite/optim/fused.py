"""An optimizer's step on a device: one kernel for ten parameters, in place of a dozen for each.

The kernels are in nnlite/ops/kernels/cuda/optim.cu; the rules' own ``_update`` are their twins, and
do the first step of each parameter, in which its state is made.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np

from nnlite.autograd import Tensor
from nnlite.backend import Array, backend_of
from nnlite.backend.kernels import Kernels
from nnlite.errors import CaptureError
from nnlite.ops.kernels.cuda.launching import THREADS, gapless, kernels
from nnlite.optim.checks import plain

SLOTS = 10
"""Parameters of one kernel, as optim.cu has it."""


class Call(NamedTuple):
    """How a rule's kernel is called.

    Attributes:
        name: of the kernel.
        buffers: the state entries that it updates, by slot; None for one that it leaves alone.
        numbers: its arguments that change from step to step; where they lie in device memory,
            its name ends in _captured.
        rest: its other arguments.
        prepare: the kernel that fills the numbers in device memory, with its arguments.
    """

    name: str
    buffers: tuple[str | None, ...]
    numbers: tuple[Any, ...]
    rest: tuple[Any, ...]
    prepare: tuple[Any, ...] = ()


def _sgd(o: SimpleNamespace, t: int, real: Any) -> Call:
    buffer = "momentum_buffer" if o.momentum != 0 else None
    rest = (real(o.momentum), real(o.dampening), real(o.weight_decay))
    flags = (np.int32(o.nesterov), np.int32(o.maximize))
    return Call("sgd", (buffer,), (real(o.lr),), (*rest, *flags))


def _adam(o: SimpleNamespace, t: int, real: Any) -> Call:
    beta1, beta2 = o.betas
    decoupled = o.weight_decay if o.decoupled_weight_decay else 0.0
    c = (1 - beta2**t) ** 0.5
    numbers = (o.lr * c / (1 - beta1**t), o.eps * c, 1 - o.lr * decoupled)
    coupled = 0.0 if o.decoupled_weight_decay else o.weight_decay
    weight = 1 - beta1
    rest = (weight, 1 - weight, 1 - beta2, beta2, coupled)
    return Call(
        "adam",
        ("exp_avg", "exp_avg_sq", "max_exp_avg_sq" if o.amsgrad else None),
        tuple(real(n) for n in numbers),
        (*(real(n) for n in rest), np.int32(o.amsgrad), np.int32(o.maximize)),
        ("adam_numbers", *(np.float64(n) for n in (beta1, beta2, o.eps, decoupled))),
    )


def _rmsprop(o: SimpleNamespace, t: int, real: Any) -> Call:
    moving = "momentum_buffer" if o.momentum > 0 else None
    numbers = (o.alpha, 1 - o.alpha, o.eps, np.finfo(real).eps, o.momentum, o.weight_decay)
    return Call(
        "rmsprop",
        ("square_avg", "grad_avg" if o.centered else None, moving),
        (real(o.lr),),
        (*(real(n) for n in numbers), np.int32(o.centered), np.int32(o.maximize)),
    )


_RULES: dict[tuple[str, str], Callable[[SimpleNamespace, int, Any], Call]] = {
    ("nnlite.optim.sgd", "SGD._update"): _sgd,
    ("nnlite.optim.adam", "Adam._update"): _adam,
    ("nnlite.optim.rmsprop", "RMSprop._update"): _rmsprop,
}
"""By the method itself, so that a subclass with an _update of its own is left alone."""


class Captured:
    """What a captured step reads from device memory instead of from its arguments.

    Args:
        members: the parameters.
        group: their group of the optimizer, whose lr may change between replays.
        state: of the optimizer; "step" counts on the host.

    Attributes:
        numbers: {lr, steps done, ...} of one group of parameters, float64 (5,).
    """

    def __init__(self, members: list[Tensor], group: dict[str, Any], state: Any) -> None:
        self._members = members
        self._group = group
        self._state = state
        self._fixed = self._addresses()
        self._others = self._options()
        self._known = self._changing()
        numbers = [*self._known, 0.0, 0.0, 0.0]
        self.numbers = backend_of(members[0].array).asarray(np.array(numbers, dtype="float64"))

    def _options(self) -> dict[str, Any]:
        return {k: plain(v) for k, v in self._group.items() if k not in ("params", "lr")}

    def _changing(self) -> list[float]:
        done = self._state[self._members[0]].get("step", 0)
        return [float(plain(self._group["lr"])), float(done)]

    def _addresses(self) -> list[Any]:
        tensors = [x for p in self._members for x in (p, *self._state[p].values())]
        return [x.array for x in tensors if isinstance(x, Tensor)]

    def follow(self) -> bool:
        """Have the next replay use the learning rate and the count as they are now.

        Returns:
            False where another option, or the place of a parameter or its state, has changed.
        """
        found = self._changing()
        for i, (new, old) in enumerate(zip(found, self._known, strict=True)):
            if new != old:
                self.numbers[i] = new
        self._known = found
        now = self._addresses()
        return (
            len(now) == len(self._fixed)
            and all(map(operator.is_, now, self._fixed))
            and self._options() == self._others
        )

    def count(self) -> None:
        """Count a step on the host, too, so that a state_dict tells the truth."""
        for p in self._members:
            if "step" in self._state[p]:
                self._state[p]["step"] += 1
        self._known = self._changing()


_recording: ContextVar[dict[Fused, Captured] | None] = ContextVar(
    "nnlite_fused_recording", default=None
)


@contextmanager
def recording(found: dict[Fused, Captured]) -> Iterator[None]:
    """Inside, steps read lr and count from device memory, made when first needed."""
    token = _recording.set(found)
    try:
        yield
    finally:
        _recording.reset(token)


def refuse_in_recording(rule: str) -> None:
    """Refuse a step whose numbers are computed on the host, where a graph would keep them.

    Raises:
        CaptureError: inside ``recording``.
    """
    if _recording.get() is not None:
        raise CaptureError(
            rule,
            expected="an optimizer whose step is one kernel: SGD, Adam, AdamW or RMSprop",
            got=f"a step of {rule} by single operations",
            hint="nnlite.capture replays any optimizer, without a graph",
        )


class Fused:
    """Parameters of one dtype and device, alike in the entries and numbers of their state.

    Args:
        members: the parameters.
        owners: their state.
        scalars: the names of the entries that are numbers.
    """

    def __init__(
        self, members: list[Tensor], owners: list[dict[str, Any]], scalars: set[str]
    ) -> None:
        self.members = members
        self.owners = owners
        self.names = [name for name in owners[0] if name in scalars]
        self._steps: int | None = None

    def step(self, rule: Any, options: SimpleNamespace) -> None:
        """Update them all, by the rule's kernel if it has one."""
        make = _RULES.get((rule.__func__.__module__, rule.__func__.__qualname__))
        first = self.members[0].array
        k = None if make is None else kernels("optim", *(p.array for p in self.members))
        t = self.owners[0].get("step", 0) + 1
        call = None if make is None else make(options, t, first.dtype.type)
        if k is None or call is None or not self._has(call.buffers):
            refuse_in_recording(rule.__qualname__.partition(".")[0])
            self._steps = None
            for p, entries in zip(self.members, self.owners, strict=True):
                rule(p.array, _gradient(p), entries, options)
            return
        found = _recording.get()
        self._steps = t if found is None else None
        if found is not None:
            captured = found.get(self)
            if captured is None:
                captured = found[self] = Captured(self.members, options.group, options.state)
            if call.prepare:
                name, *args = call.prepare
                k.launch(name, (1,), (1,), (captured.numbers, *args))
            call = call._replace(name=f"{call.name}_captured", numbers=(captured.numbers,))
        for start in range(0, len(self.members), SLOTS):
            cut = slice(start, start + SLOTS)
            _launch(k, call, self.members[cut], self.owners[cut])

    def _has(self, buffers: tuple[str | None, ...]) -> bool:
        return all(name is None or name in self.owners[0] for name in buffers)

    def is_alike(self) -> bool:
        """Whether the parameters still have the same numbers: a user may have reset one's."""
        first, *others = self.owners
        return all(first[name] == entries[name] for entries in others for name in self.names)

    def store_numbers(self) -> None:
        """Hand the number of steps to the parameters, unless the rule did."""
        if self._steps is not None and "step" in self.names:
            for entries in self.owners:
                entries["step"] = self._steps


def is_possible(params: list[Tensor]) -> bool:
    """Whether all lie on one device without gaps, and none shares memory with another."""
    backend = backend_of(params[0].array)
    views = []
    for p in params:
        x = p.array
        if backend_of(x) is not backend or not x.flags.c_contiguous or kernels("optim", x) is None:
            return False
        if x.base is not None:
            views.append(x)
    shares = backend.xp.may_share_memory
    return not any(shares(a, b) for i, a in enumerate(views) for b in views[:i])


def _launch(k: Kernels, call: Call, members: list[Tensor], owners: list[dict[str, Any]]) -> None:
    """Start the kernel for up to SLOTS parameters; unused slots are of size 0."""
    spare = SLOTS - len(members)
    xs = [p.array for p in members]
    columns = [xs, [gapless(_gradient(p)) for p in members]]
    for name in call.buffers:
        columns.append(xs if name is None else [entries[name].array for entries in owners])
    sizes = [x.size for x in xs] + [0] * spare
    ends = np.cumsum([-(-size // THREADS) for size in sizes])
    if ends[-1]:
        arrays = [x for column in columns for x in column + column[:1] * spare]
        layout = [np.int32(n) for n in (*sizes, *ends)]
        args = (*arrays, *layout, *call.numbers, *call.rest)
        k.launch(call.name, (int(ends[-1]),), (THREADS,), args)


def _gradient(p: Tensor) -> Array:
    return p.grad.array  # type: ignore[union-attr]
