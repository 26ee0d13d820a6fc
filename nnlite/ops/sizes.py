"""Sizes as the user gives them: variadic, checked, and refused before any memory is asked for."""

from __future__ import annotations

import math
from typing import Any

from nnlite.errors import ShapeError
from nnlite.ops.common import MAX_ELEMENTS, as_index

__all__ = ["check_size", "spread"]


def spread(args: tuple[Any, ...]) -> tuple[Any, ...]:
    """The sizes of ``f(2, 3)``, ``f((2, 3))`` and ``f([2, 3])`` alike."""
    if len(args) == 1 and isinstance(args[0], (tuple, list)):
        return tuple(args[0])
    return args


def check_size(op: str, size: Any, argument: str = "size") -> tuple[int, ...]:
    """A shape of whole, non-negative numbers that an array can have.

    Raises:
        DtypeError: a size is no whole number (a bool, a float).
        ShapeError: a size is negative, or there are MAX_ELEMENTS elements or more.
    """
    sizes = size if isinstance(size, (tuple, list)) else (size,)
    shape = tuple(as_index(op, argument, n) for n in sizes)
    if any(n < 0 for n in shape):
        raise ShapeError(
            op,
            argument,
            expected="sizes of 0 or more",
            got=str(shape),
            hint="a size is computed wrongly before this call",
        )
    # a size of 0 elsewhere does not make the others harmless: NumPy multiplies them for strides
    if math.prod(n for n in shape if n) >= MAX_ELEMENTS or len(shape) > 64:
        raise ShapeError(
            op,
            argument,
            expected="at most 64 dimensions and fewer than 2^40 elements",
            got=str(shape),
            hint="such an array fits into no memory; look at how the size is computed",
        )
    return shape
