"""A stand-in for CuPy without a GPU: the device "strict".

Its arrays lie in the host's memory, but refuse what CuPy's refuse: conversion to NumPy unasked,
mixing with NumPy arrays, functions and arguments that CuPy lacks. The op suite runs on it, so that
code which works on NumPy arrays alone fails in the tests.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from nnlite.backend import Backend, Device, register
from nnlite.backend.cuda_memory import one_number
from nnlite.backend.cuda_scatter import scatter_add
from nnlite.backend.kernels import Kernels
from tests.cuda_shim import COMPILER, ShimKernels
from tests.strict.array import StrictArray
from tests.strict.graph import StrictGraph
from tests.strict.module import scatter, xp
from tests.strict.rules import (
    DeviceDiffersError,
    TransferError,
    bindings,
    forbid_transfers,
    transfers,
    uploads,
)

__all__ = [
    "STRICT",
    "DeviceDiffersError",
    "StrictArray",
    "StrictBackend",
    "TransferError",
    "forbid_transfers",
    "transfers",
    "uploads",
    "xp",
]


class StrictBackend(Backend):
    """The device "strict"."""

    def __init__(self) -> None:
        self.xp = xp
        self.array_type = StrictArray
        self.device = Device("strict")
        self._kernels: dict[str, Kernels] = {}

    def asarray(self, data: Any, dtype: Any = None) -> StrictArray:
        if (number := one_number(data, dtype)) is not None:
            return self.xp.full((), number, dtype=number.dtype)
        return self.xp.asarray(data, dtype=dtype)

    def to_numpy(self, x: StrictArray) -> np.ndarray[Any, Any]:
        return x.get()

    def scatter_add(self, target: StrictArray, index: Any, source: Any) -> None:
        checked = self.xp.zeros(target.shape, dtype=target.dtype)
        scatter(np.add, checked, index, source)  # refuses what CuPy refuses, or does otherwise
        scatter_add(self, target, index, source)

    def kernels(self, family: str, source: str) -> Kernels | None:
        """The real sources, run by the CPU; none where there is no g++ to compile them."""
        if COMPILER is None:
            return None
        if source not in self._kernels:
            self._kernels[source] = ShimKernels(family, source)
        return self._kernels[source]

    def matmul(self, a: StrictArray, b: StrictArray, out: Any = None) -> StrictArray:
        """As by cuBLAS itself, which a graph can hold; CuPy's own products cannot be recorded."""
        with bindings.allow():
            return self.xp.matmul(a, b, out=out)

    def graph(self) -> StrictGraph:
        """Without a device: what a graph repeats is done again, without a look at the host."""
        return StrictGraph()


STRICT = StrictBackend()
register(STRICT)
