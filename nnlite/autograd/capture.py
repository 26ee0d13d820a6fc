"""capture: a training step without its Python.

The first calls of a captured step run as usual, while a tape notes every Op and every call that
came through ``traced`` (backward, an optimizer's step), with the arrays that each took and gave.
Once two calls did the same, later ones go down the list: the forwards fill the nodes of one graph,
which is kept, with new values, and the engine walks it as always. The same functions compute the
same bits; what is left out is all around them, from modules and checks to the making of Tensors.
See tape.py (what takes part), recording.py (the tape) and replay.py (its entries).

Small ops are Python for the most part. Of these only the NumPy calls are kept, forward and
backward: see lowering.py (how), tracing.py (which) and program.py (what is then done).
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from nnlite.autograd.modes import _state, is_grad_enabled
from nnlite.autograd.recording import Recording, Tape
from nnlite.autograd.replay import rebuilt
from nnlite.autograd.tensor import Tensor, wrap
from nnlite.backend import is_plain
from nnlite.errors import CaptureError, DtypeError

if TYPE_CHECKING:
    from nnlite.autograd.lowering import Replayer

RECORDINGS = 3
"""So many calls may differ from the one before: the first may make what later ones find."""

SIGNATURES = 16
"""So many combinations of shapes are captured; others run as usual."""


class Captured:
    """A step that is replayed. Made by ``capture``."""

    def __init__(self, step: Callable[..., Any]) -> None:
        self._step = step
        self._tapes: dict[Any, Tape] = {}
        self._ready: dict[Any, Replayer] = {}
        self._tries: dict[Any, int] = {}
        self._lock = threading.RLock()  # a replay writes to the one graph
        self._busy = False

    def __call__(self, *inputs: Any) -> Any:
        """One step."""
        if _state.get()[2] is not None:  # part of a larger step that is being captured
            return self._step(*inputs)
        key = signature(inputs)
        with self._lock:
            if self._busy:
                raise CaptureError(
                    "capture",
                    expected="a step that does not call itself",
                    got="a call from inside",
                    hint="capture the whole of it",
                )
            ready = self._ready.get(key)
            if ready is not None and not ready.tape.is_current():
                self._forget(key)
                ready = None
            self._busy = True
            try:
                if ready is not None:
                    arrays = [x.array for x in inputs if isinstance(x, Tensor)]
                    return self._replay(ready, arrays)
                if key not in self._tapes and len(self._tapes) == SIGNATURES:
                    return detached(self._step(*inputs))
                return self._record(key, inputs)
            finally:
                self._busy = False

    def _replay(self, ready: Replayer, arrays: list[Any]) -> Any:
        return detached(ready.replay(arrays))

    def _forget(self, key: Any) -> None:
        """Record anew at the next calls."""
        self._ready.pop(key, None)
        self._tapes.pop(key, None)
        self._tries.pop(key, None)

    def is_captured(self, *inputs: Any) -> bool:
        """Whether a call with inputs of these shapes and dtypes would be a replay."""
        return signature(inputs) in self._ready

    def _record(self, key: Any, inputs: tuple[Any, ...]) -> Any:
        # views, so that two inputs which are one array, or one that step also finds by itself,
        # are told apart
        inputs = tuple([wrap(x.array[...]) if isinstance(x, Tensor) else x for x in inputs])
        tape = Tape(inputs)
        with Recording(tape):
            result = self._step(*inputs)
            tape.finish(result)
        before = self._tapes.get(key)
        self._tapes[key] = tape
        if before is not None:
            difference = tape.difference(before)
            if not difference:
                tape.close()
                from nnlite.autograd.lowering import Replayer  # many programs capture nothing

                self._ready[key] = Replayer(tape)
            else:
                self._tries[key] = self._tries.get(key, 1) + 1
                if self._tries[key] == RECORDINGS:
                    raise _unlike(difference)
        return detached(result)


def capture(step: Callable[..., Any]) -> Captured:
    """A step that does the same as ``step``, faster: without the Python around its operations.

    The first two calls with inputs of certain shapes and dtypes run as usual and are recorded;
    from the third on the recording is replayed. Each call is one step, and computes the same bits
    as ``step`` would (the sign of a NaN aside). Inputs of other shapes, such as the last batch of
    an epoch, are recorded for themselves. ::

        def step(x, y):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            return loss

        step = nnlite.capture(step)
        for x, y in loader:
            loss = step(x, y)

    What is repeated: tensor operations, backward, what optimizers and schedulers do, random
    numbers, ``.grad = ...``, clipping of gradients. What is not: all other Python. ``print``,
    counters, ``if n % 4 == 0``, attributes and seeds that are set, ``p.array -= ...`` happen in the
    two recordings only. A number that the step looks up (``beta``, ``dropout.p``) stays what it
    was: pass it as an argument, or as a 0-d tensor that is changed in place. ``model.eval()``,
    hooks added, parameters and buffers that become other objects change nothing in a step that
    is captured already: capture it again. The learning rate and all else that an optimizer looks up
    may change, and parameters may be frozen, loaded and cast between calls.

    Args:
        step: a function of Tensors (and of other values, whose every combination counts as another
            shape) that returns Tensors in tuples, lists or dicts, or None. backward has to
            be called inside, if at all: the tensors that a call returns are cut off the graph.

    Returns:
        The captured step, to be called like step. Safe to call from several threads: they wait
        for each other.

    Raises (when called):
        CaptureError: the step reads values (``loss.item()``: return the loss and read it outside),
            does other things in the second call than in the first, computes with arrays that it
            made outside of tensor operations, or does what no replay could do again, such as
            registering a hook; in a replay: a result's size depends on values.
        DtypeError: an input that is neither a Tensor nor hashable.
    """
    if not callable(step):
        raise DtypeError(
            "capture",
            "step",
            expected="a function",
            got=type(step).__name__,
            hint="capture(step), not capture(step(x, y))",
        )
    return Captured(step)


def signature(inputs: tuple[Any, ...]) -> Any:
    """What calls have in common that one recording serves; see ``capture`` for what it raises."""
    key: list[Any] = [is_grad_enabled(), is_plain()]
    for i, x in enumerate(inputs):
        if isinstance(x, Tensor):
            if x._requires_grad:
                raise CaptureError(
                    "capture",
                    f"input {i}",
                    expected="a tensor that requires no gradient",
                    got="one that does",
                    hint="call requires_grad_() on a leaf that the step finds by itself, or do "
                    "not capture the step",
                )
            a = x.array
            key.append((type(a), a.shape, a.dtype, bool(a.flags.c_contiguous)))
        else:
            key.append(_exactly(x))
    found = tuple(key)
    try:
        hash(found)
    except TypeError:
        raise DtypeError(
            "capture",
            "inputs",
            expected="Tensors, and numbers, strings and the like",
            got=", ".join(type(x).__name__ for x in inputs),
            hint="pass each tensor as an argument of its own",
        ) from None
    return found


def _exactly(x: Any) -> Any:
    """x with its type: 2 and 2.0 are equal, and yet make another step, as do 0.0 and -0.0."""
    if isinstance(x, tuple):
        return tuple([_exactly(item) for item in x])
    return type(x), x, repr(x) if isinstance(x, float) else ""


def detached(result: Any) -> Any:
    """What step returned, without its graph, as replays return it."""
    return mapped(result, lambda x: wrap(x.array))


def mapped(result: Any, function: Callable[[Tensor], Tensor]) -> Any:
    """What step returned, with each Tensor in it replaced by what function makes of it."""
    if isinstance(result, Tensor):
        return function(result)
    if isinstance(result, (tuple, list)):
        return rebuilt(result, [mapped(x, function) for x in result])
    if isinstance(result, dict):
        return {name: mapped(x, function) for name, x in result.items()}
    return result


def _unlike(difference: str) -> CaptureError:
    return CaptureError(
        "capture",
        expected="a step that does the same with the same tensors in each call",
        got=difference,
        hint="tensors made inside the step by other means than tensor operations, and numbers that "
        "change, become inputs of the step",
    )
