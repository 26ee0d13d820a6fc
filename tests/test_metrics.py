"""nnlite.metrics against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as oracle

from nnlite.errors import ArgumentError, DtypeError, NnliteIndexError, ShapeError
from nnlite.metrics import accuracy, class_accuracy, confusion_matrix


def _labels(n: int, classes: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(n)
    return rng.integers(0, classes, n), rng.integers(0, classes, n)


@pytest.mark.parametrize(("n", "classes"), [(1, 2), (37, 3), (1000, 10)])
def test_confusion_matrix(n: int, classes: int) -> None:
    targets, predictions = _labels(n, classes)
    expected = oracle.confusion_matrix(targets, predictions, labels=range(classes))
    np.testing.assert_array_equal(confusion_matrix(targets, predictions, classes), expected)


def test_accuracy_and_class_accuracy() -> None:
    targets, predictions = _labels(501, 4)
    matrix = confusion_matrix(targets, predictions, 4)
    assert accuracy(matrix) == pytest.approx(oracle.accuracy_score(targets, predictions))
    np.testing.assert_allclose(
        class_accuracy(matrix), oracle.recall_score(targets, predictions, average=None)
    )


def test_ragged_batches_add_up() -> None:
    targets, predictions = _labels(103, 5)
    parts = [
        confusion_matrix(targets[i : i + 25], predictions[i : i + 25], 5) for i in range(0, 103, 25)
    ]
    np.testing.assert_array_equal(sum(parts), oracle.confusion_matrix(targets, predictions))


def test_nothing_to_count() -> None:
    matrix = confusion_matrix([], [], 3)
    assert matrix.sum() == 0
    assert np.isnan(accuracy(matrix))
    assert np.isnan(class_accuracy(matrix)).all()


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        (([0], [0], 0), ArgumentError, ["classes", "at least 1"]),
        (([0, 1], [0], 2), ShapeError, ["2 targets", "1 predictions"]),
        (([[0, 1]], [0, 1], 2), ShapeError, ["targets", "(1, 2)"]),
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


def test_a_matrix_must_be_square() -> None:
    with pytest.raises(ShapeError, match="square"):
        accuracy(np.ones((2, 3)))
