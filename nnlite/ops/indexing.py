"""x[...] and x[...] = value, as in PyTorch.

An index is taken apart into a basic part (numbers, slices, None, Ellipsis), which gives a view, and
an advanced part (integer and boolean arrays), which gathers from that view. NumPy counts a number
among the arrays as one of them, PyTorch does not: doing the numbers first is what makes
``x[0, :, [1, 2]]`` come out in PyTorch's order of dimensions.
"""

from __future__ import annotations

from typing import Any

from nnlite.autograd.inplace import assign, refuse_leaf
from nnlite.autograd.modes import is_grad_enabled
from nnlite.autograd.op import Op
from nnlite.autograd.tensor import Tensor
from nnlite.backend import Array, array_module, backend_of, is_array
from nnlite.errors import NnliteIndexError, ShapeError
from nnlite.ops.common import as_index, as_tensor, cast, check_same_device, like, normalize_dim, raw
from nnlite.ops.creation import scalar_like, tensor
from nnlite.ops.index_forms import check_index, gathered_shape, parse_index
from nnlite.ops.inplace import check_writable
from nnlite.ops.viewing import reshaped

__all__ = ["getitem", "narrow", "select", "setitem"]


class Slice(Op):
    """x[index] with numbers, slices and None, as a view.  d/dx = gy in its place among zeros."""

    view = True

    @staticmethod
    def forward(ctx: Any, x: Array, *, index: tuple[Any, ...]) -> Array:
        ctx.source = x.shape
        return x[index]

    @staticmethod
    def backward(ctx: Any, gy: Any) -> Any:
        return Unslice.call(gy, shape=ctx.source, index=ctx.index)


class Unslice(Op):
    """Zeros of a shape with x at index.  d/dx = gy[index]."""

    @staticmethod
    def forward(ctx: Any, x: Array, *, shape: tuple[int, ...], index: tuple[Any, ...]) -> Array:
        y = array_module(x).zeros(shape, dtype=x.dtype)
        y[index] = x
        return y

    @staticmethod
    def backward(ctx: Any, gy: Any) -> Any:
        return Slice.call(gy, index=ctx.index)


class Take(Op):
    """x[index] with integer arrays.  d/dx = gy added into place, as often as an index occurs.

    Parameter repeats: whether an index may occur twice; without, gy is written, which is faster.
    """

    @staticmethod
    def forward(ctx: Any, x: Array, *, index: tuple[Any, ...], repeats: bool) -> Array:
        ctx.source = x.shape
        return x[index]

    @staticmethod
    def backward(ctx: Any, gy: Any) -> Any:
        return Untake.call(gy, shape=ctx.source, index=ctx.index, repeats=ctx.repeats)


class Untake(Op):
    """Zeros of a shape with x added in at index.  d/dx = gy[index]."""

    @staticmethod
    def forward(
        ctx: Any, x: Array, *, shape: tuple[int, ...], index: tuple[Any, ...], repeats: bool
    ) -> Array:
        y = array_module(x).zeros(shape, dtype=x.dtype)
        if repeats:
            backend_of(y).scatter_add(y, index, x)
        else:
            y[index] = x
        return y

    @staticmethod
    def backward(ctx: Any, gy: Any) -> Any:
        return Take.call(gy, index=ctx.index, repeats=ctx.repeats)


