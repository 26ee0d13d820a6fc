"""Classes as targets of a loss: checked, laid out, weighted."""

from __future__ import annotations

from typing import Any

from nnlite.autograd.tape import traced
from nnlite.autograd.tensor import Tensor
from nnlite.backend import NUMPY, Array, Dtype, array_module, backend_of
from nnlite.backend.dtypes import bool_, int64
from nnlite.errors import ArgumentError, DtypeError, NnliteIndexError, ShapeError
from nnlite.ops.arithmetic import div
from nnlite.ops.common import as_index, as_tensor, check_same_device, need_float, wrap_result
from nnlite.ops.reduce import sum
from nnlite.ops.reduction import check_one_dtype


class Targets:
    """The classes of the samples, checked, with a size-1 dimension where input has its classes.

    Without ignore_index no class is ignored.

    Attributes:
        index: the class of each sample; 0 where it is ignored.
        valid: False where it is ignored.
        factor: the weight of each sample's class, 0 where it is ignored.
    """

    def __init__(
        self,
        op: str,
        x: Tensor,
        target: Any,
        weight: Tensor | None,
        dim: int,
        ignore_index: int | None = None,
    ) -> None:
        t, w = as_tensor(op, target, "target"), check_weight(op, x, weight, dim)
        check_same_device(op, x, t)
        _check_shape(op, x, t, dim)
        ignored = None if ignore_index is None else as_index(op, "ignore_index", ignore_index)
        found = traced(_prepared, op, t, x.shape, x.dtype, w, dim, ignored)
        self.index, self.valid, self.factor = found

    def reduced(self, losses: Tensor, reduction: str) -> Tensor:
        """The losses, their sum, or their sum over the sum of the samples' weights."""
        if reduction == "none":
            return losses
        total = sum(losses)
        return total if reduction == "sum" else div(total, traced(_total, self.factor, losses))


def _total(factor: Array, losses: Tensor) -> Tensor:
    return wrap_result(factor.sum(), losses)


def _prepared(
    op: str,
    target: Tensor,
    shape: tuple[int, ...],
    dtype: Dtype,
    w: Tensor | None,
    dim: int,
    ignored: int | None,
) -> tuple[Array, Array, Array]:
    """index, valid and factor of Targets."""
    labels = target.array
    n, xp = shape[dim], array_module(labels)
    index = labels.astype(int64).reshape((*labels.shape[:dim], 1, *labels.shape[dim:]))
    valid = xp.ones_like(index, dtype=bool_) if ignored is None else index != ignored
    outside = valid & ((index < 0) | (index >= n))
    here = backend_of(labels) is NUMPY
    if here and bool(outside.any()):
        raise NnliteIndexError(
            op,
            "target",
            expected=f"labels from 0 to {n - 1}: input {shape} has {n} classes",
            got=f"label {int(index[outside][0])}",
            hint="labels count from 0; ignore_index names one to leave out",
        )
    index = xp.where(valid & ~outside, index, 0)
    factor = valid.astype(dtype)
    if not here:  # to look would be to wait for the device: the loss is NaN instead
        factor = xp.where(outside, xp.nan, factor).astype(dtype)
    return index, valid, factor * w.array[index] if w is not None and n else factor


def check_weight(op: str, x: Tensor, weight: Any, dim: int) -> Tensor | None:
    """The factors of the classes along dim of x, checked, or None.

    Raises:
        ShapeError: not one per class.
        DtypeError: another dtype than x's.
        ArgumentError: they require a gradient, which none of the losses gives.
    """
    if weight is None:
        return None
    w = need_float(op, weight, "weight")
    check_one_dtype(op, x, w, "weight")
    n = x.shape[dim]
    if w.shape != (n,):
        raise ShapeError(
            op,
            "weight",
            expected=f"shape ({n},), one number per class of input {x.shape}",
            got=f"shape {w.shape}",
            hint="the classes are dimension 1, or dimension 0 of a single sample",
        )
    if w.requires_grad:
        raise ArgumentError(
            op,
            "weight",
            expected="constant class weights",
            got="a tensor that requires a gradient",
            hint="pass weight.detach()",
        )
    return w


def _check_shape(op: str, x: Tensor, t: Tensor, dim: int) -> None:
    expected = x.shape[:dim] + x.shape[dim + 1 :]
    if t.dtype.kind not in "iu":
        raise DtypeError(
            op,
            "target",
            expected="integer classes",
            got=t.dtype.name,
            hint="convert labels with .long()",
        )
    if t.shape != expected:
        raise ShapeError(
            op,
            "target",
            expected=f"classes of shape {expected}: input {x.shape} without dimension {dim}",
            got=f"shape {t.shape}",
            hint="one-hot rows are probabilities: convert them with .float(), "
            "or take .argmax(1) for classes",
        )
