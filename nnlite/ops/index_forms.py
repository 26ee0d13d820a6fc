"""What an index means: its basic and its advanced part, checked against the shape it is used on."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnlite.autograd.tape import refuse_reading, retraced
from nnlite.autograd.tensor import Tensor
from nnlite.backend import NUMPY, Array, array_module, backend_of, is_array
from nnlite.backend.dtypes import int64
from nnlite.errors import ArgumentError, DtypeError, NnliteIndexError
from nnlite.ops.common import as_index, check_same_device, like
from nnlite.ops.creation import tensor

__all__ = ["check_index", "check_indices", "gathered_shape", "parse_index"]


def parse_index(op: str, x: Tensor, index: Any) -> tuple[tuple[Any, ...], tuple[Any, ...], bool]:
    """Index as (basic index, advanced index of the result or (), whether that may repeat).

    The basic index ends in an Ellipsis, so that NumPy gives a view even for a single element.
    """
    items = index if isinstance(index, tuple) else (index,)
    if len(items) == 1 and type(items[0]) is int and x.array.ndim:
        i = check_index(op, items[0], x.array.shape[0], 0)
        return (i, ...), (), False
    parts = [_normal_form(op, x, item) for item in items]
    parts = _fill_ellipsis(op, x, parts)
    basic: list[Any] = []
    advanced: list[Any] = []
    repeats = False
    d = 0
    for part in parts:
        if part is None or part is True or part is False:
            basic.append(None)
            advanced.append(slice(None) if part is None else like(x.array, [0][: int(part)], int64))
        elif is_array(part):
            taken = _taken(part)
            found = _positions(op, part, x.shape[d : d + taken], d)
            repeats = repeats or part.dtype.kind != "b"
            basic.extend([slice(None)] * taken)
            advanced.extend(found)
            d += taken
        elif isinstance(part, slice):
            basic.append(part)
            advanced.append(slice(None))
            d += 1
        else:
            basic.append(check_index(op, part, x.shape[d], d))
            d += 1
    basic = [*basic, ...] if any(b != slice(None) for b in basic) else [...]
    arrays = [a.shape for a in advanced if not isinstance(a, slice)]
    try:
        np.broadcast_shapes(*arrays)
    except ValueError:
        raise NnliteIndexError(
            op,
            "index",
            expected="index tensors that broadcast together",
            got="shapes " + " and ".join(map(str, arrays)),
            hint="index one dimension after the other to combine each with each",
        ) from None
    return tuple(basic), tuple(advanced) if arrays else (), repeats


def gathered_shape(shape: tuple[int, ...], advanced: tuple[Any, ...]) -> tuple[int, ...]:
    """The shape of ``x[advanced]`` for an x of this shape, as NumPy and PyTorch lay it out."""
    at = [i for i, a in enumerate(advanced) if not isinstance(a, slice)]
    if not at:
        return shape
    joint = np.broadcast_shapes(*(advanced[i].shape for i in at))
    rest = [n for i, n in enumerate(shape) if i not in at]
    first = at[0] if at[-1] - at[0] + 1 == len(at) else 0
    return (*rest[:first], *joint, *rest[first:])


def _normal_form(op: str, x: Tensor, item: Any) -> Any:
    """One item of an index as None, Ellipsis, bool, int, slice, or an index array on x's device."""
    if item is None or item is ... or isinstance(item, bool):
        return item
    if isinstance(item, slice):
        return _checked_slice(op, item)
    if isinstance(item, np.generic):
        item = item.item()
        if isinstance(item, bool):
            return item
    if isinstance(item, (list, range)):
        item = tensor(list(item), dtype=None if item else int64, device=x.device)
    if isinstance(item, Tensor):
        check_same_device(op, x, item)
        item = item.array
    elif is_array(item) and type(item) is not type(x.array):
        item = backend_of(x.array).asarray(item)
    if not is_array(item):
        if isinstance(item, float):
            raise _bad_index(op, "a float")
        try:
            return as_index(op, "index", item)
        except DtypeError:
            raise _bad_index(op, type(item).__name__) from None
    if item.dtype.kind not in "ib":
        raise _bad_index(op, item.dtype.name)
    if item.ndim:
        return item
    refuse_reading(op)
    return item.item()


