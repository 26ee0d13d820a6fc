"""Batches in page-locked host memory, from which a copy to a GPU need not wait.

``x.to(device, non_blocking=True)`` returns at once from such memory; from any other the driver
copies twice and waits.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from nnlite.autograd.tensor import Tensor, wrap
from nnlite.backend import NUMPY, Array, backend_for, backend_of, device
from nnlite.errors import NnliteError

Pin: TypeAlias = Callable[[Array], Array]


def find_pin(device_name: str) -> Pin | None:
    """What copies a host array into memory that a device's driver has locked.

    Args:
        device_name: of DataLoader's pin_memory_device; "" for the GPU, if there is one.

    Returns:
        None where the device's library has no such memory; with PyTorch's warning, where no device
        was named and there is no GPU.

    Raises:
        DeviceError, MissingExtraError: the device that was named is not there.
    """
    try:
        backend = backend_for(device(device_name or "cuda"))
    except NnliteError:
        if device_name:
            raise
        warnings.warn(
            "DataLoader: pin_memory=True, but there is no GPU: memory is not pinned",
            UserWarning,
            stacklevel=3,
        )
        return None
    return backend.pin


def pinned(batch: Any, pin: Pin) -> Any:
    """A batch with its Tensors in pinned memory, at any depth; those on a device stay as they are.

    Mappings, named tuples, tuples and lists are taken apart; an object of another kind with a
    method ``pin_memory`` does it itself, as in PyTorch.
    """
    if isinstance(batch, Tensor):
        return wrap(pin(batch.array)) if backend_of(batch.array) is NUMPY else batch
    if hasattr(batch, "pin_memory"):
        return batch.pin_memory()
    if isinstance(batch, Mapping):
        return {key: pinned(value, pin) for key, value in batch.items()}
    if isinstance(batch, tuple) and hasattr(batch, "_fields"):
        return type(batch)(*(pinned(value, pin) for value in batch))
    if isinstance(batch, (tuple, list)):
        return type(batch)(pinned(value, pin) for value in batch)
    return batch
