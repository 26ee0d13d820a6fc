"""Sums over dimensions that keep their accuracy, whatever the memory's order."""

from __future__ import annotations

from nnlite.backend.dtypes import float64, int64
from nnlite.backend.registry import Array

# Beyond so many sequential float32 additions the rounding errors show in the fifth digit.
_LONG = 2048


def count(shape: tuple[int, ...], dims: tuple[int, ...]) -> int:
    """How many elements of a shape meet in one result of a reduction over dims."""
    n = 1
    for d in dims:
        n *= shape[d]
    return n


def memory_order(x: Array) -> tuple[int, ...]:
    """The dimensions from the outermost in memory to the innermost."""
    strides = x.strides
    return tuple(sorted(range(x.ndim), key=lambda d: -strides[d]))


def total(x: Array, dims: tuple[int, ...], keepdim: bool) -> Array:
    """The sum of an array over dims: integers as int64, long float32 sums without loss.

    NumPy adds pairwise along contiguous memory only. Where many float32 numbers would be added
    one after the other instead, they are added in float64.
    """
    if x.dtype.kind != "f":
        return x.sum(axis=dims, keepdims=keepdim, dtype=int64)
    if x.size <= _LONG and x.flags.c_contiguous:
        return x.sum(axis=dims, keepdims=keepdim)
    if x.ndim > 1 and not x.flags.c_contiguous:
        # in the order of the memory, where NumPy adds the fastest and the most precisely
        order = memory_order(x)
        t, kept = x.transpose(order), [d for d in order if d not in dims]
        if t.flags.c_contiguous and kept == sorted(kept):
            y = total(t, tuple(i for i, d in enumerate(order) if d in dims), False)
            return (
                y.reshape([1 if d in dims else n for d, n in enumerate(x.shape)]) if keepdim else y
            )
    if x.dtype.itemsize == 4 and x.size > _LONG and _sequential(x, dims) > _LONG:
        return x.sum(axis=dims, keepdims=keepdim, dtype=float64).astype(x.dtype)
    return x.sum(axis=dims, keepdims=keepdim)


def _sequential(x: Array, dims: tuple[int, ...]) -> int:
    """How many partial sums are added one after the other."""
    n = count(x.shape, dims)
    if not x.flags.c_contiguous:
        return n
    for d in range(x.ndim - 1, -1, -1):
        if d not in dims:
            break
        n //= max(x.shape[d], 1)
    return n
