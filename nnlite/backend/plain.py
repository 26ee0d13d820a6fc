"""The switch between the fast kernels and their plain twins, which say what they compute."""

from __future__ import annotations

from contextvars import ContextVar
from types import TracebackType

_plain: ContextVar[bool] = ContextVar("nnlite_plain_kernels", default=False)


def is_plain() -> bool:
    """Whether ops use the plain kernels here."""
    return _plain.get()


class plain_kernels:  # noqa: N801  (reads as a function, like no_grad)
    """``with plain_kernels():`` ops use the few lines of their definition instead of fast kernels.

    For debugging and teaching: results agree up to rounding, and every intermediate array can be
    looked at. It holds in this context (thread, asyncio task), and for what runs inside the block:
    a backward that is called later uses the fast kernels again.
    """

    def __init__(self, plain: bool = True) -> None:
        self.plain = plain
        self._tokens: list[bool] = []

    def __enter__(self) -> None:
        self._tokens.append(_plain.get())
        _plain.set(self.plain)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        _plain.set(self._tokens.pop())
