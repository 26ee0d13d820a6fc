"""The L1 penalty, written as a user's own Function: docs/write_an_op.md derives it step by step."""

from __future__ import annotations

import math
from typing import Any

from nnlite.autograd.function import Function, once_differentiable
from nnlite.autograd.tensor import Tensor
from nnlite.errors import ArgumentError
from nnlite.ops.common import need_float

__all__ = ["l1_penalty"]


class L1PenaltyFunction(Function):
    """x itself.  d/dx = gy + weight * sign(x): that of loss + weight * sum|x|."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: float) -> Tensor:
        ctx.save_for_backward(x)
        ctx.weight = weight
        return x

    # A second derivative would come through here again and add the penalty to itself.
    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gy: Tensor) -> tuple[Tensor, None]:
        (x,) = ctx.saved_tensors
        return gy + ctx.weight * x.sign(), None


def l1_penalty(input: Tensor, weight: float, scale: str | int = "sum") -> Tensor:
    """The input unchanged; backward adds the gradient of an L1 penalty on it.

    y = x,  d/dx = gy + (weight / n) * sign(x). This is not the derivative of y, but of
    loss + (weight / n) * sum|x|, for whatever loss is computed from y; the loss's own value lacks
    the penalty. It draws x towards 0, most elements all the way. What is added does not depend on
    gy: it is the same where the loss is doubled, and it is added once in each backward.

    Args:
        input: any shape, float32 or float64.
        weight: strength of the penalty, at least 0.
        scale: the n that weight is divided by: "sum" 1, "mean" the number of input's elements,
            "batch_mean" its first size, or n itself. For a loss that is a mean over m elements,
            n = m weighs the penalty as the loss is weighed.

    Raises:
        DtypeError: input is no floating Tensor.
        ArgumentError: a weight that is negative or not finite; another scale; "batch_mean" of a
            0-d input.
        DoubleBackwardError: create_graph=True over it; there, add weight * x.abs().sum() to the
            loss instead.
    """
    x = need_float("l1_penalty", input)
    check_l1_penalty("l1_penalty", weight, scale)
    out: Tensor = L1PenaltyFunction.apply(x, weight / max(_divisor(x, scale), 1))
    return out


def check_l1_penalty(op: str, weight: Any, scale: Any) -> None:
    """Refuse what ``l1_penalty`` refuses whatever the input.

    Raises:
        ArgumentError: weight or scale.
    """
    if isinstance(weight, bool) or not isinstance(weight, (int, float)):
        ok = False
    else:
        ok = math.isfinite(weight) and weight >= 0
    if not ok:
        raise ArgumentError(
            op,
            "weight",
            expected="a finite number >= 0",
            got=repr(weight),
            hint="0 switches the penalty off",
        )
    is_count = isinstance(scale, int) and not isinstance(scale, bool) and scale >= 1
    if not is_count and scale not in ("sum", "mean", "batch_mean"):
        raise ArgumentError(
            op,
            "scale",
            expected="'sum', 'mean', 'batch_mean' or a whole number >= 1",
            got=repr(scale),
            hint="weight is divided by it: scale=target.numel() goes with a mean over the target",
        )


def _divisor(x: Tensor, scale: str | int) -> int:
    if isinstance(scale, int):
        return scale
    if scale == "sum":
        return 1
    if scale == "mean":
        return int(x.array.size)
    if not x.ndim:
        raise ArgumentError(
            "l1_penalty",
            "scale",
            expected="'sum', 'mean' or a number for a 0-d input",
            got="'batch_mean'",
            hint="a 0-d tensor has no batch",
        )
    return x.shape[0]
