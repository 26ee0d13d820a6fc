"""Counting right and wrong answers of a classifier."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from nnlite.errors import ArgumentError, DtypeError, ShapeError
from nnlite.metrics.inputs import Counts, Reals, as_labels, as_numpy, check_pairs

__all__ = [
    "ClassCounts",
    "accuracy",
    "class_accuracy",
    "class_counts",
    "confusion_matrix",
    "f1_score",
    "misclassification_rate",
    "precision",
    "recall",
]


class ClassCounts(NamedTuple):
    """Each class against the rest: int64 counts of shape (K,), which add up to all images.

    Attributes:
        tp: true positives, images of the class that were taken for it.
        fp: false positives, images of other classes that were taken for it.
        fn: false negatives, images of the class that were taken for another.
        tn: true negatives, images of other classes that were taken for others (right or wrong).
    """

    tp: Counts
    fp: Counts
    fn: Counts
    tn: Counts


def confusion_matrix(targets: Any, predictions: Any, classes: int) -> Counts:
    """How often class i was taken for class j, as in scikit-learn.

    Args:
        targets: the right classes, integers in [0, classes), shape (N,): an array, list or Tensor.
        predictions: the predicted classes, likewise.
        classes: number of classes.

    Returns:
        int64 counts of shape (classes, classes): rows are targets, columns predictions. Matrices of
        several batches may be added.

    Raises:
        ArgumentError: classes is not positive.
        ShapeError: the two differ in length, or are not 1-D.
        DtypeError: they are not integers.
        NnliteIndexError: a class lies outside.
    """
    check_classes("confusion_matrix", classes)
    t = as_labels("confusion_matrix", "targets", targets, classes)
    p = as_labels("confusion_matrix", "predictions", predictions, classes)
    check_pairs("confusion_matrix", t.size, p.size)
    flat = np.bincount(t * classes + p, minlength=classes * classes)
    return flat.reshape(classes, classes).astype(np.int64)


def accuracy(matrix: Any) -> float:
    """The share of right answers, from a confusion matrix; NaN where there were none at all.

    Raises:
        ShapeError, DtypeError, ArgumentError: not a square matrix of counts; likewise below.
    """
    counts = _counts("accuracy", matrix)
    total = int(counts.sum())
    return int(np.trace(counts)) / total if total else float("nan")


def misclassification_rate(matrix: Any) -> float:
    """The share of wrong answers, 1 - accuracy; NaN where there were none at all."""
    counts = _counts("misclassification_rate", matrix)
    total = int(counts.sum())
    return (total - int(np.trace(counts))) / total if total else float("nan")


def class_counts(matrix: Any) -> ClassCounts:
    """True and false positives and negatives of each class, from a confusion matrix (K, K)."""
    counts = _counts("class_counts", matrix)
    tp = np.diag(counts).copy()
    fp = counts.sum(axis=0) - tp  # the rest of its column
    fn = counts.sum(axis=1) - tp  # the rest of its row
    return ClassCounts(tp, fp, fn, counts.sum() - tp - fp - fn)


def precision(matrix: Any) -> Reals:
    """TP / (TP + FP): how often the answer "class k" is right, (K,); NaN where it never came."""
    c = class_counts(_counts("precision", matrix))
    return _ratio(c.tp, c.tp + c.fp)


def recall(matrix: Any) -> Reals:
    """TP / (TP + FN): the share of class k that is found, (K,); NaN for one without images."""
    c = class_counts(_counts("recall", matrix))
    return _ratio(c.tp, c.tp + c.fn)


def class_accuracy(matrix: Any) -> Reals:
    """The share of each class that was recognised: ``recall`` by the name that courses use."""
    c = class_counts(_counts("class_accuracy", matrix))
    return _ratio(c.tp, c.tp + c.fn)


def f1_score(matrix: Any) -> Reals:
    """2 TP / (2 TP + FP + FN), the harmonic mean of precision and recall, (K,); NaN where 0 / 0."""
    c = class_counts(_counts("f1_score", matrix))
    return _ratio(2 * c.tp, 2 * c.tp + c.fp + c.fn)


def check_classes(op: str, classes: int) -> None:
    """Refuse a number of classes below 1."""
    if classes < 1:
        raise ArgumentError(
            op,
            "classes",
            expected="at least 1",
            got=str(classes),
            hint="10 for Fashion-MNIST",
        )


def _ratio(part: Counts, whole: Counts) -> Reals:
    return np.where(whole > 0, part / np.maximum(whole, 1), np.nan)


def _counts(op: str, matrix: Any) -> Counts:
    counts = as_numpy(op, "matrix", matrix)
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1]:
        raise ShapeError(
            op,
            "matrix",
            expected="a square confusion matrix",
            got=f"shape {counts.shape}",
            hint="make it with confusion_matrix(targets, predictions, classes)",
        )
    # shares instead of counts would all be cut to 0
    whole = counts.dtype.kind in "iu" or (
        counts.dtype.kind == "f" and bool((counts % 1 == 0).all())  # NaN and infinity are not
    )
    if not whole:
        raise DtypeError(
            op,
            "matrix",
            expected="whole numbers, the counts",
            got=f"{counts.dtype.name} with fractions",
            hint="do not normalise the matrix first",
        )
    if (counts < 0).any():
        raise ArgumentError(
            op,
            "matrix",
            expected="counts of at least 0",
            got=str(counts.min()),
            hint="make it with confusion_matrix(targets, predictions, classes)",
        )
    return counts.astype(np.int64)
