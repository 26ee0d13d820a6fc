"""What changes between the calls of a captured step, and what only looks the same."""

from __future__ import annotations

from typing import Any

import pytest

import nnlite
import nnlite.nn.functional as F
from nnlite import nn, optim
from nnlite.autograd import Tensor, grad
from nnlite.errors import ArgumentError, CaptureError
from nnlite.metrics import Tally
from nnlite.nn.utils import clip_grad_norm_

T = nnlite.tensor


def calls(step: Any, *inputs: Any) -> list[Any]:
    return [step(x) for x in inputs]


def test_parameters_are_frozen_and_set_free_between_calls() -> None:
    w = nnlite.ones(1)
    v = nnlite.ones(1, requires_grad=True)

    def step(x: Tensor) -> None:
        w.grad = v.grad = None
        (w * v * x).sum().backward()

    captured = nnlite.capture(step)
    calls(captured, *[T([2.0])] * 4)
    assert w.grad is None
    w.requires_grad_()
    for _ in range(4):
        captured(T([3.0]))
        assert w.grad is not None
        assert w.grad.tolist() == [3]
    v.requires_grad_(False)
    for _ in range(4):
        captured(T([5.0]))
        assert v.grad is None


def test_a_cast_between_calls() -> None:
    e, layer = nn.Embedding(3, 2), nn.Linear(2, 1)

    def step(i: Tensor) -> Any:
        e.zero_grad()
        layer(e(i)).tanh().sum().backward()
        return e.weight.grad

    captured = nnlite.capture(step)
    i = T([0, 2])
    calls(captured, i, i, i, i)
    e.double()
    layer.double()
    for _ in range(4):
        found = captured(i)
        expected = step(i)
        assert found.dtype == nnlite.float64
        assert found.tolist() == expected.tolist()


def test_labels_and_buffers_that_the_step_looks_up() -> None:
    y = T([0])
    captured = nnlite.capture(lambda x: F.cross_entropy(x, y))
    x = T([[5.0, 0.0]])
    calls(captured, x, x, x)
    y.data = T([1])
    assert captured(x).item() == pytest.approx(5.0067153)
    bn = nn.BatchNorm1d(1).eval()
    captured = nnlite.capture(lambda x: bn(x))
    calls(captured, x[:, :1], x[:, :1], x[:, :1])
    bn.running_var.fill_(100.0)  # type: ignore[union-attr]
    assert captured(x[:, :1]).item() == pytest.approx(0.5)


def test_equal_arguments_of_other_types() -> None:
    captured = nnlite.capture(lambda x, k: x * k)
    x = T([1, 2])
    for _ in range(3):
        assert captured(x, 2).dtype == nnlite.int64
        assert captured(x, 2.0).dtype == nnlite.float32
        assert captured(x, True).tolist() == [1, 2]
        assert captured(x, 1).tolist() == [1, 2]


def test_memory_order_is_part_of_the_shape() -> None:
    captured = nnlite.capture(lambda x: x.contiguous().add_(1) * 1)
    calls(captured, *[nnlite.zeros(2, 3) for _ in range(3)])
    x = nnlite.zeros(3, 2).t()
    for _ in range(4):
        captured(x)
    assert x.sum().item() == 0, "contiguous() makes a copy, which is what add_ changes"


def test_a_scheduler_inside_the_step() -> None:
    w = nnlite.ones(1, requires_grad=True)
    optimizer = optim.SGD([w], lr=1.0)
    schedule = optim.lr_scheduler.ExponentialLR(optimizer, 0.5)

    def step(x: Tensor) -> None:
        optimizer.zero_grad()
        (w * x).sum().backward()
        optimizer.step()
        schedule.step()

    calls(nnlite.capture(step), *[nnlite.ones(1)] * 6)
    assert optimizer.param_groups[0]["lr"] == 0.5**6


def test_a_gradient_that_is_not_finite_is_refused_in_a_replay() -> None:
    w = nnlite.ones(1, requires_grad=True)
    optimizer = optim.SGD([w], lr=0.1)

    def step(x: Tensor) -> None:
        optimizer.zero_grad()
        (w * x).sum().backward()
        clip_grad_norm_([w], 1.0, error_if_nonfinite=True)
        optimizer.step()

    captured = nnlite.capture(step)
    calls(captured, *[nnlite.ones(1)] * 3)
    before = w.item()
    with pytest.raises(ArgumentError, match="finite norm"):
        captured(T([float("nan")]))
    assert w.item() == before


def test_named_tuples_are_returned() -> None:
    captured = nnlite.capture(lambda x: x.max(1))
    for k in range(4):
        found = captured(T([[1.0, 2.0 + k]]))
        assert (found.values.tolist(), found.indices.tolist()) == ([2 + k], [1])


def test_a_graph_that_nobody_walks_is_let_go() -> None:
    w = nnlite.ones(2, requires_grad=True)
    captured = nnlite.capture(lambda x: (w * x).exp())
    calls(captured, *[nnlite.ones(2)] * 4)
    (tape,) = captured._tapes.values()
    assert len(tape.unwalked) == 2
    assert all(node.is_freed for node in tape.unwalked)


# -- refused ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (lambda w, x: (w * x).register_hook(lambda g: g), "hook registered inside"),
        (lambda w, x: (w * x).retain_grad(), "retain_grad"),
        (lambda w, x: optim.SGD([w], lr=1.0).step(lambda: None), "closure"),
        (lambda w, x: 3.0 in x, "reads values"),
        (lambda w, x: nnlite.nonzero(x), "reads values"),
        (lambda w, x: nnlite.unique(x), "reads values"),
        (lambda w, x: f"{x.sum():.1f}", "made into text"),
        (lambda w, x: Tally(2).update(x.reshape(1, 2), nnlite.tensor([0])), "reads values"),
        (lambda w, x: x.clone().requires_grad_(), "leaf made inside"),
        (lambda w, x: grad((w * x).sum(), [w], None, True, True), "create_graph"),
        (lambda w, x: nnlite.autograd.backward((w * x).sum(), None, None, True), "create_graph"),
    ],
)
def test_what_no_replay_could_do_again(step: Any, words: str) -> None:
    w = nnlite.ones(2, requires_grad=True)
    captured = nnlite.capture(lambda x: (step(w, x), None)[1])
    with pytest.raises(CaptureError, match=words):
        captured(T([1.0, 3.0]))


def test_a_result_whose_size_depends_on_values() -> None:
    captured = nnlite.capture(lambda i: nnlite.bincount(i).sum())
    calls(captured, *[T([0, 1])] * 3)
    with pytest.raises(CaptureError, match=r"bincount: expected a result of shape \(2,\)"):
        captured(T([0, 3]))


def test_a_gradient_that_is_gone() -> None:
    w = nnlite.ones(1, requires_grad=True)

    def step(x: Tensor) -> Any:
        if w.grad is not None:
            with nnlite.no_grad():
                w.grad.mul_(0)
        (w * x).sum().backward()

    captured = nnlite.capture(step)
    calls(captured, *[nnlite.ones(1)] * 4)
    w.grad = None
    with pytest.raises(CaptureError, match="a gradient where there was one"):
        captured(nnlite.ones(1))


def test_a_step_that_calls_itself() -> None:
    def step(x: Tensor) -> Tensor:
        return captured(x) if x.ndim else x

    captured = nnlite.capture(step)
    replayed = nnlite.capture(lambda x: x * 2)
    outer = nnlite.capture(lambda x: replayed(x) + 1)
    assert calls(outer, *[T([float(k)]) for k in range(4)])[-1].tolist() == [7]
    with pytest.raises(RecursionError):
        captured(T([1.0]))
