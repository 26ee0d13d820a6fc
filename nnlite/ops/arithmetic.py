"""Arithmetic, element by element, with broadcasting."""

from __future__ import annotations

from typing import Any

from nnlite.autograd.op import Op
from nnlite.autograd.tape import traced
from nnlite.autograd.tensor import Tensor, wrap
from nnlite.backend import Array, array_module, quiet
from nnlite.backend.dtypes import int64
from nnlite.errors import ArgumentError, DtypeError
from nnlite.ops.common import (
    Number,
    Operand,
    as_tensor,
    cast,
    operands,
    raw,
    wrap_result,
    zeros_like,
)
from nnlite.ops.pointwise import Log
from nnlite.ops.selection import Where

__all__ = [
    "add",
    "div",
    "floor_divide",
    "mul",
    "neg",
    "pow",
    "remainder",
    "square",
    "sub",
]


class Add(Op):
    """a + b.  d/da = gy,  d/db = gy."""

    @staticmethod
    def forward(ctx: Any, a: Array, b: Array) -> Array:
        return a + b

    @staticmethod
    def backward(ctx: Any, gy: Any) -> Any:
        return gy, gy


class Sub(Op):
    """a - b.  d/da = gy,  d/db = -gy."""

    @staticmethod
    def forward(ctx: Any, a: Array, b: Array) -> Array:
        return a - b

    @staticmethod
    def backward(ctx: Any, gy: Any) -> Any:
        return gy, (-gy if ctx.parents[1] is not None else None)


class Mul(Op):
    """a * b.  d/da = gy * b,  d/db = gy * a."""

    @staticmethod
    def forward(ctx: Any, a: Array, b: Array) -> Array:
        need_a, need_b = ctx.needs_input_grad[:2]
        if need_a:
            ctx.save_inputs(1)
        if need_b:
            ctx.save_inputs(0)
        return a * b

    @staticmethod
    def backward(ctx: Any, gy: Any) -> Any:
        need_a, need_b = ctx.needs_input_grad
        return (gy * ctx.input(1) if need_a else None), (gy * ctx.input(0) if need_b else None)


class Div(Op):
    """a / b.  d/da = gy / b,  d/db = -gy * a / b^2."""

    @staticmethod
    def forward(ctx: Any, a: Array, b: Array) -> Array:
        ctx.save_inputs(0, 1)
        return a / b

    @staticmethod
    def backward(ctx: Any, gy: Any) -> Any:
        need_a, need_b = ctx.needs_input_grad
        b = ctx.input(1)
        # divided twice: neither b^2 nor gy / b may leave the range where the result does not
        gb = -gy * (ctx.input(0) / b / b) if need_b else None
        return (gy / b if need_a else None), gb


class Neg(Op):
    """-x.  d/dx = -gy."""

    @staticmethod
    def forward(ctx: Any, x: Array) -> Array:
        return -x

    @staticmethod
    def backward(ctx: Any, gy: Any) -> Any:
        return -gy


class Pow(Op):
    """a ** b.  d/da = gy * b * a^(b-1),  d/db = gy * a^b * log(a).

    At the edges as in PyTorch: d/da is 0 where b = 0, and d/db is 0 where a = 0 and b >= 0.
    """

    @staticmethod
    def forward(ctx: Any, a: Array, b: Array) -> Array:
        ctx.save_inputs(0, 1)
        ctx.save_output()
        return a**b

    @staticmethod
    def backward(ctx: Any, gy: Any) -> Any:
        need_a, need_b = ctx.needs_input_grad
        a, b = ctx.input(0), ctx.input(1)
        ga = gb = None
        if need_a and not hasattr(b, "shape"):  # the common case: a fixed number as exponent
            ga = zeros_like(gy) if b == 0 else gy * (b * a ** (b - 1))
        elif need_a:
            # the exponent is lifted where b = 0, so that 0 ** -1 is never formed
            zero = b == 0
            ga = Where.call(zero, 0.0, gy * (b * a ** (Where.call(zero, 1.0, b) - 1)))
        if need_b:
            a = a if hasattr(a, "shape") else b * 0.0 + a
            harmless = (a == 0) & (b >= 0)
            gb = Where.call(
                harmless, 0.0, gy * (ctx.output() * Log.call(Where.call(harmless, 1.0, a)))
            )
        return ga, gb


