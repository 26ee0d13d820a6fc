"""Starts the kernels of elementwise.cu: functions of each element for itself."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnlite.backend import Array
from nnlite.backend.kernels import Kernels
from nnlite.ops.kernels.cuda.launching import THREADS, each, empty, gapless

MOST_SHARES = 1024
"""Blocks of a sum: more than any GPU runs at once, few enough for one block to add up."""


def unary(k: Kernels, name: str, x: Array) -> Array:
    """The kernel's function of each element of x."""
    y = empty(x)
    each(k, name, y.size, gapless(x), y)
    return y


def binary(k: Kernels, name: str, a: Array, b: Array) -> Array:
    """The kernel's function of each pair of elements of a and b, which have one shape."""
    y = empty(a)
    each(k, name, y.size, gapless(a), gapless(b), y)
    return y


def scaled_difference(k: Kernels, a: Array, b: Array, scale: Array) -> Array:
    """(a - b) * scale, an array of one number."""
    y = empty(a)
    each(k, "scaled_difference", y.size, gapless(a), gapless(b), scale, y)
    return y


def total_square(k: Kernels, a: Array, b: Array) -> Array:
    """The sum of (a - b)^2, an array of no dimensions."""
    y, n = empty(a, ()), a.size
    shares = max(1, min(MOST_SHARES, -(-n // (4 * THREADS))))
    partial = empty(a, (shares,), "float64")
    args: tuple[Any, ...] = (gapless(a), gapless(b), partial, np.int32(n))
    k.launch("total_square", (shares,), (THREADS,), args)
    k.launch("add_shares", (1,), (THREADS,), (partial, y, np.int32(shares)))
    return y
