"""nnlite.metrics against scikit-learn: the confusion matrix and what is read from it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as oracle

import nnlite
from nnlite import metrics
from nnlite.errors import ArgumentError, DtypeError, NnliteIndexError, ShapeError
from nnlite.metrics import accuracy, class_accuracy, class_counts, confusion_matrix


def _labels(n: int, classes: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(n)
    return rng.integers(0, classes, n), rng.integers(0, classes, n)


@pytest.mark.parametrize(("n", "classes"), [(1, 2), (37, 3), (1000, 10)])
def test_confusion_matrix(n: int, classes: int) -> None:
    targets, predictions = _labels(n, classes)
    expected = oracle.confusion_matrix(targets, predictions, labels=range(classes))
    np.testing.assert_array_equal(confusion_matrix(targets, predictions, classes), expected)


def test_tensors_count_as_arrays() -> None:
    targets, predictions = _labels(37, 3)
    matrix = confusion_matrix(nnlite.tensor(targets), nnlite.tensor(predictions), 3)
    np.testing.assert_array_equal(matrix, confusion_matrix(targets, predictions, 3))
    assert accuracy(nnlite.tensor(matrix)) == accuracy(matrix)


def test_accuracy_and_class_accuracy() -> None:
    targets, predictions = _labels(501, 4)
    matrix = confusion_matrix(targets, predictions, 4)
    right = oracle.accuracy_score(targets, predictions)
    assert accuracy(matrix) == pytest.approx(right)
    assert metrics.misclassification_rate(matrix) == pytest.approx(1 - right)
    np.testing.assert_allclose(
        class_accuracy(matrix), oracle.recall_score(targets, predictions, average=None)
    )


labels = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=30)


@given(labels)
def test_rates_of_each_class(pairs: list[tuple[int, int]]) -> None:
    """Classes without images, or never predicted, are among the drawn ones: NaN as scikit-learn."""
    targets, predictions = np.array(pairs).T
    matrix = confusion_matrix(targets, predictions, 4)
    settings = {"labels": range(4), "average": None, "zero_division": np.nan}
    for ours, theirs in (
        (metrics.precision, oracle.precision_score),
        (metrics.recall, oracle.recall_score),
        (metrics.f1_score, oracle.f1_score),
    ):
        np.testing.assert_allclose(ours(matrix), theirs(targets, predictions, **settings))


@given(labels)
def test_counts_of_each_class(pairs: list[tuple[int, int]]) -> None:
    targets, predictions = np.array(pairs).T
    counts = class_counts(confusion_matrix(targets, predictions, 4))
    tn, fp, fn, tp = oracle.multilabel_confusion_matrix(
        targets, predictions, labels=range(4)
    ).reshape(4, 4).T  # fmt: skip
    for ours, theirs in ((counts.tp, tp), (counts.fp, fp), (counts.fn, fn), (counts.tn, tn)):
        np.testing.assert_array_equal(ours, theirs)


def test_ragged_batches_add_up() -> None:
    targets, predictions = _labels(103, 5)
    parts = [
        confusion_matrix(targets[i : i + 25], predictions[i : i + 25], 5) for i in range(0, 103, 25)
    ]
    np.testing.assert_array_equal(sum(parts), oracle.confusion_matrix(targets, predictions))


def test_nothing_to_count() -> None:
    matrix = confusion_matrix([], [], 3)
    assert matrix.sum() == 0
    assert np.isnan([accuracy(matrix), metrics.misclassification_rate(matrix)]).all()
    assert np.isnan(class_accuracy(matrix)).all()


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        (([0], [0], 0), ArgumentError, ["classes", "at least 1"]),
        (([0, 1], [0], 2), ShapeError, ["2 targets", "1 predictions"]),
        (([[0, 1]], [0, 1], 2), ShapeError, ["targets", "(1, 2)"]),
        (([[0], [0, 1]], [0, 1], 2), ShapeError, ["targets", "equal lengths"]),
        (([0.5], [0], 2), DtypeError, ["targets", "float64"]),
        (([0, 3], [0, 1], 3), NnliteIndexError, ["targets", "0 to 2", "got 3"]),
        (([0, 1], [0, -1], 3), NnliteIndexError, ["predictions", "got -1"]),
    ],
)
def test_bad_input(arguments: tuple, error: type[Exception], words: list[str]) -> None:
    with pytest.raises(error) as caught:
        confusion_matrix(*arguments)
    for word in ["confusion_matrix", "hint", *words]:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("matrix", "error", "word"),
    [
        (np.ones((2, 3)), ShapeError, "square"),
        ([3, 4], ShapeError, "square"),
        ([[0.9, 0.1], [0.2, 0.8]], DtypeError, "normalise"),
        ([[1.0, np.nan], [0.0, 1.0]], DtypeError, "normalise"),
        ([["a"]], DtypeError, "whole numbers"),
        ([[1, -2], [0, 1]], ArgumentError, "got -2"),
    ],
)
@pytest.mark.parametrize(
    "read",
    [
        metrics.accuracy,
        metrics.misclassification_rate,
        metrics.class_accuracy,
        metrics.class_counts,
        metrics.precision,
        metrics.recall,
        metrics.f1_score,
    ],
)
def test_no_confusion_matrix(
    read: Callable[[object], object], matrix: object, error: type[Exception], word: str
) -> None:
    with pytest.raises(error, match=word) as caught:
        read(matrix)
    assert read.__name__ in str(caught.value)
