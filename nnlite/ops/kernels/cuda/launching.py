"""How ops start the CUDA kernels of this folder: which source, which dtype, how many threads."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnlite.backend import Array, array_module, backend_of, is_plain
from nnlite.backend.cuda_source import source
from nnlite.backend.kernels import Kernels

THREADS = 256
"""Threads of a block where nothing asks for another number: enough to hide the memory's latency."""

LIMIT = 2**30
"""The kernels count in 32 bits; larger arrays are left to the array library."""


def kernels(family: str, x: Array, *others: Array) -> Kernels | None:
    """The kernels of a family for x's device and dtype, or None where the plain twin computes.

    That is on the CPU, under ``plain_kernels()``, for whole numbers, for very large arrays, and
    where the others are of another dtype.
    """
    if type(x) is np.ndarray or is_plain():
        return None
    dtype = x.dtype
    name = dtype.name
    if name not in ("float32", "float64") or x.size >= LIMIT:
        return None
    if any(other.dtype != dtype or other.size >= LIMIT for other in others):
        return None
    return backend_of(x).kernels(f"{family}.cu, {name}", source(family, name))


def gapless(x: Array) -> Array:
    """x itself if it lies in memory row by row without gaps, else a copy that does."""
    return x if x.flags.c_contiguous else x.copy(order="C")


def empty(like: Array, shape: tuple[int, ...] | None = None, dtype: Any = None) -> Array:
    """Room for a result, row by row; shape and dtype are like's where not given."""
    return array_module(like).empty(
        like.shape if shape is None else shape, dtype=like.dtype if dtype is None else dtype
    )


def each(k: Kernels, name: str, n: int, *args: Any) -> None:
    """Start a kernel with one thread for each of n elements; its last argument is n itself."""
    if n:
        k.launch(name, (-(-n // THREADS),), (THREADS,), (*args, np.int32(n)))
