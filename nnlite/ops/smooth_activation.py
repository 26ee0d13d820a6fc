"""Smooth activations: elu and its kin, gelu, silu, softplus, mish, softsign."""

from __future__ import annotations

import math
from typing import Any

from nnlite.autograd.op import Op
from nnlite.autograd.tensor import Tensor
from nnlite.backend import Array, array_module
from nnlite.errors import ArgumentError
from nnlite.ops.activation import Sigmoid, placed, tanh
from nnlite.ops.arithmetic import add, div, mul
from nnlite.ops.common import check_number, need_float, raw
from nnlite.ops.erf import erf
from nnlite.ops.kernels import elementwise
from nnlite.ops.pointwise import Exp, abs
from nnlite.ops.selection import Where

__all__ = [
    "celu",
    "elu",
    "gelu",
    "logsigmoid",
    "mish",
    "selu",
    "silu",
    "softplus",
    "softsign",
]

_SELU_ALPHA = 1.6732632423543772848170429916717
_SELU_SCALE = 1.0507009873554804934193349852946


class Elu(Op):
    """scale * x where x > 0, else scale * alpha * (exp(rate * x) - 1).

    d/dx = gy * scale where x > 0, else gy * scale * alpha * rate * exp(rate * x).
    """

    @staticmethod
    def forward(ctx: Any, x: Array, *, alpha: float, scale: float, rate: float) -> Array:
        ctx.save_inputs(0)
        xp = array_module(x)
        below = xp.expm1(xp.minimum(x, 0) * rate) * (alpha * scale)
        return xp.where(x <= 0, below, x * scale)

    @staticmethod
    def backward(ctx: Any, gy: Any) -> Any:
        x = ctx.input(0)
        below = raw(x) <= 0
        # the exponent is 0 where it is not used, so that no infinity arises there
        slope = Exp.call(Where.call(below, x, 0.0) * ctx.rate)
        slope = Where.call(below, slope * (ctx.alpha * ctx.rate), 1.0)
        return gy * (slope * ctx.scale)


class Silu(Op):
    """x * sigmoid(x).  d/dx = gy * s * (1 + x * (1 - s)), s the sigmoid."""

    @staticmethod
    def forward(ctx: Any, x: Array) -> Array:
        ctx.save_inputs(0)
        return x * elementwise.sigmoid(x)

    @staticmethod
    def backward(ctx: Any, gy: Any) -> Any:
        x = ctx.input(0)
        s = Sigmoid.call(x)
        return gy * (s * (1 + x * (1 - s)))


class Softplus(Op):
    """log(1 + exp(beta x)) / beta, and x itself where beta x > threshold.

    d/dx = gy * sigmoid(beta x), and gy there.
    """

    @staticmethod
    def forward(ctx: Any, x: Array, *, beta: float, threshold: float) -> Array:
        ctx.save_inputs(0)
        xp, z = array_module(x), x * beta
        y = (xp.maximum(z, 0) + xp.log1p(xp.exp(-xp.abs(z)))) / beta
        return xp.where(z > threshold, x, y)

    @staticmethod
    def backward(ctx: Any, gy: Any) -> Any:
        z = ctx.input(0) * ctx.beta
        return Where.call(raw(z) > ctx.threshold, gy, gy * Sigmoid.call(z))


class LogSigmoid(Op):
    """log(sigmoid(x)) = min(x, 0) - log(1 + exp(-|x|)).  d/dx = gy * sigmoid(-x)."""

    @staticmethod
    def forward(ctx: Any, x: Array) -> Array:
        ctx.save_inputs(0)
        xp = array_module(x)
        return xp.minimum(x, 0) - xp.log1p(xp.exp(-xp.abs(x)))

    @staticmethod
    def backward(ctx: Any, gy: Any) -> Any:
        return gy * Sigmoid.call(-ctx.input(0))


# -- public ----------------------------------------------------------------------------------


