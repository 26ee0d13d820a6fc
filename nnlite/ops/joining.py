"""Joining tensors, and taking them apart into views."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from nnlite.autograd.op import Op
from nnlite.autograd.tensor import Tensor
from nnlite.backend import Array, array_module, same_device
from nnlite.backend.dtypes import promote
from nnlite.errors import ArgumentError, DtypeError, NnliteIndexError, ShapeError
from nnlite.ops.common import (
    as_index,
    as_tensor,
    cast,
    check_elements,
    check_same_device,
    check_same_dtype,
    normalize_dim,
    raw,
)
from nnlite.ops.indexing import Slice
from nnlite.ops.shape import expand, reshape, squeeze, unsqueeze
from nnlite.ops.sizes import check_size, spread

__all__ = [
    "cat",
    "chunk",
    "concat",
    "hstack",
    "meshgrid",
    "split",
    "stack",
    "unbind",
    "vstack",
]


class Cat(Op):
    """Arrays one after the other along dim.  d/dx_i = the part of gy where x_i lies."""

    @staticmethod
    def forward(ctx: Any, *xs: Array, dim: int) -> Array:
        ctx.sizes = [x.shape[dim] for x in xs]
        return array_module(xs[0]).concatenate(xs, axis=dim)

    @staticmethod
    def backward(ctx: Any, gy: Any) -> Any:
        gxs = []
        start = 0
        for size, needed in zip(ctx.sizes, ctx.needs_input_grad, strict=True):
            index = (slice(None),) * ctx.dim + (slice(start, start + size), ...)
            gxs.append(Slice.call(gy, index=index) if needed else None)
            start += size
        return tuple(gxs)


class Split(Op):
    """Consecutive parts of the given sizes along dim, as views.

    d/dx = the gradients of the parts, one after the other; 0 for a part that was not used.
    """

    view = True

    @staticmethod
    def forward(ctx: Any, x: Array, *, dim: int, sizes: tuple[int, ...]) -> tuple[Array, ...]:
        ctx.source = x.shape
        parts = []
        start = 0
        for size in sizes:
            parts.append(x[(slice(None),) * dim + (slice(start, start + size), ...)])
            start += size
        return tuple(parts)

    @staticmethod
    def backward(ctx: Any, gys: Any) -> Any:
        like = raw(next(gy for gy in gys if gy is not None))
        xp = array_module(like)
        before, after = ctx.source[: ctx.dim], ctx.source[ctx.dim + 1 :]
        filled = [
            xp.zeros((*before, size, *after), dtype=like.dtype) if gy is None else gy
            for size, gy in zip(ctx.sizes, gys, strict=True)
        ]
        return Cat.call(*filled, dim=ctx.dim)


# -- joining ---------------------------------------------------------------------------------


def cat(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Tensors one after the other along a dimension that they have; dtypes are promoted.

    Empty 1-d tensors are passed over, as in PyTorch.

    Raises:
        ShapeError: sizes differ in another dimension, or there is nothing to join.
    """
    xs = _sequence("cat", tensors)
    kept = [x for x in xs if x.shape != (0,)] or xs[:1]
    first = kept[0]
    if not first.ndim:
        raise ShapeError(
            "cat",
            "tensors",
            expected="tensors with at least one dimension",
            got="a 0-d tensor",
            hint="stack() makes a new dimension",
        )
    d = normalize_dim("cat", dim, first.ndim)
    for i, x in enumerate(xs):
        if x.shape == (0,):
            continue
        if x.ndim != first.ndim or x.shape[:d] + x.shape[d + 1 :] != (
            first.shape[:d] + first.shape[d + 1 :]
        ):
            raise ShapeError(
                "cat",
                f"tensors[{i}]",
                expected=f"a shape that differs from {first.shape} in dimension {d} at most",
                got=str(x.shape),
                hint="check dim",
            )
    total = sum(x.shape[d] for x in kept)
    check_elements("cat", (*first.shape[:d], total, *first.shape[d + 1 :]))
    xs = _one_dtype("cat", xs)
    out: Tensor = Cat.apply(*([x for x in xs if x.shape != (0,)] or xs[:1]), dim=d)
    return out


concat = cat


