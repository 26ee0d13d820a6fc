"""In which order the elements of an array lie in memory, whatever its shape says.

Convolution leaves its images with the batch innermost (rows.py); NumPy's functions keep that order
from one layer to the next. What makes an array of another shape has to keep it by itself.
"""

from __future__ import annotations

from typing import Any

from nnlite.backend import Array, array_module
from nnlite.backend.summation import memory_order


def as_vector(x: Array) -> Array | None:
    """All elements in the memory's order, as a view (n,); None where the memory has gaps."""
    if x.flags.c_contiguous:
        return x.reshape(-1)
    if x.flags.f_contiguous:
        return x.T.reshape(-1)
    t = x.transpose(memory_order(x))
    return t.reshape(-1) if t.flags.c_contiguous else None


def is_batch_innermost(x: Array) -> bool:
    """Whether neighbours in memory belong to different samples (dimension 0), not to one."""
    return bool(x.ndim > 1 and x.shape[0] > 1 and x.strides[0] == x.itemsize)


def empty_images(like: Array, size: tuple[int, int], dtype: Any = None) -> Array:
    """Room for images (..., *size) whose other dimensions are like's, in like's memory order."""
    xp = array_module(like)
    dtype = like.dtype if dtype is None else dtype
    if like.ndim == 4 and is_batch_innermost(like):
        N, C = like.shape[:2]
        return xp.empty((size[0], C, size[1], N), dtype=dtype).transpose(3, 1, 0, 2)
    return xp.empty((*like.shape[:-2], *size), dtype=dtype)


def flattened(x: Array, shape: tuple[int, ...]) -> Array:
    """A copy of x in another shape; a batch that lies innermost stays so: long runs are copied."""
    if len(shape) > 1 and shape[0] == x.shape[0] and is_batch_innermost(x):
        inner = x.transpose(*range(1, x.ndim), 0).reshape(*shape[1:], shape[0])
        return inner.transpose(len(shape) - 1, *range(len(shape) - 1))
    return x.copy().reshape(shape)
