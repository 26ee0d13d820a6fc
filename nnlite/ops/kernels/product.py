"""Products of two matrices on all threads, BLAS at one thread each."""

from __future__ import annotations

from functools import partial

import numpy as np

from nnlite.backend import NUMPY, Array, backend_of, is_plain
from nnlite.backend.threads import run

LEAST = 12_000_000
"""Multiplications that one thread does alone: below, waking another costs more than it gives."""

TINY = 2**18
"""So few multiplications OpenBLAS does with one thread anyway: no need to tell it."""

PIECE = 16_000_000
"""About so many multiplications are a piece of work: some 400 microseconds."""


def product(a: Array, b: Array, transposed: bool = False) -> Array:
    """a @ b: (M, K), (K, N) -> (M, N).

    Args:
        a, b: matrices in any memory order that BLAS knows; others it copies.
        transposed: lay the result out by columns, as the transposed of an (N, M) array.
    """
    if transposed:
        return product(b.T, a.T).T
    if backend_of(a) is not NUMPY or is_plain():
        return a @ b
    (M, K), N = a.shape, b.shape[1]
    work = M * K * N
    if work <= TINY:
        return a @ b
    out = np.empty((M, N), dtype=a.dtype)
    if work < LEAST:
        run((partial(np.matmul, a, b, out=out),))
        return out
    count = max(2, min(16, work // PIECE))
    by_columns = N > M
    # multiples of 16: whole lines of the cache, and whole blocks of BLAS's inner loop
    step = -(-(N if by_columns else M) // count // 16) * 16
    pieces = []
    for start in range(0, N if by_columns else M, step):
        cut = slice(start, start + step)
        if by_columns:
            pieces.append(partial(np.matmul, a, b[:, cut], out=out[:, cut]))
        else:
            pieces.append(partial(np.matmul, a[cut], b, out=out[cut]))
    run(pieces)
    return out
