"""Fast convolution on the CPU: products of whole image rows, with the batch innermost in memory.

An image batch of shape (N, C, H, W) lies in memory as (H, C, W, N). Then

- copying the kw shifted versions of each row, (H, C, kw, OW, N), moves long contiguous runs, and
  kh times less than im2col does: the windows of output row y are the kh rows from y on, which are
  one contiguous matrix (kh * C * kw, OW * N) already;
- so an output row is one matrix product, and lies where the next layer wants it;
- the gradient for the image is a convolution of gy's rows alike, folded over kw at the end.

For few channels the matrices are too thin for BLAS: R output rows are then one product, by a
matrix that holds the weights R times, each time kh rows further on (block Toeplitz).

The plain twin, which says what is computed, is im2col.py. Stride and dilation are 1 here, and
there is one group.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from nnlite.backend import Array
from nnlite.backend.threads import get_num_threads, run
from nnlite.ops.kernels.windows import Windows

BLOCK = 2**21
"""Elements of the shifted rows made at a time, for the memory's sake."""


def convolve(x: Array, w: Array, b: Array | None, windows: Windows) -> Array:
    """y = conv(x, w) + b: (N, C, H, W), (O, C, kh, kw) -> (N, O, oh, ow); b of any shape of O."""
    rows = _padded(as_rows(x), windows)
    N, O = rows.shape[3], w.shape[0]  # noqa: E741
    oh, ow = windows.out
    kh, K = windows.kernel[0], w.shape[1] * windows.kernel[1]
    R = _rows_at_once(O, windows)
    matrix = _toeplitz(w, R)  # (R * O, (R + kh - 1) * K)
    y = np.empty((oh, O, ow * N), dtype=x.dtype)
    bias = None if b is None else b.reshape(O, 1)

    def piece(start: int, stop: int) -> None:
        cols = _shifted(rows, start, stop + kh - 1, windows)  # (rows + kh - 1, K, ow * N)
        whole = (stop - start) // R * R
        if whole:
            out = y[start : start + whole].reshape(-1, R * O, ow * N)
            np.matmul(matrix, _windows(cols, whole, R, kh), out=out)
        rest = stop - start - whole
        if rest:
            short = matrix[: rest * O, : (rest + kh - 1) * K]
            last = y[start + whole : stop].reshape(rest * O, ow * N)
            np.matmul(short, cols[whole:].reshape(-1, ow * N), out=last)
        if bias is not None:
            y[start:stop] += bias

    run(_pieces(piece, oh, K * ow * N, R))
    return y.reshape(oh, O, ow, N).transpose(3, 1, 0, 2)


def weight_grad(x: Array, gy: Array, windows: Windows) -> Array:
    """gw: (N, C, H, W), (N, O, oh, ow) -> (O, C, kh, kw)."""
    rows, grows = _padded(as_rows(x), windows), as_rows(gy)
    (oh, O, ow, N), C = grows.shape, rows.shape[1]  # noqa: E741
    kh, kw = windows.kernel
    K = C * kw
    R = _rows_at_once(O, windows)
    grows = grows.reshape(oh, O, ow * N)
    found: dict[int, Array] = {}

    def piece(start: int, stop: int) -> None:
        cols = _shifted(rows, start, stop + kh - 1, windows)
        whole = (stop - start) // R * R
        gw = np.zeros((O, kh * K), dtype=x.dtype)
        if whole:
            g = grows[start : start + whole].reshape(-1, R * O, ow * N)
            products = np.matmul(g, _windows(cols, whole, R, kh).swapaxes(1, 2))
            _add_blocks(gw, products.sum(axis=0), R, K)
        rest = stop - start - whole
        if rest:
            g = grows[start + whole : stop].reshape(rest * O, ow * N)
            _add_blocks(gw, g @ cols[whole:].reshape(-1, ow * N).T, rest, K)
        found[start] = gw

    run(_pieces(piece, oh, K * ow * N, R))
    # in the order of the rows, whichever thread was first: the same bits each time
    gw = sum(found[start] for start in sorted(found))
    return np.ascontiguousarray(gw.reshape(O, kh, C, kw).transpose(0, 2, 1, 3))


