"""Which library computes on an array is read off the array's own type.

There is no current backend and nothing to switch: a NumPy tensor and a CuPy tensor live side by
side in one process, and each op asks ``array_module(x)`` for the module that knows x.

A library that may be missing announces itself with ``register_late``: it is imported when its
device is first asked for, or when an array of its type is first met.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from nnlite.backend.device import CPU, Device
from nnlite.errors import DeviceError, DtypeError

if TYPE_CHECKING:
    from nnlite.backend.cuda_graph import Graph
    from nnlite.backend.kernels import Kernels

Array: TypeAlias = Any
"""An array of any backend. They share NumPy's interface, but no common base class."""


class Backend:
    """What an array library must offer beyond the interface that it shares with NumPy.

    Attributes:
        xp: the module with the functions (numpy, cupy).
        array_type: the class of its arrays, by which the backend is found.
        device: where its arrays live.
    """

    xp: Any
    array_type: type
    device: Device

    def of(self, x: Array) -> Backend:
        """The backend of x's own device, where the library knows several devices."""
        return self

    def at(self, index: int | None) -> Backend:
        """The backend of the device with this index; None means the current one.

        Raises:
            DeviceError: there is no such device.
        """
        if index:
            raise DeviceError(
                "device",
                expected=f"index 0: there is one {self.device.type!r} device",
                got=f"'{self.device.type}:{index}'",
                hint=f"say '{self.device.type}'",
            )
        return self

    def asarray(self, data: Any, dtype: np.dtype[Any] | None = None) -> Array:
        """An array of this backend from nested sequences, scalars or a NumPy array.

        NumPy input shares its memory where the backend can (NumPy itself), else it is copied.
        """
        raise NotImplementedError

    def receive(self, x: Array, non_blocking: bool = False) -> Array:
        """A copy here of an array of any device.

        Args:
            x: the array.
            non_blocking: go on while page-locked memory is still read; it must not change then.
        """
        return self.asarray(backend_of(x).to_numpy(x))

    def to_numpy(self, x: Array) -> np.ndarray[Any, Any]:
        """x as a NumPy array; shares memory where the backend can."""
        raise NotImplementedError

    def scatter_add(self, target: Array, index: Any, source: Array) -> None:
        """``target[index] += source`` in place, where a repeated index adds each time."""
        raise NotImplementedError

    def kernels(self, family: str, source: str) -> Kernels | None:
        """The compiled functions of one CUDA source, kept for each device.

        Args:
            family: the source's name, for messages ("pool").
            source: its text.

        Returns:
            None where there is no compiler for it, as on the CPU: ops then use their NumPy twin.
        """
        return None

    def matmul(self, a: Array, b: Array, out: Array | None = None) -> Array:
        """``a @ b`` as NumPy's matmul defines it, into out where that is given."""
        return self.xp.matmul(a, b, out=out)

    def graph(self) -> Graph | None:
        """Room for work that the device then repeats by itself; None where it cannot."""
        return None

    def pin(self, x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """x in memory of the host from which copies to here need not wait; else x itself."""
        return x


class NumpyBackend(Backend):
    """The CPU."""

    def __init__(self) -> None:
        self.xp: ModuleType = np
        self.array_type = np.ndarray
        self.device = CPU

    def asarray(self, data: Any, dtype: np.dtype[Any] | None = None) -> Array:
        return np.asarray(data, dtype=dtype)

    def to_numpy(self, x: Array) -> np.ndarray[Any, Any]:
        return x  # type: ignore[no-any-return]

    def scatter_add(self, target: Array, index: Any, source: Array) -> None:
        np.add.at(target, index, source)

    def receive(self, x: Array, non_blocking: bool = False) -> Array:
        host = backend_of(x).to_numpy(x)
        return x.copy() if host is x else host


NUMPY = NumpyBackend()
_BY_TYPE: dict[type, Backend] = {np.ndarray: NUMPY}
_BY_DEVICE: dict[str, Backend] = {"cpu": NUMPY}
_LATE_DEVICES: dict[str, Callable[[str], Backend]] = {}
_LATE_PACKAGES: dict[str, Callable[[str], Backend]] = {}

# asked for often, and surely no arrays: reading a type's module takes longer than all the rest
_SCALARS = frozenset({bool, int, float, tuple, list, type(None), *np.sctypeDict.values()})


def register(backend: Backend) -> None:
    """Make a backend known by its array type and its device's type."""
    _BY_TYPE[backend.array_type] = backend
    _BY_DEVICE[backend.device.type] = backend


def register_like_numpy(kind: type) -> None:
    """Make a class of arrays known on which NumPy's own functions compute."""
    _BY_TYPE[kind] = NUMPY


def register_late(device_type: str, package: str, load: Callable[[str], Backend]) -> None:
    """Announce a backend that is made when it is first needed.

    Args:
        device_type: the type of its device, "cuda".
        package: the module whose ``ndarray`` is its array type, "cupy".
        load: makes it, or says why it cannot; called with the op that needs it, until it succeeds.
    """
    _LATE_DEVICES[device_type] = load
    _LATE_PACKAGES[package] = load


def _meet(kind: type) -> bool:
    """Whether a type of arrays belongs to a backend announced late, which is then made."""
    load = _LATE_PACKAGES.get(kind.__module__)
    if load is None or kind.__name__ != "ndarray":
        return False
    register(load("array"))
    return kind in _BY_TYPE


def is_array(x: object) -> bool:
    """Whether x is an array of a known backend (NumPy's subclasses and scalars are not)."""
    kind = type(x)
    return kind in _BY_TYPE or (kind not in _SCALARS and _meet(kind))


def is_writable(x: Array) -> bool:
    """Whether x's memory may be written to; always on CuPy, whose flags have no such entry."""
    return bool(getattr(x.flags, "writeable", True))


def backend_of(x: Array) -> Backend:
    """The backend that computes on x; NumPy scalars count as NumPy.

    Raises:
        DtypeError: x is no array of a known backend.
    """
    if type(x) is np.ndarray:
        return NUMPY
    if is_array(x):
        return _BY_TYPE[type(x)].of(x)
    if isinstance(x, (np.generic, np.ndarray)):
        return NUMPY
    raise DtypeError(
        "array",
        expected="an array of a known backend (NumPy, CuPy)",
        got=f"{type(x).__module__}.{type(x).__qualname__}",
        hint="make a tensor of it with nnlite.tensor(...)",
    )


def same_device(a: Array, b: Array) -> bool:
    """Whether two arrays lie on one device. Arrays of two GPUs have one type."""
    if a.__class__ is not b.__class__:
        return False
    return a.__class__ is np.ndarray or backend_of(a) is backend_of(b)


def array_module(x: Array) -> Any:
    """The module (numpy, cupy) whose functions take x."""
    if type(x) is np.ndarray:
        return np
    return backend_of(x).xp


def backend_for(device: Device) -> Backend:
    """The backend whose arrays live on a device.

    Raises:
        DeviceError: no backend for that device is available here, or it has no such index.
    """
    backend = _BY_DEVICE.get(device.type)
    if backend is None:
        load = _LATE_DEVICES.get(device.type)
        if load is None:
            raise device.unavailable()
        backend = load("device")
        register(backend)
    return backend if device.index is None and backend is NUMPY else backend.at(device.index)


def names_device(given: object) -> bool:
    """Whether it is a device, its number, or a text such as "cuda:1"; "float64" is none."""
    if isinstance(given, (Device, int)):
        return True
    kind = given.partition(":")[0] if isinstance(given, str) else ""
    return kind in ("cpu", "cuda") or kind in _BY_DEVICE
