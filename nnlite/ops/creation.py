"""Making tensors: of data, of one value, of ranges. Random ones are in random.py."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from nnlite.autograd.tensor import Tensor, wrap
from nnlite.backend import (
    NUMPY,
    Backend,
    Device,
    Dtype,
    as_dtype,
    backend_for,
    backend_of,
    is_array,
)
from nnlite.backend import device as make_device
from nnlite.backend.dtypes import DEFAULT_FLOAT, bool_, int64, scalar_dtype
from nnlite.errors import ArgumentError, DtypeError, ShapeError
from nnlite.ops import common
from nnlite.ops.host_data import check_fits, masked, to_host
from nnlite.ops.interchange import cuda_array, is_cuda_array
from nnlite.ops.sizes import check_size, spread

__all__ = [
    "arange",
    "as_tensor",
    "empty",
    "empty_like",
    "eye",
    "from_numpy",
    "full",
    "full_like",
    "linspace",
    "ones",
    "ones_like",
    "scalar_like",
    "tensor",
    "zeros",
    "zeros_like",
]

# -- of data ---------------------------------------------------------------------------------


def tensor(
    data: Any,
    dtype: object = None,
    device: str | Device | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """A new leaf tensor with a copy of data.

    Args:
        data: a number, nested lists of numbers, arrays or Tensors, an array, or a Tensor.
        dtype: default: that of an array; float32 for floats, int64 for ints, bool for bools.
        device: default: where data is; the CPU for numbers and lists.
        requires_grad: compute a gradient for it.

    Raises:
        DtypeError: text, None, objects, complex numbers, half precision.
        ShapeError: lists of unequal lengths.
        ArgumentError: a number that does not fit into dtype.
        DeviceError: device is not there; or lists hold tensors of a device, and none is named.
        DeviceMemoryError: device has no room for it.
    """
    wanted = None if dtype is None else as_dtype(dtype, "tensor")
    if isinstance(data, Tensor):
        data = data.array
    elif is_cuda_array(data):
        data = cuda_array("tensor", data)
    if is_array(data) and (device is None or backend_of(data) is _backend(device)):
        found = as_dtype(data.dtype, "tensor")
        check_fits("tensor", data, wanted)
        array = data.astype(wanted or found, order="C", copy=True)
    else:
        host = to_host("tensor", data, wanted, moves=device is not None)
        check_fits("tensor", host, wanted)
        array = _backend(device).asarray(np.array(host, dtype=wanted, order="C"))
    return Tensor(array, requires_grad)


def as_tensor(data: Any, dtype: object = None, device: str | Device | None = None) -> Tensor:
    """As ``tensor``, but data itself, or its memory, is used where dtype and device allow.

    That holds for Tensors, which stay in the graph, and for arrays of NumPy, CuPy, and, on a CUDA
    device, of any other library (PyTorch). Raises what ``tensor`` raises.
    """
    if not isinstance(data, (Tensor, np.ndarray)):
        if is_cuda_array(data):
            data = cuda_array("as_tensor", data)
        if is_array(data):
            as_dtype(data.dtype, "as_tensor")
            data = wrap(data)
    if isinstance(data, np.ndarray) and (dtype is None or data.dtype == as_dtype(dtype)):
        as_dtype(data.dtype, "as_tensor")
        if data.dtype.isnative and (device is None or _backend(device) is NUMPY):
            return from_numpy(data)
    if not isinstance(data, Tensor):
        return tensor(data, dtype, device)
    if device is not None and _backend(device) is not backend_of(data.array):
        return tensor(data, dtype, device)
    return data if dtype is None else common.cast(data, as_dtype(dtype, "as_tensor"))


def from_numpy(ndarray: Any) -> Tensor:
    """A tensor on the memory of a NumPy array: a change of one is seen in the other.

    A read-only array makes a tensor that refuses in-place changes.

    Raises:
        DtypeError: no NumPy array, of a dtype that nnlite lacks, or in foreign byte order, which
            cannot be shared.
    """
    if not isinstance(ndarray, np.ndarray):
        raise DtypeError(
            "from_numpy",
            "ndarray",
            expected="a NumPy array",
            got=type(ndarray).__name__,
            hint="nnlite.tensor(...) takes lists and numbers",
        )
    if isinstance(ndarray, np.ma.MaskedArray):
        raise masked("from_numpy")
    as_dtype(ndarray.dtype, "from_numpy")
    if not ndarray.dtype.isnative:
        raise DtypeError(
            "from_numpy",
            "ndarray",
            expected="the machine's byte order",
            got=f"dtype {ndarray.dtype.str}",
            hint="nnlite.tensor(...) copies it into the right order",
        )
    return wrap(ndarray.view(np.ndarray))


def _backend(device: str | Device | None) -> Backend:
    return backend_for(make_device("cpu" if device is None else device))


# -- of one value ----------------------------------------------------------------------------


def zeros(
    *size: Any,
    dtype: object = None,
    device: str | Device | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """Zeros: ``zeros(2, 3)`` or ``zeros((2, 3))``; float32 unless dtype says otherwise.

    Raises:
        ShapeError: a negative size, or more elements than any memory holds.
        DtypeError: a size that is no whole number.
    """
    shape = check_size("zeros", spread(size))
    xp = _backend(device).xp
    return Tensor(xp.zeros(shape, dtype=_dtype("zeros", dtype)), requires_grad)


def ones(
    *size: Any,
    dtype: object = None,
    device: str | Device | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """Ones; see ``zeros``."""
    shape = check_size("ones", spread(size))
    xp = _backend(device).xp
    return Tensor(xp.ones(shape, dtype=_dtype("ones", dtype)), requires_grad)


def empty(
    *size: Any,
    dtype: object = None,
    device: str | Device | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """Memory as it is found: to be written before it is read; see ``zeros``."""
    shape = check_size("empty", spread(size))
    xp = _backend(device).xp
    return Tensor(xp.empty(shape, dtype=_dtype("empty", dtype)), requires_grad)


def full(
    size: Any,
    fill_value: Any,
    *,
    dtype: object = None,
    device: str | Device | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """fill_value everywhere; dtype by default that of ``tensor(fill_value)``.

    Raises:
        ArgumentError: fill_value does not fit into dtype; and what ``zeros`` raises.
    """
    shape = check_size("full", size)
    value = _number("full", fill_value, None if dtype is None else as_dtype(dtype, "full"))
    xp = _backend(device).xp
    return Tensor(xp.full(shape, value.item(), dtype=value.dtype), requires_grad)


def scalar_like(op: str, value: Any, x: Tensor) -> Tensor:
    """A 0-d tensor of a number, with x's dtype and device: for what is written into x.

    Raises:
        DtypeError, ArgumentError, ShapeError: no number, or one that x's dtype cannot hold.
    """
    return wrap(backend_of(x.array).asarray(_number(op, value, x.dtype)))


def _number(op: str, value: Any, dtype: Dtype | None) -> np.ndarray[Any, Any]:
    number = to_host(op, value.array if isinstance(value, Tensor) else value, dtype)
    if number.ndim:
        raise ShapeError(
            op,
            "value",
            expected="one number",
            got=f"shape {number.shape}",
            hint="broadcast an array with expand()",
        )
    check_fits(op, number, dtype)
    return number if dtype is None else number.astype(dtype)


def zeros_like(
    input: Tensor,
    *,
    dtype: object = None,
    device: str | Device | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """Zeros with input's shape, and its dtype and device unless given."""
    return full_like(input, 0, dtype=dtype, device=device, requires_grad=requires_grad)


