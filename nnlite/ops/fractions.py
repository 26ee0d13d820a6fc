"""Reciprocals and linear interpolation."""

from __future__ import annotations

from typing import Any

from nnlite.autograd.op import Op
from nnlite.autograd.tensor import Tensor
from nnlite.backend import Array, array_module
from nnlite.ops.arithmetic import add, div, mul, sub
from nnlite.ops.common import Operand, as_float, check_same_dtype, need_float
from nnlite.ops.comparison import lt
from nnlite.ops.pointwise import abs
from nnlite.ops.selection import where

__all__ = ["lerp", "reciprocal", "rsqrt"]


class Rsqrt(Op):
    """1 / sqrt(x).  d/dx = -gy * y^3 / 2."""

    @staticmethod
    def forward(ctx: Any, x: Array) -> Array:
        ctx.save_output()
        return 1 / array_module(x).sqrt(x)

    @staticmethod
    def backward(ctx: Any, gy: Any) -> Any:
        y = ctx.output()
        return gy * (-0.5 * (y * y * y))


def rsqrt(input: Tensor) -> Tensor:
    """1 / sqrt(input): infinite at 0, NaN below; integers become float32."""
    out: Tensor = Rsqrt.apply(as_float("rsqrt", input))
    return out


def reciprocal(input: Tensor) -> Tensor:
    """1 / input: infinite at 0; integers become float32."""
    return div(1.0, as_float("reciprocal", input))


def lerp(input: Tensor, end: Tensor, weight: Operand) -> Tensor:
    """input + weight * (end - input): input at weight 0, end at weight 1, both exactly."""
    x, y = need_float("lerp", input), need_float("lerp", end, "end")
    check_same_dtype("lerp", x, y, "end")
    d = sub(y, x)
    if isinstance(weight, (int, float)):
        return add(x, mul(d, weight)) if -0.5 < weight < 0.5 else sub(y, mul(d, 1 - weight))
    w = need_float("lerp", weight, "weight")
    check_same_dtype("lerp", x, w, "weight")
    return where(lt(abs(w), 0.5), add(x, mul(d, w)), sub(y, mul(d, sub(1.0, w))))
