"""nnlite.cuda.capture: a whole training step as one CUDA graph.

The tape of nnlite.capture gives the step without its Python; here the device repeats what the
tape's kernels did, without the host at all. A graph holds the numbers and addresses that it was
recorded with. What has to change from step to step therefore lies in device memory: the inputs are
copied into fixed places, and the learning rate, the number of steps done and the place in the
stream of random numbers are read and advanced by kernels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nnlite.autograd.capture import Captured, detached, mapped, signature
from nnlite.autograd.recording import Tape
from nnlite.autograd.tensor import Tensor
from nnlite.backend import Backend, backend_of, default_generator
from nnlite.backend.cuda_follow import following
from nnlite.backend.cuda_graph import Graph
from nnlite.errors import CaptureError, DtypeError
from nnlite.ops.kernels.cuda.dropout import Counter, counting
from nnlite.optim import fused

if TYPE_CHECKING:
    from nnlite.autograd.lowering import Replayer

__all__ = ["capture"]

RESERVED = 2**50
"""Random numbers set aside for a captured step: a million steps of a thousand million."""


def capture(step: Callable[..., Any], example_inputs: Sequence[Any]) -> Captured:
    """A step that is repeated by the device as one CUDA graph.

    The first two calls run as usual and are recorded (see ``nnlite.capture``, whose limits hold
    here, too), the third runs in the memory that the graph will use, the fourth is recorded as
    a graph; from then on a call copies its inputs, starts the graph and copies the results out.
    Each call is one step, from the first on.

    Further limits: the optimizer is SGD, Adam, AdamW or RMSprop, whose learning rate may change
    between calls (after a change of another option the step is recorded anew). Dropout draws from
    numbers of its own, seeded once by the default generator. Labels are checked by ``synchronize``
    alone. What the step leaves in ``.grad`` is overwritten by the next call. The memory of a graph
    is kept as long as the captured step.

    Args:
        step: as for ``nnlite.capture``.
        example_inputs: Tensors of the shapes and dtypes to be captured, on the device; they are
            not computed with. Inputs of other shapes, such as an epoch's last batch, run step as
            it is.

    Returns:
        The captured step, to be called like step.

    Raises:
        CaptureError: no example input is on a device, or the device has no graphs; when called:
            what ``nnlite.capture`` refuses, another optimizer, copies to or from the host.
        DtypeError: step is no function.
    """
    if not callable(step):
        raise DtypeError(
            "capture", "step", expected="a function", got=type(step).__name__, hint="def step(x, y)"
        )
    tensors = [x for x in example_inputs if isinstance(x, Tensor)]
    backend = backend_of(tensors[0].array) if tensors else None
    if backend is None or backend.graph() is None:
        raise CaptureError(
            "capture",
            "example_inputs",
            expected="tensors on a CUDA device",
            got=f"tensors on {tensors[0].device}" if tensors else "no tensor",
            hint="nnlite.capture is for the CPU; move the inputs with .to('cuda')",
        )
    return _OnDevice(step, backend, signature(tuple(example_inputs)))


class _OnDevice(Captured):
    """A step whose replays are launches of a graph."""

    def __init__(self, step: Callable[..., Any], backend: Backend, wanted: Any) -> None:
        super().__init__(step)
        self._backend = backend
        self._wanted = wanted
        self._recorded: _Recorded | None = None

    def __call__(self, *inputs: Any) -> Any:
        """One step."""
        if signature(inputs) != self._wanted:
            return detached(self._step(*inputs))
        if self._recorded is not None and not self._recorded.follow():
            self._forget(self._wanted)
        return super().__call__(*inputs)

    def _forget(self, key: Any) -> None:
        super()._forget(key)
        self._recorded = None  # it belongs to the tape

    def _replay(self, ready: Replayer, arrays: list[Any]) -> Any:
        with following(*arrays):
            if self._recorded is None:
                self._recorded = _Recorded(self._backend, ready.tape, arrays)
            return self._recorded.run(arrays)


class _Recorded:
    """The graph of a tape, and what it reads.

    Args:
        backend: of the device.
        tape: what is repeated.
        arrays: the inputs, as an example.
    """

    def __init__(self, backend: Backend, tape: Tape, arrays: list[Any]) -> None:
        graph = backend.graph()
        assert graph is not None, "checked by capture"
        self._graph: Graph = graph
        self._tape = tape
        self._inputs = [x.copy() for x in arrays]
        seed, offset = default_generator().next_offset(RESERVED)
        start = np.array([seed, offset], dtype="uint64").astype("int64")
        self._counter = Counter(backend.asarray(start))
        self._optimizers: dict[fused.Fused, fused.Captured] = {}
        self._calls = 0
        self._result: Any = None
        tensors = {**tape.outside, **tape.leaves}
        self._fixed = [(x, x.array) for x in tensors.values()]
        self._leaves = [x for x in tensors.values() if x._requires_grad]
        self._before: list[Tensor | None] = []
        self._after: list[Tensor | None] = []

    def run(self, arrays: list[Any]) -> Any:
        """One step: done for real, then recorded, then repeated."""
        for place, x in zip(self._inputs, arrays, strict=True):
            place[...] = x
        if self._calls == 0:
            self._result = self._graph.warm(self._work)
        else:
            if self._calls == 1:
                self._before = [x._grad for x in self._leaves]
                self._result = self._graph.record(self._work)
                self._after = [x._grad for x in self._leaves]
            self._graph.launch()
            for leaf, gradient in zip(self._leaves, self._after, strict=True):
                leaf._grad = gradient  # where the graph writes
        self._calls += 1
        for optimizer in self._optimizers.values():
            optimizer.count()
        # in memory that the next launch leaves alone
        return mapped(self._result, lambda x: x.detach().clone())

    def follow(self) -> bool:
        """Take over new learning rates; False if the graph no longer does what step would."""
        if any(x.array is not array for x, array in self._fixed):
            return False  # moved, or replaced through .data
        if self._after and not all(
            # a step that makes new gradients does not look at the old ones
            now is before or (before is not None and after is not before)
            for now, before, after in zip(
                [x._grad for x in self._leaves], self._before, self._after, strict=True
            )
        ):
            return False
        return all(tuple(optimizer.follow() for optimizer in self._optimizers.values()))

    def _work(self) -> Any:
        with fused.recording(self._optimizers), counting(self._counter):
            result = self._tape.replay(self._inputs)
            self._counter.advance()
        return result