def ones_like(
    input: Tensor,
    *,
    dtype: object = None,
    device: str | Device | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """Ones with input's shape, and its dtype and device unless given."""
    return full_like(input, 1, dtype=dtype, device=device, requires_grad=requires_grad)


def full_like(
    input: Tensor,
    fill_value: Any,
    *,
    dtype: object = None,
    device: str | Device | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """fill_value in input's shape, and its dtype and device unless given."""
    x = common.as_tensor("full_like", input)
    return full(
        x.shape,
        fill_value,
        dtype=x.dtype if dtype is None else dtype,
        device=x.device if device is None else device,
        requires_grad=requires_grad,
    )


def empty_like(
    input: Tensor,
    *,
    dtype: object = None,
    device: str | Device | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """Memory as it is found, in input's shape, and its dtype and device unless given."""
    x = common.as_tensor("empty_like", input)
    return empty(
        x.shape,
        dtype=x.dtype if dtype is None else dtype,
        device=x.device if device is None else device,
        requires_grad=requires_grad,
    )


def _dtype(op: str, dtype: object) -> Dtype:
    return DEFAULT_FLOAT if dtype is None else as_dtype(dtype, op)


# -- of ranges -------------------------------------------------------------------------------


def arange(
    start: Any = 0,
    end: Any = None,
    step: Any = 1,
    *,
    dtype: object = None,
    device: str | Device | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """start, start + step, ... below end: ceil((end - start) / step) numbers.

    ``arange(end)`` starts at 0. int64 where all three are whole, else float32.

    Raises:
        ArgumentError: a step of 0, or one that leads away from end; an infinite bound.
    """
    if end is None:
        start, end = 0, start
    first, last, by = (
        _finite("arange", name, value)
        for name, value in (("start", start), ("end", end), ("step", step))
    )
    if by == 0 or (last - first) * by < 0:
        raise ArgumentError(
            "arange",
            "step",
            expected=f"a step that leads from {first} to {last}",
            got=str(by),
            hint="its sign must be that of end - start",
        )
    whole = all(isinstance(v, int) for v in (first, last, by))
    count = -((first - last) // by) if whole else math.ceil((last - first) / by)
    (n,) = check_size("arange", (int(count),), "the number of elements")
    found = (int64 if whole else DEFAULT_FLOAT) if dtype is None else as_dtype(dtype, "arange")
    xp = _backend(device).xp
    # in float64, as PyTorch computes it: start + i * step rounds once
    array = first + xp.arange(n, dtype=int64 if whole else "float64") * by
    return Tensor(array.astype(found, copy=False), requires_grad)


def linspace(
    start: Any,
    end: Any,
    steps: Any,
    *,
    dtype: object = None,
    device: str | Device | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """Steps evenly spaced numbers from start to end, both included.

    Raises:
        ArgumentError: an infinite bound.
        ShapeError: a negative number of steps.
    """
    first, last = _finite("linspace", "start", start), _finite("linspace", "end", end)
    (n,) = check_size("linspace", (steps,), "steps")
    array = _backend(device).xp.linspace(float(first), float(last), n)
    return Tensor(array.astype(_dtype("linspace", dtype), copy=False), requires_grad)


def eye(
    n: Any,
    m: Any = None,
    *,
    dtype: object = None,
    device: str | Device | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """The identity matrix of n rows and m (default: n) columns."""
    rows, columns = check_size("eye", (n, n if m is None else m), "n, m")
    xp = _backend(device).xp
    return Tensor(xp.eye(rows, columns, dtype=_dtype("eye", dtype)), requires_grad)


def _finite(op: str, argument: str, value: Any) -> int | float:
    """A finite Python number."""
    if isinstance(value, (Tensor, np.generic)) and value.ndim == 0:
        value = (value.array if isinstance(value, Tensor) else value).item()
    if scalar_dtype(value) in (None, bool_):
        raise DtypeError(
            op, argument, expected="a number", got=type(value).__name__, hint="pass an int or float"
        )
    if not math.isfinite(value):
        raise ArgumentError(
            op, argument, expected="a finite number", got=str(value), hint="a range has two ends"
        )
    number: int | float = value
    return number
