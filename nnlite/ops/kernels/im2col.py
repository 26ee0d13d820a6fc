"""Convolution as matrix products: im2col, its adjoint col2im, and the blocks they work in.

Source: K. Chellapilla, S. Puri, P. Simard, "High performance convolutional neural networks for
document processing", 2006; the layout (channels and places as rows, images and windows as columns)
makes one product of a whole block of images.
"""

from __future__ import annotations

from collections.abc import Iterator

from nnlite.backend import Array, array_module, backend_of
from nnlite.ops.kernels.windows import Windows, is_inside, places

BLOCK = 2**18
"""Elements of the column matrix made at a time: 1 MiB in float32, about what a cache holds."""


def blocks(count: int, channels: int, w: Windows) -> Iterator[slice]:
    """Slices of the batch, each as large as BLOCK allows, at least one image."""
    per_image = channels * w.kernel[0] * w.kernel[1] * w.out[0] * w.out[1]
    step = max(1, BLOCK // max(1, per_image))
    for start in range(0, count, step):
        yield slice(start, min(start + step, count))


def convolve(x: Array, w: Array, b: Array | None, windows: Windows, groups: int) -> Array:
    """conv(x, w) + b: (N, C, H, W), (O, C/groups, kh, kw), (O, 1, 1) -> (N, O, oh, ow)."""
    N, O = x.shape[0], w.shape[0]  # noqa: E741
    matmul = backend_of(x).matmul
    weights = _matrix(w, groups)  # (G, O/G, C/G * kh*kw)
    y = array_module(x).empty((N, O, *windows.out), dtype=x.dtype)
    for block in blocks(N, x.shape[1], windows):
        part = matmul(weights, im2col(x[block], windows, groups))  # (G, O/G, n * oh*ow)
        part = part.reshape(O, y[block].shape[0], *windows.out)
        if b is not None:
            part += b[..., None]  # (O, 1, 1, 1)
        y[block] = part.swapaxes(0, 1)
    return y  # (N, O, oh, ow)


def input_grad(gy: Array, w: Array, windows: Windows, groups: int) -> Array:
    """The adjoint for x: (N, O, oh, ow), (O, C/groups, kh, kw) -> (N, C, H, W)."""
    N, C = gy.shape[0], w.shape[1] * groups
    matmul = backend_of(gy).matmul
    weights = _matrix(w, groups).swapaxes(1, 2)  # (G, C/G * kh*kw, O/G)
    gx = array_module(gy).empty((N, C, *windows.size), dtype=gy.dtype)
    for block in blocks(N, C, windows):
        n = gy[block].shape[0]
        cols = matmul(weights, _channels_first(gy[block], groups))  # (G, C/G * kh*kw, n * oh*ow)
        gx[block] = col2im(cols, n, C, windows).swapaxes(0, 1)
    return gx  # (N, C, H, W)


def weight_grad(x: Array, gy: Array, windows: Windows, groups: int) -> Array:
    """The adjoint for w: (N, C, H, W), (N, O, oh, ow) -> (O, C/groups, kh, kw)."""
    matmul = backend_of(x).matmul
    C, O = x.shape[1], gy.shape[1]  # noqa: E741
    K = C // groups * windows.kernel[0] * windows.kernel[1]
    gw = array_module(x).zeros((groups, O // groups, K), dtype=x.dtype)
    for block in blocks(x.shape[0], C, windows):
        # made anew rather than kept since the forward: kh*kw times the memory of x
        cols = im2col(x[block], windows, groups)  # (G, C/G * kh*kw, n * oh*ow)
        gw += matmul(_channels_first(gy[block], groups), cols.swapaxes(1, 2))
    return gw.reshape(O, C // groups, *windows.kernel)


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


def _matrix(w: Array, groups: int) -> Array:
    O, C, kh, kw = w.shape  # noqa: E741
    return w.reshape(groups, O // groups, C * kh * kw)


def _channels_first(gy: Array, groups: int) -> Array:
    """(n, O, oh, ow) as (G, O/G, n * oh*ow)."""
    n, O, oh, ow = gy.shape  # noqa: E741
    return gy.swapaxes(0, 1).reshape(groups, O // groups, n * oh * ow)
