"""With the garbage collector off, nothing of a training step stays."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import numpy as np
import pytest

from nnlite.autograd import Function, Node, Tensor, grad
from nnlite.ops import linalg, pointwise, reduce


@pytest.fixture(autouse=True)
def _no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def _alive(kind: type) -> int:
    return sum(issubclass(type(x), kind) for x in gc.get_objects())


class KeepsItsOutput(Function):
    """Stores its output on ctx, not through save_for_backward: a cycle until backward frees it."""

    @staticmethod
    def forward(ctx, x):
        ctx.y = x * 2
        return ctx.y

    @staticmethod
    def backward(ctx, gy):
        return gy * 2


class Saves(Function):
    @staticmethod
    def forward(ctx, x):
        y = pointwise.exp(x)
        ctx.save_for_backward(x, y, y * 2)
        return y, x

    @staticmethod
    def backward(ctx, gy, gx):
        _, y, _ = ctx.saved_tensors
        return gy * y + gx


def _step(w: Tensor, x: Tensor, create_graph: bool = False) -> None:
    hidden = pointwise.exp(linalg.matmul(x, w) * 0.01)
    hidden.retain_grad()
    hidden.register_hook(lambda g: g * 1)
    a, b = Saves.apply(KeepsItsOutput.apply(hidden * 0.01))
    loss = reduce.sum((a + b) * hidden) / 10.0
    if create_graph:
        (g,) = grad(loss, w, create_graph=True)
        (reduce.sum(g * g) + loss).backward()
    else:
        loss.backward()
    w.array -= 1e-4 * w.grad.array
    w.grad = None


def test_a_thousand_steps_leave_nothing() -> None:
    w = Tensor(np.full((3, 2), 0.1), True)
    x = Tensor(np.arange(12.0).reshape(4, 3) / 12)
    _step(w, x)
    before = _alive(Tensor), _alive(Node)
    for _ in range(1000):
        _step(w, x)
    assert (_alive(Tensor), _alive(Node)) == before


def test_second_order_steps_leave_nothing() -> None:
    w = Tensor(np.full((3, 2), 0.1), True)
    x = Tensor(np.arange(12.0).reshape(4, 3) / 12)
    _step(w, x, create_graph=True)
    before = _alive(Tensor), _alive(Node)
    for _ in range(100):
        _step(w, x, create_graph=True)
    assert (_alive(Tensor), _alive(Node)) == before


def test_a_graph_without_backward_is_freed() -> None:
    x = Tensor(np.ones(3), True)
    y = x
    for _ in range(10):
        y = pointwise.exp(y * 0.1)
    refs = [weakref.ref(y), weakref.ref(y.node)]
    a, b = Saves.apply(y)
    refs += [weakref.ref(a), weakref.ref(b.node)]
    del y, a, b
    assert [r() for r in refs] == [None] * 4


def test_backward_frees_what_was_saved() -> None:
    x = Tensor(np.ones(1000), True)
    y = pointwise.exp(x * 2)
    saved = weakref.ref(y.array)
    loss = reduce.sum(y * 1.0)
    del y
    assert saved() is not None, "Exp keeps its output for backward"
    loss.backward()
    assert saved() is None


def test_a_ctx_does_not_outlive_its_graph() -> None:
    kept = []

    class Spy(Function):
        @staticmethod
        def forward(ctx, x):
            kept.append(weakref.ref(ctx))
            ctx.save_for_backward(x)
            return x * 2

        @staticmethod
        def backward(ctx, gy):
            return gy * 2

    x = Tensor(np.ones(3), True)
    y = Spy.apply(x)
    assert kept[0]() is not None
    y.backward(Tensor(np.ones(3)))
    assert kept[0]() is None
    Spy.apply(x)
    assert kept[1]() is None
