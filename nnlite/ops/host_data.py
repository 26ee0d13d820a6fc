"""Whatever a user calls data, as a NumPy array: the first half of ``nnlite.tensor``."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnlite.autograd.tensor import Tensor
from nnlite.backend import NUMPY, Dtype, as_dtype, backend_of, is_array
from nnlite.backend.dtypes import DEFAULT_FLOAT, promote, scalar_dtype
from nnlite.errors import ArgumentError, DeviceError, DtypeError, ShapeError

__all__ = ["check_fits", "masked", "to_host"]

_LISTS = (list, tuple, range)
_NUMBERS = frozenset({bool, int, float})


def to_host(
    op: str, data: Any, wanted: Dtype | None = None, *, moves: bool = True
) -> np.ndarray[Any, Any]:
    """Data as a NumPy array of a supported dtype; numbers unrounded where a dtype is wanted.

    Args:
        op: for errors.
        data: what nnlite.tensor takes.
        wanted: the dtype asked for.
        moves: whether the caller said where the result shall be, so that data may leave a device.

    Raises:
        DtypeError, ShapeError, ArgumentError: no such data.
        DeviceError: lists hold tensors of a device, and moves is False.
    """
    if isinstance(data, np.ma.MaskedArray):
        raise masked(op)
    if is_array(data):
        array = backend_of(data).to_numpy(data)
    elif isinstance(data, (np.ndarray, np.generic)):
        array = np.asarray(data)
    elif isinstance(data, _LISTS) or type(data) in _NUMBERS or not hasattr(data, "__array__"):
        return _of_lists(op, data, wanted, moves)
    else:
        array = np.asarray(data)
    return array.astype(as_dtype(array.dtype, op), copy=False)


def _of_lists(op: str, data: Any, wanted: Dtype | None, moves: bool) -> np.ndarray[Any, Any]:
    dtypes: set[Dtype] = set()
    plain = _plain_lists(op, data, dtypes, 0, moves)
    try:
        array = np.array(plain)
    except ValueError as error:
        raise ShapeError(
            op,
            "data",
            expected="lists of equal lengths at every depth",
            got="lists of different lengths",
            hint="pad the shorter ones",
        ) from error
    if array.dtype.kind in "Ou" and scalar_dtype(0) in dtypes:
        raise ArgumentError(
            op,
            "data",
            expected="integers from -2^63 to 2^63 - 1",
            got="a larger one",
            hint="write it as a float",
        )
    if wanted is not None:
        return array
    return array.astype(promote(list(dtypes), [], []) if dtypes else DEFAULT_FLOAT, copy=False)


def _plain_lists(op: str, data: Any, dtypes: set[Dtype], depth: int, moves: bool) -> Any:
    """data with its Tensors turned into NumPy arrays; collects the dtypes of what it holds."""
    if isinstance(data, _LISTS):
        if depth == 64:
            raise ShapeError(
                op,
                "data",
                expected="at most 64 dimensions",
                got="lists nested deeper",
                hint="a list may contain itself",
            )
        kinds = set(map(type, data))
        if kinds <= _NUMBERS:
            dtypes.update(d for d in (scalar_dtype(kind()) for kind in kinds) if d)
            return data
        return [_plain_lists(op, item, dtypes, depth + 1, moves) for item in data]
    number = scalar_dtype(data)
    if number is not None:
        dtypes.add(as_dtype(data.dtype, op) if isinstance(data, np.generic) else number)
        return data
    array = data.array if isinstance(data, Tensor) else data
    if not is_array(array):
        raise DtypeError(
            op,
            "data",
            expected="numbers, nested lists of numbers, arrays or Tensors",
            got=type(data).__name__,
            hint="convert text and other objects to numbers first",
        )
    dtypes.add(as_dtype(array.dtype, op))
    backend = backend_of(array)
    if backend is not NUMPY and not moves:
        raise DeviceError(
            op,
            "data",
            expected="tensors of the CPU in lists, or device= to say where the result shall be",
            got=f"one on {backend.device}",
            hint="nnlite.stack([...]) joins tensors where they are; nothing moves by itself",
        )
    return backend.to_numpy(array)


def check_fits(op: str, x: Any, dtype: Dtype | None) -> None:
    """Refuse values that an integer dtype cannot hold, NaN included."""
    if dtype is None or dtype.kind not in "iu" or x.dtype == dtype or not x.size:
        return
    info = np.iinfo(dtype)
    low, high = x.min().item(), x.max().item()
    if not (info.min <= low and high <= info.max):
        raise ArgumentError(
            op,
            "data",
            expected=f"numbers from {info.min} to {info.max}, as {dtype.name} holds",
            got=f"numbers from {low} to {high}",
            hint="take a wider dtype, or clamp the data",
        )


def masked(op: str) -> DtypeError:
    """The error of a masked array, whose mask would be lost."""
    return DtypeError(
        op,
        "data",
        expected="an array without a mask",
        got="a masked array",
        hint="say what stands for the masked values: x.filled(0)",
    )
