"""Which kernel convolves: the one place where that is decided."""

from __future__ import annotations

from nnlite.backend import NUMPY, Array, backend_of, is_plain
from nnlite.ops.kernels import im2col, rows, winograd
from nnlite.ops.kernels.cuda import conv as cuda
from nnlite.ops.kernels.windows import Windows

LEAST_BATCH = 8
"""Below so many images the rows' runs are too short to gain anything."""

WINOGRAD_BATCH, WINOGRAD_CHANNELS, WINOGRAD_WINDOWS = 64, 32, 2**13
"""From so many images, channels on either side, and windows on, Winograd's maps are worth it."""

WINOGRAD_COLUMNS, WINOGRAD_SHARE = 32, 0.6
"""Up to so many columns of windows, by which the maps grow, and part of the products left."""


def laid_out(x: Array, windows: Windows, groups: int) -> Array:
    """x as the kernels below like it in memory: itself, or a copy that is worth keeping."""
    if not _by_rows(x, windows, groups):
        return x
    return rows.as_rows(x).transpose(3, 1, 0, 2)


def convolve(x: Array, w: Array, b: Array | None, windows: Windows, groups: int) -> Array:
    """conv(x, w) + b: (N, C, H, W), (O, C/groups, kh, kw), (O, 1, 1) -> (N, O, oh, ow)."""
    if _by_winograd(x, x.shape[1], w.shape[0], windows, groups):
        return winograd.convolve(x, w, b, windows)
    if _by_rows(x, windows, groups):
        return rows.convolve(x, w, b, windows)
    if (k := cuda.applies(x, windows, x.shape[1], w.shape[0])) is not None:
        return cuda.convolve(k, x, w, b, windows, groups)
    return im2col.convolve(x, w, b, windows, groups)


def input_grad(gy: Array, w: Array, windows: Windows, groups: int) -> Array:
    """The adjoint for x: (N, O, oh, ow), (O, C/groups, kh, kw) -> (N, C, H, W)."""
    if _by_winograd(gy, w.shape[1], w.shape[0], windows, groups):
        return winograd.input_grad(gy, w, windows)
    if _by_rows(gy, windows, groups):
        return rows.input_grad(gy, w, windows)
    if (k := cuda.applies(gy, windows, w.shape[1] * groups, w.shape[0])) is not None:
        return cuda.input_grad(k, gy, w, windows, groups)
    return im2col.input_grad(gy, w, windows, groups)


def weight_grad(x: Array, gy: Array, windows: Windows, groups: int) -> Array:
    """The adjoint for w: (N, C, H, W), (N, O, oh, ow) -> (O, C/groups, kh, kw)."""
    if _by_winograd(x, x.shape[1], gy.shape[1], windows, groups):
        return winograd.weight_grad(x, gy, windows)
    if _by_rows(x, windows, groups):
        return rows.weight_grad(x, gy, windows)
    if (k := cuda.applies(x, windows, x.shape[1], gy.shape[1])) is not None:
        return cuda.weight_grad(k, x, gy, windows, groups)
    return im2col.weight_grad(x, gy, windows, groups)


def gradients(x: Array, gy: Array, w: Array, windows: Windows, groups: int) -> tuple[Array, Array]:
    """input_grad and weight_grad, which may have work in common."""
    if _by_winograd(gy, w.shape[1], w.shape[0], windows, groups):
        return winograd.gradients(x, gy, w, windows)
    return input_grad(gy, w, windows, groups), weight_grad(x, gy, windows, groups)


def _by_rows(x: Array, windows: Windows, groups: int) -> bool:
    return (
        x.shape[0] >= LEAST_BATCH
        and groups == 1
        and windows.stride == (1, 1)
        and windows.dilation == (1, 1)
        and backend_of(x) is NUMPY
        and not is_plain()
    )


def _by_winograd(images: Array, C: int, O: int, windows: Windows, groups: int) -> bool:  # noqa: E741
    N, (oh, ow) = images.shape[0], windows.out
    return (
        windows.kernel == (3, 3)
        and N >= WINOGRAD_BATCH
        and min(C, O) >= WINOGRAD_CHANNELS
        and N * oh * ow >= WINOGRAD_WINDOWS
        and ow <= WINOGRAD_COLUMNS
        and winograd.share(windows) <= WINOGRAD_SHARE
        and images.dtype == "float32"
        and _by_rows(images, windows, groups)
    )
