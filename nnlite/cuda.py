"""What scripts ask of ``torch.cuda``: whether there is a GPU."""

from __future__ import annotations

from nnlite.backend import backend_for, device
from nnlite.errors import DeviceError

__all__ = ["device_count", "is_available"]


def is_available() -> bool:
    """Whether tensors can be put on the device "cuda"."""
    try:
        backend_for(device("cuda"))
    except DeviceError:
        return False
    return True


def device_count() -> int:
    """How many GPUs can be used: one, or none."""
    return int(is_available())
