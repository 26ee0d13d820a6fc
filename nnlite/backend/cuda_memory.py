"""The memory of a CUDA device: its figures, and the error that says what it lacked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np

from nnlite.errors import DeviceMemoryError

__all__ = ["Memory", "explaining", "one_number", "pinned"]


class Memory:
    """The figures of one device, in bytes. CuPy keeps freed memory in a pool of its own.

    Args:
        cupy: the module.
        index: the device's number.
    """

    def __init__(self, cupy: Any, index: int) -> None:
        self._cupy = cupy
        self._device = cupy.cuda.Device(index)
        self._index = index
        self._pool = cupy.get_default_memory_pool()
        self._peak: int | None = None  # not watched

    def allocated(self) -> int:
        """Held by arrays."""
        with self._device:
            return int(self._pool.used_bytes())

    def reserved(self) -> int:
        """Taken from the device: held by arrays, or kept for later ones."""
        with self._device:
            return int(self._pool.total_bytes())

    def info(self) -> tuple[int, int]:
        """Free and total on the device, whoever uses it."""
        with self._device:
            free, total = self._cupy.cuda.runtime.memGetInfo()
        return int(free), int(total)

    def empty_cache(self) -> None:
        """Give what the pool keeps back to the device."""
        with self._device:
            self._pool.free_all_blocks()
            self._cupy.get_default_pinned_memory_pool().free_all_blocks()

    # -- the largest figure ------------------------------------------------------------------

    def peak(self) -> int:
        """The most held by arrays since watch(); what they hold now where that was not called."""
        now = self.allocated()
        return now if self._peak is None else max(self._peak, now)

    def watch(self) -> None:
        """Start peak() anew. From now on each allocation adds up what is held, which takes time."""
        self._peak = self.allocated()
        if self not in _watched:
            _watched.append(self)

    def note(self) -> None:
        """After an allocation: keep the largest figure."""
        if self._peak is not None:
            self._peak = max(self._peak, self.allocated())

    # -- failures ----------------------------------------------------------------------------

    def explain_failures(self) -> None:
        """Have every allocation that fails, on any device, say what was asked and what is free.

        Whatever allocator CuPy has, its own pool or a user's, goes on to serve; it is only wrapped.
        """
        cuda = self._cupy.cuda
        cuda.set_allocator(explaining(self._cupy, cuda.get_allocator()))


_watched: list[Memory] = []


def explaining(cupy: Any, allocate: Callable[[int], Any]) -> Callable[[int], Any]:
    """An allocator whose failures say what was asked and what is free.

    Args:
        cupy: the module.
        allocate: the allocator that serves.
    """

    def malloc(size: int) -> Any:
        try:
            memory = allocate(size)
        except MemoryError:
            pass
        else:
            for watching in _watched:
                watching.note()
            return memory
        raise _too_little(cupy, size)  # out of the handler, so that no frame holds memory

    return malloc


def _too_little(cupy: Any, size: int) -> DeviceMemoryError:
    free, total = cupy.cuda.runtime.memGetInfo()
    pool = cupy.get_default_memory_pool()
    kept = pool.free_bytes()
    return DeviceMemoryError(
        f"cuda:{cupy.cuda.runtime.getDevice()}",
        expected=f"{_amount(size)} in one piece",
        got=f"{_amount(free)} free of {_amount(total)}"
        + (f", and {_amount(kept)} kept in smaller pieces" if kept else "")
        + f"; tensors hold {_amount(pool.used_bytes())}",
        hint="take smaller batches, or let go of tensors (del x, no_grad()); nothing is lost",
    )


def _amount(size: int) -> str:
    """Bytes in the unit that people read."""
    for unit, scale in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if size >= scale:
            return f"{size / scale:.2f} {unit}"
    return f"{size} bytes"


def one_number(data: Any, dtype: np.dtype[Any] | None = None) -> np.generic | None:
    """A number of the host in its dtype: a kernel gets it as an argument, where a copy would wait.

    Args:
        data: what shall become an array.
        dtype: of the result; NumPy's choice where not given.

    Returns:
        None for anything else, and for -0.0: CuPy fills with zeros, and these have no sign.
    """
    if not isinstance(data, (bool, int, float, np.generic)) and not (
        type(data) is np.ndarray and not data.ndim
    ):
        return None
    array = np.asarray(data, dtype=dtype)
    if array.dtype.kind not in "biuf" or (
        array.dtype.kind == "f" and not array and np.signbit(array)
    ):
        return None
    number: Any = array[()]
    return cast("np.generic", number)


def pinned(cupy: Any, data: Any) -> bool:
    """Whether data is an array of the host in page-locked memory, which devices read by themselves.

    Args:
        cupy: the module.
        data: an array of the host, or anything else, which is not.
    """
    if not isinstance(data, np.ndarray) or not data.size:
        return False
    memory = cupy.cuda.runtime.pointerGetAttributes(data.ctypes.data)
    return int(memory.type) == 1  # cudaMemoryTypeHost; 0 is a pointer that CUDA does not know
