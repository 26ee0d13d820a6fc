"""Whether ops are recorded: no_grad, enable_grad, set_grad_enabled.

The mode belongs to the context (thread, asyncio task), not to the process: a new thread records.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncGenerator, Callable, Generator
from contextvars import ContextVar
from types import TracebackType
from typing import Any, TypeVar, cast

F = TypeVar("F", bound=Callable[..., Any])

# (is recording, the state before it, the tape of a capture): a linked stack, so that the managers
# hold no state of their own and one instance may be entered from many threads, or twice from one.
_State = tuple[bool, Any, Any]
_state: ContextVar[_State] = ContextVar("nnlite_grad_mode", default=(True, None, None))


def is_grad_enabled() -> bool:
    """Whether an op applied now would be recorded for backward."""
    return _state.get()[0]


class _GradMode:
    """A context manager, and a decorator of functions and generators, that sets the mode."""

    def __init__(self, enabled: bool) -> None:
        self.enabled = enabled

    def __enter__(self) -> None:
        before = _state.get()
        _state.set((self.enabled, before, before[2]))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        _state.set(_state.get()[1])

    def __call__(self, function: F) -> F:
        if inspect.isgeneratorfunction(function):
            return cast(F, self._wrap_generator(function))
        if inspect.isasyncgenfunction(function):
            return cast(F, self._wrap_async_generator(function))
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def coroutine(*args: Any, **kwargs: Any) -> Any:
                with self:
                    return await function(*args, **kwargs)

            return cast(F, coroutine)

        @functools.wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            with self:
                return function(*args, **kwargs)

        return cast(F, wrapped)

    def _wrap_generator(self, function: Callable[..., Any]) -> Callable[..., Any]:
        # A generator runs in its caller's context: the mode holds while it computes and is taken
        # back at each yield, so that it does not leak to the caller.
        @functools.wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
            generator = function(*args, **kwargs)
            resume: Callable[[], Any] = functools.partial(next, generator)
            while True:
                try:
                    with self:
                        value = resume()
                except StopIteration as stop:
                    return stop.value
                try:
                    sent = yield value
                except GeneratorExit:
                    with self:
                        generator.close()
                    raise
                except BaseException as error:
                    resume = functools.partial(generator.throw, error)
                else:
                    resume = functools.partial(generator.send, sent)

        return wrapped

    def _wrap_async_generator(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        async def wrapped(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
            generator = function(*args, **kwargs)
            resume: Callable[[], Any] = generator.__anext__
            while True:
                try:
                    with self:
                        value = await resume()
                except StopAsyncIteration:
                    return
                try:
                    sent = yield value
                except GeneratorExit:
                    with self:
                        await generator.aclose()
                    raise
                except BaseException as error:
                    resume = functools.partial(generator.athrow, error)
                else:
                    resume = functools.partial(generator.asend, sent)

        return wrapped


class no_grad(_GradMode):
    """Record nothing: ``with no_grad():``, ``@no_grad()`` or ``@no_grad``."""

    def __new__(cls, function: Callable[..., Any] | None = None) -> Any:
        instance = super().__new__(cls)
        _GradMode.__init__(instance, False)
        return instance if function is None else instance(function)

    def __init__(self, function: Callable[..., Any] | None = None) -> None:
        """Ready-made by __new__."""


class enable_grad(_GradMode):
    """Record again inside no_grad: ``with enable_grad():`` or as a decorator."""

    def __new__(cls, function: Callable[..., Any] | None = None) -> Any:
        instance = super().__new__(cls)
        _GradMode.__init__(instance, True)
        return instance if function is None else instance(function)

    def __init__(self, function: Callable[..., Any] | None = None) -> None:
        """Ready-made by __new__."""


class inference_mode(_GradMode):
    """``no_grad`` by PyTorch's other name; ``inference_mode(False)`` is ``enable_grad``.

    Unlike PyTorch's, its tensors may take part in later graphs.
    """

    def __new__(cls, mode: Any = True) -> Any:
        instance = super().__new__(cls)
        is_function = callable(mode)
        _GradMode.__init__(instance, not (is_function or mode))
        return instance(mode) if is_function else instance

    def __init__(self, mode: Any = True) -> None:
        """Ready-made by __new__."""


class set_grad_enabled(_GradMode):
    """Set the mode at once; as a context manager, take it back at the end of the block."""

    def __init__(self, mode: bool) -> None:
        super().__init__(bool(mode))
        # takes the place of the present mode, so that the block around ends as if it were not there
        self._before = _state.get()
        _state.set((self.enabled, *self._before[1:]))

    def __enter__(self) -> None:
        """Already set by __init__."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        _state.set(self._before)

    def __call__(self, function: F) -> F:
        """As a decorator it sets the mode only while the function runs."""
        _state.set(self._before)
        return _GradMode(self.enabled)(function)
