"""What the probes share: the script under test, its numbers, images to feed it."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np

import nnlite
from nnlite.data import TensorDataset


class BugRemainsError(Exception):
    """The script does not do what it should; the message says what it does instead."""


class Script:
    """The functions of a student's file, as attributes."""

    def __init__(self, module: ModuleType) -> None:
        self._module = module

    def __getattr__(self, name: str) -> Any:
        try:
            return getattr(self._module, name)
        except AttributeError:
            raise BugRemainsError(
                f"{name}() is not there any more. Keep the names and arguments of the functions: "
                "they are called to see what they do."
            ) from None


def number(value: Any, function: str) -> float:
    """What a function returned, as a number.

    Raises:
        BugRemainsError: it is none.
    """
    if isinstance(value, nnlite.Tensor) and value.numel() != 1:
        raise BugRemainsError(f"{function} gives {value.numel()} numbers instead of one.")
    try:
        return float(value)
    except (TypeError, ValueError):
        kind = type(value).__name__
        raise BugRemainsError(f"{function} gives a {kind} instead of a number.") from None


def parts(value: Any, count: int, function: str) -> tuple[Any, ...]:
    """What a function returned, as so many values.

    Raises:
        BugRemainsError: it returned something else.
    """
    if not isinstance(value, (tuple, list)) or len(value) != count:
        kind = f"{len(value)}" if isinstance(value, (tuple, list)) else type(value).__name__
        raise BugRemainsError(f"{function} returns {kind} instead of {count} values; see its text.")
    return tuple(value)


def random_images(n: int) -> TensorDataset:
    """Images (n, 1, 28, 28) of noise in [-1, 1], with labels (n,)."""
    draw = np.random.default_rng(n)
    images = draw.uniform(-1, 1, (n, 1, 28, 28)).astype(np.float32)
    return TensorDataset(nnlite.from_numpy(images), nnlite.from_numpy(draw.integers(0, 10, n)))


def good_enough(accuracy: float, function: str = "main()") -> str:
    """A sentence on a test accuracy that shows that something was learnt.

    Raises:
        BugRemainsError: it does not; the right scripts reach 75 % and more.
    """
    if not 0 <= accuracy <= 1:
        raise BugRemainsError(f"{function} gives {accuracy:g}, which is no share from 0 to 1.")
    if accuracy < 0.6:
        raise BugRemainsError(
            f"It runs, but its test accuracy is {100 * accuracy:.1f} %, which is too low for ten "
            "classes that this network can tell apart: look at the values that you chose."
        )
    return f"It runs to the end, with a test accuracy of {100 * accuracy:.1f} %."
