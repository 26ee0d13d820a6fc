"""Copies of tensors: of another dtype, on another device. Nothing moves unless called from here."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from typing import cast as cast_type

import numpy as np

from nnlite.autograd.op import Op
from nnlite.autograd.tensor import Tensor, wrap
from nnlite.backend import Array, Device, as_dtype, backend_for, backend_of, names_device
from nnlite.backend import device as make_device
from nnlite.backend.cuda import all_loaded
from nnlite.errors import ArgumentError, DeviceError
from nnlite.ops.common import as_tensor, cast

if TYPE_CHECKING:
    from nnlite.backend.cuda_backend import CudaBackend

__all__ = [
    "Clone",
    "Move",
    "clone",
    "cpu",
    "cuda",
    "is_pinned",
    "pin_memory",
    "to",
    "to_bool",
    "to_double",
    "to_float",
    "to_half",
    "to_int",
    "to_int8",
    "to_long",
    "to_short",
    "to_uint8",
    "type_as",
]


class Clone(Op):
    """A copy in new memory.  d/dx = gy."""

    @staticmethod
    def forward(ctx: Any, x: Array) -> Array:
        return x.copy()

    @staticmethod
    def backward(ctx: Any, gy: Any) -> Any:
        return gy


class Move(Op):
    """A copy on another device.  d/dx = gy, moved back."""

    @staticmethod
    def forward(ctx: Any, x: Array, *, device: Device, non_blocking: bool = False) -> Array:
        ctx.source = backend_of(x).device
        return backend_for(device).receive(x, non_blocking)

    @staticmethod
    def backward(ctx: Any, gy: Any) -> Any:
        return Move.call(gy, device=ctx.source)


def clone(x: Tensor) -> Tensor:
    """A copy in new memory, recorded: gradients flow back to x."""
    out: Tensor = Clone.apply(as_tensor("clone", x))
    return out


def to(x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """x with another dtype or on another device; x itself where nothing changes.

    ``x.to(dtype)``, ``x.to(device)``, ``x.to(device, dtype)``, ``x.to(other_tensor)``, each also
    with ``non_blocking`` and ``copy``, by name or in that order:

    * ``non_blocking=True``: from page-locked memory (``pin_memory``) to a device the copy is only
      started; x must not change until the device is done. Other copies have no such choice: to a
      device they never wait for it, to the host they always do.
    * ``copy=True``: copy in any case.

    Raises:
        DtypeError: nothing that names a dtype or a device, or an unsupported dtype.
        DeviceError: a device that is not there.
        DeviceMemoryError: it is full.
    """
    dtype, device = kwargs.pop("dtype", None), kwargs.pop("device", None)
    flags = []
    for given in (*args, kwargs.pop("other", None)):
        if isinstance(given, Tensor):
            dtype, device = given.dtype, given.device
        elif isinstance(given, bool):
            flags.append(given)
        elif names_device(given):
            device = given
        elif given is not None:
            dtype = given
    non_blocking = bool(kwargs.pop("non_blocking", flags[:1] == [True]))
    want_copy = bool(kwargs.pop("copy", flags[1:2] == [True]))
    if kwargs or len(flags) > 2:
        raise ArgumentError(
            "to",
            next(iter(kwargs), "copy"),
            expected="dtype, device, copy or non_blocking",
            got=repr(next(iter(kwargs.values()), args)),
            hint="x.to('cpu', nnlite.float64)",
        )
    wanted = x.dtype if dtype is None else as_dtype(dtype, "to")
    target = backend_of(x.array) if device is None else backend_for(make_device(device))
    out = x
    if wanted.itemsize < x.dtype.itemsize:  # first, so that fewer bytes move
        out = cast(out, wanted)
    if target is not backend_of(out.array):
        out = Move.apply(out, device=target.device, non_blocking=non_blocking)
    out = cast(out, wanted)
    return clone(out) if want_copy and out is x else out


def cpu(x: Tensor) -> Tensor:
    """x on the CPU; x itself if it is there."""
    return to(x, "cpu")


def cuda(x: Tensor, device: str | Device | int | None = None, non_blocking: bool = False) -> Tensor:
    """x on the GPU; x itself if it is there. For non_blocking see ``to``.

    Raises:
        DeviceError: there is none, or none with that index.
        DeviceMemoryError: its memory is full.
    """
    target = make_device("cuda" if device is None else device)
    return to(x, device=target, non_blocking=non_blocking)


def pin_memory(x: Tensor) -> Tensor:
    """x in page-locked memory of the host; x itself where it lies there. Outside the graph.

    From such memory ``to(device, non_blocking=True)`` need not wait.

    Raises:
        DeviceError: x is on a device, or there is no CUDA device whose driver could lock memory.
    """
    if type(x.array) is not np.ndarray:
        raise DeviceError(
            "pin_memory",
            expected="a tensor on the CPU",
            got=f"one on {x.device}",
            hint="only the host's memory is locked",
        )
    pinned = _cuda_backend().pin(x.array)
    return x if pinned is x.array else wrap(pinned)


def is_pinned(x: Tensor) -> bool:
    """Whether x lies in page-locked memory of the host; False as long as CUDA was not used."""
    on_host = type(x.array) is np.ndarray
    return on_host and bool(all_loaded()) and _cuda_backend().is_pinned(x.array)


def _cuda_backend() -> CudaBackend:
    return cast_type("CudaBackend", backend_for(Device("cuda")))


def _converter(dtype: str, note: str = "") -> Callable[[Tensor], Tensor]:
    wanted = np.dtype(dtype)

    def convert(x: Tensor) -> Tensor:
        return to(x, wanted)

    convert.__doc__ = f"x as {dtype}{note}; x itself where it has that dtype."
    return convert


to_float = _converter("float32")
to_double = _converter("float64")
to_long = _converter("int64", ", fractions cut off")
to_int = _converter("int32", ", fractions cut off")
to_short = _converter("int16", ", fractions cut off")
to_int8 = _converter("int8", ", fractions cut off")
to_uint8 = _converter("uint8", ", fractions cut off")
to_bool = _converter("bool", ": whether it is not 0")
to_half = _converter("float16", ": refused with a DtypeError, nnlite has no half precision")


def type_as(x: Tensor, other: Tensor) -> Tensor:
    """x with other's dtype and on its device."""
    return to(x, as_tensor("type_as", other, "other"))
