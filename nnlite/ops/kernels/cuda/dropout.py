"""Starts the kernels of dropout.cu: which random numbers, and where they are kept."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple

import numpy as np

from nnlite.backend import Array, Generator, backend_of
from nnlite.backend.cuda_source import source
from nnlite.backend.kernels import Kernels
from nnlite.ops.kernels.cuda.launching import THREADS, empty, gapless, kernels
from nnlite.ops.kernels.philox import threshold


class Draw(NamedTuple):
    """Random numbers that were reserved, and can be computed at any time.

    Attributes:
        seed: Philox's key.
        offset: the first value of its counter; with a state, what is added to the state's.
        state: {seed, offset} in device memory, int64 (2,), in a captured step; else None.
    """

    seed: int
    offset: int
    state: Array | None = None


class Counter:
    """The numbers of a captured step: how many it has drawn, counted from the state's offset.

    Args:
        state: {seed, offset} in device memory, int64 (2,), as ``Generator.next_offset`` gives them.
    """

    def __init__(self, state: Array) -> None:
        self.state = state
        self.count = 0

    def reserve(self, n: int) -> Draw:
        """n numbers of 32 bits."""
        first = self.count
        self.count += -(-n // 4)
        return Draw(0, first, self.state)

    def advance(self) -> None:
        """What ends the captured step: the next run draws other numbers."""
        k = backend_of(self.state).kernels("dropout.cu, float32", source("dropout", "float32"))
        if self.count and k is not None:
            k.launch("advance", (1,), (1,), (self.state, np.int64(self.count)))
        self.count = 0


_counter: ContextVar[Counter | None] = ContextVar("nnlite_dropout_counter", default=None)


@contextmanager
def counting(counter: Counter) -> Iterator[None]:
    """Inside, dropout draws by a counter in device memory, whatever its generator."""
    token = _counter.set(counter)
    try:
        yield
    finally:
        _counter.reset(token)


def reserve(generator: Generator, n: int) -> Draw:
    """n random numbers of 32 bits that nobody else gets."""
    counter = _counter.get()
    return Draw(*generator.next_offset(n)) if counter is None else counter.reserve(n)


def counter_of(draw: Draw) -> tuple[int, int]:
    """The seed and the counter's first value; those of a captured step are copied to the host."""
    if draw.state is None:
        return draw.seed, draw.offset
    seed, offset = backend_of(draw.state).to_numpy(draw.state).tolist()
    return seed, offset + draw.offset


def dropout(k: Kernels, x: Array, draw: Draw, run: int, kept: float, scale: float) -> Array:
    """x * scale with probability kept, else 0; one number for each run of neighbours."""
    y, n = empty(x), x.size
    if not n:
        return y
    where: tuple[Any, ...] = (
        (_signed(draw.seed), _signed(draw.offset))
        if draw.state is None
        else (draw.state, _signed(draw.offset))
    )
    args = (gapless(x), y, *where, np.int64(threshold(kept)), x.dtype.type(scale))
    name = "dropout" if run == 1 else "dropout_runs"
    if draw.state is not None:
        name += "_captured"
    sizes = (np.int32(n),) if run == 1 else (np.int32(run), np.int32(n))
    threads = -(-n // 4) if run == 1 else n
    k.launch(name, (-(-threads // THREADS),), (THREADS,), (*args, *sizes))
    return y


def applies(x: Array) -> Kernels | None:
    """The kernels for x's device and dtype, or None."""
    return kernels("dropout", x)


def _signed(n: int) -> np.int64:
    """The same 64 bits as a signed number, the type that kernels take."""
    return np.uint64(n % 2**64).astype(np.int64)
