"""Comparisons, element by element: boolean Tensors, outside the graph."""

from __future__ import annotations

import operator
from typing import Any

from nnlite.autograd.tape import retraced
from nnlite.autograd.tensor import Tensor
from nnlite.ops.common import Operand, operands, raw, wrap_result

__all__ = [
    "eq",
    "ge",
    "gt",
    "le",
    "lt",
    "ne",
]


def eq(input: Operand, other: Operand) -> Tensor:
    """Whether equal, element by element; a boolean Tensor, as all comparisons."""
    return _compare("eq", operator.eq, input, other)


def ne(input: Operand, other: Operand) -> Tensor:
    """Whether different."""
    return _compare("ne", operator.ne, input, other)


def lt(input: Operand, other: Operand) -> Tensor:
    """Whether input < other."""
    return _compare("lt", operator.lt, input, other)


def le(input: Operand, other: Operand) -> Tensor:
    """Whether input <= other."""
    return _compare("le", operator.le, input, other)


def gt(input: Operand, other: Operand) -> Tensor:
    """Whether input > other."""
    return _compare("gt", operator.gt, input, other)


def ge(input: Operand, other: Operand) -> Tensor:
    """Whether input >= other."""
    return _compare("ge", operator.ge, input, other)


@retraced
def _compare(op: str, compare: Any, input: Operand, other: Operand) -> Tensor:
    x, y = operands(op, input, other)
    return wrap_result(compare(raw(x), raw(y)), x, y)
