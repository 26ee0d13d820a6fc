"""What a Tensor says of itself beyond shape, dtype and device."""

from __future__ import annotations

from nnlite.autograd.tensor import Tensor

__all__ = ["is_cuda", "itemsize", "nbytes"]


def is_cuda(x: Tensor) -> bool:
    """Whether its memory is on a GPU."""
    return x.device.type == "cuda"


def itemsize(x: Tensor) -> int:
    """Bytes of one element."""
    return int(x.dtype.itemsize)


def nbytes(x: Tensor) -> int:
    """Bytes of all elements."""
    return int(x.array.nbytes)