class Remainder(Op):
    """a - b * floor(a / b), with the sign of b.  d/da = gy,  d/db = -gy * floor(a / b)."""

    @staticmethod
    def forward(ctx: Any, a: Array, b: Array) -> Array:
        ctx.save_inputs(0, 1)
        return a % b

    @staticmethod
    def backward(ctx: Any, gy: Any) -> Any:
        a, b = raw(ctx.input(0)), raw(ctx.input(1))
        # the floor is constant almost everywhere, so it enters as a constant at every order
        return gy, -gy * (a // b)


# -- public ----------------------------------------------------------------------------------


def _scaled(op: str, x: Any, y: Any, alpha: Number) -> Any:
    floats = [t for t in (x, y) if isinstance(t, Tensor) and t.dtype.kind == "f"]
    if isinstance(alpha, float) and not floats:
        raise ArgumentError(
            op,
            "alpha",
            expected="a whole number for tensors of integers",
            got=repr(alpha),
            hint="convert the tensors with .float() first",
        )
    return mul(y, alpha) if isinstance(y, Tensor) else y * alpha


def add(input: Operand, other: Operand, *, alpha: Number = 1) -> Tensor:
    """input + alpha * other."""
    x, y = operands("add", input, other)
    if alpha != 1:
        y = _scaled("add", x, y, alpha)
    out: Tensor = Add.apply(x, y)
    return out


def sub(input: Operand, other: Operand, *, alpha: Number = 1) -> Tensor:
    """input - alpha * other.

    Raises:
        DtypeError: one is of booleans (use logical operators).
    """
    x, y = operands("sub", input, other)
    for argument, v in (("input", input), ("other", other)):
        if isinstance(v, Tensor) and v.array.dtype.kind == "b":
            raise DtypeError(
                "sub", argument, expected="numbers", got="bool", hint="use ^ or ~ for booleans"
            )
    if alpha != 1:
        y = _scaled("sub", x, y, alpha)
    out: Tensor = Sub.apply(x, y)
    return out


def mul(input: Operand, other: Operand) -> Tensor:
    """input * other."""
    x, y = operands("mul", input, other)
    out: Tensor = Mul.apply(x, y)
    return out


def div(input: Operand, other: Operand, *, rounding_mode: str | None = None) -> Tensor:
    """input / other, always floating; with rounding_mode "floor" or "trunc" rounded to wholes.

    Division by zero gives infinities or NaN, as in PyTorch, without a warning.

    Raises:
        ArgumentError: another rounding_mode.
    """
    if rounding_mode not in (None, "floor", "trunc"):
        raise ArgumentError(
            "div",
            "rounding_mode",
            expected="None, 'floor' or 'trunc'",
            got=repr(rounding_mode),
            hint="None is true division",
        )
    if rounding_mode == "floor":
        return floor_divide(input, other)
    x, y = operands("div", input, other, floating=True)
    out: Tensor = Div.apply(x, y)
    if rounding_mode == "trunc":
        _refuse_integer_zero("div", *operands("div", input, other))
        dtype = _common_dtype(input, other)
        return cast(wrap(array_module(out.array).trunc(out.array)), dtype)
    return out


def _common_dtype(input: Operand, other: Operand) -> Any:
    pair = operands("div", input, other)
    return next(t.dtype for t in pair if isinstance(t, Tensor))


def floor_divide(input: Operand, other: Operand) -> Tensor:
    """The quotient rounded towards minus infinity; has no gradient."""
    x, y = operands("floor_divide", input, other)
    _refuse_integer_zero("floor_divide", x, y)
    with quiet():
        return wrap_result(raw(x) // raw(y), x, y)


def _refuse_integer_zero(op: str, x: Any, y: Any) -> None:
    """Refuse a whole-number division by zero, which has no result: floats have inf and NaN."""
    dtype = next(t.dtype for t in (x, y) if isinstance(t, Tensor))
    if dtype.kind != "f":
        traced(_refuse_zero, op, y)


def _refuse_zero(op: str, other: Any) -> None:
    divisor = raw(other)
    if bool((divisor == 0) if isinstance(divisor, int) else (divisor == 0).any()):
        raise ArgumentError(
            op,
            "other",
            expected="no zero, where whole numbers are divided",
            got="0",
            hint="convert with .float(): then it is infinite or NaN",
        )


def _refuse_booleans(op: str, x: Any, y: Any) -> None:
    if all(t.dtype.kind == "b" if isinstance(t, Tensor) else type(t) is bool for t in (x, y)):
        raise DtypeError(op, expected="numbers", got="bool", hint="convert one of them with .int()")


def remainder(input: Operand, other: Operand) -> Tensor:
    """input modulo other, with the sign of other, as Python's %."""
    x, y = operands("remainder", input, other)
    _refuse_booleans("remainder", x, y)
    _refuse_integer_zero("remainder", x, y)
    out: Tensor = Remainder.apply(x, y)
    return out


def neg(input: Tensor) -> Tensor:
    """-input.

    Raises:
        DtypeError: booleans.
    """
    x = as_tensor("neg", input)
    if x.dtype.kind == "b":
        raise DtypeError("neg", "input", expected="numbers", got="bool", hint="use ~x")
    out: Tensor = Neg.apply(x)
    return out


def pow(input: Operand, exponent: Operand) -> Tensor:
    """input ** exponent.

    Raises:
        ArgumentError: integers to a negative power, which are no integers.
    """
    x, y = operands("pow", input, exponent)
    _refuse_booleans("pow", x, y)
    if not any(isinstance(t, Tensor) and t.dtype.kind == "f" for t in (x, y)):
        traced(_refuse_negative, y)
    out: Tensor = Pow.apply(x, y)
    return out


def _refuse_negative(exponent: Any) -> None:
    power = raw(exponent)
    if bool((power < 0) if isinstance(power, (int, float)) else (power < 0).any()):
        raise ArgumentError(
            "pow",
            "exponent",
            expected="a non-negative exponent for integers",
            got="a negative one",
            hint="convert the base with .float() first",
        )


def square(input: Tensor) -> Tensor:
    """input ** 2."""
    x = as_tensor("square", input)
    x = cast(x, int64) if x.dtype.kind == "b" else x
    return mul(x, x)
