"""The usual mistakes in a backward, and how each shows in the Jacobian.

A rule sees the Jacobian that backward says and the measured one, a row per output element and a
column per input element, and says whether its mistake would make the one of the other. A mistake is
named where its rule holds at two points, the first in the order of the list.
"""

from __future__ import annotations

import itertools

import numpy as np

from nnlite.autograd.checks.numeric import Numbers, index_text
from nnlite.autograd.checks.point import Found, Point, Rule, close, equal, is_whole

_NEAR = 1e-4


def _not_a_number(point: Point, i: int, wrong: Numbers) -> Found:
    bad = ~np.isfinite(point.analytic[i]) & np.isfinite(point.numeric[i])
    if not bad.any():
        return None
    return "nan", "the gradient of {} is NaN or infinite", "look for 0 / 0, log(0) or 0 * inf"


def _zero(point: Point, i: int, wrong: Numbers) -> Found:
    if point.analytic[i].any():
        return None
    return (
        "zero",
        "the gradient of {} is always 0",
        "this input was forgotten, or its path was cut by detach() or a constant",
    )


def _returned_input(point: Point, i: int, wrong: Numbers) -> Found:
    x, identity = point.xs[i], np.eye(point.numeric[i].shape[0], point.xs[i].size)
    if not is_whole(point, i) or not equal(point.numeric[i], identity):
        return None
    if not np.array_equal(point.ys, x.ravel()):
        return None
    return (
        "identity",
        "forward returns its input, so the gradient of {} should be gy itself",
        "return what the op computes; a backward that differs on purpose (a penalty, a gradient "
        "that is reversed) is no derivative and cannot be checked so",
    )


def _swapped(point: Point, i: int, wrong: Numbers) -> Found:
    for j in range(len(point.xs)):
        if (
            j != i
            and equal(point.analytic[i], point.numeric[j])
            and equal(point.analytic[j], point.numeric[i])
        ):
            other = point.checked[j]
            return (
                "swapped",
                f"the gradients of {{}} and inputs[{other}] are swapped",
                "return them in the order of forward's arguments",
            )
    return None


def _factor(point: Point, i: int, wrong: Numbers) -> Found:
    a, n = point.analytic[i], point.numeric[i]
    norm = float((n * n).sum())
    c = float((a * n).sum()) / norm if norm else 0.0
    if not c or not equal(a / c, n) or abs(c - 1) < 1e-9:
        return None
    if abs(c + 1) < _NEAR:
        return "sign", "the gradient of {} has the wrong sign", "negate it"
    for size in _meeting(n):
        if abs(c * size - 1) < _NEAR:
            return (
                "mean",
                f"the gradient of {{}} is divided by {size}: that of a mean, not of a sum",
                f"{size} elements meet in a sum, which hands gy on undivided",
            )
        if abs(c / size - 1) < _NEAR:
            return (
                "mean",
                f"the gradient of {{}} is {size} times too large: that of a sum, not of a mean",
                f"{size} elements meet in a mean, which hands gy / {size} on to each",
            )
    if abs(c - 1) < 0.01:
        return (
            "rough",
            f"the gradient of {{}} is off by the factor {c:.8g}",
            "a constant may be rounded, or something computed in float32",
        )
    return (
        f"factor {c:.4g}",
        f"the gradient of {{}} is off by the factor {c:.6g}",
        f"divide it by {c:.6g}: look for a constant of forward that is missing or too many",
    )


def _meeting(n: Numbers) -> set[int]:
    """How many input elements meet in an output element, and outputs in an input; 1 left out."""
    nonzero = np.abs(n) > 1e-9
    return {int(nonzero.sum(axis).max(initial=0)) for axis in (0, 1)} - {0, 1}


