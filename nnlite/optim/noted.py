"""An update rule's NumPy calls, noted once and then made without the rule."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import copy_context
from types import SimpleNamespace
from typing import Any

from nnlite.autograd.calls import Calls, read
from nnlite.autograd.tensor import Tensor, wrap
from nnlite.autograd.tracing import NotStraightError, Number, Recorder, Root, Traced
from nnlite.backend import Array

_GRADIENT, _LR, _NUMBERS = 0, 1, 2  # places among the values of a step


class NotedRule:
    """What a rule does with one vector; in later steps with other gradients, lr and numbers.

    Making it is a step: the rule is run. A rule that looks at the values of arrays or numbers, as
    by ``if t > 5``, cannot be noted. Nor can one of a user's class, which may draw random numbers
    or look up what else changes: nothing in its calls would show that.

    Args:
        rule: the update rule.
        x: the vector.
        g: its gradient.
        state: its buffers and numbers; the numbers are advanced.
        options: the hyper-parameters; all but lr are taken to stay.

    Attributes:
        rule: as given.

    Raises:
        NotStraightError: the rule cannot be noted; x and the buffers are as before.
    """

    def __init__(
        self,
        rule: Callable[..., None],
        x: Array,
        g: Array,
        state: dict[str, Any],
        options: SimpleNamespace,
    ) -> None:
        owner = getattr(rule, "__self__", None)
        if owner is not None and not type(owner).__module__.startswith("nnlite."):
            raise NotStraightError
        self.rule, self._x = rule, x
        recorder = Recorder()
        arrays = [x, *(entry.array for entry in state.values() if isinstance(entry, Tensor))]
        before = [array.copy() for array in arrays]
        self._names = [name for name, entry in state.items() if not isinstance(entry, Tensor)]
        given: dict[str, Any] = {}
        for name, entry in state.items():
            if isinstance(entry, Tensor):
                given[name] = wrap(Traced(entry.array, Root(entry.array), recorder))
            else:
                given[name] = _number(entry, _NUMBERS + self._names.index(name))
        o = SimpleNamespace(**{**vars(options), "lr": _number(options.lr, _LR)})
        vector = Traced(x, Root(x), recorder)
        gradient = Traced(g, Root(g, _GRADIENT), recorder)
        try:
            # in a context of its own: no interruption can leave a recorder in this one
            copy_context().run(_recorded, recorder, rule, vector, gradient, given, o)
            self._calls = Calls(recorder.lines)
            self._advance = [read(given[name]) for name in self._names]
        except (NotStraightError, TypeError) as error:  # numbers cannot do all that Python's can
            for array, content in zip(arrays, before, strict=True):
                array[...] = content
            raise NotStraightError from error
        for name in self._names:
            found = given[name]
            state[name] = found.value if isinstance(found, Number) else found

    def step(self, g: Array, state: dict[str, Any], options: SimpleNamespace) -> None:
        """The rule again, with other numbers."""
        if not all(_is_plain(state[name]) for name in self._names):
            self.rule(self._x, g, state, options)
            return
        values = [g, options.lr, *(state[name] for name in self._names)]
        self._calls.renew(values)
        self._calls.call()
        for name, advanced in zip(self._names, self._advance, strict=True):
            state[name] = advanced(values)


def _recorded(recorder: Recorder, rule: Callable[..., None], *args: Any) -> None:
    with recorder:
        rule(*args)


def _is_plain(value: Any) -> bool:
    """Whether it is a number of Python's; with NumPy's a rule makes arrays of another dtype."""
    return type(value) is int or type(value) is float


def _number(value: Any, place: int) -> Any:
    """A number that is looked up at each step.

    Raises:
        NotStraightError: it is no number of Python's.
    """
    if not _is_plain(value):
        raise NotStraightError
    return Number(value, lambda values: values[place])
