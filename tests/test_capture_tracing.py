"""Arrays and numbers that note what is done with them, and update rules noted by them."""

from __future__ import annotations

import operator
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

import nnlite
from nnlite import optim
from nnlite.autograd import Op
from nnlite.autograd.calls import Calls, read
from nnlite.autograd.tensor import wrap
from nnlite.autograd.tracing import NotStraightError, Number, Recorder, Root, Traced
from nnlite.backend import threads
from nnlite.backend.threads import run
from nnlite.optim.noted import NotedRule


def again(function: Any, *arrays: np.ndarray[Any, Any], fresh: bool) -> Any:
    """What the noted calls of function compute from other numbers, and what function does.

    fresh: the numbers are in other arrays, else written into those that were there.
    """
    recorder = Recorder()
    traced = [
        Traced(a, Root(a, slot if fresh else None), recorder)
        for slot, a in enumerate(a.copy() for a in arrays)
    ]
    with recorder:
        out = function(*traced)
    others = [np.roll(a.reshape(-1), 1).reshape(a.shape) for a in arrays]
    if not fresh:
        for x, other in zip(traced, others, strict=True):
            x.raw[...] = other
    calls = Calls(recorder.lines)
    calls.renew(others)
    calls.call()
    return read(out)(others), function(*[other.copy() for other in others])


X = np.random.default_rng(0).standard_normal((4, 6)).astype("float32")
W = np.random.default_rng(1).standard_normal((5, 6)).astype("float32")
LABELS = np.array([3, 0, 5, 1])

