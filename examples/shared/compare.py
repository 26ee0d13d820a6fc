"""One published value beside the reproduced one: inside what is accepted, or not, and why."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

KINDS = ("data", "epochs", "batch", "quirks")
"""What a published value may depend on; a run that differs there cannot be compared with it.

"quirks" stands for all of them; one alone is the kind "quirk NAME".
"""


def number(value: Any, digits: int = 2, unit: str = "") -> str:
    """A value as text: "88.72 %"; a dash where there is none."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return "–"
    if isinstance(value, str):
        return value
    text = f"{value:,}" if isinstance(value, int) else f"{value:,.{digits}f}"
    return f"{text} {unit}".rstrip()


def comparison(
    what: str,
    published: float | str | None,
    reproduced: float | str | Sequence[float] | None,
    *,
    tolerance: float | None = None,
    at_least: float | None = None,
    at_most: float | None = None,
    inside: bool | None = None,
    reason: str = "",
    digits: int = 2,
    unit: str = "",
    caveats: Mapping[str, str],
    depends: Sequence[str] = KINDS,
) -> dict[str, Any]:
    """A row of the table published / reproduced / reason, as results.json holds it.

    Arguments as Run.compare. ``inside`` of the row is None where the two cannot be compared; with
    several seeds it is True only where each of them lies inside.
    """
    values = _values(reproduced)
    low, high = at_least, at_most
    if tolerance is not None and isinstance(published, int | float):
        low, high = published - tolerance, published + tolerance
    hindrances = hindering(caveats, depends)
    judged = [v for v in values if v is not None]
    if hindrances or reproduced is None or len(judged) < len(values):
        inside = None
    elif inside is None and judged and (low is not None or high is not None):
        inside = all(_within(v, low, high) for v in judged)
    if isinstance(reproduced, str):
        shown: float | str | None = reproduced
    else:
        shown = math.fsum(judged) / len(judged) if judged else None
    if isinstance(reproduced, int) and not isinstance(reproduced, bool):
        shown = reproduced
    return {
        "what": what,
        "published": published,
        "reproduced": shown,
        "values": values,
        "band": [min(judged), max(judged)] if len(judged) > 1 else None,
        "accepted": None if low is None and high is None else [low, high],
        "inside": inside,
        "reason": reason or _reason(judged, low, high, inside, hindrances, digits, unit),
        "caveats": hindrances,
        "digits": digits,
        "unit": unit,
    }


def hindering(caveats: Iterable[str], depends: Sequence[str]) -> list[str]:
    """The kinds of caveat that forbid the comparison of a value."""
    return [
        kind
        for kind in caveats
        if kind in depends or (kind.startswith("quirk ") and "quirks" in depends)
    ]


def not_comparable(hindrances: Sequence[str]) -> str:
    """The reason that this makes; the report's head explains each kind."""
    return "not comparable: " + ", ".join(hindrances)


def _values(reproduced: Any) -> list[float | None]:
    if reproduced is None or isinstance(reproduced, str):
        return []
    many = reproduced if isinstance(reproduced, Sequence) else [reproduced]
    return [float(v) if v is not None and math.isfinite(v) else None for v in many]


def _within(value: float, low: float | None, high: float | None) -> bool:
    # the edges belong to it, also where the sum of two decimals misses them by a rounding error
    slack = 1e-12 * max(1.0, abs(value))
    return (low is None or value >= low - slack) and (high is None or value <= high + slack)


def outside(
    values: Sequence[float], low: float | None, high: float | None, digits: int, unit: str = ""
) -> str:
    """Which of several seeds are outside, by how much, and where their mean is; "" for none."""
    beyond = [v for v in values if not _within(v, low, high)]
    if not beyond:
        return ""
    far = max(
        max(0.0 if low is None else low - v, 0.0 if high is None else v - high) for v in beyond
    )
    text = f"outside by {number(far, digits, unit)}"
    if len(values) > 1:
        mean = "inside" if _within(math.fsum(values) / len(values), low, high) else "outside, too"
        text = f"{len(beyond)} of {len(values)} seeds {text} at most; their mean is {mean}"
    return text


def _reason(
    values: Sequence[float],
    low: float | None,
    high: float | None,
    inside: bool | None,
    hindrances: Sequence[str],
    digits: int,
    unit: str,
) -> str:
    """What can be said without knowing the experiment."""
    if hindrances:
        return not_comparable(hindrances)
    if inside is False:
        return (
            f"{outside(values, low, high, digits, unit) or 'not as published'}; no reason is known"
        )
    if len(values) > 1 and min(values) < max(values):
        spread = number(max(values) - min(values), digits, unit)
        return f"{len(values)} seeds differ by {spread}"
    return ""
