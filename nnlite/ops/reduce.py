"""Sums over dimensions and what follows from them: mean, product, variance, norm, counts."""

from __future__ import annotations

import math
from typing import Any

from nnlite.autograd.op import Op
from nnlite.autograd.tensor import Tensor
from nnlite.backend import Array, array_module, as_dtype, backend_of
from nnlite.backend.dtypes import int64
from nnlite.backend.summation import count, total
from nnlite.errors import ArgumentError, DtypeError
from nnlite.ops.common import (
    Number,
    as_tensor,
    cast,
    check_flag,
    need_float,
    normalize_dims,
    raw,
    wrap_result,
)
from nnlite.ops.extremum import Dim, amax, amin
from nnlite.ops.pointwise import Abs, Sign
from nnlite.ops.selection import Where
from nnlite.ops.spread import Spread, Sum

__all__ = [
    "mean",
    "norm",
    "prod",
    "std",
    "sum",
    "var",
]


class Mean(Op):
    """The mean over dims.  d/dx = gy / n, repeated over dims."""

    @staticmethod
    def forward(ctx: Any, x: Array, *, dims: tuple[int, ...], keepdim: bool) -> Array:
        ctx.source = x.shape
        return total(x, dims, keepdim) / count(x.shape, dims)

    @staticmethod
    def backward(ctx: Any, gy: Any) -> Any:
        gy = gy / count(ctx.source, ctx.dims)
        return Spread.call(gy, dims=ctx.dims, shape=ctx.source)


class Prod(Op):
    """The product over one dimension.  d/dx_i = gy * prod_{j != i} x_j.

    The product of the others is formed without division, so that zeros do no harm.
    """

    @staticmethod
    def forward(ctx: Any, x: Array, *, dim: int, keepdim: bool) -> Array:
        ctx.save_inputs(0)
        return x.prod(axis=dim, keepdims=keepdim)

    @staticmethod
    def backward(ctx: Any, gy: Any) -> Any:
        x = ctx.input(0)
        gy = Spread.call(gy, dims=(ctx.dim,), shape=x.shape)
        return gy * (_product_of_others(x, ctx.dim, 1) * _product_of_others(x, ctx.dim, -1))


def _product_of_others(x: Any, dim: int, direction: int) -> Any:
    """For each element the product of those before it (direction 1) or after it (-1).

    By doubling: after step k each place holds the product of its 2^k predecessors.
    """
    result = Shift.call(x, dim=dim, by=direction, fill=1.0)
    step = 1
    while step < x.shape[dim]:
        result = result * Shift.call(result, dim=dim, by=direction * step, fill=1.0)
        step *= 2
    return result


class Shift(Op):
    """x moved along dim by so many places, the gap filled with a number.

    d/dx = gy moved back, the gap filled with 0.
    """

    @staticmethod
    def forward(ctx: Any, x: Array, *, dim: int, by: int, fill: float) -> Array:
        y = array_module(x).full_like(x, fill)
        rest: tuple[slice, ...] = (slice(None),) * dim
        front, back = slice(None, -abs(by)), slice(abs(by), None)
        target, source = (back, front) if by > 0 else (front, back)
        y[(*rest, target)] = x[(*rest, source)]
        return y

    @staticmethod
    def backward(ctx: Any, gy: Any) -> Any:
        return Shift.call(gy, dim=ctx.dim, by=-ctx.by, fill=0.0)


class Var(Op):
    """sum((x - mean)^2) / (n - correction) over dims.

    d/dx = gy * 2 (x - mean) / (n - correction).
    """

    @staticmethod
    def forward(
        ctx: Any, x: Array, *, dims: tuple[int, ...], keepdim: bool, correction: Number
    ) -> Array:
        ctx.save_inputs(0)
        return _variance(x, dims, keepdim, correction)

    @staticmethod
    def backward(ctx: Any, gy: Any) -> Any:
        return _centred(ctx, gy * 2)


