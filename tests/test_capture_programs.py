"""A captured step as NumPy calls: what is taken apart, what is not, and that nothing is shared."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import nnlite
import nnlite.nn.functional as F
from nnlite import nn, optim
from nnlite.autograd import Op, Tensor
from nnlite.autograd.lowering import Replayer
from nnlite.autograd.program import Straight, Whole
from nnlite.errors import NnliteIndexError

READY = 4
"""Calls until the program is in use: two recorded, one noted, one checked."""


def program_of(captured: Any) -> Any:
    (replayer,) = captured._ready.values()
    assert isinstance(replayer, Replayer)
    assert replayer.is_lowered
    return replayer._program


def wholes(captured: Any) -> list[str]:
    """The names of what stays an op, or a call."""
    parts = [part for part, _ in program_of(captured)._parts]
    return [part.entry.name for part in parts if isinstance(part, Whole)]


def batch(k: int, n: int = 6) -> tuple[Tensor, Tensor]:
    rng = np.random.default_rng(k)
    x = rng.standard_normal((n, 20), dtype="float32")
    return nnlite.from_numpy(x), nnlite.from_numpy(rng.integers(0, 10, n))


class Training:
    """A small network, its optimizer and a step."""

    def __init__(self, capture: bool, layers: Callable[[], nn.Module] | None = None) -> None:
        nnlite.manual_seed(0)
        self.model = layers() if layers else nn.Sequential(nn.Linear(20, 10))
        self.optimizer = optim.Adam(self.model.parameters(), lr=0.01)
        self.run: Any = nnlite.capture(self.step) if capture else self.step

    def step(self, x: Tensor, y: Tensor) -> Tensor:
        self.optimizer.zero_grad()
        loss = F.cross_entropy(self.model(x), y)
        loss.backward()
        self.optimizer.step()
        return loss

    def bits(self) -> list[bytes]:
        grads = [p.grad.numpy().tobytes() for p in self.model.parameters() if p.grad is not None]
        return [p.detach().numpy().tobytes() for p in self.model.parameters()] + grads


def pair(layers: Callable[[], nn.Module] | None = None) -> tuple[Training, Training]:
    """The same training captured, with its program in use, and not captured."""
    both = Training(True, layers), Training(False, layers)
    for k in range(READY):
        for training in both:
            training.run(*batch(k))
    assert program_of(both[0].run)
    return both


def mlp() -> nn.Module:
    return nn.Sequential(nn.Linear(20, 16), nn.ReLU(), nn.Linear(16, 10))


def agree(captured: Training, plain: Training, k: int) -> None:
    a, b = captured.run(*batch(k)), plain.run(*batch(k))
    assert a.numpy().tobytes() == b.detach().numpy().tobytes()
    assert captured.bits() == plain.bits()


def test_an_mlp_is_numpy_calls_alone() -> None:
    captured, plain = pair(mlp)
    assert wholes(captured.run) == [
        "Optimizer.zero_grad",
        "_checked_labels",
        "Optimizer._hooked_step",
    ]
    for k in range(5, 10):
        agree(captured, plain, k)


def test_inference_is_one_list_of_calls() -> None:
    model = mlp()
    captured = nnlite.capture(model)
    with nnlite.no_grad():
        for k in range(READY + 2):
            x = batch(k)[0]
            assert captured(x).numpy().tobytes() == model(x).numpy().tobytes()
        (part,) = [part for part, _ in program_of(captured)._parts]
    assert isinstance(part, Straight)


def test_ops_that_stay_take_turns_with_calls() -> None:
    def layers() -> nn.Module:
        return nn.Sequential(
            nn.Linear(20, 36),
            nn.Unflatten(1, (1, 6, 6)),
            nn.Conv2d(1, 4, 3),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Tanh(),
            nn.Linear(16, 10),
        )

    captured, plain = pair(layers)
    names = wholes(captured.run)
    assert "Conv2d" in names
    assert "Linear" not in names
    for k in range(5, 10):
        agree(captured, plain, k)


def test_the_learning_rate_may_change() -> None:
    captured, plain = pair(mlp)
    for training in (captured, plain):
        training.optimizer.param_groups[0]["lr"] = 0.5
    agree(captured, plain, 7)


def test_parameters_that_lie_elsewhere_are_followed() -> None:
    captured, plain = pair(mlp)
    for training in (captured, plain):
        first = next(training.model.parameters())
        first.data = first.detach() * 2
    for k in range(5, 10):
        agree(captured, plain, k)
    assert program_of(captured.run)


def test_another_number_of_threads_is_followed() -> None:
    captured, plain = pair(mlp)
    before = nnlite.get_num_threads()
    try:
        first = program_of(captured.run)
        nnlite.set_num_threads(before % 3 + 1)
        for k in range(5, 10):
            agree(captured, plain, k)
        assert program_of(captured.run) is not first
    finally:
        nnlite.set_num_threads(before)


def test_what_left_the_step_stays_as_it_was() -> None:
    captured, _ = pair(mlp)
    kept, copies = [], []
    for k in range(5, 9):
        loss = captured.run(*batch(k))
        for x in (loss, *(p.grad for p in captured.model.parameters())):
            kept.append(x)
            copies.append(x.numpy().copy())
    for x, copy in zip(kept, copies, strict=True):
        np.testing.assert_array_equal(x.numpy(), copy)


def test_results_that_are_views_or_inputs() -> None:
    w = nnlite.ones(3, 2)
    captured = nnlite.capture(lambda x: (x, x.T, (x + w).T, (x * w)[1:], x + w))
    kept = []
    for k in range(READY + 3):
        x = nnlite.full((3, 2), float(k))
        kept.append((k, captured(x)))
    assert program_of(captured)
    for k, found in kept:
        for y, value in zip(found, (k, k, k + 1, k, k + 1), strict=True):
            np.testing.assert_array_equal(y.numpy(), np.full(y.shape, value))


def test_gradients_that_add_up() -> None:
    captured, plain = (Training(c, mlp) for c in (True, False))
    for training in (captured, plain):
        training.optimizer.zero_grad = lambda: None  # type: ignore[method-assign]
    for k in range(READY + 4):
        agree(captured, plain, k)
    assert program_of(captured.run)


def test_gradients_that_several_leaves_share() -> None:
    a, b = (nnlite.ones(3, requires_grad=True) for _ in range(2))

    def step(x: Tensor) -> None:
        a.grad = b.grad = None
        ((a + b) * x).sum().backward()

    captured = nnlite.capture(step)
    for k in range(1, READY + 4):
        captured(nnlite.full((3,), float(k)))
        assert a.grad is not None
        assert b.grad is not None
        assert not np.shares_memory(a.grad.array, b.grad.array)
        a.grad.array[0] = 7
        assert b.grad.tolist() == [k, k, k]


def test_an_input_with_gaps_is_replayed_all_the_same() -> None:
    model = mlp()
    captured = nnlite.capture(model)
    for k in range(READY + 2):
        x = batch(k, 12)[0][::2]
        assert captured(x).numpy().tobytes() == model(x).detach().numpy().tobytes()


def test_a_wrong_label_is_refused_and_training_goes_on() -> None:
    captured, plain = pair(mlp)
    x, y = batch(9)
    for training in (captured, plain):
        with pytest.raises(NnliteIndexError, match="label 10"):
            training.run(x, y + 10 - y.max())
    agree(captured, plain, 9)


def test_a_large_array_keeps_its_op(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nnlite.autograd.lowering.LARGEST", 100)
    captured, plain = pair(mlp)  # 6 x 16 and 6 x 10 fit, the input of 6 x 20 does not
    assert wholes(captured.run).count("Linear") == 1
    agree(captured, plain, 9)


def test_an_op_that_looks_at_values_stays_an_op() -> None:
    class Peek(Op):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x * 2 if x[0] > 0 else x * 3

        @staticmethod
        def backward(ctx: Any, gy: Any) -> Any:
            return gy

    captured = nnlite.capture(lambda x: Peek.apply(x + 1))
    for k in range(READY + 4):
        value = float((-1) ** k * 4)
        expected = (value + 1) * (2 if value > -1 else 3)
        assert captured(nnlite.full((2,), value)).tolist() == [expected] * 2
    assert wholes(captured) == ["Peek"]


@pytest.mark.parametrize("declared", [True, False])
def test_an_op_with_a_memory_is_found_out(declared: bool) -> None:
    class Counter(Op):
        pure = not declared
        calls = 0

        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            Counter.calls += 1
            return x * Counter.calls

        @staticmethod
        def backward(ctx: Any, gy: Any) -> Any:
            return gy

    captured = nnlite.capture(lambda x: Counter.apply(x) + 1)
    found = [captured(nnlite.ones(2)).tolist() for _ in range(READY + 4)]
    assert found == [[k + 2, k + 2] for k in range(len(found))]
    (replayer,) = captured._ready.values()
    assert replayer.is_lowered is declared


class Returned(Op):
    """Looks at x, and returns it as it is."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        assert x[0] > -1
        return x

    @staticmethod
    def backward(ctx: Any, gy: Any) -> Any:
        return gy


