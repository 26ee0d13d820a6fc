"""softmax, log_softmax and softmin: scores turned into probabilities along one dimension."""

from __future__ import annotations

from typing import Any

from nnlite.autograd.op import Op
from nnlite.autograd.tensor import Tensor
from nnlite.backend import Array, array_module, as_dtype
from nnlite.errors import ArgumentError
from nnlite.ops.arithmetic import Neg
from nnlite.ops.common import as_tensor, cast, need_float, normalize_dims
from nnlite.ops.pointwise import Exp
from nnlite.ops.spread import Sum

__all__ = ["log_softmax", "softmax", "softmin"]


class Softmax(Op):
    """exp(x) / sum(exp(x)) over dims, computed about the largest x.

    d/dx = y * (gy - sum(gy * y)).
    """

    @staticmethod
    def forward(ctx: Any, x: Array, *, dims: tuple[int, ...]) -> Array:
        ctx.save_output()
        e = array_module(x).exp(centred(x, dims))
        return e / e.sum(axis=dims, keepdims=True)

    @staticmethod
    def backward(ctx: Any, gy: Any) -> Any:
        y = ctx.output()
        weighted = gy * y
        return weighted - y * Sum.call(weighted, dims=ctx.dims, keepdim=True)


class LogSoftmax(Op):
    """x - log(sum(exp(x))) over dims, computed about the largest x.

    d/dx = gy - exp(y) * sum(gy).
    """

    @staticmethod
    def forward(ctx: Any, x: Array, *, dims: tuple[int, ...]) -> Array:
        ctx.save_output()
        xp, z = array_module(x), centred(x, dims)
        return z - xp.log(xp.exp(z).sum(axis=dims, keepdims=True))

    @staticmethod
    def backward(ctx: Any, gy: Any) -> Any:
        return gy - Exp.call(ctx.output()) * Sum.call(gy, dims=ctx.dims, keepdim=True)


def centred(x: Array, dims: tuple[int, ...]) -> Array:
    """x less its largest over dims, so that exp cannot overflow."""
    return x - x.max(axis=dims, keepdims=True) if x.size else x.copy()


# -- public ----------------------------------------------------------------------------------


def softmax(input: Tensor, dim: int | None = None, dtype: Any = None) -> Tensor:
    """exp(x) / sum(exp(x)) along dim: positive numbers with sum 1.

    Neither large nor small numbers overflow; a row of -inf alone gives NaN, as in PyTorch.

    Args:
        input: floating numbers.
        dim: the dimension of the classes; must be given.
        dtype: convert to this first.

    Raises:
        ArgumentError: dim is left out (PyTorch guesses one, with a warning).
        DtypeError: integers.
    """
    x, dims = _arguments("softmax", input, dim, dtype)
    out: Tensor = Softmax.apply(x, dims=dims)
    return out


def log_softmax(input: Tensor, dim: int | None = None, dtype: Any = None) -> Tensor:
    """log(softmax(x)), exact where softmax would round to 0. Arguments and errors: ``softmax``."""
    x, dims = _arguments("log_softmax", input, dim, dtype)
    out: Tensor = LogSoftmax.apply(x, dims=dims)
    return out


def softmin(input: Tensor, dim: int | None = None, dtype: Any = None) -> Tensor:
    """softmax(-x). Arguments and errors: ``softmax``."""
    x, dims = _arguments("softmin", input, dim, dtype)
    out: Tensor = Softmax.apply(Neg.apply(x), dims=dims)
    return out


def _arguments(op: str, input: Any, dim: Any, dtype: Any) -> tuple[Tensor, tuple[int, ...]]:
    x = as_tensor(op, input)
    if dtype is not None:
        x = cast(x, as_dtype(dtype, op))
    x = need_float(op, x)
    if dim is None:
        raise ArgumentError(
            op,
            "dim",
            expected="the dimension of the classes",
            got="None",
            hint="dim=-1 for scores of shape (batch, classes)",
        )
    return x, normalize_dims(op, (dim,), x.ndim)
