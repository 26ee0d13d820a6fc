"""Starts the kernels of pool.cu; what each computes stands in pooling.py."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from nnlite.backend import Array
from nnlite.backend.kernels import Kernels
from nnlite.ops.kernels.cuda.launching import THREADS, empty, gapless
from nnlite.ops.kernels.windows import Windows


class Cells(NamedTuple):
    """Divides a window's sum by how many of its cells count.

    Attributes:
        padding: count those of the padding, too; what lies beyond it counts never.
    """

    padding: bool


Divisor: TypeAlias = int | Cells


def window_max(k: Kernels, x: Array, w: Windows) -> Array:
    """The largest of each window: (..., H, W) to (..., oh, ow)."""
    y = empty(x, (*x.shape[:-2], *w.out))
    _each(k, "window_max", y.size, w, gapless(x), y)
    return y


def max_and_place(k: Kernels, x: Array, w: Windows) -> tuple[Array, Array]:
    """The largest of each window, and its place, uint8 or int64."""
    y = empty(x, (*x.shape[:-2], *w.out))
    place = empty(y, dtype="uint8" if w.kernel[0] * w.kernel[1] <= 256 else "int64")
    _each(k, f"max_and_place_{place.dtype}", y.size, w, gapless(x), y, place)
    return y, place


def put_at_places(k: Kernels, gy: Array, place: Array, w: Windows) -> Array:
    """Each window's number added to the pixel at its place: (..., oh, ow) to (..., H, W)."""
    gx = empty(gy, (*gy.shape[:-2], *w.size))
    _each(k, f"put_at_places_{place.dtype}", gx.size, w, gapless(gy), gapless(place), gx)
    return gx


def take_at_places(k: Kernels, x: Array, place: Array, w: Windows) -> Array:
    """The pixel at each window's place: (..., H, W) to (..., oh, ow)."""
    y = empty(x, (*x.shape[:-2], *w.out))
    _each(k, f"take_at_places_{place.dtype}", y.size, w, gapless(x), gapless(place), y)
    return y


def window_mean(k: Kernels, x: Array, divisor: Divisor, w: Windows) -> Array:
    """The sum over each window divided by its divisor."""
    y = empty(x, (*x.shape[:-2], *w.out))
    _each(k, "window_mean", y.size, w, gapless(x), *_divisor(x, divisor), y)
    return y


def spread_mean(k: Kernels, gy: Array, divisor: Divisor, w: Windows) -> Array:
    """The adjoint of window_mean: (..., oh, ow) to (..., H, W)."""
    gx = empty(gy, (*gy.shape[:-2], *w.size))
    _each(k, "spread_mean", gx.size, w, gapless(gy), *_divisor(gy, divisor), gx)
    return gx


def _divisor(x: Array, divisor: Divisor) -> tuple[np.int32, Any]:
    """What pool.cu divides by (its enum), and the one number, if it is one."""
    if isinstance(divisor, Cells):
        return np.int32(1 if divisor.padding else 2), x.dtype.type(0)
    return np.int32(0), x.dtype.type(divisor)


def _each(k: Kernels, name: str, n: int, w: Windows, *args: Any) -> None:
    if n:
        grid = (-(-n // THREADS),)
        k.launch(name, grid, (THREADS,), (*args, np.int32(n), *_numbers(w)))


@lru_cache(maxsize=512)
def _numbers(w: Windows) -> tuple[np.int32, ...]:
    """The kernels' last arguments: each entry of w, rows before columns."""
    return tuple(np.int32(n) for pair in w for n in pair)
