"""A small module that passes for CuPy: several devices, little memory, failures on demand.

It is no array library (that is tests.strict): it has what nnlite's CUDA backend asks of devices,
memory and streams, kept in the host's memory by NumPy. Every array knows the device it was made on.
"""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from nnlite.backend import cuda, registry


class CUDARuntimeError(RuntimeError):
    """As ``cupy.cuda.runtime.CUDARuntimeError``: CUDA's number is its status."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class OutOfMemoryError(MemoryError):
    """As ``cupy.cuda.memory.OutOfMemoryError``."""


class Machine:
    """The devices behind one fake module.

    Attributes:
        current: the current device's number.
        fails: the error that every call of CUDA raises, where set.
        waits: the devices that somebody waited for.
        pins: addresses of page-locked arrays.
        blocking: whether each upload waited.
    """

    def __init__(self, devices: int, memory: int) -> None:
        self.devices, self.memory = devices, memory
        self.current = 0
        self.held = [0] * devices
        self.fails: Exception | None = None
        self.waits: list[int] = []
        self.pins: dict[int, Any] = {}
        self.blocking: list[bool] = []
        self.allocator = self.malloc

    def call(self) -> None:
        if self.fails is not None:
            raise self.fails

    def malloc(self, size: int) -> int:
        if self.held[self.current] + size > self.memory:
            raise OutOfMemoryError(size)
        self.held[self.current] += size
        return size


class FakeArray:
    """What the fake module calls ndarray."""

    __array_ufunc__ = None
    machine: Machine

    def __init__(self, x: Any, device_id: int) -> None:
        self.x = np.asarray(x)
        self.data = SimpleNamespace(device_id=device_id, ptr=self.x.ctypes.data)

    shape = property(lambda self: self.x.shape)
    dtype = property(lambda self: self.x.dtype)
    ndim = property(lambda self: self.x.ndim)
    size = property(lambda self: self.x.size)
    nbytes = property(lambda self: self.x.nbytes)
    flags = property(lambda self: SimpleNamespace(c_contiguous=self.x.flags.c_contiguous))

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        return dict(self.x.__array_interface__)

    def __dlpack_device__(self) -> tuple[int, int]:
        return 2, self.data.device_id

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        raise TypeError("Implicit conversion to a NumPy array is not allowed.")

    def get(self) -> Any:
        self.machine.call()
        return self.x.copy()

    def __setitem__(self, key: Any, value: Any) -> None:
        self.x[key] = getattr(value, "x", value)

    def item(self) -> Any:
        return self.x.item()

    def astype(self, dtype: Any, order: str = "K", copy: bool = True) -> FakeArray:
        return type(self)(self.x.astype(dtype), self.data.device_id)

    def min(self) -> FakeArray:
        return type(self)(self.x.min(), self.data.device_id)

    def max(self) -> FakeArray:
        return type(self)(self.x.max(), self.data.device_id)

    def reshape(self, *shape: Any) -> FakeArray:
        return type(self)(self.x.reshape(*shape), self.data.device_id)

    base = None

    def computed(self, function: Any, *others: Any, **options: Any) -> FakeArray:
        """On the current device, which must be that of all arrays: as CuPy without peer access."""
        for x in (self, *others):
            if isinstance(x, FakeArray) and x.data.device_id != self.machine.current:
                raise ValueError(
                    f"The device where the array resides ({x.data.device_id}) is different from "
                    f"the current device ({self.machine.current}). Peer access is unavailable "
                    "between these devices."
                )
        values = [getattr(x, "x", x) for x in (self, *others)]
        return type(self)(function(*values, **options), self.machine.current)

    def copy(self) -> FakeArray:
        return self.computed(np.copy)

    def sum(self, *args: Any, **options: Any) -> FakeArray:
        return self.computed(np.sum, *args, **options)

    def __add__(self, other: Any) -> FakeArray:
        return self.computed(np.add, other)

    def __mul__(self, other: Any) -> FakeArray:
        return self.computed(np.multiply, other)

    def __rmul__(self, other: Any) -> FakeArray:
        return self.computed(np.multiply, other)

    def __sub__(self, other: Any) -> FakeArray:
        return self.computed(np.subtract, other)

    def __neg__(self) -> FakeArray:
        return self.computed(np.negative)

    def __iadd__(self, other: Any) -> FakeArray:
        self.x = self.computed(np.add, other).x
        return self

    def __isub__(self, other: Any) -> FakeArray:
        self.x = self.computed(np.subtract, other).x
        return self


class FakeDevice:
    def __init__(self, machine: Machine, index: int) -> None:
        self.machine, self.id = machine, index

    def __enter__(self) -> None:
        self.before, self.machine.current = self.machine.current, self.id

    def __exit__(self, *args: Any) -> None:
        self.machine.current = self.before


class FakePool:
    def __init__(self, machine: Machine) -> None:
        self.machine, self.freed = machine, 0

    def used_bytes(self) -> int:
        return self.machine.held[self.machine.current]

    def total_bytes(self) -> int:
        return 2 * self.used_bytes()

    def free_bytes(self) -> int:
        return self.used_bytes()

    def free_all_blocks(self) -> None:
        self.freed += 1


def make(devices: int, memory: int = 2**20) -> tuple[ModuleType, Machine]:
    """The fake module, and the machine it runs on."""
    m = Machine(devices, memory)
    cupy: Any = ModuleType("cupy")
    kind = type("ndarray", (FakeArray,), {"machine": m, "__module__": "cupy"})

    def new(x: Any) -> Any:
        m.call()
        x = np.asarray(x)
        m.allocator(x.nbytes)
        return kind(x, m.current)

    def creator(function: Any) -> Any:
        return lambda *args, **kwargs: new(function(*args, **kwargs))

    def upload(x: Any, dtype: Any = None, blocking: bool = False, copy: bool = True) -> Any:
        m.blocking.append(blocking)
        if not copy and isinstance(x, kind):
            return x
        if hasattr(x, "__cuda_array_interface__") and not isinstance(x, kind):
            return kind(x.x, m.current)  # as CuPy does: on its memory
        return new(np.array(getattr(x, "x", x), dtype=dtype))

    def count() -> int:
        m.call()
        return m.devices

    def current(device: int) -> None:
        m.current = device

    def properties(device: int) -> dict[str, Any]:
        return {"name": f"Fake {device}".encode(), "major": 9, "minor": 0}

    def synchronize() -> None:
        m.call()
        m.waits.append(m.current)

    def set_allocator(allocator: Any) -> None:
        m.allocator = allocator

    def attributes(pointer: int) -> Any:
        return SimpleNamespace(type=int(pointer in m.pins))

    pool = FakePool(m)
    cupy.ndarray = kind
    cupy.array = upload
    cupy.asarray = lambda x, dtype=None, blocking=False: upload(x, dtype, blocking, copy=False)
    cupy.from_dlpack = lambda x: kind(x.x, m.current)
    for name in ("empty", "zeros", "ones", "full"):
        setattr(cupy, name, creator(getattr(np, name)))

    def computing(function: Any) -> Any:
        def call(x: Any, *others: Any, out: Any = None, **options: Any) -> Any:
            found = x.computed(function, *others, **options)
            if out is None:
                return found
            out.x[...] = found.x
            return out

        return call

    for name in ("add", "subtract", "multiply", "broadcast_to", "empty_like", "zeros_like"):
        setattr(cupy, name, computing(getattr(np, name)))
    cupy.get_default_memory_pool = lambda: pool
    cupy.get_default_pinned_memory_pool = lambda: pool
    runtime = SimpleNamespace(
        getDeviceCount=count,
        getDevice=lambda: m.current,
        setDevice=current,
        getDeviceProperties=properties,
        deviceSynchronize=synchronize,
        memGetInfo=lambda: (m.memory - m.held[m.current], m.memory),
        pointerGetAttributes=attributes,
    )
    cupy.cuda = SimpleNamespace(
        runtime=runtime,
        Device=lambda index: FakeDevice(m, index),
        get_allocator=lambda: m.allocator,
        set_allocator=set_allocator,
    )
    return cupy, m


def install(monkeypatch: pytest.MonkeyPatch, cupy: object) -> None:
    """Have ``import cupy`` find this, and nnlite forget what it knows of CUDA, for one test."""
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    forget(monkeypatch)


def forget(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have nnlite look for CUDA anew."""
    monkeypatch.setattr(cuda, "_backends", [])
    for name in ("_BY_TYPE", "_BY_DEVICE"):
        known = {k: v for k, v in getattr(registry, name).items() if v.device.type != "cuda"}
        monkeypatch.setattr(registry, name, known)
