"""What all losses share: the reduction of one number per sample to the loss, and its checks."""

from __future__ import annotations

from typing import Any

from nnlite.autograd.tensor import Tensor
from nnlite.errors import ArgumentError, ShapeError
from nnlite.ops.common import check_number, check_same_device, check_same_dtype, need_float
from nnlite.ops.reduce import mean, sum


def check_reduction(op: str, reduction: Any) -> None:
    """Refuse a reduction that is none of "none", "mean" and "sum".

    Raises:
        ArgumentError: another one.
    """
    if reduction not in ("none", "mean", "sum"):
        raise ArgumentError(
            op,
            "reduction",
            expected="'none', 'mean' or 'sum'",
            got=repr(reduction),
            hint="'mean' is the default",
        )


def check_unused(op: str, **arguments: Any) -> None:
    """Refuse PyTorch's old arguments size_average and reduce.

    Raises:
        ArgumentError: one is not None.
    """
    for name, value in arguments.items():
        if value is not None:
            raise ArgumentError(
                op, name, expected="None", got=repr(value), hint="use reduction= in its place"
            )


def check_positive(op: str, argument: str, value: float) -> None:
    """Refuse a number that is not above 0, NaN included.

    Raises:
        DtypeError: it is no number.
        ArgumentError: it is not above 0.
    """
    check_number(op, argument, value)
    if not value > 0:
        raise ArgumentError(op, argument, expected="> 0", got=repr(value), hint="try the default")


def check_not_negative(op: str, argument: str, value: float) -> None:
    """Refuse a number below 0, or NaN.

    Raises:
        ArgumentError: it is.
    """
    if not value >= 0:
        raise ArgumentError(op, argument, expected=">= 0", got=repr(value), hint="try the default")


def reduced(losses: Tensor, reduction: str) -> Tensor:
    """The losses as they are, their mean, or their sum."""
    if reduction == "none":
        return losses
    return mean(losses) if reduction == "mean" else sum(losses)


def float_pair(op: str, input: Any, target: Any) -> tuple[Tensor, Tensor]:
    """A prediction and its target: floating, of one shape, dtype and device.

    Raises:
        DtypeError: integers, or two dtypes.
        ShapeError: two shapes. PyTorch broadcasts them, with a warning: (n,) against (n, 1) then
            compares every prediction with every target.
    """
    x, t = need_float(op, input), need_float(op, target, "target")
    check_same_shape(op, x, t)
    check_one_dtype(op, x, t)
    return x, t


def check_same_shape(op: str, x: Tensor, t: Tensor, argument: str = "target") -> None:
    """Refuse a second tensor of another shape.

    Raises:
        ShapeError: names both shapes.
    """
    if x.shape != t.shape:
        raise ShapeError(
            op,
            argument,
            expected=f"shape {x.shape}, as input has",
            got=f"shape {t.shape}",
            hint="make them equal with reshape, squeeze or expand: losses do not broadcast",
        )


def check_one_dtype(op: str, x: Tensor, t: Tensor, argument: str = "target") -> None:
    """Refuse a second tensor of another dtype or on another device.

    Raises:
        DtypeError, DeviceError: names both.
    """
    check_same_device(op, x, t)
    check_same_dtype(op, x, t, argument)
