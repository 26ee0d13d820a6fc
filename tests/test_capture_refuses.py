"""What nnlite.capture refuses, and how a captured step outlives errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import nnlite
import nnlite.nn.functional as F
from nnlite.autograd import Tensor
from nnlite.errors import CaptureError, DtypeError, GraphError, NnliteIndexError

Step = Callable[..., Any]


def _refused(step: Step, *inputs: Any, calls: int = 4) -> str:
    captured = nnlite.capture(step)

    def run() -> None:
        for _ in range(calls):
            captured(*inputs)

    with pytest.raises(CaptureError) as caught:
        run()
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("item", lambda x: x.sum().item()),
        ("tolist", lambda x: x.tolist()),
        ("float", lambda x: float(x.sum())),
        ("bool", lambda x: bool(x.sum() > 0)),
        ("numpy", lambda x: x.numpy()),
        ("array", lambda x: np.asarray(x)),
        ("allclose", lambda x: nnlite.allclose(x, x)),
        ("index", lambda x: x[nnlite.argmax(x)]),
    ],
)
def test_reading_values(name: str, read: Any) -> None:
    message = _refused(lambda x: (read(x), None)[1], nnlite.ones(3), calls=1)
    assert "reads values" in message


def test_a_tensor_made_inside() -> None:
    message = _refused(lambda x: x + nnlite.tensor([1.0, 2.0]), nnlite.ones(2))
    assert "Add with other arguments than before" in message
    assert "inputs of the step" in message


def test_a_number_that_changes() -> None:
    numbers = iter(range(100))
    assert "Mul with other arguments" in _refused(lambda x: x * next(numbers), nnlite.ones(2))


def test_another_way_each_time() -> None:
    flips = iter([True, False] * 10)
    message = _refused(lambda x: x.exp() if next(flips) else x.log(), nnlite.ones(2))
    assert "where" in message


def test_a_change_that_nobody_would_repeat() -> None:
    w = nnlite.ones(2)
    v = w[:1]  # a view, whose memory is watched
    assert v is not None

    def step(x: Tensor) -> None:
        w.data = x.array

    assert "in-place change" in _refused(step, nnlite.ones(2), calls=1)


def test_second_derivatives_and_inputs_with_gradients() -> None:
    w = nnlite.ones(2, requires_grad=True)
    message = _refused(
        lambda x: nnlite.autograd.grad((w * x).sum(), w, create_graph=True)[0], nnlite.ones(2)
    )
    assert "create_graph" in message
    assert "requires no gradient" in _refused(lambda x: x * 2, w)


def test_inputs_that_are_no_values() -> None:
    captured = nnlite.capture(lambda x: x)
    with pytest.raises(DtypeError, match="each tensor as an argument of its own"):
        captured([nnlite.ones(2)])
    with pytest.raises(DtypeError, match=r"capture\(step\), not"):
        nnlite.capture(nnlite.ones(2))  # type: ignore[arg-type]


def test_a_label_out_of_range_in_a_replay_leaves_the_step_usable() -> None:
    w = nnlite.zeros(10, requires_grad=True)

    def step(x: Tensor, y: Tensor) -> Tensor:
        loss = F.cross_entropy(x * w, y)
        loss.backward()
        return loss

    captured = nnlite.capture(step)
    x = nnlite.ones(4, 10)
    good, bad = nnlite.tensor([1, 2, 3, 4]), nnlite.tensor([1, 2, 3, 10])
    for _ in range(3):
        captured(x, good)
    with pytest.raises(NnliteIndexError, match="label 10"):
        captured(x, bad)
    assert captured(x, good).item() == pytest.approx(np.log(10))


def test_an_error_while_recording_reaches_the_caller() -> None:
    tries = []

    def step(x: Tensor) -> Tensor:
        tries.append(1)
        if len(tries) == 2:
            raise GraphError("mine")
        return x * 2

    captured = nnlite.capture(step)
    x = nnlite.ones(2)
    captured(x)
    with pytest.raises(GraphError, match="mine"):
        captured(x)
    for _ in range(3):
        assert captured(x).tolist() == [2, 2]
    assert (nnlite.ones(1, requires_grad=True) * 2).requires_grad  # nothing is recorded any more