class Put(Op):
    """x with value, broadcast, at x[basic][advanced].

    d/dx = gy with zeros there,  d/dvalue = gy from there.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Array, value: Array, *, basic: tuple[Any, ...], advanced: tuple[Any, ...]
    ) -> Array:
        y = backend_of(x).asarray(x.copy())  # of a 0-d gradient the copy is a NumPy scalar
        y[basic][advanced] = value
        return y

    @staticmethod
    def backward(ctx: Any, gy: Any) -> Any:
        need_x, need_value = ctx.needs_input_grad
        gx = gvalue = None
        if need_x:
            nothing = like(raw(gy), 0, gy.dtype)
            gx = Put.call(gy, nothing, basic=ctx.basic, advanced=ctx.advanced)
        if need_value:
            gvalue = Slice.call(gy, index=ctx.basic)
            if ctx.advanced[0] is not ...:
                gvalue = Take.call(gvalue, index=ctx.advanced, repeats=True)
        return gx, gvalue


# -- public ----------------------------------------------------------------------------------


def getitem(x: Tensor, index: Any) -> Tensor:
    """``x[index]``: a view for numbers, slices, None and Ellipsis; a copy for arrays and masks.

    Raises:
        NnliteIndexError: an index outside, too many of them, a mask of another shape.
        DtypeError: an index of floats or uint8, or of another type.
        ArgumentError: a slice whose step is not positive.
    """
    basic, advanced, repeats = parse_index("getitem", x, index)
    out: Tensor = x if basic == (...,) and advanced else Slice.apply(x, index=basic)
    return Take.apply(out, index=advanced, repeats=repeats) if advanced else out


def setitem(x: Tensor, index: Any, value: Any) -> None:
    """``x[index] = value``: value, a number or a Tensor, is broadcast, cast and written into x.

    Where an index occurs twice the last value stays. Recorded where x or value requires a gradient.

    Raises:
        ShapeError: value does not broadcast to the place.
        GraphError: x is a leaf that requires a gradient, or a view of one that is recorded.
        What ``getitem`` raises.
    """
    refuse_leaf(x, "setitem")
    check_writable(x, "setitem")
    basic, advanced, _ = parse_index("setitem", x, index)
    if isinstance(value, Tensor) or is_array(value):
        source = cast(as_tensor("setitem", value, "value"), x.dtype)
        check_same_device("setitem", x, source)
    elif isinstance(value, (list, tuple)):
        source = tensor(value, dtype=x.dtype, device=x.device)
    else:
        source = scalar_like("setitem", value, x)
    shape = gathered_shape(x.array[basic].shape, advanced)
    source = _without_leading_ones(source, shape)
    if is_grad_enabled() and (x.requires_grad or source.requires_grad):
        out = Put.apply(x, source, basic=basic, advanced=advanced or (...,))
        assign(x, out, "setitem")
        return
    x.array[basic][advanced or (...,)] = source.array
    x.bump_version()


def _without_leading_ones(value: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Value with as many dimensions as the place has at most, checked to broadcast to it."""
    extra = max(0, value.ndim - len(shape))
    kept = value.shape[extra:]
    fits = all(a in (1, b) for a, b in zip(reversed(kept), reversed(shape), strict=False))
    if not fits or any(n != 1 for n in value.shape[:extra]):
        raise ShapeError(
            "setitem",
            "value",
            expected=f"a shape that broadcasts to {shape}, as the indexed place has",
            got=str(value.shape),
            hint="compare x[index].shape with value.shape",
        )
    out: Tensor = reshaped(value, kept) if extra else value
    return out


def select(input: Tensor, dim: int, index: int) -> Tensor:
    """The slice at one index of one dimension, which is left out; a view."""
    x = as_tensor("select", input)
    d = _dim("select", x, dim)
    i = check_index("select", as_index("select", "index", index), x.shape[d], d)
    out: Tensor = Slice.apply(x, index=(slice(None),) * d + (i, ...))
    return out


def narrow(input: Tensor, dim: int, start: Any, length: int) -> Tensor:
    """Length indices of dimension dim, from start on; a view.

    Raises:
        NnliteIndexError: start and length leave the dimension.
    """
    x = as_tensor("narrow", input)
    d = _dim("narrow", x, dim)
    n = x.shape[d]
    first, count = as_index("narrow", "start", start), as_index("narrow", "length", length)
    first = first + n if first < 0 else first
    if first < 0 or count < 0 or first + count > n:
        raise NnliteIndexError(
            "narrow",
            "start, length",
            expected=f"a range within dimension {d} of size {n}",
            got=f"start {start}, length {length}",
            hint="start + length may be the size at most",
        )
    return take_range(x, d, first, first + count)


def take_range(x: Tensor, dim: int, start: int, stop: int) -> Tensor:
    """x[..., start:stop, ...] in one dimension, without checks."""
    out: Tensor = Slice.apply(x, index=(slice(None),) * dim + (slice(start, stop), ...))
    return out


def _dim(op: str, x: Tensor, dim: Any) -> int:
    if not x.ndim:
        raise NnliteIndexError(
            op,
            "input",
            expected="at least one dimension",
            got="a 0-d tensor",
            hint="use item() for its value",
        )
    return normalize_dim(op, dim, x.ndim)
