"""&, |, ^ and ~ of booleans and integers."""

from __future__ import annotations

import operator
from typing import Any

from nnlite.autograd.tensor import Tensor
from nnlite.errors import DtypeError
from nnlite.ops.common import Operand, as_tensor, operands, raw, wrap_result

__all__ = ["bitwise_and", "bitwise_not", "bitwise_or", "bitwise_xor"]


def bitwise_and(input: Operand, other: Operand) -> Tensor:
    """input & other: of booleans the logical and, of integers bit by bit.

    Raises:
        DtypeError: floating numbers.
    """
    return _combine("bitwise_and", operator.and_, input, other)


def bitwise_or(input: Operand, other: Operand) -> Tensor:
    """input | other, see ``bitwise_and``."""
    return _combine("bitwise_or", operator.or_, input, other)


def bitwise_xor(input: Operand, other: Operand) -> Tensor:
    """input ^ other, see ``bitwise_and``."""
    return _combine("bitwise_xor", operator.xor, input, other)


def bitwise_not(input: Tensor) -> Tensor:
    """~input, see ``bitwise_and``."""
    x = as_tensor("bitwise_not", input)
    _check("bitwise_not", x)
    return wrap_result(~x.array, x)


def _combine(op: str, function: Any, input: Operand, other: Operand) -> Tensor:
    x, y = operands(op, input, other)
    for operand in (x, y):
        _check(op, operand)
    return wrap_result(function(raw(x), raw(y)), x, y)


def _check(op: str, x: Any) -> None:
    if isinstance(x, float) or (isinstance(x, Tensor) and x.dtype.kind == "f"):
        raise DtypeError(
            op,
            expected="booleans or integers",
            got=x.dtype.name if isinstance(x, Tensor) else "float",
            hint="compare first: (x > 0) & (y > 0)",
        )
