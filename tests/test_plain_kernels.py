"""The switch to the plain kernels: where it holds, and where not."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import numpy as np
import pytest

import nnlite
import nnlite.nn.functional as F
from nnlite.backend import is_plain
from nnlite.ops.kernels import im2col, rows


def test_it_holds_inside_the_block() -> None:
    assert not is_plain()
    with nnlite.plain_kernels():
        assert is_plain()
    assert not is_plain()


def test_nested() -> None:
    with nnlite.plain_kernels():
        with nnlite.plain_kernels(False):
            assert not is_plain()
            with nnlite.plain_kernels():
                assert is_plain()
            assert not is_plain()
        assert is_plain()
    assert not is_plain()


def test_one_object_entered_several_times() -> None:
    switch = nnlite.plain_kernels()
    for _ in range(2):
        with switch:
            with switch:
                assert is_plain()
            assert is_plain(), "the inner exit puts back what the inner entry found"
        assert not is_plain()


def test_an_exception_puts_it_back() -> None:
    with pytest.raises(ZeroDivisionError), nnlite.plain_kernels():
        raise ZeroDivisionError
    assert not is_plain()
    with nnlite.plain_kernels():
        with pytest.raises(ZeroDivisionError), nnlite.plain_kernels(False):
            raise ZeroDivisionError
        assert is_plain()


def test_other_threads_are_unaffected() -> None:
    seen: list[bool] = []
    entered, done = threading.Event(), threading.Event()

    def other() -> None:
        seen.append(is_plain())
        with nnlite.plain_kernels():
            entered.set()
            done.wait(30)
            seen.append(is_plain())

    with nnlite.plain_kernels():
        thread = threading.Thread(target=other)
        thread.start()
        assert entered.wait(30)
        assert is_plain()
    assert not is_plain(), "the other thread's switch is not ours"
    done.set()
    thread.join(30)
    assert seen == [False, True]


def test_tasks_have_their_own() -> None:
    async def inner(plain: bool) -> bool:
        with nnlite.plain_kernels(plain):
            await asyncio.sleep(0)
            return is_plain()

    async def outer() -> list[bool]:
        return list(await asyncio.gather(inner(True), inner(False), inner(True)))

    assert asyncio.run(outer()) == [True, False, True]


def test_a_generator_that_stays_inside() -> None:
    def steps() -> Iterator[int]:
        with nnlite.plain_kernels():
            yield 1
        yield 2

    steps_ = steps()
    next(steps_)
    assert is_plain()
    next(steps_)
    assert not is_plain()


def test_a_backward_called_later_is_fast_again(monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[str] = []
    for module in (rows, im2col):
        inner = module.weight_grad

        def spy(*args: object, inner: object = inner, name: str = module.__name__) -> object:
            called.append(name.rpartition(".")[2])
            return inner(*args)  # type: ignore[operator]

        monkeypatch.setattr(module, "weight_grad", spy)
    w = nnlite.rand(2, 1, 2, 2).requires_grad_()
    with nnlite.plain_kernels():
        loss = F.conv2d(nnlite.rand(8, 1, 4, 4), w).sum()
        loss.backward(retain_graph=True)
        inside = w.grad.array.copy()
    w.grad = None
    loss.backward()
    assert called == ["im2col", "rows"]
    np.testing.assert_allclose(w.grad.array, inside, rtol=1e-6)
