"""Convolution (cross-correlation, as all such libraries mean it) in one and two dimensions.

The three ops below are the three derivatives of one trilinear form, sum(gy * conv(x, w)): by x, by
w and by gy. Each one's derivatives are the other two, so any order of derivative is at hand.
"""

from __future__ import annotations

from typing import Any

from nnlite.autograd.op import Op
from nnlite.autograd.tensor import Tensor
from nnlite.backend import Array
from nnlite.ops.arithmetic import add
from nnlite.ops.conv_args import Convolution, check_conv, check_conv_transpose
from nnlite.ops.kernels.convolution import (
    convolve,
    gradients,
    input_grad,
    laid_out,
    weight_grad,
)
from nnlite.ops.kernels.windows import Windows
from nnlite.ops.shape import reshape

__all__ = ["conv1d", "conv2d", "conv_transpose1d", "conv_transpose2d"]


class Conv2d(Op):
    """y[n,o] = sum over c,i,j of x[n,c, y*s + i*d - p, x*s + j*d - p] * w[o,c,i,j], plus b[o].

    d/dx = Conv2dInputGrad(gy, w),  d/dw = Conv2dWeightGrad(x, gy),  d/db = gy summed over n, y, x.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Array, w: Array, b: Array | None, *, windows: Windows, groups: int
    ) -> Array:
        need_x, need_w = ctx.needs_input_grad[:2]
        if need_x:
            ctx.save_inputs(1)
        if need_w:
            ctx.save_inputs(0)
        x = laid_out(x, windows, groups)
        if need_w:
            ctx.x = x  # for a plain backward, which need not lay it out again
        return convolve(x, w, b, windows, groups)  # (N, O, oh, ow)

    @staticmethod
    def backward(ctx: Any, gy: Any) -> Any:
        need_x, need_w, need_b = ctx.needs_input_grad
        params = {"windows": ctx.windows, "groups": ctx.groups}
        gx = gw = None
        x = ctx.input(0) if need_w else None
        if not isinstance(x, Tensor):
            x = ctx.x if need_w else None
        if need_x and need_w and not isinstance(x, Tensor):
            gx, gw = gradients(x, gy, ctx.input(1), **params)  # they have work in common
        else:
            gx = Conv2dInputGrad.call(gy, ctx.input(1), **params) if need_x else None
            gw = Conv2dWeightGrad.call(x, gy, **params) if need_w else None
        return gx, gw, (gy if need_b else None)


class Conv2dInputGrad(Op):
    """The x for which sum(x * x') = sum(gy * conv(x', w)) for all x': the transposed convolution.

    With the cotangent ggx: d/dgy = conv(ggx, w),  d/dw = Conv2dWeightGrad(ggx, gy).
    """

    @staticmethod
    def forward(ctx: Any, gy: Array, w: Array, *, windows: Windows, groups: int) -> Array:
        need_gy, need_w = ctx.needs_input_grad[:2]
        if need_gy:
            ctx.save_inputs(1)
        if need_w:
            ctx.save_inputs(0)
        return input_grad(gy, w, windows, groups)  # (N, C, H, W)

    @staticmethod
    def backward(ctx: Any, ggx: Any) -> Any:
        need_gy, need_w = ctx.needs_input_grad
        params = {"windows": ctx.windows, "groups": ctx.groups}
        ggy = Conv2d.call(ggx, ctx.input(1), None, **params) if need_gy else None
        gw = Conv2dWeightGrad.call(ggx, ctx.input(0), **params) if need_w else None
        return ggy, gw


class Conv2dWeightGrad(Op):
    """gw[o,c,i,j] = sum over n,y,x of gy[n,o,y,x] * x[n,c, y*s + i*d - p, x*s + j*d - p].

    With the cotangent ggw: d/dx = Conv2dInputGrad(gy, ggw),  d/dgy = conv(x, ggw).
    """

    @staticmethod
    def forward(ctx: Any, x: Array, gy: Array, *, windows: Windows, groups: int) -> Array:
        need_x, need_gy = ctx.needs_input_grad[:2]
        if need_x:
            ctx.save_inputs(1)
        if need_gy:
            ctx.save_inputs(0)
        return weight_grad(x, gy, windows, groups)  # (O, C/groups, kh, kw)

    @staticmethod
    def backward(ctx: Any, ggw: Any) -> Any:
        need_x, need_gy = ctx.needs_input_grad
        params = {"windows": ctx.windows, "groups": ctx.groups}
        gx = Conv2dInputGrad.call(ctx.input(1), ggw, **params) if need_x else None
        ggy = Conv2d.call(ctx.input(0), ggw, None, **params) if need_gy else None
        return gx, ggy


# -- public ----------------------------------------------------------------------------------


def conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """Slide each filter of weight over the images and take the sum of products at each step.

    Without padding, groups and dilation: ``y[n,o,y,x] = bias[o] + sum over c,i,j of
    input[n, c, y*stride + i, x*stride + j] * weight[o, c, i, j]``.

    Args:
        input: (N, C, H, W), or one image (C, H, W).
        weight: (O, C/groups, kh, kw), of the same dtype.
        bias: (O,).
        stride: step from window to window; a number, or one for rows and one for columns.
        padding: zeros around the image, likewise; or "valid" for none, or "same" for as many as
            keep H and W (the odd one goes to the end; needs stride 1).
        dilation: distance between the pixels of one window.
        groups: the channels of input and output are cut into so many parts, each part of the
            output seeing its part of the input; groups=C is the depthwise convolution.

    Returns:
        (N, O, oh, ow) or (O, oh, ow), where oh = floor((H + 2 padding - dilation (kh-1) - 1) /
        stride) + 1.

    Raises:
        ShapeError: sizes that do not fit together, or a kernel larger than the padded image.
        ArgumentError: stride, dilation or groups below 1, or a negative padding.
        DtypeError: integers, or weight and input of different dtypes.
    """
    c = check_conv("conv2d", 2, input, weight, bias, stride, padding, dilation, groups)
    return _convolve(c)


def conv1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """As ``conv2d`` along one dimension: input (N, C, L) or (C, L), weight (O, C/groups, k)."""
    c = check_conv("conv1d", 1, input, weight, bias, stride, padding, dilation, groups)
    return _convolve(c)


def conv_transpose2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Tensor:
    """The gradient of ``conv2d`` with respect to its input, as an operation of its own.

    Each pixel of input is spread, times the filter, over the window that conv2d would have read.

    Args:
        input: (N, C, H, W) or (C, H, W).
        weight: (C, O/groups, kh, kw).
        bias: (O,).
        stride, padding, dilation, groups: those of the conv2d that it reverses.
        output_padding: rows and columns added at the end of the result, since several sizes of
            image lead to the same size under a stride; less than stride or dilation.

    Returns:
        (N, O, oh, ow), where oh = (H-1) stride - 2 padding + dilation (kh-1) + output_padding + 1.

    Raises:
        ShapeError, ArgumentError, DtypeError: as ``conv2d``.
    """
    c = check_conv_transpose(
        "conv_transpose2d",
        2,
        input,
        weight,
        bias,
        stride,
        padding,
        output_padding,
        groups,
        dilation,
    )
    return _convolve_transposed(c)


def conv_transpose1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Tensor:
    """As ``conv_transpose2d`` along one dimension: input (N, C, L), weight (C, O/groups, k)."""
    c = check_conv_transpose(
        "conv_transpose1d",
        1,
        input,
        weight,
        bias,
        stride,
        padding,
        output_padding,
        groups,
        dilation,
    )
    return _convolve_transposed(c)


def _convolve(c: Convolution) -> Tensor:
    x, w = _as_images(c)
    b = None if c.b is None else reshape(c.b, (-1, 1, 1))  # so that gy itself is its gradient
    y: Tensor = Conv2d.apply(x, w, b, windows=c.windows, groups=c.groups)
    return y if y.shape == c.out_shape else reshape(y, c.out_shape)


def _convolve_transposed(c: Convolution) -> Tensor:
    x, w = _as_images(c)
    y: Tensor = Conv2dInputGrad.apply(x, w, windows=c.windows, groups=c.groups)
    if c.b is not None:
        y = add(y, reshape(c.b, (-1, 1, 1)))
    return y if y.shape == c.out_shape else reshape(y, c.out_shape)


def _as_images(c: Convolution) -> tuple[Tensor, Tensor]:
    """Input and weight with four dimensions: a signal is an image of one row."""
    x, w = c.x, c.w
    if w.ndim == 3:
        w = reshape(w, (w.shape[0], w.shape[1], 1, w.shape[2]))
    if x.ndim != 4:
        channels = x.shape[-c.spatial - 1]
        rows = x.shape[-2] if c.spatial == 2 else 1
        x = reshape(x, (c.batch, channels, rows, x.shape[-1]))
    return x, w
