"""Layers that pad the last one or two dimensions."""

from __future__ import annotations

from typing import Any

from nnlite.autograd.tensor import Tensor
from nnlite.errors import ArgumentError, ShapeError
from nnlite.nn.module import Module
from nnlite.ops.common import as_index, as_tensor
from nnlite.ops.padding import pad

__all__ = [
    "CircularPad1d",
    "CircularPad2d",
    "ConstantPad1d",
    "ConstantPad2d",
    "ReflectionPad1d",
    "ReflectionPad2d",
    "ReplicationPad1d",
    "ReplicationPad2d",
    "ZeroPad1d",
    "ZeroPad2d",
]


class _Pad(Module):
    """Base of the layers that pad: (left, right), or (left, right, top, bottom).

    Args:
        padding: a number for all sides, or one number for each.

    Raises:
        DtypeError: no whole numbers.
        ArgumentError: another count of numbers.
    """

    spatial: int
    mode = "constant"

    def __init__(self, padding: Any) -> None:
        super().__init__()
        op, sides = type(self).__name__, 2 * self.spatial
        given = padding if isinstance(padding, (tuple, list)) else (padding,) * sides
        self.padding = tuple(as_index(op, "padding", n) for n in given)
        if len(self.padding) != sides:
            raise ArgumentError(
                op,
                "padding",
                expected=f"a number, or {sides} of them",
                got=repr(padding),
                hint="(left, right) or (left, right, top, bottom)",
            )

    def forward(self, input: Tensor) -> Tensor:
        x = as_tensor(type(self).__name__, input)
        if self.mode != "constant" and x.ndim not in (self.spatial + 1, self.spatial + 2):
            raise ShapeError(
                type(self).__name__,
                "input",
                expected="(N, C, H, W) or (C, H, W)"
                if self.spatial == 2
                else "(N, C, L) or (C, L)",
                got=str(x.shape),
                hint="nn.functional.pad takes any number of dimensions",
            )
        return pad(x, self.padding, self.mode)

    def extra_repr(self) -> str:
        return str(self.padding)


class ZeroPad1d(_Pad):
    """Zeros on both sides; see ``nn.functional.pad``."""

    spatial = 1


class ZeroPad2d(_Pad):
    """Zeros on all four sides; see ``nn.functional.pad``."""

    spatial = 2


class ConstantPad1d(_Pad):
    """A constant on both sides; see ``nn.functional.pad``."""

    spatial = 1

    def __init__(self, padding: Any, value: float) -> None:
        super().__init__(padding)
        self.value = value

    def forward(self, input: Tensor) -> Tensor:
        return pad(input, self.padding, "constant", self.value)

    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}"


class ConstantPad2d(ConstantPad1d):
    """A constant on all four sides; see ``nn.functional.pad``."""

    spatial = 2


class ReflectionPad1d(_Pad):
    """The signal mirrored at its end elements."""

    spatial = 1
    mode = "reflect"


class ReflectionPad2d(ReflectionPad1d):
    """The image mirrored at its edge pixels."""

    spatial = 2


class ReplicationPad1d(_Pad):
    """The end elements repeated."""

    spatial = 1
    mode = "replicate"


class ReplicationPad2d(ReplicationPad1d):
    """The edge pixels repeated."""

    spatial = 2


class CircularPad1d(_Pad):
    """The signal continued from its other end."""

    spatial = 1
    mode = "circular"


class CircularPad2d(CircularPad1d):
    """The image continued from its other side."""

    spatial = 2
