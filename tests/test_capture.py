"""nnlite.capture: a step replayed without its Python does what the step does, bit by bit."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import nnlite
import nnlite.nn.functional as F
from nnlite import nn, optim
from nnlite.autograd import Function, Tensor

Step = Callable[..., Any]


def batches(n: int, shape: tuple[int, ...], sizes: tuple[int, ...] = (12,)) -> list[Any]:
    rng = np.random.default_rng(0)
    found = []
    for i in range(n):
        size = sizes[i % len(sizes)]
        x = rng.standard_normal((size, *shape), dtype="float32")
        found.append((nnlite.from_numpy(x), nnlite.from_numpy(rng.integers(0, 10, size))))
    return found


def mlp() -> nn.Module:
    return nn.Sequential(nn.Linear(20, 16), nn.ReLU(), nn.Linear(16, 10))


def lenet() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 3, 3),
        nn.ReLU(),
        nn.AvgPool2d(2),
        nn.Conv2d(3, 4, 3),
        nn.Tanh(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(4 * 5 * 5, 10),
    )


def with_everything() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Dropout2d(0.2),
        nn.AvgPool2d(3, 2, padding=1),
        nn.Flatten(),
        nn.Linear(4 * 14 * 14, 16),
        nn.LayerNorm(16),
        nn.Sigmoid(),
        nn.Dropout(0.5),
        nn.Linear(16, 10),
    )


def trained(
    make: Callable[[], nn.Module], shape: tuple[int, ...], captured: bool, **kind: Any
) -> Any:
    """Losses and weights after some steps."""
    nnlite.manual_seed(0)
    model = make()
    optimizer = kind.get("optimizer", optim.Adam)(model.parameters(), lr=0.01)
    schedule = optim.lr_scheduler.ExponentialLR(optimizer, 0.9)

    def step(x: Tensor, y: Tensor) -> Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        if "clip" in kind:
            nn.utils.clip_grad_norm_(model.parameters(), kind["clip"])
        optimizer.step()
        return loss

    run: Step = nnlite.capture(step) if captured else step
    losses = []
    for x, y in batches(9, shape, (12, 12, 7)):
        losses.append(run(x, y).item())
        schedule.step()
    if captured:
        assert run.is_captured(x, y)  # type: ignore[attr-defined]
    return losses, [p.detach().numpy().tobytes() for p in (*model.parameters(), *model.buffers())]


@pytest.mark.parametrize(
    ("make", "shape"),
    [(mlp, (20,)), (lenet, (1, 28, 28)), (with_everything, (1, 28, 28))],
    ids=["mlp", "lenet", "everything"],
)
@pytest.mark.parametrize("optimizer", [optim.Adam, optim.SGD, optim.RMSprop, optim.Rprop])
def test_training_gives_the_same_bits(make: Any, shape: Any, optimizer: Any) -> None:
    plain = trained(make, shape, False, optimizer=optimizer)
    assert trained(make, shape, True, optimizer=optimizer) == plain


def test_clipping_is_repeated() -> None:
    plain = trained(mlp, (20,), False, clip=0.1)
    assert plain != trained(mlp, (20,), False)
    assert trained(mlp, (20,), True, clip=0.1) == plain


def test_against_pytorch() -> None:
    rng = np.random.default_rng(0)
    w = rng.standard_normal((10, 20))
    xs, ys = rng.standard_normal((8, 6, 20)), rng.integers(0, 10, (8, 6))

    def train(lib: Any, capture: Any) -> Any:
        model = lib.nn.Linear(20, 10).double()
        with lib.no_grad():
            model.weight.copy_(lib.from_numpy(w.copy()))
            model.bias.zero_()
        optimizer = lib.optim.Adam(model.parameters(), lr=0.1)

        def step(x: Any, y: Any) -> Any:
            optimizer.zero_grad()
            loss = lib.nn.functional.cross_entropy(lib.tanh(model(x)), y)
            loss.backward()
            optimizer.step()
            return loss

        step = capture(step)
        return [
            step(lib.from_numpy(x), lib.from_numpy(y)).item() for x, y in zip(xs, ys, strict=True)
        ]

    ours, theirs = train(nnlite, nnlite.capture), train(torch, lambda step: step)
    np.testing.assert_allclose(ours, theirs, rtol=1e-12)


def test_every_replay_draws_a_new_dropout_mask() -> None:
    step = nnlite.capture(lambda x: F.dropout(x, 0.5))
    x = nnlite.ones(1000)
    masks = [step(x).numpy().tobytes() for _ in range(6)]
    assert step.is_captured(x)
    assert len(set(masks)) == 6


def test_inputs_that_are_one_array_or_one_that_the_step_knows() -> None:
    known = nnlite.ones(3)
    step = nnlite.capture(lambda a, b: a * 2 + b * 3 + known)
    for _ in range(3):
        step(known, known)
    out = step(nnlite.tensor([1.0, 0, 0]), nnlite.tensor([0, 1.0, 0]))
    np.testing.assert_array_equal(out.numpy(), [3, 4, 1])


def test_other_values_of_other_inputs_are_other_steps() -> None:
    step = nnlite.capture(lambda x, scale, negate: -x * scale if negate else x * scale)
    x = nnlite.ones(2)
    for _ in range(4):
        assert step(x, 2.0, False).tolist() == [2, 2]
        assert step(x, 3.0, True).tolist() == [-3, -3]


def test_results_may_be_nested_and_have_no_graph() -> None:
    w = nnlite.ones(3, requires_grad=True)

    def step(x: Tensor) -> Any:
        y = w * x
        return {"y": y, "both": (y.sum(), [x, 7, None])}

    captured = nnlite.capture(step)
    for k in range(4):
        found = captured(nnlite.full((3,), float(k)))
        assert not found["y"].requires_grad
        assert found["both"][0].item() == 3 * k
        assert found["both"][1][1:] == [7, None]
        assert found["both"][1][0].tolist() == [k] * 3


def test_parameters_by_hand_and_gradients_that_add_up() -> None:
    w = nnlite.ones(3, requires_grad=True)

    def step(x: Tensor) -> Tensor:
        (w * x).sum().backward()
        (w * w).sum().backward()
        with nnlite.no_grad():
            w.sub_(w.grad * 0.1)
        w.grad = None
        return (w * 1).detach()

    expected = np.ones(3)
    captured = nnlite.capture(step)
    for k in range(5):
        expected = expected - 0.1 * (k + 2 * expected)
        np.testing.assert_allclose(
            captured(nnlite.full((3,), float(k))).numpy(), expected, rtol=1e-5
        )


def test_functions_and_hooks() -> None:
    calls = []

    class Cube(Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            ctx.save_for_backward(x)
            return x * x * x

        @staticmethod
        def backward(ctx: Any, gy: Tensor) -> Tensor:
            (x,) = ctx.saved_tensors
            calls.append(1)
            return gy * 3 * x * x

    w = nnlite.ones(2, requires_grad=True)
    w.register_hook(lambda g: g * 10)

    def step(x: Tensor) -> Any:
        w.grad = None
        y = Cube.apply(w * x)
        y.sum().backward()
        return y, w.grad

    captured = nnlite.capture(step)
    for k in range(1, 6):
        y, gradient = captured(nnlite.full((2,), float(k)))
        assert y.tolist() == [k**3] * 2
        assert gradient.tolist() == [30 * k**3] * 2
    assert len(calls) == 5


def test_grad_as_a_function() -> None:
    w = nnlite.ones(2, requires_grad=True)
    captured = nnlite.capture(lambda x: nnlite.autograd.grad((w * w * x).sum(), w)[0])
    for k in range(5):
        assert captured(nnlite.full((2,), float(k))).tolist() == [2 * k] * 2


def test_two_threads_take_turns() -> None:
    w = nnlite.zeros(1, requires_grad=True)
    optimizer = optim.SGD([w], lr=1.0)

    def step(x: Tensor) -> Tensor:
        optimizer.zero_grad()
        (w * x).sum().backward()
        optimizer.step()
        return w * 1

    captured = nnlite.capture(step)
    x = nnlite.ones(1)
    for _ in range(3):
        captured(x)
    threads = [threading.Thread(target=lambda: [captured(x) for _ in range(200)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert w.item() == -803


def test_replays_keep_nothing() -> None:
    model = mlp()
    optimizer = optim.Adam(model.parameters())

    def step(x: Tensor, y: Tensor) -> Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    captured = nnlite.capture(step)
    ((x, y),) = batches(1, (20,))
    for _ in range(5):
        captured(x, y)
    gc.collect()
    gc.disable()
    try:
        before = len(gc.get_objects())
        for _ in range(100):
            captured(x, y)
        assert len(gc.get_objects()) - before < 20
    finally:
        gc.enable()


def test_random_numbers_are_drawn_anew() -> None:
    step = nnlite.capture(lambda x: (x + nnlite.rand(2), x * nnlite.randn_like(x)))
    x = nnlite.ones(2)
    nnlite.manual_seed(0)
    drawn = [[t.tolist() for t in step(x)] for _ in range(5)]
    assert step.is_captured(x)
    nnlite.manual_seed(0)
    assert drawn == [
        [(x + nnlite.rand(2)).tolist(), (x * nnlite.randn_like(x)).tolist()] for _ in range(5)
    ]
