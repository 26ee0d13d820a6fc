"""Random numbers from explicit generators; NumPy's global state is never touched."""

from __future__ import annotations

import os
from contextvars import ContextVar
from typing import Any

import numpy as np

from nnlite.backend.device import Device, device
from nnlite.backend.registry import Array, backend_for
from nnlite.errors import ArgumentError


def _entropy() -> int:
    """63 bits from the operating system."""
    return int.from_bytes(os.urandom(8), "little") >> 1


def _device_there(name: str | Device) -> Device:
    """A device by its name, refused where it is not there."""
    found = device(name)
    backend_for(found)
    return found


class Generator:
    """A stream of random numbers, as ``torch.Generator``; here NumPy's SFC64.

    The same seed gives the same numbers on every machine. The numbers differ from PyTorch's.

    Beside it runs a second stream, for kernels that draw on a device (dropout): a seed and a
    counter, from which counter-based generators (Philox) make their numbers without a state. New
    tensors are drawn by the host for every device, so that a network starts alike on all.

    Args:
        device: what it is made for, as PyTorch has it; any device's ops take it.

    Raises:
        DeviceError: that device is not there.
    """

    def __init__(self, device: str | Device = "cpu") -> None:
        self.device = _device_there(device)
        self._seed = 0
        self._key = 0
        self._offset = 0
        self.numpy: np.random.Generator
        self.manual_seed(_entropy())

    def manual_seed(self, seed: int) -> Generator:
        """Start both streams anew from a whole number; returns self.

        Raises:
            ArgumentError: seed is no whole number from -2^63 to 2^64 - 1.
        """
        self.seed_counter(seed)
        self._seed = int(seed)
        self.numpy = np.random.Generator(np.random.SFC64(self._seed % 2**64))
        return self

    def seed_counter(self, seed: int) -> Generator:
        """Start only what is drawn on a device anew; returns self. Raises as ``manual_seed``."""
        if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)):
            raise ArgumentError(
                "manual_seed", "seed", expected="a whole number", got=repr(seed), hint="try 0"
            )
        if not -(2**63) <= seed < 2**64:
            raise ArgumentError(
                "manual_seed",
                "seed",
                expected="a number from -2^63 to 2^64 - 1",
                got=str(seed),
                hint="any small number will do",
            )
        self._key, self._offset = int(seed) % 2**64, 0
        return self

    def next_offset(self, n: int) -> tuple[int, int]:
        """Reserve n random numbers of 32 bits for a kernel: (seed, offset).

        Seed is the 64-bit key of Philox4x32, offset the first of the ceil(n / 4) values of its
        counter that are the caller's alone: each value gives four numbers. The same calls after
        the same ``manual_seed`` return the same pairs.

        Source: J. K. Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
        """
        offset = self._offset
        self._offset = (offset + -(-n // 4)) % 2**64
        return self._key, offset

    def seed(self) -> int:
        """Start the stream anew from the system's entropy; returns the seed taken."""
        self.manual_seed(_entropy())
        return self._seed

    def initial_seed(self) -> int:
        """The seed that the stream was last started from."""
        return self._seed

    def get_state(self) -> dict[str, Any]:
        """Where the streams stand: a plain dict (NumPy's ``bit_generator.state``)."""
        state = self.numpy.bit_generator.state
        return {"seed": self._seed, "state": state, "counter": [self._key, self._offset]}

    def set_state(self, state: dict[str, Any]) -> Generator:
        """Go on from where ``get_state`` was called; returns self."""
        if not isinstance(state, dict) or set(state) - {"counter"} != {"seed", "state"}:
            raise ArgumentError(
                "Generator.set_state",
                "state",
                expected="what get_state() returned",
                got=type(state).__name__,
                hint="states of other libraries' generators do not fit",
            )
        self._seed = int(state["seed"])
        self.numpy.bit_generator.state = state["state"]
        # states saved before there was a counter have none
        self._key, self._offset = map(int, state.get("counter", (self._seed % 2**64, 0)))
        return self

    def uniform(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        """Numbers from [0, 1) of dtype float32 or float64."""
        return self.numpy.random(shape, dtype=dtype.type)

    def normal(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        """Standard normal numbers of dtype float32 or float64."""
        return self.numpy.standard_normal(shape, dtype=dtype.type)

    def integers(self, low: int, high: int, shape: tuple[int, ...]) -> Array:
        """int64 numbers from [low, high)."""
        return self.numpy.integers(low, high, shape)

    def chances(self, p: float, n: int) -> Array:
        """n booleans, each True with probability p, exact to 2^-32.

        Compared as whole numbers of as few random bits as p needs: 8 for a multiple of 1/256.
        """
        bits = 8 if (256 * p).is_integer() else 32
        drawn = self.numpy.integers(0, 2**64, -(-n * bits // 64), dtype=np.uint64)
        return drawn.view(f"u{bits // 8}")[:n] < round(p * 2**bits)

    def permutation(self, n: int) -> Array:
        """The numbers 0 to n - 1 in random order, int64."""
        return self.numpy.permutation(n)


_default: ContextVar[Generator | None] = ContextVar("nnlite_default_generator", default=None)


def default_generator() -> Generator:
    """This context's generator, made from the system's entropy on first use.

    Each thread and each asyncio task that is not seeded has a stream of its own.
    """
    generator = _default.get()
    if generator is None:
        generator = Generator()
        _default.set(generator)
    return generator


def manual_seed(seed: int) -> Generator:
    """Seed this context's default generator; returns it."""
    return default_generator().manual_seed(seed)
