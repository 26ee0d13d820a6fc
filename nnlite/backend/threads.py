"""Threads of our own: a few workers that share the pieces of one kernel's work with its caller.

NumPy's functions work on one core, but let go of Python's lock while they do. So a kernel cuts its
work into pieces and has ``run`` spread them over the cores. BLAS is held at one thread meanwhile:
its own threads would compete with ours for the same cores, and wait by spinning.

A process that forks may go on in the child, which makes workers of its own. As with any threaded
library, BLAS included, the fork must not happen while another thread is computing.

Results do not depend on which thread takes which piece: what several pieces add up is added in the
order of the pieces. How many pieces there are may depend on the number of threads.
"""

from __future__ import annotations

import itertools
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from contextvars import ContextVar
from pathlib import Path
from queue import SimpleQueue
from typing import Any, TypeAlias

from nnlite.backend.memory import hold_freed_memory
from nnlite.backend.quiet import hush
from nnlite.errors import ArgumentError, DtypeError

Piece: TypeAlias = Callable[[], object]

MOST = 256
"""More threads than this are taken for a mistake."""


# -- how many --------------------------------------------------------------------------------

_wanted: int | None = None  # None until asked for or set


def set_num_threads(n: int) -> None:
    """Set how many threads the CPU kernels of this process use, the caller's own included.

    Args:
        n: 1 to 256; 1 means no threads beside the caller's. BLAS runs with one thread in any case
            while a kernel of nnlite calls it, and as before otherwise.

    Raises:
        DtypeError: n is no whole number.
        ArgumentError: n is outside 1 ... 256.
    """
    global _wanted
    if isinstance(n, bool) or not hasattr(n, "__index__"):
        raise DtypeError(
            "set_num_threads", "n", expected="a whole number", got=repr(n), hint="try 2"
        )
    count = n.__index__()
    if not 1 <= count <= MOST:
        raise ArgumentError(
            "set_num_threads",
            "n",
            expected=f"1 to {MOST} threads",
            got=str(count),
            hint=f"this process may use {available_cores()} cores: more threads gain nothing",
        )
    _wanted = count


def get_num_threads() -> int:
    """How many threads the CPU kernels of this process use.

    Unless set, as many as the process may use cores, but no more than BLAS was set to, as by
    OMP_NUM_THREADS or OPENBLAS_NUM_THREADS.
    """
    global _wanted
    if _wanted is None:
        _wanted = max(1, min(available_cores(), _usual if _inside else _get(), MOST))
    return _wanted


