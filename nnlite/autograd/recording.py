"""The tape of a captured step: what one call of it did, to be compared and replayed.

An array is known by what made it: an input of the step, an entry of the tape, or, where it is the
very same object in two recordings, something that was there before, like a parameter.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from nnlite.autograd.function import Function
from nnlite.autograd.modes import _state
from nnlite.autograd.op import Node, Op, Pick
from nnlite.autograd.replay import (
    Call,
    Const,
    Entry,
    Forward,
    FunctionForward,
    GradOf,
    Resolver,
    Values,
    rebuilt,
    tensor_in,
)
from nnlite.autograd.tape import refused_create_graph
from nnlite.autograd.tensor import Tensor
from nnlite.backend import is_array, quiet
from nnlite.errors import CaptureError


class Tape:
    """What one call of a step did.

    Args:
        inputs: the step's arguments.
    """

    def __init__(self, inputs: tuple[Any, ...]) -> None:
        self.entries: list[Entry] = []
        self.count = 0  # slots given out
        self.known: dict[int, int] = {}  # id of an array: its slot
        self.leaves: dict[int, Tensor] = {}  # tensors from outside whose .grad may be met
        self.outside: dict[int, Tensor] = {}  # all tensors from outside
        self.kept: list[Any] = []  # so that no id is given away again
        self.slots = [self._new_slot(x.array) for x in inputs if isinstance(x, Tensor)]
        self.result: Resolver | Const = Const(None)
        self.result_key: Any = None
        self.flags: list[Any] = []
        self.unwalked: list[Node] = []

    # -- recording -------------------------------------------------------------------------

    def op(self, op: type[Op], inputs: tuple[Any, ...], params: dict[str, Any]) -> Any:
        """``op.apply(*inputs, **params)``, noted."""
        refs = [self._array(x) for x in inputs]
        named = {name: self._value(x) for name, x in params.items()}
        with Recording(None):
            result = op.apply(*inputs, **params)
        outs = result if isinstance(result, tuple) else (result,)
        node = next((out.node for out in outs if out.node is not None), None)
        if node is not None and node.op is Pick:
            (node,) = node.parents
        entry = Forward(
            op,
            node,
            [ref for _, ref in refs],
            {name: x.array for name, (_, x) in named.items() if isinstance(x, Const)},
            {name: x for name, (_, x) in named.items() if not isinstance(x, Const)},
            isinstance(result, tuple),
        )
        keys = [key for key, _ in refs], {name: key for name, (key, _) in named.items()}
        self._add(entry, (op, node is not None, *keys), outs)
        return result

    def function(self, function: type[Function], args: tuple[Any, ...]) -> Any:
        """``function.apply(*args)``, noted."""
        found = [self._value(x) for x in args]
        with Recording(None):
            result = function.apply(*args)
        outs = result if isinstance(result, tuple) else (result,)
        node = next((out.node for out in outs if out.node is not None), None)
        made = [x for _, x in found]
        entry = (
            Call(function.apply, made, {})
            if node is None
            else FunctionForward(function, node.parents[0], made)
        )
        self._add(entry, (function, node is not None, [key for key, _ in found]), outs)
        return result

    def call(
        self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """``function(*args, **kwargs)``, noted."""
        if "create_graph" in inspect.signature(function).parameters:
            bound = inspect.signature(function).bind(*args, **kwargs)
            if bound.arguments.get("create_graph"):
                raise refused_create_graph(function.__name__)
        found = [self._value(x) for x in args]
        named = {name: self._value(x) for name, x in kwargs.items()}
        with Recording(None):
            result = function(*args, **kwargs)
        outs = result if isinstance(result, tuple) else (result,)
        if result is None:
            outs = ()
        elif any(isinstance(x, Tensor) and x.node is not None for x in outs):
            raise refused_create_graph(function.__name__)
        elif not all(isinstance(x, Tensor) or is_array(x) for x in outs):
            raise CaptureError(
                getattr(function, "__qualname__", "traced"),
                expected="a result made of tensors",
                got=type(result).__name__,
                hint="call it outside of the captured step",
            )
        entry = Call(function, [x for _, x in found], {n: x for n, (_, x) in named.items()})
        keys = [key for key, _ in found], {name: key for name, (key, _) in named.items()}
        arrays = [x.array if isinstance(x, Tensor) else x for x in outs]
        entry.forms = [(x.shape, x.dtype) for x in arrays]
        self._add(entry, (function, *keys), outs)
        return result

    def finish(self, result: Any) -> None:
        """Note what the step returned."""
        self.result_key, self.result = self._value(result, in_graph=False)
        self.flags = self._flags()
        # keys hold what they compare; the arrays that were computed can go
        self.kept.clear()
        self.known.clear()

    def _add(self, entry: Entry, key: Any, outs: tuple[Any, ...]) -> None:
        entry.key = key
        entry.reads = set(slots_in(key))
        entry.writes = tuple(
            [self._new_slot(x.array if isinstance(x, Tensor) else x) for x in outs]
        )
        self.entries.append(entry)

    def _new_slot(self, array: Any) -> int:
        slot = self.count
        self.count += 1
        self.known[id(array)] = slot
        self.kept.append(array)
        return slot

    def _array(self, x: Any) -> tuple[Any, Any]:
        """An Op's input: how to compare it, and a slot or what has an ``array``."""
        key, made = self._value(x)
        if isinstance(made, Const):
            return key, x if isinstance(x, Tensor) else made
        if isinstance(key, _Slot):
            return key, key.slot
        return key, GradOf(self.leaves[key[1]])

    def _value(self, x: Any, in_graph: bool = True) -> tuple[Any, Resolver | Const]:
        """Any argument: how to compare it, and how to make it in a replay."""
        if isinstance(x, Tensor):
            slot = self.known.get(id(x.array))
            if slot is not None:
                node = x.node if in_graph else None
                return _Slot(slot, node is not None), tensor_in(slot, node)
            for key, leaf in self.leaves.items():
                if leaf._grad is x:
                    return ("grad", key), _grad_of(leaf)
            if x.node is None:
                self.outside[id(x)] = x
                if x._requires_grad:
                    self.leaves[id(x)] = x
        elif is_array(x):
            slot = self.known.get(id(x))
            if slot is not None:
                return _Slot(slot, False), lambda values: values[slot]
            return _Unknown(), Const(x)
        elif isinstance(x, (tuple, list)):
            return self._sequence(x, in_graph)
        elif isinstance(x, dict):
            key, make = self._sequence(tuple(x.values()), in_graph)
            keys = tuple(x)
            if isinstance(make, Const):
                return (keys, key), Const(x)
            return (keys, key), lambda values: dict(zip(keys, make(values), strict=True))
        else:
            return _Same(x), Const(x)
        self.kept.append(x)
        return _Same(x), Const(x)

    def _sequence(self, x: Any, in_graph: bool) -> tuple[Any, Resolver | Const]:
        found = [self._value(item, in_graph) for item in x]
        keys, made = [key for key, _ in found], [m for _, m in found]
        if all(isinstance(m, Const) for m in made):
            return (type(x), keys), Const(x)
        return (type(x), keys), lambda values: rebuilt(
            x, [m.array if isinstance(m, Const) else m(values) for m in made]
        )

    def _flags(self) -> list[Any]:
        return [(x._requires_grad, x.array.dtype, x.array.shape) for x in self.outside.values()]

    # -- comparing and replaying -----------------------------------------------------------

    def is_current(self) -> bool:
        """Whether the tensors from outside are what they were: none frozen, cast or resized."""
        return self._flags() == self.flags

    def difference(self, other: Tape) -> str:
        """Where two recordings part, in words; empty where they did the same."""
        for mine, theirs in zip(self.entries, other.entries, strict=False):
            if mine.name != theirs.name:
                return f"{mine.name} where {theirs.name} was before"
            if mine.key != theirs.key:
                return f"{mine.name} with other arguments than before"
        if len(self.entries) != len(other.entries):
            return f"{len(self.entries)} operations where there were {len(other.entries)}"
        return "" if self.result_key == other.result_key else "another result than before"

    def close(self) -> None:
        """Make ready for replays: note when each slot is done, and which nodes nobody walks."""
        nodes = [e.node for e in self.entries if isinstance(e, (Forward, FunctionForward))]
        self.unwalked = [node for node in nodes if node is not None and not node.is_freed]
        self.release()
        seen = set(slots_in(self.result_key))
        for entry in reversed(self.entries):
            last = (entry.reads | set(entry.writes)) - seen
            entry.frees = tuple(last)
            seen |= last

    def replay(self, arrays: list[Any]) -> Any:
        """The step with other inputs."""
        values: Values = [None] * self.count
        for slot, array in zip(self.slots, arrays, strict=True):
            values[slot] = array
        with quiet():
            for entry in self.entries:
                entry.run(values)
                for slot in entry.frees:
                    values[slot] = None
        self.release()
        return self.returned(values)

    def returned(self, values: Values) -> Any:
        """What the step returns, from the values of a replay."""
        return self.result.array if isinstance(self.result, Const) else self.result(values)

    def release(self) -> None:
        """Drop what forwards saved for a backward that does not come."""
        for node in self.unwalked:
            node.release()


