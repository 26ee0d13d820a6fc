"""Bilinear."""

from __future__ import annotations

import math

from nnlite.autograd.tensor import Tensor
from nnlite.backend import Device
from nnlite.nn import init
from nnlite.nn.module import Module
from nnlite.nn.parameter import Parameter, new_parameter
from nnlite.nn.settings import count
from nnlite.ops.bilinear import bilinear

__all__ = ["Bilinear"]


class Bilinear(Module):
    """y[o] = input1^T weight[o] input2 + bias[o]: (*, in1), (*, in2) to (*, out).

    weight (out_features, in1_features, in2_features) and bias (out_features,) start uniform on
    [-b, b) with b = 1 / sqrt(in1_features).

    Args:
        in1_features, in2_features, out_features: sizes of the last dimensions.
        bias: whether there is one.
        device, dtype: of the parameters.

    Raises:
        ArgumentError: a size below 1.
        ShapeError: a weight that fits into no memory.
    """

    bias: Parameter | None

    def __init__(
        self,
        in1_features: int,
        in2_features: int,
        out_features: int,
        bias: bool = True,
        device: str | Device | None = None,
        dtype: object = None,
    ) -> None:
        super().__init__()
        self.in1_features = count("Bilinear", "in1_features", in1_features)
        self.in2_features = count("Bilinear", "in2_features", in2_features)
        self.out_features = count("Bilinear", "out_features", out_features)
        shape = (self.out_features, self.in1_features, self.in2_features)
        self.weight = new_parameter("Bilinear", shape, device, dtype)
        made = new_parameter("Bilinear", (self.out_features,), device, dtype) if bias else None
        self.register_parameter("bias", made)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the parameters anew."""
        bound = 1 / math.sqrt(self.in1_features)
        init.uniform_(self.weight, -bound, bound)
        if self.bias is not None:
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input1: Tensor, input2: Tensor) -> Tensor:
        return bilinear(input1, input2, self.weight, self.bias)

    def extra_repr(self) -> str:
        return (
            f"in1_features={self.in1_features}, in2_features={self.in2_features}, "
            f"out_features={self.out_features}, bias={self.bias is not None}"
        )
