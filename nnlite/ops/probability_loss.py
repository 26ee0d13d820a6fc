"""Losses between probabilities: binary cross-entropy and the Kullback-Leibler divergence."""

from __future__ import annotations

from typing import Any

from nnlite.autograd.fit import is_expandable
from nnlite.autograd.op import Op
from nnlite.autograd.tape import traced
from nnlite.autograd.tensor import Tensor
from nnlite.backend import Array, array_module
from nnlite.errors import ArgumentError, ShapeError
from nnlite.ops.arithmetic import add, div, mul, sub
from nnlite.ops.common import check_flag, need_float
from nnlite.ops.comparison import eq
from nnlite.ops.pointwise import Log, exp, log
from nnlite.ops.reduce import sum
from nnlite.ops.reduction import check_one_dtype, check_reduction, check_unused, float_pair, reduced
from nnlite.ops.selection import Clamp, where
from nnlite.ops.smooth_activation import LogSigmoid

__all__ = ["binary_cross_entropy", "binary_cross_entropy_with_logits", "kl_div"]


class BinaryCrossEntropy(Op):
    """-(t log p + (1 - t) log(1 - p)), both logarithms held at -100 or above.

    d/dp = gy * (p - t) / max(p (1 - p), 1e-12),  d/dt = gy * (log(1 - p) - log p).
    """

    @staticmethod
    def forward(ctx: Any, p: Array, t: Array) -> Array:
        ctx.save_inputs(0, 1)
        xp = array_module(p)
        return (t - 1) * xp.maximum(xp.log1p(-p), -100) - t * xp.maximum(xp.log(p), -100)

    @staticmethod
    def backward(ctx: Any, gy: Any) -> Any:
        p, t = ctx.input(0), ctx.input(1)
        need_p, need_t = ctx.needs_input_grad
        gp = gt = None
        if need_p:
            gp = gy * ((p - t) / Clamp.call(p * (1 - p), low=1e-12, high=None))
        if need_t:
            logs = [Clamp.call(Log.call(q), low=-100, high=None) for q in (1 - p, p)]
            gt = gy * (logs[0] - logs[1])
        return gp, gt


# -- public ----------------------------------------------------------------------------------


def binary_cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: None = None,
    reduce: None = None,
    reduction: str = "mean",
) -> Tensor:
    """-(t log p + (1 - t) log(1 - p)) from probabilities p, with targets t; reduced.

    Logarithms are held at -100 or above, so that p = 0 and p = 1 give finite losses, and gradients
    of at most 1e12.

    Args:
        input: probabilities.
        target: targets, of the same shape.
        weight: factors for the losses, which broadcast to input's shape.
        size_average: no longer used; leave it out.
        reduce: no longer used; leave it out.
        reduction: "none", "mean" or "sum".

    Raises:
        ArgumentError: a probability outside [0, 1], NaN included.
        ShapeError, DtypeError: tensors that do not fit together.
    """
    op = "binary_cross_entropy"
    check_reduction(op, reduction)
    check_unused(op, size_average=size_average, reduce=reduce)
    p, t = float_pair(op, input, target)
    traced(_check_probabilities, op, p)
    losses: Tensor = BinaryCrossEntropy.apply(p, t)
    return reduced(_weighted(op, losses, weight), reduction)


def _check_probabilities(op: str, probabilities: Tensor) -> None:
    p = probabilities.array
    inside = (p >= 0) & (p <= 1)
    if not bool(inside.all()):
        raise ArgumentError(
            op,
            "input",
            expected="probabilities from 0 to 1",
            got=str(p[~inside][0].item()),
            hint="apply sigmoid first, or use binary_cross_entropy_with_logits",
        )


def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: None = None,
    reduce: None = None,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    """Binary cross-entropy from scores x: (1 - t) x - log(sigmoid(x)); finite for every finite x.

    With pos_weight w: (1 - t) x - (1 + (w - 1) t) log(sigmoid(x)).

    Args:
        input: scores, before any sigmoid.
        target: targets, of the same shape.
        weight: factors for the losses, which broadcast to input's shape.
        size_average: no longer used; leave it out.
        reduce: no longer used; leave it out.
        reduction: "none", "mean" or "sum".
        pos_weight: a factor for the positive part, which broadcasts to input's shape.

    Raises:
        ShapeError, DtypeError: tensors that do not fit together.
        ArgumentError: another reduction.
    """
    op = "binary_cross_entropy_with_logits"
    check_reduction(op, reduction)
    check_unused(op, size_average=size_average, reduce=reduce)
    x, t = float_pair(op, input, target)
    log_p: Tensor = LogSigmoid.apply(x)
    if pos_weight is not None:
        w = _factor(op, x, pos_weight, "pos_weight")
        log_p = mul(add(mul(sub(w, 1.0), t), 1.0), log_p)
    losses = sub(mul(sub(1.0, t), x), log_p)
    return reduced(_weighted(op, losses, weight), reduction)


def kl_div(
    input: Tensor,
    target: Tensor,
    size_average: None = None,
    reduce: None = None,
    reduction: str = "mean",
    log_target: bool = False,
) -> Tensor:
    """t (log t - x), from log-probabilities x and probabilities t; 0 where t = 0; reduced.

    Args:
        input: log-probabilities.
        target: probabilities, or with log_target their logarithms; of the same shape.
        size_average: no longer used; leave it out.
        reduce: no longer used; leave it out.
        reduction: "none", "mean", "sum", or "batchmean", the sum over the size of dimension 0,
            which is the divergence as mathematics defines it.
        log_target: see target.

    Raises:
        ShapeError, DtypeError: tensors that do not fit together.
        ArgumentError: another reduction.
    """
    op = "kl_div"
    check_flag(op, "log_target", log_target)
    check_unused(op, size_average=size_average, reduce=reduce)
    if reduction != "batchmean":
        check_reduction(op, reduction)
    x, t = float_pair(op, input, target)
    losses = mul(exp(t), sub(t, x)) if log_target else sub(_times_own_log(t), mul(t, x))
    if reduction == "batchmean":
        return div(sum(losses), x.shape[0]) if x.ndim else losses
    return reduced(losses, reduction)


def _times_own_log(t: Tensor) -> Tensor:
    """t log t, and 0 at 0."""
    return mul(t, log(where(eq(t, 0), 1.0, t)))


def _factor(op: str, x: Tensor, factor: Any, argument: str) -> Tensor:
    w = need_float(op, factor, argument)
    check_one_dtype(op, x, w, argument)
    if not is_expandable(w.shape, x.shape):
        raise ShapeError(
            op,
            argument,
            expected=f"a shape that broadcasts to input's {x.shape}",
            got=str(w.shape),
            hint="one factor per element, or sizes of 1",
        )
    return w


def _weighted(op: str, losses: Tensor, weight: Any) -> Tensor:
    return losses if weight is None else mul(losses, _factor(op, losses, weight, "weight"))
