"""embedding: rows of a table, by their number."""

from __future__ import annotations

from typing import Any

from nnlite.autograd.op import Op
from nnlite.autograd.tape import traced
from nnlite.autograd.tensor import Tensor, wrap
from nnlite.backend import NUMPY, Array, array_module, backend_of, quiet
from nnlite.backend.dtypes import int64
from nnlite.errors import ArgumentError, DtypeError, NnliteIndexError, ShapeError
from nnlite.ops.common import as_index, as_tensor, check_flag, check_same_device, need_float
from nnlite.ops.inplace import check_writable
from nnlite.ops.kernels.cuda.embedding import take_rows
from nnlite.ops.reduce import norm

__all__ = ["check_padding_idx", "embedding"]


class Lookup(Op):
    """The rows of w at index: (V, D), (*) -> (*, D).

    d/dw = gy added to the rows that it came from, as often as they occur; none to row padding.

    Parameters: padding, a row or None; blank: give zeros for it (the adjoint of the gradient).
    """

    @staticmethod
    def forward(ctx: Any, w: Array, *, index: Array, padding: int | None, blank: bool) -> Array:
        ctx.rows = w.shape[0]
        y = take_rows(w, index)  # (*, D)
        if blank and padding is not None:
            y[index == padding] = 0
        return y

    @staticmethod
    def backward(ctx: Any, gy: Any) -> Any:
        return Collect.call(gy, index=ctx.index, padding=ctx.padding, rows=ctx.rows)


class Collect(Op):
    """The gradient of Lookup: (*, D) -> (V, D).  d/dgy = the rows of the gradient at index."""

    @staticmethod
    def forward(ctx: Any, gy: Array, *, index: Array, padding: int | None, rows: int) -> Array:
        g = array_module(gy).zeros((rows, gy.shape[-1]), dtype=gy.dtype)  # (V, D)
        flat = index.reshape(-1)
        backend_of(gy).scatter_add(g, flat, gy.reshape(flat.shape[0], gy.shape[-1]))
        if padding is not None:
            g[padding] = 0
        return g

    @staticmethod
    def backward(ctx: Any, ggw: Any) -> Any:
        return Lookup.call(ggw, index=ctx.index, padding=ctx.padding, blank=True)


class Scale(Op):
    """x itself.  d/dx = gy * share, with a constant share for each row."""

    @staticmethod
    def forward(ctx: Any, x: Array, *, share: Array) -> Array:
        return x.copy()

    @staticmethod
    def backward(ctx: Any, gy: Any) -> Any:
        return gy * ctx.share


# -- public ----------------------------------------------------------------------------------


def embedding(
    input: Tensor,
    weight: Tensor,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:
    """weight[input]: for each number in input, that row of weight.

    The derivative to weight adds gy to the rows that it came from, as often as they occur.

    Args:
        input: (*), int64 or int32, each from 0 to V - 1.
        weight: (V, D), of any dtype; with max_norm or scale_grad_by_freq float32 or float64.
        padding_idx: a row that gets no gradient; negative ones count from the end.
        max_norm: rows that input names and whose norm is larger are first brought to it, in
            place, and without a gradient.
        norm_type: the p of that norm.
        scale_grad_by_freq: divide the gradient of a row by how often it occurs in input.
        sparse: accepted, as PyTorch's scripts give it; the gradient is dense in any case, and
            ``optim.SparseAdam`` leaves the rows alone whose gradient is 0.

    Returns:
        (*, D), of weight's dtype.

    Raises:
        NnliteIndexError: a number outside; negative ones do not count from the end. On a device,
            which would have to be waited for, its row of a table of floats is NaN instead, and the
            error comes with the next ``nnlite.cuda.synchronize()``.
        DtypeError: an input of other than int64 and int32.
        ShapeError: a weight that is no matrix.
        ArgumentError: padding_idx outside, or a max_norm that is not above 0.
    """
    w, i = as_tensor("embedding", weight, "weight"), as_tensor("embedding", input)
    check_same_device("embedding", w, i)
    check_flag("embedding", "scale_grad_by_freq", scale_grad_by_freq)
    if i.dtype.kind != "i" or i.dtype.itemsize < 4:
        raise DtypeError(
            "embedding",
            "input",
            expected="int64 or int32",
            got=i.dtype.name,
            hint="convert it with .long(); the first argument holds the numbers, not the table",
        )
    if w.ndim != 2:
        raise ShapeError(
            "embedding",
            "weight",
            expected="a matrix (numbers, features)",
            got=str(w.shape),
            hint="one row for each number",
        )
    if max_norm is not None or scale_grad_by_freq:
        w = need_float("embedding", w, "weight")
    padding = check_padding_idx("embedding", padding_idx, w.shape[0])
    index = traced(_rows, i, w)
    if max_norm is not None:
        _shorten(w, index, max_norm, norm_type)
    out: Tensor = Lookup.apply(w, index=index, padding=padding, blank=False)
    return _shared(out, index, w.shape[0]) if scale_grad_by_freq and index.size else out


def check_padding_idx(op: str, padding_idx: Any, rows: int) -> int | None:
    """A row counted from the front, or None.

    Raises:
        DtypeError: no whole number.
        ArgumentError: outside [-rows, rows).
    """
    if padding_idx is None:
        return None
    row = as_index(op, "padding_idx", padding_idx)
    if not -rows <= row < rows:
        raise ArgumentError(
            op,
            "padding_idx",
            expected=f"a row from {-rows} to {rows - 1}",
            got=str(row),
            hint="it is a row of the table, not a value beside it",
        )
    return row % rows


def _rows(numbers: Tensor, w: Tensor) -> Array:
    index = numbers.array
    # a copy: what is written into input afterwards is none of backward's business
    rows = index.astype(int64)
    if not index.size or backend_of(index) is not NUMPY:  # to look would be to wait for a device
        return rows
    low, high = int(index.min()), int(index.max())
    if low < 0 or high >= w.shape[0]:
        raise NnliteIndexError(
            "embedding",
            "input",
            expected=f"numbers from 0 to {w.shape[0] - 1}: weight {w.shape} has {w.shape[0]} rows",
            got=str(low if low < 0 else high),
            hint="negative numbers do not count from the end here",
        )
    return rows


def _shared(y: Tensor, index: Array, rows: int) -> Tensor:
    """y, whose gradient is divided by how often its row occurs."""
    often = array_module(index).bincount(index.reshape(-1), minlength=rows)[index]
    out: Tensor = Scale.apply(y, share=(1 / often).astype(y.dtype)[..., None])
    return out


def _shorten(w: Tensor, index: Array, max_norm: float, norm_type: float) -> None:
    """Bring the named rows whose norm is above max_norm to it, in place."""
    if isinstance(max_norm, bool) or not isinstance(max_norm, (int, float)):
        raise DtypeError(
            "embedding", "max_norm", expected="a number", got=repr(max_norm), hint="try 1.0"
        )
    if not max_norm > 0:
        raise ArgumentError(
            "embedding",
            "max_norm",
            expected="a number above 0",
            got=repr(max_norm),
            hint="None leaves the rows as they are",
        )
    check_writable(w, "embedding")
    rows = array_module(index).unique(index)
    lengths = norm(wrap(w.array[rows]), norm_type, 1, keepdim=True).array
    with quiet():
        factors = array_module(lengths).where(
            lengths > max_norm, float(max_norm) / (lengths + 1e-7), 1.0
        )
    w.array[rows] = w.array[rows] * factors.astype(w.dtype)
    w.bump_version()