def stack(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Tensors of one shape along a new dimension; dtypes are promoted.

    Raises:
        ShapeError: the shapes differ, or there is nothing to stack.
    """
    xs = _sequence("stack", tensors)
    for i, x in enumerate(xs):
        if x.shape != xs[0].shape:
            raise ShapeError(
                "stack",
                f"tensors[{i}]",
                expected=f"shape {xs[0].shape}, as the first has",
                got=str(x.shape),
                hint="cat() joins along a dimension of different sizes",
            )
    d = normalize_dim("stack", dim, xs[0].ndim + 1)
    check_elements("stack", (len(xs), *xs[0].shape))
    out: Tensor = Cat.apply(*(unsqueeze(x, d) for x in _one_dtype("stack", xs)), dim=d)
    return out


def hstack(tensors: Sequence[Tensor]) -> Tensor:
    """``cat`` along dimension 1, or 0 for 1-d tensors; numbers count as 1-d."""
    xs = [x if x.ndim else unsqueeze(x, 0) for x in _sequence("hstack", tensors)]
    return cat(xs, min(1, xs[0].ndim - 1))


def vstack(tensors: Sequence[Tensor]) -> Tensor:
    """``cat`` along dimension 0; 1-d tensors count as rows."""
    xs = [x if x.ndim else unsqueeze(x, 0) for x in _sequence("vstack", tensors)]
    return cat([x if x.ndim > 1 else unsqueeze(x, 0) for x in xs], 0)


def meshgrid(*tensors: Any, indexing: str = "ij") -> tuple[Tensor, ...]:
    """Grids of coordinates from 1-d tensors: result k holds tensors[k] along dimension k.

    Args:
        indexing: "xy" swaps the first two dimensions of the results.

    Raises:
        ShapeError: a tensor of more than one dimension.
        ArgumentError: another indexing.
    """
    xs = _sequence("meshgrid", spread(tensors))
    if indexing not in ("ij", "xy"):
        raise ArgumentError(
            "meshgrid", "indexing", expected="'ij' or 'xy'", got=repr(indexing), hint="try 'ij'"
        )
    check_same_device("meshgrid", *xs)
    for i, x in enumerate(xs):
        check_same_dtype("meshgrid", xs[0], x, f"tensors[{i}]")
        if x.ndim > 1:
            raise ShapeError(
                "meshgrid",
                f"tensors[{i}]",
                expected="at most one dimension",
                got=str(x.shape),
                hint="flatten() it first",
            )
    swap = indexing == "xy" and len(xs) > 1
    if swap:
        xs[:2] = xs[1::-1]
    shape = check_size("meshgrid", tuple(math.prod(x.shape) for x in xs))
    grids = []
    for i, x in enumerate(xs):
        column = reshape(x, (1,) * i + (shape[i],) + (1,) * (len(xs) - i - 1))
        grids.append(expand(column, shape))
    if swap:
        grids[:2] = grids[1::-1]
    return tuple(grids)


def _sequence(op: str, tensors: Any) -> list[Tensor]:
    if isinstance(tensors, Tensor) or not isinstance(tensors, (list, tuple)):
        raise DtypeError(
            op,
            "tensors",
            expected="a list or tuple of Tensors",
            got=type(tensors).__name__,
            hint=f"{op}([a, b])",
        )
    if not tensors:
        raise ShapeError(
            op, "tensors", expected="at least one tensor", got="none", hint="look for an empty list"
        )
    return [as_tensor(op, x, f"tensors[{i}]") for i, x in enumerate(tensors)]


def _one_dtype(op: str, xs: list[Tensor]) -> list[Tensor]:
    first = xs[0].dtype
    if any(x.dtype != first or not same_device(x.array, xs[0].array) for x in xs):
        check_same_device(op, *xs)
        dtype = promote([x.dtype for x in xs if x.ndim], [x.dtype for x in xs if not x.ndim], [])
        return [cast(x, dtype) for x in xs]
    return xs


# -- taking apart ----------------------------------------------------------------------------


def split(tensor: Tensor, split_size_or_sections: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """Views of consecutive parts: of one size (the last may be smaller), or of the given sizes.

    Raises:
        ArgumentError: a part size below 1, or sizes that do not add up to the dimension's.
    """
    x = as_tensor("split", tensor)
    d = _dim("split", x, dim)
    n = x.shape[d]
    if isinstance(split_size_or_sections, (list, tuple)):
        sizes = check_size("split", split_size_or_sections, "split_size_or_sections")
        if sum(sizes) != n:
            raise ArgumentError(
                "split",
                "split_size_or_sections",
                expected=f"sizes that add up to {n}, as dimension {d} has",
                got=f"{sizes}, which add up to {sum(sizes)}",
                hint="one number splits into parts of that size",
            )
    else:
        size = as_index("split", "split_size_or_sections", split_size_or_sections)
        if size < 0 or (size == 0 and n):
            raise ArgumentError(
                "split",
                "split_size_or_sections",
                expected="a size of 1 or more",
                got=str(size),
                hint="chunk() takes the number of parts",
            )
        count = max(1, -(-n // size)) if size else 1
        sizes = tuple(min(size, n - i * size) for i in range(count))
    parts: tuple[Tensor, ...] = Split.apply(x, dim=d, sizes=sizes)
    return parts


def chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """Views of at most this many parts of equal size; the last may be smaller.

    Raises:
        ArgumentError: fewer than one part.
    """
    x = as_tensor("chunk", input)
    d = _dim("chunk", x, dim)
    count = as_index("chunk", "chunks", chunks)
    if count < 1:
        raise ArgumentError(
            "chunk", "chunks", expected="1 or more", got=str(count), hint="split() takes a size"
        )
    if not x.shape[d]:
        return split(x, [0] * count, d)
    return split(x, -(-x.shape[d] // count), d)


def unbind(input: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """Views of all slices along a dimension, which is left out."""
    x = as_tensor("unbind", input)
    d = _dim("unbind", x, dim)
    parts: tuple[Tensor, ...] = Split.apply(x, dim=d, sizes=(1,) * x.shape[d])
    return tuple([squeeze(part, d) for part in parts])


def _dim(op: str, x: Tensor, dim: Any) -> int:
    if not x.ndim:
        raise NnliteIndexError(
            op, "input", expected="at least one dimension", got="a 0-d tensor", hint="unsqueeze it"
        )
    return normalize_dim(op, dim, x.ndim)
