"""LayerNorm and GroupNorm: each sample by itself."""

from __future__ import annotations

from nnlite.autograd.tensor import Tensor
from nnlite.backend import Device
from nnlite.errors import ArgumentError, ShapeError
from nnlite.nn import init
from nnlite.nn.module import Module
from nnlite.nn.parameter import Parameter, new_parameter
from nnlite.nn.settings import count
from nnlite.ops import normalization as ops
from nnlite.ops.sizes import check_size

__all__ = ["Affine", "GroupNorm", "LayerNorm"]


class Affine(Module):
    """A layer with a weight that starts as 1 and a bias that starts as 0, or None."""

    weight: Parameter | None
    bias: Parameter | None

    def _make_affine(
        self,
        shape: tuple[int, ...],
        weight: bool,
        bias: bool,
        device: str | Device | None,
        dtype: object,
    ) -> None:
        name = type(self).__name__
        for attribute, wanted in (("weight", weight), ("bias", weight and bias)):
            made = new_parameter(name, shape, device, dtype) if wanted else None
            self.register_parameter(attribute, made)

    def reset_parameters(self) -> None:
        """Set the weight to 1 and the bias to 0."""
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)


class LayerNorm(Affine):
    """Each sample brought to mean 0 and variance 1 over its last dimensions; see ``layer_norm``.

    Args:
        normalized_shape: the sizes of these dimensions; a number for the last alone.
        eps: added to the variance.
        elementwise_affine: whether there are a weight and a bias of normalized_shape, which start
            as 1 and 0.
        bias: with elementwise_affine, whether there is a bias.
        device, dtype: of the parameters.

    Raises:
        ShapeError: a normalized_shape without sizes, or that fits into no memory.
        ArgumentError: a negative eps.
    """

    def __init__(
        self,
        normalized_shape: int | tuple[int, ...] | list[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        device: str | Device | None = None,
        dtype: object = None,
    ) -> None:
        super().__init__()
        self.normalized_shape = check_size("LayerNorm", normalized_shape, "normalized_shape")
        if not self.normalized_shape:
            raise ShapeError(
                "LayerNorm",
                "normalized_shape",
                expected="at least one size",
                got=repr(normalized_shape),
                hint="the size of the last dimension",
            )
        self.eps = ops.check_eps("LayerNorm", eps)
        self.elementwise_affine = elementwise_affine
        self._make_affine(self.normalized_shape, elementwise_affine, bias, device, dtype)
        self.reset_parameters()

    def forward(self, input: Tensor) -> Tensor:
        return ops.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.normalized_shape}, eps={self.eps}, "
            f"elementwise_affine={self.elementwise_affine}, bias={self.bias is not None}"
        )


class GroupNorm(Affine):
    """Groups of channels of each sample brought to mean 0 and variance 1; see ``group_norm``.

    Args:
        num_groups: how many groups; must divide num_channels.
        num_channels: the number of channels, C.
        eps: added to the variance.
        affine: whether there are a weight and a bias, (C,), which start as 1 and 0.
        device, dtype: of the parameters.
        bias: with affine, whether there is a bias.

    Raises:
        ArgumentError: a number below 1, groups that do not divide the channels, a negative eps.
    """

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        device: str | Device | None = None,
        dtype: object = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.num_groups = count("GroupNorm", "num_groups", num_groups)
        self.num_channels = count("GroupNorm", "num_channels", num_channels)
        if self.num_channels % self.num_groups:
            raise ArgumentError(
                "GroupNorm",
                "num_channels",
                expected=f"a multiple of num_groups = {self.num_groups}",
                got=str(self.num_channels),
                hint="all groups have the same number of channels",
            )
        self.eps = ops.check_eps("GroupNorm", eps)
        self.affine = affine
        self._make_affine((self.num_channels,), affine, bias, device, dtype)
        self.reset_parameters()

    def forward(self, input: Tensor) -> Tensor:
        return ops.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}, "
            f"bias={self.bias is not None}"
        )