def test_a_result_that_an_op_returned_as_it_got_it_stays() -> None:
    captured = nnlite.capture(lambda x: Returned.apply(x * 2))
    kept = [captured(nnlite.full((2,), float(k))) for k in range(READY + 3)]
    assert wholes(captured) == ["Returned"]
    assert [x.tolist() for x in kept] == [[2.0 * k] * 2 for k in range(READY + 3)]


@pytest.mark.parametrize("looks", [False, True])
def test_an_op_with_several_outputs(looks: bool) -> None:
    class Both(Op):
        @staticmethod
        def forward(ctx: Any, a: Any, b: Any) -> Any:
            assert not looks or a[0] > -1
            ctx.save_inputs(0, 1)
            return a * b, a + b

        @staticmethod
        def backward(ctx: Any, gys: Any) -> Any:
            (p, q), a, b = gys, ctx.input(0), ctx.input(1)
            return p * b + q, p * a + q

    w = nnlite.full((2,), 3.0, requires_grad=True)

    def step(x: Tensor) -> None:
        w.grad = None
        product, total = Both.apply(w, x)
        (product + total * 2).sum().backward()

    captured = nnlite.capture(step)
    for k in range(READY + 3):
        captured(nnlite.full((2,), float(k)))
        assert w.grad is not None
        assert w.grad.tolist() == [k + 2.0] * 2
    assert program_of(captured)


