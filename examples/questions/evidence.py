"""What a comparison over a few seeds supports, in words."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np


def band(values: Sequence[float], digits: int = 2, unit: str = "%") -> str:
    """Mean and range: "85.31 % (85.02 to 85.60)"; the number alone where there is one."""
    known = [value for value in values if math.isfinite(value)]
    if not known:
        return "no value"
    mean = f"{np.mean(known):.{digits}f} {unit}".rstrip()
    if len(known) == 1:
        return mean
    return f"{mean} ({min(known):.{digits}f} to {max(known):.{digits}f})"


def above(a: Sequence[float], b: Sequence[float]) -> bool:
    """Whether every seed of a lies above every seed of b; never for a single seed each."""
    return min(len(a), len(b)) > 1 and min(a) > max(b)


def by_chance(a: int, b: int) -> float:
    """How often two equal settings with a and b seeds come out apart, one way or the other."""
    return 2 / math.comb(a + b, a)


def ranking(values: Mapping[str, Sequence[float]], what: str, unit: str = "%") -> list[str]:
    """Sentences on which setting is the best, and which of the others are worse for sure.

    Args:
        values: {setting: one number per seed}; higher is better. Settings without a finite number
            are named as such.
        what: the number's name, "test accuracy".
    """
    known = {
        name: [value for value in numbers if math.isfinite(value)]
        for name, numbers in values.items()
    }
    lost = [name for name, numbers in known.items() if not numbers]
    order = sorted((name for name in known if known[name]), key=lambda n: -np.mean(known[n]))
    sentences = []
    if order:
        best, worst = order[0], order[-1]
        sentences.append(f"The highest {what} has {best}: {band(known[best], unit=unit)}.")
        if len(order) > 1:
            sentences.append(f"The lowest has {worst}: {band(known[worst], unit=unit)}.")
            sentences.append(_apart(known, order))
    if lost:
        sentences.append(f"Without a number, because training diverged: {', '.join(lost)}.")
    return sentences


def _apart(known: Mapping[str, Sequence[float]], order: Sequence[str]) -> str:
    best, others = order[0], order[1:]
    seeds = min(len(known[name]) for name in order)
    if seeds < 2:
        return (
            "That is one seed per setting, so this run cannot tell a difference between settings "
            "from one between seeds."
        )
    worse = [name for name in others if above(known[best], known[name])]
    close = [name for name in others if name not in worse]
    chance = 100 * by_chance(len(known[best]), seeds)
    text = ""
    if worse:
        text = (
            f"All seeds of {best} lie above all seeds of {', '.join(worse)} (between two equal "
            f"settings that would happen in {chance:.0f} % of such comparisons)"
        )
    if close:
        text += "; " if text else ""
        text += f"the seeds overlap with {', '.join(close)}, from which {best} cannot be told apart"
    return text[0].upper() + text[1:] + "."