def input_grad(gy: Array, w: Array, windows: Windows) -> Array:
    """gx: (N, O, oh, ow), (O, C, kh, kw) -> (N, C, H, W)."""
    grows = as_rows(gy)
    (oh, O, ow, N), C = grows.shape, w.shape[1]  # noqa: E741
    (H, W), (kh, kw) = windows.size, windows.kernel
    top = windows.padding[0]
    grows = grows.reshape(oh, O, ow * N)
    # image row r gets gy's rows r + top - kh + 1 ... r + top: the weights' rows backwards
    matrix = w[:, :, ::-1].transpose(1, 3, 2, 0).reshape(C * kw, kh * O)
    gx = np.zeros((H, C, W, N), dtype=gy.dtype)

    def piece(start: int, stop: int) -> None:
        cols = np.empty((stop - start, C * kw, ow * N), dtype=gy.dtype)
        first = min(max(kh - 1 - top, start), stop)  # from here on, all kh rows of gy exist
        last = max(min(oh - top, stop), first)
        if last > first:
            g = _windows(grows[first + top - kh + 1 : last + top], last - first, 1, kh)
            np.matmul(matrix, g, out=cols[first - start : last - start])
        for r in (*range(start, first), *range(last, stop)):
            low, high = max(0, r + top - kh + 1), min(oh, r + top + 1)
            if low >= high:
                cols[r - start] = 0
                continue
            skipped = low - (r + top - kh + 1)
            part = matrix[:, skipped * O : (skipped + high - low) * O]
            np.matmul(part, grows[low:high].reshape(-1, ow * N), out=cols[r - start])
        by_shift = cols.reshape(stop - start, C, kw, ow, N)
        for j, out, pixels in _columns(windows):
            gx[start:stop, :, pixels] += by_shift[:, :, j, out]

    run(_pieces(piece, H, C * kw * ow * N, 1))
    return gx.transpose(3, 1, 0, 2)


def as_rows(x: Array) -> Array:
    """(N, C, H, W) as (H, C, W, N), contiguous: a view where the memory lies so, else a copy."""
    return np.ascontiguousarray(x.transpose(2, 1, 3, 0))


def _rows_at_once(O: int, windows: Windows) -> int:  # noqa: E741
    """R: enough rows for a matrix of some 16 rows; more would multiply by too many zeros."""
    return max(1, min(16 // O, windows.kernel[0], windows.out[0]))


def _toeplitz(w: Array, R: int) -> Array:
    """The weights once for each of R output rows: (R * O, (R + kh - 1) * C * kw)."""
    O, C, kh, kw = w.shape  # noqa: E741
    K = C * kw
    by_row = w.transpose(0, 2, 1, 3).reshape(O, kh * K)
    if R == 1:
        return by_row
    matrix = np.zeros((R, O, (R + kh - 1) * K), dtype=w.dtype)
    for r in range(R):
        matrix[r, :, r * K : (r + kh) * K] = by_row
    return matrix.reshape(R * O, -1)


def _add_blocks(gw: Array, product: Array, R: int, K: int) -> None:
    """The adjoint of _toeplitz: gw (O, kh * K) += its R copies in product."""
    O, size = gw.shape  # noqa: E741
    for r in range(R):
        gw += product[r * O : (r + 1) * O, r * K : r * K + size]


def _padded(rows: Array, windows: Windows) -> Array:
    """The rows (H, C, W, N) with the zeros around them that the windows reach."""
    H, C, W, N = rows.shape
    (kh, kw), (oh, ow), (top, left) = windows.kernel, windows.out, windows.padding
    if (top, left) == (0, 0) and (oh + kh - 1, ow + kw - 1) == (H, W):
        return rows
    out = np.zeros((oh + kh - 1, C, ow + kw - 1, N), dtype=rows.dtype)
    inside = out[top : top + H, :, left : left + W]
    inside[...] = rows[: len(inside), :, : inside.shape[2]]
    return out


def _shifted(rows: Array, start: int, stop: int, windows: Windows) -> Array:
    """Padded rows start ... stop - 1, shifted by each of kw columns: (stop - start, K, ow * N)."""
    _, C, _, N = rows.shape
    kw, ow = windows.kernel[1], windows.out[1]
    row, channel, column, item = rows.strides
    shape = (stop - start, C, kw, ow * N)
    # in one call of NumPy's: between short ones, threads wait for Python's lock
    view = as_strided(rows[start:stop], shape, (row, channel, column, item), writeable=False)
    return np.ascontiguousarray(view).reshape(stop - start, C * kw, ow * N)


def _columns(windows: Windows) -> Iterator[tuple[int, slice, slice]]:
    """For each shift j: the windows that have a pixel there, and those pixels."""
    W, ow, left = windows.size[1], windows.out[1], windows.padding[1]
    for j in range(windows.kernel[1]):
        low, high = max(0, left - j), min(ow, W + left - j)
        if low < high:
            yield j, slice(low, high), slice(low + j - left, high + j - left)


def _windows(rows: Array, count: int, R: int, kh: int) -> Array:
    """Of (n, K, P): what R output rows at a time see, (count / R, (R + kh - 1) * K, P), a view."""
    _, K, P = rows.shape
    step, line, item = rows.strides
    shape = (count // R, (R + kh - 1) * K, P)
    return as_strided(rows, shape, (R * step, line, item), writeable=False)


def _pieces(
    piece: Callable[[int, int], None], rows: int, per_row: int, R: int
) -> Iterator[Callable[[], Any]]:
    """The rows cut into one piece for each thread, or more to save memory; multiples of R."""
    groups = -(-rows // R)
    count = min(groups, max(get_num_threads(), -(-rows * per_row // BLOCK)))
    for k in range(count):
        start, stop = groups * k // count * R, groups * (k + 1) // count * R
        yield partial(piece, start, min(stop, rows))
