"""Bugs that other libraries' losses have had, one test each; PyTorch is the oracle."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from nnlite.autograd import Tensor
from nnlite.ops.cross_entropy import cross_entropy, nll_loss
from nnlite.ops.probability_loss import binary_cross_entropy, binary_cross_entropy_with_logits
from nnlite.ops.softmax import log_softmax, softmax

RNG = np.random.default_rng(0)
SCORES = RNG.standard_normal((4, 3))


def ours(fn, x, *args, **kwargs):
    """The loss and the gradient of x."""
    leaf = Tensor(x.copy(), requires_grad=True)
    loss = fn(leaf, *args, **kwargs)
    loss.sum().backward()
    return loss.array, leaf.grad.array


def theirs(fn, x, *args, **kwargs):
    leaf = torch.from_numpy(x.copy()).requires_grad_()
    loss = fn(leaf, *args, **kwargs)
    loss.sum().backward()
    return loss.numpy(force=True), leaf.grad.numpy()


def assert_same(a, b):
    for mine, other in zip(a, b, strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weighted", [False, True])
def test_ignored_samples_count_for_nothing(smoothing, weighted):
    # pytorch#73205, #69339, #91383, #72056; tinygrad PR #3570
    w = Tensor(np.array([0.5, 1.0, 2.0])) if weighted else None
    loss, gradient = ours(
        cross_entropy,
        SCORES[:2],
        Tensor(np.array([2, -100])),
        weight=w,
        label_smoothing=smoothing,
    )
    alone, its_gradient = ours(
        cross_entropy, SCORES[:1], Tensor(np.array([2])), weight=w, label_smoothing=smoothing
    )
    np.testing.assert_allclose(loss, alone, rtol=1e-14)
    np.testing.assert_allclose(gradient[:1], its_gradient, rtol=1e-14)
    assert not gradient[1].any()


@pytest.mark.parametrize("loss", [(cross_entropy, F.cross_entropy), (nll_loss, F.nll_loss)])
@pytest.mark.parametrize("ignored", [-100, 255, -1])
def test_all_ignored_is_nan_with_gradient_zero(loss, ignored):
    # pytorch#116349, #70348
    labels = np.full(4, ignored)
    mine = ours(loss[0], SCORES, Tensor(labels), ignore_index=ignored)
    assert_same(mine, theirs(loss[1], SCORES, torch.from_numpy(labels), ignore_index=ignored))
    assert np.isnan(mine[0])
    assert not mine[1].any()


def test_an_ignored_sample_may_be_nan():
    scores = SCORES.copy()
    scores[1] = np.nan
    loss, _ = ours(cross_entropy, scores, Tensor(np.array([0, -100, 1, 2])))
    alone, _ = ours(cross_entropy, SCORES[[0, 2, 3]], Tensor(np.array([0, 1, 2])))
    np.testing.assert_allclose(loss, alone, rtol=1e-14)


@pytest.mark.parametrize("scale", [89.0, 1e4])
def test_large_scores_stay_finite_in_float32(scale):
    x = (np.array([[1, -1, 0], [-1, -1, -1], [1, 1, 1]]) * scale).astype(np.float32)
    labels = np.array([1, 0, 2])
    mine = ours(cross_entropy, x, Tensor(labels))
    assert np.isfinite(mine[0])
    assert np.isfinite(mine[1]).all()
    for a, b in zip(mine, theirs(F.cross_entropy, x, torch.from_numpy(labels)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)


def test_bce_at_zero_and_one():
    # pytorch#24933, #49844; mlx PR #1280
    p, t = np.array([0.0, 0.0, 1.0, 1.0]), np.array([0.0, 1.0, 0.0, 1.0])
    mine = ours(binary_cross_entropy, p, Tensor(t), reduction="none")
    expected = theirs(F.binary_cross_entropy, p, torch.from_numpy(t), reduction="none")
    for a, b in zip(mine, expected, strict=True):  # PyTorch's 1e-12 is a float32
        np.testing.assert_allclose(a, b, rtol=1e-8)
    assert mine[0].tolist() == [0.0, 100.0, 100.0, 0.0]
    assert np.isfinite(mine[1]).all()


def test_bce_with_logits_far_out():
    # pytorch#103316
    x, t = np.array([1e9, -1e9, 150.0, -150.0]), np.array([0.0, 1.0, 0.0, 1.0])
    mine = ours(binary_cross_entropy_with_logits, x, Tensor(t), reduction="none")
    assert mine[0].tolist() == [1e9, 1e9, 150.0, 150.0]
    assert mine[1].tolist() == [1.0, -1.0, 1.0, -1.0]


@pytest.mark.parametrize(("made_by", "name"), [(softmax, "softmax"), (log_softmax, "log_softmax")])
def test_softmax_before_cross_entropy_warns_once(made_by, name):
    x, labels = Tensor(SCORES, requires_grad=True), Tensor(np.array([0, 1, 2, 0]))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        for _ in range(3):
            cross_entropy(made_by(x, 1), labels)
    assert len(caught) == 1
    assert caught[0].category is UserWarning
    assert str(caught[0].message).startswith(f"cross_entropy: input comes from {name},")
    assert caught[0].filename == __file__


def test_the_warning_can_be_silenced_and_the_loss_stands():
    x, labels = Tensor(SCORES, requires_grad=True), np.array([0, 1, 2, 0])
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="cross_entropy: input comes from softmax")
        loss = cross_entropy(softmax(x, 1), Tensor(labels))
    expected = F.cross_entropy(torch.from_numpy(SCORES).softmax(1), torch.from_numpy(labels))
    np.testing.assert_allclose(loss.array, expected.numpy(), rtol=1e-14)


def test_scores_do_not_warn():
    x, labels = Tensor(SCORES, requires_grad=True), Tensor(np.array([0, 1, 2, 0]))
    cross_entropy(x * 2.0, labels)
    nll_loss(log_softmax(x, 1), labels)


def test_labels_changed_before_backward_do_not_change_the_gradient():
    """A loader that fills the same array of labels again for the next batch."""
    labels = np.array([0, 2, 1, 1])
    _, expected = theirs(F.cross_entropy, SCORES, torch.from_numpy(labels.copy()))
    leaf = Tensor(SCORES.copy(), requires_grad=True)
    loss = cross_entropy(leaf, Tensor(labels))
    labels[:] = 0
    loss.backward()
    np.testing.assert_allclose(leaf.grad.array, expected, rtol=1e-12)
