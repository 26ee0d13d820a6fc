"""Initial values: bounds and moments, against the formulas and against PyTorch."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from nnlite import nn
from nnlite.autograd import Tensor
from nnlite.backend import Generator, manual_seed
from nnlite.errors import ArgumentError, ShapeError
from nnlite.nn import init


def _t(*shape: int, dtype: str = "float32") -> Tensor:
    return Tensor(np.full(shape, np.nan, dtype))


def _seeded() -> Generator:
    return Generator().manual_seed(1)


def _uniform(values: np.ndarray, bound: float) -> None:
    """Within [-bound, bound], filling it, with the variance of a uniform distribution."""
    assert abs(values).max() <= bound * (1 + 1e-6)
    assert abs(values).max() > 0.99 * bound
    assert values.var() == pytest.approx(bound**2 / 3, rel=0.05)
    assert abs(values.mean()) < 0.05 * bound


def _torch_bound(name: str, shape: tuple[int, ...], **options: Any) -> float:
    """The standard deviation that PyTorch's function draws with, measured on a large sample."""
    torch.manual_seed(0)
    return float(getattr(torch.nn.init, name)(torch.empty(shape), **options).std())


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("xavier_uniform_", {}),
        ("xavier_uniform_", {"gain": 2.0}),
        ("xavier_normal_", {"gain": 0.5}),
        ("kaiming_uniform_", {}),
        ("kaiming_uniform_", {"a": math.sqrt(5)}),
        ("kaiming_uniform_", {"mode": "fan_out", "nonlinearity": "relu"}),
        ("kaiming_normal_", {"nonlinearity": "tanh"}),
        ("kaiming_normal_", {"a": 0.3, "mode": "fan_out"}),
        ("orthogonal_", {"gain": 3.0}),
        ("sparse_", {"sparsity": 0.75, "std": 2.0}),
        ("trunc_normal_", {"std": 0.5, "a": -0.4, "b": 0.9}),
        ("normal_", {"mean": 1.0, "std": 0.1}),
        ("uniform_", {"a": -1.0, "b": 3.0}),
    ],
)
def test_spread_equals_torch(name: str, options: dict[str, Any]) -> None:
    shape = (300, 200) if name == "sparse_" else (100, 30, 5, 4)
    values = getattr(init, name)(_t(*shape), **options, generator=_seeded()).array
    assert values.dtype == np.float32
    assert values.std() == pytest.approx(_torch_bound(name, shape, **options), rel=0.02)


@pytest.mark.parametrize("name", [*init._GAINS, "leaky_relu"])
def test_gains_equal_torch(name: str) -> None:
    assert init.calculate_gain(name) == torch.nn.init.calculate_gain(name)  # type: ignore[arg-type]
    assert init.calculate_gain("leaky_relu", 0.3) == torch.nn.init.calculate_gain("leaky_relu", 0.3)


@pytest.mark.parametrize(
    ("make", "fan_in"),
    [
        (lambda nn: nn.Linear(400, 300), 400),
        (lambda nn: nn.Conv2d(16, 64, 5, groups=2), 8 * 25),
        (lambda nn: nn.Conv1d(32, 64, 5), 32 * 5),
        # PyTorch counts the second dimension of the weight here, too
        (lambda nn: nn.ConvTranspose2d(64, 16, 5), 16 * 25),
    ],
)
def test_layers_start_as_in_torch(make: Any, fan_in: int) -> None:
    manual_seed(0)
    layer, theirs = make(nn), make(torch.nn)
    _uniform(layer.weight.array, 1 / math.sqrt(fan_in))
    _uniform(theirs.weight.detach().numpy(), 1 / math.sqrt(fan_in))
    many = np.concatenate([make(nn).bias.array for _ in range(40)])
    _uniform(many, 1 / math.sqrt(fan_in))


def test_layers_follow_the_seed() -> None:
    manual_seed(7)
    a = nn.Linear(3, 3).weight.array
    b = nn.Linear(3, 3).weight.array
    manual_seed(7)
    np.testing.assert_array_equal(nn.Linear(3, 3).weight.array, a)
    assert (a != b).any()


