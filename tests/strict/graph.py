"""A stand-in for CUDA graphs: the work is done again at each launch, into the same results."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nnlite.autograd import Tensor
from tests.strict.rules import forbid_transfers

Work = Callable[[], Any]


class StrictGraph:
    """As ``nnlite.backend.cuda_graph.CudaGraph``; copies to the host are refused inside."""

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
        self._work, self._result = work, self._run(work)
        self._done = True
        return self._result

    def launch(self) -> None:
        self.log.append("launch")
        assert self._work is not None, "launch before record"
        if self._done:
            self._done = False
            return
        for place, x in zip(_tensors(self._result), _tensors(self._run(self._work)), strict=True):
            place.array[...] = x.array

    def _run(self, work: Work) -> Any:
        with forbid_transfers():
            return work()


def _tensors(result: Any) -> list[Tensor]:
    if isinstance(result, Tensor):
        return [result]
    items = list(result.values()) if isinstance(result, dict) else result
    return [x for item in items for x in _tensors(item)] if isinstance(items, (tuple, list)) else []
