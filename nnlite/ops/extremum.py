"""The largest and the smallest: values, where they are, and the smooth maximum logsumexp."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

from nnlite.autograd.op import Op
from nnlite.autograd.tape import retraced, traced
from nnlite.autograd.tensor import Tensor
from nnlite.backend import Array, array_module
from nnlite.backend.dtypes import int64
from nnlite.backend.summation import count
from nnlite.errors import ShapeError
from nnlite.ops.common import (
    as_float,
    as_tensor,
    check_flag,
    need_numbers,
    normalize_dim,
    normalize_dims,
    raw,
    wrap_result,
)
from nnlite.ops.pointwise import Exp
from nnlite.ops.selection import maximum, minimum
from nnlite.ops.spread import Spread

__all__ = [
    "Extremum",
    "amax",
    "amin",
    "argmax",
    "argmin",
    "logsumexp",
    "max",
    "min",
]

Dim: TypeAlias = int | tuple[int, ...] | list[int] | None


class Extremum(NamedTuple):
    """What max and min along a dimension return: the values, and where they stand."""

    values: Tensor
    indices: Tensor


class Amax(Op):
    """The largest over dims; NaN where there is one.

    gy goes to the largest, in equal parts where several are. At a NaN: NaN, or with nan_wins
    (PyTorch's max without dim) in equal parts to the NaNs.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Array, *, dims: tuple[int, ...], keepdim: bool, nan_wins: bool
    ) -> Array:
        ctx.save_inputs(0)
        ctx.save_output()
        return x.max(axis=dims, keepdims=keepdim)

    @staticmethod
    def backward(ctx: Any, gy: Any) -> Any:
        return _share(ctx, gy)


class Amin(Op):
    """The smallest over dims; see Amax."""

    @staticmethod
    def forward(
        ctx: Any, x: Array, *, dims: tuple[int, ...], keepdim: bool, nan_wins: bool
    ) -> Array:
        ctx.save_inputs(0)
        ctx.save_output()
        return x.min(axis=dims, keepdims=keepdim)

    @staticmethod
    def backward(ctx: Any, gy: Any) -> Any:
        return _share(ctx, gy)


def _share(ctx: Any, gy: Any) -> Any:
    """gy in equal parts to the elements that equal the result."""
    x, y, dims = raw(ctx.input(0)), raw(ctx.output()), ctx.dims
    wins = x == Spread.call(y, dims=dims, shape=x.shape)
    if ctx.nan_wins:
        wins = wins | (x != x)
    wins = wins.astype(x.dtype)
    return Spread.call(gy, dims=dims, shape=x.shape) * (wins / wins.sum(axis=dims, keepdims=True))


class TakeAt(Op):
    """One element of x along dim for each place: index has x's shape, but size 1 along dim.

    d/dx = gy there, 0 elsewhere.
    """

    @staticmethod
    def forward(ctx: Any, x: Array, *, index: Array, dim: int, keepdim: bool) -> Array:
        ctx.n = x.shape[dim]
        y = array_module(x).take_along_axis(x, index, axis=dim)
        return y if keepdim else y.reshape(x.shape[:dim] + x.shape[dim + 1 :])

    @staticmethod
    def backward(ctx: Any, gy: Any) -> Any:
        return PutAt.call(gy, index=ctx.index, dim=ctx.dim, n=ctx.n)


class PutAt(Op):
    """x at index along dim, of size n, and 0 elsewhere; undoes TakeAt.  d/dx = gy at index."""

    @staticmethod
    def forward(ctx: Any, x: Array, *, index: Array, dim: int, n: int) -> Array:
        ctx.keepdim = len(x.shape) == index.ndim
        xp = array_module(x)
        places = xp.arange(n).reshape((n,) + (1,) * (index.ndim - dim - 1))
        return xp.where(places == index, x.reshape(index.shape), 0.0)

    @staticmethod
    def backward(ctx: Any, gy: Any) -> Any:
        return TakeAt.call(gy, index=ctx.index, dim=ctx.dim, keepdim=ctx.keepdim)


class LogSumExp(Op):
    """log(sum(exp(x))) over dims, computed about the largest.  d/dx = gy * exp(x - y)."""

    @staticmethod
    def forward(ctx: Any, x: Array, *, dims: tuple[int, ...], keepdim: bool) -> Array:
        ctx.save_inputs(0)
        ctx.save_output()
        xp = array_module(x)
        if x.size == 0:
            return xp.log(xp.exp(x).sum(axis=dims, keepdims=keepdim))
        top = x.max(axis=dims, keepdims=True)
        top = xp.where(xp.isfinite(top), top, 0.0)
        y = xp.log(xp.exp(x - top).sum(axis=dims, keepdims=True)) + top
        return y if keepdim else y.reshape([n for i, n in enumerate(x.shape) if i not in dims])

    @staticmethod
    def backward(ctx: Any, gy: Any) -> Any:
        x, dims = ctx.input(0), ctx.dims
        gy = Spread.call(gy, dims=dims, shape=x.shape)
        return gy * Exp.call(x - Spread.call(ctx.output(), dims=dims, shape=x.shape))


# -- public ----------------------------------------------------------------------------------


