"""The backend of a CUDA device, by CuPy. Loaded when such a device is first asked for."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np

from nnlite.backend.cuda_blas import Blas
from nnlite.backend.cuda_errors import explained
from nnlite.backend.cuda_graph import CudaGraph, Graph, refuse_uploads
from nnlite.backend.cuda_memory import Memory, one_number, pinned
from nnlite.backend.cuda_proxy import OnDevice
from nnlite.backend.cuda_scatter import scatter_add
from nnlite.backend.device import Device
from nnlite.backend.kernels import CudaKernels, Kernels
from nnlite.backend.registry import Array, Backend, backend_of
from nnlite.backend.reports import raise_reports
from nnlite.errors import DeviceError

__all__ = ["CudaBackend"]


class CudaBackend(Backend):
    """One CUDA device.

    Arrays are made on it whichever device is the current one. Functions of CuPy run on the current
    device, as CuPy has it: ``with backend.here():`` makes this one current.

    Args:
        cupy: the module.
        index: the device's number.
        family: the backends of all devices, by number.

    Attributes:
        index: its number.
        memory: its figures of memory.
    """

    def __init__(self, cupy: Any, index: int, family: Sequence[CudaBackend]) -> None:
        self._family = family
        self.cupy = cupy
        self.index = index
        self.device = Device("cuda", index)
        self.array_type = cupy.ndarray
        self._several = int(cupy.cuda.runtime.getDeviceCount()) > 1
        self.xp = OnDevice(cupy, self.here) if self._several else cupy
        self.memory = Memory(cupy, index)
        self._blas: Blas | None = None
        self._kernels: dict[tuple[str, str], Kernels] = {}

    def here(self) -> AbstractContextManager[Any]:
        """The block inside runs on this device."""
        if self._several:
            return self.cupy.cuda.Device(self.index)  # type: ignore[no-any-return]
        return nullcontext()

    # -- Backend -----------------------------------------------------------------------------

    def of(self, x: Array) -> Backend:
        return self._family[x.data.device_id] if self._several else self

    def at(self, index: int | None) -> Backend:
        if index is None:
            return self._family[self.cupy.cuda.runtime.getDevice()] if self._several else self
        if index < len(self._family):
            return self._family[index]
        raise DeviceError(
            "device",
            expected=f"one of the {len(self._family)} CUDA devices here, counted from 0",
            got=f"'cuda:{index}'",
            hint="nnlite.cuda.device_count(); CUDA_VISIBLE_DEVICES may hide some",
        )

    def asarray(self, data: Any, dtype: np.dtype[Any] | None = None) -> Array:
        if type(data) is self.array_type and self.of(data) is not self:
            raise DeviceError(
                "asarray",
                expected=f"an array on {self.device}, or of the host",
                got=f"one on {self.of(data).device}",
                hint="move it with .to(device); nothing moves by itself",
            )
        with explained(str(self.device)), self.here():
            if (number := one_number(data, dtype)) is not None:
                return self.cupy.full((), number, dtype=number.dtype)
            if type(data) is not self.array_type:
                refuse_uploads()
            # page-locked host memory would still be read after the return
            return self.cupy.asarray(data, dtype=dtype, blocking=pinned(self.cupy, data))

    def receive(self, x: Array, non_blocking: bool = False) -> Array:
        with explained(str(self.device)), self.here():
            if type(x) is self.array_type:
                return self.cupy.array(x)
            refuse_uploads()
            host = backend_of(x).to_numpy(x)
            wait = not non_blocking and pinned(self.cupy, host)
            return self.cupy.array(host, blocking=wait)

    def to_numpy(self, x: Array) -> np.ndarray[Any, Any]:
        with explained(str(self.device)):
            return x.get()  # type: ignore[no-any-return]

    def pin(self, x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """A copy of an array of the host in page-locked memory; x itself where it lies there."""
        if pinned(self.cupy, x):
            return x
        with explained("pin_memory"):
            out: np.ndarray[Any, Any] = importlib.import_module("cupyx").empty_like_pinned(x)
        out[...] = x
        return out

    def is_pinned(self, x: np.ndarray[Any, Any]) -> bool:
        """Whether an array of the host lies in page-locked memory."""
        return pinned(self.cupy, x)

    def scatter_add(self, target: Array, index: Any, source: Array) -> None:
        with self.here():
            scatter_add(self, target, index, source)

    def kernels(self, family: str, source: str) -> Kernels | None:
        found = self._kernels.get((family, source))
        if found is None:
            with self.here():
                found = self._kernels[family, source] = CudaKernels(family, source)
        return found

    def matmul(self, a: Array, b: Array, out: Array | None = None) -> Array:
        if self._blas is None:
            self._blas = Blas.load(self.cupy, self.capability())
        with self.here():
            return self._blas.matmul(self.cupy, a, b, out)

    def graph(self) -> Graph:
        return CudaGraph(self.cupy, self.here)

    # -- the device --------------------------------------------------------------------------

    def name(self) -> str:
        """As its maker calls it, "NVIDIA H100"."""
        name = self.cupy.cuda.runtime.getDeviceProperties(self.index)["name"]
        return name.decode() if isinstance(name, bytes) else str(name)

    def capability(self) -> tuple[int, int]:
        """Its compute capability, (9, 0)."""
        properties = self.cupy.cuda.runtime.getDeviceProperties(self.index)
        return int(properties["major"]), int(properties["minor"])

    def make_current(self) -> None:
        """Have "cuda" mean this device, in this thread."""
        self.cupy.cuda.runtime.setDevice(self.index)

    def synchronize(self) -> None:
        """Wait until all work given to it is done; raises what its kernels reported since."""
        with explained("synchronize"), self.cupy.cuda.Device(self.index):
            self.cupy.cuda.runtime.deviceSynchronize()
            raise_reports(self)
