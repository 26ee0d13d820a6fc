"""From tensors to Python and NumPy; copies; what a tensor is like. Other devices: moving.py."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from nnlite.autograd.tape import refuse_reading
from nnlite.autograd.tensor import Tensor
from nnlite.backend import backend_for, backend_of, is_array
from nnlite.backend import device as make_device
from nnlite.errors import DeviceError, DtypeError, GraphError, ShapeError
from nnlite.ops.common import normalize_dim
from nnlite.ops.comparison import eq
from nnlite.ops.joining import unbind
from nnlite.ops.moving import (
    Clone,
    Move,
    clone,
    cpu,
    cuda,
    to,
    to_bool,
    to_double,
    to_float,
    to_half,
    to_int,
    to_int8,
    to_long,
    to_short,
    to_uint8,
    type_as,
)

__all__ = [
    "Clone",
    "Move",
    "clone",
    "contiguous",
    "cpu",
    "cuda",
    "data_ptr",
    "dim",
    "element_size",
    "is_contiguous",
    "is_floating_point",
    "item",
    "numel",
    "numpy",
    "size",
    "stride",
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
    "tolist",
    "type_as",
]


# -- to Python and NumPy ---------------------------------------------------------------------


def item(x: Tensor) -> bool | int | float:
    """The only element, as a Python number.

    Raises:
        ShapeError: there is more than one element, or none.
    """
    refuse_reading("item")
    if x.array.size != 1:
        raise ShapeError(
            "item",
            expected="a tensor of one element",
            got=f"shape {x.shape}",
            hint="use tolist(), or index it first",
        )
    return x.array.item()  # type: ignore[no-any-return]


def tolist(x: Tensor) -> Any:
    """Nested lists of Python numbers; a number for a 0-d tensor."""
    refuse_reading("tolist")
    return backend_of(x.array).to_numpy(x.array).tolist()


def numpy(x: Tensor, *, force: bool = False) -> np.ndarray[Any, Any]:
    """The tensor's own memory as a NumPy array: a change of one is seen in the other.

    Args:
        force: do detach().cpu() first where they are needed.

    Raises:
        GraphError: it requires a gradient, and NumPy's operations are not recorded.
        DeviceError: it is not on the CPU.
    """
    refuse_reading("numpy")
    if not force:
        if x.requires_grad:
            raise GraphError(
                "numpy",
                expected="a tensor that requires no gradient",
                got="one that does",
                hint="use x.detach().numpy(): what NumPy computes is not recorded",
            )
        if x.device.type != "cpu":
            raise DeviceError(
                "numpy",
                expected="a tensor on the CPU",
                got=f"one on {x.device}",
                hint="copy it with .cpu() first",
            )
    return backend_of(x.array).to_numpy(x.array)


def as_numpy(x: Tensor, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
    """``np.asarray(x)``: what NumPy's functions call. Raises what ``numpy`` raises."""
    return np.array(numpy(x), dtype=dtype, copy=copy)


def to_python_float(x: Tensor) -> float:
    """``float(x)`` of a tensor of one element."""
    return float(item(x))


def to_python_int(x: Tensor) -> int:
    """``int(x)`` of a tensor of one element."""
    return int(item(x))


def to_python_bool(x: Tensor) -> bool:
    """``bool(x)`` of a tensor of one element.

    Raises:
        ShapeError: there are several: which of them should decide?
    """
    if x.array.size != 1:
        raise ShapeError(
            "bool",
            expected="a tensor of one element",
            got=f"shape {x.shape}",
            hint="say .any() or .all()",
        )
    return bool(item(x))


def to_python_index(x: Tensor) -> int:
    """An integer tensor of one element where Python wants an index: ``items[x]``.

    Raises:
        DtypeError: it is not of integers, or of more than one.
    """
    if x.array.size != 1 or x.dtype.kind not in "iu":
        raise DtypeError(
            "index",
            expected="an integer tensor of one element",
            got=f"{x.dtype.name} of shape {x.shape}",
            hint="use int(x) to convert",
        )
    return int(item(x))


