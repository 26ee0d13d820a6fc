"""In-place methods: x.add_(y) writes x + y into x's own memory and takes its place in the graph."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nnlite.autograd.fit import is_expandable
from nnlite.autograd.inplace import assign, refuse_leaf, write
from nnlite.autograd.modes import is_grad_enabled
from nnlite.autograd.op import Op
from nnlite.autograd.tape import traced
from nnlite.autograd.tensor import Tensor, wrap
from nnlite.backend import Array, Generator, array_module, is_writable
from nnlite.errors import ArgumentError, ShapeError
from nnlite.ops.common import as_tensor, cast, check_same_device, like, need_float, zeros_like
from nnlite.ops.creation import scalar_like
from nnlite.ops.random import pick_generator

__all__ = ["check_writable", "copy_", "fill_", "in_place", "normal_", "uniform_", "zero_"]


class Overwrite(Op):
    """Value in x's place, broadcast to it.  d/dx = 0,  d/dvalue = gy."""

    @staticmethod
    def forward(ctx: Any, x: Array, value: Array) -> Array:
        return array_module(x).broadcast_to(value, x.shape)

    @staticmethod
    def backward(ctx: Any, gy: Any) -> Any:
        need_x, _ = ctx.needs_input_grad
        return (zeros_like(gy) if need_x else None), gy


def check_writable(tensor: Tensor, op: str) -> None:
    """Refuse memory that cannot be written to, element by element.

    Raises:
        ArgumentError: it is read-only: expand() repeats it, or the array was given as read-only.
    """
    if not is_writable(tensor.array):
        raise ArgumentError(
            op,
            expected="a tensor with memory of its own to write to",
            got="read-only memory: one expanded, or made of a read-only array",
            hint="clone() it first",
        )


def in_place(function: Callable[..., Tensor], name: str) -> Callable[..., Tensor]:
    """The in-place form of an op: ``in_place(add, "add_")`` is the method ``x.add_(other)``.

    The result is computed out of place and then written into x, which keeps its dtype and shape;
    backward goes through the op as if x had been a new tensor.
    """

    def method(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        refuse_leaf(self, name)
        check_writable(self, name)
        if not is_grad_enabled():
            return assign(self, function(self, *args, **kwargs), name)
        old = _before(self)
        args = tuple(old if a is self else a for a in args)
        return assign(self, function(old, *args, **kwargs), name)

    method.__name__ = method.__qualname__ = name
    method.__doc__ = f"{function.__name__}, written into the tensor itself; returns it."
    return method


def _before(x: Tensor) -> Tensor:
    """x as it is now, at its place in the graph: what backward may need once x is overwritten."""
    old = wrap(traced(_copied, x))
    old.node, old._requires_grad = x.node, x._requires_grad
    return old


def _copied(x: Tensor) -> Array:
    return x.array.copy()


def copy_(x: Tensor, src: Tensor, non_blocking: bool = False) -> Tensor:
    """Write src, broadcast and cast, into x; returns x.

    Raises:
        ShapeError: src does not broadcast to x's shape.
        GraphError: x is a leaf that requires a gradient.
    """
    value = as_tensor("copy_", src, "src")
    check_same_device("copy_", x, value)
    return _overwrite("copy_", x, cast(value, x.dtype))


def fill_(x: Tensor, value: Any) -> Tensor:
    """Write one number into all of x; returns x.

    Raises:
        ArgumentError: value does not fit into x's dtype.
    """
    if not isinstance(value, Tensor):
        value = scalar_like("fill_", value, x)
    elif value.ndim:
        raise ShapeError(
            "fill_",
            "value",
            expected="one number",
            got=f"shape {value.shape}",
            hint="use copy_() for an array",
        )
    check_same_device("fill_", x, value)
    return _overwrite("fill_", x, cast(value, x.dtype))


def zero_(x: Tensor) -> Tensor:
    """Write 0 into all of x; returns x."""
    return fill_(x, 0)


def normal_(
    x: Tensor, mean: float = 0.0, std: float = 1.0, *, generator: Generator | None = None
) -> Tensor:
    """Write independent normal numbers into x; returns x.

    Raises:
        DtypeError: x is not floating.
        ArgumentError: a negative std.
    """
    from_normal = pick_generator("normal_", generator).normal
    if not std >= 0:
        raise ArgumentError(
            "normal_", "std", expected="0 or more", got=str(std), hint="it is no variance"
        )
    return _draw("normal_", x, from_normal, float(std), float(mean))


def uniform_(
    x: Tensor, a: float = 0.0, b: float = 1.0, *, generator: Generator | None = None
) -> Tensor:
    """Write independent numbers, uniform on [a, b), into x; returns x.

    Raises:
        DtypeError: x is not floating.
        ArgumentError: b is below a.
    """
    from_uniform = pick_generator("uniform_", generator).uniform
    if not a <= b:
        raise ArgumentError(
            "uniform_", "b", expected=f"{a} or more, as a is", got=str(b), hint="swap the bounds"
        )
    return _draw("uniform_", x, from_uniform, float(b) - float(a), float(a))


def _draw(op: str, x: Tensor, draw: Callable[..., Any], scale: float, shift: float) -> Tensor:
    need_float(op, x)
    numbers = like(x.array, draw(x.shape, x.dtype) * scale + shift)
    return _overwrite(op, x, wrap(numbers))


def _overwrite(op: str, x: Tensor, value: Tensor) -> Tensor:
    refuse_leaf(x, op)
    check_writable(x, op)
    if not is_expandable(value.shape, x.shape):
        raise ShapeError(
            op,
            expected=f"a shape that broadcasts to {x.shape}",
            got=f"{value.shape}",
            hint="the tensor that is written to keeps its shape",
        )
    if is_grad_enabled() and (x.requires_grad or value.requires_grad):
        return assign(x, Overwrite.apply(x, value), op)
    traced(write, x, value)
    return x
