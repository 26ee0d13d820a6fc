"""Products of matrices: matmul and its relatives, and the linear layer's function."""

from __future__ import annotations

from typing import Any

from numpy import ndarray

from nnlite.autograd.op import Op
from nnlite.autograd.tensor import Tensor
from nnlite.backend import Array, array_module, backend_of, same_device
from nnlite.errors import DtypeError, ShapeError
from nnlite.ops.arithmetic import add, mul
from nnlite.ops.common import (
    MAX_ELEMENTS,
    Number,
    as_tensor,
    check_broadcast,
    check_elements,
    check_same_device,
    check_same_dtype,
    need_float,
    need_numbers,
)
from nnlite.ops.kernels.layout import is_batch_innermost
from nnlite.ops.kernels.product import product
from nnlite.ops.shape import reshape

__all__ = ["addmm", "bmm", "dot", "linear", "matmul", "mm", "mv", "outer"]


class Matmul(Op):
    """a @ b over the last two dimensions, the others broadcast; ta, tb: with a^T, b^T.

    Without ta, and with b a matrix, a may have any number of dimensions, one included.
    columns: lay the result out by columns, where a is a matrix too.
    d/da = gy @ b^T,  d/db = a^T @ gy, with the transposes that ta and tb ask for.
    """

    @staticmethod
    def forward(
        ctx: Any, a: Array, b: Array, *, ta: bool, tb: bool, columns: bool = False
    ) -> Array:
        need_a, need_b = ctx.needs_input_grad[:2]
        if need_a:
            ctx.save_inputs(1)
        if need_b:
            ctx.save_inputs(0)
        ctx.rows = rows = not ta and b.ndim == 2
        if tb:
            b = b.swapaxes(-1, -2)
        if rows:
            # one large product in place of many small ones
            y = product(_flat(a), b, columns)
            return y if a.ndim == 2 else y.reshape(a.shape[:-1] + b.shape[-1:])
        a = a.swapaxes(-1, -2) if ta else a
        return product(a, b) if a.ndim == b.ndim == 2 else backend_of(a).matmul(a, b)

    @staticmethod
    def backward(ctx: Any, gy: Any) -> Any:
        need_a, need_b = ctx.needs_input_grad
        ta, tb = ctx.ta, ctx.tb
        ga = gb = None
        if need_a:
            b = ctx.input(1)
            if ta:
                ga = Matmul.call(b, gy, ta=tb, tb=True)
            else:
                ga = Matmul.call(gy, b, ta=False, tb=not tb)
        if need_b:
            a = ctx.input(0)
            if ctx.rows:
                gb = RowProduct.call(gy, a) if tb else RowProduct.call(a, gy)
            elif tb:
                gb = Matmul.call(gy, a, ta=True, tb=ta)
            else:
                gb = Matmul.call(a, gy, ta=not ta, tb=False)
        return ga, gb


class RowProduct(Op):
    """The sum over all rows of the outer products: a (*, m), b (*, n) -> (m, n).

    The gradient of a weight that was applied to each row.  d/da = b @ gy^T,  d/db = a @ gy.
    """

    @staticmethod
    def forward(ctx: Any, a: Array, b: Array) -> Array:
        ctx.save_inputs(0, 1)
        return product(_flat(a).T, _flat(b))

    @staticmethod
    def backward(ctx: Any, gy: Any) -> Any:
        need_a, need_b = ctx.needs_input_grad
        ga = Matmul.call(ctx.input(1), gy, ta=False, tb=True) if need_a else None
        gb = Matmul.call(ctx.input(0), gy, ta=False, tb=False) if need_b else None
        return ga, gb


class Linear(Op):
    """x @ w^T + b for each row of x.  d/dx = gy @ w,  d/dw = sum over rows of gy^T x,  d/db = gy.

    Shapes: x (*, in), w (out, in), b (out,) -> (*, out).
    """

    @staticmethod
    def forward(ctx: Any, x: Array, w: Array, b: Array) -> Array:
        need_x, need_w = ctx.needs_input_grad[:2]
        if need_x:
            ctx.save_inputs(1)
        if need_w:
            ctx.save_inputs(0)
        if need_x:
            ctx.columns = is_batch_innermost(x)  # as convolution leaves it; gx is laid out alike
        y = product(_flat(x), w.T)  # (rows, out)
        y += b
        return y if x.ndim == 2 else y.reshape(x.shape[:-1] + w.shape[:1])

    @staticmethod
    def backward(ctx: Any, gy: Any) -> Any:
        need_x, need_w, need_b = ctx.needs_input_grad
        gx = gw = None
        if need_x:
            gx = Matmul.call(gy, ctx.input(1), ta=False, tb=False, columns=ctx.columns)
        if need_w:
            gw = RowProduct.call(gy, ctx.input(0))
        # the engine sums gy over the rows to b's shape
        return gx, gw, (gy if need_b else None)