FUNCTIONS: dict[str, tuple[Any, ...]] = {
    "operators": (lambda x: -(x * 2 + 1) / (x * x + 3) - x**2, X),
    "powers": (lambda x: x**-1 * (x**0.5 + 2.0**x), np.arange(0.1, 60, 0.01)),
    "the root of -0": (lambda x: x**0.5, np.array([-0.0, 4.0])),
    "comparison": (lambda x: (x > 0) * x, X),
    "product": (lambda x, w: x @ w.T, X, W),
    "in place": (lambda x: _in_place(x + 0), X),
    "reductions": (lambda x: x.sum(axis=0) + x.max() - x.min(axis=0) + x.mean(axis=0), X),
    "sum in another dtype": (lambda x: x.sum(axis=1, dtype="float64").astype("float32"), X),
    "views": (lambda x: x.T[1:, ::2].reshape(5, 2) + x[2:3, 1:2], X),
    "a view of integers": (lambda x: np.abs(x).view("int32") // 2, X),
    "a copying reshape": (lambda x: x.T.reshape(4, 6) * 2, X),
    "a single element": (lambda x: x[1, 2] * x, X),
    "picking": (lambda x, t: x[np.arange(4), t] * 2, X, LABELS),
    "putting": (lambda x, t: _put(x + 0, t), X, LABELS),
    "where": (lambda x: np.where(x > 0, x, 0 * x), X),
    "concatenate": (lambda x, w: np.concatenate([x, w[:4]], axis=1), X, W),
    "zeros": (lambda x: _filled(np.zeros_like(x), x), X),
    "empty": (lambda x: np.exp(x, out=np.empty(x.shape, x.dtype, like=x)), X),
    "copy": (lambda x: x.copy() + x.T.copy().T, X),
    "broadcast": (lambda x: np.broadcast_to(x[0], (4, 6)) * x, X),
    "a condition": (lambda x: np.add(x, x, where=x > 0, out=np.ones_like(x)), X),
    "pieces": (lambda x: _in_pieces(x), X),
    "argmax": (lambda x: x.argmax(axis=1), X),
}


def _in_place(y: Any) -> Any:
    y *= 3
    y -= 1
    y[1:] = y[:-1] * 1
    y[0, 0] = 7
    return y


def _put(y: Any, t: Any) -> Any:
    y[np.arange(4), t] -= 10
    return y


def _filled(y: Any, x: Any) -> Any:
    y += x
    return y


def _in_pieces(x: Any) -> Any:
    y = np.empty_like(x)
    run([lambda k=k: np.multiply(x[k], k + 2, out=y[k]) for k in range(4)])
    return y


@pytest.mark.parametrize("fresh", [False, True], ids=["same memory", "other memory"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_noted_calls_compute_the_same_of_other_numbers(name: str, fresh: bool) -> None:
    function, *arrays = FUNCTIONS[name]
    found, expected = again(function, *arrays, fresh=fresh)
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)


def test_pieces_are_noted_with_blas_at_one_thread() -> None:
    seen = []
    with threadpool_limits(2, user_api="blas"), Recorder():
        run([lambda: seen.append(threads._get())])
        seen.append(threads._get())
    assert seen == [1, 2]


@pytest.mark.parametrize(
    "function",
    [
        *(bool, float, int, list, np.asarray, np.linalg.norm, np.sort, np.nonzero),
        lambda x: x.item(),
        lambda x: x.tolist(),
        lambda x: x.cumsum(),
        lambda x: 1 if x[0, 0] > 0 else 2,
        lambda x: np.zeros((4, 6)).__setitem__(0, x[0]),
        lambda x: np.add(1.0, x, out=np.empty((4, 6))),
        lambda x: np.add.accumulate(x),
        lambda x: np.add.at(x, [0], 1),
        lambda x: np.modf(x),
        lambda x: np.empty(4)[x],
        lambda x: x[x > 0],
        lambda x: x[:, x[0] > 0],
        lambda x: np.where(x > 0),
        lambda x: np.copyto(np.empty((4, 6)), x),
        lambda x: np.reshape(x, 24),  # a view, which is none of those known
        lambda x: x[np.int64(1)],
        lambda x: setattr(x.flags, "writeable", False),
        lambda x: x.sum() ** 2,  # NumPy's scalars round it otherwise
    ],
)
def test_what_cannot_be_noted_is_refused(function: Any) -> None:
    recorder = Recorder()
    with recorder, pytest.raises(NotStraightError):
        function(Traced(X.copy(), Root(X), recorder))


def test_numbers_compute_as_python_does() -> None:
    def formula(t: Any, lr: Any) -> Any:
        return lr * (1 - 0.999**t) ** 0.5 / (1 - 0.9**t) + t * 2 - (-lr) / 3 + (t + lr) ** 2 - 5 - t

    found = formula(*[Number(v, lambda values, k=k: values[k]) for k, v in enumerate((3, 0.1))])
    assert found.value == formula(3, 0.1)
    for values in ([4, 0.1], [1000, 2.5]):
        assert found.again(values) == formula(*values)


@pytest.mark.parametrize(
    "look", [bool, float, int, lambda n: n > 5, lambda n: n == 0, lambda n: [1, 2][n], hash]
)
def test_a_number_is_not_looked_at(look: Any) -> None:
    with pytest.raises((NotStraightError, TypeError)):
        look(Number(3, lambda values: values[0]))


def _state(x: Any) -> dict[str, Any]:
    return {"m": wrap(np.ones_like(x)), "step": 3}


@pytest.mark.parametrize("fails", ["by looking", "by an error", "by arithmetic"])
def test_a_rule_that_cannot_be_noted_changes_nothing(fails: str) -> None:
    def rule(x: Any, g: Any, state: dict[str, Any], o: SimpleNamespace) -> None:
        state["step"] += 1
        m = state["m"].array
        m += g
        x -= o.lr * m
        if fails == "by an error":
            raise MemoryError
        if fails == "by arithmetic":
            x -= state["step"] % 2
        if state["step"] > 3:
            x *= 2

    x = X.reshape(-1).copy()
    state = _state(x)
    with pytest.raises(MemoryError if fails == "by an error" else NotStraightError):
        NotedRule(rule, x, np.ones_like(x), state, SimpleNamespace(lr=0.1))
    assert state["step"] == 3
    if fails != "by an error":  # then the rule itself is asked
        np.testing.assert_array_equal(x, X.reshape(-1))
        assert state["m"].array.min() == 1


@pytest.mark.parametrize(
    ("rule", "noted"),
    [(optim.Adam, True), (optim.SGD, True), (optim.RMSprop, True), (optim.RAdam, False)],
)
def test_which_rules_are_noted(rule: Any, noted: bool) -> None:
    p = nnlite.nn.Parameter(nnlite.ones(3))
    optimizer = rule([p], lr=0.1)
    for _ in range(3):
        p.grad = nnlite.ones(3)
        optimizer.step()
    (part,) = optimizer._plans[0]._pieces
    assert (part.noted is not None) is noted


def test_a_noted_rule_is_not_used_for_another() -> None:
    p = nnlite.nn.Parameter(nnlite.ones(3))
    optimizer = optim.SGD([p], lr=0.1)
    for _ in range(3):
        p.grad = nnlite.ones(3)
        optimizer.step()

    def other(x: Any, g: Any, state: Any, o: Any) -> None:
        operator.iadd(x, 100 * g)

    optimizer._update = other  # type: ignore[method-assign]
    optimizer.step()
    np.testing.assert_allclose(p.detach().numpy(), np.full(3, 100.7), rtol=1e-6)

    def looking(x: Any, g: Any, state: Any, o: Any) -> None:  # and so cannot be noted
        operator.iadd(x, 10 if x[0] > 0 else 0)

    optimizer._update = looking  # type: ignore[method-assign]
    optimizer.step()
    np.testing.assert_allclose(p.detach().numpy(), np.full(3, 110.7), rtol=1e-6)


def test_a_rule_of_a_users_class_is_asked_each_time() -> None:
    class Falling(optim.SGD):
        scale = 1.0

        def _update(self, x: Any, g: Any, state: Any, o: Any) -> None:
            x -= self.scale * g
            self.scale /= 2

    p = nnlite.nn.Parameter(nnlite.full((3,), 2.0))
    optimizer = Falling([p])
    for k in range(5):
        p.grad = nnlite.ones(3)
        optimizer.step()
        assert p.tolist() == [0.5**k] * 3


@pytest.mark.parametrize("when", [0, 4], ids=["before it is noted", "later"])
def test_numbers_of_numpy_in_the_state_compute_as_without_noting(when: int) -> None:
    def train() -> list[bytes]:
        p = nnlite.nn.Parameter(nnlite.from_numpy(X.copy()))
        optimizer = optim.NAdam([p], lr=0.01)
        found = []
        for k in range(8):
            p.grad = nnlite.from_numpy(np.roll(X, k).reshape(X.shape))
            optimizer.step()
            if k == when:
                optimizer.state[p]["step"] = np.int64(7)
            found.append(p.detach().numpy().tobytes())
        assert optimizer.state[p]["step"] == 14 - when
        return found

    with nnlite.plain_kernels():
        expected = train()
    assert train() == expected


class Both(NamedTuple):
    scale: Any
    shift: Any


class Scaled(Op):
    """x * scale * x, that keeps on ctx what capture may or may not look into."""

    @staticmethod
    def forward(ctx: Any, x: Any, *, by: Both, closure: bool) -> Any:
        double = x * by.scale
        ctx.kept = (lambda gy: gy * 2 * double) if closure else Both(double, [double])
        return double * x + by.shift

    @staticmethod
    def backward(ctx: Any, gy: Any) -> Any:
        return ctx.kept(gy) if callable(ctx.kept) else gy * 2 * ctx.kept.shift[0]


@pytest.mark.parametrize("closure", [False, True])
@pytest.mark.parametrize("gives_up", [False, True])
def test_what_an_op_keeps_for_backward(closure: bool, gives_up: bool) -> None:
    w, seen = nnlite.ones(2, requires_grad=True), nnlite.zeros(2)

    def step(x: Any) -> Any:
        w.grad = None
        y = Scaled.apply(w * x, by=Both(3, 1), closure=closure)
        with nnlite.no_grad():
            if gives_up:  # copy_ reads what an op that was taken apart has computed
                seen.copy_(w * x)
        y.sum().backward()
        return y

    captured = nnlite.capture(step)
    for k in range(7):
        assert captured(nnlite.full((2,), float(k))).tolist() == [3.0 * k**2 + 1] * 2
        assert w.grad is not None
        assert w.grad.tolist() == [6.0 * k**2] * 2
