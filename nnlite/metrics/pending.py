"""Numbers that stay on a GPU until somebody asks for them.

Each number that Python reads (``loss.item()``) has it wait until the GPU has done all that it was
given. A loop that counts losses and answers batch by batch need not: what it counts is kept where
it is, and read in one copy when the epoch is over.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from nnlite.autograd.tensor import Tensor, wrap
from nnlite.backend import NUMPY, Array, Device, Dtype, array_module, backend_of, is_array

__all__ = ["as_array", "fetch", "is_far"]


def as_array(value: Any) -> Any:
    """A Tensor's array; anything else as it is."""
    return value.array if isinstance(value, Tensor) else value


def is_far(value: Any) -> bool:
    """Whether it is an array, or Tensor, that Python has to wait for."""
    array = as_array(value)
    return is_array(array) and backend_of(array) is not NUMPY


def fetch(arrays: Sequence[Array]) -> list[np.ndarray[Any, Any]]:
    """Arrays from anywhere as NumPy arrays: one copy for all of one device and dtype."""
    out: list[Any] = list(arrays)
    alike: dict[tuple[Device, Dtype], list[int]] = {}
    for i, x in enumerate(arrays):
        if is_far(x):
            alike.setdefault((wrap(x).device, x.dtype), []).append(i)
    for places in alike.values():
        first = arrays[places[0]]
        flat = array_module(first).concatenate([arrays[i].reshape(-1) for i in places])
        numbers = backend_of(first).to_numpy(flat)
        ends = np.cumsum([math.prod(arrays[i].shape) for i in places])
        for i, part in zip(places, np.split(numbers, ends[:-1]), strict=True):
            out[i] = part.reshape(arrays[i].shape)
    return out