def _transposed(point: Point, i: int, wrong: Numbers) -> Found:
    a, n, x = point.analytic[i], point.numeric[i], point.xs[i]
    if not is_whole(point, i):
        return None
    by_input = x.ndim > 1 and x.shape[-1] == x.shape[-2]
    grid = n.reshape(len(n), *x.shape)
    if by_input and equal(a, grid.swapaxes(-1, -2).reshape(n.shape)):
        return (
            "transposed",
            "the gradient of {} is transposed",
            "swap its last two dimensions, or the order of the factors in a product",
        )
    blocks = _blocks(point, i)
    if blocks is not None and equal(*blocks):
        return (
            "transposed",
            "the gradient of {} uses a matrix that must be transposed",
            "y = x @ w has gx = gy @ w.T and gw = x.T @ gy",
        )
    return None


def _blocks(point: Point, i: int) -> tuple[Numbers, Numbers] | None:
    """The Jacobian and the measured one, transposed in the matrix by which rows are multiplied."""
    a, n, x = point.analytic[i], point.numeric[i], point.xs[i]
    out = point.shapes[0]
    if len(point.shapes) != 1 or not out or not x.ndim:
        return None
    if a.shape[0] == a.shape[1] and out[-1] == x.shape[-1] and x.size == int(np.prod(out)):
        rows, k = x.size // x.shape[-1], x.shape[-1]
        turned = n.reshape(rows, k, rows, k).transpose(0, 3, 2, 1).reshape(n.shape)
        if equal(a, turned):
            return a, turned
    return (a, n.T) if a.shape[0] == a.shape[1] else None


def _missing_sum(point: Point, i: int, wrong: Numbers) -> Found:
    """Entries are right or missing, and each column has some of both."""
    a, n = point.analytic[i], point.numeric[i]
    nonzero = np.abs(n) > 1e-9
    missing: Numbers = wrong & (np.abs(a) < 1e-12)
    if not missing.any() or not np.array_equal(missing, wrong):
        return None
    kept: Numbers = np.any(nonzero & ~wrong, axis=0)
    if np.any(missing.any(axis=0) & ~kept):
        return None
    if (nonzero.sum(axis=1) > 1).any() and _is_diagonal(a) and a.shape[0] == a.shape[1]:
        return (
            "cross",
            "the gradient of {} has the diagonal of the Jacobian only",
            "each output depends on several elements: sum gy over all outputs, not only its own",
        )
    if missing.any(axis=0).all() and _is_broadcast(point, i):
        return (
            "sum",
            "the gradient of {} lacks the sum over a broadcast dimension",
            f"forward repeats its shape {point.xs[i].shape} to {point.shapes[0]}: sum gy over the "
            "repeated dimensions",
        )
    return (
        "add",
        "the gradient of {} lacks contributions: an element that is used several times",
        "add up the gradients of all uses (scatter_add, +=) where one now replaces the other",
    )


def _is_diagonal(a: Numbers) -> bool:
    return not (a - np.diag(np.diagonal(a))).any() if a.shape[0] == a.shape[1] else False


def _is_broadcast(point: Point, i: int) -> bool:
    out, shape = point.shapes[0], point.xs[i].shape
    padded = (1,) * (len(out) - len(shape)) + shape
    return (
        len(padded) == len(out)
        and padded != out
        and all(p in (1, n) for p, n in zip(padded, out, strict=True))
    )


def _uniform_gy(point: Point, i: int, wrong: Numbers) -> Found:
    a, n = point.analytic[i], point.numeric[i]
    if len(a) < 2 or not equal(a, np.broadcast_to(a.mean(axis=0), a.shape)):
        return None
    if equal(n, np.broadcast_to(n.mean(axis=0), n.shape)):
        return None
    return (
        "uniform gy",
        "the gradient of {} is right only where gy is the same everywhere",
        "use gy element by element, not its sum, mean or first element",
    )


