"""Sorting, counting and running sums."""

from __future__ import annotations

from typing import Any, NamedTuple

from nnlite.autograd.op import Op
from nnlite.autograd.tape import refuse_reading, retraced
from nnlite.autograd.tensor import Tensor, wrap
from nnlite.backend import NUMPY, Array, array_module, as_dtype, backend_of
from nnlite.backend.dtypes import int64
from nnlite.errors import ArgumentError, DtypeError, NnliteIndexError, ShapeError
from nnlite.ops.common import (
    as_index,
    as_tensor,
    cast,
    check_flag,
    check_same_device,
    need_numbers,
    normalize_dim,
)
from nnlite.ops.gather_scatter import gather
from nnlite.ops.index_forms import check_indices
from nnlite.ops.indexing import take_range
from nnlite.ops.sizes import check_size

__all__ = ["argsort", "bincount", "cumsum", "nonzero", "one_hot", "sort", "topk", "unique"]


class Cumsum(Op):
    """y_i = x_0 + ... + x_i along dim.  d/dx_i = gy_i + gy_(i+1) + ... to the end."""

    @staticmethod
    def forward(ctx: Any, x: Array, *, dim: int, reverse: bool = False) -> Array:
        turn = (slice(None),) * dim + (slice(None, None, -1),)
        if reverse:
            return x[turn].cumsum(axis=dim, dtype=x.dtype)[turn]
        return x.cumsum(axis=dim, dtype=x.dtype)

    @staticmethod
    def backward(ctx: Any, gy: Any) -> Any:
        return Cumsum.call(gy, dim=ctx.dim, reverse=not ctx.reverse)


class SortResult(NamedTuple):
    """What sort and topk return."""

    values: Tensor
    indices: Tensor


def cumsum(input: Tensor, dim: int, *, dtype: object = None) -> Tensor:
    """Running sums along dim; integers and booleans are summed as int64."""
    x = as_tensor("cumsum", input)
    d = normalize_dim("cumsum", dim, x.ndim)
    if dtype is not None or x.dtype.kind != "f":
        x = cast(x, int64 if dtype is None else as_dtype(dtype, "cumsum"))
    if not x.ndim:
        return x
    out: Tensor = Cumsum.apply(x, dim=d, reverse=False)
    return out


def argsort(input: Tensor, dim: int = -1, descending: bool = False, stable: bool = False) -> Tensor:
    """The indices that sort input along dim, int64; always stable. NaN counts as the largest."""
    check_flag("argsort", "descending", descending)
    check_flag("argsort", "stable", stable)
    x = as_tensor("argsort", input)
    d = normalize_dim("argsort", dim, x.ndim)
    xp = array_module(x.array)
    if not x.ndim:
        return wrap(xp.zeros((), dtype=int64))
    if not descending:
        return wrap(xp.argsort(x.array, axis=d, kind="stable").astype(int64, copy=False))
    # sorting the reversed array and reversing the result keeps equal elements in their order
    back = xp.flip(x.array, d)
    order = x.shape[d] - 1 - xp.argsort(back, axis=d, kind="stable")
    return wrap(xp.flip(order, d).astype(int64))


def sort(
    input: Tensor, dim: int = -1, descending: bool = False, stable: bool = False
) -> SortResult:
    """(values, indices) sorted along dim; always stable. NaN counts as the largest.

    Derivative: gy goes back to where each value came from.
    """
    check_flag("sort", "stable", stable)
    x = as_tensor("sort", input)
    order = argsort(x, dim, descending)
    return SortResult(gather(x, dim, order), order)


def topk(
    input: Tensor, k: int, dim: int = -1, largest: bool = True, sorted: bool = True
) -> SortResult:
    """The k largest (or smallest) along dim as (values, indices), in order.

    Raises:
        ArgumentError: k is negative or larger than the dimension.
    """
    check_flag("topk", "largest", largest)
    check_flag("topk", "sorted", sorted)
    x = need_numbers("topk", input)
    d = normalize_dim("topk", dim, x.ndim)
    n, count = (x.shape[d] if x.ndim else 1), as_index("topk", "k", k)
    if not 0 <= count <= n:
        raise ArgumentError(
            "topk",
            "k",
            expected=f"0 to {n}, as dimension {d} has",
            got=str(count),
            hint="check dim",
        )
    order = argsort(x, d, descending=largest)
    if x.ndim:
        order = wrap(take_range(order, d, 0, count).array.copy())
    return SortResult(gather(x, d, order), order)


