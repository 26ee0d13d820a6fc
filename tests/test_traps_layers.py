"""Bugs that other libraries' layers have had: normalization, dropout, convolution arguments."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import nnlite
import nnlite.nn.functional as F
from nnlite import nn
from nnlite.errors import ArgumentError, DtypeError, NnliteIndexError, ShapeError


def _normal(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=shape).astype("float32")


# -- normalization ---------------------------------------------------------------------------------


def test_biased_to_normalize_and_unbiased_to_remember() -> None:
    """pytorch#106366, #77427; tinygrad PR #807."""
    x = _normal(4, 3)
    ours, theirs = nn.BatchNorm1d(3, momentum=0.25), torch.nn.BatchNorm1d(3, momentum=0.25)
    y, expected = ours(nnlite.tensor(x)), theirs(torch.tensor(x))
    np.testing.assert_allclose(y.detach().numpy(), expected.detach().numpy(), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(ours.running_var.numpy(), 0.75 + 0.25 * x.var(0, ddof=1), rtol=1e-5)
    np.testing.assert_allclose(ours.running_var.numpy(), theirs.running_var.numpy(), rtol=1e-5)


def test_momentum_is_the_share_of_the_new_value() -> None:
    """tt-metal#55438: others mean the share of the old one."""
    layer = nn.BatchNorm1d(2, momentum=1.0)
    x = _normal(5, 2)
    layer(nnlite.tensor(x))
    np.testing.assert_allclose(layer.running_mean.numpy(), x.mean(0), rtol=1e-5, atol=1e-6)


def test_a_single_value_has_no_variance() -> None:
    """pytorch#1410."""
    with pytest.raises(ShapeError, match="more than 1 value per channel"):
        nn.BatchNorm1d(3)(nnlite.ones(1, 3))
    assert nn.BatchNorm1d(3).eval()(nnlite.ones(1, 3)).shape == (1, 3)


# -- dropout ---------------------------------------------------------------------------------------


def test_dropout_in_evaluation_is_the_identity_and_differentiable() -> None:
    """Paddle#34293, PR #35122; torch/nn PR #614; tinygrad PR #170."""
    x = nnlite.ones(5, requires_grad=True)
    y = nn.Dropout(0.9).eval()(x)
    (y * 3.0).sum().backward()
    assert y.tolist() == [1.0] * 5
    assert x.grad.tolist() == [3.0] * 5


@pytest.mark.parametrize("p", [0.0, 0.25, 1.0])
def test_dropout_scales_what_it_keeps(p: float) -> None:
    """chainer PR #1010, apex PR #1449: 1 / (1 - p); p = 1 is zeros, not NaN; one mask for both."""
    nnlite.manual_seed(0)
    x = nnlite.ones(1000, requires_grad=True)
    y = F.dropout(x, p)
    y.sum().backward()
    kept = 0.0 if p == 1 else 1 / (1 - p)
    assert set(np.unique(y.detach().numpy())) <= {np.float32(0), np.float32(kept)}
    np.testing.assert_array_equal(x.grad.numpy(), y.detach().numpy())


@pytest.mark.parametrize("p", [-0.1, 1.1, float("nan")])
def test_dropout_refuses_what_is_no_probability(p: float) -> None:
    """tinygrad PR #170."""
    with pytest.raises(ArgumentError):
        nn.Dropout(p)
    with pytest.raises(ArgumentError):
        F.dropout(nnlite.ones(2), p)


# -- convolution and pooling: what is refused ------------------------------------------------------

X, W = nnlite.ones(1, 2, 6, 6), nnlite.ones(4, 2, 3, 3)


@pytest.mark.parametrize(
    "options",
    [{"dilation": 0}, {"stride": 0}, {"groups": 0}, {"padding": -1}, {"stride": -1}],
    ids=str,
)
def test_convolution_refuses_settings_without_meaning(options: dict[str, Any]) -> None:
    """tinygrad PR #14115, and PyTorch's error_inputs_conv2d (tests/test_refusals.py)."""
    with pytest.raises(ArgumentError):
        F.conv2d(X, W, **options)


@pytest.mark.parametrize("shape", [(3,), (1,), (4, 1), (), (1, 4)])
def test_the_shape_of_a_bias_is_checked(shape: tuple[int, ...]) -> None:
    """pytorch#85656: PyTorch's own list of refusals has a FIXME there."""
    with pytest.raises(ShapeError, match="conv2d: bias"):
        F.conv2d(X, W, nnlite.ones(*shape))


def test_padding_wider_than_half_the_window_is_refused() -> None:
    """pytorch#33384, #41294: a window could lie in the padding alone."""
    for pool in (F.max_pool2d, F.avg_pool2d):
        with pytest.raises(ArgumentError, match="padding"):
            pool(X, 2, padding=2)


def test_integers_are_refused_by_max_pool() -> None:
    """pytorch#33384; tinygrad PR #7726: -inf is no integer, and 0 would win over negatives."""
    with pytest.raises(DtypeError, match="max_pool2d: input"):
        F.max_pool2d(nnlite.ones(1, 1, 4, 4, dtype="int64"), 2)


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "padding"), [(10, 7, 3, 2), (9, 7, 3, 2), (8, 3, 4, 1)]
)
def test_rows_left_over_have_gradient_zero(
    size: int, kernel: int, stride: int, padding: int
) -> None:
    """torch/DEPRECEATED-torch7-distro#20, backpack#30, CMU10-714#6, opacus PR #245."""
    x = np.random.default_rng(0).normal(size=(2, 3, size, size))
    w = np.random.default_rng(1).normal(size=(4, 3, kernel, kernel))
    a, b = nnlite.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    F.conv2d(a, nnlite.tensor(w), stride=stride, padding=padding).sum().backward()
    torch.nn.functional.conv2d(b, torch.tensor(w), stride=stride, padding=padding).sum().backward()
    assert a.grad.shape == a.shape
    np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy(), rtol=1e-10, atol=1e-10)