def amax(input: Tensor, dim: Dim = (), keepdim: bool = False) -> Tensor:
    """The largest over the given dimensions (default: all).

    Where several are largest, the gradient is shared equally among them.

    Raises:
        ShapeError: nothing to compare along a dimension.
    """
    check_flag("amax", "keepdim", keepdim)
    x, dims = _nonempty("amax", input, dim)
    out: Tensor = Amax.apply(x, dims=dims, keepdim=keepdim, nan_wins=False)
    return out


def amin(input: Tensor, dim: Dim = (), keepdim: bool = False) -> Tensor:
    """The smallest over the given dimensions (default: all); otherwise as ``amax``."""
    check_flag("amin", "keepdim", keepdim)
    x, dims = _nonempty("amin", input, dim)
    out: Tensor = Amin.apply(x, dims=dims, keepdim=keepdim, nan_wins=False)
    return out


def max(
    input: Tensor,
    dim: Dim | Tensor = None,
    keepdim: bool = False,
    *,
    other: Tensor | None = None,
) -> Any:
    """The largest, in PyTorch's three forms.

    ``max(x)``: of all, a 0-d tensor; the gradient is shared equally among the largest.
    ``max(x, dim)``: along one dimension, the pair (values, indices); of equals the first is
    found, and takes the gradient. ``max(x, other)``: element by element, as ``maximum``.
    A NaN counts as the largest.

    Raises:
        ShapeError: nothing to compare.
    """
    if other is not None or isinstance(dim, Tensor):
        return maximum(input, dim if other is None else other)
    if dim is None:
        x, dims = _nonempty("max", input, None)
        return Amax.apply(x, dims=dims, keepdim=False, nan_wins=True)
    return _with_indices("max", input, dim, keepdim)


def min(
    input: Tensor,
    dim: Dim | Tensor = None,
    keepdim: bool = False,
    *,
    other: Tensor | None = None,
) -> Any:
    """The smallest, in the same three forms as ``max``. A NaN counts as the smallest."""
    if other is not None or isinstance(dim, Tensor):
        return minimum(input, dim if other is None else other)
    if dim is None:
        x, dims = _nonempty("min", input, None)
        return Amin.apply(x, dims=dims, keepdim=False, nan_wins=True)
    return _with_indices("min", input, dim, keepdim)


def argmax(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Where the largest stands along dim, or in the flattened tensor; int64.

    The first of equals; the first NaN, if there is one.

    Raises:
        ShapeError: nothing to compare.
    """
    return _arg("argmax", need_numbers("argmax", input), dim, keepdim)


def argmin(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Where the smallest stands; otherwise as ``argmax``."""
    return _arg("argmin", need_numbers("argmin", input), dim, keepdim)


def logsumexp(input: Tensor, dim: Dim, keepdim: bool = False) -> Tensor:
    """log(sum(exp(input))) over the given dimensions, without overflow; -inf where nothing is.

    Integers are converted to float32.
    """
    check_flag("logsumexp", "keepdim", keepdim)
    x = as_float("logsumexp", input)
    dims = normalize_dims("logsumexp", dim, x.ndim)
    out: Tensor = LogSumExp.apply(x, dims=dims, keepdim=keepdim)
    return out


def _nonempty(op: str, input: Any, dim: Any) -> tuple[Tensor, tuple[int, ...]]:
    x = as_tensor(op, input)
    dims = normalize_dims(op, dim, x.ndim)
    if count(x.shape, dims) == 0:
        raise ShapeError(
            op,
            "input",
            expected="at least one element along each reduced dimension",
            got=f"shape {x.shape} reduced over {dims}",
            hint="an empty set has no largest or smallest element",
        )
    return x, dims


def _with_indices(op: str, input: Any, dim: Any, keepdim: bool) -> Extremum:
    check_flag(op, "keepdim", keepdim)
    x = as_tensor(op, input)
    d = normalize_dim(op, dim, x.ndim)
    _nonempty(op, x, d)
    if x.ndim == 0:
        kind = Amax if op == "max" else Amin
        only = kind.apply(x, dims=(), keepdim=False, nan_wins=True)
        return Extremum(only, _arg("arg" + op, x, 0, False))
    kept = _arg("arg" + op, x, d, True).array
    indices = kept if keepdim else traced(_squeezed, kept, d)
    return Extremum(TakeAt.apply(x, index=kept, dim=d, keepdim=keepdim), wrap_result(indices, x))


def _squeezed(x: Array, dim: int) -> Array:
    return x.squeeze(axis=dim)


@retraced
def _arg(op: str, input: Any, dim: int | None, keepdim: bool) -> Tensor:
    check_flag(op, "keepdim", keepdim)
    x = as_tensor(op, input)
    _nonempty(op, x, dim)
    d = None if dim is None or x.ndim == 0 else normalize_dim(op, dim, x.ndim)
    find = x.array.argmax if op == "argmax" else x.array.argmin
    found = find(axis=d)
    if keepdim:
        shape = [1 if d is None or i == d else n for i, n in enumerate(x.shape)]
        found = found.reshape(shape)
    return wrap_result(found.astype(int64), x)
