"""The table of op cases: every CASES list of the modules in this package."""

from __future__ import annotations

import importlib
import pkgutil

from tests.cases.base import OpCase


def collect() -> list[OpCase]:
    """All rows, in the order of the modules' names."""
    rows: list[OpCase] = []
    for found in pkgutil.iter_modules(__path__):
        module = importlib.import_module(f"{__name__}.{found.name}")
        rows.extend(getattr(module, "CASES", ()))
    return rows
