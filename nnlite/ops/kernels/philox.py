"""Philox4x32-10: random numbers as a function of a seed and a counter, without any state.

The twin of cuda/dropout.cu: the same numbers, bit by bit.

Source: J. K. Salmon, M. A. Moraes, R. O. Dror, D. E. Shaw, "Parallel random numbers: as easy as
1, 2, 3", SC 2011.
"""

from __future__ import annotations

from typing import Any

import numpy as np

ROUNDS = 10
LOW = np.uint64(0xFFFFFFFF)
HALF = np.uint64(32)


def words(seed: int, offset: int, n: int) -> np.ndarray[Any, Any]:
    """n random numbers of 32 bits, uint32 (n,), four for each value of the counter.

    Args:
        seed: the key, of which 64 bits count.
        offset: the counter's first value; its upper 64 bits are 0.
        n: how many.
    """
    with np.errstate(over="ignore"):  # the counter wraps around
        counter = np.uint64(offset % 2**64) + np.arange(-(-n // 4), dtype=np.uint64)
    none = np.zeros_like(counter)
    blocks = philox(np.stack([counter & LOW, counter >> HALF, none, none]), seed)
    return blocks.T.reshape(-1)[:n].astype(np.uint32)


def philox(counter: np.ndarray[Any, Any], seed: int) -> np.ndarray[Any, Any]:
    """The rounds themselves: (4, ...) words below 2^32 in uint64, in and out."""
    a, b, c, d = counter
    k0, k1 = seed % 2**32, (seed >> 32) % 2**32
    for _ in range(ROUNDS):
        p, q = np.uint64(0xD2511F53) * a, np.uint64(0xCD9E8D57) * c
        a, b = (q >> HALF) ^ b ^ np.uint64(k0), q & LOW
        c, d = (p >> HALF) ^ d ^ np.uint64(k1), p & LOW
        k0, k1 = (k0 + 0x9E3779B9) % 2**32, (k1 + 0xBB67AE85) % 2**32
    return np.stack([a, b, c, d])


def threshold(p: float) -> int:
    """The number below which a word lies with probability p, exact to 2^-32."""
    return round(p * 2**32)
