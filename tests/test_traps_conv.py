"""Bugs that convolution, pooling and dropout have had in other libraries."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch

from nnlite import nn
from nnlite.autograd import Tensor, grad
from nnlite.backend import Generator, manual_seed
from nnlite.nn import functional as F


def _normal(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


def _gradients(name: str, arrays: list[np.ndarray], **kwargs: Any) -> None:
    """Result and gradients of F.name against PyTorch's, with a random cotangent."""
    ours = [Tensor(a, True) for a in arrays]
    theirs = [torch.tensor(a, requires_grad=True) for a in arrays]
    y = getattr(F, name)(*ours, **kwargs)
    expected = getattr(torch.nn.functional, name)(*theirs, **kwargs)
    np.testing.assert_allclose(y.array, expected.detach().numpy(), rtol=1e-9, atol=1e-9)
    v = _normal(99, *y.shape)
    found = grad(y, ours, Tensor(v))
    wanted = torch.autograd.grad(expected, theirs, torch.tensor(v))
    for g, w, x in zip(found, wanted, arrays, strict=True):
        assert g is not None
        assert g.shape == x.shape
        np.testing.assert_allclose(g.array, w.numpy(), rtol=1e-9, atol=1e-9)


SETTINGS = list(
    itertools.product((1, 2, 3), (0, 1, 2), (1, 2), (1, 2, 4), ((3, 3), (1, 2), (5, 3)))
)


