"""A stand-in for a GPU: a device whose memory is its own, so that a forgotten move is an error.

It computes with NumPy, in the host's memory and no faster. What it shares with a GPU is the rule
that matters to a beginner: nothing moves there by itself. A network on it and a batch on the CPU
raise a DeviceError, on any computer.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import nnlite
from nnlite.backend import Backend, Device, register


class PretendArray(np.ndarray):
    """An array on the pretended GPU; nnlite tells devices apart by the array's class."""

    def __array_wrap__(self, x: Any, context: Any = None, return_scalar: bool = False) -> Any:
        """What an elementwise function returns stays there, also a single number."""
        return _there(x)

    def __getitem__(self, index: Any) -> Any:
        return _there(super().__getitem__(index))


def _there(result: Any) -> Any:
    """What NumPy returned, on the pretended GPU; names of dtypes and the like as they are."""
    if isinstance(result, (tuple, list)):
        return type(result)(_there(part) for part in result)
    if isinstance(result, (np.ndarray, np.generic)):
        return np.asarray(result).view(PretendArray)
    return result


class _Functions:
    """NumPy's functions, with results on the pretended GPU."""

    def __getattr__(self, name: str) -> Any:
        function = getattr(np, name)
        if isinstance(function, type) or not callable(function):
            return function  # dtypes, constants
        return lambda *args, **kwargs: _there(function(*args, **kwargs))


class PretendGpu(Backend):
    """The device "pretend"."""

    def __init__(self) -> None:
        self.xp = _Functions()
        self.array_type = PretendArray
        self.device = Device("pretend")

    def asarray(self, data: Any, dtype: Any = None) -> PretendArray:
        """A copy in the memory of the pretended GPU."""
        return np.array(data, dtype=dtype).view(PretendArray)

    def to_numpy(self, x: PretendArray) -> np.ndarray:
        """A copy in the host's memory."""
        return np.array(x)

    def scatter_add(self, target: PretendArray, index: Any, source: Any) -> None:
        """``target[index] += source``, where a repeated index adds each time."""
        np.add.at(target, index, source)


register(PretendGpu())
DEVICE = nnlite.device("pretend")
