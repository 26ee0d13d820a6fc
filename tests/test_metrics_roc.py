"""ROC curves and areas against scikit-learn, ties, missing classes and bad input included."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as oracle

import nnlite
from nnlite.errors import ArgumentError, DtypeError, NnliteIndexError, ShapeError
from nnlite.metrics import auc, roc_auc, roc_curve

# few different scores, so that most examples have ties
binary = st.lists(st.tuples(st.booleans(), st.integers(-3, 3)), min_size=2, max_size=40).filter(
    lambda pairs: len({positive for positive, _ in pairs}) == 2
)


def _probabilities(n: int, k: int, levels: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Targets with every class among them, and probabilities with ties."""
    rng = np.random.default_rng(seed)
    targets = np.concatenate([np.arange(k), rng.integers(0, k, n - k)])
    raw = rng.integers(1, levels, (n, k)) + 2.0 * (targets[:, None] == np.arange(k))
    return targets, raw / raw.sum(axis=1, keepdims=True)


@given(binary, st.booleans())
def test_curve(pairs: list[tuple[bool, int]], drop: bool) -> None:
    targets, scores = map(np.array, zip(*pairs, strict=True))
    ours = roc_curve(targets, scores / 4, drop_intermediate=drop)
    theirs = oracle.roc_curve(targets, scores / 4, drop_intermediate=drop)
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(a, b)
    assert auc(ours.fpr, ours.tpr) == pytest.approx(oracle.roc_auc_score(targets, scores))


def test_curve_of_tensors_and_float32() -> None:
    rng = np.random.default_rng(0)
    targets, scores = rng.integers(0, 2, 200), rng.normal(size=200).astype(np.float32)
    ours = roc_curve(nnlite.tensor(targets), nnlite.tensor(scores, requires_grad=True))
    for a, b in zip(ours, oracle.roc_curve(targets, scores), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(("target", "undefined"), [(0, "tpr"), (1, "fpr")])
def test_only_one_class(target: int, undefined: str) -> None:
    curve = roc_curve([target] * 3, [0.1, 0.5, 0.3])
    with pytest.warns(UserWarning, match="samples in y_true"):
        theirs = oracle.roc_curve([target] * 3, [0.1, 0.5, 0.3])
    for a, b in zip(curve, theirs, strict=True):
        np.testing.assert_array_equal(a, b)
    assert np.isnan(getattr(curve, undefined)).all()
    assert np.isnan(auc(curve.fpr, curve.tpr))


@pytest.mark.parametrize("order", [1, -1])
def test_auc_as_scikit_learn(order: int) -> None:
    rng = np.random.default_rng(3)
    x, y = np.sort(rng.normal(size=30))[::order], rng.normal(size=30)
    assert auc(x, y) == pytest.approx(oracle.auc(x, y))


@pytest.mark.parametrize(("n", "k", "levels"), [(6, 3, 4), (300, 10, 50), (500, 2, 5)])
def test_averages(n: int, k: int, levels: int) -> None:
    targets, p = _probabilities(n, k, levels, seed=n)
    result = roc_auc(targets, p)
    hot = (targets[:, None] == np.arange(k)).astype(int)
    np.testing.assert_allclose(result.auc, oracle.roc_auc_score(hot, p, average=None))
    assert result.macro_auc == pytest.approx(oracle.roc_auc_score(hot, p, average="macro"))
    assert result.micro_auc == pytest.approx(oracle.roc_auc_score(hot, p, average="micro"))
    for ours, theirs in zip(result.micro, oracle.roc_curve(hot.ravel(), p.ravel()), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_averaged_curve_as_in_the_example() -> None:
    """The averaging of scikit-learn's "Multiclass Receiver Operating Characteristic" example."""
    targets, p = _probabilities(200, 4, 30, seed=1)
    grid = np.linspace(0.0, 1.0, 1000)
    mean = np.zeros_like(grid)
    for k in range(4):
        fpr, tpr, _ = oracle.roc_curve(targets == k, p[:, k])
        mean += np.interp(grid, fpr, tpr)
    mean /= 4
    result = roc_auc(targets, p)
    np.testing.assert_allclose(result.macro.fpr, grid)
    np.testing.assert_allclose(result.macro.tpr, mean)
    assert result.macro_curve_auc == pytest.approx(oracle.auc(grid, mean))


def test_tensors_with_a_gradient() -> None:
    targets, p = _probabilities(50, 3, 9, seed=2)
    ours = roc_auc(nnlite.tensor(targets), nnlite.tensor(p, requires_grad=True))
    np.testing.assert_array_equal(ours.auc, roc_auc(targets, p).auc)


def test_a_class_without_images() -> None:
    targets, p = _probabilities(50, 3, 9, seed=2)
    there = targets != 1
    result = roc_auc(targets[there], p[there])
    assert list(np.isnan(result.auc)) == [False, True, False]
    assert result.auc[0] == pytest.approx(oracle.roc_auc_score(targets[there] == 0, p[there, 0]))
    assert np.isnan([result.macro_auc, result.macro_curve_auc]).all()
    hot = targets[there, None] == np.arange(3)
    assert result.micro_auc == pytest.approx(oracle.roc_auc_score(hot.ravel(), p[there].ravel()))


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: roc_curve([], []), ShapeError, "at least 1"),
        (lambda: roc_curve([0, 1], [[0.5, 0.5]]), ShapeError, "scores"),
        (lambda: roc_curve([0, 1, 1], [0.1, 0.2]), ShapeError, "3 targets and 2 scores"),
        (lambda: roc_curve([[0, 1]], [0.1, 0.2]), ShapeError, "targets"),
        (lambda: roc_curve([0, 2], [0.1, 0.2]), ArgumentError, "got 2"),
        (lambda: roc_curve([0, 1], [0.1, np.nan]), ArgumentError, "got nan"),
        (lambda: roc_curve([0, 1], [0.1, -np.inf]), ArgumentError, "got -inf"),
        (lambda: roc_curve([0, 1], ["a", "b"]), DtypeError, "scores"),
        (lambda: auc([0.0], [1.0]), ShapeError, "at least 2"),
        (lambda: auc([0.0, 1.0], [1.0]), ShapeError, r"\(2,\) and \(1,\)"),
        (lambda: auc([0.0, 1.0, 0.5], [0.0, 1.0, 1.0]), ArgumentError, "only rise"),
        (lambda: roc_auc([0, 1], [0.5, 0.5]), ShapeError, "K at least 2"),
        (lambda: roc_auc([0, 0], [[0.5], [0.5]]), ShapeError, "K at least 2"),
        (lambda: roc_auc([], np.zeros((0, 3))), ShapeError, r"\(0, 3\)"),
        (lambda: roc_auc([0], [[0.5, 0.5]] * 2), ShapeError, "1 targets and 2 scores"),
        (lambda: roc_auc([0, 2], [[0.5, 0.5]] * 2), NnliteIndexError, "got 2"),
        (lambda: roc_auc([0.0, 1.0], [[0.5, 0.5]] * 2), DtypeError, "integers"),
        (lambda: roc_auc([0, 1], [[0.5, np.nan]] * 2), ArgumentError, "got nan"),
    ],
)
def test_bad_input(call, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words) as caught:
        call()
    assert "hint" in str(caught.value)