def unique(
    input: Tensor,
    sorted: bool = True,
    return_inverse: bool = False,
    return_counts: bool = False,
) -> Any:
    """The different elements in ascending order, as a 1-d tensor; outside the graph.

    Returns:
        the elements, or a tuple with the index of each of input's elements among them
        (return_inverse) and how often each occurs (return_counts).
    """
    for name, flag in (("return_inverse", return_inverse), ("return_counts", return_counts)):
        check_flag("unique", name, flag)
    check_flag("unique", "sorted", sorted)
    refuse_reading("unique")
    x = as_tensor("unique", input).array
    found = array_module(x).unique(x, return_inverse=True, return_counts=True)
    values, inverse, counts = found[0], found[1].reshape(x.shape), found[2]
    out = [wrap(values)]
    if return_inverse:
        out.append(wrap(inverse.astype(int64, copy=False)))
    if return_counts:
        out.append(wrap(counts.astype(int64, copy=False)))
    return tuple(out) if len(out) > 1 else out[0]


def nonzero(input: Tensor, *, as_tuple: bool = False) -> Any:
    """The indices of all elements other than 0: int64 (count, ndim), or a tuple of 1-d Tensors."""
    refuse_reading("nonzero")
    x = as_tensor("nonzero", input).array
    xp = array_module(x)
    found = x.nonzero() if x.ndim else x.reshape(1).nonzero()
    if as_tuple:
        return tuple(wrap(i) for i in found)
    if not x.ndim:
        return wrap(xp.zeros((found[0].size, 0), dtype=int64))
    return wrap(xp.stack(found, axis=1))


@retraced
def one_hot(tensor: Tensor, num_classes: int = -1) -> Tensor:
    """int64 (*, num_classes): 1 at the class that tensor names, 0 elsewhere.

    Args:
        num_classes: -1 takes the largest class and one more.

    Raises:
        DtypeError: tensor is not of integers.
        NnliteIndexError: a class below 0, or num_classes or more.
        ShapeError: an absurd num_classes, or an empty tensor without num_classes.
    """
    x = as_tensor("one_hot", tensor, "tensor")
    i = _integers("one_hot", "tensor", x)
    count = as_index("one_hot", "num_classes", num_classes)
    if count == -1 and i.size:
        count = int(i.max()) + 1
    if count < 1:
        raise ShapeError(
            "one_hot",
            "num_classes",
            expected="1 or more, or -1 with a tensor that is not empty",
            got=str(num_classes),
            hint="give the number of classes",
        )
    shape = check_size("one_hot", (*i.shape, count), "num_classes")
    _check_classes("one_hot", i, count)
    classes = array_module(i).arange(count)
    return wrap((i.reshape((*i.shape, 1)) == classes).reshape(shape).astype(int64))


@retraced
def bincount(input: Tensor, weights: Tensor | None = None, minlength: int = 0) -> Tensor:
    """How often each of 0, 1, 2 ... occurs in a 1-d integer tensor, or the sum of its weights.

    Raises:
        DtypeError: input is not of integers.
        ShapeError: more than one dimension, weights of another shape, absurdly large numbers.
        NnliteIndexError: a negative number.
    """
    x = as_tensor("bincount", input)
    i = _integers("bincount", "input", x)
    if i.ndim != 1:
        raise ShapeError(
            "bincount", "input", expected="one dimension", got=str(i.shape), hint="flatten() it"
        )
    least = as_index("bincount", "minlength", minlength)
    count = max(least, int(i.max()) + 1 if i.size else 0)
    check_size("bincount", (least, count), "minlength")
    _check_classes("bincount", i, count)
    if weights is None:
        return wrap(array_module(i).bincount(i, minlength=count).astype(int64, copy=False))
    w = as_tensor("bincount", weights, "weights")
    check_same_device("bincount", x, w)
    if w.shape != i.shape:
        raise ShapeError(
            "bincount", "weights", expected=str(i.shape), got=str(w.shape), hint="one per element"
        )
    kind = w.dtype if w.dtype.kind == "f" else "float64"
    total = array_module(i).zeros(count, dtype=kind)
    backend_of(total).scatter_add(total, i, w.array.astype(kind, copy=False))
    return wrap(total)


def _integers(op: str, argument: str, x: Tensor) -> Array:
    if x.dtype.kind not in "iu":
        raise DtypeError(
            op, argument, expected="integers", got=x.dtype.name, hint="convert it with .long()"
        )
    return x.array


def _check_classes(op: str, i: Array, count: int) -> None:
    if backend_of(i) is NUMPY and i.size and int(i.min()) < 0:
        raise NnliteIndexError(
            op, "input", expected="numbers of 0 or more", got=str(int(i.min())), hint="count from 0"
        )
    check_indices(op, i, count, 0)
