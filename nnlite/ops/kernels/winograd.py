"""Winograd's convolution along the columns: fewer products for 3 x 3 kernels, on the CPU.

Of one image row and one row of the kernel, direct convolution computes m neighbouring outputs y by
3 m products. F(m, 3) takes a = m + 2: the a pixels d and the 3 weights g are each mapped to a
numbers, these are multiplied one by one, and the products are mapped to y:

    y = A^T [(G g) * (B^T d)]    is    y[i] = d[i] g[0] + d[i+1] g[1] + d[i+2] g[2]

It is the product of two polynomials, taken from their values at a points, turned round: A and G
hold the powers of the points (infinity is one), B is the inverse of such a matrix. The sums over
the channels and over the kernel's three rows come before A^T: they are matrix products, in the
memory of rows.py, (H, C, W, N). With m = 6 these have 8/18 of the multiplications.

All tiles of a row are mapped by one matrix. B^T stands in it once for each of the t tiles, each m
columns further on and overlapping by two; columns that lie in the padding are cut away, and so are
outputs beyond the last. An output row then is three calls of NumPy's, all of them BLAS:

- (a * t, W) @ the new row (C, W, N), into a ring of the three rows that the kernel sees;
- for each of the a points, weights (O, 3 * C) @ ring (3 * C, t * N);
- (ow, a * t) @ (O, a * t, N), which is the output row (O, ow, N) where the next layer wants it.

The two gradients are the adjoints of this, by the same matrices transposed.

Rounding: the maps add and subtract numbers larger than the result. Largest error of 32 -> 64
channels, 26 x 26, batch 128, normal numbers, against float64 and as a part of the largest result:
3e-6 forward, 2e-6 for the weights, 3e-6 for the image; rows.py has 7e-7, 4e-7 and 5e-7. A tile
shares its error: beside a pixel of 1e9, an output that does not see it was off by 200.

An infinite or undefined number would likewise spread, over the whole row. None is lost on the way,
since whatever it is multiplied by or added to is not finite either. So the result is checked (by
its sum), and computed by rows.py unless it is finite: then it is what the plain definition says.

Source: A. Lavin, S. Gray, "Fast algorithms for convolutional neural networks", CVPR 2016. Points:
B. Barabasz et al., "Error analysis and improving the accuracy of Winograd convolution for deep
neural networks", ACM TOMS 46(4), 2020. The plain twin is im2col.py.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial
from typing import NamedTuple, TypeVar

import numpy as np

from nnlite.backend import Array
from nnlite.backend.threads import get_num_threads, run
from nnlite.ops.kernels import rows
from nnlite.ops.kernels.windows import Windows

T = TypeVar("T")

POINTS = {4: (0, 1, -1, 2, -0.5), 6: (0, 1, -1, 2, -2, 0.5, -0.5)}
"""For each m the points, without infinity."""

ONE = 1
"""Which of them is 1, where the constant polynomial b has the value b, and nothing elsewhere."""

BATCH = 192
"""Images at a time, so that the rows under work stay in the cache."""


class Maps(NamedTuple):
    """The three maps, for all tiles of a row; float32.

    Attributes:
        data: (a * t, W), pixels to values at the points.
        outputs: (ow, a * t), values at the points to outputs.
        weights: (a, 3), a row of the kernel to values at the points.
    """

    data: Array
    outputs: Array
    weights: Array


def share(windows: Windows) -> float:
    """Which part of the direct convolution's multiplications remains, the maps left aside."""
    m, ow = _tile(windows), windows.out[1]
    return (m + 2) * -(-ow // m) / (3 * ow)


def convolve(x: Array, w: Array, b: Array | None, windows: Windows) -> Array:
    """y = conv(x, w) + b: (N, C, H, W), (O, C, 3, 3) -> (N, O, oh, ow); b of any shape of O."""
    images, maps = rows.as_rows(x), _maps(windows)
    N, O, top = x.shape[0], w.shape[0], windows.padding[0]  # noqa: E741
    weights = _at_points(w.transpose(0, 2, 1, 3), maps)  # (a, O, 5 * C)
    bias = None if b is None else b.reshape(O, 1)
    y = np.empty((windows.out[0], O, windows.out[1], N), dtype=x.dtype)

    def piece(start: int, stop: int, part: slice) -> bool:
        n = y[0, 0, 0, part].size
        ring = _Ring(images[..., part], maps.data, maps, start - top)
        values, by_point = _room(O, n, maps)
        total, ones = np.zeros(y.shape[1:3], dtype=x.dtype), np.ones(n, dtype=x.dtype)
        for r in range(start, stop):
            np.matmul(weights[..., ring.see(r - top)], ring.by_point, out=by_point)
            if bias is not None:
                by_point[ONE] += bias
            out = y[r, :, :, part]
            np.matmul(maps.outputs, values, out=out)
            total += out @ ones
        return bool(np.isfinite(total).all())

    if not all(_by_pieces(piece, len(y), N)):
        return rows.convolve(x, w, b, windows)
    return y.transpose(3, 1, 0, 2)


def weight_grad(x: Array, gy: Array, windows: Windows) -> Array:
    """gw: (N, C, H, W), (N, O, oh, ow) -> (O, C, 3, 3)."""
    images, grads, maps = rows.as_rows(x), rows.as_rows(gy), _maps(windows)
    (N, C), O, top = x.shape[:2], gy.shape[1], windows.padding[0]  # noqa: E741
    a = len(maps.weights)

    def piece(start: int, stop: int, part: slice) -> Array:
        ring = _Ring(images[..., part], maps.data, maps, start - top)
        values, by_point = _room(O, grads[0, 0, 0, part].size, maps)
        total = np.zeros((a, O, 5 * C), dtype=x.dtype)
        for r in range(start, stop):
            seen = total[..., ring.see(r - top)]
            np.matmul(maps.outputs.T, grads[r, :, :, part], out=values)
            seen += np.matmul(by_point, ring.by_point.swapaxes(1, 2))
        return total

    gw = _from_points(_by_pieces(piece, len(grads), N), maps)
    return gw if np.isfinite(gw).all() else rows.weight_grad(x, gy, windows)


def input_grad(gy: Array, w: Array, windows: Windows) -> Array:
    """gx: (N, O, oh, ow), (O, C, 3, 3) -> (N, C, H, W)."""
    grads, maps = rows.as_rows(gy), _maps(windows)
    N, C, (H, W) = gy.shape[0], w.shape[1], windows.size
    # image row r gets gy's rows r + top - 2 ... r + top: the weights' rows backwards
    weights = _at_points(w.transpose(1, 2, 0, 3)[:, ::-1], maps)  # (a, C, 5 * O)
    above = windows.padding[0] - 2
    gx = np.empty((H, C, W, N), dtype=gy.dtype)

    def piece(start: int, stop: int, part: slice) -> bool:
        n = gx[0, 0, 0, part].size
        ring = _Ring(grads[..., part], maps.outputs.T, maps, start + above)
        values, by_point = _room(C, n, maps)
        total, ones = np.zeros(gx.shape[1:3], dtype=gx.dtype), np.ones(n, dtype=gx.dtype)
        for r in range(start, stop):
            np.matmul(weights[..., ring.see(r + above)], ring.by_point, out=by_point)
            out = gx[r, :, :, part]
            np.matmul(maps.data.T, values, out=out)
            total += out @ ones
        return bool(np.isfinite(total).all())

    if not all(_by_pieces(piece, H, N)):
        return rows.input_grad(gy, w, windows)
    return gx.transpose(3, 1, 0, 2)


def gradients(x: Array, gy: Array, w: Array, windows: Windows) -> tuple[Array, Array]:
    """input_grad and weight_grad, for which the rows of gy are mapped once."""
    images, grads, maps = rows.as_rows(x), rows.as_rows(gy), _maps(windows)
    (N, C), O, (H, W), top = x.shape[:2], gy.shape[1], windows.size, windows.padding[0]  # noqa: E741
    weights = _at_points(w.transpose(1, 2, 0, 3)[:, ::-1], maps)  # (a, C, 5 * O)
    gx = np.empty((H, C, W, N), dtype=gy.dtype)

    def piece(start: int, stop: int, part: slice) -> tuple[bool, Array]:
        n = gx[0, 0, 0, part].size
        # gy's rows from here on are this piece's for the weights; what is above saw zeros alone
        q = start + top if start else max(top - 2, 0)
        above = _Ring(grads[..., part], maps.outputs.T, maps, start + top - 2)
        under = _Ring(images[..., part], maps.data, maps, q - top)
        values, by_point = _room(C, n, maps)
        total, ones = np.zeros(gx.shape[1:3], dtype=gx.dtype), np.ones(n, dtype=gx.dtype)
        gw = np.zeros((len(maps.weights), O, 5 * C), dtype=gx.dtype)
        for r in range(start, stop):
            np.matmul(weights[..., above.see(r + top - 2)], above.by_point, out=by_point)
            out = gx[r, :, :, part]
            np.matmul(maps.data.T, values, out=out)
            total += out @ ones
            while q < min(r + top + 1, len(grads)):
                seen = gw[..., under.see(q - top)]
                seen += np.matmul(above.row(q), under.by_point.swapaxes(1, 2))
                q += 1
        return bool(np.isfinite(total).all()), gw

    found = _by_pieces(piece, H, N)
    gw = _from_points([gw for _, gw in found], maps)
    if not all(finite for finite, _ in found) or not np.isfinite(gw).all():
        return input_grad(gy, w, windows), weight_grad(x, gy, windows)
    return gx.transpose(3, 1, 0, 2), gw


# -- the maps --------------------------------------------------------------------------------


def _tile(windows: Windows) -> int:
    """m, by which the fewest products are left; the smaller one of equals, which rounds less."""
    return min(POINTS, key=lambda m: (m + 2) * -(-windows.out[1] // m))


@lru_cache(maxsize=64)
def _maps(windows: Windows) -> Maps:
    m, W, ow, left = _tile(windows), windows.size[1], windows.out[1], windows.padding[1]
    A, B, G = _one_tile(m)
    a, t = m + 2, -(-ow // m)
    data, outputs = np.zeros((a, t, W)), np.zeros((ow, a, t))
    for k in range(t):
        for j in range(a):
            if 0 <= (column := m * k + j - left) < W:
                data[:, k, column] = B[j]
        for i in range(min(m, ow - m * k)):
            outputs[m * k + i, :, k] = A[:, i]
    maps = Maps(*(v.astype("float32") for v in (data.reshape(-1, W), outputs.reshape(ow, -1), G)))
    for v in maps:
        v.flags.writeable = False
    return maps


def _one_tile(m: int) -> tuple[Array, Array, Array]:
    """A (a, m), B (a, a) and G (a, 3) of F(m, 3), in float64."""
    a = m + 2

    def powers(n: int) -> Array:
        infinity = np.eye(1, n, n - 1)
        return np.vstack([np.vander(POINTS[m], n, increasing=True), infinity])

    A, G, B = powers(m), powers(3), np.linalg.inv(powers(a))
    # B's columns near 1, so that no point outweighs the others; powers of 2 round nothing
    scale = 2.0 ** np.round(np.log2(np.abs(B).max(axis=0)))
    return A, B / scale, G * scale[:, None]


def _at_points(by_row: Array, maps: Maps) -> Array:
    """Weights (P, 3, Q, 3), the kernel's rows second, as (a, P, 5 * Q): rows 1, 2, 0, 1, 2."""
    P, _, Q, _ = by_row.shape
    five = by_row[:, [1, 2, 0, 1, 2]].reshape(-1, 3)
    return (maps.weights @ five.T).reshape(-1, P, 5 * Q)


def _from_points(totals: list[Array], maps: Maps) -> Array:
    """The adjoint of _at_points, of what the pieces found: gw (O, C, 3, 3)."""
    # in the order of the pieces, whichever thread was first: the same bits each time
    total: Array = sum(totals)  # (a, O, 5 * C)
    a, O, columns = total.shape  # noqa: E741
    total = total.reshape(a, O, 5, columns // 5)
    by_row = total[:, :, 2:]
    by_row[:, :, 1:] += total[:, :, :2]
    gw = (maps.weights.T @ by_row.reshape(a, -1)).reshape(3, O, 3, -1).transpose(1, 3, 2, 0)
    return np.ascontiguousarray(gw)


# -- the rows --------------------------------------------------------------------------------


class _Ring:
    """Three neighbouring rows of images, mapped; row q lies in place q % 3.

    Attributes:
        by_point: what the places hold, (a, 3 * C, t * n).
    """

    def __init__(self, images: Array, matrix: Array, maps: Maps, first: int) -> None:
        """Of images (H, C, W, n), mapped by matrix (a * t, W); from row first on."""
        self._images, self._matrix, self._next = images, matrix, first
        _, self._channels, _, n = images.shape
        values, self.by_point = _room(3 * self._channels, n, maps)
        self._places = values.reshape(3, self._channels, -1, n)

    def see(self, first: int) -> slice:
        """Hold rows first ... first + 2, zeros beyond the image; which weights fit the places."""
        for q in range(self._next, first + 3):
            if 0 <= q < len(self._images):
                np.matmul(self._matrix, self._images[q], out=self._places[q % 3])
            else:
                self._places[q % 3] = 0
        self._next = first + 3
        phase = 2 - first % 3  # place 0 holds row (-first) % 3 of the three
        return slice(phase * self._channels, (phase + 3) * self._channels)

    def row(self, q: int) -> Array:
        """One of the rows that are held, (a, C, t * n)."""
        k = q % 3 * self._channels
        return self.by_point[:, k : k + self._channels]


def _room(channels: int, n: int, maps: Maps) -> tuple[Array, Array]:
    """Room for values at the points, (channels, a * t, n), and a view, (a, channels, t * n)."""
    values = np.empty((channels, len(maps.data), n), dtype="float32")
    return values, values.reshape(channels, len(maps.weights), -1).swapaxes(0, 1)


def _by_pieces(piece: Callable[[int, int, slice], T], length: int, N: int) -> list[T]:
    """What piece(start, stop, images) returns, in order: rows for each thread, BATCH images."""
    threads, batches = min(length, get_num_threads()), -(-N // BATCH)
    found: dict[tuple[int, int], T] = {}

    def do(i: int, k: int) -> None:
        part = slice(N * i // batches, N * (i + 1) // batches)
        found[i, k] = piece(length * k // threads, length * (k + 1) // threads, part)

    run(partial(do, i, k) for i in range(batches) for k in range(threads))
    return [found[key] for key in sorted(found)]
