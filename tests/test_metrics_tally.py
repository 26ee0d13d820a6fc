"""Tally: batch by batch the same as all at once."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as oracle

import nnlite
import nnlite.nn.functional as F
from nnlite.errors import ArgumentError, DtypeError, NnliteIndexError, ShapeError
from nnlite.metrics import Tally


def _logits(n: int = 103, k: int = 5) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(7)
    return rng.normal(size=(n, k)), rng.integers(0, k, n)


@pytest.mark.parametrize("size", [1, 25, 40, 103])
def test_any_batch_size_gives_the_whole(size: int) -> None:
    logits, targets = _logits()
    tally = Tally(5)
    for i in range(0, len(targets), size):
        x = nnlite.tensor(logits[i : i + size], requires_grad=True)
        t = nnlite.tensor(targets[i : i + size])
        tally.update(x, t, F.cross_entropy(x, t))
    answers = logits.argmax(axis=1)
    assert tally.samples == 103
    np.testing.assert_array_equal(tally.matrix, oracle.confusion_matrix(targets, answers))
    assert tally.accuracy == oracle.accuracy_score(targets, answers)
    assert tally.misclassification_rate == pytest.approx(oracle.zero_one_loss(targets, answers))
    np.testing.assert_allclose(
        tally.class_accuracy, oracle.recall_score(targets, answers, average=None)
    )
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert tally.loss == pytest.approx(oracle.log_loss(targets, p))


def test_classes_instead_of_scores() -> None:
    logits, targets = _logits()
    scores, classes = Tally(5), Tally(5)
    scores.update(logits, targets)
    classes.update(logits.argmax(axis=1), targets)
    np.testing.assert_array_equal(scores.matrix, classes.matrix)


def test_nothing_counted() -> None:
    tally = Tally(3)
    tally.update(np.zeros((0, 3)), [], float("nan"))
    assert tally.samples == 0
    assert np.isnan([tally.accuracy, tally.loss]).all()
    tally.update([2, 1], [2, 2], 0.5)
    assert (tally.samples, tally.accuracy, tally.loss) == (2, 0.5, 0.5)


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ((np.zeros((2, 4)), [0, 1]), ShapeError, r"\(N, 3\)"),
        ((np.zeros((2, 3)), [0]), ShapeError, "1 targets and 2 predictions"),
        ((np.zeros((1, 2, 3)), [0]), ShapeError, "argmax"),
        (([0.5, 1.0], [0, 1]), DtypeError, "integers"),
        (([0, 1], [0, 3]), NnliteIndexError, "got 3"),
        (([[0.0, np.nan, 1.0], [0.0, 0.0, 0.0]], [0, 1]), ArgumentError, "NaN in 1 of 2 rows"),
        (([0, 1], [0, 1], [0.5, 0.5]), ShapeError, "one number"),
        (([0, 1], [0, 1], "much"), DtypeError, "loss"),
    ],
)
def test_a_refused_batch_is_not_counted(
    arguments: tuple, error: type[Exception], words: str
) -> None:
    tally = Tally(3)
    tally.update([0], [0], 1.0)
    with pytest.raises(error, match=words):
        tally.update(*arguments)
    assert (tally.samples, tally.loss) == (1, 1.0)


def test_no_classes() -> None:
    with pytest.raises(ArgumentError, match=r"Tally: classes.*at least 1"):
        Tally(0)
