"""Losses between two tensors of numbers: squared, absolute and in between."""

from __future__ import annotations

import math
from typing import Any

from nnlite.autograd.op import Op
from nnlite.autograd.tape import traced
from nnlite.autograd.tensor import Tensor
from nnlite.backend import Array, array_module
from nnlite.errors import ArgumentError, ShapeError
from nnlite.ops.arithmetic import add, div, mul, sub
from nnlite.ops.common import check_flag, need_float, raw, wrap_result
from nnlite.ops.comparison import gt
from nnlite.ops.kernels import elementwise
from nnlite.ops.pointwise import abs, exp, log
from nnlite.ops.reduction import (
    check_not_negative,
    check_one_dtype,
    check_positive,
    check_reduction,
    check_same_shape,
    check_unused,
    float_pair,
    reduced,
)
from nnlite.ops.selection import Where, where
from nnlite.ops.shape import unsqueeze

__all__ = [
    "gaussian_nll_loss",
    "huber_loss",
    "l1_loss",
    "mse_loss",
    "poisson_nll_loss",
    "smooth_l1_loss",
]


class SquaredError(Op):
    """(a - b)^2.  d/da = 2 gy (a - b),  d/db = -2 gy (a - b)."""

    @staticmethod
    def forward(ctx: Any, a: Array, b: Array) -> Array:
        ctx.save_inputs(0, 1)
        d = a - b
        return d * d

    @staticmethod
    def backward(ctx: Any, gy: Any) -> Any:
        need_a, need_b = ctx.needs_input_grad
        ga = gy * (2 * (ctx.input(0) - ctx.input(1)))
        return (ga if need_a else None), (-ga if need_b else None)


class TotalSquaredError(Op):
    """scale * sum((a - b)^2), one number.  d/da = 2 gy scale (a - b),  d/db = the negative."""

    @staticmethod
    def forward(ctx: Any, a: Array, b: Array, *, scale: float) -> Array:
        ctx.save_inputs(0, 1)
        return elementwise.total_square(a, b) * a.dtype.type(scale)

    @staticmethod
    def backward(ctx: Any, gy: Any) -> Any:
        a, b = ctx.input(0), ctx.input(1)
        need_a, need_b = ctx.needs_input_grad
        gy = gy * (2 * ctx.scale)
        if isinstance(a, Tensor) or isinstance(b, Tensor):
            ga = gy * (a - b)
        else:
            ga = elementwise.scaled_difference(a, b, gy)
        return (ga if need_a else None), (-ga if need_b else None)


class Huber(Op):
    """d^2 / 2 where |d| <= delta, else delta * (|d| - delta / 2), with d = a - b.

    d/da = gy * d held within [-delta, delta],  d/db = the same with the other sign.
    """

    @staticmethod
    def forward(ctx: Any, a: Array, b: Array, *, delta: float) -> Array:
        ctx.save_inputs(0, 1)
        xp, d = array_module(a), a - b
        size = xp.abs(d)
        return xp.where(size <= delta, d * d * 0.5, (size - 0.5 * delta) * delta)

    @staticmethod
    def backward(ctx: Any, gy: Any) -> Any:
        d, delta = ctx.input(0) - ctx.input(1), ctx.delta
        held = Where.call(raw(d) > delta, delta, Where.call(raw(d) < -delta, -delta, d))
        need_a, need_b = ctx.needs_input_grad
        ga = gy * held
        return (ga if need_a else None), (-ga if need_b else None)


# -- public ----------------------------------------------------------------------------------


