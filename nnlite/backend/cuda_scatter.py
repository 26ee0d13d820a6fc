"""``target[index] += source`` on CUDA, where a repeated index adds each time: always alike."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from nnlite.backend.cuda_source import source as source_of
from nnlite.backend.kernels import Kernels
from nnlite.backend.plain import is_plain
from nnlite.backend.registry import Array, Backend, is_array

# what CuPy's add.at knows of nnlite's dtypes: those of the device's atomic addition
_ATOMIC = frozenset({"float32", "float64", "int32"})

TILE, THREADS = 512, 256  # of a block, where scatter.cu sorts and elsewhere
_LIMIT = 2**30  # its kernels count in 32 bits


def scatter_add(backend: Backend, target: Array, index: Any, source: Any) -> None:
    """NumPy's ``add.at(target, index, source)``, with its results in every dtype of nnlite.

    Floats are added in the order of the sources, so that they have NumPy's bits on every run. That
    is left to the device, and with it a sum's last bit, where there is no compiler or more than
    2^30 numbers, and under ``plain_kernels()``.

    Whole numbers wrap around as they do in NumPy, whatever the order, so int64 may be added as
    uint64, and narrow ones in int32; of booleans the sum is "any".

    Args:
        backend: of the arrays.
        target: changed in place.
        index: whatever may stand in target[...], but no mask: to count its places is to wait.
        source: an array or number that broadcasts to target[index].
    """
    xp, kind = backend.xp, target.dtype
    if kind.kind == "f" and _in_order(backend, target, index, source):
        return
    if kind.name in _ATOMIC:
        xp.add.at(target, index, source)
    elif kind.name == "int64":
        unsigned = xp.asarray(source).astype(kind, copy=False).view("uint64")
        xp.add.at(target.view("uint64"), index, unsigned)
    else:
        sums = xp.zeros(target.shape, dtype="int32")
        xp.add.at(sums, index, xp.asarray(source).astype(kind, copy=False).astype("int32"))
        target += sums.astype(kind)  # of booleans: "or"


def _in_order(backend: Backend, target: Array, index: Any, source: Any) -> bool:
    """The same by the kernels of scatter.cu; False, and nothing done, where they do not apply."""
    if is_plain() or target.size >= _LIMIT:
        return False
    name = target.dtype.name
    k = backend.kernels(f"scatter.cu, {name}", source_of("scatter", name))
    if k is None:
        return False
    xp = backend.xp
    dim, places = _single(index)
    if places is None:  # the place of each number in the whole target
        dim, places = 0, xp.arange(target.size).reshape(target.shape)[index]
        rows, before, inside = target.size, (), ()
    else:
        rows, before, inside = target.shape[dim], target.shape[:dim], target.shape[dim + 1 :]
    shape = (*before, *places.shape, *inside)
    if prod(shape) >= _LIMIT:
        return False
    if not target.size or not prod(shape):
        return True
    numbers = _filled(xp, source, shape, target.dtype)
    whole = target if target.flags.c_contiguous else target.copy(order="C")
    keys = _sorted(k, xp, places, rows)
    total, sizes = prod(shape), (rows, prod(inside), places.size)
    args = (keys, numbers, whole, *map(np.int32, (*sizes, total)))
    k.launch("add_in_order", (-(-total // THREADS),), (THREADS,), args)
    if whole is not target:
        target[...] = whole
    return True


def _single(index: Any) -> tuple[int, Array | None]:
    """The dimension and the array of an index that is one integer array among full slices."""
    parts = index if isinstance(index, tuple) else (index,)
    at = [i for i, part in enumerate(parts) if not isinstance(part, slice) or part != slice(None)]
    if len(at) == 1 and is_array(parts[at[0]]) and parts[at[0]].dtype.kind in "iu":
        return at[0], parts[at[0]]
    return 0, None


def _filled(xp: Any, source: Any, shape: tuple[int, ...], kind: Any) -> Array:
    """The source's numbers in the given shape and dtype, without gaps."""
    if not is_array(source):
        return xp.full(shape, source, dtype=kind)  # no upload
    wide = xp.broadcast_to(source, shape).astype(kind, copy=False)
    return wide if wide.flags.c_contiguous else wide.copy(order="C")


def _sorted(k: Kernels, xp: Any, places: Array, rows: int) -> Array:
    """The sources' keys by place, and those of one place in order; int64 (n,). See scatter.cu."""
    n = places.size
    flat = places.reshape(-1).astype("int64", copy=False)
    flat = flat if flat.flags.c_contiguous else flat.copy()
    keys = xp.empty(n, dtype="int64")
    k.launch("sort_tiles", (-(-n // TILE),), (TILE,), (flat, keys, np.int32(rows), np.int32(n)))
    width = TILE
    while width < n:
        wider = xp.empty(n, dtype="int64")
        args = (keys, wider, np.int32(width), np.int32(n))
        k.launch("merge_runs", (-(-n // THREADS),), (THREADS,), args)
        keys, width = wider, 2 * width
    return keys