class Dot(Op):
    """The sum of a * b of two vectors.  d/da = gy * b,  d/db = gy * a."""

    @staticmethod
    def forward(ctx: Any, a: Array, b: Array) -> Array:
        ctx.save_inputs(0, 1)
        return array_module(a).dot(a, b)

    @staticmethod
    def backward(ctx: Any, gy: Any) -> Any:
        need_a, need_b = ctx.needs_input_grad
        return (gy * ctx.input(1) if need_a else None), (gy * ctx.input(0) if need_b else None)


def _flat(x: Array) -> Array:
    """All rows of x in one matrix."""
    if x.ndim == 2:
        return x
    n = 1  # counted, because a size of -1 is undefined where x has no elements
    for size in x.shape[:-1]:
        n *= size
    return x.reshape((n, x.shape[-1]))


# -- public ----------------------------------------------------------------------------------


def matmul(input: Tensor, other: Tensor) -> Tensor:
    """The matrix product, by PyTorch's rules.

    (n, k) @ (k, m) -> (n, m); a vector counts as a row on the left and as a column on the right,
    and its dimension is dropped from the result; dimensions before the last two broadcast.

    Raises:
        ShapeError: the inner sizes differ, or the others do not broadcast; names both shapes.
        DtypeError: two dtypes.
    """
    a, b = _pair("matmul", input, other)
    if a.ndim == 0 or b.ndim == 0:
        raise ShapeError(
            "matmul",
            expected="at least one dimension on both sides",
            got=f"{a.shape} and {b.shape}",
            hint="use * to multiply by a number",
        )
    _check_inner("matmul", a, b, a.shape[-1], b.shape[-2] if b.ndim > 1 else b.shape[0])
    if a.array.size * b.array.size >= MAX_ELEMENTS:  # no result is larger than that
        rows, columns = a.shape[:-1], b.shape[-1:] if b.ndim > 1 else ()
        check_elements("matmul", rows + columns)
    out: Tensor
    if a.ndim == 1 and b.ndim == 1:
        out = Dot.apply(a, b)
    elif b.ndim == 1:
        out = Matmul.apply(a, reshape(b, (b.shape[0], 1)), ta=False, tb=False)
        out = reshape(out, a.shape[:-1])
    elif a.ndim == 1 and b.ndim > 2:
        out = Matmul.apply(reshape(a, (1, a.shape[0])), b, ta=False, tb=False)
        out = reshape(out, b.shape[:-2] + b.shape[-1:])
    else:
        if a.ndim > 2 and b.ndim > 2:
            check_broadcast("matmul", a.shape[:-2], b.shape[:-2])
        out = Matmul.apply(a, b, ta=False, tb=False)
    return out


def mm(input: Tensor, mat2: Tensor) -> Tensor:
    """The product of two matrices: (n, k) @ (k, m) -> (n, m).

    Raises:
        ShapeError: no matrices, or their inner sizes differ.
        DtypeError: two dtypes.
    """
    return _product("mm", input, mat2, 2, 2)


def bmm(input: Tensor, mat2: Tensor) -> Tensor:
    """The products of two batches of matrices: (b, n, k) @ (b, k, m) -> (b, n, m).

    Raises:
        ShapeError: not three dimensions, or batch or inner sizes differ.
        DtypeError: two dtypes.
    """
    a, b = _pair("bmm", input, mat2)
    if a.ndim == 3 and b.ndim == 3 and a.shape[0] != b.shape[0]:
        raise ShapeError(
            "bmm",
            "mat2",
            expected=f"a batch of {a.shape[0]} matrices, as input {a.shape} is",
            got=str(b.shape),
            hint="matmul broadcasts the batch, bmm does not",
        )
    return _product("bmm", a, b, 3, 3)


def mv(input: Tensor, vec: Tensor) -> Tensor:
    """A matrix times a vector: (n, k) @ (k,) -> (n,).

    Raises:
        ShapeError: other numbers of dimensions, or sizes that differ.
        DtypeError: two dtypes.
    """
    return _product("mv", input, vec, 2, 1)


def dot(input: Tensor, tensor: Tensor) -> Tensor:
    """The sum of the products of two vectors: (n,), (n,) -> ().

    Raises:
        ShapeError: no vectors, or of different lengths.
        DtypeError: two dtypes.
    """
    return _product("dot", input, tensor, 1, 1)


def outer(input: Tensor, vec2: Tensor) -> Tensor:
    """All products of the elements of two vectors: (n,), (m,) -> (n, m).

    Raises:
        ShapeError: no vectors.
    """
    a, b = as_tensor("outer", input), as_tensor("outer", vec2, "vec2")
    _check_ndim("outer", a, b, 1, 1)
    return mul(reshape(a, (a.shape[0], 1)), b)


