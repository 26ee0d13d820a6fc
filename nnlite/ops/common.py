"""What every public op does with its arguments before it computes."""

from __future__ import annotations

import math
import operator
from typing import Any, TypeAlias

import numpy as np
from numpy import ndarray

from nnlite.autograd.fit import Cast
from nnlite.autograd.tape import refuse_reading
from nnlite.autograd.tensor import Tensor, wrap
from nnlite.backend import Array, Dtype, array_module, backend_of, is_array, is_float, same_device
from nnlite.backend.dtypes import DEFAULT_FLOAT, promote, scalar_dtype
from nnlite.errors import ArgumentError, DeviceError, DtypeError, NnliteIndexError, ShapeError

MAX_ELEMENTS = 2**40
"""No array has so many elements: 4 TiB of float32. A larger size is a mistake in a formula."""

Number: TypeAlias = bool | int | float
Operand: TypeAlias = Tensor | Array | Number
"""What a binary op takes: a Tensor, an array on the same device, or a Python number."""


def as_tensor(op: str, x: Any, argument: str = "input") -> Tensor:
    """x itself if it is a Tensor, or a constant Tensor around an array.

    Raises:
        DtypeError: it is neither.
    """
    if isinstance(x, Tensor):
        return x
    if is_array(x):
        return wrap(x)
    raise DtypeError(
        op,
        argument,
        expected="a Tensor",
        got=type(x).__name__,
        hint="make one with nnlite.tensor(...)",
    )


def cast(x: Tensor, dtype: Dtype) -> Tensor:
    """x in another dtype, as a recorded op; x itself where it has that dtype."""
    if x.array.dtype == dtype:
        return x
    out: Tensor = Cast.apply(x, dtype=dtype)
    return out


def as_float(op: str, x: Any, argument: str = "input") -> Tensor:
    """x as a floating Tensor: integers and booleans become float32, as in PyTorch's exp, mean."""
    t = as_tensor(op, x, argument)
    return t if is_float(t.dtype) else cast(t, DEFAULT_FLOAT)


def need_float(op: str, x: Any, argument: str = "input") -> Tensor:
    """x, refused unless it is a floating Tensor.

    Raises:
        DtypeError: it is of integers or booleans.
    """
    t = as_tensor(op, x, argument)
    if not is_float(t.dtype):
        raise DtypeError(
            op,
            argument,
            expected="float32 or float64",
            got=t.dtype.name,
            hint="convert it with .float()",
        )
    return t


def operands(op: str, x: Any, y: Any, *, floating: bool = False) -> tuple[Any, Any]:
    """Two operands brought to one dtype by PyTorch's promotion, checked for device and shape.

    A Python number stays one where its kind does not raise the other's dtype: NumPy then computes
    in the tensor's dtype.

    Args:
        floating: the op has floating results only (division): integers become float32.

    Raises:
        DtypeError: an operand is neither tensor, array nor number.
        DeviceError: the operands are on different devices.
        ShapeError: the shapes do not broadcast.
    """
    if isinstance(x, Tensor):
        a = x.array
        if isinstance(y, Tensor):
            b = y.array
            dtype = a.dtype
            if (dtype is b.dtype or dtype == b.dtype) and a.__class__ is b.__class__:
                if a.__class__ is not ndarray and not same_device(a, b):
                    check_same_device(op, x, y)
                if a.shape != b.shape:
                    check_broadcast(op, a.shape, b.shape)
                if not floating or dtype.kind == "f":
                    return x, y
        elif (y.__class__ is float or y.__class__ is int) and a.dtype.kind == "f":
            return x, y
    return _promote(op, x, y, floating)


