"""What a replay does where ops were taken apart into NumPy calls (see lowering.py).

A program is a list of parts: the calls of ops, ready to be made, and between them the ops
that stay what they are. All find their arrays in one list, by slot, as a tape's entries do.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

from nnlite.autograd import engine
from nnlite.autograd.calls import Calls, read, reader, slots_of
from nnlite.autograd.modes import set_grad_enabled
from nnlite.autograd.op import Node
from nnlite.autograd.recording import Tape
from nnlite.autograd.replay import Entry, Values
from nnlite.autograd.tensor import Tensor, wrap
from nnlite.autograd.tracing import Line, Raw, Traced
from nnlite.backend import quiet
from nnlite.backend.threads import get_num_threads, run


class Straight:
    """The calls of ops.

    Args:
        lines: the calls as noted.
        entries: those of the tape that they stand for, with their results; none for calls of a
            backward.
        one_thread: whether BLAS has to be at one thread.
    """

    def __init__(
        self, lines: list[Line], entries: list[tuple[Entry, list[Traced]]], one_thread: bool
    ) -> None:
        self._one_thread = one_thread
        self.entries = [(entry, [read(x) for x in outs]) for entry, outs in entries]
        self._calls = Calls(lines)
        self.reads = self._calls.reads

    def run(self, values: Values) -> None:
        """Make them."""
        self._calls.renew(values)
        if self._one_thread:
            run((self._calls.call,))
        else:
            self._calls.call()


class Whole:
    """An entry of the tape that stays what it is.

    Args:
        entry: the entry.
        before: traced arrays that it reads, by slot.
    """

    def __init__(self, entry: Entry, before: dict[int, Traced]) -> None:
        self.entry = entry
        self._before = [(slot, f) for slot, x in before.items() if (f := reader(x)) is not None]
        self.reads = entry.reads | set(entry.writes)
        self.reads |= slots_of(list(before.values()))

    def run(self, values: Values) -> None:
        """Do it again."""
        for slot, found in self._before:
            values[slot] = found(values)
        self.entry.run(values)


class Step:
    """The backward of one node that stays what it is.

    Args:
        node: the node, whose ``op`` does it.
        gy: the gradient that arrives, traced; a list for a node with several outputs.
        slots: for each gradient that it gives, where it goes; None: nowhere.
    """

    def __init__(self, node: Node, gy: Any, slots: list[int | None]) -> None:
        self._node, self._slots = node, slots
        self._backward = node.op.backward
        self._read = read(gy)
        self.reads = {slot for slot in slots if slot is not None} | slots_of(gy)

    def run(self, values: Values) -> None:
        """The backward, and where its results go."""
        with set_grad_enabled(False):
            gxs = self._backward(self._node, self._read(values))
        gxs = gxs if gxs.__class__ is tuple else (gxs,)
        for slot, gx in zip(self._slots, gxs, strict=True):
            if slot is not None:
                values[slot] = np.asarray(gx)


class Store:
    """The end of a backward: its gradients go into the ``.grad`` of the leaves.

    Args:
        entry: the backward.
        gradients: leaf, its gradient, and whether nobody else holds that.
        nodes: those of its graph, whose saved values nobody needs any more.
    """

    def __init__(
        self, entry: Entry, gradients: list[tuple[Tensor, Traced, bool]], nodes: list[Node]
    ) -> None:
        self.entry = entry
        self._gradients = [(leaf, read(x), owned) for leaf, x, owned in gradients]
        self._nodes = nodes
        self.reads = slots_of([x for _, x, _ in gradients])

    def run(self, values: Values) -> None:
        """Store them."""
        for leaf, found, owned in self._gradients:
            if owned and leaf._grad is None:
                leaf._grad = wrap(found(values))
            else:
                engine._store(leaf, found(values), owned=owned)
        for node in self._nodes:
            node.release()

    def expected(self, values: Values) -> list[tuple[Tensor, Raw]]:
        """Each leaf, and what its ``.grad`` is to be."""
        return [
            (leaf, found(values) if leaf._grad is None else leaf._grad.array + found(values))
            for leaf, found, _ in self._gradients
        ]


Part: TypeAlias = Straight | Whole | Step | Store


class Program:
    """The parts of a replay, and the memory that they use.

    Args:
        tape: what is replayed.
        parts: what is done, in this order.
        fixed: by slot, memory that is used again in each replay.
        fresh: slots for which there is new memory in each, with shape and dtype.
        results: traced arrays that leave the step, by slot, and whether as copies.
        outside: parameters, and where they lie.
    """

    def __init__(
        self,
        tape: Tape,
        parts: list[Part],
        fixed: Values,
        fresh: list[tuple[int, tuple[int, ...], Any]],
        results: dict[int, tuple[Traced, bool]],
        outside: list[tuple[Tensor, Raw]],
    ) -> None:
        self._tape, self._fixed, self._fresh = tape, fixed, fresh
        self._results = [(slot, read(x), copied) for slot, (x, copied) in results.items()]
        self._outside = outside
        self._threads = get_num_threads()
        self._parts: list[tuple[Part, tuple[int, ...]]] = []
        stays = {slot for slot, x in enumerate(fixed) if x is not None} | set(results)
        seen = stays | slots_of([x for x, _ in results.values()])
        for part in reversed(parts):  # each with the slots that nobody reads after it
            self._parts.insert(0, (part, tuple(part.reads - seen)))
            seen |= part.reads

    def is_current(self) -> bool:
        """Whether parameters lie where they lay, and as many threads share the work."""
        return self._threads == get_num_threads() and all(x.array is a for x, a in self._outside)

    def replay(self, arrays: list[Any]) -> Any:
        """The step with other inputs."""
        values = self._values(arrays)
        with quiet():
            for part, done in self._parts:
                part.run(values)
                for slot in done:
                    values[slot] = None
        self._tape.release()
        return self._result(values)

    def check(self, arrays: list[Any]) -> tuple[Any, bool]:
        """The step by the tape, and whether the program computes the same bits."""
        values, theirs = self._values(arrays), self._fixed.copy()
        for slot, array in zip(self._tape.slots, arrays, strict=True):
            theirs[slot] = array
        same = True
        with quiet():
            for part, _ in self._parts:
                if isinstance(part, Store):
                    expected = part.expected(values)
                    part.entry.run(theirs)
                    for leaf, gradient in expected:
                        same &= leaf.grad is not None and _is_same(leaf.grad.array, gradient)
                    continue
                if isinstance(part, Whole):
                    part.entry.run(theirs)
                    for slot in part.entry.writes:
                        values[slot] = theirs[slot]
                    continue
                part.run(values)
                for entry, outs in part.entries if isinstance(part, Straight) else ():
                    entry.run(theirs)
                    for slot, out in zip(entry.writes, outs, strict=True):
                        same &= _is_same(theirs[slot], out(values))
        self._tape.release()
        return self._tape.returned(theirs), same

    def _values(self, arrays: list[Any]) -> Values:
        values = self._fixed.copy()
        for slot, array in zip(self._tape.slots, arrays, strict=True):
            values[slot] = array
        for slot, shape, dtype in self._fresh:
            values[slot] = np.empty(shape, dtype)
        return values

    def _result(self, values: Values) -> Any:
        for slot, found, copied in self._results:
            values[slot] = found(values).copy() if copied else found(values)
        return self._tape.returned(values)


def _is_same(a: Raw, b: Raw) -> bool:
    return a.shape == b.shape and a.dtype == b.dtype and a.tobytes() == b.tobytes()
