"""Starts the kernels of gather.cu: batches of a data set that lies on the device."""

from __future__ import annotations

import numpy as np

from nnlite.backend import Array, array_module
from nnlite.ops.kernels.cuda.launching import LIMIT, each, empty, gapless, kernels


def gather_images(
    images: Array, order: Array, start: Array, n: int, scale: float, mean: Array, std: Array
) -> Array:
    """(images[order[start : start + n]] * scale - mean) / std, in mean's dtype.

    The numbers in order are not checked, which would wait for the device.

    Args:
        images: (N, C, H, W), uint8.
        order: sample numbers, int64.
        start: int64 (1,), in device memory: a captured step goes on in the order by changing it.
        n: images of the batch.
        scale: 1/255 makes bytes numbers from 0 to 1.
        mean, std: (C,), of each channel.
    """
    C, H, W = images.shape[1:]
    k = None if n * C * H * W >= LIMIT else kernels("gather", mean, std)
    if k is None:
        rows = array_module(images).take(images, order[_range(order, start, n)], axis=0)
        pixels = rows.astype(mean.dtype) * mean.dtype.type(scale)
        return (pixels - mean[:, None, None]) / std[:, None, None]
    y = empty(mean, (n, C, H, W))
    args = (gapless(images), gapless(order), start, mean.dtype.type(scale))
    sizes = (np.int32(C), np.int32(H * W))
    each(k, "gather_images", y.size, *args, gapless(mean), gapless(std), y, *sizes)
    return y


def gather_labels(labels: Array, order: Array, start: Array, n: int) -> Array:
    """labels[order[start : start + n]], int64; arguments as for ``gather_images``."""
    y = empty(labels, (n,))
    k = kernels("gather", array_module(labels).empty(0, dtype="float32"))
    if k is None:
        return array_module(labels).take(labels, order[_range(order, start, n)])
    each(k, "gather_labels", n, gapless(labels), gapless(order), start, y)
    return y


def _range(order: Array, start: Array, n: int) -> Array:
    return array_module(order).arange(n) + start
