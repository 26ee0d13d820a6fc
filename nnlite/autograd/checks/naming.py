"""Which of the usual mistakes it is."""

from __future__ import annotations

import numpy as np

from nnlite.autograd.checks.numeric import Numbers, index_text
from nnlite.autograd.checks.point import Fault, Found, Point, Rule, close, equal
from nnlite.autograd.checks.rules import RULES


def name_fault(points: list[Point], wrong: list[Numbers]) -> Fault:
    """The most likely mistake; wrong marks the elements that differ at the first point."""
    here = points[0]
    i = next((n for n, w in enumerate(wrong) if w.any()), 0)
    place, expected, got = _worst(here, i, wrong[i])
    subject = f"inputs[{here.checked[i]}]"
    if i < len(here.ignores_gy) and here.ignores_gy[i]:
        return Fault(
            "gy",
            f"the gradient of {subject} does not use gy, the chain factor is missing",
            expected and f"{expected} (numeric)",
            got and f"{got} (analytic)",
            "multiply by gy: backward is given the gradient of what follows",
            place,
        )
    for rule in RULES:
        found = rule(here, i, wrong[i])
        if found is None:
            continue
        if all(_holds(rule, point, i, found[0]) for point in points[1:]):
            break
    else:
        found = _kept(points, i) or (
            "other",
            "the gradient of {} is wrong" if wrong[i].any() else "backward is not linear in gy",
            "derive it again for the example, on paper",
        )
    key, text, hint = found
    return Fault(
        key,
        text.format(subject),
        expected and f"{expected} (numeric)",
        got and f"{got} (analytic)",
        hint,
        place,
    )


def _kept(points: list[Point], i: int) -> Found:
    """A gradient that does not follow the input: the second point's, or always the same."""
    if len(points) < 2 or points[0].analytic[i].shape != points[1].analytic[i].shape:
        return None
    here, there = points
    if equal(here.numeric[i], there.numeric[i]):
        return None
    if not equal(here.analytic[i], there.analytic[i]):
        return None
    return (
        "kept",
        "the gradient of {} is the same at every input, which the true one is not",
        "a factor that depends on the input is missing, or a value of another call was kept: "
        "save what backward needs on ctx, in each call",
    )


def _holds(rule: Rule, point: Point, i: int, key: str) -> bool:
    wrong = ~close(point.analytic[i], point.numeric[i])
    found = rule(point, i, wrong)
    return found is not None and found[0] == key


def _worst(point: Point, i: int, wrong: Numbers) -> tuple[str, str, str]:
    """The element that is most wrong: its name, the measured and the analytic value."""
    if not wrong.any():
        return "", "", ""
    a, n = point.analytic[i], point.numeric[i]
    distance = np.where(wrong, np.nan_to_num(np.abs(a - n), nan=np.inf), -1.0)
    row, column = (int(k) for k in np.unravel_index(distance.argmax(), distance.shape))
    flat, k = int(point.rows[row]), 0
    while flat >= (size := int(np.prod(point.shapes[k]))):
        flat, k = flat - size, k + 1
    out = f"output{'' if len(point.shapes) == 1 else f' {k}'}{index_text(flat, point.shapes[k])}"
    at = index_text(int(point.columns[i][column]), point.xs[i].shape)
    place = f"d {out} / d inputs[{point.checked[i]}]{at}"
    return place, f"{n[row, column]:.6g}", f"{a[row, column]:.6g}"
