"""bilinear: a form that is linear in each of two inputs."""

from __future__ import annotations

from typing import Any

from nnlite.autograd.tensor import Tensor
from nnlite.errors import DtypeError, ShapeError
from nnlite.ops.arithmetic import add
from nnlite.ops.common import check_same_device, need_float
from nnlite.ops.einsum import einsum

__all__ = ["bilinear"]


def bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """y[o] = sum over i, j of input1[i] * weight[o, i, j] * input2[j], plus bias[o], row by row.

    Shapes: input1 (*, in1), input2 (*, in2), weight (out, in1, in2), bias (out,) -> (*, out). The
    derivative to each of the three is the same sum with gy[o] in its place.

    Raises:
        ShapeError: sizes that do not fit together; the sizes * must be equal, they do not
            broadcast.
        DtypeError: integers, or two dtypes.
    """
    x1, x2 = need_float("bilinear", input1, "input1"), need_float("bilinear", input2, "input2")
    w = need_float("bilinear", weight, "weight")
    b = None if bias is None else need_float("bilinear", bias, "bias")
    _check_kinds({"input2": x2, "weight": w, "bias": b}, x1)
    if w.ndim != 3:
        raise _misfit("weight", "3 dimensions (out, in1, in2)", w.shape)
    for argument, x, n in (("input1", x1, w.shape[1]), ("input2", x2, w.shape[2])):
        if x.ndim == 0 or x.shape[-1] != n:
            raise _misfit(argument, f"last size {n}, as weight {w.shape} has", x.shape)
    if x1.shape[:-1] != x2.shape[:-1]:
        raise _misfit("input2", f"the sizes {x1.shape[:-1]} of input1 before the last", x2.shape)
    if b is not None and b.shape != w.shape[:1]:
        raise _misfit("bias", f"shape {w.shape[:1]}, as weight {w.shape} has", b.shape)
    y = einsum("...i,oij,...j->...o", x1, w, x2)
    return y if b is None else add(y, b)


def _check_kinds(others: dict[str, Tensor | None], x: Tensor) -> None:
    for argument, t in others.items():
        if t is None:
            continue
        check_same_device("bilinear", x, t)
        if t.dtype != x.dtype:
            raise DtypeError(
                "bilinear",
                argument,
                expected=f"{x.dtype.name}, as input1 has",
                got=t.dtype.name,
                hint=f"convert it with .to(nnlite.{x.dtype.name})",
            )


def _misfit(argument: str, expected: str, shape: Any) -> ShapeError:
    return ShapeError(
        "bilinear",
        argument,
        expected=expected,
        got=f"shape {shape}",
        hint="input1 (*, in1), input2 (*, in2), weight (out, in1, in2)",
    )
