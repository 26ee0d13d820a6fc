"""A line search for the strong Wolfe conditions, in Python floats."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from nnlite.backend import Array


@dataclass
class Point:
    """A point x + t * d of the line.

    Attributes:
        t: where on the line.
        f: the objective there.
        slope: its derivative along d.
        gradient: its gradient, flat.
    """

    t: float
    f: float
    slope: float
    gradient: Array


def cubic_minimum(a: Point, b: Point, bounds: tuple[float, float] | None = None) -> float:
    """The minimum of the cubic through two values and slopes, kept within bounds.

    The middle of the bounds where the cubic has no minimum.

    Source: Nocedal and Wright, "Numerical Optimization", formula 3.59.
    """
    if a.t > b.t:
        a, b = b, a
    low, high = bounds if bounds is not None else (a.t, b.t)
    middle = (low + high) / 2
    if a.t == b.t:
        return middle
    d1 = a.slope + b.slope - 3 * (a.f - b.f) / (a.t - b.t)
    square = d1 * d1 - a.slope * b.slope
    if not square >= 0:  # also NaN
        return middle
    d2 = math.sqrt(square)
    denominator = b.slope - a.slope + 2 * d2
    if denominator == 0:
        return middle
    t = b.t - (b.t - a.t) * ((b.slope + d2 - d1) / denominator)
    return min(max(t, low), high)


def strong_wolfe(
    evaluate: Callable[[float], Any],
    start: Point,
    t: float,
    d_max: float,
    *,
    c1: float = 1e-4,
    c2: float = 0.9,
    tolerance: float = 1e-9,
    max_evals: int = 25,
) -> tuple[Point, int]:
    """A point where f fell enough (c1) and the slope flattened enough (c2).

    Args:
        evaluate: the Point at a given t.
        start: the point at t = 0; its slope is negative.
        t: first trial.
        d_max: largest absolute element of the direction, the unit of tolerance.
        c1: f(t) <= f(0) + c1 * t * slope(0).
        c2: abs(slope(t)) <= -c2 * slope(0).
        tolerance: smallest change of x worth a further trial.
        max_evals: largest number of trials after the first.

    Returns:
        The point, and the number of trials. Where none satisfies both conditions, the lowest one.

    Source: Nocedal and Wright, "Numerical Optimization", algorithms 3.5 and 3.6; the choices that
    they leave open are those of torch.optim.LBFGS.
    """

    def too_high(point: Point) -> bool:
        return point.f > start.f + c1 * point.t * start.slope

    def flat(point: Point) -> bool:
        return abs(point.slope) <= -c2 * start.slope

    new = evaluate(t)
    trials = 0
    previous = start
    bracket: tuple[Point, Point] | None = None
    while trials < max_evals:
        if too_high(new) or (trials > 1 and new.f >= previous.f):
            bracket = (previous, new)
            break
        if flat(new):
            return new, trials + 1
        if new.slope >= 0:
            bracket = (previous, new)
            break
        bounds = (new.t + 0.01 * (new.t - previous.t), new.t * 10)
        t = cubic_minimum(previous, new, bounds)
        previous, new = new, evaluate(t)
        trials += 1
    if bracket is None:
        bracket = (start, new)
    low, high = bracket if bracket[0].f <= bracket[1].f else bracket[::-1]

    stuck = False
    while trials < max_evals and abs(high.t - low.t) * d_max >= tolerance:
        t, stuck = _inside(cubic_minimum(low, high), low.t, high.t, stuck)
        new = evaluate(t)
        trials += 1
        if too_high(new) or new.f >= low.f:
            low, high = (low, new) if low.f <= new.f else (new, low)
        else:
            done = flat(new)
            if not done and new.slope * (high.t - low.t) >= 0:
                high = low
            low = new
            if done:
                break
    return low, trials + 1


def _inside(t: float, a: float, b: float, stuck: bool) -> tuple[float, bool]:
    """Move a trial that hugs an end of the bracket a tenth of the way inside.

    Only the second time in a row, or where it stands on the end; returns whether it hugs one and
    was left there.
    """
    lower, upper = min(a, b), max(a, b)
    margin = 0.1 * (upper - lower)
    if min(upper - t, t - lower) >= margin:
        return t, False
    if stuck or t >= upper or t <= lower:
        return (upper - margin if upper - t < t - lower else lower + margin), False
    return t, True
