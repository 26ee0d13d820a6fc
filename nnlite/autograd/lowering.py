"""Takes a captured step apart into NumPy calls, where its ops allow.

The third call of a step goes through the entries of its tape as the second did, but with traced
arrays; the NumPy calls that ops make with these are noted, forward and backward. From then on
the calls are made again, in the same memory. Ops that look at values, or do what traced arrays do
not know, stay what they are, and take turns with the calls. The fourth call does both, and
compares all results bit by bit; a program that differs is not used.

What leaves the step (its results, the gradients of leaves) gets new memory each time.
"""

from __future__ import annotations

import inspect
from contextvars import copy_context
from typing import Any

import numpy as np

from nnlite.autograd import engine
from nnlite.autograd.modes import set_grad_enabled
from nnlite.autograd.op import Node, Pick
from nnlite.autograd.program import Part, Program, Step, Store, Straight, Whole
from nnlite.autograd.recording import Tape, slots_in
from nnlite.autograd.replay import Call, Const, Entry, Forward, Values
from nnlite.autograd.roots import with_cotangents
from nnlite.autograd.tensor import Tensor
from nnlite.autograd.tracing import NotStraightError, Raw, Recorder, Root, Traced, raw_of
from nnlite.backend import is_plain, quiet

LARGEST = 2**18
"""Elements of an array whose op stays as it is: its calls take long beside the Python around them,
and memory that is used again at once is nearer than memory of its own."""

TRIES = 3
"""So often a step is taken apart anew, where its parameters' memory was replaced."""

_BACKWARD = inspect.unwrap(engine.backward)


class Replayer:
    """Replays a tape: as it is, or better, when its ops allow.

    Args:
        tape: what is replayed.
    """

    def __init__(self, tape: Tape) -> None:
        self.tape = tape
        self._program: Program | None = None
        self._checked = False
        self._tries = 0

    def replay(self, arrays: list[Any]) -> Any:
        """The step with these inputs."""
        program = self._program
        if program is not None and program.is_current():
            if self._checked:
                return program.replay(arrays)
            result, self._checked = program.check(arrays)
            if not self._checked:
                self._program, self._tries = None, TRIES
            return result
        if self._tries < TRIES and _is_possible(self.tape, arrays):
            self._tries, self._checked = self._tries + 1, False
            # in a context of its own: no interruption can leave a recorder in this one
            result, self._program = copy_context().run(_Lowering(self.tape, arrays).run)
            return result
        return self.tape.replay(arrays)

    @property
    def is_lowered(self) -> bool:
        """Whether the next replay makes NumPy's calls alone where it can."""
        return self._checked


def _is_possible(tape: Tape, arrays: list[Any]) -> bool:
    """Whether anything can be gained, and nothing stands in the way."""
    if is_plain() or not all(type(x) is np.ndarray and x.flags.c_contiguous for x in arrays):
        return False
    if any(x._hooks for x in tape.leaves.values()):
        return False
    return all(isinstance(entry, (Forward, Call)) for entry in tape.entries)


