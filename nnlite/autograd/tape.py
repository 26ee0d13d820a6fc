"""What a captured step has to do again at each replay, beside its Ops.

Everything that computes with arrays outside of Ops (random numbers, an optimizer's step) goes
through ``traced``; everything that looks at values goes through ``refuse_reading``. Without a
capture under way neither does anything. See capture.py.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar, cast

from nnlite.autograd.modes import _state
from nnlite.errors import CaptureError

F = TypeVar("F", bound=Callable[..., Any])


def traced(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """``function(*args, **kwargs)``, and in a capture again at each replay.

    Arrays and Tensors among the arguments are then those of the replay, and so is the result,
    an array, a Tensor, a tuple of such, or None. What function itself calls is not recorded.
    """
    tape = _state.get()[2]
    if tape is None:
        return function(*args, **kwargs)
    return tape.call(function, args, kwargs)


def retraced(function: F) -> F:
    """Decorator: calls of function go through ``traced``."""

    @functools.wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        return traced(function, *args, **kwargs)

    return cast(F, wrapped)


def refuse_capture(op: str, what: str, hint: str) -> None:
    """Refuse what a replay would not do again.

    Raises:
        CaptureError: a capture is under way.
    """
    if _state.get()[2] is not None:
        raise CaptureError(op, expected="what a replay can do again", got=what, hint=hint)


def refused_create_graph(op: str) -> CaptureError:
    """The error of a second derivative in a captured step."""
    return CaptureError(
        op,
        expected="derivatives of the first order",
        got="create_graph=True, which makes a new graph in each call",
        hint="do not capture this step",
    )


def refuse_reading(op: str) -> None:
    """Refuse to go on in a capture: what op is about to read would stay the same in each replay.

    Raises:
        CaptureError: a capture is under way.
    """
    if _state.get()[2] is not None:
        raise CaptureError(
            op,
            expected="a step that does not look at the numbers it computes with",
            got=f"{op}, which reads values while the step is captured",
            hint="return the tensor from the step and read it outside, or do not capture the step",
        )
