"""Processes that take turns, so that all sides meet the same moments of a shared machine."""

from __future__ import annotations

import gc
import importlib
import multiprocessing as mp
import os
import signal
import statistics
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)
_MODULES = {"jax": "benchmarks.works_jax"}  # where a library's works stand, if not in works.py
LONG = 1.0  # seconds: a call of this length is not repeated to warm up


@dataclass
class Side:
    """One library's process and what it measured.

    Attributes:
        seconds: per call, one figure for each round.
        error: the traceback of what failed; empty if nothing did.
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

    @property
    def reason(self) -> str:
        """The error in one line: the last of the traceback that names one; empty if none."""
        lines = [line for line in self.error.splitlines() if line.strip()]
        named = [line for line in lines if not line.startswith(" ") and ": " in line]
        return (named or lines or [""])[-1]

    def ask(self, request: Any) -> Any:
        """Send a request, wait for its answer; a failure is kept in error, and answers None."""
        if self.error:
            return None
        try:
            self.pipe.send(request)
            kind, answer = self.pipe.recv()
        except (EOFError, OSError):  # killed, as for want of memory
            self.process.join(5)
            self.error = f"the process ended: exit status {self.process.exitcode}"
            return None
        if kind == "error":
            self.error = answer
            return None
        return answer


def _serve(pipe: Connection, library: str, variant: str, threads: int) -> None:
    """The other end: build works and time them, one request after the other."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that measures
    module = importlib.import_module(_MODULES.get(library, "benchmarks.works"))
    run: Callable[[], Any] | None = None
    L: Any = None
    while True:
        try:
            request = pipe.recv()
        except EOFError:  # the other process is gone
            return
        if request is None:
            return
        try:
            if L is None:
                L = module.Library(library, variant)
                L.set_num_threads(threads)
            match request:
                case ("build", builder, args):
                    run = None  # its memory is free before the next one takes some
                    L.manual_seed(0)
                    run = getattr(module, builder)(L, *args)
                    run()  # the first calls allocate, and compile
                    once = _clock(run, 1)
                    if once < LONG:
                        gc.collect()
                        once = _clock(run, 1)
                    pipe.send(("done", once))
                case ("time", calls):
                    pipe.send(("done", _clock(_built(run), calls)))
                case ("value",):
                    pipe.send(("done", _built(run)()))
                case ("threads",):
                    pipe.send(("done", L.get_num_threads()))
        except Exception:
            pipe.send(("error", traceback.format_exc()))


def _built(run: Callable[[], Any] | None) -> Callable[[], Any]:
    if run is None:
        raise RuntimeError("no work was built")
    return run


def _clock(run: Callable[[], Any], calls: int) -> float:
    """Seconds per call."""
    start = time.perf_counter()
    for _ in range(calls):
        run()
    return (time.perf_counter() - start) / calls


@contextmanager
def own_threads() -> Iterator[None]:
    """Processes started inside know nothing of this one's OMP_NUM_THREADS and its like.

    BLAS and PyTorch read them when they are imported; both sides are told --threads instead.
    """
    kept = {name: os.environ.pop(name) for name in THREAD_VARIABLES if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(kept)


def start(library: str, variant: str = "eager", threads: int = 2) -> Side:
    """A fresh process with one library in it, set to so many threads."""
    context = mp.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, library, variant, threads), daemon=True)
    with own_threads():
        process.start()
    theirs.close()  # so that a dead process ends our recv
    return Side(library, variant, process, ours)


def stop(sides: Iterable[Side]) -> None:
    """End the processes, also those in the middle of something."""
    sides = list(sides)
    for side in sides:
        with suppress(OSError):
            side.pipe.send(None)
    for side in sides:
        side.process.join(1)
        if side.process.is_alive():
            side.process.terminate()
            side.process.join(10)
        side.pipe.close()


class Team:
    """The processes of one command: each is started when first asked for, all end with the block.

    ::

        with Team(threads=2) as team:
            measure(team.sides(("nnlite", "eager"), ("torch", "fused")), ...)
    """

    def __init__(self, threads: int = 2) -> None:
        self.threads = threads
        self._sides: dict[tuple[str, str], Side] = {}

    def sides(self, *who: tuple[str, str]) -> list[Side]:
        """The processes of these pairs of library and variant."""
        for key in who:
            # one that was killed gets a successor for the next work
            if key in self._sides and not self._sides[key].process.is_alive():
                stop([self._sides.pop(key)])
            if key not in self._sides:
                self._sides[key] = start(*key, threads=self.threads)
        return [self._sides[key] for key in who]

    def __enter__(self) -> Team:
        return self

    def __exit__(self, *_: object) -> None:
        stop(self._sides.values())


def measure(
    sides: list[Side], builder: str, args: tuple[Any, ...], rounds: int, seconds: float = 0.3
) -> None:
    """Time one work on each side, in turn, round after round; fills side.seconds.

    A side that fails has its error, and the rounds it did; the others go on.

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
