"""no_grad, enable_grad, set_grad_enabled: nested, decorating, in threads and generators."""

from __future__ import annotations

import asyncio
import threading

import numpy as np
import pytest

from nnlite.autograd import Tensor, enable_grad, is_grad_enabled, no_grad, set_grad_enabled


def test_nothing_is_recorded() -> None:
    x = Tensor(np.ones(2), True)
    with no_grad():
        y = x * 2
    assert not y.requires_grad
    assert y.node is None


def test_nesting() -> None:
    seen = [is_grad_enabled()]
    with no_grad():
        seen.append(is_grad_enabled())
        with enable_grad():
            seen.append(is_grad_enabled())
            with no_grad(), no_grad():
                seen.append(is_grad_enabled())
            seen.append(is_grad_enabled())
        seen.append(is_grad_enabled())
    assert [*seen, is_grad_enabled()] == [True, False, True, False, True, False, True]


def test_one_instance_entered_twice() -> None:
    mode = no_grad()
    with mode:
        with mode:
            assert not is_grad_enabled()
        assert not is_grad_enabled()
    assert is_grad_enabled()


def test_an_exception_takes_the_mode_back() -> None:
    with pytest.raises(ZeroDivisionError), no_grad():
        raise ZeroDivisionError
    assert is_grad_enabled()

    @no_grad()
    def fails() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()
    assert is_grad_enabled()


@pytest.mark.parametrize("decorate", [no_grad, no_grad(), set_grad_enabled])
def test_decorator(decorate) -> None:
    def mode(n: int) -> list[bool]:
        """Doc."""
        return [is_grad_enabled()] + (decorated(n - 1) if n else [])

    decorated = set_grad_enabled(False)(mode) if decorate is set_grad_enabled else decorate(mode)
    assert is_grad_enabled(), "decorating changes nothing yet"
    assert decorated(2) == [False, False, False]
    assert is_grad_enabled()
    assert decorated.__name__ == "mode"
    assert decorated.__doc__ == "Doc."


def test_set_grad_enabled_as_a_call() -> None:
    set_grad_enabled(False)
    assert not is_grad_enabled()
    set_grad_enabled(True)
    assert is_grad_enabled()


def test_set_grad_enabled_as_a_block() -> None:
    with set_grad_enabled(False):
        assert not is_grad_enabled()
        with set_grad_enabled(True):
            assert is_grad_enabled()
        assert not is_grad_enabled()
    assert is_grad_enabled()


def test_a_call_inside_a_block_ends_with_the_block() -> None:
    with no_grad():
        set_grad_enabled(True)
        assert is_grad_enabled()
    assert is_grad_enabled()
    with enable_grad():
        set_grad_enabled(False)
    assert is_grad_enabled()


def test_generator_does_not_leak_its_mode() -> None:
    """pytorch PR #49017."""

    @no_grad()
    def produce():
        got = yield is_grad_enabled()
        try:
            yield is_grad_enabled(), got
        except KeyError:
            yield is_grad_enabled(), "caught"
        return is_grad_enabled()

    g = produce()
    assert next(g) is False
    assert is_grad_enabled()
    assert g.send(5) == (False, 5)
    assert is_grad_enabled()
    assert g.throw(KeyError()) == (False, "caught")
    assert is_grad_enabled()
    with pytest.raises(StopIteration) as stop:
        next(g)
    assert stop.value.value is False
    closed = []

    @no_grad
    def closing():
        try:
            yield 1
        finally:
            closed.append(is_grad_enabled())

    g = closing()
    next(g)
    g.close()
    assert closed == [False]
    assert is_grad_enabled()


def test_generator_keeps_its_mode_inside_a_callers_block() -> None:
    @enable_grad()
    def produce():
        for _ in range(3):
            yield is_grad_enabled()

    with no_grad():
        for seen in produce():
            assert seen
            assert not is_grad_enabled()


def test_coroutines_and_async_generators() -> None:
    @no_grad()
    async def work(log: list[bool]) -> None:
        for _ in range(3):
            log.append(is_grad_enabled())
            await asyncio.sleep(0)

    @no_grad()
    async def stream():
        for _ in range(3):
            got = yield is_grad_enabled()
            assert got is None
            await asyncio.sleep(0)

    async def records(log: list[bool]) -> None:
        for _ in range(6):
            log.append(is_grad_enabled())
            await asyncio.sleep(0)

    async def main() -> None:
        off: list[bool] = []
        on: list[bool] = []
        await asyncio.gather(work(off), records(on), work(off), records(on))
        assert off == [False] * 6
        assert on == [True] * 12
        async for seen in stream():
            assert not seen
            assert is_grad_enabled()

    asyncio.run(main())


def test_threads_do_not_see_each_others_mode() -> None:
    errors: list[str] = []
    start = threading.Barrier(32)

    def toggle(n: int) -> None:
        start.wait()
        for k in range(1000):
            if not is_grad_enabled():
                errors.append(f"thread {n}, round {k}: off outside")
            with shared if k % 2 else no_grad():
                if is_grad_enabled():
                    errors.append(f"thread {n}, round {k}: on inside")
                with enable_grad():
                    if not is_grad_enabled():
                        errors.append(f"thread {n}, round {k}: off in enable_grad")

    shared = no_grad()
    threads = [threading.Thread(target=toggle, args=(n,)) for n in range(32)]
    with no_grad():  # of this thread alone: a new thread records
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert errors == []
