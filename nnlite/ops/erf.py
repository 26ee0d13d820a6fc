"""The error function, which NumPy lacks, by Cody's rational approximations.

Source: W. J. Cody, "Rational Chebyshev Approximations for the Error Function", Mathematics of
Computation 23 (1969); coefficients of its Fortran program CALERF (SPECFUN).
"""

from __future__ import annotations

import math
from typing import Any

from nnlite.autograd.op import Op
from nnlite.autograd.tensor import Tensor
from nnlite.backend import Array, array_module
from nnlite.ops.common import as_float
from nnlite.ops.pointwise import Exp

__all__ = ["erf"]

# Highest power first. |x| <= 0.46875: erf(x) = x * near(x^2).
_NEAR = (
    (
        1.85777706184603153e-1,
        3.16112374387056560e0,
        1.13864154151050156e2,
        3.77485237685302021e2,
        3.20937758913846947e3,
    ),
    (
        1.0,
        2.36012909523441209e1,
        2.44024637934444173e2,
        1.28261652607737228e3,
        2.84423683343917062e3,
    ),
)
# 0.46875 <= |x|: erf(|x|) = 1 - exp(-x^2) * far(|x|). Cody stops at 4; up to 6, where erf rounds
# to 1, the small factor keeps what the fraction loses below the last digit.
_FAR = (
    (
        2.15311535474403846e-8,
        5.64188496988670089e-1,
        8.88314979438837594e0,
        6.61191906371416295e1,
        2.98635138197400131e2,
        8.81952221241769090e2,
        1.71204761263407058e3,
        2.05107837782607147e3,
        1.23033935479799725e3,
    ),
    (
        1.0,
        1.57449261107098347e1,
        1.17693950891312499e2,
        5.37181101862009858e2,
        1.62138957456669019e3,
        3.29079923573345963e3,
        4.36261909014324716e3,
        3.43936767414372164e3,
        1.23033935480374942e3,
    ),
)


class Erf(Op):
    """2 / sqrt(pi) * integral of exp(-t^2) from 0 to x.  d/dx = gy * 2 / sqrt(pi) * exp(-x^2)."""

    @staticmethod
    def forward(ctx: Any, x: Array) -> Array:
        ctx.save_inputs(0)
        return error_function(x)

    @staticmethod
    def backward(ctx: Any, gy: Any) -> Any:
        x = ctx.input(0)
        return gy * (Exp.call(-(x * x)) * (2 / math.sqrt(math.pi)))


def error_function(x: Array) -> Array:
    """erf of an array, to the last digits of its dtype."""
    xp = array_module(x)
    size = xp.abs(x)
    small = size < 0.46875
    near = xp.where(small, x, 0.0)
    far = xp.clip(size, 0.46875, 6.0)
    tail = xp.exp(-(far * far)) * _fraction(far, *_FAR)
    return xp.where(small, near * _fraction(near * near, *_NEAR), xp.copysign(1 - tail, x))


def _fraction(x: Array, over: tuple[float, ...], under: tuple[float, ...]) -> Array:
    return _polynomial(x, over) / _polynomial(x, under)


def _polynomial(x: Array, coefficients: tuple[float, ...]) -> Array:
    y = x * coefficients[0] + coefficients[1]
    for c in coefficients[2:]:
        y = y * x + c
    return y


def erf(input: Tensor) -> Tensor:
    """The error function, from -1 to 1; integers become float32."""
    out: Tensor = Erf.apply(as_float("erf", input))
    return out