def available_cores() -> int:
    """The cores that this process may use: what affinity and the control group's quota leave."""
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    quota = _quota(Path("/sys/fs/cgroup"))
    return cores if quota is None else max(1, min(cores, -int(-quota // 1)))


def _quota(cgroup: Path) -> float | None:
    """The cores' worth of time that the control group grants; None for no limit."""
    with suppress(OSError, ValueError):  # version 2: "max 100000" or "150000 100000"
        quota, period = (cgroup / "cpu.max").read_text().split()[:2]
        return None if quota == "max" else int(quota) / int(period)
    with suppress(OSError, ValueError, ZeroDivisionError):  # version 1: -1 for no limit
        limit = int((cgroup / "cpu/cpu.cfs_quota_us").read_text())
        return limit / int((cgroup / "cpu/cpu.cfs_period_us").read_text()) if limit > 0 else None
    return None


# -- BLAS ------------------------------------------------------------------------------------

_inside: list[int] = []  # for each call of run under way, the thread that called
_usual = 1  # BLAS's number of threads when _inside was empty last


def _find_blas() -> int:
    """Look up NumPy's BLAS, once, since it does not change; returns how many threads it has."""
    global _get, _set
    from threadpoolctl import ThreadpoolController

    hold_freed_memory()  # here, since it is done once, before the first heavy kernel
    found = ThreadpoolController().select(user_api="blas").lib_controllers
    # SciPy brings another one
    found.sort(key=lambda library: "numpy" not in library.filepath)
    _get, _set = _switches(found[0]) if found else ((lambda: MOST), (lambda n: None))
    return _get()


_get: Callable[[], int] = _find_blas
_set: Callable[[int], object] = lambda n: None  # noqa: E731  (set by _find_blas)


def _switches(library: Any) -> tuple[Callable[[], int], Callable[[int], object]]:
    """Functions of the library itself: unlike Python's, a signal cannot interrupt them."""
    names = {
        "openblas": ("openblas_get_num_threads", "openblas_set_num_threads"),
        "mkl": ("MKL_Get_Max_Threads", "MKL_Set_Num_Threads"),
        "blis": ("bli_thread_get_num_threads", "bli_thread_set_num_threads"),
    }
    getter, setter = names.get(library.internal_api, ("", ""))
    for prefix, suffix in itertools.product(("", "scipy_"), ("", "64_", "_64")):
        with suppress(AttributeError):
            get = getattr(library.dynlib, prefix + getter + suffix)
            return get, getattr(library.dynlib, prefix + setter + suffix)
    return (lambda: library.get_num_threads() or 1), library.set_num_threads


# -- the pool --------------------------------------------------------------------------------


class _Work:
    """The pieces of one call of run, and what became of them."""

    def __init__(self, pieces: deque[Piece]) -> None:
        self.pieces = pieces
        self.errors: list[BaseException] = []
        self._lock = threading.Lock()
        self._helping = 0
        self._closed = False
        self._left = threading.Lock()  # held until the last worker has left
        self._left.acquire()

    def take(self) -> None:
        """Do pieces until none is left."""
        while True:
            try:
                piece = self.pieces.popleft()
            except IndexError:
                return
            try:
                piece()
            except BaseException as error:
                self.errors.append(error)
                self.pieces.clear()

    def help(self) -> None:
        """A worker's part: take pieces, unless the caller has finished without it."""
        with self._lock:
            if self._closed:
                return
            self._helping += 1
        self.take()
        with self._lock:
            self._helping -= 1
            if self._closed and not self._helping:
                self._left.release()

    def close(self) -> None:
        """Let no further worker in, drop what nobody has begun, and wait for those inside."""
        self.pieces.clear()
        with self._lock:
            self._closed = True
            waiting = self._helping
        if waiting:
            with self._left:  # and open again: after an interruption this is called once more
                pass


class _Pool:
    """The workers: daemon threads, started when first needed, that wait without using a core."""

    def __init__(self) -> None:
        self._inbox: SimpleQueue[_Work] = SimpleQueue()
        self._workers = 0
        self._lock = threading.Lock()
        self._busy = threading.local()

    def run(self, pieces: deque[Piece], helpers: int) -> None:
        """All pieces, shared between the caller and so many workers."""
        if self._workers < helpers:
            self._hire(helpers)
        work = _Work(pieces)
        for _ in range(helpers):
            self._inbox.put(work)
        try:
            work.take()
            work.close()
        except BaseException:  # Ctrl-C: no worker may go on writing behind the caller's back
            work.close()
            raise
        if work.errors:
            raise work.errors[0]

    def is_worker(self) -> bool:
        """Whether the calling thread is one of the pool's: its pieces are not cut further."""
        return getattr(self._busy, "yes", False)

    def _hire(self, count: int) -> None:
        with self._lock:
            while self._workers < count:
                self._workers += 1
                threading.Thread(
                    target=self._serve, name=f"nnlite-{self._workers}", daemon=True
                ).start()

    def _serve(self) -> None:
        self._busy.yes = True
        hush()  # as ops do in the thread that calls them
        while True:
            self._inbox.get().help()


_pool: _Pool | None = None
_making = threading.Lock()


piece_recorder: ContextVar[Callable[[Iterable[Piece]], None] | None] = ContextVar(
    "piece_recorder", default=None
)
"""Takes the place of run while NumPy's calls are noted, to make them again later."""


def run(pieces: Iterable[Piece]) -> None:
    """Call all pieces, functions without argument, on as many threads as are set; BLAS at one.

    The pieces must not write to the same memory. They run in no particular order.

    Raises:
        what a piece raised, the first of several, with its own traceback; pieces not yet begun are
        then dropped, and those under way awaited.
    """
    global _usual
    if (recorder := piece_recorder.get()) is not None:
        recorder(pieces)
        return
    todo = deque(pieces)
    helpers = min(get_num_threads(), len(todo)) - 1
    if not _inside:
        _usual = _get()
    # Ctrl-C can strike between any two calls below, also in "finally". Everything that has to be
    # undone is one call of a C function inside its own "try", which cannot be left half done.
    try:
        _inside.append(threading.get_ident())
        if _usual != 1:
            _set(1)
        if helpers < 1 or (_pool is not None and _pool.is_worker()):
            for piece in todo:
                piece()
        else:
            (_pool or _make_pool()).run(todo, helpers)
    finally:
        try:
            if _usual != 1 and not _inside[1:]:
                _set(_usual)
        finally:
            _inside.pop()


def _make_pool() -> _Pool:
    global _pool
    with _making:
        if _pool is None:
            _pool = _Pool()
            _watch_forks()
        return _pool


_watching = False


def _watch_forks() -> None:
    global _watching
    if not _watching and hasattr(os, "register_at_fork"):
        _watching = True
        os.register_at_fork(after_in_child=_after_fork)


def _after_fork() -> None:
    """A fork copies the memory, not the workers: the child makes its own."""
    global _pool, _making
    _pool, _making = None, threading.Lock()
    # the child has only the thread that forked
    _inside[:] = [thread for thread in _inside if thread == threading.get_ident()]
    if not _inside:
        _set(_usual)