def _promote(op: str, x: Any, y: Any, floating: bool) -> tuple[Any, Any]:
    x, y = _operand(op, x, "input"), _operand(op, y, "other")
    tensors = [t for t in (x, y) if isinstance(t, Tensor)]
    if not tensors:
        raise DtypeError(
            op,
            expected="a Tensor among the operands",
            got="two numbers",
            hint="use Python's own operators for numbers",
        )
    if len(tensors) == 2:
        check_same_device(op, x, y)
        check_broadcast(op, x.shape, y.shape)
    dtype = promote(
        [t.dtype for t in tensors if t.ndim],
        [t.dtype for t in tensors if not t.ndim],
        [d for d in (scalar_dtype(v) for v in (x, y) if not isinstance(v, Tensor)) if d],
    )
    if floating and not is_float(dtype):
        dtype = DEFAULT_FLOAT
    converted = []
    for v in (x, y):
        if isinstance(v, Tensor):
            converted.append(cast(v, dtype))
        else:
            converted.append(_scalar(op, v, dtype))
    return converted[0], converted[1]


def _operand(op: str, x: Any, argument: str) -> Any:
    if isinstance(x, np.generic):
        return x.item()
    return x if scalar_dtype(x) is not None else as_tensor(op, x, argument)


def _scalar(op: str, value: Any, dtype: Dtype) -> Any:
    """A Python number of the dtype's kind, so that NumPy leaves the tensor's dtype alone."""
    if dtype.kind == "f":
        return float(value)
    if dtype.kind == "b":
        return bool(value)
    value, info = int(value), np.iinfo(dtype)
    if not info.min <= value <= info.max:
        raise ArgumentError(
            op,
            "other",
            expected=f"a number that fits into {dtype.name}",
            got=str(value),
            hint="convert the tensor to int64 first",
        )
    return value


def check_same_device(op: str, *tensors: Tensor) -> None:
    """Refuse tensors on different devices.

    Raises:
        DeviceError: names all the devices.
    """
    if tensors and not all(same_device(t.array, tensors[0].array) for t in tensors):
        raise DeviceError(
            op,
            expected="all tensors on one device",
            got=" and ".join(str(t.device) for t in tensors),
            hint="move one with .to(device); nothing moves by itself",
        )


def check_same_dtype(op: str, x: Tensor, y: Tensor, argument: str) -> None:
    """Refuse an argument y of another dtype than x, the input.

    Raises:
        DtypeError: names both dtypes.
    """
    if x.array.dtype != y.array.dtype:
        raise DtypeError(
            op,
            argument,
            expected=f"{x.dtype.name}, as input has",
            got=y.dtype.name,
            hint=f"convert it with .to(nnlite.{x.dtype.name})",
        )


def check_broadcast(op: str, a: tuple[int, ...], b: tuple[int, ...]) -> None:
    """Refuse shapes that do not broadcast.

    Raises:
        ShapeError: names the dimension.
    """
    for i in range(1, min(len(a), len(b)) + 1):
        if a[-i] != b[-i] and a[-i] != 1 and b[-i] != 1:
            raise ShapeError(
                op,
                expected="shapes that broadcast",
                got=f"{a} and {b}, which differ in dimension {-i} ({a[-i]} and {b[-i]})",
                hint="sizes must be equal or 1, counted from the last dimension",
            )
    if math.prod(a) * math.prod(b) >= MAX_ELEMENTS:  # no result is larger than that
        check_elements(op, np.broadcast_shapes(a, b))


def check_elements(op: str, shape: tuple[int, ...]) -> None:
    """Refuse a result that no memory holds: of tensors that take little, being broadcast views.

    Raises:
        ShapeError: it has MAX_ELEMENTS elements or more.
    """
    if math.prod(shape) >= MAX_ELEMENTS:
        raise ShapeError(
            op,
            "result",
            expected="fewer than 2^40 elements",
            got=str(shape),
            hint="such an array fits into no memory; look at the shapes of the inputs",
        )


