"""Datasets that lie on a GPU: their batches are gathered there, and the host copies nothing.

A DataLoader puts the order of a pass on the device once, when the pass begins; a batch is then
a piece of that order and one gather per tensor.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from nnlite.autograd.tensor import wrap
from nnlite.backend import NUMPY, Array, Device, array_module, backend_of
from nnlite.ops.conversion import to


class Gatherer(NamedTuple):
    """How a dataset makes batches of itself on its device, during one pass.

    Attributes:
        device: where the dataset lies.
        take: from sample numbers, an int64 array on that device, to their batch. The numbers are
            not checked, which would wait for the device: the caller gives no others than 0 to
            ``len(dataset) - 1``.
    """

    device: Device
    take: Callable[[Array], Any]


def gatherer_of(dataset: Any) -> Gatherer | None:
    """What ``dataset.__gatherer__()`` returns; None where it has none, or lies on the host."""
    make = getattr(dataset, "__gatherer__", None)
    found: Gatherer | None = None if make is None else make()
    return found


def take_rows(x: Array, index: Array) -> Array:
    """``x[index]``, new memory: rows of x, by an integer array on x's device."""
    return array_module(x).take(x, index, axis=0)


def beside(index: np.ndarray[Any, Any], x: Array) -> Array:
    """Sample numbers from the host as an array on x's device."""
    return index if backend_of(x) is NUMPY else to_device(index, wrap(x).device)


def to_device(x: Array, device: Device, non_blocking: bool = False) -> Array:
    """An array on a device; itself if it is there."""
    return to(wrap(x), device=device, non_blocking=non_blocking).array