def test_every_combination_of_settings() -> None:
    """Strides that leave rows over, with each padding, dilation and number of groups.

    Theano#4729, cTensor#3.
    """
    x, b = _normal(0, 2, 4, 11, 9), _normal(1, 4)
    for stride, padding, dilation, groups, kernel in SETTINGS:
        w = _normal(2, 4, 4 // groups, *kernel)
        options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
        _gradients("conv2d", [x, w, b], **options)


def test_rows_that_no_window_sees_have_gradient_zero() -> None:
    x = Tensor(_normal(0, 1, 1, 8, 8), True)
    y = F.conv2d(x, Tensor(np.ones((1, 1, 3, 3))), stride=3)
    (g,) = grad(y, [x], Tensor(np.ones(y.shape)))
    assert g is not None
    expected = np.zeros((8, 8))
    expected[:6, :6] = 1
    np.testing.assert_array_equal(g.array[0, 0], expected)


def test_weight_gradient_is_a_sum_over_batch_and_windows() -> None:
    """Without a factor 1 / (batch * height * width)."""
    x, w = Tensor(np.ones((3, 1, 5, 5))), Tensor(np.zeros((1, 1, 2, 2)), True)
    y = F.conv2d(x, w)
    (g,) = grad(y, [w], Tensor(np.ones(y.shape)))
    assert g is not None
    np.testing.assert_array_equal(g.array, np.full((1, 1, 2, 2), 3 * 4 * 4))


def test_same_padding_with_an_even_kernel_puts_the_odd_zero_last() -> None:
    x, w = _normal(0, 2, 3, 5, 6), _normal(1, 4, 3, 2, 4)
    y = F.conv2d(Tensor(x), Tensor(w), padding="same", dilation=(3, 1))
    padded = torch.nn.functional.pad(torch.tensor(x), (1, 2, 1, 2))
    expected = torch.nn.functional.conv2d(padded, torch.tensor(w), dilation=(3, 1))
    np.testing.assert_allclose(y.array, expected.numpy(), rtol=1e-9, atol=1e-9)


def test_blocks_of_images_are_put_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch that is worked on in several blocks, the last one ragged."""
    monkeypatch.setattr("nnlite.ops.kernels.im2col.BLOCK", 2 * 3 * 9 * 16)
    _gradients("conv2d", [_normal(0, 5, 3, 6, 6), _normal(1, 2, 3, 3, 3), _normal(2, 2)])
    _gradients("conv_transpose2d", [_normal(0, 5, 2, 4, 4), _normal(1, 2, 3, 3, 3)])


def test_gradient_of_data_is_not_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("the gradient of the data was computed")

    monkeypatch.setattr("nnlite.ops.conv.input_grad", refuse)
    w = Tensor(_normal(1, 2, 1, 3, 3), True)
    y = F.conv2d(Tensor(_normal(0, 2, 1, 5, 5)), w)
    assert grad(y, [w], Tensor(np.ones(y.shape)))[0] is not None


# -- pooling -----------------------------------------------------------------------------------


def test_max_pool_pads_with_minus_infinity() -> None:
    """pytorch#33384, #41294; mxnet#6191; tinygrad PR #7726."""
    x = np.full((1, 1, 4, 4), -5.0)
    assert (F.max_pool2d(Tensor(x), 3, 2, 1).array == -5).all()
    x[:] = -np.inf
    y, index = F.max_pool2d(Tensor(x), 3, 2, 1, return_indices=True)
    expected = torch.nn.functional.max_pool2d(torch.tensor(x), 3, 2, 1, return_indices=True)
    np.testing.assert_array_equal(y.array, expected[0].numpy())
    np.testing.assert_array_equal(index.array, expected[1].numpy())


def test_max_pool_gives_a_tie_to_the_first() -> None:
    """tensorflow#4886, Theano#5248."""
    x = Tensor(np.zeros((1, 1, 4, 4)), True)
    (g,) = grad(F.max_pool2d(x, 2), [x], Tensor(np.ones((1, 1, 2, 2))))
    assert g is not None
    expected = np.zeros((4, 4))
    expected[::2, ::2] = 1
    np.testing.assert_array_equal(g.array[0, 0], expected)


def test_overlapping_windows_add_up() -> None:
    """pytorch#1528, of windows."""
    x = np.zeros((1, 1, 5, 5))
    x[0, 0, 2, 2] = 1
    t = Tensor(x, True)
    (g,) = grad(F.max_pool2d(t, 3, 1), [t], Tensor(np.ones((1, 1, 3, 3))))
    assert g is not None
    assert g.array[0, 0, 2, 2] == 9
    assert g.array.sum() == 9


def test_max_pool_passes_nan_on_and_back() -> None:
    """pytorch#7645, mxnet#11115."""
    x = _normal(0, 1, 1, 4, 4)
    x[0, 0, 1, 1] = np.nan
    t = Tensor(x, True)
    y = F.max_pool2d(t, 2)
    np.testing.assert_array_equal(np.isnan(y.array[0, 0]), [[True, False], [False, False]])
    (g,) = grad(y, [t], Tensor(np.ones((1, 1, 2, 2))))
    assert g is not None
    assert g.array[0, 0, 1, 1] == 1
    assert g.array.sum() == 4


def test_an_infinite_gradient_stays_at_its_pixel() -> None:
    t = Tensor(_normal(0, 1, 1, 2, 2), True)
    (g,) = grad(F.max_pool2d(t, 2), [t], Tensor(np.full((1, 1, 1, 1), np.inf)))
    assert g is not None
    assert np.isinf(g.array).sum() == 1
    assert not np.isnan(g.array).any()


@pytest.mark.parametrize("function", ["max_pool2d", "avg_pool2d"])
def test_every_size_in_ceil_mode(function: str) -> None:
    """Windows beyond the end are dropped, and cells beyond the padding do not count.

    onnx#4958, #5235; pytorch#183528; onnxruntime#16203, PR #16752, #27375, #29629; xla PR #6409.
    """
    more: list[dict[str, Any]] = [{}]
    if function == "avg_pool2d":
        more = [{"count_include_pad": c} for c in (True, False)]
    for size, kernel, stride in itertools.product(range(1, 8), (1, 2, 3), (1, 2, 3, 4)):
        for padding, options in itertools.product(range(kernel // 2 + 1), more):
            if size + 2 * padding < kernel:
                continue
            x = np.random.default_rng(size).permutation(size * size * 2) * 1.0
            options = {**options, "stride": stride, "padding": padding, "ceil_mode": True}
            _gradients(function, [x.reshape(1, 2, size, size)], kernel_size=kernel, **options)


def test_pooling_in_more_places_than_a_byte_counts() -> None:
    _gradients("max_pool2d", [_normal(0, 1, 2, 20, 20)], kernel_size=(17, 18), stride=2)


# -- dropout -----------------------------------------------------------------------------------


def test_dropout_keeps_the_mean_and_the_share() -> None:
    x = np.ones((200, 500), "float32")
    y = F.dropout(Tensor(x), 0.3, generator=Generator().manual_seed(0)).array
    assert y.dtype == np.float32
    kept = y != 0
    # five standard deviations of the share
    assert abs(kept.mean() - 0.7) < 5 * (0.3 * 0.7 / x.size) ** 0.5
    np.testing.assert_allclose(y[kept], 1 / 0.7, rtol=1e-6)


def test_dropout_is_the_identity_in_evaluation_and_at_zero() -> None:
    x = Tensor(np.array([1.0, np.nan, np.inf]), True)
    assert F.dropout(x, 0.5, training=False) is x
    assert F.dropout(x, 0.0) is x
    layer = nn.Dropout(0.9).eval()
    assert layer(x) is x
    (g,) = grad(layer(x) * 2, [x], Tensor(np.ones(3)))
    assert g is not None
    np.testing.assert_array_equal(g.array, [2, 2, 2])


def test_dropout_of_everything_is_zero() -> None:
    x = Tensor(np.ones((3, 4)), True)
    y = F.dropout(x, 1.0)
    (g,) = grad(y, [x], Tensor(np.ones((3, 4))))
    assert g is not None
    np.testing.assert_array_equal(y.array, np.zeros((3, 4)))
    np.testing.assert_array_equal(g.array, np.zeros((3, 4)))


def test_dropout_uses_its_mask_again_in_backward() -> None:
    x = Tensor(np.ones((50, 50)), True)
    y = F.dropout(x, 0.5)
    (g,) = grad(y, [x], Tensor(np.ones((50, 50))))
    assert g is not None
    np.testing.assert_array_equal(g.array, y.array)


def test_dropout_follows_the_default_generator_and_leaves_numpys_alone() -> None:
    before = np.random.get_state()[1].copy()  # type: ignore[index, union-attr]
    x = Tensor(np.ones((20, 20)))
    manual_seed(3)
    a, b = F.dropout(x).array, F.dropout(x).array
    manual_seed(3)
    np.testing.assert_array_equal(F.dropout(x).array, a)
    assert (a != b).any()
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # type: ignore[index]


def test_dropout_in_place_writes_into_its_input() -> None:
    x = Tensor(np.ones((20, 20)))
    y = F.dropout(x, 0.5, inplace=True)
    assert y is x
    assert set(np.unique(x.array)) == {0.0, 2.0}


def test_dropout2d_drops_whole_channels() -> None:
    y = F.dropout2d(Tensor(np.ones((8, 16, 3, 3))), 0.5, generator=Generator().manual_seed(1)).array
    first = y[:, :, :1, :1]
    assert (y == first).all()
    assert 0 < (first == 0).sum() < first.size
