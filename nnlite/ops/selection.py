"""Choosing between values, element by element: where, maximum, minimum, clamp."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

from nnlite.autograd.op import Op
from nnlite.autograd.tensor import Tensor, wrap
from nnlite.backend import Array, array_module
from nnlite.backend.dtypes import scalar_dtype
from nnlite.errors import ArgumentError, DtypeError
from nnlite.ops.common import (
    Number,
    Operand,
    as_tensor,
    check_broadcast,
    check_same_device,
    like,
    operands,
    raw,
    wrap_result,
)

__all__ = [
    "clamp",
    "maximum",
    "minimum",
    "where",
]


class Where(Op):
    """a where the condition holds, else b.  d/da = gy where it holds,  d/db = gy where it does not.

    The gradient is selected, not multiplied by 0, so that an infinity on one side stays there.
    """

    @staticmethod
    def forward(ctx: Any, condition: Array, a: Array, b: Array) -> Array:
        ctx.save_inputs(0)
        return array_module(condition).where(condition, a, b)

    @staticmethod
    def backward(ctx: Any, gy: Any) -> Any:
        condition = ctx.input(0)
        _, need_a, need_b = ctx.needs_input_grad
        ga = Where.call(condition, gy, 0.0) if need_a else None
        gb = Where.call(condition, 0.0, gy) if need_b else None
        return None, ga, gb


class Maximum(Op):
    """The larger of a and b; NaN where either is.  gy to the larger, half to each at a tie."""

    @staticmethod
    def forward(ctx: Any, a: Array, b: Array) -> Array:
        ctx.save_inputs(0, 1)
        return array_module(a).maximum(a, b)

    @staticmethod
    def backward(ctx: Any, gy: Any) -> Any:
        a, b = ctx.input(0), ctx.input(1)
        return _split(ctx, gy, a == b, a < b, a > b)


def _split(ctx: Any, gy: Any, tie: Any, a_loses: Any, b_loses: Any) -> tuple[Any, Any]:
    """gy to the side that does not lose: half to each at a tie, all to both at a NaN."""
    need_a, need_b = ctx.needs_input_grad
    half = gy / 2
    ga = Where.call(tie, half, Where.call(a_loses, 0.0, gy)) if need_a else None
    gb = Where.call(tie, half, Where.call(b_loses, 0.0, gy)) if need_b else None
    return ga, gb


class Minimum(Op):
    """The smaller of a and b; NaN where either is.  gy to the smaller, half to each at a tie."""

    @staticmethod
    def forward(ctx: Any, a: Array, b: Array) -> Array:
        ctx.save_inputs(0, 1)
        return array_module(a).minimum(a, b)

    @staticmethod
    def backward(ctx: Any, gy: Any) -> Any:
        a, b = ctx.input(0), ctx.input(1)
        return _split(ctx, gy, a == b, a > b, a < b)


class Clamp(Op):
    """x held between low and high.  d/dx = gy where low <= x <= high, else 0, at a NaN too."""

    @staticmethod
    def forward(ctx: Any, x: Array, *, low: Number | None, high: Number | None) -> Array:
        ctx.save_inputs(0)
        return array_module(x).clip(x, low, high)

    @staticmethod
    def backward(ctx: Any, gy: Any) -> Any:
        x = ctx.input(0)
        if ctx.low is None:
            inside = x <= ctx.high
        elif ctx.high is None:
            inside = x >= ctx.low
        else:
            inside = (x >= ctx.low) & (x <= ctx.high)
        return Where.call(inside, gy, 0.0)


# -- public ----------------------------------------------------------------------------------


def where(condition: Tensor, input: Operand, other: Operand) -> Tensor:
    """input where condition is True, other where it is False; both may be numbers.

    Raises:
        DtypeError: condition is not boolean.
    """
    c = as_tensor("where", condition, "condition")
    if c.dtype.kind != "b":
        raise DtypeError(
            "where", "condition", expected="bool", got=c.dtype.name, hint="compare first: x > 0"
        )
    if scalar_dtype(input) is not None and scalar_dtype(other) is not None:
        # two numbers: the first becomes a tensor of its own kind, as in PyTorch
        input = wrap(like(c.array, input, scalar_dtype(input)))
    x, y = operands("where", input, other)
    check_same_device("where", c, *(t for t in (x, y) if isinstance(t, Tensor)))
    for t in (x, y):
        if isinstance(t, Tensor):
            check_broadcast("where", c.shape, t.shape)
    out: Tensor = Where.apply(c, x, y)
    return out


def maximum(input: Operand, other: Operand) -> Tensor:
    """The larger of the two, element by element; NaN where either is NaN."""
    x, y = operands("maximum", input, other)
    out: Tensor = Maximum.apply(x, y)
    return out


def minimum(input: Operand, other: Operand) -> Tensor:
    """The smaller of the two, element by element; NaN where either is NaN."""
    x, y = operands("minimum", input, other)
    out: Tensor = Minimum.apply(x, y)
    return out


def clamp(input: Tensor, min: Operand | None = None, max: Operand | None = None) -> Tensor:
    """input held between min and max (numbers or tensors); max wins where they cross.

    At a bound the gradient passes.

    Raises:
        ArgumentError: neither bound is given.
    """
    x = as_tensor("clamp", input)
    if min is None and max is None:
        raise ArgumentError(
            "clamp", expected="min, max or both", got="neither", hint="clamp(x, min=0)"
        )
    if isinstance(min, Tensor) or isinstance(max, Tensor):
        x = x if min is None else _hold(x, min, operator.ge)
        return x if max is None else _hold(x, max, operator.le)
    for bound in (min, max):
        if bound is not None:
            x, _ = _clamp_operands(x, bound)
    if max is not None and min is not None and min > max:
        min = max
    out: Tensor = Clamp.apply(x, low=min, high=max)
    return out


def _hold(x: Tensor, bound: Operand, inside: Callable[[Array, Array], Array]) -> Tensor:
    """x where it is inside its bound, the bound elsewhere; NaN without gradient where either is."""
    x, b = _clamp_operands(x, bound)
    value, limit = x.array, raw(b)
    lost = b
    if value.dtype.kind == "f":
        undefined = (value != value) | (limit != limit)
        lost = Where.apply(wrap_result(undefined, x), math.nan, b)
    out: Tensor = Where.apply(wrap_result(inside(value, limit), x), x, lost)
    return out


def _clamp_operands(x: Tensor, bound: Operand) -> tuple[Tensor, Any]:
    a, b = operands("clamp", x, bound)
    return a, b
