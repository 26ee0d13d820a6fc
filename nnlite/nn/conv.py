"""Convolutional layers."""

from __future__ import annotations

from typing import Any

from nnlite.autograd.tensor import Tensor
from nnlite.backend import Device
from nnlite.errors import ArgumentError
from nnlite.nn.linear import reset_like_torch
from nnlite.nn.module import Module
from nnlite.nn.parameter import Parameter, new_parameter
from nnlite.nn.settings import count
from nnlite.ops import conv as ops
from nnlite.ops.conv_args import sizes
from nnlite.ops.padding import pad

__all__ = ["Conv1d", "Conv2d", "ConvTranspose1d", "ConvTranspose2d"]


class _Conv(Module):
    """What the convolutional layers have in common.

    weight and bias start uniform on [-b, b) with b = 1 / sqrt(fan_in), fan_in = weight.shape[1] *
    kernel places.
    """

    spatial = 2
    transposed = False
    bias: Parameter | None

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any,
        padding: Any,
        output_padding: Any,
        dilation: Any,
        groups: int,
        bias: bool,
        padding_mode: str,
        device: str | Device | None,
        dtype: object,
    ) -> None:
        super().__init__()
        op, n = type(self).__name__, self.spatial
        self.in_channels = count(op, "in_channels", in_channels)
        self.out_channels = count(op, "out_channels", out_channels)
        self.groups = count(op, "groups", groups)
        for argument in ("in_channels", "out_channels"):
            channels = getattr(self, argument)
            if channels % self.groups:
                raise ArgumentError(
                    op,
                    argument,
                    expected=f"a multiple of groups = {self.groups}",
                    got=str(channels),
                    hint="every group has the same number of channels",
                )
        self.kernel_size = sizes(op, "kernel_size", kernel_size, n, 1)
        self.stride = sizes(op, "stride", stride, n, 1)
        self.dilation = sizes(op, "dilation", dilation, n, 1)
        self.output_padding = sizes(op, "output_padding", output_padding, n, 0)
        self.padding = self._checked_padding(op, padding)
        modes = ("zeros",) if self.transposed else ("zeros", "reflect", "replicate", "circular")
        if padding_mode not in modes:
            raise ArgumentError(
                op,
                "padding_mode",
                expected=" or ".join(map(repr, modes)),
                got=repr(padding_mode),
                hint="padding_mode='zeros' is the usual one",
            )
        self.padding_mode = padding_mode
        outer, inner = self.out_channels, self.in_channels
        if self.transposed:
            outer, inner = inner, outer
        shape = (outer, inner // self.groups, *self.kernel_size)
        self.weight = new_parameter(op, shape, device, dtype)
        made = new_parameter(op, (self.out_channels,), device, dtype) if bias else None
        self.register_parameter("bias", made)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the parameters anew."""
        reset_like_torch(self.weight, self.bias)

    def _checked_padding(self, op: str, padding: Any) -> Any:
        if not isinstance(padding, str):
            return sizes(op, "padding", padding, self.spatial, 0)
        if self.transposed or padding not in ("same", "valid"):
            raise ArgumentError(
                op,
                "padding",
                expected="numbers" if self.transposed else "'same', 'valid' or numbers",
                got=repr(padding),
                hint="padding='valid' means 0",
            )
        if padding == "same" and any(s != 1 for s in self.stride):
            raise ArgumentError(
                op,
                "padding",
                expected="numbers, as stride is not 1",
                got="'same'",
                hint="'same' keeps the size, which a stride does not",
            )
        return padding

    def _padded(self, input: Tensor) -> tuple[Tensor, Any]:
        """The input with what is not zero around it, and the padding left to the op."""
        if self.padding_mode == "zeros":
            return input, self.padding
        widths: list[int] = []  # (before, after) from the last dimension on
        for axis in reversed(range(self.spatial)):
            if self.padding == "same":
                total = self.dilation[axis] * (self.kernel_size[axis] - 1)
                widths += [total // 2, total - total // 2]
            else:
                widths += [0 if self.padding == "valid" else self.padding[axis]] * 2
        return pad(input, widths, mode=self.padding_mode), 0

    def extra_repr(self) -> str:
        text = (
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, "
            f"stride={self.stride}"
        )
        zeros, ones = (0,) * self.spatial, (1,) * self.spatial
        if self.padding != zeros:
            text += f", padding={self.padding}"
        if self.dilation != ones:
            text += f", dilation={self.dilation}"
        if self.output_padding != zeros:
            text += f", output_padding={self.output_padding}"
        if self.groups != 1:
            text += f", groups={self.groups}"
        if self.bias is None:
            text += ", bias=False"
        if self.padding_mode != "zeros":
            text += f", padding_mode={self.padding_mode}"
        return text


class Conv2d(_Conv):
    """conv2d with a weight (out_channels, in_channels/groups, kh, kw) and a bias (out_channels,).

    Args:
        in_channels, out_channels: of input (N, C, H, W) and result.
        kernel_size, stride, padding, dilation, groups: see ``nn.functional.conv2d``.
        bias: whether there is one.
        padding_mode: what is around the image: "zeros", "reflect", "replicate", "circular".
        device, dtype: of the parameters.

    Raises:
        ArgumentError: a setting out of its range.
        ShapeError: a weight that fits into no memory.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: str | Device | None = None,
        dtype: object = None,
    ) -> None:
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            0,
            dilation,
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )

    def forward(self, input: Tensor) -> Tensor:
        x, padding = self._padded(input)
        convolve = ops.conv2d if self.spatial == 2 else ops.conv1d
        return convolve(x, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)


class Conv1d(Conv2d):
    """As ``Conv2d`` along one dimension: input (N, C, L)."""

    spatial = 1


class ConvTranspose2d(_Conv):
    """conv_transpose2d with a weight (in_channels, out_channels/groups, kh, kw) and a bias.

    Args:
        in_channels, out_channels: of input (N, C, H, W) and result.
        kernel_size, stride, padding, output_padding, groups, dilation: see
            ``nn.functional.conv_transpose2d``.
        bias: whether there is one.
        padding_mode: "zeros".
        device, dtype: of the parameters.

    Raises:
        ArgumentError, ShapeError: as ``Conv2d``.
    """

    transposed = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        output_padding: Any = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Any = 1,
        padding_mode: str = "zeros",
        device: str | Device | None = None,
        dtype: object = None,
    ) -> None:
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            output_padding,
            dilation,
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )

    def forward(self, input: Tensor) -> Tensor:
        convolve = ops.conv_transpose2d if self.spatial == 2 else ops.conv_transpose1d
        return convolve(
            input,
            self.weight,
            self.bias,
            self.stride,
            self.padding,
            self.output_padding,
            self.groups,
            self.dilation,
        )


class ConvTranspose1d(ConvTranspose2d):
    """As ``ConvTranspose2d`` along one dimension: input (N, C, L)."""

    spatial = 1
