"""The memory of a CUDA device: its figures, and the error that says what it lacked."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnlite.errors import DeviceMemoryError

__all__ = ["Memory", "pinned"]


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
        cupy, allocate = self._cupy, self._cupy.cuda.get_allocator()

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

        cupy.cuda.set_allocator(malloc)


_watched: list[Memory] = []


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
