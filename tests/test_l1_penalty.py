"""The L1 penalty, and the page that derives it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import nnlite
from nnlite import nn, optim
from nnlite.autograd import grad, gradcheck
from nnlite.errors import ArgumentError, DoubleBackwardError, DtypeError, GradcheckError
from nnlite.nn import L1Penalty
from nnlite.nn.functional import l1_penalty

X = np.array([[0.3, -1.2, 2.0], [-0.7, 0.9, -0.1]])
PAGE = Path(__file__).parents[1] / "docs" / "write_an_op.md"


def _loss(y: Any) -> Any:
    return (y * y).sum() + y.exp().sum()


@pytest.mark.parametrize(("scale", "n"), [("sum", 1), ("mean", 6), ("batch_mean", 2), (784, 784)])
def test_backward_is_the_derivative_of_loss_plus_penalty(scale: Any, n: int) -> None:
    x = nnlite.tensor(X, requires_grad=True)
    _loss(l1_penalty(x, 0.7, scale)).backward()

    def total(values: np.ndarray) -> float:
        return float((values**2).sum() + np.exp(values).sum() + 0.7 / n * np.abs(values).sum())

    eps = 1e-6
    for i in np.ndindex(X.shape):
        step = np.zeros_like(X)
        step[i] = eps
        slope = (total(X + step) - total(X - step)) / (2 * eps)
        assert x.grad[i].item() == pytest.approx(slope, abs=1e-8)


def test_forward_is_the_identity_on_the_same_memory() -> None:
    x = nnlite.tensor(X, requires_grad=True)
    y = l1_penalty(x, 0.1)
    assert y is not x
    assert (y.detach().numpy() == X).all()
    assert np.shares_memory(y.array, x.array)


def test_it_adds_the_same_whatever_the_loss() -> None:
    """Zero at 0; not multiplied with gy; there even where gy is 0."""
    for factor in (1.0, 2.0, 0.0):
        x = nnlite.tensor([2.0, -3.0, 0.0], requires_grad=True)
        (l1_penalty(x, 0.25) * factor).sum().backward()
        assert x.grad.tolist() == [factor + 0.25, factor - 0.25, factor]


def test_gradcheck_refuses_it_as_derivative_of_the_identity() -> None:
    x = nnlite.tensor(X, requires_grad=True)
    with pytest.raises(GradcheckError):
        gradcheck(lambda t: l1_penalty(t, 0.1), (x,))
    assert gradcheck(lambda t: l1_penalty(t, 0.0), (x,))


def test_second_order_is_refused() -> None:
    """A second backward would pass through the op again, and add the penalty to itself."""
    x = nnlite.tensor(X, requires_grad=True)
    with pytest.raises(DoubleBackwardError, match="L1Penalty"):
        grad(_loss(l1_penalty(x, 0.1)), [x], create_graph=True)


def test_same_as_the_function_in_pytorch() -> None:
    class Penalty(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(x)
            return x

        @staticmethod
        def backward(ctx: Any, gy: Any) -> Any:
            return gy + 0.3 * ctx.saved_tensors[0].sign()

    t = torch.tensor(X, requires_grad=True)
    _loss(Penalty.apply(t)).backward()
    x = nnlite.tensor(X, requires_grad=True)
    _loss(l1_penalty(x, 0.3)).backward()
    np.testing.assert_allclose(x.grad.numpy(), t.grad.numpy(), rtol=1e-14)


def _train(weight: float) -> tuple[float, float]:
    """A linear autoencoder's mean squared error and its mean |code|."""
    rng = np.random.default_rng(3)
    data = nnlite.tensor(rng.standard_normal((40, 6)))
    nnlite.manual_seed(3)
    model = nn.Sequential(nn.Linear(6, 4), L1Penalty(weight, "batch_mean"), nn.Linear(4, 6))
    model.to(nnlite.float64)
    optimizer = optim.Adam(model.parameters(), lr=0.02)
    for _ in range(150):
        optimizer.zero_grad()
        error = ((model(data) - data) ** 2).mean()
        error.backward()
        optimizer.step()
    return error.item(), model[0](data).abs().mean().item()


def test_it_acts_in_training() -> None:
    plain_error, plain_code = _train(0.0)
    error, code = _train(0.05)
    assert code < 0.5 * plain_code
    assert error < 1.5 * plain_error


def test_the_layer_is_silent_in_evaluation() -> None:
    layer = L1Penalty(0.5, scale="sum")
    x = nnlite.tensor([2.0, -3.0], requires_grad=True)
    layer(x).sum().backward()
    assert x.grad.tolist() == [1.5, 0.5]
    x.grad = None
    layer.eval()(x).sum().backward()
    assert x.grad.tolist() == [1.0, 1.0]
    assert repr(layer) == "L1Penalty(weight=0.5, scale='sum')"
    assert layer.state_dict() == {}


def test_dtype_is_kept_and_empty_passes() -> None:
    x = nnlite.tensor(X, dtype=nnlite.float32, requires_grad=True)
    l1_penalty(x, np.float64(0.1), "mean").sum().backward()
    assert x.grad.dtype == nnlite.float32
    empty = nnlite.zeros(0, 3, requires_grad=True)
    for scale in ("sum", "mean", "batch_mean"):
        l1_penalty(empty, 0.1, scale).sum().backward()
    assert empty.grad.shape == (0, 3)


@pytest.mark.parametrize("weight", [-0.1, float("nan"), float("inf"), "0.1", None, True])
def test_bad_weights(weight: Any) -> None:
    for call in (lambda: l1_penalty(nnlite.ones(2), weight), lambda: L1Penalty(weight)):
        with pytest.raises(ArgumentError, match="weight: expected a finite number >= 0"):
            call()


@pytest.mark.parametrize("scale", ["none", 0, -1, 0.5, True, None])
def test_bad_scales(scale: Any) -> None:
    for call in (lambda: l1_penalty(nnlite.ones(2), 1, scale), lambda: L1Penalty(1, scale)):
        with pytest.raises(ArgumentError, match="scale: expected 'sum', 'mean', 'batch_mean'"):
            call()


def test_other_refusals() -> None:
    with pytest.raises(ArgumentError, match="0-d"):
        l1_penalty(nnlite.tensor(1.0), 1, "batch_mean")
    with pytest.raises(DtypeError, match="l1_penalty: input: expected float32 or float64"):
        l1_penalty(nnlite.tensor([1, 2]), 1)


def test_the_page_runs() -> None:
    """The code of docs/write_an_op.md, from top to bottom."""
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) >= 5
    names: dict[str, Any] = {"print": lambda *_: None}
    exec("\n".join(blocks), names)
    assert "1.1" in names["refusal"]
    assert "factor" in names["diagnosis"]
    assert names["y"].tolist() == [3.0, -2.0, 0.0]
    assert "[1.1, 0.9, 1.0]" in PAGE.read_text(encoding="utf-8")


def test_on_a_device(device: str) -> None:
    x = nnlite.tensor(X).to(nnlite.device(device)).requires_grad_()
    l1_penalty(x, 0.5, "mean").sum().backward()
    np.testing.assert_allclose(x.grad.cpu().numpy(), 1 + 0.5 / 6 * np.sign(X), rtol=1e-15)