def mse_loss(input: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """(input - target)^2, reduced.

    Raises:
        ShapeError: two shapes (PyTorch broadcasts them, with a warning).
        DtypeError: integers, or two dtypes.
        ArgumentError: another reduction than "none", "mean" or "sum".
    """
    check_reduction("mse_loss", reduction)
    x, t = float_pair("mse_loss", input, target)
    if reduction == "none" or not x.array.size:
        return reduced(SquaredError.apply(x, t), reduction)
    scale = 1 / x.array.size if reduction == "mean" else 1.0
    loss: Tensor = TotalSquaredError.apply(x, t, scale=scale)
    return loss


def l1_loss(input: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """|input - target|, reduced; its derivative at 0 is 0. Errors: ``mse_loss``."""
    check_reduction("l1_loss", reduction)
    x, t = float_pair("l1_loss", input, target)
    return reduced(abs(sub(x, t)), reduction)


def smooth_l1_loss(
    input: Tensor, target: Tensor, reduction: str = "mean", beta: float = 1.0
) -> Tensor:
    """d^2 / (2 beta) where |d| < beta, else |d| - beta / 2, with d = input - target; reduced.

    Source: Girshick, "Fast R-CNN" (2015).  Errors as for ``mse_loss``.

    Raises:
        ArgumentError: beta below 0. With 0 it is ``l1_loss``.
    """
    op = "smooth_l1_loss"
    check_reduction(op, reduction)
    check_not_negative(op, "beta", beta)
    x, t = float_pair(op, input, target)
    if beta == 0:
        return l1_loss(x, t, reduction)
    return reduced(div(Huber.apply(x, t, delta=float(beta)), float(beta)), reduction)


def huber_loss(
    input: Tensor,
    target: Tensor,
    reduction: str = "mean",
    delta: float = 1.0,
    weight: Tensor | None = None,
) -> Tensor:
    """d^2 / 2 where |d| <= delta, else delta * (|d| - delta / 2), d = input - target; reduced.

    With weight, of input's shape, each loss is multiplied by its own, and the mean divides by the
    number of elements.

    Source: Huber, "Robust Estimation of a Location Parameter" (1964).  Errors as for ``mse_loss``.

    Raises:
        ArgumentError: delta not above 0.
    """
    op = "huber_loss"
    check_reduction(op, reduction)
    check_positive(op, "delta", delta)
    x, t = float_pair(op, input, target)
    losses: Tensor = Huber.apply(x, t, delta=float(delta))
    if weight is not None:
        w = need_float(op, weight, "weight")
        check_same_shape(op, x, w, "weight")
        losses = mul(losses, w)
    return reduced(losses, reduction)


def poisson_nll_loss(
    input: Tensor,
    target: Tensor,
    log_input: bool = True,
    full: bool = False,
    size_average: None = None,
    eps: float = 1e-08,
    reduce: None = None,
    reduction: str = "mean",
) -> Tensor:
    """exp(input) - target * input, or input - target * log(input + eps); reduced.

    Args:
        input: the logarithm of the expected count, or with log_input=False the count itself.
        target: the counts seen, floating.
        log_input: see input.
        full: add Stirling's t log t - t + log(2 pi t) / 2 for log(t!), where t > 1.
        size_average: no longer used; leave it out.
        eps: keeps the logarithm of 0 finite.
        reduce: no longer used; leave it out.
        reduction: "none", "mean" or "sum".

    Errors as for ``mse_loss``.
    """
    op = "poisson_nll_loss"
    check_flag(op, "log_input", log_input)
    check_flag(op, "full", full)
    check_reduction(op, reduction)
    check_unused(op, size_average=size_average, reduce=reduce)
    x, t = float_pair(op, input, target)
    losses = sub(exp(x), mul(t, x)) if log_input else sub(x, mul(t, log(add(x, eps))))
    if full:
        one = where(gt(t, 1.0), t, 1.0)
        stirling = add(sub(mul(one, log(one)), one), mul(log(mul(one, 2 * math.pi)), 0.5))
        losses = add(losses, where(gt(t, 1.0), stirling, 0.0))
    return reduced(losses, reduction)


def gaussian_nll_loss(
    input: Tensor,
    target: Tensor,
    var: Tensor | float,
    full: bool = False,
    eps: float = 1e-6,
    reduction: str = "mean",
) -> Tensor:
    """(log v + (input - target)^2 / v) / 2 with v = max(var, eps); reduced.

    Args:
        input: expected values.
        target: what was seen, of the same shape.
        var: variances: a number, input's shape, that shape with last dimension 1, or without it.
        full: add log(2 pi) / 2.
        eps: lower bound of var, through which the gradient passes as if it were not there.
        reduction: "none", "mean" or "sum".

    Errors as for ``mse_loss``.

    Raises:
        ArgumentError: a negative variance.
    """
    op = "gaussian_nll_loss"
    check_flag(op, "full", full)
    check_reduction(op, reduction)
    check_positive(op, "eps", eps)
    x, t = float_pair(op, input, target)
    v = _variance(op, x, var)
    # the bound is a constant shift, so that the gradient of var does not stop at it
    low = v.array < eps
    v = add(v, wrap_result(array_module(low).where(low, eps - v.array, 0.0), v))
    losses = mul(add(log(v), div(SquaredError.apply(x, t), v)), 0.5)
    return reduced(add(losses, 0.5 * math.log(2 * math.pi)) if full else losses, reduction)


def _variance(op: str, x: Tensor, var: Any) -> Tensor:
    if isinstance(var, (int, float)) and not isinstance(var, bool):
        var = wrap_result(array_module(x.array).full_like(x.array, var), x)
    v = need_float(op, var, "var")
    check_one_dtype(op, x, v, "var")
    if v.shape != x.shape:
        if v.shape == x.shape[:-1]:
            v = unsqueeze(v, -1)
        elif v.shape != (*x.shape[:-1], 1):
            raise ShapeError(
                op,
                "var",
                expected=f"shape {x.shape}, {(*x.shape[:-1], 1)} or {x.shape[:-1]}",
                got=f"shape {v.shape}",
                hint="one variance per number, or one per row",
            )
    traced(_refuse_negative, op, v)
    return v


def _refuse_negative(op: str, var: Tensor) -> None:
    if bool((var.array < 0).any()):
        raise ArgumentError(
            op, "var", expected="variances >= 0", got="a negative one", hint="exp makes positive"
        )
