"""LBFGS against torch.optim.LBFGS on functions whose gradients are written out by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.optim.lbfgs import _strong_wolfe as torch_strong_wolfe

from nnlite.autograd import Tensor, is_grad_enabled
from nnlite.errors import ArgumentError, DtypeError, StateDictError
from nnlite.optim import LBFGS
from nnlite.optim.line_search import Point, cubic_minimum, strong_wolfe

OPTIONS = [
    {},
    {"lr": 0.3, "max_iter": 7},
    {"lr": 0.5, "history_size": 2},
    {"line_search_fn": "strong_wolfe"},
    {"line_search_fn": "strong_wolfe", "max_iter": 5, "history_size": 3},
    {"line_search_fn": "strong_wolfe", "lr": 30.0, "max_eval": 9},
    {"line_search_fn": "strong_wolfe", "lr": 1e-3, "max_eval": 12},
    {"line_search_fn": "strong_wolfe", "max_eval": 1},
    {"max_iter": 1},
]


def rosenbrock(x: np.ndarray, y: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """Of all neighbours in (x, y flattened), and its gradient."""
    z = np.concatenate([x.ravel(), y.ravel()])
    a, b = z[1:] - z[:-1] ** 2, 1 - z[:-1]
    g = np.zeros_like(z)
    g[1:] += 200 * a
    g[:-1] += -400 * a * z[:-1] - 2 * b
    loss = float((100 * a**2 + b**2).sum())
    return loss, g[: x.size].reshape(x.shape), g[x.size :].reshape(y.shape)


def quadratic(x: np.ndarray, y: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    u, v = np.arange(1.0, x.size + 1).reshape(x.shape), 3.0
    loss = 0.5 * float((u * (x - 1) ** 2).sum() + v * ((y + 2) ** 2).sum())
    return loss, np.asarray(u * (x - 1)), np.asarray(v * (y + 2))


FUNCTIONS = {"rosenbrock": rosenbrock, "quadratic": quadratic}
STARTS = [np.array([[0.2, 1.0], [0.3, 0.4]]), np.array(0.7)]


def closure_for_torch(function, params):
    def closure():
        loss, *grads = function(*(p.detach().numpy() for p in params))
        for p, g in zip(params, grads, strict=True):
            p.grad = torch.from_numpy(g.copy())
        return torch.tensor(loss, dtype=torch.float64)

    return closure


def closure_for_us(function, params, losses=None):
    def closure():
        assert is_grad_enabled()
        loss, *grads = function(*(p.array for p in params))
        for p, g in zip(params, grads, strict=True):
            p.grad = Tensor(g.copy())
        if losses is not None:
            losses.append(loss)
        return Tensor(np.array(loss))

    return closure


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_trajectory_is_that_of_torch(name: str, options: dict) -> None:
    function = FUNCTIONS[name]
    if name == "rosenbrock" and "line_search_fn" not in options:
        options = {**options, "lr": 1e-3}  # whole steps diverge there, in PyTorch too
    theirs = [torch.tensor(x, requires_grad=True) for x in STARTS]
    ours = [Tensor(x.copy(), requires_grad=True) for x in STARTS]
    a, b = torch.optim.LBFGS(theirs, **options), LBFGS(ours, **options)
    for _ in range(4):
        expected = a.step(closure_for_torch(function, theirs))
        loss = b.step(closure_for_us(function, ours))
        np.testing.assert_allclose(loss.array, expected.item(), rtol=1e-7, atol=1e-10)
        for p, q in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(p.array, q.detach().numpy(), rtol=1e-7, atol=1e-8)
    counts = a.state_dict()["state"][0]
    assert b.state[ours[0]]["func_evals"] == counts["func_evals"]
    assert b.state[ours[0]]["n_iter"] == counts["n_iter"]


def test_minimum_of_rosenbrock() -> None:
    params = [Tensor(x.copy(), requires_grad=True) for x in STARTS]
    optimizer = LBFGS(params, max_iter=100, line_search_fn="strong_wolfe")
    optimizer.step(closure_for_us(rosenbrock, params))
    optimizer.step(closure_for_us(rosenbrock, params))
    for p in params:
        np.testing.assert_allclose(p.array, 1.0, atol=1e-5)


@pytest.mark.parametrize("line_search", [None, "strong_wolfe"])
def test_float32_stays_and_a_missing_gradient_counts_as_zero(line_search) -> None:
    x = Tensor(np.array([3.0, -1.0], np.float32), requires_grad=True)
    unused = Tensor(np.ones(3, np.float32), requires_grad=True)
    array = x.array
    optimizer = LBFGS([unused, x], lr=np.float64(0.7), line_search_fn=line_search)

    def closure() -> float:
        x.grad = Tensor(x.array * np.array([2, 6], np.float32))
        return float((x.array**2 * np.array([1, 3])).sum())

    for _ in range(3):
        optimizer.step(closure)
    assert x.array is array
    assert x.dtype == np.float32
    np.testing.assert_allclose(x.array, 0, atol=1e-4)
    np.testing.assert_array_equal(unused.array, 1)


@pytest.mark.parametrize("line_search", [None, "strong_wolfe"])
def test_resume_half_way_is_bit_equal(line_search) -> None:
    options = {"lr": 0.1, "max_iter": 4, "line_search_fn": line_search, "history_size": 3}
    whole = [Tensor(x.copy(), requires_grad=True) for x in STARTS]
    optimizer = LBFGS(whole, **options)
    saved = None
    for i in range(6):
        if i == 3:
            saved = optimizer.state_dict()
            resumed = [Tensor(p.array.copy(), requires_grad=True) for p in whole]
        optimizer.step(closure_for_us(quadratic, whole))
    other = LBFGS(resumed)
    other.load_state_dict(saved)
    for _ in range(3):
        other.step(closure_for_us(quadratic, resumed))
    for p, q in zip(whole, resumed, strict=True):
        assert p.array.tobytes() == q.array.tobytes()


def test_cubic_minimum() -> None:
    def f(t: float) -> Point:
        return Point(t, t**3 - 3 * t, 3 * t**2 - 3, np.zeros(1))  # its minimum is at 1

    assert cubic_minimum(f(0.5), f(2.0)) == pytest.approx(1.0)
    assert cubic_minimum(f(2.0), f(0.5)) == pytest.approx(1.0)
    assert cubic_minimum(f(0.5), f(2.0), (1.5, 1.9)) == 1.5
    same = f(2.0)
    assert cubic_minimum(same, same) == 2.0
    nan = Point(1.0, float("nan"), 0.0, np.zeros(1))
    assert cubic_minimum(f(0.0), nan) == 0.5


def test_line_search_is_that_of_torch() -> None:
    """On wavy functions of one variable, where it has to bracket and to zoom."""
    rng = np.random.default_rng(0)
    zoomed = 0
    for _ in range(1000):
        a, b, c = rng.normal(size=3), rng.uniform(0.3, 4, 3), rng.uniform(0, 6, 3)
        x, scale = rng.normal(), rng.uniform(0, 0.3)
        max_evals = int(rng.integers(1, 25))

        def f(z: float, a=a, b=b, c=c, scale=scale) -> tuple[float, float]:
            value = float((a * np.sin(b * z + c)).sum() + scale * z * z)
            return value, float((a * b * np.cos(b * z + c)).sum() + 2 * scale * z)

        value, slope = f(x)
        d = -slope * 10 ** rng.uniform(-2, 1)

        def evaluate(t: float, f=f, x=x, d=d) -> Point:
            value, slope = f(x + t * d)
            return Point(t, value, slope * d, np.array([slope]))

        def evaluate_torch(x, t, d, f=f):
            value, slope = f(float(x[0] + t * d))
            return value, torch.tensor([slope], dtype=torch.float64)

        g = torch.tensor([slope], dtype=torch.float64)
        direction = torch.tensor([d], dtype=torch.float64)
        loss, _, t, evals = torch_strong_wolfe(
            evaluate_torch, [x], 1.0, direction, value, g, g.dot(direction), max_ls=max_evals
        )
        start = Point(0.0, value, slope * d, np.array([slope]))
        found, trials = strong_wolfe(evaluate, start, 1.0, abs(d), max_evals=max_evals)
        assert trials == evals
        np.testing.assert_allclose(found.t, float(t), rtol=1e-6)
        np.testing.assert_allclose(found.f, float(loss), rtol=1e-6, atol=1e-9)
        zoomed += trials > 3
    assert zoomed > 30


def test_refusals() -> None:
    x = Tensor(np.zeros(2), requires_grad=True)
    y = Tensor(np.zeros(2, np.float32), requires_grad=True)
    with pytest.raises(DtypeError, match="LBFGS: closure"):
        LBFGS([x]).step()
    with pytest.raises(ArgumentError, match="one parameter group"):
        LBFGS([{"params": [x]}, {"params": [y]}])
    with pytest.raises(ArgumentError, match="one dtype"):
        LBFGS([x, y])
    with pytest.raises(ArgumentError, match="line_search_fn"):
        LBFGS([x], line_search_fn="armijo")
    with pytest.raises(ArgumentError, match="max_iter"):
        LBFGS([x], max_iter=0)
    with pytest.raises(DtypeError, match="history_size"):
        LBFGS([x], history_size=2.5)
    with pytest.raises(StateDictError, match="n_iter"):
        LBFGS([x]).load_state_dict(
            {"state": {0: {"n_iter": "3"}}, "param_groups": LBFGS([x]).state_dict()["param_groups"]}
        )
