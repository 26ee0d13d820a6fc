"""Checks of the settings that layers are made with."""

from __future__ import annotations

from typing import Any

from nnlite.errors import ArgumentError
from nnlite.ops.common import as_index


def count(op: str, argument: str, value: Any) -> int:
    """A whole number of 1 or more.

    Raises:
        DtypeError: no whole number.
        ArgumentError: below 1.
    """
    n = as_index(op, argument, value)
    if n < 1:
        raise ArgumentError(
            op, argument, expected="1 or more", got=str(n), hint="a layer without units has no use"
        )
    return n
