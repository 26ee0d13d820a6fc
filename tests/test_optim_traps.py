"""Where other libraries' update rules went wrong."""

from __future__ import annotations

import numpy as np
import torch

from nnlite import optim
from nnlite.autograd import Tensor


def test_sparse_adam_leaves_rows_without_gradient() -> None:
    x = Tensor(np.ones((3, 2)), requires_grad=True)
    optimizer = optim.SparseAdam([x], lr=0.1)
    for _ in range(2):
        x.grad = Tensor(np.array([[1.0, 0.0], [0.0, 0.0], [0.0, 2.0]]))
        optimizer.step()
    x.grad = Tensor(np.array([[0.0, 0.0], [0.0, 0.0], [0.0, 2.0]]))
    before = x.array.copy()
    optimizer.step()
    np.testing.assert_array_equal(x.array[1], [1.0, 1.0])
    np.testing.assert_array_equal(x.array[0], before[0])  # Adam would go on by its averages
    assert (optimizer.state[x]["exp_avg"].array[1] == 0).all()
    assert (x.array[2, 1] != before[2, 1]).all()


def test_centered_rmsprop_survives_a_constant_gradient() -> None:
    """v - a**2 goes below zero by rounding: PyTorch writes NaN. pytorch#23796."""
    x = Tensor(np.zeros(64, np.float32), requires_grad=True)
    y = torch.zeros(64, requires_grad=True)
    rng = np.random.default_rng(0)
    g = (1e4 * (1 + rng.random(64))).astype(np.float32)
    ours = optim.RMSprop([x], lr=1e-3, alpha=0.9, centered=True)
    theirs = torch.optim.RMSprop([y], lr=1e-3, alpha=0.9, centered=True)
    for _ in range(300):
        x.grad, y.grad = Tensor(g), torch.from_numpy(g.copy())
        ours.step()
        theirs.step()
    assert torch.isnan(y).any()  # the trap is really there
    assert np.isfinite(x.array).all()
    # 300 steps of at most lr / sqrt(float32's eps)
    assert np.abs(x.array).max() <= 300 * 1e-3 / np.sqrt(np.finfo(np.float32).eps)


def test_adam_eps_is_outside_the_corrected_root() -> None:
    """Where the gradient is far below eps, the first step is lr * g / eps. tensorflow#9047."""
    x = Tensor(np.zeros(1), requires_grad=True)
    x.grad = Tensor(np.array([1e-6]))
    optim.Adam([x], lr=1.0, eps=1.0).step()
    np.testing.assert_allclose(x.array, [-1e-6 / (1e-6 + 1.0)], rtol=1e-12)


def test_zero_gradient_still_moves_by_momentum() -> None:
    """A gradient of zero is not a missing one."""
    x = Tensor(np.array([1.0]), requires_grad=True)
    optimizer = optim.SGD([x], lr=0.5, momentum=0.5)
    x.grad = Tensor(np.array([2.0]))
    optimizer.step()
    assert x.array[0] == 0.0
    optimizer.zero_grad(set_to_none=False)
    optimizer.step()
    assert x.array[0] == -0.5
    optimizer.zero_grad()
    optimizer.step()
    assert x.array[0] == -0.5


def test_hyper_parameters_keep_their_positions() -> None:
    """pytorch PR #810: a new argument in the middle breaks every positional call."""
    x = [Tensor(np.zeros(1), requires_grad=True)]
    group = optim.SGD(x, 1.0, 2.0, 0.0, 4.0, True).param_groups[0]
    names = ("lr", "momentum", "dampening", "weight_decay", "nesterov")
    assert [group[name] for name in names] == [1.0, 2.0, 0.0, 4.0, True]
    group = optim.Adam(x, 1.0, (0.2, 0.3), 4.0, 5.0, True).param_groups[0]
    names = ("lr", "betas", "eps", "weight_decay", "amsgrad")
    assert [group[name] for name in names] == [1.0, (0.2, 0.3), 4.0, 5.0, True]
    group = optim.RMSprop(x, 1.0, 0.2, 3.0, 4.0, 5.0, True).param_groups[0]
    names = ("lr", "alpha", "eps", "weight_decay", "momentum", "centered")
    assert [group[name] for name in names] == [1.0, 0.2, 3.0, 4.0, 5.0, True]