def as_index(op: str, argument: str, value: Any) -> int:
    """A whole number: int or NumPy integer; no bool, no float.

    Raises:
        DtypeError: it is something else.
    """
    if isinstance(value, Tensor) and value.array.size == 1 and value.dtype.kind in "iu":
        refuse_reading(op)
        return int(value.array.item())
    if not isinstance(value, (bool, np.bool_)):
        try:
            return operator.index(value)
        except TypeError:
            pass
    raise DtypeError(
        op,
        argument,
        expected="a whole number",
        got=repr(value),
        hint="pass an int",
    )


def check_flag(op: str, argument: str, value: Any) -> None:
    """Refuse what is neither True nor False: most often another argument in the wrong place.

    Raises:
        DtypeError: a number, a string, None.
    """
    if value.__class__ is not bool and not isinstance(value, np.bool_):
        raise DtypeError(
            op,
            argument,
            expected="True or False",
            got=repr(value),
            hint="check the order of the arguments, or pass it by name",
        )


def check_number(op: str, argument: str, value: Any) -> None:
    """Refuse what is no Python or NumPy number.

    Raises:
        DtypeError: None, a string, a list, a Tensor.
    """
    if not isinstance(value, (int, float, np.number, np.bool_)) or isinstance(
        value, np.complexfloating
    ):
        raise DtypeError(
            op, argument, expected="a number", got=repr(value), hint="pass an int or a float"
        )


def need_numbers(op: str, x: Any, argument: str = "input") -> Tensor:
    """x, refused if it is of booleans.

    Raises:
        DtypeError: booleans, for which op has no meaning.
    """
    t = as_tensor(op, x, argument)
    if t.array.dtype.kind == "b":
        raise DtypeError(
            op, argument, expected="numbers", got="bool", hint="convert it with .float() or .int()"
        )
    return t


def normalize_dim(op: str, dim: Any, ndim: int, argument: str = "dim") -> int:
    """A dimension counted from the front; negative ones count from the end, as in PyTorch.

    Raises:
        DtypeError: not a whole number.
        NnliteIndexError: outside [-ndim, ndim).
    """
    i = as_index(op, argument, dim)
    # a 0-d tensor has dimension 0 and -1, as in PyTorch
    n = max(ndim, 1)
    if not -n <= i < n:
        raise NnliteIndexError(
            op,
            argument,
            expected=f"a dimension from {-n} to {n - 1}",
            got=str(i),
            hint=f"the tensor has {ndim} dimensions",
        )
    return i % n


def normalize_dims(op: str, dim: Any, ndim: int) -> tuple[int, ...]:
    """The dimensions of a reduction, sorted; None and () mean all.

    Raises:
        ArgumentError: a dimension is named twice.
    """
    if dim is None:
        return tuple(range(ndim))
    dims = dim if isinstance(dim, (tuple, list)) else (dim,)
    found = tuple(sorted(normalize_dim(op, d, ndim) for d in dims))
    if len(set(found)) != len(found):
        raise ArgumentError(
            op,
            "dim",
            expected="each dimension once",
            got=repr(dim),
            hint="-1 and ndim - 1 name the same dimension",
        )
    if not found:
        return tuple(range(ndim))
    return found if ndim else ()


def like(x: Array, value: Any, dtype: Dtype | None = None) -> Array:
    """An array of a Python or NumPy value on x's device."""
    return backend_of(x).asarray(value, dtype)


def raw(x: Any) -> Any:
    """The array of a Tensor; anything else as it is."""
    return x.array if isinstance(x, Tensor) else x


def wrap_result(array: Any, *inputs: Any) -> Tensor:
    """A Tensor, outside the graph, of a result computed from inputs (Tensors or not).

    NumPy's 0-d results are scalars, which become 0-d arrays.
    """
    if is_array(array):
        return wrap(array)
    return wrap(like(next(x.array for x in inputs if isinstance(x, Tensor)), array))


def zeros_like(gy: Any) -> Any:
    """Zeros for a gradient that is 0: an array, or under create_graph a constant Tensor."""
    zeros = array_module(raw(gy)).zeros_like(raw(gy))
    return wrap_result(zeros, gy) if isinstance(gy, Tensor) else zeros
