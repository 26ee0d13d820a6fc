"""Bugs that other libraries' update rules have had; test_optim_rules.py has whole trajectories."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import nnlite
from nnlite import nn, optim
from nnlite.errors import ArgumentError, NnliteError


def _steps(name: str, gradients: list[list[float]], **options: Any) -> np.ndarray:
    """Where float64 parameters at 1 end, as in PyTorch to the last digits."""
    ours = nnlite.ones(len(gradients[0]), dtype="float64", requires_grad=True)
    theirs = torch.ones(len(gradients[0]), dtype=torch.float64, requires_grad=True)
    a = getattr(optim, name)([ours], **options)
    b = getattr(torch.optim, name)([theirs], **options)
    for g in gradients:
        ours.grad, theirs.grad = nnlite.tensor(np.array(g)), torch.tensor(g, dtype=torch.float64)
        a.step()
        b.step()
        np.testing.assert_array_equal(ours.grad.numpy(), g)  # step() does not write there
    found = ours.detach().numpy()
    # PyTorch keeps the product of NAdam's momenta as a float32
    rtol = 1e-8 if name == "NAdam" else 1e-13
    np.testing.assert_allclose(found, theirs.detach().numpy(), rtol=rtol)
    return found


@pytest.mark.parametrize("name", ["Adam", "AdamW", "NAdam", "RAdam"])
@pytest.mark.parametrize("eps", [1e-8, 1.0])
def test_eps_of_adam_stands_outside_the_corrected_root(name: str, eps: float) -> None:
    """tensorflow#9047, tf-keras#315, alf PR #466."""
    found = _steps(name, [[1e-9, 1e-3, 1.0]] * 3, lr=0.1, eps=eps)
    if name == "Adam" and eps == 1.0:
        # 3 steps of lr * g / (|g| + eps), as sqrt(v / (1 - b2^t)) = |g| exactly
        g = np.array([1e-9, 1e-3, 1.0])
        np.testing.assert_allclose(1 - found, 3 * 0.1 * g / (g + 1), rtol=1e-6)


def test_eps_of_rmsprop_stands_outside_the_root() -> None:
    """pytorch#23796, PR #26735; jax PR #1427; chainer PR #5150; FastNN#12."""
    for centered in (False, True):
        _steps(
            "RMSprop", [[1e-9, 1e-3, 1.0], [2e-9, 0.0, -1.0]], lr=0.1, eps=0.1, centered=centered
        )


def test_first_momentum_is_the_gradient() -> None:
    """Dampening begins with the second step. pytorch PR #152833, mlx PR #473, keras#1475."""
    assert _steps("SGD", [[2.0]], lr=0.1, momentum=0.9, dampening=0.5).tolist() == [0.8]
    _steps("SGD", [[2.0], [3.0], [-1.0]], lr=0.1, momentum=0.9, dampening=0.5)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_decay_is_part_of_the_gradient_of_sgd(momentum: float) -> None:
    """With momentum, and without. pytorch_optimizer PR #516."""
    found = _steps("SGD", [[1.0]], lr=0.1, momentum=momentum, weight_decay=0.5)
    np.testing.assert_allclose(found, [1 - 0.1 * 1.5], rtol=1e-15)
    _steps("SGD", [[1.0], [0.0], [2.0]], lr=0.1, momentum=momentum, weight_decay=0.5)


@pytest.mark.parametrize("options", [{"momentum": 0.0}, {"momentum": 0.9, "dampening": 0.1}])
def test_nesterov_needs_momentum_without_dampening(options: dict[str, float]) -> None:
    """mlx PR #473."""
    with pytest.raises(ArgumentError, match="SGD: nesterov"):
        optim.SGD([nnlite.ones(1, requires_grad=True)], lr=0.1, nesterov=True, **options)


RULES = ["SGD", "Adam", "AdamW", "NAdam", "RAdam", "Adamax", "Adagrad", "Adadelta", "RMSprop",
         "Rprop", "ASGD"]  # fmt: skip


@pytest.mark.parametrize("name", RULES)
def test_no_gradient_leaves_parameter_state_and_decay_alone(name: str) -> None:
    """Muon#54; pytorch#83769, #150610, PR #12107."""
    x, y = (nnlite.ones(2, requires_grad=True) for _ in range(2))
    options = {} if name == "Rprop" else {"weight_decay": 0.1}
    optimizer = getattr(optim, name)([x, y], lr=0.1, **options)
    before = {k: str(v) for k, v in optimizer.state.get(y, {}).items()}
    for _ in range(3):
        x.grad = nnlite.ones(2)
        optimizer.step()
    assert y.tolist() == [1.0, 1.0]
    assert {k: str(v) for k, v in optimizer.state.get(y, {}).items()} == before
    assert x.tolist() != [1.0, 1.0]


@pytest.mark.parametrize("name", RULES)
def test_step_leaves_the_gradient_alone(name: str) -> None:
    """pytorch#83769: weight decay and maximize worked on .grad itself."""
    x = nnlite.ones(3, requires_grad=True)
    options = {} if name == "Rprop" else {"weight_decay": 0.1}
    optimizer = getattr(optim, name)([x], lr=0.1, maximize=True, **options)
    x.grad = g = nnlite.tensor([1.0, -2.0, 0.5])
    for _ in range(2):
        optimizer.step()
        assert x.grad is g
        assert g.tolist() == [1.0, -2.0, 0.5]
    for state in optimizer.state.values():
        for value in state.values():
            if isinstance(value, nnlite.Tensor):
                assert not np.shares_memory(value.array, g.array)


def test_a_state_for_parameters_of_other_shapes_is_refused() -> None:
    """pytorch#3852, #105958: PyTorch loads it, and crashes in a later step, or never."""
    first = [nnlite.ones(2, requires_grad=True), nnlite.ones(3, requires_grad=True)]
    optimizer = optim.Adam(first)
    for p in first:
        p.grad = nnlite.ones(*p.shape)
    optimizer.step()
    other = optim.Adam([p.detach().clone().requires_grad_() for p in first[::-1]])
    with pytest.raises(NnliteError, match=r"\(2,\)"):
        other.load_state_dict(optimizer.state_dict())


def test_parameters_changed_before_backward_are_noticed() -> None:
    """A step between forward and backward: the saved weight is not the one used."""
    layer = nn.Linear(2, 2)
    optimizer = optim.SGD(layer.parameters(), lr=0.1)
    x = nnlite.ones(1, 2, requires_grad=True)
    loss = layer(x).sum()
    for p in layer.parameters():
        p.grad = nnlite.ones(*p.shape)
    optimizer.step()
    with pytest.raises(NnliteError, match="changed in place"):
        loss.backward()
