"""Where nnlite differs from PyTorch on purpose, and why. Everything else that differs fails."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Difference:
    """One deliberate difference.

    Attributes:
        rows: the rows' names, a regular expression that fits the whole name.
        kind: the kind of the check.
        where: a regular expression found in the check's description.
        reason: printed in the certificate.
    """

    rows: str
    kind: str
    where: str
    reason: str


DIFFERENCES: tuple[Difference, ...] = ()


def known(row: str, kind: str, what: str) -> Difference | None:
    """The difference that a failed check falls under, if any."""
    for difference in DIFFERENCES:
        if (
            difference.kind == kind
            and re.fullmatch(difference.rows, row)
            and re.search(difference.where, what)
        ):
            return difference
    return None