def _moved(point: Point, i: int, wrong: Numbers) -> Found:
    """The right numbers in the wrong places."""
    a, n, x = point.analytic[i], point.numeric[i], point.xs[i]
    if not is_whole(point, i):
        return None
    grid = n.reshape(len(n), *x.shape)
    for d, size in enumerate(x.shape, 1):
        if size > 1 and equal(a, np.flip(grid, d).reshape(n.shape)):
            return (
                "reversed",
                f"the gradient of {{}} is reversed along dimension {d - 1}",
                "turn it round (flip)",
            )
        for by in range(1, size):
            for sign in (by, -by):
                shifted = np.roll(grid, sign, d)
                if close(a, shifted.reshape(n.shape)).all():
                    return (
                        "moved",
                        f"the gradient of {{}} lies {by} place{'s' * (by > 1)} too "
                        f"{'late' if sign > 0 else 'early'} along dimension {d - 1}",
                        "check the offsets and slices in backward",
                    )
    if len(point.shapes) > 1:
        return _crossed(point, i)
    return None


def _crossed(point: Point, i: int) -> Found:
    ends = np.cumsum([0, *(int(np.prod(s)) for s in point.shapes)])
    parts = [slice(b, e) for b, e in itertools.pairwise(ends)]
    turned = np.concatenate([point.numeric[i][part] for part in parts[::-1]])
    if not equal(point.analytic[i], turned):
        return None
    return (
        "crossed",
        "the gradient of {} takes the cotangents of its outputs for one another",
        "backward gets one gy per output, in the order of forward's results",
    )


def _element_factor(point: Point, i: int, wrong: Numbers) -> Found:
    """Off by a factor that is an input or the output, element by element."""
    a, n = point.analytic[i], point.numeric[i]
    inputs = zip(point.checked, point.columns, point.xs, strict=True)
    known = [(f"inputs[{at}]", x.ravel()[c]) for at, c, x in inputs if len(c) == n.shape[1]]
    by_row = [("the output", point.ys)]
    for name, v in known:
        for text, power in (("is missing", -1.0), ("is there once too often", 1.0)):
            if (v != 0).all() and equal(a, n * np.abs(v) ** power * np.sign(v)):
                return f"{name} {text}", f"in the gradient of {{}} the factor {name} {text}", _CHAIN
        if (v < 0).any() and equal(a, n * np.sign(v)):
            return "negative", *_where("x < 0")
    for name, v in by_row:
        for text, power in (("is missing", -1.0), ("is there once too often", 1.0)):
            if (v != 0).all() and equal(a, n * (np.abs(v) ** power * np.sign(v))[:, None]):
                return f"{name} {text}", f"in the gradient of {{}} the factor {name} {text}", _CHAIN
    return None


_CHAIN = "write the derivative by the chain rule: gy times the derivative of each step"


def _where(condition: str) -> tuple[str, str]:
    return (
        f"the gradient of {{}} is wrong only where {condition}",
        f"look at that branch of the formula: what is the derivative where {condition}?",
    )


def _region(point: Point, i: int, wrong: Numbers) -> Found:
    x = point.xs[i].ravel()[point.columns[i]]
    bad = wrong.any(axis=0)
    if bad.all() or not bad.any():
        return None
    for key, name, inside in (
        ("negative", "x < 0", x < 0),
        ("positive", "x > 0", x > 0),
        ("zero x", "x = 0", x == 0),
        ("large", "|x| > 1", np.abs(x) > 1),
        ("small", "|x| < 1", np.abs(x) < 1),
    ):
        if np.array_equal(bad, inside):
            return key, *_where(name)
    return None


def _few(point: Point, i: int, wrong: Numbers) -> Found:
    bad = np.flatnonzero(wrong.any(axis=0))
    n = wrong.shape[1]
    if not 0 < len(bad) < n or len(bad) > max(1, n // 4):
        return None
    at = ", ".join(index_text(int(point.columns[i][k]), point.xs[i].shape) for k in bad[:4])
    return (
        "few",
        f"the gradient of {{}} is wrong only at {at}, {len(bad)} of {n} elements",
        "look at the borders: a first or last element treated apart, a slice one too short",
    )


RULES: tuple[Rule, ...] = (
    _not_a_number,
    _zero,
    _returned_input,
    _swapped,
    _factor,
    _transposed,
    _missing_sum,
    _uniform_gy,
    _moved,
    _element_factor,
    _region,
    _few,
)
