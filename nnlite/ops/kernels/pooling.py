"""Pooling on raw arrays, place by place (see windows.py); on a device by cuda/pool.cu."""

from __future__ import annotations

from functools import lru_cache
from math import prod
from typing import Any

import numpy as np

from nnlite.backend import Array, array_module
from nnlite.backend.kernels import Kernels
from nnlite.ops.kernels import tiles
from nnlite.ops.kernels.cuda import pool as cuda
from nnlite.ops.kernels.cuda.launching import LIMIT, kernels
from nnlite.ops.kernels.cuda.pool import Cells, Divisor
from nnlite.ops.kernels.layout import empty_images
from nnlite.ops.kernels.windows import Windows, places


def window_max(x: Array, w: Windows) -> Array:
    """The largest number of each window, NaN where there is one: (..., H, W) to (..., oh, ow)."""
    xp = array_module(x)
    if tiles.applies(x, w):
        return tiles.window_max(x, w)
    if (k := _cuda(x, w)) is not None:
        return cuda.window_max(k, x, w)
    lowest = -xp.inf if x.dtype.kind == "f" else xp.iinfo(x.dtype).min
    y = xp.full((*x.shape[:-2], *w.out), lowest, dtype=x.dtype)
    for _, _, out, pixels in places(w):
        xp.maximum(y[out], x[pixels], out=y[out])
    return y


def max_and_place(x: Array, w: Windows) -> tuple[Array, Array]:
    """window_max, and the place i*kw + j of each window that holds it: the first of several.

    Where there is a NaN it is the place of a NaN: of the last one, as in PyTorch.
    """
    if tiles.applies(x, w):
        return tiles.max_and_place(x, w)
    if (k := _cuda(x, w)) is not None:
        return cuda.max_and_place(k, x, w)
    xp = array_module(x)
    y = window_max(x, w)
    place = xp.zeros(y.shape, dtype="uint8" if w.kernel[0] * w.kernel[1] <= 256 else "int64")
    # backwards, so that the first place has the last word
    for i, j, out, pixels in reversed(places(w)):
        xp.copyto(place[out], i * w.kernel[1] + j, where=x[pixels] == y[out])
    # on a device without asking, which would wait for it
    if y.dtype.kind == "f" and (type(y) is not np.ndarray or np.isnan(y).any()):
        for i, j, out, pixels in places(w):
            xp.copyto(place[out], i * w.kernel[1] + j, where=xp.isnan(x[pixels]))
    return y, place


def flat_index(place: Array, w: Windows) -> Array:
    """Places as pixels counted row by row through the image, int64, as PyTorch's indices."""
    xp = array_module(place)
    oh, ow = w.out
    top = xp.arange(oh, dtype="int64")[:, None] * w.stride[0] - w.padding[0]  # (oh, 1)
    left = xp.arange(ow, dtype="int64") * w.stride[1] - w.padding[1]  # (ow,)
    wide = place.astype("int64")
    i, j = wide // w.kernel[1], wide % w.kernel[1]
    return (top + i * w.dilation[0]) * w.size[1] + (left + j * w.dilation[1])


def put_at_places(gy: Array, place: Array, w: Windows) -> Array:
    """Each window's number added to the pixel at its place: (..., oh, ow) to (..., H, W)."""
    if tiles.applies(gy, w):
        return tiles.put_at_places(gy, place, w)
    if (k := _cuda(gy, w)) is not None:
        return cuda.put_at_places(k, gy, place, w)
    xp = array_module(gy)
    gx = xp.zeros((*gy.shape[:-2], *w.size), dtype=gy.dtype)
    for i, j, out, pixels in places(w):
        # selected, not multiplied by 0: an infinite gradient stays at its pixel
        gx[pixels] += xp.where(place[out] == i * w.kernel[1] + j, gy[out], 0)
    return gx


def take_at_places(x: Array, place: Array, w: Windows) -> Array:
    """The pixel at each window's place: (..., H, W) to (..., oh, ow)."""
    if (k := _cuda(x, w)) is not None:
        return cuda.take_at_places(k, x, place, w)
    xp = array_module(x)
    y = xp.zeros((*x.shape[:-2], *w.out), dtype=x.dtype)
    for i, j, out, pixels in places(w):
        xp.copyto(y[out], x[pixels], where=place[out] == i * w.kernel[1] + j)
    return y


def window_mean(x: Array, divisor: Divisor, w: Windows) -> Array:
    """The sum over each window divided by its divisor: (..., H, W) to (..., oh, ow)."""
    if isinstance(divisor, int) and tiles.applies(x, w):
        return tiles.window_mean(x, divisor, w)
    if (k := _cuda(x, w)) is not None:
        return cuda.window_mean(k, x, divisor, w)
    y = empty_images(x, w.out)
    y[...] = 0
    for _, _, out, pixels in places(w):
        y[out] += x[pixels]
    y /= _numbers(x, divisor, w)
    return y


def spread_mean(gy: Array, divisor: Divisor, w: Windows) -> Array:
    """The adjoint of window_mean: each window's number, divided, added to all its pixels."""
    if isinstance(divisor, int) and tiles.applies(gy, w):
        return tiles.spread_mean(gy, divisor, w)
    if (k := _cuda(gy, w)) is not None:
        return cuda.spread_mean(k, gy, divisor, w)
    share = gy / _numbers(gy, divisor, w)
    gx = empty_images(gy, w.size)
    gx[...] = 0
    for _, _, out, pixels in places(w):
        gx[pixels] += share[out]
    return gx


def divisor_of(w: Windows, count_include_pad: bool) -> Divisor:
    """By what avg_pool2d divides each window's sum: by one number where all windows are alike."""
    numbers = _cells(w, count_include_pad, "int64")
    alike: bool = numbers.min() == numbers.max()
    return int(numbers[0, 0]) if alike else Cells(count_include_pad)


def _numbers(x: Array, divisor: Divisor, w: Windows) -> Any:
    """What x is divided by: a number, or one for each window, (oh, ow)."""
    if not isinstance(divisor, Cells):
        return divisor
    if type(x) is np.ndarray:
        return _cells(w, divisor.padding, x.dtype.name)
    # computed there: an upload would wait, and could not be recorded
    return _counted(array_module(x), w, divisor.padding, x.dtype)


@lru_cache(maxsize=512)
def _cells(w: Windows, padding: bool, dtype: str) -> Array:
    numbers = _counted(np, w, padding, dtype)
    numbers.flags.writeable = False
    return numbers


def _counted(xp: Any, w: Windows, padding: bool, dtype: Any) -> Array:
    """How many cells of each window count, (oh, ow); ``cells`` in pool.cu."""
    axes = []
    for n, out, k, s, p in zip(w.size, w.out, w.kernel, w.stride, w.padding, strict=True):
        start = xp.arange(out) * s - p
        end = xp.minimum(start + k, n + p if padding else n)
        axes.append(end - (start if padding else xp.maximum(start, 0)))
    rows, columns = axes
    return (rows[:, None] * columns).astype(dtype)


def _cuda(x: Array, w: Windows) -> Kernels | None:
    """The device's kernels, where they take images or windows x."""
    if type(x) is np.ndarray or prod(x.shape[:-2]) * max(prod(w.size), prod(w.out)) >= LIMIT:
        return None
    return kernels("pool", x)
