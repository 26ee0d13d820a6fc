"""What kernels found wrong: noted on the device, raised when somebody waits for it.

A kernel cannot raise, and to ask after each one whether all was well would make the host wait.
So a kernel that meets a label outside its range writes it down, goes on with NaN, and the error
comes with the next ``synchronize()``.
"""

from __future__ import annotations

import threading
from typing import Any, Protocol

import numpy as np

from nnlite.backend.registry import Array, Backend, backend_of

__all__ = ["raise_reports", "report_for"]


class Fail(Protocol):
    """Makes the error of a report from the number that the kernel wrote down."""

    def __call__(self, found: int) -> Exception: ...


_lock = threading.Lock()
_reports: dict[tuple[Backend, str], tuple[Array, Fail]] = {}


def report_for(x: Array, name: str, fail: Fail) -> Array:
    """Room for a report on x's device, int64 (2,): whether there is one, and a number.

    Args:
        x: an array of the device.
        name: which report; the same room each time.
        fail: makes the error.
    """
    backend = backend_of(x)
    found = _reports.get((backend, name))
    if found is None:
        with _lock:
            room = backend.asarray(np.zeros(2, dtype=np.int64))
            found = _reports.setdefault((backend, name), (room, fail))
    return found[0]


def raise_reports(backend: Backend) -> None:
    """Raise what kernels on a device reported, once; waits for the device.

    Raises:
        Exception: the first report's error.
    """
    for (device, _), (room, fail) in list(_reports.items()):
        if device is not backend:
            continue
        there: np.ndarray[Any, Any] = backend.to_numpy(room)
        if there[0]:
            room.fill(0)
            raise fail(int(there[1]))