class _Unknown:
    """The key of an array of unknown origin, which equals nothing: it may change in each call."""


def _grad_of(leaf: Tensor) -> Resolver:
    read = GradOf(leaf)
    return lambda values: read.tensor


class _Slot:
    """The key of a value that the tape knows."""

    def __init__(self, slot: int, in_graph: bool) -> None:
        self.slot, self.in_graph = slot, in_graph

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Slot) and vars(self) == vars(other)

    __hash__ = None  # type: ignore[assignment]


class _Same:
    """The key of a value from outside: arrays and tensors are one object, others are equal."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, _Same):
            return False
        a, b = self.value, other.value
        if a is b or isinstance(a, Tensor) or is_array(a):
            return a is b
        return type(a) is type(b) and bool(a == b)

    __hash__ = None  # type: ignore[assignment]


def slots_in(key: Any) -> list[int]:
    """All slots that occur in a key."""
    if isinstance(key, _Slot):
        return [key.slot]
    items = key.values() if isinstance(key, dict) else key if isinstance(key, (tuple, list)) else ()
    return [slot for item in items for slot in slots_in(item)]


class Recording:
    """A context manager that sets this context's tape; None: nothing is recorded inside."""

    def __init__(self, tape: Tape | None) -> None:
        self.tape = tape

    def __enter__(self) -> None:
        before = _state.get()
        _state.set((before[0], before, self.tape))

    def __exit__(self, *error: object) -> None:
        _state.set(_state.get()[1])
