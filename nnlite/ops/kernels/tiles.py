"""Fast pooling where the windows tile the image: each pixel lies in one window at most.

Then nothing has to be set to zero and added to, rows of windows are independent pieces of work,
and the comparisons that find the largest also tell its place. The plain twin is pooling.py.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

import numpy as np

from nnlite.backend import NUMPY, Array, backend_of, is_plain
from nnlite.backend.threads import run
from nnlite.ops.kernels.elementwise import keep
from nnlite.ops.kernels.layout import empty_images
from nnlite.ops.kernels.windows import Windows

PIECE = 2**20
"""Pixels of one piece of work for a thread: large, since a piece makes many short NumPy calls."""


@lru_cache(maxsize=512)
def _tiles(w: Windows) -> bool:
    return (
        w.kernel == w.stride
        and w.padding == (0, 0)
        and w.dilation == (1, 1)
        and w.kernel[0] * w.kernel[1] <= 256
        and all(n * k <= size for n, k, size in zip(w.out, w.kernel, w.size, strict=True))
    )


def applies(x: Array, w: Windows) -> bool:
    """Whether these kernels can do it."""
    return x.dtype.kind == "f" and backend_of(x) is NUMPY and _tiles(w) and not is_plain()


def window_max(x: Array, w: Windows) -> Array:
    """The largest of each window, NaN where there is one: (..., H, W) to (..., oh, ow)."""
    y = empty_images(x, w.out)

    def piece(x: Array, y: Array) -> None:
        first, *others = _places(x, w)
        np.maximum(first, others[0], out=y) if others else np.copyto(y, first)
        for seen in others[1:]:
            np.maximum(y, seen, out=y)

    _by_rows(piece, w, pixels=(x,), windows=(y,))
    return y


def max_and_place(x: Array, w: Windows) -> tuple[Array, Array]:
    """The largest of each window, and its place i*kw + j, uint8: the first of several.

    Where there is a NaN, it is the result, and the place that of the last NaN, as in PyTorch.
    """
    y = empty_images(x, w.out)
    place = np.empty_like(y, dtype="uint8")

    def piece(x: Array, y: Array, place: Array) -> None:
        larger = np.empty_like(y, dtype=bool)
        index = larger.view("uint8")
        first, *others = _places(x, w)
        y[...] = first
        place[...] = 0
        for k, seen in enumerate(others, start=1):
            np.greater(seen, y, out=larger)
            np.maximum(y, seen, out=y)
            # a later place is a larger number, so the largest of those that won won last
            np.multiply(index, k, out=index)
            np.maximum(place, index, out=place)
        if np.isnan(y.min(initial=0)):
            for k, seen in enumerate(_places(x, w)):
                np.copyto(place, k, where=np.isnan(seen))

    _by_rows(piece, w, pixels=(x,), windows=(y, place))
    return y, place


def put_at_places(gy: Array, place: Array, w: Windows) -> Array:
    """Each window's number at the pixel of its place, 0 elsewhere: (..., oh, ow) to (..., H, W)."""
    gx = _room(gy, w)

    def piece(gx: Array, gy: Array, place: Array) -> None:
        for k, pixels in enumerate(_places(gx, w)):
            pixels[...] = keep(gy, place == k)

    _by_rows(piece, w, pixels=(gx,), windows=(gy, place))
    return gx


def window_mean(x: Array, divisor: Any, w: Windows) -> Array:
    """The sum over each window divided by divisor, a number: (..., H, W) to (..., oh, ow)."""
    y = empty_images(x, w.out)

    def piece(x: Array, y: Array) -> None:
        first, *others = _places(x, w)
        np.add(first, others[0], out=y) if others else np.copyto(y, first)
        for seen in others[1:]:
            y += seen
        y /= divisor

    _by_rows(piece, w, pixels=(x,), windows=(y,))
    return y


def spread_mean(gy: Array, divisor: Any, w: Windows) -> Array:
    """The adjoint of window_mean: each window's number, divided, at all its pixels."""
    gx = _room(gy, w)

    def piece(gx: Array, gy: Array) -> None:
        share = gy / divisor
        for pixels in _places(gx, w):
            pixels[...] = share

    _by_rows(piece, w, pixels=(gx,), windows=(gy,))
    return gx


def _room(gy: Array, w: Windows) -> Array:
    """Images for the windows' gradient: 0 at the pixels that no window covers, else not set."""
    gx = empty_images(gy, w.size)
    gx[..., w.out[0] * w.kernel[0] :, :] = 0
    gx[..., w.out[1] * w.kernel[1] :] = 0
    return gx


def _places(x: Array, w: Windows) -> list[Array]:
    """For each place in the windows, what all of them see there: (..., oh, ow), views."""
    (kh, kw), columns = w.kernel, w.out[1] * w.kernel[1]
    return [x[..., i::kh, j:columns:kw] for i in range(kh) for j in range(kw)]


def _by_rows(
    piece: Callable[..., None],
    w: Windows,
    pixels: tuple[Array, ...],
    windows: tuple[Array, ...],
) -> None:
    """Call piece on a few rows of windows at a time, with the rows of pixels under them."""
    oh, kh = w.out[0], w.kernel[0]
    size = pixels[0].size
    count = max(1, min(oh, size // PIECE))
    pieces = []
    for k in range(count):
        start, stop = oh * k // count, oh * (k + 1) // count
        cut = [x[..., start * kh : stop * kh, :] for x in pixels]
        cut += [y[..., start:stop, :] for y in windows]
        pieces.append(partial(piece, *cut))
    run(pieces)
