"""Products of two matrices: on all threads, BLAS at one thread each, or by a device's own BLAS."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from nnlite.backend import NUMPY, Array, backend_of, is_plain
from nnlite.backend.threads import get_num_threads, run

LEAST = 12_000_000
"""Multiplications that one thread does alone: below, waking another costs more than it gives."""

HEAD_START = 2_000_000
"""By so many multiplications the caller's piece is larger: what it does while a worker wakes up."""

TINY = 2**18
"""So few multiplications OpenBLAS does with one thread anyway: no need to tell it."""


def product(a: Array, b: Array, transposed: bool = False) -> Array:
    """a @ b: (M, K), (K, N) -> (M, N).

    Args:
        a, b: matrices in any memory order that BLAS knows; others it copies.
        transposed: lay the result out by columns, as the transposed of an (N, M) array.
    """
    if transposed:
        return product(b.T, a.T).T
    backend = backend_of(a)
    if backend is not NUMPY:
        return backend.matmul(a, b)
    if is_plain():
        return a @ b
    (M, K), N = a.shape, b.shape[1]
    work = M * K * N
    if work <= TINY:
        return a @ b
    out = np.empty((M, N), dtype=a.dtype, like=a)
    if work < LEAST:
        run((partial(np.matmul, a, b, out=out),))
        return out
    by_columns = N > M
    pieces = []
    for cut in _cuts(N if by_columns else M, work):
        if by_columns:
            pieces.append(partial(np.matmul, a, b[:, cut], out=out[:, cut]))
        else:
            pieces.append(partial(np.matmul, a[cut], b, out=out[cut]))
    run(pieces)
    return out


def _cuts(size: int, work: int) -> Iterator[slice]:
    """One piece for each thread: BLAS copies the uncut operand for each, so fewer are better."""
    threads = get_num_threads()
    share = size / threads
    ends = [
        round(share * k + size * HEAD_START / work * (1 - k / threads)) for k in range(1, threads)
    ]
    # multiples of 16: whole lines of the cache, and whole blocks of BLAS's inner loop
    start = 0
    for end in [*(min(-(-end // 16) * 16, size) for end in ends), size]:
        if end > start:
            yield slice(start, end)
        start = max(start, end)
