"""Receiver operating characteristic: what a threshold on a score finds, against what it costs.

Of all images whose score for a class is at least the threshold, the true positive rate is the share
of the class that is found, the false positive rate the share of the rest that is taken in with it.
Both run from 0 to 1 as the threshold falls. The area under the curve is the probability that an
image of the class has a higher score than one of the rest (ties count half): 0.5 is guessing.

Source: T. Fawcett, "An introduction to ROC analysis", Pattern Recognition Letters 27 (2006).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from nnlite.errors import ArgumentError, ShapeError
from nnlite.metrics.inputs import Counts, Reals, as_labels, as_reals

__all__ = ["RocAuc", "RocCurve", "auc", "roc_auc", "roc_curve"]


class RocCurve(NamedTuple):
    """The corners of a ROC curve, three float64 arrays of one length, from (0, 0) to (1, 1).

    Attributes:
        fpr: false positive rates, rising; all NaN where there are no negatives.
        tpr: true positive rates, rising; all NaN where there are no positives.
        thresholds: falling; a score at or above it counts as positive. The first is infinite.
    """

    fpr: Reals
    tpr: Reals
    thresholds: Reals


@dataclass(frozen=True)
class RocAuc:
    """ROC of K classes, each against the rest, and their averages.

    Attributes:
        curves: one RocCurve per class.
        auc: the areas below them, float64 (K,); NaN for a class without images, or that is the only
            one.
        micro: the curve of all N x K decisions "is image n of class k" taken together, so that each
            image counts alike.
        micro_auc: the area below it.
        macro: the mean of the K curves at 1000 evenly spaced false positive rates, as in
            scikit-learn's example for several classes; its thresholds are NaN. Each class counts
            alike. NaN where a class has none.
        macro_curve_auc: the area below that curve.
        macro_auc: the mean of auc, without the detour over the grid; NaN where one of them is.
    """

    curves: tuple[RocCurve, ...]
    auc: Reals
    micro: RocCurve
    micro_auc: float
    macro: RocCurve
    macro_curve_auc: float
    macro_auc: float


def roc_curve(targets: Any, scores: Any, *, drop_intermediate: bool = True) -> RocCurve:
    """The ROC curve of a yes-or-no decision, as ``sklearn.metrics.roc_curve``.

    Args:
        targets: True (or 1) for positives, False (or 0) for negatives, shape (N,).
        scores: (N,), higher where more likely positive; only their order matters. Equal scores give
            one corner: no threshold can part them.
        drop_intermediate: leave out points on a straight line between their neighbours, as
            scikit-learn does by default: the curve and its area stay the same.

    Raises:
        ShapeError: empty, not 1-D, or of different lengths.
        ArgumentError: targets other than 0 and 1; scores that are NaN or infinite.
    """
    s = _scores("roc_curve", scores, 1)
    return _curve(_positives(targets, len(s)), s, drop_intermediate)


def auc(x: Any, y: Any) -> float:
    """The area under a curve by the trapezoidal rule, as ``sklearn.metrics.auc``.

    Args:
        x: (N,) with N at least 2, rising or falling; equal neighbours are a vertical step.
        y: (N,). A NaN gives NaN.

    Raises:
        ShapeError: fewer than two points, not 1-D, or of different lengths.
        ArgumentError: x goes up and down.
    """
    xs, ys = as_reals("auc", "x", x), as_reals("auc", "y", y)
    if xs.ndim != 1 or xs.shape != ys.shape or len(xs) < 2:
        raise ShapeError(
            "auc",
            expected="x and y of one shape (N,), N at least 2",
            got=f"{xs.shape} and {ys.shape}",
            hint="pass curve.fpr and curve.tpr",
        )
    dx = np.diff(xs)
    if (dx < 0).any() and (dx > 0).any():
        raise ArgumentError(
            "auc",
            "x",
            expected="numbers that only rise, or only fall",
            got="both",
            hint="x is the false positive rate, y the true one",
        )
    return float(np.abs(dx) @ (ys[1:] + ys[:-1]) / 2)


def roc_auc(targets: Any, scores: Any) -> RocAuc:
    """ROC curves and areas of K classes one-vs-rest, with micro and macro average.

    Args:
        targets: the right classes, integers in [0, K), shape (N,).
        scores: (N, K), K at least 2: the probability of each class. For the micro average scores of
            different images are compared, which is fair for probabilities and not for logits.

    Raises:
        ShapeError: empty, wrong number of dimensions, or of different lengths.
        DtypeError: targets that are not integers.
        NnliteIndexError: a target outside [0, K).
        ArgumentError: scores that are NaN or infinite.
    """
    s = _scores("roc_auc", scores, 2)
    n, k = s.shape
    t = as_labels("roc_auc", "targets", targets, k)
    _check_lengths("roc_auc", len(t), n)
    hot = t[:, None] == np.arange(k)  # (N, K)
    curves = tuple(_curve(hot[:, i], s[:, i]) for i in range(k))
    areas = np.array([auc(c.fpr, c.tpr) for c in curves])
    micro = _curve(hot.ravel(), s.ravel())
    macro = _mean_curve(curves, defined=not np.isnan(areas).any())
    return RocAuc(
        curves=curves,
        auc=areas,
        micro=micro,
        micro_auc=auc(micro.fpr, micro.tpr),
        macro=macro,
        macro_curve_auc=auc(macro.fpr, macro.tpr),
        macro_auc=float(areas.mean()),
    )


def _curve(positive: Any, scores: Reals, drop_intermediate: bool = True) -> RocCurve:
    order = np.argsort(-scores, kind="stable")
    falling = scores[order]
    # the last of each run of equal scores: a threshold takes in all of them or none
    ends = np.append(np.flatnonzero(np.diff(falling)), len(falling) - 1)
    tp: Counts = np.cumsum(positive[order], dtype=np.int64)[ends]
    fp: Counts = ends + 1 - tp
    if drop_intermediate and len(ends) > 2:
        bends = (np.diff(tp, 2) != 0) | (np.diff(fp, 2) != 0)
        keep = np.concatenate(([True], bends, [True]))
        tp, fp, ends = tp[keep], fp[keep], ends[keep]
    return RocCurve(
        _rate(fp),
        _rate(tp),
        np.concatenate(([np.inf], falling[ends])),
    )


def _rate(counts: Counts) -> Reals:
    """Counts as shares of the last one, which is all of them, with a 0 in front."""
    full = np.concatenate(([0], counts))
    return full / full[-1] if full[-1] else np.full(len(full), np.nan)


def _mean_curve(curves: tuple[RocCurve, ...], defined: bool) -> RocCurve:
    grid = np.linspace(0.0, 1.0, 1000)
    nothing = np.full(1000, np.nan)
    if not defined:
        return RocCurve(grid, nothing, nothing)
    tpr = np.mean([np.interp(grid, c.fpr, c.tpr) for c in curves], axis=0)
    return RocCurve(grid, tpr, nothing)


def _scores(op: str, scores: Any, ndim: int) -> Reals:
    s = as_reals(op, "scores", scores)
    if s.ndim != ndim or not s.size or (ndim == 2 and s.shape[1] < 2):
        raise ShapeError(
            op,
            "scores",
            expected="shape (N,), N at least 1" if ndim == 1 else "shape (N, K), K at least 2",
            got=str(s.shape),
            hint="roc_curve is for one class against the rest, roc_auc for all of them",
        )
    if not np.isfinite(s).all():
        raise ArgumentError(
            op,
            "scores",
            expected="finite numbers",
            got=f"{s[~np.isfinite(s)][0]} among them",
            hint="look for a loss that diverged, or a logarithm of 0",
        )
    return s


def _positives(targets: Any, n: int) -> Any:
    t = as_reals("roc_curve", "targets", targets)
    if t.ndim != 1:
        raise ShapeError(
            "roc_curve",
            "targets",
            expected="shape (N,)",
            got=str(t.shape),
            hint="roc_auc takes several classes",
        )
    _check_lengths("roc_curve", len(t), n)
    odd = t[(t != 0) & (t != 1)]
    if odd.size:
        raise ArgumentError(
            "roc_curve",
            "targets",
            expected="True and False, or 1 and 0",
            got=f"{odd[0]:g}",
            hint="for class k pass targets == k",
        )
    return t == 1


def _check_lengths(op: str, targets: int, scores: int) -> None:
    if targets != scores:
        raise ShapeError(
            op,
            expected="one score, or row of scores, for each target",
            got=f"{targets} targets and {scores} scores",
            hint="pass all batches, the ragged last one included",
        )
