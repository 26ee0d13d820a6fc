"""nn.utils against PyTorch's: clipped gradients, parameters as a vector."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

import nnlite
from nnlite import nn
from nnlite.autograd import Tensor, grad
from nnlite.errors import ArgumentError, DeviceError, DtypeError, ShapeError
from nnlite.nn import Parameter, utils
from tests.conftest import to_device

SHAPES = [(3, 2), (), (4,), (2, 0)]


def _pairs(scale: float = 1.0, dtype: str = "float64") -> tuple[list[Any], list[Any]]:
    """The same parameters in nnlite and PyTorch; the last but one has no gradient."""
    rng = np.random.default_rng(0)
    ours, theirs = [], []
    for i, shape in enumerate(SHAPES):
        x, g = (np.asarray(rng.normal(size=shape), dtype) for _ in range(2))
        p, q = Parameter(Tensor(x.copy())), torch.nn.Parameter(torch.tensor(x))
        if i != 2:
            p.grad, q.grad = Tensor(np.asarray(g * scale, dtype)), torch.tensor(g * scale)
        ours.append(p)
        theirs.append(q)
    return ours, theirs


def _assert_same_gradients(ours: list[Any], theirs: list[Any], rtol: float = 1e-12) -> None:
    for p, q in zip(ours, theirs, strict=True):
        assert (p.grad is None) == (q.grad is None)
        if p.grad is not None:
            assert p.grad.dtype == p.dtype
            np.testing.assert_allclose(p.grad.array, q.grad.numpy(), rtol=rtol)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("norm_type", [2.0, 1.0, 3.0, 0.5, math.inf, "inf", 0.0, 2])
@pytest.mark.parametrize(("max_norm", "scale"), [(1.0, 5.0), (1.0, 1e-3), (0.0, 1.0), (2, 1e3)])
def test_clip_grad_norm(max_norm: float, scale: float, norm_type: Any, dtype: str) -> None:
    ours, theirs = _pairs(scale, dtype)
    rtol = 1e-12 if dtype == "float64" else 1e-5
    # PyTorch has no largest number of a gradient without numbers
    last = 3 if norm_type in (math.inf, "inf") else 4
    ours, theirs = ours[:last], theirs[:last]
    total = utils.clip_grad_norm_(ours, max_norm, norm_type)
    wanted = torch.nn.utils.clip_grad_norm_(theirs, max_norm, norm_type)
    np.testing.assert_allclose(total.array, wanted.numpy(), rtol=rtol)
    assert total.dtype.name == dtype
    assert not total.requires_grad
    _assert_same_gradients(ours, theirs, rtol)


def test_clip_grad_norm_of_one_tensor_and_of_a_generator() -> None:
    ours, theirs = _pairs(10)
    utils.clip_grad_norm_(ours[0], 1.0)
    torch.nn.utils.clip_grad_norm_(theirs[0], 1.0)
    _assert_same_gradients(ours, theirs)
    utils.clip_grad_norm_((p for p in ours), 0.1)
    torch.nn.utils.clip_grad_norm_((p for p in theirs), 0.1)
    _assert_same_gradients(ours, theirs)


def test_nothing_to_clip() -> None:
    assert utils.clip_grad_norm_([], 1.0).item() == 0
    assert utils.clip_grad_norm_([Parameter(Tensor(np.ones(2)))], 1.0).item() == 0
    layer = nn.Linear(2, 2)
    used_up = layer.parameters()
    list(used_up)
    with pytest.warns(UserWarning, match="clip_grad_norm_: parameters"):
        utils.clip_grad_norm_(used_up, 1.0)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_norm_that_is_not_finite(value: float) -> None:
    ours, theirs = _pairs()
    ours[0].grad.array[1, 1] = value
    theirs[0].grad[1, 1] = value
    before = ours[0].grad.array.copy()
    with pytest.raises(ArgumentError, match="get_total_norm: tensors"):
        utils.clip_grad_norm_(ours, 1.0, error_if_nonfinite=True)
    np.testing.assert_array_equal(ours[0].grad.array, before)
    utils.clip_grad_norm_(ours, 1.0)
    torch.nn.utils.clip_grad_norm_(theirs, 1.0)
    _assert_same_gradients(ours, theirs)


def test_clip_in_two_steps() -> None:
    ours, theirs = _pairs(3)
    total = utils.get_total_norm(p.grad for p in ours if p.grad is not None)
    utils.clip_grads_with_norm_(ours, 0.5, total)
    torch.nn.utils.clip_grad_norm_(theirs, 0.5)
    _assert_same_gradients(ours, theirs)


@pytest.mark.parametrize("bound", [0.5, 0, 10])
def test_clip_grad_value(bound: float) -> None:
    ours, theirs = _pairs(2)
    ours[0].grad.array[0, 0] = math.nan
    theirs[0].grad[0, 0] = math.nan
    utils.clip_grad_value_(ours, bound)
    torch.nn.utils.clip_grad_value_(theirs, bound)
    _assert_same_gradients(ours, theirs)


def test_clipping_keeps_the_gradients_memory() -> None:
    ours, _ = _pairs(5)
    array = ours[0].grad.array
    utils.clip_grad_norm_(ours, 1.0)
    utils.clip_grad_value_(ours, 0.1)
    assert ours[0].grad.array is array


def test_clipping_on_another_device(device: str) -> None:
    p = Parameter(Tensor(to_device(np.ones((3, 2), "float32"), device)))
    (p * 4).sum().backward()
    total = utils.clip_grad_norm_([p], 1.0)
    assert str(total.device) == device
    assert total.item() == pytest.approx(4 * math.sqrt(6))
    assert utils.get_total_norm([p.grad]).item() == pytest.approx(1, rel=1e-5)
    utils.clip_grad_value_([p], 0.1)
    assert p.grad.max().item() == pytest.approx(0.1)


# -- vectors -----------------------------------------------------------------------------------


def test_parameters_to_vector_and_back() -> None:
    ours, theirs = _pairs()
    vector, wanted = utils.parameters_to_vector(ours), torch.nn.utils.parameters_to_vector(theirs)
    np.testing.assert_array_equal(vector.array, wanted.detach().numpy())
    (g,) = grad((vector * vector).sum(), [ours[0]])
    assert g is not None
    np.testing.assert_array_equal(g.array, 2 * ours[0].array)
    new = np.random.default_rng(1).normal(size=vector.shape)
    memory = [p.array for p in ours]
    utils.vector_to_parameters(Tensor(new), ours)
    torch.nn.utils.vector_to_parameters(torch.tensor(new), theirs)
    for p, q, array in zip(ours, theirs, memory, strict=True):
        np.testing.assert_array_equal(p.array, q.detach().numpy())
        assert p.array is array
        assert not np.shares_memory(p.array, new)


def test_a_module_as_a_vector() -> None:
    a, b = nn.Linear(3, 2), nn.Linear(3, 2)
    utils.vector_to_parameters(utils.parameters_to_vector(a.parameters()), b.parameters())
    np.testing.assert_array_equal(a.weight.array, b.weight.array)
    np.testing.assert_array_equal(a.bias.array, b.bias.array)


def test_change_of_a_saved_parameter_is_noticed() -> None:
    layer = nn.Linear(3, 2)
    x = Tensor(np.ones((1, 3), "float32"), True)
    loss = layer(x).sum()
    utils.vector_to_parameters(Tensor(np.zeros(8, "float32")), layer.parameters())
    with pytest.raises(RuntimeError, match="changed in place"):
        loss.backward()


P, ELSEWHERE = (
    Parameter(Tensor(np.ones(2, "float32"))),
    Parameter(Tensor(to_device(np.ones(2, "float32"), "strict"))),
)
V = Tensor(np.ones(2, "float32"))

REFUSALS: list[tuple[Any, type[Exception], str]] = [
    (lambda: utils.clip_grad_norm_([1.0], 1.0), DtypeError, "clip_grad_norm_: parameters"),
    (lambda: utils.clip_grad_norm_([P], "big"), DtypeError, "clip_grad_norm_: max_norm"),
    (lambda: utils.clip_grad_norm_([P], 1.0, "fro"), DtypeError, "get_total_norm: norm_type"),
    (lambda: utils.get_total_norm([V], -1.0), ArgumentError, "norm: p"),
    (lambda: utils.get_total_norm([V, ELSEWHERE]), DeviceError, "get_total_norm"),
    (lambda: utils.clip_grad_value_([P], None), DtypeError, "clip_grad_value_: clip_value"),
    (lambda: utils.parameters_to_vector([]), ArgumentError, "parameters_to_vector: parameters"),
    (lambda: utils.parameters_to_vector([P, ELSEWHERE]), DeviceError, "parameters_to_vector"),
    (lambda: utils.vector_to_parameters([1.0], [P]), DtypeError, "vector_to_parameters: vec"),
    (lambda: utils.vector_to_parameters(V, [P, P]), ShapeError, "vector_to_parameters: vec"),
    (lambda: utils.vector_to_parameters(V, []), ShapeError, "vector_to_parameters: vec"),
    (lambda: utils.vector_to_parameters(V.double(), [P]), DtypeError, "vector_to_parameters: vec"),
    (lambda: utils.vector_to_parameters(V, [ELSEWHERE]), DeviceError, "vector_to_parameters: vec"),
]


@pytest.mark.parametrize(
    ("call", "error", "beginning"),
    REFUSALS,
    ids=[f"{i} {beginning}" for i, (_, _, beginning) in enumerate(REFUSALS)],
)
def test_refused(call: Any, error: Any, beginning: str) -> None:
    with pytest.raises(error) as caught:
        call()
    assert str(caught.value).startswith(beginning)
    assert caught.value.expected
    assert caught.value.got
    assert caught.value.hint


def test_a_negative_norm_is_refused() -> None:
    p = nnlite.ones(2, requires_grad=True)
    p.sum().backward()
    with pytest.raises(ArgumentError, match=r"clip_grad_norm_: max_norm.*0 or more.*-1"):
        nn.utils.clip_grad_norm_([p], -1.0)
    assert p.grad.tolist() == [1.0, 1.0]
