"""Logic on truth values, alone and along dimensions, and comparisons of whole tensors."""

from __future__ import annotations

from nnlite.autograd.tape import refuse_reading, retraced
from nnlite.autograd.tensor import Tensor
from nnlite.backend import array_module
from nnlite.backend.dtypes import float64, uint8
from nnlite.backend.summation import total
from nnlite.errors import ArgumentError
from nnlite.ops.common import (
    Operand,
    as_tensor,
    check_flag,
    check_number,
    check_same_device,
    check_same_dtype,
    like,
    normalize_dims,
    operands,
    raw,
    wrap_result,
)
from nnlite.ops.extremum import Dim

__all__ = [
    "all",
    "allclose",
    "any",
    "count_nonzero",
    "equal",
    "isclose",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
]


@retraced
def logical_not(input: Tensor) -> Tensor:
    """True where input is False (or zero); a boolean Tensor, as all of these."""
    x = as_tensor("logical_not", input)
    return wrap_result(x.array == 0, x)


@retraced
def logical_and(input: Operand, other: Operand) -> Tensor:
    """True where both are True (or not zero)."""
    x, y = operands("logical_and", input, other)
    return wrap_result((raw(x) != 0) & (raw(y) != 0), x, y)


@retraced
def logical_or(input: Operand, other: Operand) -> Tensor:
    """True where at least one is True (or not zero)."""
    x, y = operands("logical_or", input, other)
    return wrap_result((raw(x) != 0) | (raw(y) != 0), x, y)


@retraced
def logical_xor(input: Operand, other: Operand) -> Tensor:
    """True where exactly one is True (or not zero)."""
    x, y = operands("logical_xor", input, other)
    return wrap_result((raw(x) != 0) ^ (raw(y) != 0), x, y)


@retraced
def isclose(
    input: Tensor, other: Operand, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False
) -> Tensor:
    """|input - other| <= atol + rtol * |other|, element by element; equal infinities are close."""
    x = as_tensor("isclose", input)
    if isinstance(other, Tensor):
        check_same_dtype("isclose", x, other, "other")
    for name, value in (("rtol", rtol), ("atol", atol)):
        check_number("isclose", name, value)
        if not value >= 0:
            raise ArgumentError(
                "isclose", name, expected="0 or more", got=repr(value), hint="try the default"
            )
    check_flag("isclose", "equal_nan", equal_nan)
    x, y = operands("isclose", x, other)
    a, b = x.array, y.array if isinstance(y, Tensor) else like(x.array, y, x.dtype)
    if a.dtype.kind != "f":  # whose differences wrap around
        a, b = a.astype(float64), b.astype(float64)
    xp = array_module(a)
    finite = xp.isfinite(a) & xp.isfinite(b)
    p, q = xp.where(finite, a, 0), xp.where(finite, b, 0)
    close = (a == b) | (finite & (xp.abs(p - q) <= atol + rtol * xp.abs(q)))
    if equal_nan:
        close = close | ((a != a) & (b != b))
    return wrap_result(close, x)


def allclose(
    input: Tensor, other: Operand, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False
) -> bool:
    """Whether all elements are close, see ``isclose``; a Python bool."""
    refuse_reading("allclose")
    return bool(isclose(input, other, rtol, atol, equal_nan).array.all())


def equal(input: Tensor, other: Tensor) -> bool:
    """Whether both have the same shape and the same elements; a Python bool."""
    refuse_reading("equal")
    x, y = as_tensor("equal", input), as_tensor("equal", other, "other")
    check_same_device("equal", x, y)
    if x.shape != y.shape:
        return False
    x, y = operands("equal", x, y)
    return bool((x.array == y.array).all())


def all(input: Tensor, dim: Dim = None, keepdim: bool = False) -> Tensor:
    """Whether all elements along the given dimensions are True (or not zero); booleans."""
    check_flag("all", "keepdim", keepdim)
    x = as_tensor("all", input)
    dims = normalize_dims("all", dim, x.ndim)
    return _truth("all", x, dims, keepdim)


def any(input: Tensor, dim: Dim = None, keepdim: bool = False) -> Tensor:
    """Whether some element along the given dimensions is True (or not zero); booleans."""
    check_flag("any", "keepdim", keepdim)
    x = as_tensor("any", input)
    dims = normalize_dims("any", dim, x.ndim)
    return _truth("any", x, dims, keepdim)


@retraced
def _truth(name: str, x: Tensor, dims: tuple[int, ...], keepdim: bool) -> Tensor:
    result = getattr(x.array != 0, name)(axis=dims, keepdims=keepdim)
    # uint8 was PyTorch's boolean dtype once, and all and any still keep it
    return wrap_result(result.astype(x.dtype) if x.dtype == uint8 else result, x)


@retraced
def count_nonzero(input: Tensor, dim: Dim = None) -> Tensor:
    """How many elements along the given dimensions are not zero; int64."""
    x = as_tensor("count_nonzero", input)
    dims = normalize_dims("count_nonzero", dim, x.ndim)
    return wrap_result(total(x.array != 0, dims, False), x)
