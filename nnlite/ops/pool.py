"""Pooling: the largest number or the mean of each window."""

from __future__ import annotations

from typing import Any

from nnlite.autograd.op import Op
from nnlite.autograd.tensor import Tensor, wrap
from nnlite.backend import Array
from nnlite.errors import ArgumentError, ShapeError
from nnlite.ops.common import as_index, check_flag
from nnlite.ops.conv_args import check_images, sizes, two
from nnlite.ops.kernels.cuda.pool import Divisor
from nnlite.ops.kernels.pooling import (
    divisor_of,
    flat_index,
    max_and_place,
    put_at_places,
    spread_mean,
    take_at_places,
    window_max,
    window_mean,
)
from nnlite.ops.kernels.windows import Windows
from nnlite.ops.shape import reshape

__all__ = ["avg_pool1d", "avg_pool2d", "max_pool1d", "max_pool2d"]


class MaxPool2d(Op):
    """The maximum of each window.  d/dx = gy at its pixel, the first of several that are equal."""

    @staticmethod
    def forward(ctx: Any, x: Array, *, windows: Windows) -> Array:
        if not ctx.needs_input_grad[0]:
            return window_max(x, windows)
        y, ctx.place = max_and_place(x, windows)
        return y

    @staticmethod
    def backward(ctx: Any, gy: Any) -> Any:
        return PutAtPlaces.call(gy, place=ctx.place, windows=ctx.windows)


class PutAtPlaces(Op):
    """Each window's number added to one pixel.  d/dgy = the gradient at that pixel."""

    @staticmethod
    def forward(ctx: Any, gy: Array, *, place: Array, windows: Windows) -> Array:
        return put_at_places(gy, place, windows)

    @staticmethod
    def backward(ctx: Any, ggx: Any) -> Any:
        return TakeAtPlaces.call(ggx, place=ctx.place, windows=ctx.windows)


class TakeAtPlaces(Op):
    """One pixel of each window.  d/dx = gy added to that pixel."""

    @staticmethod
    def forward(ctx: Any, x: Array, *, place: Array, windows: Windows) -> Array:
        return take_at_places(x, place, windows)

    @staticmethod
    def backward(ctx: Any, gy: Any) -> Any:
        return PutAtPlaces.call(gy, place=ctx.place, windows=ctx.windows)


class AvgPool2d(Op):
    """The sum of each window over its divisor.  d/dx = gy / divisor at each pixel of the window."""

    @staticmethod
    def forward(ctx: Any, x: Array, *, windows: Windows, divisor: Divisor) -> Array:
        return window_mean(x, divisor, windows)

    @staticmethod
    def backward(ctx: Any, gy: Any) -> Any:
        return AvgPool2dGrad.call(gy, windows=ctx.windows, divisor=ctx.divisor)


class AvgPool2dGrad(Op):
    """gy / divisor added to each pixel of the window.  d/dgy = the mean of the gradient there."""

    @staticmethod
    def forward(ctx: Any, gy: Array, *, windows: Windows, divisor: Divisor) -> Array:
        return spread_mean(gy, divisor, windows)

    @staticmethod
    def backward(ctx: Any, ggx: Any) -> Any:
        return AvgPool2d.call(ggx, windows=ctx.windows, divisor=ctx.divisor)


# -- public ----------------------------------------------------------------------------------


