"""sin, cos, tan."""

from __future__ import annotations

from typing import Any

from nnlite.autograd.op import Op
from nnlite.autograd.tensor import Tensor
from nnlite.backend import Array, array_module
from nnlite.ops.common import as_float

__all__ = ["cos", "sin", "tan"]


class Sin(Op):
    """sin(x).  d/dx = gy * cos(x)."""

    @staticmethod
    def forward(ctx: Any, x: Array) -> Array:
        ctx.save_inputs(0)
        return array_module(x).sin(x)

    @staticmethod
    def backward(ctx: Any, gy: Any) -> Any:
        return gy * Cos.call(ctx.input(0))


class Cos(Op):
    """cos(x).  d/dx = -gy * sin(x)."""

    @staticmethod
    def forward(ctx: Any, x: Array) -> Array:
        ctx.save_inputs(0)
        return array_module(x).cos(x)

    @staticmethod
    def backward(ctx: Any, gy: Any) -> Any:
        return -gy * Sin.call(ctx.input(0))


class Tan(Op):
    """tan(x).  d/dx = gy * (1 + y^2)."""

    @staticmethod
    def forward(ctx: Any, x: Array) -> Array:
        ctx.save_output()
        return array_module(x).tan(x)

    @staticmethod
    def backward(ctx: Any, gy: Any) -> Any:
        y = ctx.output()
        return gy * (1 + y * y)


def sin(input: Tensor) -> Tensor:
    """The sine of an angle in radians; integers become float32."""
    out: Tensor = Sin.apply(as_float("sin", input))
    return out


def cos(input: Tensor) -> Tensor:
    """The cosine of an angle in radians; integers become float32."""
    out: Tensor = Cos.apply(as_float("cos", input))
    return out


def tan(input: Tensor) -> Tensor:
    """The tangent of an angle in radians; integers become float32."""
    out: Tensor = Tan.apply(as_float("tan", input))
    return out
