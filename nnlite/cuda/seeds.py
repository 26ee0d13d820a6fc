"""Seeds of what is drawn on devices, as PyTorch names them. They work without a device."""

from __future__ import annotations

from typing import Any

from nnlite.backend import default_generator


def manual_seed(seed: int) -> None:
    """Seed what kernels draw on a device (dropout) in this context.

    ``nnlite.manual_seed`` does this too, and seeds what is drawn on the host besides: new tensors
    and weights of every device, and the order of a DataLoader.

    Raises:
        ArgumentError: seed is no whole number from -2^63 to 2^64 - 1.
    """
    default_generator().seed_counter(seed)


def manual_seed_all(seed: int) -> None:
    """``manual_seed``: all devices draw from one counter."""
    manual_seed(seed)


def get_rng_state() -> dict[str, Any]:
    """Where this context's default generator stands, for ``set_rng_state``."""
    return default_generator().get_state()


def set_rng_state(new_state: dict[str, Any]) -> None:
    """Go on from where ``get_rng_state`` was called.

    Raises:
        ArgumentError: new_state is no such state.
    """
    default_generator().set_state(new_state)
