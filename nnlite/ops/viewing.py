"""The ops behind nnlite.ops.shape: memory read in another order, copied only where it must be."""

from __future__ import annotations

from typing import Any

from nnlite.autograd.op import Op
from nnlite.autograd.tensor import Tensor
from nnlite.backend import Array
from nnlite.ops.kernels.layout import flattened

__all__ = ["Permute", "Reshape", "View", "is_viewable", "reshaped"]


class View(Op):
    """The same elements in the same order under another shape, in the same memory.

    d/dx = gy in the shape of x.
    """

    view = True

    @staticmethod
    def forward(ctx: Any, x: Array, *, shape: tuple[int, ...]) -> Array:
        ctx.source = x.shape
        return x.reshape(shape)

    @staticmethod
    def backward(ctx: Any, gy: Any) -> Any:
        return reshaped(gy, ctx.source)


class Reshape(Op):
    """As View, but copied, for memory whose order does not allow one.  d/dx = gy in x's shape."""

    @staticmethod
    def forward(ctx: Any, x: Array, *, shape: tuple[int, ...]) -> Array:
        ctx.source = x.shape
        return flattened(x, shape)

    @staticmethod
    def backward(ctx: Any, gy: Any) -> Any:
        return reshaped(gy, ctx.source)


class Permute(Op):
    """The dimensions in another order, as a view.  d/dx = gy with the order turned back."""

    view = True

    @staticmethod
    def forward(ctx: Any, x: Array, *, dims: tuple[int, ...]) -> Array:
        return x.transpose(dims)

    @staticmethod
    def backward(ctx: Any, gy: Any) -> Any:
        inverse = tuple(sorted(range(len(ctx.dims)), key=ctx.dims.__getitem__))
        return Permute.call(gy, dims=inverse)


def reshaped(x: Any, shape: tuple[int, ...]) -> Any:
    """An array, or a Tensor recorded, in another shape with as many elements: for backwards."""
    if not isinstance(x, Tensor):
        return x.reshape(shape)
    kind = View if is_viewable(x.array, shape) else Reshape
    return kind.apply(x, shape=shape)


def is_viewable(x: Array, shape: tuple[int, ...]) -> bool:
    """Whether x's memory read in steps gives its elements in order under another shape.

    Dimensions that lie in memory one inside the other form a block; each block must be split into
    new dimensions of its own.  Source: at::detail::computeStride of PyTorch.
    """
    if x.flags.c_contiguous or not x.size:
        return True
    blocks = []  # the sizes of the blocks, from the last
    size = 1
    expected = None
    for n, step in zip(reversed(x.shape), reversed(x.strides), strict=True):
        if n == 1:
            continue
        if expected is not None and step != expected:
            blocks.append(size)
            size = 1
        size *= n
        expected = step * n
    blocks.append(size)
    block = size = 1
    remaining = iter(blocks)
    for n in reversed(shape):
        if n == 1:
            continue
        if size == block:
            block, size = next(remaining), 1
        size *= n
        if block % size:
            return False
    return True
