"""Functions of one number, applied to each element."""

from __future__ import annotations

import math
from typing import Any

from nnlite.autograd.op import Op
from nnlite.autograd.tape import retraced
from nnlite.autograd.tensor import Tensor
from nnlite.backend import Array, array_module
from nnlite.ops.common import as_float, as_tensor, need_numbers, wrap_result, zeros_like

__all__ = [
    "abs",
    "ceil",
    "exp",
    "expm1",
    "floor",
    "isfinite",
    "isinf",
    "isnan",
    "log",
    "log1p",
    "log2",
    "log10",
    "round",
    "sign",
    "sqrt",
    "trunc",
]


class Exp(Op):
    """e^x.  d/dx = gy * y."""

    @staticmethod
    def forward(ctx: Any, x: Array) -> Array:
        ctx.save_output()
        return array_module(x).exp(x)

    @staticmethod
    def backward(ctx: Any, gy: Any) -> Any:
        return gy * ctx.output()


class Log(Op):
    """The natural logarithm.  d/dx = gy / x."""

    @staticmethod
    def forward(ctx: Any, x: Array) -> Array:
        ctx.save_inputs(0)
        return array_module(x).log(x)

    @staticmethod
    def backward(ctx: Any, gy: Any) -> Any:
        return gy / ctx.input(0)


class Expm1(Op):
    """e^x - 1, exact near 0.  d/dx = gy * (y + 1)."""

    @staticmethod
    def forward(ctx: Any, x: Array) -> Array:
        ctx.save_output()
        return array_module(x).expm1(x)

    @staticmethod
    def backward(ctx: Any, gy: Any) -> Any:
        return gy * (ctx.output() + 1)


class Log1p(Op):
    """log(1 + x), exact near 0.  d/dx = gy / (1 + x)."""

    @staticmethod
    def forward(ctx: Any, x: Array) -> Array:
        ctx.save_inputs(0)
        return array_module(x).log1p(x)

    @staticmethod
    def backward(ctx: Any, gy: Any) -> Any:
        return gy / (ctx.input(0) + 1)


class LogBase(Op):
    """The logarithm to base 2 or 10.  d/dx = gy / (x * log(base))."""

    @staticmethod
    def forward(ctx: Any, x: Array, *, base: int) -> Array:
        ctx.save_inputs(0)
        xp = array_module(x)
        return xp.log2(x) if base == 2 else xp.log10(x)

    @staticmethod
    def backward(ctx: Any, gy: Any) -> Any:
        return gy / (ctx.input(0) * math.log(ctx.base))


class Sqrt(Op):
    """The square root.  d/dx = gy / (2 y): infinite at 0, as in PyTorch."""

    @staticmethod
    def forward(ctx: Any, x: Array) -> Array:
        ctx.save_output()
        return array_module(x).sqrt(x)

    @staticmethod
    def backward(ctx: Any, gy: Any) -> Any:
        return gy / (2 * ctx.output())


class Abs(Op):
    """|x|.  d/dx = gy * sign(x), which is 0 at 0 and at NaN."""

    @staticmethod
    def forward(ctx: Any, x: Array) -> Array:
        ctx.save_inputs(0)
        return array_module(x).abs(x)

    @staticmethod
    def backward(ctx: Any, gy: Any) -> Any:
        return gy * Sign.call(ctx.input(0))


class Sign(Op):
    """-1, 0 or 1; 0 at NaN, as in PyTorch.  d/dx = 0."""

    @staticmethod
    def forward(ctx: Any, x: Array) -> Array:
        xp = array_module(x)
        return xp.where(x == x, xp.sign(x), 0)

    @staticmethod
    def backward(ctx: Any, gy: Any) -> Any:
        return zeros_like(gy)


class Round(Op):
    """A whole number near x, by the array function named.  d/dx = 0."""

    @staticmethod
    def forward(ctx: Any, x: Array, *, how: str) -> Array:
        return getattr(array_module(x), how)(x)

    @staticmethod
    def backward(ctx: Any, gy: Any) -> Any:
        return zeros_like(gy)


# -- public ----------------------------------------------------------------------------------


def exp(input: Tensor) -> Tensor:
    """e ** input."""
    out: Tensor = Exp.apply(as_float("exp", input))
    return out


def log(input: Tensor) -> Tensor:
    """The natural logarithm: -inf at 0, NaN below."""
    out: Tensor = Log.apply(as_float("log", input))
    return out


def expm1(input: Tensor) -> Tensor:
    """e ** input - 1, exact near 0."""
    out: Tensor = Expm1.apply(as_float("expm1", input))
    return out


def log1p(input: Tensor) -> Tensor:
    """log(1 + input), exact near 0: -inf at -1, NaN below."""
    out: Tensor = Log1p.apply(as_float("log1p", input))
    return out


def log2(input: Tensor) -> Tensor:
    """The logarithm to base 2: -inf at 0, NaN below."""
    out: Tensor = LogBase.apply(as_float("log2", input), base=2)
    return out


def log10(input: Tensor) -> Tensor:
    """The logarithm to base 10: -inf at 0, NaN below."""
    out: Tensor = LogBase.apply(as_float("log10", input), base=10)
    return out


def sqrt(input: Tensor) -> Tensor:
    """The square root; NaN below 0."""
    out: Tensor = Sqrt.apply(as_float("sqrt", input))
    return out


def abs(input: Tensor) -> Tensor:
    """The absolute value; its gradient at 0 is 0."""
    out: Tensor = Abs.apply(need_numbers("abs", input))
    return out


def sign(input: Tensor) -> Tensor:
    """-1, 0 or 1; 0 at NaN; its gradient is 0."""
    x = as_tensor("sign", input)
    if x.dtype.kind == "b":
        return wrap_result(x.array.copy(), x)
    out: Tensor = Sign.apply(x)
    return out


def floor(input: Tensor) -> Tensor:
    """The largest whole number that is not above; its gradient is 0, as for all roundings."""
    return _rounded("floor", input, "floor")


def ceil(input: Tensor) -> Tensor:
    """The smallest whole number that is not below."""
    return _rounded("ceil", input, "ceil")


def trunc(input: Tensor) -> Tensor:
    """The whole number next to it towards 0."""
    return _rounded("trunc", input, "trunc")


def round(input: Tensor) -> Tensor:
    """The nearest whole number; of two the even one: 0.5 -> 0, 1.5 -> 2, 2.5 -> 2."""
    return _rounded("round", input, "rint")


def _rounded(op: str, input: Any, how: str) -> Tensor:
    x = need_numbers(op, input)
    if x.dtype.kind != "f":
        return wrap_result(x.array.copy(), x)
    out: Tensor = Round.apply(x, how=how)
    return out


@retraced
def isinf(input: Tensor) -> Tensor:
    """Whether infinite, element by element."""
    x = as_tensor("isinf", input)
    return wrap_result(array_module(x.array).isinf(x.array), x)


@retraced
def isnan(input: Tensor) -> Tensor:
    """Whether NaN, element by element."""
    x = as_tensor("isnan", input)
    return wrap_result(array_module(x.array).isnan(x.array), x)


@retraced
def isfinite(input: Tensor) -> Tensor:
    """Whether neither infinite nor NaN, element by element."""
    x = as_tensor("isfinite", input)
    return wrap_result(array_module(x.array).isfinite(x.array), x)
