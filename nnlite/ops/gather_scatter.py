"""Elements picked out and put back by index tensors and masks, along one dimension or all."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnlite.autograd.tape import traced
from nnlite.autograd.tensor import Tensor, wrap
from nnlite.backend import Array, array_module
from nnlite.errors import DtypeError, ShapeError
from nnlite.ops.arithmetic import add
from nnlite.ops.common import (
    as_tensor,
    cast,
    check_broadcast,
    check_same_device,
    normalize_dim,
    raw,
)
from nnlite.ops.creation import scalar_like
from nnlite.ops.index_forms import check_indices
from nnlite.ops.indexing import Put, Take, Untake, getitem
from nnlite.ops.selection import where
from nnlite.ops.shape import expand, reshape

__all__ = [
    "gather",
    "index_add",
    "index_select",
    "masked_fill",
    "masked_select",
    "scatter",
    "scatter_add",
    "take_along_dim",
]


# -- along one dimension ---------------------------------------------------------------------


def gather(input: Tensor, dim: int, index: Tensor) -> Tensor:
    """out[i][j][k] = input[i][index[i][j][k]][k] for dim 1, and so on; of index's shape.

    Derivative: gy is added to input where each element came from.

    Raises:
        DtypeError: index is not of integers.
        ShapeError: index has another number of dimensions, or is larger in another one than dim.
        NnliteIndexError: an index outside.
    """
    x = as_tensor("gather", input)
    place = _places("gather", x, dim, index)
    out: Tensor = Take.apply(x, index=place, repeats=True) if x.ndim else getitem(x, ...)
    return out


def take_along_dim(input: Tensor, indices: Tensor, dim: int | None = None) -> Tensor:
    """As ``gather``, with input and indices broadcast in the other dimensions; flat without dim."""
    x = as_tensor("take_along_dim", input)
    i = as_tensor("take_along_dim", indices, "indices")
    if dim is None:
        return gather(reshape(x, -1), 0, reshape(i, -1))
    d = normalize_dim("take_along_dim", dim, x.ndim)
    if i.ndim != x.ndim:
        raise ShapeError(
            "take_along_dim",
            "indices",
            expected=f"{x.ndim} dimensions, as input has",
            got=str(i.shape),
            hint="unsqueeze() the dimensions that should broadcast",
        )
    others = [(x.shape[k], i.shape[k]) for k in range(x.ndim) if k != d]
    check_broadcast("take_along_dim", tuple(a for a, _ in others), tuple(b for _, b in others))
    joint = [b if a == 1 else a for a, b in zip(x.shape, i.shape, strict=True)]
    x = expand(x, *joint[:d], x.shape[d], *joint[d + 1 :])
    return gather(x, d, expand(i, *joint[:d], i.shape[d], *joint[d + 1 :]))


def scatter(
    input: Tensor, dim: int, index: Tensor, src: Any = None, *, value: Any = None
) -> Tensor:
    """A copy of input with src (a Tensor or a number) written where ``gather`` would read.

    Where places repeat, the last one written stays. Derivative: gy with zeros at those places for
    input; gy from there for src.

    Raises:
        What ``gather`` raises; ShapeError: src is smaller than index.
    """
    x, place, source = _scatter_operands("scatter", input, dim, index, src, value)
    out: Tensor = Put.apply(x, source, basic=(...,), advanced=place or (...,))
    return out


def scatter_add(input: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
    """A copy of input with src added where ``gather`` would read; repeated places add up.

    Derivative: gy for input; gy from those places for src.

    Raises:
        What ``scatter`` raises.
    """
    as_tensor("scatter_add", src, "src")
    x, place, source = _scatter_operands("scatter_add", input, dim, index, src, None)
    if not x.ndim:
        return add(x, reshape(source, ()))
    return add(x, Untake.apply(source, shape=x.shape, index=place, repeats=True))


def _scatter_operands(
    op: str, input: Any, dim: int, index: Any, src: Any, value: Any
) -> tuple[Tensor, tuple[Any, ...], Tensor]:
    x = as_tensor(op, input)
    place = _places(op, x, dim, index, into=True)
    given = value if src is None else src
    if not isinstance(given, Tensor):
        return x, place, expand(scalar_like(op, given, x), index.shape)
    check_same_device(op, x, given)
    if given.dtype != x.dtype:
        raise DtypeError(
            op,
            "src",
            expected=f"{x.dtype.name}, as input",
            got=given.dtype.name,
            hint="convert it with .to(input.dtype)",
        )
    if given.ndim != index.ndim or any(
        a < b for a, b in zip(given.shape, index.shape, strict=True)
    ):
        raise ShapeError(
            op,
            "src",
            expected=f"at least the shape of index, {index.shape}",
            got=str(given.shape),
            hint="expand_as(index) repeats a src without copying",
        )
    inside = tuple(slice(0, n) for n in index.shape)
    return x, place, given if given.shape == index.shape else getitem(given, inside)


def _places(op: str, x: Tensor, dim: Any, index: Any, into: bool = False) -> tuple[Any, ...]:
    """The index of gather and scatter as one integer array per dimension of x, broadcast."""
    d = normalize_dim(op, dim, x.ndim)
    i = _integers(op, x, index)
    if max(i.ndim, 1) != max(x.ndim, 1):
        raise ShapeError(
            op,
            "index",
            expected=f"{x.ndim} dimensions, as input has",
            got=str(i.shape),
            hint="index_select() takes whole slices by a 1-d index",
        )
    larger = [k for k in range(min(x.ndim, i.ndim)) if k != d and i.shape[k] > x.shape[k]]
    if larger and i.size:
        raise ShapeError(
            op,
            "index",
            expected=f"at most the sizes of {x.shape}, but for dimension {d}",
            got=str(i.shape),
            hint="take_along_dim() broadcasts",
        )
    if not x.ndim:
        check_indices(op, i, 1, 0)
        return ()
    if not i.ndim:
        return (check_indices(op, i, x.shape[d], d),)
    grid: tuple[Any, ...] = traced(_grid, op, index, x.shape[d], d)
    return grid


def _grid(op: str, index: Tensor, size: int, d: int) -> tuple[Any, ...]:
    i = raw(index)
    xp = array_module(i)
    grid: list[Any] = [
        xp.arange(n).reshape((1,) * k + (n,) + (1,) * (i.ndim - k - 1))
        for k, n in enumerate(i.shape)
    ]
    grid[d] = check_indices(op, i, size, d)
    return tuple(grid)


def _integers(op: str, x: Tensor, index: Any, argument: str = "index") -> Array:
    i = as_tensor(op, index, argument)
    check_same_device(op, x, i)
    if i.dtype.kind != "i":
        raise DtypeError(
            op,
            argument,
            expected="int64 or int32",
            got=i.dtype.name,
            hint="convert it with .long()",
        )
    return i.array


def index_select(input: Tensor, dim: int, index: Tensor) -> Tensor:
    """The slices of input at index (1-d) along dim, in that order.

    Derivative: gy is added to the slices that it came from.

    Raises:
        ShapeError: index has more than one dimension.
        DtypeError, NnliteIndexError: as ``gather``.
    """
    x = as_tensor("index_select", input)
    d, i = _slices("index_select", x, dim, index)
    if not x.ndim:
        return reshape(getitem(reshape(x, 1), wrap(i)), ())
    out: Tensor = Take.apply(x, index=(slice(None),) * d + (i,), repeats=True)
    return out


def index_add(
    input: Tensor, dim: int, index: Tensor, source: Tensor, *, alpha: int | float = 1
) -> Tensor:
    """A copy of input with alpha * source[i] added to slice index[i] along dim, for each i.

    Derivative: gy for input; alpha * gy at those slices for source.

    Raises:
        ShapeError: source does not have one slice per index, of the shape of input's.
        DtypeError, NnliteIndexError: as ``gather``.
    """
    x = as_tensor("index_add", input)
    s = as_tensor("index_add", source, "source")
    d, i = _slices("index_add", x, dim, index)
    check_same_device("index_add", x, s)
    expected = (*x.shape[:d], i.size, *x.shape[d + 1 :])
    if s.shape != expected or s.dtype != x.dtype:
        raise ShapeError(
            "index_add",
            "source",
            expected=f"shape {expected} of {x.dtype.name}",
            got=f"{s.shape} of {s.dtype.name}",
            hint="one slice per index",
        )
    place = (slice(None),) * d + (i,)
    total: Tensor = Untake.apply(s, shape=x.shape, index=place, repeats=True)
    return add(x, total, alpha=alpha)


def _slices(op: str, x: Tensor, dim: Any, index: Any) -> tuple[int, Array]:
    d = normalize_dim(op, dim, x.ndim)
    i = _integers(op, x, index)
    if i.ndim > 1:
        raise ShapeError(
            op,
            "index",
            expected="one dimension",
            got=str(i.shape),
            hint="gather() takes an index of input's dimensions",
        )
    return d, check_indices(op, i.reshape(-1), x.shape[d] if x.ndim else 1, d)


# -- by masks --------------------------------------------------------------------------------


def masked_fill(input: Tensor, mask: Tensor, value: Any) -> Tensor:
    """Value, one number, where mask is True; input elsewhere.

    Raises:
        DtypeError: mask is not boolean.
        ShapeError: mask does not broadcast to input; value is no single number.
    """
    x = as_tensor("masked_fill", input)
    m = _mask("masked_fill", x, mask)
    if isinstance(value, Tensor):
        if value.ndim:
            raise ShapeError(
                "masked_fill",
                "value",
                expected="one number",
                got=f"shape {value.shape}",
                hint="use where(mask, value, input)",
            )
        return where(m, cast(value, x.dtype), x)
    return where(m, scalar_like("masked_fill", value, x), x)


def masked_select(input: Tensor, mask: Tensor) -> Tensor:
    """The elements of input where mask is True, in order, as a 1-d tensor.

    Raises:
        DtypeError: mask is not boolean.
        ShapeError: mask and input do not broadcast.
    """
    x = as_tensor("masked_select", input)
    m = _mask("masked_select", x, mask)
    shape = np.broadcast_shapes(x.shape, m.shape)
    return getitem(expand(x, shape), expand(m, shape))


def _mask(op: str, x: Tensor, mask: Any) -> Tensor:
    m = as_tensor(op, mask, "mask")
    check_same_device(op, x, m)
    if m.dtype.kind != "b":
        raise DtypeError(
            op, "mask", expected="bool", got=m.dtype.name, hint="compare, or convert with .bool()"
        )
    check_broadcast(op, x.shape, m.shape)
    return m
