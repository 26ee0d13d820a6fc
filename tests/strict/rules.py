"""What CuPy refuses, and what it does in silence: the checks shared by arrays and functions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

SCALARS = (bool, int, float, complex, np.generic)


class TransferError(AssertionError):
    """Device memory was read by the host inside ``forbid_transfers()``."""


class DeviceDiffersError(AssertionError):
    """NumPy refuses or defines what CuPy computes otherwise, in silence.

    No subclass of IndexError or ValueError, so that code which relies on NumPy's error fails.
    """


class Transfers:
    """Counts the copies of one direction, or refuses them.

    Args:
        direction: as an error says it, behind "copies".
    """

    def __init__(self, direction: str) -> None:
        self.direction = direction
        self.count = 0
        self.forbidden = 0

    def add(self, what: str) -> None:
        """Count one, or refuse it."""
        if self.forbidden:
            raise TransferError(f"{what} copies {self.direction}")
        self.count += 1

    @contextmanager
    def forbid(self) -> Iterator[None]:
        """Have every copy inside raise TransferError."""
        self.forbidden += 1
        try:
            yield
        finally:
            self.forbidden -= 1

    @contextmanager
    def allow(self) -> Iterator[None]:
        """Count nothing inside, and refuse nothing."""
        before = self.count, self.forbidden
        self.forbidden = 0
        try:
            yield
        finally:
            self.count, self.forbidden = before


transfers = Transfers("from the device to the host")
"""What makes the host wait for the device."""

uploads = Transfers("from the host to the device")
"""What no graph can hold: it would read that memory of the host again at each launch."""

bindings = Transfers("nothing, but calls CuPy's binding of cuBLAS, which refuses to be recorded")
"""Products by CuPy itself: nnlite's own go through ``Backend.matmul``."""

forbid_transfers = transfers.forbid


@contextmanager
def indices_in_bounds() -> Iterator[None]:
    """DeviceDiffersError for an index array that NumPy refuses: CuPy wraps around instead."""
    try:
        yield
    except IndexError as error:
        if "out of bounds" not in str(error):
            raise
        raise DeviceDiffersError(f"CuPy wraps index arrays around: {error}") from None


def refuse_repeated(positions: Any) -> None:
    """Refuse to assign several values to one place."""
    if np.unique(positions).size != positions.size:
        raise DeviceDiffersError("a repeated index: which value CuPy stores is undefined")


def no_numpy(x: Any, what: str) -> TypeError:
    """The error for an array of the host, and for other things that CuPy does not take."""
    return TypeError(f"{what}: unsupported type {type(x).__name__}; CuPy takes its own arrays only")
