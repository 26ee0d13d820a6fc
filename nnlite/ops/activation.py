"""Activations with corners (relu and its kin), sigmoid and tanh."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nnlite.autograd.op import Op
from nnlite.autograd.tensor import Tensor
from nnlite.backend import Array, array_module
from nnlite.errors import ArgumentError, ShapeError
from nnlite.ops.common import (
    Number,
    as_float,
    check_flag,
    check_number,
    check_same_device,
    check_same_dtype,
    like,
    need_float,
    need_numbers,
    raw,
)
from nnlite.ops.inplace import in_place
from nnlite.ops.kernels import elementwise
from nnlite.ops.selection import Where
from nnlite.ops.shape import reshape

__all__ = [
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "leaky_relu",
    "prelu",
    "relu",
    "relu6",
    "relu_",
    "sigmoid",
    "sigmoid_",
    "tanh",
    "tanh_",
    "threshold",
]


class Relu(Op):
    """max(x, 0); NaN stays.  d/dx = gy where y > 0 or x is NaN, else 0: 0 at 0."""

    @staticmethod
    def forward(ctx: Any, x: Array) -> Array:
        ctx.save_output()
        return elementwise.relu(x)

    @staticmethod
    def backward(ctx: Any, gy: Any) -> Any:
        y = ctx.output()
        if isinstance(y, Tensor):
            return Keep.call(gy, mask=~(y.array <= 0))
        return elementwise.relu_grad(gy, y)


class Keep(Op):
    """x where the mask holds, else 0: selected, not multiplied.  d/dx = gy there, else 0."""

    @staticmethod
    def forward(ctx: Any, x: Array, *, mask: Array) -> Array:
        return elementwise.keep(x, mask)

    @staticmethod
    def backward(ctx: Any, gy: Any) -> Any:
        return Keep.call(gy, mask=ctx.mask)


class LeakyRelu(Op):
    """x where x > 0, else slope * x.  d/dx = gy where x > 0, else slope * gy."""

    @staticmethod
    def forward(ctx: Any, x: Array, *, slope: float) -> Array:
        ctx.save_inputs(0)
        return array_module(x).where(x > 0, x, x * slope)

    @staticmethod
    def backward(ctx: Any, gy: Any) -> Any:
        return Where.call(raw(ctx.input(0)) > 0, gy, gy * ctx.slope)


class Prelu(Op):
    """x where x > 0, else w * x.  d/dx = gy or w * gy,  d/dw = 0 or gy * x."""

    @staticmethod
    def forward(ctx: Any, x: Array, w: Array) -> Array:
        ctx.save_inputs(0, 1)
        return array_module(x).where(x > 0, x, w * x)

    @staticmethod
    def backward(ctx: Any, gy: Any) -> Any:
        x = ctx.input(0)
        positive = raw(x) > 0
        need_x, need_w = ctx.needs_input_grad
        gx = Where.call(positive, gy, gy * ctx.input(1)) if need_x else None
        gw = Where.call(positive, 0.0, gy * x) if need_w else None
        return gx, gw


class Threshold(Op):
    """x where x > threshold, else value; NaN stays.  d/dx = gy there, else 0."""

    @staticmethod
    def forward(ctx: Any, x: Array, *, threshold: float, value: float) -> Array:
        ctx.save_inputs(0)
        fill = value if x.dtype.kind == "f" else like(x, value, x.dtype)
        return array_module(x).where(x <= threshold, fill, x)

    @staticmethod
    def backward(ctx: Any, gy: Any) -> Any:
        return Where.call(raw(ctx.input(0)) <= ctx.threshold, 0.0, gy)


class Hardtanh(Op):
    """x held between low and high.  d/dx = gy where low < x < high, else 0: 0 at both bounds."""

    @staticmethod
    def forward(ctx: Any, x: Array, *, low: float, high: float) -> Array:
        ctx.save_inputs(0)
        return array_module(x).clip(x, low, high)

    @staticmethod
    def backward(ctx: Any, gy: Any) -> Any:
        x = raw(ctx.input(0))
        return Where.call((x <= ctx.low) | (x >= ctx.high), 0.0, gy)


class Hardsigmoid(Op):
    """min(max(x + 3, 0), 6) / 6.  d/dx = gy / 6 where -3 < x < 3, else 0."""

    @staticmethod
    def forward(ctx: Any, x: Array) -> Array:
        ctx.save_inputs(0)
        return array_module(x).clip(x + 3, 0, 6) / 6

    @staticmethod
    def backward(ctx: Any, gy: Any) -> Any:
        x = raw(ctx.input(0))
        return Where.call((x > -3) & (x < 3), gy / 6, 0.0)


class Hardswish(Op):
    """x * min(max(x + 3, 0), 6) / 6.  d/dx = 0, gy * (x / 3 + 1/2) or gy: below, within, above."""

    @staticmethod
    def forward(ctx: Any, x: Array) -> Array:
        ctx.save_inputs(0)
        return x * array_module(x).clip(x + 3, 0, 6) / 6

    @staticmethod
    def backward(ctx: Any, gy: Any) -> Any:
        x = ctx.input(0)
        within = Where.call(raw(x) < 3, gy * (x / 3 + 0.5), gy)
        return Where.call(raw(x) <= -3, 0.0, within)


class Sigmoid(Op):
    """1 / (1 + exp(-x)).  d/dx = gy * y * (1 - y)."""

    @staticmethod
    def forward(ctx: Any, x: Array) -> Array:
        ctx.save_output()
        return elementwise.sigmoid(x)

    @staticmethod
    def backward(ctx: Any, gy: Any) -> Any:
        y = ctx.output()
        if isinstance(y, Tensor):
            return gy * (y * (1 - y))
        return elementwise.sigmoid_grad(gy, y)


class Tanh(Op):
    """tanh(x).  d/dx = gy * (1 - y^2)."""

    @staticmethod
    def forward(ctx: Any, x: Array) -> Array:
        ctx.save_output()
        return elementwise.tanh(x)

    @staticmethod
    def backward(ctx: Any, gy: Any) -> Any:
        y = ctx.output()
        if isinstance(y, Tensor):
            return gy * (1 - y * y)
        return elementwise.tanh_grad(gy, y)


# -- public ----------------------------------------------------------------------------------


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """max(x, 0); NaN stays NaN; the derivative at 0 is 0.

    With inplace the result is written into input itself.
    """
    check_flag("relu", "inplace", inplace)
    if inplace:
        return relu_(input)
    out: Tensor = Relu.apply(need_numbers("relu", input))
    return out


def tanh(input: Tensor) -> Tensor:
    """The hyperbolic tangent; integers become float32."""
    out: Tensor = Tanh.apply(as_float("tanh", input))
    return out


def sigmoid(input: Tensor) -> Tensor:
    """1 / (1 + exp(-x)), without overflow for any x; integers become float32."""
    out: Tensor = Sigmoid.apply(as_float("sigmoid", input))
    return out


relu_ = in_place(relu, "relu_")
tanh_ = in_place(tanh, "tanh_")
sigmoid_ = in_place(sigmoid, "sigmoid_")


def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """x where x > 0, else negative_slope * x; the derivative at 0 is negative_slope."""
    x = need_float("leaky_relu", input)
    check_number("leaky_relu", "negative_slope", negative_slope)
    return placed(
        lambda x: LeakyRelu.apply(x, slope=float(negative_slope)), x, inplace, "leaky_relu_"
    )


def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """x where x > 0, else weight * x, with one weight in all or one per channel (dimension 1).

    Raises:
        ShapeError: weight is no vector, or neither of size 1 nor of the number of channels.
        DtypeError: integers.
    """
    x, w = need_float("prelu", input), need_float("prelu", weight, "weight")
    check_same_device("prelu", x, w)
    check_same_dtype("prelu", x, w, "weight")
    channels = x.shape[1] if x.ndim > 1 else 1
    if w.ndim > 1 or w.array.size not in (1, channels):
        raise ShapeError(
            "prelu",
            "weight",
            expected=f"1 number, or {channels}, one per channel of input {x.shape}",
            got=f"shape {w.shape}",
            hint="the channels are dimension 1",
        )
    w = reshape(w, () if w.array.size == 1 else (channels,) + (1,) * (x.ndim - 2))
    out: Tensor = Prelu.apply(x, w)
    return out


def threshold(input: Tensor, threshold: Number, value: Number, inplace: bool = False) -> Tensor:
    """x where x > threshold, else value; NaN stays NaN."""
    x = need_numbers("threshold", input)
    check_number("threshold", "threshold", threshold)
    check_number("threshold", "value", value)
    return placed(
        lambda x: Threshold.apply(x, threshold=threshold, value=value), x, inplace, "threshold_"
    )


def hardtanh(
    input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False
) -> Tensor:
    """x held between min_val and max_val; the derivative at both is 0.

    Raises:
        ArgumentError: min_val above max_val.
    """
    check_number("hardtanh", "min_val", min_val)
    check_number("hardtanh", "max_val", max_val)
    if min_val > max_val:
        raise ArgumentError(
            "hardtanh",
            "min_val",
            expected=f"at most max_val, {max_val}",
            got=str(min_val),
            hint="hardtanh(x, min_val=-1.0, max_val=1.0)",
        )
    x = need_float("hardtanh", input)
    return placed(lambda x: Hardtanh.apply(x, low=min_val, high=max_val), x, inplace, "hardtanh_")


def relu6(input: Tensor, inplace: bool = False) -> Tensor:
    """min(max(x, 0), 6); the derivative at 0 and at 6 is 0."""
    return hardtanh(input, 0.0, 6.0, inplace)


def hardsigmoid(input: Tensor, inplace: bool = False) -> Tensor:
    """min(max(x + 3, 0), 6) / 6, a sigmoid of three straight lines."""
    x = need_float("hardsigmoid", input)
    return placed(Hardsigmoid.apply, x, inplace, "hardsigmoid_")


def hardswish(input: Tensor, inplace: bool = False) -> Tensor:
    """x * hardsigmoid(x).  Source: Howard et al., "Searching for MobileNetV3" (2019)."""
    x = need_float("hardswish", input)
    return placed(Hardswish.apply, x, inplace, "hardswish_")


def placed(fn: Callable[[Tensor], Tensor], x: Tensor, inplace: bool, name: str) -> Tensor:
    """fn(x), or with inplace x overwritten by it and put in its place in the graph."""
    check_flag(name.rstrip("_"), "inplace", inplace)
    return in_place(fn, name)(x) if inplace else fn(x)
