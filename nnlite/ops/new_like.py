"""x.new_zeros(...) and its like: a new tensor with x's dtype and device, unless given."""

from __future__ import annotations

from typing import Any

from nnlite.autograd.tensor import Tensor
from nnlite.backend import Device
from nnlite.ops import creation

__all__ = ["new_empty", "new_full", "new_ones", "new_tensor", "new_zeros"]


def _options(
    x: Tensor, dtype: object, device: str | Device | None, requires_grad: bool
) -> dict[str, Any]:
    return {
        "dtype": x.dtype if dtype is None else dtype,
        "device": x.device if device is None else device,
        "requires_grad": requires_grad,
    }


def new_zeros(
    x: Tensor,
    *size: Any,
    dtype: object = None,
    device: str | Device | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """Zeros of a size, see ``zeros``, with x's dtype and device."""
    return creation.zeros(*size, **_options(x, dtype, device, requires_grad))


def new_ones(
    x: Tensor,
    *size: Any,
    dtype: object = None,
    device: str | Device | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """Ones of a size, see ``ones``, with x's dtype and device."""
    return creation.ones(*size, **_options(x, dtype, device, requires_grad))


def new_empty(
    x: Tensor,
    *size: Any,
    dtype: object = None,
    device: str | Device | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """Memory as it is found, see ``empty``, with x's dtype and device."""
    return creation.empty(*size, **_options(x, dtype, device, requires_grad))


def new_full(
    x: Tensor,
    size: Any,
    fill_value: Any,
    *,
    dtype: object = None,
    device: str | Device | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """fill_value everywhere, see ``full``, with x's dtype and device."""
    return creation.full(size, fill_value, **_options(x, dtype, device, requires_grad))


def new_tensor(
    x: Tensor,
    data: Any,
    *,
    dtype: object = None,
    device: str | Device | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """A copy of data, see ``tensor``, with x's dtype and device."""
    return creation.tensor(data, **_options(x, dtype, device, requires_grad))
