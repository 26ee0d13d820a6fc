"""Linear and Identity."""

from __future__ import annotations

import math
from typing import Any

from nnlite.autograd.tensor import Tensor
from nnlite.backend import Device
from nnlite.nn import init
from nnlite.nn.module import Module
from nnlite.nn.parameter import Parameter, new_parameter
from nnlite.nn.settings import count
from nnlite.ops.linalg import linear

__all__ = ["Identity", "Linear"]


class Identity(Module):
    """Returns its input; takes and ignores any settings, as a stand-in for another layer."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()

    def forward(self, input: Any) -> Any:
        return input


class Linear(Module):
    """input @ weight^T + bias: (*, in_features) to (*, out_features).

    weight (out_features, in_features) and bias (out_features,) start uniform on [-b, b) with
    b = 1 / sqrt(in_features).

    Args:
        in_features, out_features: sizes of the last dimension of input and result.
        bias: whether there is one.
        device, dtype: of the parameters.

    Raises:
        ArgumentError: a size below 1.
        ShapeError: a weight that fits into no memory.
    """

    bias: Parameter | None

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        device: str | Device | None = None,
        dtype: object = None,
    ) -> None:
        super().__init__()
        self.in_features = count("Linear", "in_features", in_features)
        self.out_features = count("Linear", "out_features", out_features)
        self.weight = new_parameter("Linear", (self.out_features, self.in_features), device, dtype)
        made = new_parameter("Linear", (self.out_features,), device, dtype) if bias else None
        self.register_parameter("bias", made)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the parameters anew."""
        reset_like_torch(self.weight, self.bias)

    def forward(self, input: Tensor) -> Tensor:
        own = self._parameters
        if "weight" in own and "bias" in own:  # self.weight searches all else first: 0.8 us each
            return linear(input, own["weight"], own["bias"])
        return linear(input, self.weight, self.bias)  # one was made a plain tensor

    def extra_repr(self) -> str:
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, "
            f"bias={self.bias is not None}"
        )


def reset_like_torch(weight: Tensor, bias: Tensor | None) -> None:
    """PyTorch's default: weight and bias uniform on [-b, b) with b = 1 / sqrt(fan_in)."""
    init.kaiming_uniform_(weight, a=math.sqrt(5))
    if bias is not None:
        bound = 1 / math.sqrt(init.fan_in_and_out(weight.shape)[0])
        init.uniform_(bias, -bound, bound)
