"""Convolution as matrix products: im2col, its adjoint col2im, and the blocks they work in.

Source: K. Chellapilla, S. Puri, P. Simard, "High performance convolutional neural networks for
document processing", 2006; the layout (channels and places as rows, images and windows as columns)
makes one product of a whole block of images.
"""

from __future__ import annotations

from collections.abc import Iterator

from nnlite.backend import Array, array_module
from nnlite.ops.kernels.windows import Windows, is_inside, places

BLOCK = 2**18
"""Elements of the column matrix made at a time: 1 MiB in float32, about what a cache holds."""


def blocks(count: int, channels: int, w: Windows) -> Iterator[slice]:
    """Slices of the batch, each as large as BLOCK allows, at least one image."""
    per_image = channels * w.kernel[0] * w.kernel[1] * w.out[0] * w.out[1]
    step = max(1, BLOCK // max(1, per_image))
    for start in range(0, count, step):
        yield slice(start, min(start + step, count))


def im2col(x: Array, w: Windows, groups: int) -> Array:
    """The pixels of each window as a column: (groups, C/groups * kh*kw, n * oh*ow).

    Args:
        x: images (n, C, H, W).
        w: the windows; a place outside the image holds 0.
        groups: the channels are cut into as many parts.
    """
    xp = array_module(x)
    n, C = x.shape[:2]
    make = xp.empty if is_inside(w) else xp.zeros
    cols = make((C, *w.kernel, n, *w.out), dtype=x.dtype)
    by_channel = x.swapaxes(0, 1)  # (C, n, H, W)
    for i, j, out, pixels in places(w):
        cols[:, i, j][out] = by_channel[pixels]
    rows = C // groups * w.kernel[0] * w.kernel[1]
    return cols.reshape(groups, rows, n * w.out[0] * w.out[1])


def col2im(cols: Array, n: int, C: int, w: Windows) -> Array:
    """The adjoint of im2col: each place is added to its pixel. Returns (C, n, H, W).

    Args:
        cols: (groups, C/groups * kh*kw, n * oh*ow).
        n, C: numbers of images and of channels.
        w: the windows.
    """
    xp = array_module(cols)
    cols = cols.reshape(C, *w.kernel, n, *w.out)
    x = xp.zeros((C, n, *w.size), dtype=cols.dtype)
    for i, j, out, pixels in places(w):
        x[pixels] += cols[:, i, j][out]
    return x
