"""Whatever a user calls data, as a NumPy array: the first half of ``nnlite.tensor``."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnlite.autograd.tensor import Tensor
from nnlite.backend import Dtype, as_dtype, backend_of, is_array
from nnlite.backend.dtypes import DEFAULT_FLOAT, promote, scalar_dtype
from nnlite.errors import ArgumentError, DtypeError, ShapeError

__all__ = ["check_fits", "masked", "to_host"]

_LISTS = (list, tuple, range)
_NUMBERS = frozenset({bool, int, float})


def to_host(op: str, data: Any, wanted: Dtype | None = None) -> np.ndarray[Any, Any]:
    """Data as a NumPy array of a supported dtype; numbers unrounded where a dtype is wanted."""
    if isinstance(data, np.ma.MaskedArray):
        raise masked(op)
    if is_array(data):
        array = backend_of(data).to_numpy(data)
    elif isinstance(data, (np.ndarray, np.generic)):
        array = np.asarray(data)
    elif isinstance(data, _LISTS) or type(data) in _NUMBERS or not hasattr(data, "__array__"):
        return _of_lists(op, data, wanted)
    else:
        array = np.asarray(data)
    return array.astype(as_dtype(array.dtype, op), copy=False)


def _of_lists(op: str, data: Any, wanted: Dtype | None) -> np.ndarray[Any, Any]:
    dtypes: set[Dtype] = set()
    plain = _plain_lists(op, data, dtypes, 0)
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


def _plain_lists(op: str, data: Any, dtypes: set[Dtype], depth: int) -> Any:
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
        return [_plain_lists(op, item, dtypes, depth + 1) for item in data]
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
    return backend_of(array).to_numpy(array)


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
