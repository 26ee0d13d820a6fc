"""What the engine does to make a gradient fit its input: undo broadcasting, cast back.

Both are Ops, so that a backward under create_graph records them too.
"""

from __future__ import annotations

from typing import Any

from nnlite.autograd.modes import no_grad
from nnlite.autograd.op import Op
from nnlite.backend import Array, Dtype, array_module, is_float
from nnlite.backend.summation import total
from nnlite.errors import ShapeError


class SumTo(Op):
    """Sum over the dimensions that broadcasting added or stretched.  d/dx = broadcast(gy)."""

    @staticmethod
    def forward(ctx: Any, x: Array, *, shape: tuple[int, ...]) -> Array:
        ctx.source = x.shape
        leading = x.ndim - len(shape)
        if x.shape[leading:] == shape:  # a bias, most often
            return total(x, tuple(range(leading)), keepdim=False)
        stretched = tuple(
            i + leading for i, n in enumerate(shape) if n == 1 and x.shape[i + leading] != 1
        )
        axes = tuple(range(leading)) + stretched
        # reshape drops the leading 1s that keepdims leaves
        return total(x, axes, keepdim=True).reshape(shape)

    @staticmethod
    def backward(ctx: Any, gy: Any) -> Any:
        return BroadcastTo.call(gy, shape=ctx.source)


class BroadcastTo(Op):
    """Repeat along dimensions of size 1 and new leading ones, as a read-only view.

    d/dx = gy summed over them.
    """

    view = True

    @staticmethod
    def forward(ctx: Any, x: Array, *, shape: tuple[int, ...]) -> Array:
        ctx.source = x.shape
        return array_module(x).broadcast_to(x, shape)

    @staticmethod
    def backward(ctx: Any, gy: Any) -> Any:
        return SumTo.call(gy, shape=ctx.source)


class Cast(Op):
    """Another dtype.  d/dx = gy, cast back by the engine; whole numbers have no gradient."""

    @classmethod
    def apply(cls, *inputs: Any, **params: Any) -> Any:
        """As every op, but outside the graph where the new dtype is not floating."""
        if is_float(params["dtype"]):
            return super().apply(*inputs, **params)
        with no_grad():
            return super().apply(*inputs, **params)

    @staticmethod
    def forward(ctx: Any, x: Array, *, dtype: Dtype) -> Array:
        return x.astype(dtype)

    @staticmethod
    def backward(ctx: Any, gy: Any) -> Any:
        return gy


def is_expandable(small: tuple[int, ...], large: tuple[int, ...]) -> bool:
    """Whether broadcasting takes shape small to exactly shape large."""
    tail = large[len(large) - len(small) :]
    return len(small) <= len(large) and all(a in (1, b) for a, b in zip(small, tail, strict=True))


def fit(gradient: Any, shape: tuple[int, ...], dtype: Dtype, op: str) -> Any:
    """A gradient brought to the shape and dtype of the input that it belongs to.

    Raises:
        ShapeError: no broadcasting leads from the input's shape to the gradient's.
    """
    if gradient.shape != shape:
        if not is_expandable(shape, gradient.shape):
            raise ShapeError(
                f"backward of {op}",
                "gradient",
                expected=f"shape {shape}, as the input has, or one broadcast from it",
                got=f"shape {gradient.shape}",
                hint=f"this is a fault in {op}.backward; check it with nnlite.autograd.gradcheck",
            )
        gradient = SumTo.call(gradient, shape=shape)
    if gradient.dtype != dtype:
        gradient = Cast.call(gradient, dtype=dtype)
    return gradient
