"""Other shapes for the same elements: mostly views, which share memory with their input."""

from __future__ import annotations

import math
from typing import Any

from nnlite.autograd.fit import BroadcastTo, is_expandable
from nnlite.autograd.tensor import Tensor
from nnlite.errors import ArgumentError, NnliteIndexError, ShapeError
from nnlite.ops.common import as_index, as_tensor, normalize_dim, normalize_dims
from nnlite.ops.sizes import check_size, spread
from nnlite.ops.viewing import Permute, Reshape, View, is_viewable, reshaped

__all__ = [
    "broadcast_to",
    "expand",
    "expand_as",
    "flatten",
    "matrix_transpose",
    "movedim",
    "permute",
    "repeat",
    "reshape",
    "reshape_as",
    "squeeze",
    "swapaxes",
    "t",
    "tile",
    "transpose",
    "unflatten",
    "unsqueeze",
    "view",
    "view_as",
]


# -- reshape ---------------------------------------------------------------------------------


def reshape(input: Tensor, *shape: Any) -> Tensor:
    """The same elements in the same order under another shape; one size may be -1.

    A view where the memory allows it, else a copy.

    Raises:
        ShapeError: the shape holds another number of elements, or -1 twice.
    """
    x = as_tensor("reshape", input)
    out: Tensor = reshaped(x, _fill_in("reshape", x.shape, spread(shape)))
    return out


def view(input: Tensor, *shape: Any) -> Tensor:
    """As ``reshape``, but never a copy.

    Raises:
        ShapeError: as ``reshape``, and where the memory does not allow a view.
    """
    x = as_tensor("view", input)
    sizes = _fill_in("view", x.shape, spread(shape))
    if not is_viewable(x.array, sizes):
        raise ShapeError(
            "view",
            "shape",
            expected=f"a shape that the memory of a {x.shape} tensor with gaps can be read in",
            got=str(sizes),
            hint="use reshape(), which copies where it must",
        )
    out: Tensor = View.apply(x, shape=sizes)
    return out


def reshape_as(input: Tensor, other: Tensor) -> Tensor:
    """``input.reshape(other.shape)``."""
    return reshape(input, as_tensor("reshape_as", other, "other").shape)


def view_as(input: Tensor, other: Tensor) -> Tensor:
    """``input.view(other.shape)``."""
    return view(input, as_tensor("view_as", other, "other").shape)


