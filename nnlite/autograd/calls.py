"""NumPy calls that were noted (see tracing.py), to be made again with arrays of another moment."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias

import numpy as np

from nnlite.autograd.replay import rebuilt
from nnlite.autograd.tracing import Line, NotStraightError, Number, Raw, Traced, raw_of
from nnlite.backend.summation import memory_order
from nnlite.backend.threads import run

Values: TypeAlias = list[Any]
Read: TypeAlias = Callable[[Values], Any]


def reader(x: Any) -> Read | None:
    """How a replay finds a traced array, or what holds some; None where it stays the same.

    Raises:
        NotStraightError: it is part of an array that has gaps in memory and is new each time.
    """
    if isinstance(x, (tuple, list)):
        if all(reader(item) is None for item in x):
            return None
        found = [read(item) for item in x]
        return lambda values: rebuilt(x, [item(values) for item in found])
    if isinstance(x, Number):
        return x.again
    if not isinstance(x, Traced) or x.root.slot is None:
        return None
    slot, whole, part = x.root.slot, x.root.raw, x.raw
    if part is whole or _place(part) == _place(whole):
        return lambda values: values[slot]
    order = memory_order(whole)
    if not whole.transpose(order).flags.c_contiguous:
        raise NotStraightError
    offset = _start(part) - _start(whole)
    shape, dtype, strides = part.shape, part.dtype, part.strides
    return lambda values: np.ndarray(shape, dtype, values[slot].transpose(order), offset, strides)


def read(x: Any) -> Read:
    """How a replay finds x, which may stay the same."""
    raw = raw_of(x)
    return reader(x) or (lambda values: raw)


def slots_of(x: Any) -> set[int]:
    """The slots that x, or what is in it, is found by."""
    if isinstance(x, (tuple, list)):
        return {slot for item in x for slot in slots_of(item)}
    return {x.root.slot} if isinstance(x, Traced) and x.root.slot is not None else set()


def _start(x: Raw) -> int:
    return int(x.__array_interface__["data"][0])


def _place(x: Raw) -> Any:
    return _start(x), x.shape, x.strides, x.dtype


class Calls:
    """NumPy calls, one after the other.

    Args:
        lines: the calls as noted.
    """

    def __init__(self, lines: list[Line]) -> None:
        self._calls: list[Any] = []
        self._moving: list[tuple[int, Callable[[Values], Any]]] = []
        self._pieces: list[Calls] = []
        self.reads: set[int] = set()
        for i, line in enumerate(lines):
            if line.pieces:
                pieces = [Calls(piece) for piece in line.pieces]
                self._pieces += pieces
                self.reads |= {slot for piece in pieces for slot in piece.reads}
                self._calls.append(partial(run, [piece.call for piece in pieces]))
                continue
            function, args = _positional(line)
            self._calls.append(partial(function, *raw_of(args)))
            if (renewed := self._renewed(function, args)) is not None:
                self._moving.append((i, renewed))

    def _renewed(
        self, function: Callable[..., Any], args: tuple[Any, ...]
    ) -> Callable[[Values], Any] | None:
        """Makes the call for a replay whose arrays are new ones; None where none is."""
        found = [(k, how) for k, x in enumerate(args) if (how := reader(x)) is not None]
        if not found:
            return None
        self.reads |= slots_of(args)
        moving = {k for k, _ in found}
        stay = [None if k in moving else raw_of(x) for k, x in enumerate(args)]

        def call(values: Values) -> Any:
            now = stay.copy()
            for k, how in found:
                now[k] = how(values)
            return partial(function, *now)

        return call

    def renew(self, values: Values) -> None:
        """Put this replay's arrays into the calls."""
        for i, renewed in self._moving:
            self._calls[i] = renewed(values)
        for piece in self._pieces:
            piece.renew(values)

    def call(self) -> None:
        """Make the calls."""
        for call in self._calls:
            call()


_ONLY_BY_NAME = (np.maximum, np.minimum)
"""To give these their ``out`` by its place is deprecated."""


def _positional(line: Line) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """A call without arguments by name, which take longer to hand over."""
    function, args, kwargs = line.function, line.args, dict(line.kwargs)
    if isinstance(function, np.ufunc) and function not in _ONLY_BY_NAME and list(kwargs) == ["out"]:
        return function, (*args, kwargs["out"])
    if not kwargs:
        return function, args
    out = kwargs.pop("out", None)
    if any(reader(x) is not None for x in kwargs.values()):
        raise NotStraightError
    named = partial(function, **raw_of(kwargs))
    if out is None:
        return named, args
    return partial(_with_out, named), (out, *args)


def _with_out(function: Callable[..., Any], out: Raw, *args: Any) -> None:
    function(*args, out=out)
