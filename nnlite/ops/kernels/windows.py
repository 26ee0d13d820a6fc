"""Windows that slide over an image, without copying or padding the image.

A window has kh * kw places. For each place, what all the windows see there is one strided view of
the image: place (i, j) of window (y, x) is pixel (y*sy + i*dy - py, x*sx + j*dx - px). Windows that
reach over the edge simply have no pixel there. So pooling and convolution are loops over the few
places, each step working on all windows at once.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias

Pair: TypeAlias = tuple[int, int]


class Windows(NamedTuple):
    """Where the windows lie; each entry is (rows, columns).

    Attributes:
        size: of the image.
        out: number of windows.
        kernel: size of a window.
        stride: step from window to window.
        padding: how far the first window starts before the image.
        dilation: step from place to place inside a window.
    """

    size: Pair
    out: Pair
    kernel: Pair
    stride: Pair = (1, 1)
    padding: Pair = (0, 0)
    dilation: Pair = (1, 1)


class Place(NamedTuple):
    """One place of all windows: windows[..., *out] see image[..., *pixels] there.

    Both are indices for the last two dimensions, starting with an Ellipsis.
    """

    i: int
    j: int
    out: tuple[Any, ...]
    pixels: tuple[Any, ...]


@lru_cache(maxsize=512)
def places(w: Windows) -> tuple[Place, ...]:
    """The places at which at least one window has a pixel, in row-major order."""
    rows = [_span(w, 0, i) for i in range(w.kernel[0])]
    columns = [_span(w, 1, j) for j in range(w.kernel[1])]
    return tuple(
        Place(i, j, (..., row[0], column[0]), (..., row[1], column[1]))
        for i, row in enumerate(rows)
        if row is not None
        for j, column in enumerate(columns)
        if column is not None
    )


def _span(w: Windows, axis: int, offset: int) -> tuple[slice, slice] | None:
    """Along one axis: the windows that have a pixel at offset, and those pixels."""
    stride, size = w.stride[axis], w.size[axis]
    first = offset * w.dilation[axis] - w.padding[axis]  # the pixel that window 0 has there
    low = max(0, -(first // stride))
    high = min(w.out[axis], (size - 1 - first) // stride + 1)
    if high <= low:
        return None
    start = first + low * stride
    return slice(low, high), slice(start, start + (high - low - 1) * stride + 1, stride)


@lru_cache(maxsize=512)
def is_inside(w: Windows) -> bool:
    """Whether no window reaches over the edge of the image."""
    return all(
        w.padding[a] == 0
        and (w.out[a] - 1) * w.stride[a] + (w.kernel[a] - 1) * w.dilation[a] < w.size[a]
        for a in (0, 1)
    )