def max_pool2d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest number of each window; a NaN in the window is the result.

    Args:
        input: (N, C, H, W) or (C, H, W).
        kernel_size: of the window; a number, or one for rows and one for columns.
        stride: step from window to window; None means kernel_size.
        padding: rows and columns of -infinity around the image, at most half the window.
        dilation: distance between the pixels of one window.
        ceil_mode: a last window may reach over the end, if it starts inside the image or the
            padding before it.
        return_indices: return also where in the image, counted row by row, each maximum is.

    Returns:
        (N, C, oh, ow) or (C, oh, ow), where oh = floor((H + 2 padding - dilation (kernel-1) - 1) /
        stride) + 1, with ceil_mode rounded up; or a pair (result, int64 indices).

    Raises:
        ShapeError: a window larger than the padded image.
        ArgumentError: a size or stride below 1, or a padding above half the window.
        DtypeError: integers.
    """
    return _max_pool(
        "max_pool2d", 2, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices
    )


def max_pool1d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """As ``max_pool2d`` along one dimension: input (N, C, L) or (C, L)."""
    return _max_pool(
        "max_pool1d", 1, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices
    )


def avg_pool2d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """The mean of each window.

    Args:
        input: (N, C, H, W) or (C, H, W).
        kernel_size, stride, ceil_mode: as for ``max_pool2d``.
        padding: rows and columns of zeros around the image, at most half the window.
        count_include_pad: the zeros of the padding count in the mean; what a window of ceil_mode
            covers beyond the padding never does.
        divisor_override: divide the sum by this instead of the count.

    Returns:
        (N, C, oh, ow) or (C, oh, ow), with the sizes of ``max_pool2d``.

    Raises:
        ShapeError, DtypeError: as ``max_pool2d``.
        ArgumentError: likewise, or a divisor_override of 0.
    """
    return _avg_pool(
        "avg_pool2d",
        2,
        input,
        kernel_size,
        stride,
        padding,
        ceil_mode,
        count_include_pad,
        divisor_override,
    )


def avg_pool1d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """As ``avg_pool2d`` along one dimension: input (N, C, L) or (C, L)."""
    return _avg_pool(
        "avg_pool1d", 1, input, kernel_size, stride, padding, ceil_mode, count_include_pad, None
    )


def _max_pool(
    op: str,
    spatial: int,
    input: Any,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    ceil_mode: bool,
    return_indices: bool,
) -> Any:
    x = check_images(op, input, spatial)
    check_flag(op, "return_indices", return_indices)
    windows = _windows(op, x, spatial, kernel_size, stride, padding, dilation, ceil_mode)
    shape = x.shape[: x.ndim - spatial] + windows.out[2 - spatial :]
    images = _as_images(x, spatial)
    if not return_indices:
        y: Tensor = MaxPool2d.apply(images, windows=windows)
        return y if y.shape == shape else reshape(y, shape)
    _, place = max_and_place(images.array, windows)
    y = TakeAtPlaces.apply(images, place=place, windows=windows)
    return reshape(y, shape), wrap(flat_index(place, windows).reshape(shape))


def _avg_pool(
    op: str,
    spatial: int,
    input: Any,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: Any,
) -> Tensor:
    x = check_images(op, input, spatial)
    check_flag(op, "count_include_pad", count_include_pad)
    windows = _windows(op, x, spatial, kernel_size, stride, padding, 1, ceil_mode)
    if divisor_override is None:
        divisor = divisor_of(windows, bool(count_include_pad))
    else:
        divisor = as_index(op, "divisor_override", divisor_override)
        if divisor == 0:
            raise ArgumentError(
                op,
                "divisor_override",
                expected="a whole number other than 0",
                got="0",
                hint="None divides by the size of the window",
            )
    shape = x.shape[: x.ndim - spatial] + windows.out[2 - spatial :]
    y: Tensor = AvgPool2d.apply(_as_images(x, spatial), windows=windows, divisor=divisor)
    return y if y.shape == shape else reshape(y, shape)


def _as_images(x: Tensor, spatial: int) -> Tensor:
    """Signals (..., L) as images of one row (..., 1, L)."""
    return x if spatial == 2 else reshape(x, (*x.shape[:-1], 1, x.shape[-1]))


def _windows(
    op: str,
    x: Tensor,
    spatial: int,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    ceil_mode: bool,
) -> Windows:
    check_flag(op, "ceil_mode", ceil_mode)
    kernel = sizes(op, "kernel_size", kernel_size, spatial, 1)
    # an empty tuple, too, means the default in PyTorch
    steps = kernel if stride is None or stride == () else sizes(op, "stride", stride, spatial, 1)
    before = sizes(op, "padding", padding, spatial, 0)
    spread = sizes(op, "dilation", dilation, spatial, 1)
    size = x.shape[-spatial:]
    reach = [d * (k - 1) + 1 for k, d in zip(kernel, spread, strict=True)]
    if any(p > r // 2 for p, r in zip(before, reach, strict=True)):
        raise ArgumentError(
            op,
            "padding",
            expected=f"at most half the window {tuple(reach)}",
            got=str(before),
            hint="with more, a window could lie in the padding alone",
        )
    out = []
    for n, r, s, p in zip(size, reach, steps, before, strict=True):
        count = (n + 2 * p - r + (s - 1 if ceil_mode else 0)) // s + 1
        # the last window must start inside the image or the padding before it
        if ceil_mode and (count - 1) * s >= n + p:
            count -= 1
        if count < 1:
            raise ShapeError(
                op,
                "kernel_size",
                expected=f"a window no larger than the padded input {x.shape}",
                got=f"{tuple(reach)} (dilation included) with padding {before}",
                hint="the images are smaller than expected, or an earlier layer shrank them",
            )
        out.append(count)
    return Windows(
        two(size, 1), two(out, 1), two(kernel, 1), two(steps, 1), two(before, 0), two(spread, 1)
    )
