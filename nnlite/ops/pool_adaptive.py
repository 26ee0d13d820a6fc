"""Adaptive pooling: the size of the result is given, and the windows follow from it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from nnlite.autograd.op import Op
from nnlite.autograd.tensor import Tensor, wrap
from nnlite.backend import Array, array_module, backend_of
from nnlite.errors import ArgumentError
from nnlite.ops.common import as_index, check_flag
from nnlite.ops.conv_args import check_images
from nnlite.ops.kernels.windows import Pair
from nnlite.ops.pool import avg_pool2d, max_pool2d
from nnlite.ops.shape import squeeze, unsqueeze
from nnlite.ops.sizes import check_size

__all__ = [
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_max_pool1d",
    "adaptive_max_pool2d",
]


class AdaptiveAvgPool2d(Op):
    """The mean of each window (see cells).  d/dx = gy / its size, at each of its pixels."""

    @staticmethod
    def forward(ctx: Any, x: Array, *, size: Pair, out: Pair) -> Array:
        y = array_module(x).empty((*x.shape[:-2], *out), dtype=x.dtype)
        for cell, pixels, _ in cells(size, out):
            y[cell] = x[pixels].mean(axis=(-2, -1))
        return y

    @staticmethod
    def backward(ctx: Any, gy: Any) -> Any:
        return AdaptiveAvgPool2dGrad.call(gy, size=ctx.size, out=ctx.out)


class AdaptiveAvgPool2dGrad(Op):
    """The adjoint of AdaptiveAvgPool2d.  d/dgy = AdaptiveAvgPool2d of the gradient."""

    @staticmethod
    def forward(ctx: Any, gy: Array, *, size: Pair, out: Pair) -> Array:
        gx = array_module(gy).zeros((*gy.shape[:-2], *size), dtype=gy.dtype)
        for cell, pixels, count in cells(size, out):
            gx[pixels] += gy[cell][..., None, None] / count
        return gx

    @staticmethod
    def backward(ctx: Any, ggx: Any) -> Any:
        return AdaptiveAvgPool2d.call(ggx, size=ctx.size, out=ctx.out)


class TakePixels(Op):
    """One pixel for each element of index.  d/dx = gy added at those pixels."""

    @staticmethod
    def forward(ctx: Any, x: Array, *, index: Array, size: Pair) -> Array:
        flat = x.reshape(-1, size[0] * size[1])
        xp = array_module(x)
        wanted = index.reshape(-1, index.shape[-2] * index.shape[-1])
        taken = xp.take_along_axis(flat, wanted, axis=1)
        return taken.reshape(index.shape)

    @staticmethod
    def backward(ctx: Any, gy: Any) -> Any:
        return PutPixels.call(gy, index=ctx.index, size=ctx.size)


class PutPixels(Op):
    """Each number added to the pixel at its index.  d/dgy = the gradient at that pixel."""

    @staticmethod
    def forward(ctx: Any, gy: Array, *, index: Array, size: Pair) -> Array:
        xp = array_module(gy)
        images = gy.reshape(-1, index.shape[-2] * index.shape[-1])
        gx = xp.zeros((images.shape[0], size[0] * size[1]), dtype=gy.dtype)
        rows = xp.arange(images.shape[0])[:, None]
        backend_of(gy).scatter_add(gx, (rows, index.reshape(images.shape)), images)
        return gx.reshape(*gy.shape[:-2], *size)

    @staticmethod
    def backward(ctx: Any, ggx: Any) -> Any:
        return TakePixels.call(ggx, index=ctx.index, size=ctx.size)


def cells(size: Pair, out: Pair) -> Iterator[tuple[Any, Any, int]]:
    """Each cell of the result, the pixels of its window, and how many they are.

    Along an axis, cell i of n covers the pixels from floor(i * size / n) to ceil((i+1) * size / n):
    the windows cover the image, and overlap where n does not divide it.
    """
    for i in range(out[0]):
        top, bottom = i * size[0] // out[0], -(-(i + 1) * size[0] // out[0])
        for j in range(out[1]):
            left, right = j * size[1] // out[1], -(-(j + 1) * size[1] // out[1])
            pixels = (..., slice(top, bottom), slice(left, right))
            yield (..., i, j), pixels, (bottom - top) * (right - left)


# -- public ----------------------------------------------------------------------------------


def adaptive_avg_pool2d(input: Tensor, output_size: Any) -> Tensor:
    """The mean of each of oh x ow windows that cover the image evenly.

    Args:
        input: (N, C, H, W) or (C, H, W).
        output_size: (oh, ow), or one number for both; None keeps the image's size.

    Returns:
        (N, C, oh, ow) or (C, oh, ow).

    Raises:
        ShapeError, DtypeError: as ``avg_pool2d``.
        ArgumentError: a size below 1.
    """
    x = check_images("adaptive_avg_pool2d", input, 2)
    size, out = _sizes("adaptive_avg_pool2d", x, output_size)
    if _divides(size, out):
        return avg_pool2d(x, (size[0] // out[0], size[1] // out[1]))
    y: Tensor = AdaptiveAvgPool2d.apply(x, size=size, out=out)
    return y


def adaptive_max_pool2d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """The maximum of each of oh x ow windows that cover the image evenly.

    Args:
        input, output_size: as for ``adaptive_avg_pool2d``.
        return_indices: return also where in the image, counted row by row, each maximum is.

    Returns:
        (N, C, oh, ow) or (C, oh, ow), or a pair (result, int64 indices).

    Raises:
        ShapeError, ArgumentError, DtypeError: as ``adaptive_avg_pool2d``.
    """
    x = check_images("adaptive_max_pool2d", input, 2)
    size, out = _sizes("adaptive_max_pool2d", x, output_size)
    check_flag("adaptive_max_pool2d", "return_indices", return_indices)
    if _divides(size, out):
        kernel = (size[0] // out[0], size[1] // out[1])
        return max_pool2d(x, kernel, return_indices=return_indices)
    index = _argmax(x.array, size, out)
    y: Tensor = TakePixels.apply(x, index=index, size=size)
    return (y, wrap(index)) if return_indices else y


def adaptive_avg_pool1d(input: Tensor, output_size: Any) -> Tensor:
    """As ``adaptive_avg_pool2d`` along one dimension: input (N, C, L) or (C, L)."""
    x = check_images("adaptive_avg_pool1d", input, 1)
    length = _length("adaptive_avg_pool1d", output_size)
    return squeeze(adaptive_avg_pool2d(unsqueeze(x, -2), (1, length)), -2)


def adaptive_max_pool1d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """As ``adaptive_max_pool2d`` along one dimension: input (N, C, L) or (C, L)."""
    x = check_images("adaptive_max_pool1d", input, 1)
    length = _length("adaptive_max_pool1d", output_size)
    found = adaptive_max_pool2d(unsqueeze(x, -2), (1, length), return_indices)
    if return_indices:
        return squeeze(found[0], -2), squeeze(found[1], -2)
    return squeeze(found, -2)


def _length(op: str, output_size: Any) -> int:
    given = output_size
    if isinstance(given, (tuple, list)) and len(given) == 1:
        given = given[0]
    length = as_index(op, "output_size", given)
    if length < 1:
        raise ArgumentError(
            op, "output_size", expected="1 or more", got=str(length), hint="1 pools over everything"
        )
    return length


def _argmax(x: Array, size: Pair, out: Pair) -> Array:
    """The pixel, counted row by row, of the first maximum of each window; of a NaN where one is."""
    index = array_module(x).empty((*x.shape[:-2], *out), dtype="int64")
    for cell, pixels, count in cells(size, out):
        rows, columns = pixels[1:]
        width = columns.stop - columns.start
        best = x[pixels].reshape(*x.shape[:-2], count).argmax(axis=-1)
        index[cell] = (rows.start + best // width) * size[1] + columns.start + best % width
    return index


def _sizes(op: str, x: Tensor, output_size: Any) -> tuple[Pair, Pair]:
    size = (x.shape[-2], x.shape[-1])
    given = output_size if isinstance(output_size, (tuple, list)) else (output_size,) * 2
    out = tuple(
        n if v is None else as_index(op, "output_size", v)
        for v, n in zip(given, size, strict=False)
    )
    if len(given) != 2 or any(v < 1 for v in out):
        raise ArgumentError(
            op,
            "output_size",
            expected="a number or (rows, columns), 1 or more",
            got=repr(output_size),
            hint="output_size=1 makes one number of each channel",
        )
    check_size(op, (*x.shape[:-2], *out), "output_size")
    return size, (out[0], out[1])


def _divides(size: Pair, out: Pair) -> bool:
    return size[0] % out[0] == 0 and size[1] % out[1] == 0
