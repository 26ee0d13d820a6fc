"""CuPy's functions on one of several devices, whichever is the current one."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from types import ModuleType
from typing import Any


class OnDevice:
    """A module, or a function with attributes (``add.at``), that runs on one device.

    Args:
        what: the module or function.
        here: makes the device current for a ``with`` block.
    """

    def __init__(self, what: Any, here: Callable[[], AbstractContextManager[Any]]) -> None:
        self._what = what
        self._here = here

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._what, name)
        if isinstance(value, ModuleType) or (callable(value) and not isinstance(value, type)):
            value = OnDevice(value, self._here)
            setattr(self, name, value)  # found at once the next time
        return value

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        with self._here():
            return self._what(*args, **kwargs)
