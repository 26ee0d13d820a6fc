"""Two processes that take turns, so that both sides meet the same moments of a shared machine."""

from __future__ import annotations

import gc
import multiprocessing as mp
import statistics
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any

from benchmarks import works


@dataclass
class Side:
    """One library's process and what it measured.

    Attributes:
        seconds: per call, one figure for each round.
    """

    library: str
    variant: str
    process: Any
    pipe: Connection
    seconds: list[float] = field(default_factory=list)
    error: str = ""

    @property
    def name(self) -> str:
        """How it stands in the tables."""
        return self.library if self.variant == "eager" else f"{self.library} {self.variant}"

    @property
    def best(self) -> float:
        """The fastest round, in seconds per call."""
        return min(self.seconds)

    @property
    def median(self) -> float:
        """The median round, in seconds per call."""
        return statistics.median(self.seconds)

    def ask(self, request: Any) -> Any:
        """Send a request, wait for its answer; a failure is kept in error."""
        if self.error:
            return None
        self.pipe.send(request)
        kind, answer = self.pipe.recv()
        if kind == "error":
            self.error = answer
            return None
        return answer


def _serve(pipe: Connection, library: str, variant: str, threads: int) -> None:
    """The other end: build works and time them, one request after the other."""
    run: Callable[[], Any] | None = None
    L: Any = None
    while True:
        request = pipe.recv()
        if request is None:
            return
        try:
            match request:
                case ("build", builder, args):
                    if L is None:
                        L = works.Library(library, variant)
                        getattr(L.lib, "set_num_threads", lambda n: None)(threads)
                    L.lib.manual_seed(0)
                    run = getattr(works, builder)(L, *args)
                    run()  # the first calls allocate, and compile
                    run()
                    gc.collect()
                    start = time.perf_counter()
                    run()
                    pipe.send(("done", time.perf_counter() - start))
                case ("time", calls):
                    assert run is not None
                    start = time.perf_counter()
                    for _ in range(calls):
                        run()
                    pipe.send(("done", (time.perf_counter() - start) / calls))
        except Exception:
            pipe.send(("error", traceback.format_exc()))


def start(library: str, variant: str = "eager", threads: int = 2) -> Side:
    """A fresh process with one library in it."""
    context = mp.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, library, variant, threads), daemon=True)
    process.start()
    return Side(library, variant, process, ours)


def stop(sides: list[Side]) -> None:
    """End the processes."""
    for side in sides:
        side.pipe.send(None)
        side.process.join(10)


def measure(
    sides: list[Side], builder: str, args: tuple[Any, ...], rounds: int, seconds: float = 0.3
) -> None:
    """Time one work on each side, in turn, round after round; fills side.seconds.

    Args:
        sides: the processes.
        builder, args: the work, a function of works.py and its arguments after the library.
        rounds: how often each side has its turn.
        seconds: about how long a turn lasts; at least one call.
    """
    calls = {}
    for side in sides:
        side.seconds, side.error = [], ""
        once = side.ask(("build", builder, args))
        calls[id(side)] = max(1, round(seconds / once)) if once else 1
    for _ in range(rounds):
        for side in sides:
            # a library's idle threads may spin for a while, at the expense of the next one
            time.sleep(0.02)
            taken = side.ask(("time", calls[id(side)]))
            if taken is not None:
                side.seconds.append(taken)