# -- labels ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
@pytest.mark.parametrize("label", [-4, -1, 3, 255])
@pytest.mark.parametrize("loss", ["cross_entropy", "nll_loss"])
def test_labels_outside_are_refused(loss: str, label: int, reduction: str) -> None:
    """pytorch#12670, #15508."""
    with pytest.raises(NnliteIndexError, match=str(label)):
        getattr(F, loss)(nnlite.zeros(2, 3), nnlite.tensor([0, label]), reduction=reduction)


@pytest.mark.parametrize("label", [-1, 3, 255])
def test_an_ignored_label_may_lie_outside(label: int) -> None:
    """pytorch#15508."""
    x = _normal(2, 3)
    ours = F.cross_entropy(nnlite.tensor(x), nnlite.tensor([1, label]), ignore_index=label)
    theirs = torch.nn.functional.cross_entropy(
        torch.tensor(x), torch.tensor([1, label]), ignore_index=label
    )
    np.testing.assert_allclose(ours.item(), theirs.item(), rtol=1e-6)


@pytest.mark.parametrize("loss", ["mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss"])
def test_a_column_against_a_vector_is_refused(loss: str) -> None:
    """pytorch#16045 (PR #18349, #18565): (n,) against (n, 1) compares each with all."""
    with pytest.raises(ShapeError, match=rf"{loss}: target.*\(4,\).*\(4, 1\)"):
        getattr(F, loss)(nnlite.ones(4), nnlite.ones(4, 1))


def test_the_mean_of_weighted_labels() -> None:
    """By the weights of the labels; by N for probabilities. pytorch PR #63122."""
    x, w = _normal(3, 4), np.array([1.0, 2.0, 3.0, 4.0], "float32")
    labels, shares = np.array([0, 3, -100]), np.full((3, 4), 0.25, "float32")
    for target in (labels, shares):
        ours = F.cross_entropy(nnlite.tensor(x), nnlite.tensor(target), nnlite.tensor(w))
        theirs = torch.nn.functional.cross_entropy(
            torch.tensor(x), torch.tensor(target), torch.tensor(w)
        )
        np.testing.assert_allclose(ours.item(), theirs.item(), rtol=1e-6)
    each = F.cross_entropy(
        nnlite.tensor(x[:2]), nnlite.tensor(labels[:2]), nnlite.tensor(w), reduction="none"
    )
    mean = F.cross_entropy(nnlite.tensor(x), nnlite.tensor(labels), nnlite.tensor(w))
    np.testing.assert_allclose(mean.item(), each.numpy().sum() / (w[0] + w[3]), rtol=1e-6)
