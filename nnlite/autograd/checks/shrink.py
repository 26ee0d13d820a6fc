"""The smallest example of a fault: fewer elements, then simpler numbers, as long as it shows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from nnlite.autograd.checks.numeric import Numbers, like, numbers
from nnlite.autograd.checks.point import Fault
from nnlite.autograd.checks.probe import Probe
from nnlite.autograd.tensor import Tensor

_TRIES = 150


def shrink(probe: Probe, args: list[Any], fault: Fault) -> tuple[list[Any], Fault]:
    """Smaller arguments at which the same fault is found, and the fault as it looks there."""
    tries = 0
    for candidates in (_shorter, _simpler):
        better = True
        while better:
            better = False
            for smaller in candidates(args, probe.checked):
                tries += 1
                if tries > _TRIES:
                    return args, fault
                found = _fault_at(probe, smaller)
                if found is not None and found.key == fault.key:
                    args, fault, better = smaller, found, True
                    break
    return args, fault


def _fault_at(probe: Probe, args: list[Any]) -> Fault | None:
    try:
        found = probe.examine(args)
    except Exception:  # the op does not take such inputs
        return None
    return found if isinstance(found, Fault) else None


def _with(args: list[Any], arrays: dict[int, Numbers]) -> list[Any]:
    changed = list(args)
    for i, values in arrays.items():
        changed[i] = like(args[i], values)
        if args[i].requires_grad:
            changed[i].requires_grad_()
    return changed


def _shorter(args: list[Any], checked: list[int]) -> Iterator[list[Any]]:
    """All dimensions of one size cut to a smaller one, in all tensors, then in one alone."""
    arrays = {i: numbers(x) for i, x in enumerate(args) if isinstance(x, Tensor)}
    sizes = sorted({n for x in arrays.values() for n in x.shape if n > 1}, reverse=True)
    for n in sizes:
        for m in dict.fromkeys((1, 2, n // 2, n - 1)):
            if 0 < m < n:
                yield _with(args, {i: _cut(x, n, m) for i, x in arrays.items()})
                if m == 1:
                    yield _with(args, {i: _cut(x, n, m, last=True) for i, x in arrays.items()})
    for i, x in arrays.items():
        for d, n in enumerate(x.shape):
            for m in dict.fromkeys((1, 2, n - 1)):
                if 0 < m < n:
                    yield _with(args, {i: x.take(range(m), axis=d)})


def _cut(x: Numbers, n: int, m: int, *, last: bool = False) -> Numbers:
    part = slice(n - m, None) if last else slice(None, m)
    return x[tuple(part if size == n else slice(None) for size in x.shape)]


def _simpler(args: list[Any], checked: list[int]) -> Iterator[list[Any]]:
    """Whole numbers 1, 2, 3 ... with the signs as they are, or fewer digits."""
    arrays = {i: numbers(args[i]) for i in checked}
    start = 1
    counted = {}
    for i, x in arrays.items():
        values = np.arange(start, start + x.size).reshape(x.shape)
        counted[i] = np.where(x < 0, -values, values).astype("float64")
        start += x.size
    ones = {i: np.where(x < 0, -1.0, 1.0) for i, x in arrays.items()}
    for simple in (
        ones,
        {i: 2 * x for i, x in ones.items()},
        counted,
        {i: x / 4 for i, x in counted.items()},
        {i: np.round(x, 1) for i, x in arrays.items()},
        {i: np.round(x, 2) for i, x in arrays.items()},
    ):
        if _is_simpler(simple, arrays):
            yield _with(args, simple)


def _is_simpler(new: dict[int, Numbers], old: dict[int, Numbers]) -> bool:
    def digits(arrays: dict[int, Numbers]) -> int:
        return sum(len(repr(float(v))) for x in arrays.values() for v in x.flat)

    return digits(new) < digits(old)
