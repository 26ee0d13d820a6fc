"""Upsample."""

from __future__ import annotations

from typing import Any

from nnlite.autograd.tensor import Tensor
from nnlite.nn.module import Module
from nnlite.ops.interpolate import check_factor, check_mode, interpolate

__all__ = ["Upsample", "UpsamplingBilinear2d", "UpsamplingNearest2d"]


class Upsample(Module):
    """Signals, images or volumes at another size; see ``nn.functional.interpolate``.

    Args:
        size, scale_factor: one of the two: of the result, or relative to the input.
        mode, align_corners, recompute_scale_factor: see there.

    Raises:
        ArgumentError: an unknown mode, align_corners with one that has none, a bad scale_factor.
    """

    def __init__(
        self,
        size: Any = None,
        scale_factor: Any = None,
        mode: str = "nearest",
        align_corners: bool | None = None,
        recompute_scale_factor: bool | None = None,
    ) -> None:
        super().__init__()
        op = type(self).__name__
        check_mode(op, mode, align_corners)
        self.size = size
        if isinstance(scale_factor, (tuple, list)):
            scale_factor = tuple(check_factor(op, factor) for factor in scale_factor)
        elif scale_factor is not None:
            scale_factor = check_factor(op, scale_factor)
        self.scale_factor = scale_factor
        self.mode = mode
        self.align_corners = align_corners
        self.recompute_scale_factor = recompute_scale_factor

    def forward(self, input: Tensor) -> Tensor:
        return interpolate(
            input,
            self.size,
            self.scale_factor,
            self.mode,
            self.align_corners,
            self.recompute_scale_factor,
        )

    def extra_repr(self) -> str:
        if self.scale_factor is None:
            return f"size={self.size!r}, mode={self.mode!r}"
        return f"scale_factor={self.scale_factor!r}, mode={self.mode!r}"


class UpsamplingNearest2d(Upsample):
    """``Upsample`` with mode="nearest"."""

    def __init__(self, size: Any = None, scale_factor: Any = None) -> None:
        super().__init__(size, scale_factor, mode="nearest")


class UpsamplingBilinear2d(Upsample):
    """``Upsample`` with mode="bilinear" and align_corners=True."""

    def __init__(self, size: Any = None, scale_factor: Any = None) -> None:
        super().__init__(size, scale_factor, mode="bilinear", align_corners=True)