class Std(Op):
    """The square root y of the variance.

    d/dx = gy * (x - mean) / ((n - correction) y), which is 0 where y = 0, as in PyTorch.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Array, *, dims: tuple[int, ...], keepdim: bool, correction: Number
    ) -> Array:
        ctx.save_inputs(0)
        ctx.save_output()
        return array_module(x).sqrt(_variance(x, dims, keepdim, correction))

    @staticmethod
    def backward(ctx: Any, gy: Any) -> Any:
        return _centred(ctx, _divide_or_zero(gy, ctx.output()))


def _variance(x: Array, dims: tuple[int, ...], keepdim: bool, correction: Number) -> Array:
    d = x - total(x, dims, True) / count(x.shape, dims)
    return total(d * d, dims, keepdim) / _freedom(x, dims, correction)


def _freedom(x: Any, dims: tuple[int, ...], correction: Number) -> Any:
    """n - correction as an array, so that a division by 0 gives NaN or infinity."""
    n = max(count(x.shape, dims) - correction, 0)
    return backend_of(raw(x)).asarray(n, dtype=x.dtype)


def _centred(ctx: Any, gy: Any) -> Any:
    """gy * (x - mean) / (n - correction)."""
    x, dims = ctx.input(0), ctx.dims
    gy = Spread.call(gy / _freedom(x, dims, ctx.correction), dims=dims, shape=x.shape)
    return gy * (x - Mean.call(x, dims=dims, keepdim=True))


def _divide_or_zero(a: Any, b: Any) -> Any:
    """a / b, and 0 where b = 0."""
    zero = raw(b) == 0
    return Where.call(zero, 0.0, a / Where.call(zero, 1.0, b))


class Norm(Op):
    """(sum |x|^p)^(1/p) over dims, for finite p > 0.

    d/dx = gy * sign(x) * (|x| / y)^(p-1), which is 0 where x = 0 or y = 0, as in PyTorch.
    """

    @staticmethod
    def forward(ctx: Any, x: Array, *, p: float, dims: tuple[int, ...], keepdim: bool) -> Array:
        ctx.save_inputs(0)
        ctx.save_output()
        if p == 2:
            return array_module(x).sqrt(total(x * x, dims, keepdim))
        return total(abs(x) ** p, dims, keepdim) ** (1 / p)

    @staticmethod
    def backward(ctx: Any, gy: Any) -> Any:
        x, y, p = ctx.input(0), ctx.output(), ctx.p
        if p == 2:
            return x * Spread.call(_divide_or_zero(gy, y), dims=ctx.dims, shape=x.shape)
        y = Spread.call(y, dims=ctx.dims, shape=x.shape)
        gy = Spread.call(gy, dims=ctx.dims, shape=x.shape)
        # where x = 0 the power is replaced, so that 0 ** (p - 2) is never formed at any order
        zero = raw(x) == 0
        ratio = Where.call(zero, 1.0, _divide_or_zero(Abs.call(x), y))
        return gy * (Where.call(zero, 0.0, Sign.call(x)) * ratio ** (p - 1))


# -- public ----------------------------------------------------------------------------------


def sum(input: Tensor, dim: Dim = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """The sum over the given dimensions (None: over all).

    Integers and booleans are summed as int64. Long float32 sums are as exact as pairwise or
    float64 addition makes them, whatever the layout.

    Raises:
        NnliteIndexError: a dimension that is not there.
    """
    check_flag("sum", "keepdim", keepdim)
    x = _converted("sum", input, dtype)
    out: Tensor = Sum.apply(x, dims=normalize_dims("sum", dim, x.ndim), keepdim=keepdim)
    return out


def mean(input: Tensor, dim: Dim = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """The mean over the given dimensions (None: over all); NaN where there is nothing.

    Raises:
        DtypeError: integers, whose mean is none: convert them or give dtype=.
    """
    check_flag("mean", "keepdim", keepdim)
    x = need_float("mean", _converted("mean", input, dtype))
    out: Tensor = Mean.apply(x, dims=normalize_dims("mean", dim, x.ndim), keepdim=keepdim)
    return out


def prod(input: Tensor, dim: Dim = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """The product over the given dimensions (None: over all); 1 where there is nothing.

    Integers and booleans are multiplied as int64. The gradient is exact where factors are zero.
    """
    check_flag("prod", "keepdim", keepdim)
    x = _converted("prod", input, dtype)
    if x.dtype.kind != "f":
        x = cast(x, int64)
    dims = normalize_dims("prod", dim, x.ndim)
    for d in reversed(dims):
        x = Prod.apply(x, dim=d, keepdim=keepdim)
    return x


def var(
    input: Tensor,
    dim: Dim | bool = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: Number | None = None,
) -> Tensor:
    """The variance, sum((x - mean)^2) / (n - correction), over the given dimensions.

    Args:
        input: floating numbers.
        dim: an int, a tuple, or None for all.
        unbiased: the older form of correction: True is 1, False is 0.
        keepdim: keep the reduced dimensions with size 1.
        correction: what is taken off the count; default 1, Bessel's correction. NaN or infinity
            where it leaves nothing.

    Raises:
        DtypeError: integers.
        ArgumentError: both unbiased and correction are given.
    """
    check_flag("var", "keepdim", keepdim)
    x, dims, freedom = _spread_arguments("var", input, dim, unbiased, correction)
    out: Tensor = Var.apply(x, dims=dims, keepdim=keepdim, correction=freedom)
    return out


def std(
    input: Tensor,
    dim: Dim | bool = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: Number | None = None,
) -> Tensor:
    """The standard deviation, the square root of ``var``; its gradient at 0 is 0.

    Arguments and errors are those of ``var``.
    """
    check_flag("std", "keepdim", keepdim)
    x, dims, freedom = _spread_arguments("std", input, dim, unbiased, correction)
    out: Tensor = Std.apply(x, dims=dims, keepdim=keepdim, correction=freedom)
    return out


def norm(
    input: Tensor,
    p: Number | str | None = "fro",
    dim: Dim = None,
    keepdim: bool = False,
    dtype: Any = None,
) -> Tensor:
    """The p-norm (sum |x|^p)^(1/p) of the numbers along the given dimensions, as vectors.

    Args:
        input: floating numbers.
        p: 1, 2, inf (the largest), -inf (the smallest), 0 (how many are not 0), any other positive
            number, or "fro" (or None), which is 2.
        dim: an int, a tuple, or None for all.
        keepdim: keep the reduced dimensions with size 1.
        dtype: convert to this first.

    Where the norm is 0 its gradient is 0.

    Raises:
        DtypeError: integers, or a p that is no number.
        ArgumentError: another name than "fro", or a negative or NaN p.
    """
    check_flag("norm", "keepdim", keepdim)
    x = need_float("norm", _converted("norm", input, dtype))
    order = _order(p)
    if order == math.inf:
        return amax(Abs.apply(x), () if dim is None else dim, keepdim)
    if order == -math.inf:
        return amin(Abs.apply(x), () if dim is None else dim, keepdim)
    dims = normalize_dims("norm", dim, x.ndim)
    if order == 0:
        nonzero = cast(wrap_result(x.array != 0, x), x.dtype)
        counted: Tensor = Sum.apply(nonzero, dims=dims, keepdim=keepdim)
        return counted
    if order == 1:
        summed: Tensor = Sum.apply(Abs.apply(x), dims=dims, keepdim=keepdim)
        return summed
    out: Tensor = Norm.apply(x, p=order, dims=dims, keepdim=keepdim)
    return out


# -- arguments -------------------------------------------------------------------------------


def _converted(op: str, input: Any, dtype: Any) -> Tensor:
    x = as_tensor(op, input)
    return x if dtype is None else cast(x, as_dtype(dtype, op))


def _spread_arguments(
    op: str, input: Any, dim: Any, unbiased: bool | None, correction: Number | None
) -> tuple[Tensor, tuple[int, ...], Number]:
    x = need_float(op, input)
    if isinstance(dim, bool):  # var(x, False), PyTorch's form without dim
        dim, unbiased = None, dim
    if unbiased is not None:
        check_flag(op, "unbiased", unbiased)
    if unbiased is not None and correction is not None:
        raise ArgumentError(
            op,
            "correction",
            expected="unbiased or correction",
            got="both",
            hint="unbiased=True is correction=1, unbiased=False is correction=0",
        )
    if correction is None:
        correction = 1 if unbiased is None else int(unbiased)
    elif isinstance(correction, bool) or not isinstance(correction, (int, float)):
        raise DtypeError(op, "correction", expected="a number", got=repr(correction), hint="try 1")
    return x, normalize_dims(op, dim, x.ndim), correction


def _order(p: Any) -> float:
    if p is None or p == "fro":
        return 2.0
    if isinstance(p, str) or (isinstance(p, (int, float)) and not (p >= 0 or p == -math.inf)):
        raise ArgumentError(
            "norm",
            "p",
            expected="a number >= 0, inf, -inf or 'fro'",
            got=repr(p),
            hint="'fro' is the 2-norm of all the numbers",
        )
    if isinstance(p, bool) or not isinstance(p, (int, float)):
        raise DtypeError("norm", "p", expected="a number or 'fro'", got=repr(p), hint="try 2")
    return float(p)
