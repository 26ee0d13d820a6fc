"""CUDA graphs by CuPy: work that the device repeats by itself.

A graph repeats kernels with the very addresses that they were recorded with. So all memory that
the work takes comes from a pool of its own, which lives as long as the graph: the work is first
done once for real, which fills the pool and compiles what is missing, since neither is allowed
while recording.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, Protocol

from nnlite.backend.cuda_errors import explain
from nnlite.backend.cuda_memory import explaining
from nnlite.errors import CaptureError

__all__ = ["CudaGraph", "Graph", "refuse_uploads"]

Work = Callable[[], Any]

_recording: ContextVar[bool] = ContextVar("nnlite_graph_recording", default=False)


def refuse_uploads() -> None:
    """Refuse a copy from the host while a graph is recorded.

    CUDA itself would record it, and copy at each launch what then lies there, long after the host's
    memory was given to somebody else.

    Raises:
        CaptureError: a graph is being recorded in this context.
    """
    if _recording.get():
        raise _refused("a copy from the host inside it")


class Graph(Protocol):
    """Work of a device, recorded to be repeated."""

    def warm(self, work: Work) -> Any:
        """Do the work once, in the memory that the graph will use; returns what it returns."""
        ...

    def record(self, work: Work) -> Any:
        """Record the work without doing it; returns what it returns, not yet computed."""
        ...

    def launch(self) -> None:
        """Do what was recorded, after all work that was given to the device before."""
        ...


class CudaGraph:
    """A Graph of a CUDA device.

    Args:
        cupy: the module.
        here: makes the device current.
    """

    def __init__(self, cupy: Any, here: Callable[[], Any]) -> None:
        self._cupy = cupy
        self._here = here
        with here():
            self._stream = cupy.cuda.Stream(non_blocking=True)
        # the graph's own, which lives as long as it does
        self._malloc = explaining(cupy, cupy.cuda.MemoryPool().malloc)
        self._graph: Any = None

    def warm(self, work: Work) -> Any:
        """See Graph."""
        cupy = self._cupy
        with self._here():
            cupy.cuda.runtime.deviceSynchronize()  # the stream waits for nobody by itself
            with cupy.cuda.using_allocator(self._malloc), self._stream:
                result = work()
            self._stream.synchronize()
        return result

    def record(self, work: Work) -> Any:
        """See Graph.

        Raises:
            CaptureError: the work does what CUDA cannot record: a copy to the host, a copy from
                memory of the host that is not page-locked, a library's call that refuses.
        """
        cupy = self._cupy
        with self._here():
            cupy.cuda.runtime.deviceSynchronize()
            with cupy.cuda.using_allocator(self._malloc), self._stream:
                self._stream.begin_capture()
                token = _recording.set(True)
                try:
                    result = work()
                except RuntimeError as error:
                    self._give_up()
                    found = explain("capture", error)
                    raise _refused(str(found or error)) from error
                except BaseException:
                    self._give_up()
                    raise
                finally:
                    _recording.reset(token)
                self._graph = self._stream.end_capture()
        return result

    def launch(self) -> None:
        """See Graph."""
        with self._here():
            self._graph.launch(self._cupy.cuda.get_current_stream())

    def _give_up(self) -> None:
        """Take the stream out of recording, whatever state the error left it in."""
        try:
            self._stream.end_capture()
        except RuntimeError:
            self._stream = self._cupy.cuda.Stream(non_blocking=True)


def _refused(what: str) -> CaptureError:
    return CaptureError(
        "capture",
        expected="a step that a CUDA graph can hold",
        got=what,
        hint="no copies to or from the host inside: make tensors before the step, or give them as "
        "inputs; nnlite.capture replays without a graph",
    )
