"""The numbers behind the gradient checks: measured derivatives, and Tensors as NumPy arrays.

Numerics. The derivative is measured by central differences in float64, (f(x+h) - f(x-h)) / 2h with
h = eps: the error is h^2 f'''/6 from truncation and about 1e-16 |f| / h from rounding, 1e-10 each
for numbers near 1. Where that disagrees with the gradient, one of the two may still be at fault
because f is large or strongly curved; the derivative is then measured anew with the steps 1e-2 to
1e-6 (times |x| where that is above 1), each extrapolated after Richardson,
R(h) = (4 D(h/2) - D(h)) / 3, whose truncation error is of order h^4; the step at which R(h) and
R(h/2) differ least, rounding included, counts. A right gradient so passes with rtol=1e-6 and
atol=1e-8.

Source: Press et al., Numerical Recipes, 5.7.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np

from nnlite.autograd.tensor import Tensor
from nnlite.backend import backend_of

Numbers: TypeAlias = np.ndarray[Any, Any]

_STEPS = (1e-2, 1e-3, 1e-4, 1e-5, 1e-6)


def difference(
    f: Callable[[Numbers], Numbers], x: Numbers, direction: Numbers, step: float
) -> tuple[Numbers, Numbers]:
    """The central difference of f at x along a direction, and its error by rounding."""
    ahead, behind = x + step * direction, x - step * direction
    above, below = f(ahead), f(behind)
    # what was really moved: x + h is rounded
    width = ((ahead - behind) * direction).sum() / (direction * direction).sum()
    rounding = 2.0**-52 * np.maximum(np.abs(above), np.abs(below)) / step
    return (above - below) / width, rounding


def refined(f: Callable[[Numbers], Numbers], x: Numbers, direction: Numbers) -> Numbers:
    """The derivative of f at x along a direction: the best of several steps, extrapolated."""
    scale = max(1.0, float(np.abs(x * (direction != 0)).max()))
    estimates, doubts = [], []
    for step in _STEPS:
        steps = [step * scale / divisor for divisor in (1, 2, 4)]
        (coarse, _), (middle, _), (fine, rounding) = (difference(f, x, direction, h) for h in steps)
        first, second = (4 * middle - coarse) / 3, (4 * fine - middle) / 3
        estimates.append(second)
        doubts.append(np.nan_to_num(np.abs(second - first) + rounding, nan=np.inf))
    best = np.argmin(doubts, axis=0)
    result: Numbers = np.take_along_axis(np.array(estimates), best[None], axis=0)[0]
    return result


def as_list(x: Any) -> list[Any]:
    """One or several, as a list."""
    return list(x) if isinstance(x, (tuple, list)) else [x]


def numbers(x: Any) -> Any:
    """A copy of a Tensor's numbers as a NumPy array; None for what is no Tensor."""
    if not isinstance(x, Tensor):
        return None
    return np.array(backend_of(x.array).to_numpy(x.array))


def like(x: Tensor, values: Numbers) -> Tensor:
    """A Tensor of these values, of x's dtype and on its device."""
    return Tensor(backend_of(x.array).asarray(np.asarray(values, dtype=x.dtype)))


def fresh_leaves(args: Sequence[Any]) -> list[Any]:
    """The arguments with fresh leaves in place of the Tensors."""
    copies = list(args)
    for i, x in enumerate(args):
        if isinstance(x, Tensor):
            copies[i] = like(x, numbers(x))
            if x.requires_grad:
                copies[i].requires_grad_()
    return copies


def strided(v: Tensor) -> Tensor:
    """v on memory with gaps, its dimensions reversed in memory, and backwards."""
    room = np.empty(tuple(2 * n for n in v.shape[::-1]))
    index: Any = (..., *(slice(None, None, -2) for _ in v.shape))
    view = room[index].T
    view[...] = numbers(v)
    return Tensor(view) if isinstance(v.array, np.ndarray) else v


def do_overlap(a: Tensor, b: Tensor) -> bool:
    """Whether two tensors share memory."""
    x, y = (backend_of(t.array).to_numpy(t.array) for t in (a, b))
    return bool(np.may_share_memory(x, y) and np.shares_memory(x, y))


def is_same(a: Numbers, b: Numbers, tolerance: float) -> bool:
    """Equal to the bit, or within an absolute tolerance other than 0."""
    if tolerance:
        return bool(np.allclose(a, b, rtol=0.0, atol=tolerance, equal_nan=True))
    return a.shape == b.shape and a.tobytes() == b.tobytes()


def is_close(a: Numbers, b: Numbers, rtol: float, atol: float) -> Any:
    """Element by element, whether two numbers are as near as they have to be."""
    bound = atol + rtol * np.maximum(np.abs(a), np.abs(b))
    return (np.abs(a - b) <= bound) | (a == b)


def index_text(flat: int, shape: tuple[int, ...]) -> str:
    """The place of a flat index, as "[1, 2]"."""
    return str([int(n) for n in np.unravel_index(flat, shape)]) if shape else "[]"
