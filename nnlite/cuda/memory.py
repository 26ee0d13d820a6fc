"""How much of a device's memory is in use, in bytes. Figures of 0 as long as none was used."""

from __future__ import annotations

from nnlite.backend.cuda import all_loaded
from nnlite.cuda.devices import DeviceLike, find


def memory_allocated(device: DeviceLike = None) -> int:
    """Bytes that tensors hold on a device."""
    return find("memory_allocated", device).memory.allocated() if all_loaded() else 0


def memory_reserved(device: DeviceLike = None) -> int:
    """Bytes taken from a device: held by tensors, or kept for later ones."""
    return find("memory_reserved", device).memory.reserved() if all_loaded() else 0


def max_memory_allocated(device: DeviceLike = None) -> int:
    """The most bytes that tensors held since ``reset_peak_memory_stats``.

    Unlike in PyTorch nothing is watched before that call, since watching slows each allocation
    down: until then it is what tensors hold now.
    """
    return find("max_memory_allocated", device).memory.peak() if all_loaded() else 0


def reset_peak_memory_stats(device: DeviceLike = None) -> None:
    """Watch from now on how much memory tensors hold; see ``max_memory_allocated``.

    Raises:
        DeviceError: the device is not there.
    """
    find("reset_peak_memory_stats", device).memory.watch()


def mem_get_info(device: DeviceLike = None) -> tuple[int, int]:
    """(free, total) bytes of a device, whoever uses them.

    Raises:
        DeviceError: it is not there.
    """
    return find("mem_get_info", device).memory.info()


def empty_cache() -> None:
    """Give memory that no tensor holds back to the devices, for other programs to use."""
    for backend in all_loaded():
        backend.memory.empty_cache()
