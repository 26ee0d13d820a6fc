"""Dtypes by PyTorch's names, and PyTorch's rules of promotion.

A dtype is NumPy's own ``np.dtype``. Promotion differs from NumPy's in two points: integers meet
floats at the float's width (int64 + float32 is float32), and a 0-d tensor or a Python scalar only
counts when it is of a higher kind (bool < integer < float) than every tensor with dimensions.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any, TypeAlias

import numpy as np

from nnlite.errors import DtypeError

Dtype: TypeAlias = np.dtype[Any]

float64: Dtype = np.dtype("float64")
float32: Dtype = np.dtype("float32")
int64: Dtype = np.dtype("int64")
int32: Dtype = np.dtype("int32")
int16: Dtype = np.dtype("int16")
int8: Dtype = np.dtype("int8")
uint8: Dtype = np.dtype("uint8")
bool_: Dtype = np.dtype("bool")

DEFAULT_FLOAT = float32
SUPPORTED = {d: d for d in (float64, float32, int64, int32, int16, int8, uint8, bool_)}
"""To itself: dtypes may be equal and yet two objects, and ops ask first whether they are one."""

_ALIASES: dict[object, Dtype] = {
    float: float32,
    int: int64,
    bool: bool_,
    "float": float32,
    "double": float64,
    "int": int32,
    "long": int64,
    "short": int16,
}
_KIND_RANK = {"b": 0, "u": 1, "i": 1, "f": 2}


def as_dtype(dtype: object, op: str = "dtype") -> Dtype:
    """A supported dtype from ``nnlite.float32``, ``np.float32``, ``"float32"``, ``float`` ...

    As in PyTorch, ``float`` means float32, ``int`` int64 and ``"int"`` int32.

    Raises:
        DtypeError: not a dtype, or one that nnlite does not compute in (float16, complex, object).
    """
    try:
        found = _ALIASES.get(dtype)
    except TypeError:  # not hashable, so surely no dtype
        found = None
    given: Dtype | None = None
    if found is None:
        with suppress(TypeError):
            given = np.dtype(dtype)  # type: ignore[call-overload]
            found = SUPPORTED.get(given.newbyteorder("="))
    if found is None:
        raise DtypeError(
            op,
            "dtype",
            expected="one of " + ", ".join(sorted(d.name for d in SUPPORTED)),
            got=repr(dtype) if given is None else given.name,
            hint="half precision and complex numbers are not supported",
        )
    return found


def is_float(dtype: Dtype) -> bool:
    """Whether a dtype can carry a gradient."""
    return dtype.kind == "f"


def scalar_dtype(value: object) -> Dtype | None:
    """The dtype that a Python number stands for, or None where value is none."""
    if isinstance(value, (bool, np.bool_)):
        return bool_
    if isinstance(value, (int, np.integer)):
        return int64
    if isinstance(value, (float, np.floating)):
        return DEFAULT_FLOAT
    return None


def _promote_equals(a: Dtype, b: Dtype) -> Dtype:
    if _KIND_RANK[a.kind] != _KIND_RANK[b.kind]:
        return a if _KIND_RANK[a.kind] > _KIND_RANK[b.kind] else b
    return np.promote_types(a, b)


def promote(dimensioned: list[Dtype], zero_dim: list[Dtype], scalars: list[Dtype]) -> Dtype:
    """The common dtype of tensors with dimensions, 0-d tensors and Python scalars.

    Source: torch.result_type, "Type promotion" in PyTorch's tensor attributes.
    """
    result: Dtype | None = None
    for group in (dimensioned, zero_dim, scalars):
        if not group:
            continue
        common = group[0]
        for dtype in group[1:]:
            common = _promote_equals(common, dtype)
        if result is None or _KIND_RANK[common.kind] > _KIND_RANK[result.kind]:
            result = common
    assert result is not None, "promote needs at least one dtype"
    return result
