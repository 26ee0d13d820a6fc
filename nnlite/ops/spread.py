"""Sum over dimensions, and its mirror image: repeating a result over them again."""

from __future__ import annotations

from typing import Any

from nnlite.autograd.op import Op
from nnlite.backend import Array, array_module
from nnlite.backend.summation import total


class Sum(Op):
    """The sum over dims.  d/dx = gy, repeated over dims."""

    @staticmethod
    def forward(ctx: Any, x: Array, *, dims: tuple[int, ...], keepdim: bool) -> Array:
        ctx.source = x.shape
        return total(x, dims, keepdim)

    @staticmethod
    def backward(ctx: Any, gy: Any) -> Any:
        return Spread.call(gy, dims=ctx.dims, shape=ctx.source)


class Spread(Op):
    """The result of a reduction over dims, repeated to the shape it came from; a read-only view.

    x may have the reduced dimensions with size 1 or not at all.  d/dx = gy, summed over dims.
    """

    view = True

    @staticmethod
    def forward(ctx: Any, x: Array, *, dims: tuple[int, ...], shape: tuple[int, ...]) -> Array:
        ctx.keepdim = len(x.shape) == len(shape)
        kept = tuple([1 if i in dims else n for i, n in enumerate(shape)])
        return array_module(x).broadcast_to(x.reshape(kept), shape)

    @staticmethod
    def backward(ctx: Any, gy: Any) -> Any:
        return Sum.call(gy, dims=ctx.dims, keepdim=ctx.keepdim)