class _Lowering:
    """One call of a step, that is noted.

    Args:
        tape: of the step.
        arrays: its inputs.
    """

    def __init__(self, tape: Tape, arrays: list[Raw]) -> None:
        self.tape = tape
        self.recorder = Recorder()
        self.count = tape.count
        self.traced: Values = [None] * tape.count  # what ops get, by slot
        self.raw: Values = [None] * tape.count  # what those get that stay what they are
        self.lowered: set[int] = set()  # slots whose op was taken apart
        self.outside: dict[int, tuple[Tensor, Raw]] = {}
        self.nodes: set[Node] = set()  # of ops taken apart
        self.waiting: list[tuple[Entry, list[Traced]]] = []  # entries of the calls noted so far
        # made into parts at the end, when it is known what leaves the step
        self.makers: list[Any] = []
        self.fresh: list[tuple[int, tuple[int, ...], Any]] = []
        for slot, array in zip(tape.slots, arrays, strict=True):
            self._moving(array, slot)

    def run(self) -> tuple[Any, Program | None]:
        """What the step returns, and its program, if there is one."""
        possible = True
        with quiet(), self.recorder:
            for entry in self.tape.entries:
                if possible:
                    try:
                        self._add(entry)
                        continue
                    except NotStraightError:
                        possible = False
                        self._give_up()
                with self.recorder.paused():
                    entry.run(self.raw)
        self.tape.release()
        if not possible or not self.lowered:
            return self.tape.returned(self.raw), None
        results = self._results()
        result = self.tape.returned(self.raw)
        self._flush()
        fixed: Values = [None] * self.count
        for slot in self.lowered:
            if self.traced[slot].root.slot is None:
                fixed[slot] = self.raw[slot]
        try:
            parts: list[Part] = [make() for make in self.makers]
        except NotStraightError:  # it reads pieces of memory with gaps
            return result, None
        outside = list(self.outside.values())
        return result, Program(self.tape, parts, fixed, self.fresh, results, outside)

    def _moving(self, raw: Raw, slot: int, writable: bool = False) -> None:
        """An array that is another one in each replay."""
        self.raw[slot] = raw
        self.traced[slot] = Traced(raw, Root(raw, slot, writable), self.recorder)

    # -- entries ---------------------------------------------------------------------------

    def _add(self, entry: Entry) -> None:
        if isinstance(entry, Call) and entry.function is _BACKWARD:
            self._backward(entry)
        elif not (isinstance(entry, Forward) and entry.op.pure and self._forward(entry)):
            self._whole(entry)

    def _forward(self, entry: Forward) -> bool:
        """The forward of an op, noted; False where it cannot be."""
        lines = self.recorder.lines
        mark = len(lines)
        try:
            arrays = [self._input(x) for x in entry.inputs]
            entry.compute(arrays, self.traced)
            outs = [self.traced[slot] for slot in entry.writes]
            if not all(isinstance(x, Traced) and x.size <= LARGEST for x in outs):
                raise NotStraightError
            if entry.node is not None and not _is_open(entry.node.__dict__, set(entry.params)):
                raise NotStraightError
        except Exception:  # an error of the op itself comes again
            del lines[mark:]
            return False
        for slot, out in zip(entry.writes, outs, strict=True):
            self.raw[slot] = out.raw
        self.lowered.update(entry.writes)
        if entry.node is not None:
            self.nodes.add(entry.node)
        self.waiting.append((entry, outs))
        return True

    def _input(self, x: Any) -> Any:
        if x.__class__ is int:
            array = self.traced[x]
            if array.size > LARGEST:
                raise NotStraightError
            return array
        if isinstance(x, Tensor):
            raw = x.array
            self.outside[id(x)] = (x, raw)
        elif isinstance(x, Const):
            raw = x.array
        else:  # a gradient, which is another array each time
            raise NotStraightError
        if not isinstance(raw, np.ndarray):
            return raw
        # not to be written to: the call that checks would do so twice
        return Traced(raw, Root(raw, writable=False), self.recorder)

    def _whole(self, entry: Entry) -> None:
        """An entry that stays as it is."""
        read = entry.reads & self.lowered
        if read and not isinstance(entry, Forward):  # it might keep or change what it gets
            raise NotStraightError
        self._flush()
        with self.recorder.paused():
            entry.run(self.raw)
        for slot in entry.writes:
            self._moving(self.raw[slot], slot)
        before = {slot: self.traced[slot] for slot in read}
        self.makers.append(lambda: Whole(entry, before))

    def _flush(self) -> None:
        """The calls noted so far become a part."""
        noted, entries = self.recorder, self.waiting
        lines, one_thread = noted.lines, noted.one_thread
        if lines or entries:
            self.makers.append(lambda: Straight(lines, entries, one_thread))
            noted.lines, noted.one_thread, self.waiting = [], False, []

    # -- backward --------------------------------------------------------------------------

    def _backward(self, entry: Call) -> None:
        args, kwargs = entry.arguments(self.traced)
        given = inspect.signature(_BACKWARD).bind(*args, **kwargs).arguments
        tensor = given.pop("tensors")
        if not isinstance(tensor, Tensor) or tensor.node is None or any(given.values()):
            raise NotStraightError
        nodes = _graph(tensor.node)
        if any(node._hooks or node._retained is not None for node in nodes):
            raise NotStraightError
        ((_, ones),) = with_cotangents("backward", [tensor], None, False)
        gy = Traced(ones, Root(ones), self.recorder)
        ops = [(node, node.op) for node in nodes if node not in self.nodes and node.op is not Pick]
        try:
            for node, op in ops:
                node.op = _Opaque(self, op)
            with set_grad_enabled(False):
                found = engine._run([(tensor, gy)], retain_graph=True, create_graph=False)
        except Exception as error:  # an error of an op itself comes again
            raise NotStraightError from error
        finally:
            for node, op in ops:
                node.op = op
        gradients = []
        for leaf, gradient in found.of.items():
            if not isinstance(leaf, Tensor) or not isinstance(gradient, Traced):
                raise NotStraightError
            owned = leaf in found.owned and self._renewed(gradient)
            gradients.append((leaf, gradient, owned))
        self._flush()
        for leaf, gradient, owned in gradients:
            engine._store(leaf, gradient.raw, owned=owned)
        for node in nodes:
            if node.op is not Pick:  # which keeps its place, as in any backward
                node.release()
        whole = [node for node, _ in ops]
        self.makers.append(lambda: Store(entry, gradients, whole))

    def step(self, node: Node, op: Any, gy: Any) -> tuple[Any, ...]:
        """The backward of an op that stays as it is; gy and the results are traced."""
        self._flush()
        raw = raw_of(gy)
        with self.recorder.paused():
            gxs = op.backward(node, raw)
        gxs = gxs if gxs.__class__ is tuple else (gxs,)
        known = {id(raw): gy}  # arrays that are one stay one
        slots: list[int | None] = []
        for gx in gxs:
            if gx is None or id(gx) in known:
                slots.append(None)
                continue
            slots.append(self._new_slot())
            self._moving(np.asarray(gx), self.count - 1, writable=True)
            known[id(gx)] = self.traced[-1]
        self.makers.append(lambda: Step(node, gy, slots))
        return tuple([None if gx is None else known[id(gx)] for gx in gxs])

    def _new_slot(self) -> int:
        self.raw.append(None)
        self.traced.append(None)
        self.count += 1
        return self.count - 1

    def _give_up(self) -> None:
        """Leave the graph as the tape's own entries would have."""
        for node in self.nodes:
            if node.saved:
                node.saved = {key: (raw_of(x), *rest) for key, (x, *rest) in node.saved.items()}
            node.__dict__.update(raw_of(node.__dict__))

    # -- what leaves the step ----------------------------------------------------------------

    def _renewed(self, x: Traced) -> bool:
        """Have x lie in new memory in each replay; False where that cannot be."""
        root = x.root
        if root.slot is not None:
            return x.raw is root.raw
        mine = all(raw is not root.raw for _, raw in self.outside.values())
        if not (mine and x.raw is root.raw and x.raw.base is None and x.flags.c_contiguous):
            return False
        root.slot = self._new_slot()
        self.fresh.append((root.slot, x.shape, x.dtype))
        return True

    def _results(self) -> dict[int, tuple[Traced, bool]]:
        """What the step returns of what was computed, and whether it has to be copied."""
        found = {}
        ours = {id(self.traced[slot].raw) for slot in self.lowered}
        for slot in set(slots_in(self.tape.result_key)) - set(self.tape.slots):
            x = self.traced[slot]
            if slot in self.lowered:
                copied = not self._renewed(x)
            else:  # an op that stays may return what it got
                copied = x.base is not None or id(x.raw) in ours
            found[slot] = x, copied
            if copied:
                self.raw[slot] = self.raw[slot].copy()
        return found