def _bad_index(op: str, got: str) -> DtypeError:
    return DtypeError(
        op,
        "index",
        expected="ints, slices, None, Ellipsis, integer or boolean tensors",
        got=got,
        hint="convert a mask with .bool() and indices with .long()",
    )


def _checked_slice(op: str, item: slice) -> slice:
    bounds = [
        None if bound is None else as_index(op, "slice", bound)
        for bound in (item.start, item.stop, item.step)
    ]
    if bounds[2] is not None and bounds[2] <= 0:
        raise ArgumentError(
            op,
            "step of a slice",
            expected="a number greater than zero",
            got=str(bounds[2]),
            hint="flip(x, dims=(...,)) turns a dimension around",
        )
    return slice(*bounds)


def _taken(part: Any) -> int:
    """How many dimensions one item of an index uses up."""
    if part is None or part is ... or isinstance(part, bool):
        return 0
    return part.ndim if is_array(part) and part.dtype.kind == "b" else 1


def _fill_ellipsis(op: str, x: Tensor, parts: list[Any]) -> list[Any]:
    """Parts with the Ellipsis, written or understood at the end, replaced by full slices."""
    dots = [i for i, part in enumerate(parts) if part is ...]
    used = sum(_taken(part) for part in parts)
    if len(dots) > 1 or used > x.ndim:
        raise NnliteIndexError(
            op,
            "index",
            expected=f"at most {x.ndim} indices for shape {x.shape}, and one Ellipsis",
            got=f"{len(dots)} Ellipses" if len(dots) > 1 else f"{used} indices",
            hint="a boolean mask uses up as many dimensions as it has",
        )
    at = dots[0] if dots else len(parts)
    return parts[:at] + [slice(None)] * (x.ndim - used) + parts[at + 1 :]


def _positions(op: str, part: Any, sizes: tuple[int, ...], dim: int) -> list[Any]:
    """An index array as integer arrays, one per dimension, each checked to lie inside."""
    if part.dtype.kind == "b":
        if part.shape != sizes:
            raise NnliteIndexError(
                op,
                "index",
                expected=f"a mask of shape {sizes}, as dimensions {dim} to"
                f" {dim + len(sizes) - 1} have",
                got=f"a mask of shape {part.shape}",
                hint="a mask must have the shape of what it selects from",
            )
        return list(part.nonzero())
    return [check_indices(op, part, sizes[0], dim)]


def check_index(op: str, i: int, size: int, dim: int) -> int:
    """One index, checked to lie in [-size, size).

    Raises:
        NnliteIndexError: it does not.
    """
    if not -size <= i < size:
        raise _outside(op, i, size, dim)
    return i


@retraced
def check_indices(op: str, index: Array, size: int, dim: int) -> Array:
    """An integer array of indices as int64, all in [-size, size); negative ones are resolved.

    On a device nobody looks, and what an index beyond the end takes is undefined.

    Raises:
        NnliteIndexError: one lies outside.
    """
    negative = True
    if index.size and backend_of(index) is NUMPY:  # to look would be to wait for a device
        low, high = int(index.min()), int(index.max())
        if low < -size or high >= size:
            raise _outside(op, low if low < -size else high, size, dim)
        negative = low < 0
    if negative:
        index = array_module(index).where(index < 0, index + size, index)
    return index.astype(int64, copy=False)


def _outside(op: str, i: int, size: int, dim: int) -> NnliteIndexError:
    return NnliteIndexError(
        op,
        "index",
        expected=f"an index from {-size} to {size - 1} in dimension {dim} of size {size}",
        got=str(i),
        hint="indices count from 0, negative ones from the end",
    )