def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """x where x > 0, else alpha * (exp(x) - 1).

    Source: Clevert et al., "Fast and Accurate Deep Network Learning by ELUs" (2015).
    """
    return _elu("elu", input, alpha, 1.0, 1.0, inplace)


def selu(input: Tensor, inplace: bool = False) -> Tensor:
    """1.0507 * elu(x, 1.6733): keeps mean 0 and variance 1 through many layers.

    Source: Klambauer et al., "Self-Normalizing Neural Networks" (2017).
    """
    return _elu("selu", input, _SELU_ALPHA, _SELU_SCALE, 1.0, inplace)


def celu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """x where x > 0, else alpha * (exp(x / alpha) - 1); smooth for every alpha.

    Source: Barron, "Continuously Differentiable Exponential Linear Units" (2017).

    Raises:
        ArgumentError: alpha is 0.
    """
    check_number("celu", "alpha", alpha)
    if alpha == 0:
        raise ArgumentError("celu", "alpha", expected="not 0", got=repr(alpha), hint="try 1.0")
    return _elu("celu", input, alpha, 1.0, 1 / alpha, inplace)


def gelu(input: Tensor, approximate: str = "none") -> Tensor:
    """x * Phi(x), Phi the normal distribution function: x * (1 + erf(x / sqrt(2))) / 2.

    With approximate="tanh": x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3))) / 2.

    Source: Hendrycks and Gimpel, "Gaussian Error Linear Units" (2016).

    Raises:
        ArgumentError: another approximate.
    """
    x = need_float("gelu", input)
    if approximate == "none":
        inner = erf(mul(x, math.sqrt(0.5)))
    elif approximate == "tanh":
        cubic = mul(mul(mul(x, x), x), 0.044715)
        inner = tanh(mul(add(x, cubic), math.sqrt(2 / math.pi)))
    else:
        raise ArgumentError(
            "gelu",
            "approximate",
            expected="'none' or 'tanh'",
            got=repr(approximate),
            hint="'none' is exact",
        )
    return mul(mul(x, 0.5), add(inner, 1.0))


def silu(input: Tensor, inplace: bool = False) -> Tensor:
    """x * sigmoid(x), also called swish."""
    x = need_float("silu", input)
    return placed(Silu.apply, x, inplace, "silu_")


def softplus(input: Tensor, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """log(1 + exp(beta x)) / beta, a smooth relu; x itself where beta x > threshold.

    Raises:
        ArgumentError: beta is 0.
    """
    check_number("softplus", "beta", beta)
    check_number("softplus", "threshold", threshold)
    if beta == 0:
        raise ArgumentError("softplus", "beta", expected="not 0", got=repr(beta), hint="try 1.0")
    x = need_float("softplus", input)
    out: Tensor = Softplus.apply(x, beta=float(beta), threshold=float(threshold))
    return out


def softsign(input: Tensor) -> Tensor:
    """x / (1 + |x|)."""
    x = need_float("softsign", input)
    return div(x, add(abs(x), 1.0))


def logsigmoid(input: Tensor) -> Tensor:
    """log(sigmoid(x)), exact where the sigmoid rounds to 0 or 1."""
    out: Tensor = LogSigmoid.apply(need_float("logsigmoid", input))
    return out


def mish(input: Tensor, inplace: bool = False) -> Tensor:
    """x * tanh(softplus(x)).  Source: Misra, "Mish" (2019)."""
    x = need_float("mish", input)
    return placed(lambda x: mul(x, tanh(softplus(x))), x, inplace, "mish_")


def _elu(op: str, input: Any, alpha: float, scale: float, rate: float, inplace: bool) -> Tensor:
    x = need_float(op, input)
    check_number(op, "alpha", alpha)
    return placed(
        lambda x: Elu.apply(x, alpha=float(alpha), scale=scale, rate=rate), x, inplace, op + "_"
    )