def test_powers_of_single_numbers_are_rounded_as_without_capture() -> None:
    captured = nnlite.capture(lambda x: x.norm(0.5))  # the square of a sum
    for k in range(600):
        x = nnlite.from_numpy(np.random.default_rng(k).random(3))
        assert captured(x).item() == x.norm(0.5).item()


class Average(Op):
    """Moves a buffer halfway towards x."""

    @staticmethod
    def forward(ctx: Any, x: Any, buffer: Any) -> Any:
        buffer += x
        buffer *= 0.5
        return buffer * 1


def test_an_op_that_changes_its_input_does_so_once_in_each_call() -> None:
    buffers = [nnlite.zeros(2) for _ in range(2)]
    captured = nnlite.capture(lambda x: Average.apply(x, buffers[0]))
    for k in range(READY + 3):
        x = nnlite.full((2,), float(k))
        assert captured(x).tolist() == Average.apply(x, buffers[1]).tolist()
        assert buffers[0].tolist() == buffers[1].tolist()


def test_a_gradient_of_minus_zero_is_no_difference() -> None:
    w = nnlite.ones(2, requires_grad=True)

    def step(x: Tensor) -> None:
        w.grad = None
        (w * x).sum().backward()

    captured = nnlite.capture(step)
    for _ in range(READY + 2):
        captured(nnlite.tensor([-0.0, 1.0]))
        assert w.grad is not None
        assert np.signbit(w.grad.numpy()).tolist() == [True, False]
    assert program_of(captured)


def test_hooks_and_retained_gradients_are_served() -> None:
    w = nnlite.ones(2, requires_grad=True)

    def step(x: Tensor) -> Any:
        w.grad = None
        (w * x).sum().backward()
        return w.grad

    w.register_hook(lambda g: g * 10)
    captured = nnlite.capture(step)
    for k in range(READY + 3):
        assert captured(nnlite.full((2,), float(k))).tolist() == [10 * k] * 2


def test_the_inputs_of_the_noted_call_are_let_go() -> None:
    captured = nnlite.capture(mlp())
    for k in range(READY + 1):
        x = batch(k)[0]
        captured(x)
        if k == READY - 2:  # the third
            noted = weakref.ref(x.array)
    assert program_of(captured)
    assert noted() is None


def test_nothing_is_kept_when_the_step_goes() -> None:
    captured, _ = pair(mlp)
    model = weakref.ref(captured.model)
    del captured, _
    gc.collect()
    assert model() is None
