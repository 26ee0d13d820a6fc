"""Which library computes on an array is read off the array's own type.

There is no current backend and nothing to switch: a NumPy tensor and a CuPy tensor live side by
side in one process, and each op asks ``array_module(x)`` for the module that knows x.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any, TypeAlias

import numpy as np

from nnlite.backend.device import CPU, Device
from nnlite.errors import DtypeError

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

    def asarray(self, data: Any, dtype: np.dtype[Any] | None = None) -> Array:
        """An array of this backend from nested sequences, scalars or a NumPy array.

        NumPy input shares its memory where the backend can (NumPy itself), else it is copied.
        """
        raise NotImplementedError

    def to_numpy(self, x: Array) -> np.ndarray[Any, Any]:
        """x as a NumPy array; shares memory where the backend can."""
        raise NotImplementedError

    def scatter_add(self, target: Array, index: Any, source: Array) -> None:
        """``target[index] += source`` in place, where a repeated index adds each time."""
        raise NotImplementedError


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


NUMPY = NumpyBackend()
_BY_TYPE: dict[type, Backend] = {np.ndarray: NUMPY}
_BY_DEVICE: dict[str, Backend] = {"cpu": NUMPY}


def register(backend: Backend) -> None:
    """Make a backend known by its array type and its device's type."""
    _BY_TYPE[backend.array_type] = backend
    _BY_DEVICE[backend.device.type] = backend


def is_array(x: object) -> bool:
    """Whether x is an array of a known backend (NumPy's subclasses and scalars are not)."""
    return type(x) in _BY_TYPE


def is_writable(x: Array) -> bool:
    """Whether x's memory may be written to; always on CuPy, whose flags have no such entry."""
    return bool(getattr(x.flags, "writeable", True))


def backend_of(x: Array) -> Backend:
    """The backend that computes on x; NumPy scalars count as NumPy.

    Raises:
        DtypeError: x is no array of a known backend.
    """
    backend = _BY_TYPE.get(type(x))
    if backend is not None:
        return backend
    if isinstance(x, (np.generic, np.ndarray)):
        return NUMPY
    raise DtypeError(
        "array",
        expected="an array of a known backend (NumPy, CuPy)",
        got=f"{type(x).__module__}.{type(x).__qualname__}",
        hint="make a tensor of it with nnlite.tensor(...)",
    )


def array_module(x: Array) -> Any:
    """The module (numpy, cupy) whose functions take x."""
    if type(x) is np.ndarray:
        return np
    return backend_of(x).xp


def backend_for(device: Device) -> Backend:
    """The backend whose arrays live on a device.

    Raises:
        DeviceError: no backend for that device is available here.
    """
    backend = _BY_DEVICE.get(device.type)
    if backend is None:
        raise device.unavailable()
    return backend