class _Opaque:
    """Stands for a node's op while backward is noted: the op runs, with arrays as it knows them."""

    double_backward = True

    def __init__(self, lowering: _Lowering, op: Any) -> None:
        self._lowering, self._op = lowering, op
        self.fresh, self.__name__ = op.fresh, op.__name__

    def backward(self, node: Node, gy: Any) -> tuple[Any, ...]:
        """As the op's."""
        return self._lowering.step(node, self._op, gy)


def _is_open(x: Any, but: set[str] | frozenset[str] = frozenset()) -> bool:
    """Whether x is made of what raw_of looks into: in a closure, traced arrays would stay."""
    if isinstance(x, dict):
        return all(_is_open(y) for name, y in x.items() if name not in but and name != "_picks")
    if isinstance(x, (tuple, list)):
        return all(map(_is_open, x))
    known = (Traced, Tensor, np.ndarray, np.generic, np.dtype, type, int, float, str, type(None))
    return isinstance(x, known) and not (isinstance(x, Tensor) and isinstance(x.array, Traced))


def _graph(node: Node) -> list[Node]:
    """The node and all below it."""
    found, stack = {node: None}, [node]
    while stack:
        for parent in stack.pop().parents:
            if isinstance(parent, Node) and parent not in found:
                found[parent] = None
                stack.append(parent)
    return list(found)