def addmm(
    input: Tensor, mat1: Tensor, mat2: Tensor, *, beta: Number = 1, alpha: Number = 1
) -> Tensor:
    """beta * input + alpha * (mat1 @ mat2); input broadcasts to the product.

    With beta = 0 input is ignored, NaN included.

    Raises:
        ShapeError: no matrices, inner sizes that differ, or an input that does not broadcast.
        DtypeError: two dtypes.
    """
    product = _product("addmm", mat1, mat2, 2, 2)
    product = product if alpha == 1 else mul(product, alpha)
    if beta == 0:
        return product
    x = as_tensor("addmm", input)
    check_same_dtype("addmm", x, product, "mat1 @ mat2")
    check_broadcast("addmm", x.shape, product.shape)
    if x.ndim > 2:
        raise ShapeError(
            "addmm",
            "input",
            expected=f"a shape that broadcasts to {product.shape}",
            got=str(x.shape),
            hint="at most two dimensions",
        )
    return add(product, x if beta == 1 else mul(x, beta))


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """input @ weight^T + bias.

    Shapes: input (*, in), weight (out, in), bias (out,) -> (*, out).

    Raises:
        ShapeError: sizes that do not fit together; names both shapes.
        DtypeError: integers, or two dtypes.
    """
    if not _is_plain_linear(input, weight, bias):
        _check_linear(input, weight, bias)
    out: Tensor
    if bias is None:
        out = Matmul.apply(input, weight, ta=False, tb=True)
    else:
        out = Linear.apply(input, weight, bias)
    return out


# -- arguments -------------------------------------------------------------------------------


def _is_plain_linear(x: Any, w: Any, b: Any) -> bool:
    """Whether all is as it nearly always is: a quick look that spares small networks the checks."""
    if not (isinstance(x, Tensor) and isinstance(w, Tensor) and isinstance(b, Tensor)):
        return False
    xa, wa, ba = x.array, w.array, b.array
    return (
        xa.dtype is wa.dtype is ba.dtype
        and xa.dtype.kind == "f"
        and xa.__class__ is wa.__class__ is ba.__class__
        and (xa.__class__ is ndarray or (same_device(xa, wa) and same_device(wa, ba)))
        and wa.ndim == 2
        and xa.ndim > 0
        and xa.shape[-1] == wa.shape[1]
        and ba.shape == wa.shape[:1]
    )


def _check_linear(input: Any, weight: Any, bias: Any) -> None:
    x, w = need_float("linear", input), need_float("linear", weight, "weight")
    b = None if bias is None else need_float("linear", bias, "bias")
    if w.ndim != 2 or x.ndim == 0 or x.array.shape[-1] != w.array.shape[1]:
        raise _linear_shape(x, w)
    if b is not None and b.shape != w.shape[:1]:
        raise ShapeError(
            "linear",
            "bias",
            expected=f"shape {w.shape[:1]}, one number per row of weight {w.shape}",
            got=f"shape {b.shape}",
            hint="weight has the shape (out_features, in_features)",
        )
    _check_dtypes("linear", *((x, w) if b is None else (x, w, b)))


def _linear_shape(x: Tensor, w: Tensor) -> ShapeError:
    if w.ndim != 2:
        return ShapeError(
            "linear",
            "weight",
            expected="2 dimensions (out_features, in_features)",
            got=f"shape {w.shape}",
            hint="input was of shape " + str(x.shape),
        )
    return ShapeError(
        "linear",
        "input",
        expected=f"last dimension of size {w.shape[1]}, as weight {w.shape} has",
        got=f"shape {x.shape}",
        hint="weight is (out_features, in_features); flatten images with x.flatten(1)",
    )


def _pair(op: str, x: Any, y: Any) -> tuple[Tensor, Tensor]:
    a, b = need_numbers(op, x), need_numbers(op, y, "other")
    _check_dtypes(op, a, b)
    return a, b


def _check_dtypes(op: str, *tensors: Tensor) -> None:
    if len({t.array.dtype for t in tensors}) > 1:
        raise DtypeError(
            op,
            expected="tensors of one dtype",
            got=" and ".join(t.dtype.name for t in tensors),
            hint="convert one with .to(other.dtype)",
        )
    check_same_device(op, *tensors)


def _product(op: str, x: Any, y: Any, ndim_a: int, ndim_b: int) -> Tensor:
    a, b = _pair(op, x, y)
    _check_ndim(op, a, b, ndim_a, ndim_b)
    _check_inner(op, a, b, a.shape[-1], b.shape[-2] if ndim_b > 1 else b.shape[0])
    return matmul(a, b)


def _check_ndim(op: str, a: Tensor, b: Tensor, ndim_a: int, ndim_b: int) -> None:
    if a.ndim != ndim_a or b.ndim != ndim_b:
        raise ShapeError(
            op,
            expected=f"{ndim_a} and {ndim_b} dimensions",
            got=f"{a.shape} and {b.shape}",
            hint="matmul takes any number of dimensions",
        )


def _check_inner(op: str, a: Tensor, b: Tensor, k: int, other: int) -> None:
    if k != other:
        raise ShapeError(
            op,
            expected=f"other with inner size {k}, as input {a.shape} has",
            got=f"{other} in {b.shape}",
            hint="(n, k) @ (k, m) gives (n, m); x.mT swaps the last two dimensions",
        )
