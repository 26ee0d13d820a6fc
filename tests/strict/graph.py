"""A stand-in for CUDA graphs: the work is done again at each launch, at the recorded addresses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nnlite.autograd import Tensor
from tests.strict.rules import bindings, forbid_transfers, uploads

Work = Callable[[], Any]

WATCHED: list[Tensor] = []
"""Tensors of a test. A graph knows their memory, not the objects: what the Python of the work does
to the objects is taken back, and what it would have written to the memory is written there."""


class StrictGraph:
    """As ``nnlite.backend.cuda_graph.CudaGraph``; what cannot be recorded is refused."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self._work: Work | None = None
        self._result: Any = None
        self._done = False

    def warm(self, work: Work) -> Any:
        self.log.append("warm")
        return self._run(work)

    def record(self, work: Work) -> Any:
        """Done at once, in place of the first launch."""
        self.log.append("record")
        self._arrays = [x.array for x in WATCHED]
        self._before = [x._grad for x in WATCHED]
        with uploads.forbid(), bindings.forbid():
            self._work, self._result = work, self._run(work)
        self._after = [x._grad for x in WATCHED]
        self._done = True
        return self._result

    def launch(self) -> None:
        self.log.append("launch")
        assert self._work is not None, "launch before record"
        if self._done:
            self._done = False
            return
        now = [(x.array, x._grad) for x in WATCHED]
        for x, array, gradient in zip(WATCHED, self._arrays, self._before, strict=True):
            x.array, x._grad = array, gradient
        result = self._run(self._work)
        for place, x in zip(_tensors(self._result), _tensors(result), strict=True):
            place.array[...] = x.array
        for x, after, (array, gradient) in zip(WATCHED, self._after, now, strict=True):
            if after is not None and x._grad is not None and x._grad is not after:
                after.array[...] = x._grad.array
            x.array, x._grad = array, gradient

    def _run(self, work: Work) -> Any:
        with forbid_transfers():
            return work()


def _tensors(result: Any) -> list[Tensor]:
    if isinstance(result, Tensor):
        return [result]
    items = list(result.values()) if isinstance(result, dict) else result
    return [x for item in items for x in _tensors(item)] if isinstance(items, (tuple, list)) else []
