"""Silence for results that IEEE 754 defines: 1/0, log(0), an overflow to infinity.

NumPy warns of them, PyTorch does not, and a warning from deep inside an op helps nobody.
``np.errstate`` costs as much as a small op does, most of it to build its settings anew at each
entry. NumPy keeps these settings in a context variable, so here they are built once, and entering
is to set that variable.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import copy_context
from functools import partial
from types import TracebackType
from typing import Any

import numpy as np


def _switches() -> tuple[Callable[[], Any], Callable[[Any], Any]]:
    with np.errstate(all="ignore"):
        for variable, settings in copy_context().items():
            if variable.name == "numpy.ufunc.extobj":
                return partial(variable.set, settings), variable.reset
    return _enter_errstate, _leave_errstate


def _enter_errstate() -> Any:
    """The slow way, for a NumPy that keeps its settings elsewhere."""
    state = np.errstate(all="ignore")
    state.__enter__()
    return state


def _leave_errstate(state: Any) -> None:
    state.__exit__()


hush, unhush = _switches()
"""``token = hush()`` silences NumPy in this context, ``unhush(token)`` takes that back."""


class quiet:
    """``with quiet():`` around computations on arrays outside an op."""

    def __enter__(self) -> None:
        self._token = hush()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        unhush(self._token)
