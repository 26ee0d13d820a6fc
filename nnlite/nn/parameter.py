"""Parameter: a tensor that a Module trains."""

from __future__ import annotations

from typing import Any

from nnlite.autograd.tensor import Tensor
from nnlite.backend import Device, as_dtype, backend_for, device
from nnlite.backend.dtypes import DEFAULT_FLOAT
from nnlite.errors import DtypeError
from nnlite.ops.sizes import check_size

__all__ = ["Parameter"]


class Parameter(Tensor):
    """A tensor that becomes a parameter of the Module whose attribute it is made.

    Args:
        data: a Tensor or an array; its memory is shared.
        requires_grad: record what is done with it.

    Raises:
        DtypeError: data is neither, or is of integers while requires_grad is True.
    """

    def __init__(self, data: Any, requires_grad: bool = True) -> None:
        if isinstance(data, Tensor):
            self._version = data.version()
            data = data.array
        super().__init__(data, requires_grad)

    def __repr__(self) -> str:
        return f"Parameter containing:\n{super().__repr__()}"


def new_parameter(
    op: str, shape: tuple[int, ...], device_name: str | Device | None, dtype: object
) -> Parameter:
    """A Parameter whose numbers are not set yet.

    Raises:
        ShapeError: more elements than any memory holds; refused before memory is asked for.
        DtypeError: a dtype that is not floating.
        DeviceError: a device that is not there.
    """
    wanted = DEFAULT_FLOAT if dtype is None else as_dtype(dtype, op)
    if wanted.kind != "f":
        raise DtypeError(
            op,
            "dtype",
            expected="float32 or float64",
            got=wanted.name,
            hint="parameters need a gradient",
        )
    backend = backend_for(device("cpu" if device_name is None else device_name))
    return Parameter(backend.xp.empty(check_size(op, shape), dtype=wanted))
