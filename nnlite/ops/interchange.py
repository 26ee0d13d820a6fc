"""Other libraries' arrays, without a copy: DLPack and ``__cuda_array_interface__``, both ways."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnlite.autograd.tensor import Tensor, wrap
from nnlite.backend import Array, Device, as_dtype, backend_for, is_array
from nnlite.errors import DeviceError, DtypeError, GraphError

__all__ = [
    "cuda_array",
    "cuda_array_interface",
    "from_dlpack",
    "is_cuda_array",
    "to_dlpack",
    "to_dlpack_device",
]

# DLDeviceType of dlpack.h; 3 is page-locked memory of the host
_CPU = (1, 3)
_CUDA = 2


# -- out -------------------------------------------------------------------------------------


def to_dlpack(
    x: Tensor,
    *,
    stream: Any = None,
    max_version: tuple[int, int] | None = None,
    dl_device: tuple[int, int] | None = None,
    copy: bool | None = None,
) -> Any:
    """``x.__dlpack__()``: x's memory for another library, as ``torch.from_dlpack(x)`` asks for it.

    The arguments are the array API standard's, and go to the array's own library.

    Raises:
        GraphError: x requires a gradient, and the other library's operations are not recorded.
        BufferError: the array's library cannot hand it out like that.
    """
    _need_no_gradient("__dlpack__", x)
    options = {"max_version": max_version, "dl_device": dl_device, "copy": copy}
    given = {name: value for name, value in options.items() if value is not None}
    return x.array.__dlpack__(stream=stream, **given)


def to_dlpack_device(x: Tensor) -> tuple[int, int]:
    """``x.__dlpack_device__()``: (1, 0) on the CPU, (2, index) on a CUDA device."""
    kind, index = x.array.__dlpack_device__()
    return int(kind), int(index)


def cuda_array_interface(x: Tensor) -> dict[str, Any]:
    """``x.__cuda_array_interface__``: x's memory for Numba, CuPy, PyTorch and others.

    Raises:
        AttributeError: x is not on a CUDA device, so that ``hasattr`` says what it is.
        GraphError: x requires a gradient.
    """
    interface = getattr(x.array, "__cuda_array_interface__", None)
    if interface is None:
        raise AttributeError(
            f"__cuda_array_interface__: the tensor is on {x.device}; only tensors on CUDA have it"
        )
    _need_no_gradient("__cuda_array_interface__", x)
    found: dict[str, Any] = interface
    return found


def _need_no_gradient(op: str, x: Tensor) -> None:
    if x.requires_grad:
        raise GraphError(
            op,
            expected="a tensor that requires no gradient",
            got="one that does",
            hint="use x.detach(): what other libraries compute is not recorded",
        )


# -- in --------------------------------------------------------------------------------------


def from_dlpack(ext_tensor: Any) -> Tensor:
    """A tensor on the memory of another library's array, where that memory is.

    A change of one is seen in the other. Read-only memory makes a tensor that refuses in-place
    changes.

    Args:
        ext_tensor: has ``__dlpack__`` and ``__dlpack_device__``: of NumPy, PyTorch, CuPy, JAX ...

    Raises:
        DtypeError: it has not, or a dtype that nnlite lacks.
        DeviceError: its memory is neither the host's nor a CUDA device's, or CuPy is missing.
    """
    if not hasattr(ext_tensor, "__dlpack__") or not hasattr(ext_tensor, "__dlpack_device__"):
        raise DtypeError(
            "from_dlpack",
            "ext_tensor",
            expected="an array with __dlpack__ and __dlpack_device__",
            got=type(ext_tensor).__name__,
            hint="nnlite.tensor(...) takes lists and numbers",
        )
    kind, index = ext_tensor.__dlpack_device__()
    if kind in _CPU:
        array = np.from_dlpack(ext_tensor)
    elif kind == _CUDA:
        array = backend_for(Device("cuda", int(index))).xp.from_dlpack(ext_tensor)
    else:
        raise DeviceError(
            "from_dlpack",
            "ext_tensor",
            expected="memory of the host or of a CUDA device",
            got=f"DLPack's device type {int(kind)}",
            hint="copy it to the CPU with its own library first",
        )
    as_dtype(array.dtype, "from_dlpack")
    return wrap(array)


def is_cuda_array(data: object) -> bool:
    """Whether data is another library's array on a CUDA device: no Tensor, and not CuPy's."""
    return (
        hasattr(data, "__cuda_array_interface__")
        and not isinstance(data, Tensor)
        and not is_array(data)
    )


def cuda_array(op: str, data: Any) -> Array:
    """CuPy's array on the memory of another library's CUDA array.

    Raises:
        DtypeError: of a dtype that nnlite lacks.
        DeviceError: CuPy is missing.
    """
    backend = backend_for(Device("cuda"))
    array = backend.xp.asarray(data)
    as_dtype(array.dtype, op)
    return array
