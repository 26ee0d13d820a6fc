"""What a mistake is, and the two Jacobians by which it is named."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from nnlite.autograd.checks.numeric import Numbers

_NEAR = 1e-4  # a rule holds up to this relative error: differences are no more than measured


@dataclass(frozen=True)
class Fault:
    """A mistake: a key to compare by, and what to tell the user."""

    key: str
    text: str
    expected: str = ""
    got: str = ""
    hint: str = ""
    place: str = ""


@dataclass
class Point:
    """Both Jacobians at one point, per checked input.

    Attributes:
        xs: the inputs' numbers.
        columns: which of their elements were moved.
        shapes: the outputs' shapes.
        rows: which output elements were asked for their gradient, all outputs in one row.
        ys: their values.
        analytic: what backward says, (rows, columns) for each input.
        numeric: what differences say.
        checked: the inputs' positions among the arguments.
        ignores_gy: backward gives the same whatever gy is.
    """

    xs: list[Numbers]
    columns: list[Numbers]
    shapes: list[tuple[int, ...]]
    rows: Numbers
    ys: Numbers
    analytic: list[Numbers]
    numeric: list[Numbers]
    checked: list[int]
    ignores_gy: list[bool] = field(default_factory=list)


Found: TypeAlias = tuple[str, str, str] | None
"""A key, a text with a place for the input's name, and a hint."""

Rule: TypeAlias = Callable[[Point, int, Numbers], Found]
"""Of a point, the number of an input, and where its gradient is wrong."""


def close(a: Numbers, b: Numbers) -> Numbers:
    """Element by element, whether two Jacobians agree as far as a rule asks."""
    scale = max(float(np.abs(b[np.isfinite(b)]).max(initial=0.0)), 1e-3)
    return np.asarray(np.abs(a - b) <= _NEAR * scale)


def equal(a: Numbers, b: Numbers) -> bool:
    """Whether two Jacobians agree."""
    return a.shape == b.shape and int(np.count_nonzero(close(a, b))) == a.size


def is_whole(point: Point, i: int) -> bool:
    """Whether no element of input i or of the outputs was left out."""
    outputs = sum(int(np.prod(s)) for s in point.shapes)
    return bool(point.analytic[i].shape == (outputs, point.xs[i].size))