@pytest.mark.parametrize("shape", [(5, 5), (3, 8), (8, 3), (4, 2, 3, 3)])
def test_orthogonal(shape: tuple[int, ...]) -> None:
    q = init.orthogonal_(_t(*shape, dtype="float64"), gain=2, generator=_seeded()).array
    q = q.reshape(shape[0], -1)
    q = q if q.shape[0] <= q.shape[1] else q.T
    np.testing.assert_allclose(q @ q.T, 4 * np.eye(len(q)), atol=1e-12)


def test_orthogonal_is_uniformly_distributed() -> None:
    """Without the signs of R, the diagonal of Q would all be of one sign."""
    corner = [init.orthogonal_(_t(3, 3), generator=Generator().manual_seed(i)).array[0, 0]
              for i in range(200)]  # fmt: skip
    assert 60 < sum(c > 0 for c in corner) < 140


@pytest.mark.parametrize(
    ("a", "b"), [(-2.0, 2.0), (-100.0, 100.0), (0.3, 0.31), (5.0, 50.0), (-9.0, -6.0), (-1, 1e9)]
)
def test_truncated_normal(a: float, b: float) -> None:
    scipy_stats = pytest.importorskip("scipy.stats")
    values = init.trunc_normal_(_t(20000, dtype="float64"), a=a, b=b, generator=_seeded()).array
    assert values.min() >= a
    assert values.max() <= b
    exact = scipy_stats.truncnorm(a, b)
    assert values.mean() == pytest.approx(exact.mean(), abs=5 * exact.std() / math.sqrt(20000))
    assert values.std() == pytest.approx(exact.std(), rel=0.05)


def test_sparse_zeroes_the_same_share_of_each_column() -> None:
    values = init.sparse_(_t(10, 7), 0.25, generator=_seeded()).array
    assert ((values == 0).sum(axis=0) == 3).all()


@pytest.mark.parametrize(
    ("name", "shape", "args"),
    [
        ("eye_", (3, 5), ()),
        ("dirac_", (4, 3, 3), ()),
        ("dirac_", (6, 2, 3, 4), (3,)),
        ("ones_", (2, 3), ()),
        ("zeros_", (2, 3), ()),
        ("constant_", (2, 3), (0.3,)),
    ],
)
def test_fixed_values_equal_torch(name: str, shape: tuple[int, ...], args: tuple[Any, ...]) -> None:
    ours = getattr(init, name)(_t(*shape), *args).array
    theirs = getattr(torch.nn.init, name)(torch.empty(shape), *args).numpy()
    np.testing.assert_array_equal(ours, theirs)


def test_parameters_are_written_in_place_without_a_graph() -> None:
    p = nn.Parameter(np.zeros((3, 3)))
    memory = p.array
    assert init.normal_(p) is p
    assert p.array is memory
    assert p.is_leaf
    assert (p.array != 0).all()


@pytest.mark.parametrize(
    ("call", "error", "beginning"),
    [
        (lambda: init.xavier_uniform_(_t(3)), ShapeError, "xavier_uniform_: tensor"),
        (lambda: init.kaiming_normal_(_t(3)), ShapeError, "kaiming_normal_: tensor"),
        (lambda: init.kaiming_normal_(_t(3, 3), mode="in"), ArgumentError, "kaiming_normal_: mode"),
        (lambda: init.calculate_gain("gelu2"), ArgumentError, "calculate_gain: nonlinearity"),
        (lambda: init.uniform_(_t(3), 1, 0), ArgumentError, "uniform_: b"),
        (lambda: init.uniform_(_t(3), 0, math.inf), ArgumentError, "uniform_: b"),
        (lambda: init.normal_(_t(3), 0, -1), ArgumentError, "normal_: std"),
        (lambda: init.normal_(_t(3), math.nan), ArgumentError, "normal_: mean"),
        (lambda: init.trunc_normal_(_t(3), a=2, b=1), ArgumentError, "trunc_normal_: b"),
        (lambda: init.eye_(_t(3)), ShapeError, "eye_: tensor"),
        (lambda: init.dirac_(_t(3, 3)), ShapeError, "dirac_: tensor"),
        (lambda: init.dirac_(_t(3, 3, 3), 2), ShapeError, "dirac_: groups"),
        (lambda: init.orthogonal_(_t(3)), ShapeError, "orthogonal_: tensor"),
        (lambda: init.sparse_(_t(3, 3), 1.5), ArgumentError, "sparse_: sparsity"),
    ],
)
def test_refused(call: Any, error: type[Exception], beginning: str) -> None:
    with pytest.raises(error, match=beginning):
        call()
