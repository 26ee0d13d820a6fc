"""The attributes and protocols of Tensor itself: requires_grad, grad, printing."""

from __future__ import annotations

import time

import numpy as np
import pytest
import torch

import nnlite
from nnlite.autograd import Function, Tensor, backward, grad
from nnlite.errors import DtypeError, GraphError, NnliteError, ShapeError


def leaf(*values: float) -> Tensor:
    return Tensor(np.array(values), requires_grad=True)


def assert_complete(error: NnliteError) -> None:
    for part in (error.op, error.argument or error.op, error.expected, error.got, error.hint):
        assert part


# -- requires_grad and grad ----------------------------------------------------------------------


def test_requires_grad_of_whole_numbers_is_refused_when_it_is_set() -> None:
    x = nnlite.tensor([1, 2])
    with pytest.raises(DtypeError, match="int64") as caught:
        x.requires_grad = True
    assert_complete(caught.value)
    assert not x.requires_grad


def test_requires_grad_of_a_result_cannot_be_taken_away() -> None:
    x = leaf(1.0)
    y = x * 2
    with pytest.raises(GraphError, match="detach"):
        y.requires_grad = False
    y.backward()
    np.testing.assert_array_equal(x.grad.array, [2.0])


def test_setting_requires_grad_of_a_leaf() -> None:
    x = nnlite.ones(2)
    x.requires_grad = True
    (x * 3).sum().backward()
    np.testing.assert_array_equal(x.grad.array, 3)
    x.requires_grad = False
    assert not (x * 3).requires_grad


@pytest.mark.parametrize("dtype", ["int64", "int32", "uint8", "bool"])
def test_whole_numbers_made_of_a_recorded_tensor_are_outside_the_graph(dtype: str) -> None:
    x, x_ = leaf(1.5, 0.0), torch.tensor([1.5, 0.0], requires_grad=True)
    y, y_ = x.to(dtype), x_.to(getattr(torch, dtype))
    assert y.requires_grad is y_.requires_grad is False
    assert y.node is None
    assert y.tolist() == y_.tolist()


@pytest.mark.parametrize("value", [np.ones(2), 1.0, [1.0, 2.0]])
def test_grad_takes_tensors_only(value: object) -> None:
    x = leaf(1.0, 2.0)
    with pytest.raises(DtypeError, match=type(value).__name__) as caught:
        x.grad = value
    assert_complete(caught.value)
    assert x.grad is None


# -- what backward and grad are called with ------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "argument"),
    [
        (lambda x: backward(5), "tensors"),
        (lambda x: backward(None), "tensors"),
        (lambda x: (x * 2).sum().backward(1.0), "gradient"),
        (lambda x: (x * 2).sum().backward("1"), "gradient"),
        (lambda x: (x * 2).sum().backward(inputs=[x, None]), "inputs"),
        (lambda x: grad(5.0, x), "outputs"),
        (lambda x: grad(x.sum(), 3), "inputs"),
        (lambda x: grad(x.sum(), [x, None]), "inputs"),
    ],
)
def test_what_is_no_tensor_is_refused_by_name(call, argument: str) -> None:
    with pytest.raises(DtypeError) as caught:
        call(leaf(1.0, 2.0))
    assert_complete(caught.value)
    assert argument in caught.value.argument


def test_the_same_input_twice_gives_two_gradients() -> None:
    x = leaf(1.0, 2.0)
    first, second = grad((x * x).sum(), [x, x])
    assert not np.shares_memory(first.array, second.array)
    np.testing.assert_array_equal(second.array, [2.0, 4.0])


def test_many_outputs_take_linear_time() -> None:
    n = 20_000

    class Spread(Function):
        @staticmethod
        def forward(ctx, x):
            return tuple(x * 1 for _ in range(n))

        @staticmethod
        def backward(ctx, *gys):
            return gys[0] + gys[-1]

    x = leaf(1.0)
    start = time.process_time()
    outputs = Spread.apply(x)
    forward_time = time.process_time() - start
    start = time.process_time()
    backward(outputs)
    assert time.process_time() - start < 5 * forward_time
    np.testing.assert_array_equal(x.grad.array, [2.0])


# -- printing ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "spec"), [(1.23456, ".2f"), (3, "d"), (3, "5d"), (2.5, ""), (7, ""), (1e-5, ".3e")]
)
def test_numbers_are_formatted_as_in_torch(value: float, spec: str) -> None:
    assert format(nnlite.tensor(value), spec) == format(torch.tensor(value), spec)


def test_format_of_a_loss_in_the_graph() -> None:
    loss = (leaf(0.5, 0.25) * 1).sum()
    assert f"{loss:.4f}" == "0.7500"


def test_format_of_several_numbers() -> None:
    x = nnlite.tensor([1.0, 2.0])
    assert f"{x}" == str(x)
    with pytest.raises(ShapeError, match=r"\(2,\)") as caught:
        f"{x:.2f}"
    assert_complete(caught.value)


@pytest.mark.parametrize("shape", [(0,), (0, 3), (2, 0)])
def test_the_size_of_an_empty_tensor_is_shown_as_in_torch(shape: tuple[int, ...]) -> None:
    assert repr(nnlite.zeros(*shape)) == repr(torch.zeros(*shape))