def length(x: Tensor) -> int:
    """``len(x)``: the size of the first dimension.

    Raises:
        DtypeError: a 0-d tensor has none (a TypeError, as Python's own len raises).
    """
    if not x.ndim:
        raise _no_dimension("len")
    return int(x.shape[0])


def iterate(x: Tensor) -> Iterator[Tensor]:
    """``for row in x``: x[0], x[1], ... as recorded views."""
    if not x.ndim:
        raise _no_dimension("iter")
    return iter(unbind(x))


def contains(x: Tensor, value: Any) -> bool:
    """``value in x``: whether any element equals value."""
    refuse_reading("in")
    return bool(eq(x, value).array.any())


def _no_dimension(op: str) -> DtypeError:
    return DtypeError(
        op,
        expected="a tensor with at least one dimension",
        got="a 0-d tensor",
        hint="use item() for its value",
    )


# -- what it is like -------------------------------------------------------------------------


def size(x: Tensor, dim: int | None = None) -> Any:
    """The shape, or the size of one dimension."""
    return x.shape if dim is None else x.shape[_dim_of("size", x, dim)]


def stride(x: Tensor, dim: int | None = None) -> Any:
    """Steps between neighbours, counted in elements; of all dimensions or of one."""
    steps = tuple(step // x.array.itemsize for step in x.array.strides)
    return steps if dim is None else steps[_dim_of("stride", x, dim)]


def _dim_of(op: str, x: Tensor, dim: int) -> int:
    if not x.ndim:
        raise _no_dimension(op)
    return normalize_dim(op, dim, x.ndim)


def dim(x: Tensor) -> int:
    """The number of dimensions."""
    return x.ndim


def numel(x: Tensor) -> int:
    """The number of elements."""
    return math.prod(x.shape)


def element_size(x: Tensor) -> int:
    """Bytes per element."""
    return x.dtype.itemsize


def is_floating_point(x: Tensor) -> bool:
    """Whether float32 or float64."""
    return x.dtype.kind == "f"


def is_contiguous(x: Tensor) -> bool:
    """Whether the elements lie in memory in the order of their indices, without gaps."""
    return bool(x.array.flags.c_contiguous)


def data_ptr(x: Tensor) -> int:
    """The address of the first element, on its device."""
    array = x.array
    interface = getattr(array, "__cuda_array_interface__", None)
    return int((array.__array_interface__ if interface is None else interface)["data"][0])


# -- copies ----------------------------------------------------------------------------------


def contiguous(x: Tensor) -> Tensor:
    """x itself if its elements lie in order without gaps, else a copy that does."""
    return x if is_contiguous(x) else clone(x)


# -- copy and pickle -------------------------------------------------------------------------


def deep_copy(x: Tensor, memo: dict[int, Any]) -> Tensor:
    """``copy.deepcopy(x)`` of a leaf: new memory, .grad included, no history.

    Raises:
        GraphError: an op made x.
    """
    _need_leaf("deepcopy", x)
    out = type(x).__new__(type(x))
    memo[id(x)] = out
    for name, value in _state(x).items():
        out.__dict__[name] = value.copy() if is_array(value) else copy.deepcopy(value, memo)
    return out


def reduce_leaf(x: Tensor, protocol: Any) -> tuple[Any, ...]:
    """How a leaf crosses to another process: as a NumPy array on its device.

    Raises:
        GraphError: an op made x.
    """
    _need_leaf("pickle", x)
    state = _state(x)
    state["array"] = backend_of(x.array).to_numpy(x.array)
    return (_rebuild, (type(x), str(x.device), state))


def _state(x: Tensor) -> dict[str, Any]:
    """All that is x's own; its place among views and its hooks are not."""
    return {k: v for k, v in x.__dict__.items() if k not in ("_version", "_view_n", "_hooks")}


def _rebuild(cls: type[Tensor], device: str, state: dict[str, Any]) -> Tensor:
    out = cls.__new__(cls)
    out.__dict__.update(state)
    out.array = backend_for(make_device(device)).asarray(state["array"])
    return out


def _need_leaf(op: str, x: Tensor) -> None:
    if x.node is not None:
        raise GraphError(
            op,
            expected="a leaf: a tensor that no recorded op made",
            got=f"the output of {x.node.name}",
            hint="take x.detach() first",
        )
