"""Starts the kernels of conv.cu; what each computes stands in im2col.py."""

from __future__ import annotations

from functools import lru_cache
from math import prod
from typing import Any

import numpy as np

from nnlite.backend import Array
from nnlite.backend.kernels import Kernels
from nnlite.ops.kernels.cuda.launching import LIMIT, empty, gapless, kernels
from nnlite.ops.kernels.windows import Windows

COLUMNS = {8: 256, 16: 128, 32: 128, 64: 64}
"""For each height of a tile of the forward and the input gradient, its width; 128 threads."""

GRAD_COLUMNS = {8: 32, 16: 64, 32: 32, 64: 64}
"""Likewise for the weight gradient."""

BLOCKS = 512
"""Into about so many blocks the weight gradient is split: a few for each multiprocessor."""

ROUND = 16
"""Windows that a block of the weight gradient loads at a time."""

MOST_PARTIAL = 2**24
"""Numbers in the partial weight gradients: 64 MiB in float32."""

MOST_LAYERS = 65535
"""CUDA's limit of blocks along z."""


def applies(x: Array, windows: Windows, channels: int, filters: int) -> Kernels | None:
    """The kernels, where they take these images and as many channels and filters; else None."""
    if type(x) is np.ndarray:
        return None
    N = x.shape[0]
    area = prod(windows.kernel)
    sizes = (N * channels * prod(windows.size), N * filters * prod(windows.out))
    if max(*sizes, channels * filters * area) >= LIMIT:
        return None
    return kernels("conv", x)


def convolve(
    k: Kernels, x: Array, w: Array, b: Array | None, windows: Windows, groups: int
) -> Array:
    """conv(x, w) + b: (N, C, H, W), (O, C/groups, kh, kw), (O, 1, 1) -> (N, O, oh, ow)."""
    O, w = w.shape[0], gapless(w)  # noqa: E741
    y = empty(x, (x.shape[0], O, *windows.out))
    bias = (np.int32(0), w) if b is None else (np.int32(1), gapless(b))
    args = (gapless(x), w, *bias, y, *_shape(x.shape[0], x.shape[1], O, windows, groups))
    _multiply(k, "forward", O // groups, y.size // max(O, 1), groups, args)
    return y


def input_grad(k: Kernels, gy: Array, w: Array, windows: Windows, groups: int) -> Array:
    """The adjoint for x: (N, O, oh, ow), (O, C/groups, kh, kw) -> (N, C, H, W)."""
    N, O, C = gy.shape[0], gy.shape[1], w.shape[1] * groups  # noqa: E741
    gx = empty(gy, (N, C, *windows.size))
    args = (gapless(gy), gapless(w), gx, *_shape(N, C, O, windows, groups))
    _multiply(k, "input_grad", C // groups, gx.size // max(C, 1), groups, args)
    return gx


def weight_grad(k: Kernels, x: Array, gy: Array, windows: Windows, groups: int) -> Array:
    """The adjoint for w: (N, C, H, W), (N, O, oh, ow) -> (O, C/groups, kh, kw)."""
    N, C, O = x.shape[0], x.shape[1], gy.shape[1]  # noqa: E741
    gw = empty(x, (O, C // groups, *windows.kernel))
    if not gw.size:
        return gw
    rows, columns, total = O // groups, gw.size // O, N * prod(windows.out)
    height = _height(rows) if columns > GRAD_COLUMNS[32] else min(32, _height(rows))
    tiles = (-(-columns // GRAD_COLUMNS[height]), -(-rows // height))
    splits = max(1, min(-(-BLOCKS // (prod(tiles) * groups)), MOST_PARTIAL // gw.size))
    splits = min(splits, MOST_LAYERS // groups)
    length = max(ROUND, -(-total // splits // ROUND) * ROUND)  # whole rounds
    splits = max(1, -(-total // length))
    partial = empty(x, (splits, *gw.shape)) if splits > 1 else gw
    threads = 64 if height == 8 else 128
    shape = _shape(N, C, O, windows, groups)
    args = (gapless(x), gapless(gy), partial, np.int32(length), *shape)
    k.launch(f"weight_grad_{height}", (*tiles, splits * groups), (threads,), args)
    if splits > 1:
        grid = (-(-gw.size // 32),)
        k.launch("sum_rows", grid, (32, 8), (partial, gw, np.int32(splits), np.int32(gw.size)))
    return gw


def _multiply(
    k: Kernels, name: str, rows: int, columns: int, groups: int, args: tuple[Any, ...]
) -> None:
    """Start the product of a matrix with so many rows and columns, once for each group."""
    if not rows or not columns:
        return
    height = _height(rows)
    grid = (-(-columns // COLUMNS[height]), -(-rows // height), groups)
    k.launch(f"{name}_{height}", grid, (128,), args)


def _height(rows: int) -> int:
    """The height of a tile that wastes the least."""
    return next((h for h in (8, 16, 32) if rows <= h), 64)


@lru_cache(maxsize=512)
def _shape(N: int, C: int, O: int, w: Windows, groups: int) -> tuple[np.int32, ...]:  # noqa: E741
    """The kernels' last arguments."""
    numbers = (N, groups, C // groups, O // groups, *(n for pair in w for n in pair))
    return tuple(np.int32(n) for n in numbers)
