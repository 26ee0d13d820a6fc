"""What is noted of the checks of a row: how many, the largest error, and what failed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tests.certify.exceptions import Difference, known


@dataclass
class Tally:
    """The cases of one kind, and the largest error among them."""

    cases: int = 0
    worst: float = 0.0


@dataclass
class Record:
    """The checks of one row of the table.

    The error of a result a against b is ``|a - b| / (1 + |b|)``, relative for large numbers and
    absolute for small ones. NaN stands for NaN and an infinity for the same infinity.
    """

    name: str
    double: bool | None = None
    tallies: dict[str, Tally] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    differences: list[Difference] = field(default_factory=list)
    different: int = 0

    @property
    def cases(self) -> int:
        """All checks of the row."""
        return sum(tally.cases for tally in self.tallies.values())

    def near(self, kind: str, actual: Any, expected: Any, tolerance: float, what: str) -> None:
        """One case: equal in shape and dtype, and in value up to the tolerance."""
        a, b = np.asarray(actual), np.asarray(expected)
        if a.shape != b.shape or a.dtype != b.dtype:
            got = f"{a.dtype}{list(a.shape)} for {b.dtype}{list(b.shape)}"
            self.true(kind, False, f"{what}: {got}")
            return
        error = largest_error(a, b)
        if self.true(kind, error <= tolerance, f"{what}: error {error:.3g}, {_places(a, b)}"):
            self.tallies[kind].worst = max(self.tallies[kind].worst, error)

    def true(self, kind: str, condition: bool, what: str) -> bool:
        """One case that holds or does not."""
        self.tallies.setdefault(kind, Tally()).cases += 1
        if not condition:
            difference = known(self.name, kind, what)
            if difference is None:
                self.failures.append(f"{self.name}: {kind}: {what}")
                return condition
            self.different += 1
            if difference not in self.differences:
                self.differences.append(difference)
        return condition


def largest_error(a: np.ndarray, b: np.ndarray) -> float:
    """The largest |a - b| / (1 + |b|); infinite where one is finite and the other is not."""
    if not a.size:
        return 0.0
    if a.dtype.kind != "f":
        return 0.0 if np.array_equal(a, b) else float("inf")
    a, b = a.astype("float64"), b.astype("float64")
    with np.errstate(all="ignore"):
        error = np.abs(a - b) / (1 + np.abs(b))
    error = np.where((a == b) | (np.isnan(a) & np.isnan(b)), 0.0, error)
    return float(np.nan_to_num(error, nan=np.inf).max())


def _places(a: np.ndarray, b: np.ndarray) -> str:
    """The first elements that differ."""
    a, b = a.ravel(), b.ravel()
    wrong = (
        np.flatnonzero(~((a == b) | (np.isnan(a) & np.isnan(b))))
        if a.dtype.kind == "f"
        else (np.flatnonzero(a != b))
    )
    return "; ".join(f"[{i}] {a[i]:.9g} for {b[i]:.9g}" for i in wrong[:4])
