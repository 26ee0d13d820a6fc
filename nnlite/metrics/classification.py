"""Counting right and wrong answers of a classifier, on NumPy arrays of class numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nnlite.errors import ArgumentError, DtypeError, NnliteIndexError, ShapeError

Counts = NDArray[np.int64]


def confusion_matrix(targets: ArrayLike, predictions: ArrayLike, classes: int) -> Counts:
    """How often class i was taken for class j, as in scikit-learn.

    Args:
        targets: the right classes, integers in [0, classes), shape (N,).
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
    if classes < 1:
        raise ArgumentError(
            "confusion_matrix",
            "classes",
            expected="at least 1",
            got=str(classes),
            hint="10 for Fashion-MNIST",
        )
    t = _labels("targets", targets, classes)
    p = _labels("predictions", predictions, classes)
    if t.shape != p.shape:
        raise ShapeError(
            "confusion_matrix",
            expected="one prediction for each target",
            got=f"{t.size} targets and {p.size} predictions",
            hint="pass all batches, the ragged last one included",
        )
    flat = np.bincount(t * classes + p, minlength=classes * classes)
    return flat.reshape(classes, classes).astype(np.int64)


def accuracy(matrix: ArrayLike) -> float:
    """The share of right answers, from a confusion matrix; NaN where there were none at all."""
    counts = _matrix("accuracy", matrix)
    total = int(counts.sum())
    return float(np.trace(counts)) / total if total else float("nan")


def class_accuracy(matrix: ArrayLike) -> NDArray[np.float64]:
    """The share of each class that was recognised (its recall); NaN for a class without images."""
    counts = _matrix("class_accuracy", matrix)
    total = counts.sum(axis=1)
    return np.where(total > 0, np.diag(counts) / np.maximum(total, 1), np.nan)


def _labels(argument: str, values: ArrayLike, classes: int) -> Counts:
    labels: NDArray[Any] = np.asarray(values)
    if labels.ndim != 1:
        raise ShapeError(
            "confusion_matrix",
            argument,
            expected="shape (N,)",
            got=str(labels.shape),
            hint="take the argmax over the classes first",
        )
    if labels.size and labels.dtype.kind not in "iu":
        raise DtypeError(
            "confusion_matrix",
            argument,
            expected="integers",
            got=labels.dtype.name,
            hint="take the argmax over the classes first",
        )
    outside = labels[(labels < 0) | (labels >= classes)]
    if outside.size:
        raise NnliteIndexError(
            "confusion_matrix",
            argument,
            expected=f"classes from 0 to {classes - 1}",
            got=str(outside[0]),
            hint="labels count from 0",
        )
    return labels.astype(np.int64)


def _matrix(op: str, matrix: ArrayLike) -> Counts:
    counts: NDArray[Any] = np.asarray(matrix)
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1]:
        raise ShapeError(
            op,
            "matrix",
            expected="a square confusion matrix",
            got=f"shape {counts.shape}",
            hint="make it with confusion_matrix(targets, predictions, classes)",
        )
    return counts.astype(np.int64)