def _fill_in(op: str, old: tuple[int, ...], new: tuple[Any, ...]) -> tuple[int, ...]:
    """New with its -1 replaced, checked against the number of elements."""
    sizes = tuple(as_index(op, "shape", n) for n in new)
    numel = math.prod(old)
    open_dims = sizes.count(-1)
    known = math.prod(n for n in sizes if n != -1)
    if open_dims == 1 and min(sizes) == -1 and known and numel % known == 0:
        return tuple(numel // known if n == -1 else n for n in sizes)
    if open_dims or numel != known or (sizes and min(sizes) < 0):
        raise ShapeError(
            op,
            "shape",
            expected=f"sizes whose product is {numel}, as {old} has; one may be -1",
            got=str(sizes),
            hint="the number of elements must stay the same",
        )
    return sizes


def flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """Dimensions start_dim to end_dim, both included, joined into one.

    Raises:
        ArgumentError: end_dim comes before start_dim.
    """
    x = as_tensor("flatten", input)
    first = normalize_dim("flatten", start_dim, x.ndim, "start_dim")
    last = normalize_dim("flatten", end_dim, x.ndim, "end_dim")
    if last < first:
        raise ArgumentError(
            "flatten",
            "end_dim",
            expected=f"start_dim = {first} or later",
            got=str(last),
            hint="swap them",
        )
    if first == last and x.ndim:
        return x
    joined = math.prod(x.shape[first : last + 1])
    out: Tensor = reshaped(x, (*x.shape[:first], joined, *x.shape[last + 1 :]))
    return out


def unflatten(input: Tensor, dim: int, sizes: Any) -> Tensor:
    """Dimension dim split into several of these sizes; one may be -1.

    Raises:
        ShapeError: the product of sizes is not the dimension's size.
    """
    x = as_tensor("unflatten", input)
    d = _dim("unflatten", dim, x)
    parts = _fill_in("unflatten", x.shape[d : d + 1], tuple(spread((sizes,))))
    out: Tensor = reshaped(x, (*x.shape[:d], *parts, *x.shape[d + 1 :]))
    return out


def squeeze(input: Tensor, dim: Any = None) -> Tensor:
    """Dimensions of size 1 left out: all, or those of dim (a number or a tuple) of size 1."""
    x = as_tensor("squeeze", input)
    if dim is None:
        named = set(range(x.ndim))
    else:
        named = set(normalize_dims("squeeze", dim, x.ndim)) if dim not in ((), []) else set()
    shape = tuple(n for i, n in enumerate(x.shape) if n != 1 or i not in named)
    out: Tensor = View.apply(x, shape=shape)
    return out


def unsqueeze(input: Tensor, dim: int) -> Tensor:
    """A new dimension of size 1 before dimension dim; -1 adds it at the end."""
    x = as_tensor("unsqueeze", input)
    d = normalize_dim("unsqueeze", dim, x.ndim + 1)
    out: Tensor = View.apply(x, shape=(*x.shape[:d], 1, *x.shape[d:]))
    return out


# -- the order of the dimensions -------------------------------------------------------------


def permute(input: Tensor, *dims: Any) -> Tensor:
    """Dimension i of the result is dimension dims[i] of input; a view.

    Raises:
        ArgumentError: dims does not name each dimension once.
    """
    x = as_tensor("permute", input)
    given = spread(dims)
    order = tuple(normalize_dim("permute", d, x.ndim, "dims") for d in given)
    if sorted(order) != list(range(x.ndim)):
        raise ArgumentError(
            "permute",
            "dims",
            expected=f"each of the {x.ndim} dimensions once",
            got=str(given),
            hint="transpose(a, b) swaps two and leaves the others",
        )
    out: Tensor = Permute.apply(x, dims=order)
    return out


def transpose(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """Two dimensions swapped; a view. Also ``swapaxes``."""
    x = as_tensor("transpose", input)
    a = normalize_dim("transpose", dim0, x.ndim, "dim0")
    b = normalize_dim("transpose", dim1, x.ndim, "dim1")
    order = list(range(x.ndim))
    if x.ndim:
        order[a], order[b] = b, a
    out: Tensor = Permute.apply(x, dims=tuple(order))
    return out


swapaxes = transpose


def movedim(input: Tensor, source: Any, destination: Any) -> Tensor:
    """Dimensions source moved to the places destination, the others kept in order; a view.

    Raises:
        ArgumentError: source and destination differ in number or name a dimension twice.
    """
    x = as_tensor("movedim", input)
    pair = [v if isinstance(v, (tuple, list)) else (v,) for v in (source, destination)]
    src = [normalize_dim("movedim", d, x.ndim, "source") for d in pair[0]]
    dst = [normalize_dim("movedim", d, x.ndim, "destination") for d in pair[1]]
    if len(src) != len(dst) or len(set(src)) != len(src) or len(set(dst)) != len(dst):
        raise ArgumentError(
            "movedim",
            "destination",
            expected="as many dimensions as source, each once",
            got=f"{source} to {destination}",
            hint="permute(...) gives the whole order",
        )
    rest = iter(d for d in range(x.ndim) if d not in src)
    placed = dict(zip(dst, src, strict=True))
    order = tuple(placed[i] if i in placed else next(rest) for i in range(x.ndim))
    out: Tensor = Permute.apply(x, dims=order)
    return out


def t(input: Tensor) -> Tensor:
    """The transposed matrix; a vector or number as it is.

    Raises:
        ShapeError: more than two dimensions.
    """
    x = as_tensor("t", input)
    if x.ndim > 2:
        raise ShapeError(
            "t",
            "input",
            expected="at most 2 dimensions",
            got=str(x.shape),
            hint="use mT for stacks of matrices, or permute()",
        )
    return reverse_dims(x)


def reverse_dims(input: Tensor) -> Tensor:
    """``x.T``: all dimensions in reverse order; a view."""
    out: Tensor = Permute.apply(input, dims=tuple(reversed(range(input.ndim))))
    return out


def matrix_transpose(input: Tensor) -> Tensor:
    """``x.mT``: the last two dimensions swapped; a view.

    Raises:
        ShapeError: fewer than two dimensions.
    """
    x = as_tensor("mT", input)
    if x.ndim < 2:
        raise ShapeError(
            "mT", expected="at least 2 dimensions", got=str(x.shape), hint="a vector has no mT"
        )
    return transpose(x, -2, -1)


# -- repeated elements -----------------------------------------------------------------------


def expand(input: Tensor, *size: Any) -> Tensor:
    """Dimensions of size 1 stretched, and new ones put in front, without copying; -1 keeps a size.

    The result is a read-only view: several of its elements are one in memory.

    Raises:
        ShapeError: a size other than 1 would change.
    """
    x = as_tensor("expand", input)
    given = tuple(as_index("expand", "size", n) for n in spread(size))
    lead = len(given) - x.ndim
    sizes = tuple(
        x.shape[i - lead] if n == -1 and i >= lead and lead >= 0 else n for i, n in enumerate(given)
    )
    shape = check_size("expand", sizes)
    if not is_expandable(x.shape, shape):
        raise ShapeError(
            "expand",
            "size",
            expected=f"{x.shape}, with sizes of 1 stretched or new sizes in front",
            got=str(shape),
            hint="repeat() tiles a tensor of any size",
        )
    out: Tensor = BroadcastTo.apply(x, shape=shape)
    return out


def broadcast_to(input: Tensor, shape: Any) -> Tensor:
    """``expand`` by another name."""
    return expand(input, shape)


def expand_as(input: Tensor, other: Tensor) -> Tensor:
    """``input.expand(other.shape)``."""
    return expand(input, as_tensor("expand_as", other, "other").shape)


def repeat(input: Tensor, *repeats: Any) -> Tensor:
    """Tiles: repeats[i] copies one after the other along dimension i; new dimensions in front.

    Raises:
        ShapeError: fewer repeats than dimensions, or a negative one.
    """
    x = as_tensor("repeat", input)
    counts = check_size("repeat", spread(repeats), "repeats")
    if len(counts) < x.ndim:
        raise ShapeError(
            "repeat",
            "repeats",
            expected=f"at least {x.ndim} numbers, one per dimension",
            got=str(counts),
            hint="a number for a new dimension stands in front",
        )
    shape = (1,) * (len(counts) - x.ndim) + x.shape
    tiled = check_size("repeat", tuple(r * n for r, n in zip(counts, shape, strict=True)))
    pairs = list(zip(counts, shape, strict=True))
    apart = View.apply(x, shape=tuple(v for n in shape for v in (1, n)))
    spread_out = BroadcastTo.apply(apart, shape=tuple(v for pair in pairs for v in pair))
    out: Tensor = Reshape.apply(spread_out, shape=tiled)
    return out


def tile(input: Tensor, *dims: Any) -> Tensor:
    """As ``repeat``, but too few numbers are filled up with 1s in front."""
    x = as_tensor("tile", input)
    counts = spread(dims)
    return repeat(x, (1,) * (x.ndim - len(counts)) + counts)


def _dim(op: str, dim: Any, x: Tensor) -> int:
    """A dimension that x really has: a 0-d tensor has none."""
    if not x.ndim:
        raise NnliteIndexError(
            op, "dim", expected="a tensor with dimensions", got="a 0-d tensor", hint="unsqueeze it"
        )
    return normalize_dim(op, dim, x.ndim)
