"""Functions of each element for itself, in pieces on all threads.

Each works through the memory in its own order, so that no layout is slow. The plain twin of each
is its first branch: the definition. On a device one kernel of cuda/elementwise.cu does it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import Any

import numpy as np

from nnlite.backend import NUMPY, Array, array_module, backend_of, is_plain
from nnlite.backend.kernels import Kernels
from nnlite.backend.summation import total
from nnlite.backend.threads import run
from nnlite.ops.kernels.cuda import elementwise as cuda
from nnlite.ops.kernels.cuda.launching import kernels
from nnlite.ops.kernels.layout import as_vector

PIECE = 2**18
"""Elements of one piece of work. Smaller ones fit a nearer cache, but two threads that both call
NumPy every few microseconds wait for Python's lock more than they compute."""

FEW = 2**11
"""So few elements are done with before a choice among kernels is made."""

Kernel = Callable[..., None]
"""kernel(out, *inputs) fills out from inputs of the same shape, all without gaps."""

_FLOATS = (np.dtype("float32"), np.dtype("float64"))


@cache
def _zeros(n: int, dtype: Any) -> Array:
    return np.zeros(n, dtype=dtype)


def relu(x: Array) -> Array:
    """max(x, 0); NaN stays."""
    if x.size <= FEW or x.dtype not in _FLOATS or not _is_fast(x):
        if (k := _cuda(x)) is not None:
            return cuda.unary(k, "relu", x)
        return array_module(x).maximum(x, 0)
    # against an array of zeros: NumPy's maximum is several times slower against a number
    return _by_pieces(_relu, x)


def relu_grad(gy: Array, y: Array) -> Array:
    """gy where y is above 0 or NaN, else 0."""
    if y.dtype not in _FLOATS or not _is_fast(gy, y):
        if (k := _cuda(gy, y)) is not None:
            return cuda.binary(k, "relu_grad", gy, y)
        return keep(gy, ~(y <= 0))
    return _by_pieces(_relu_grad, gy, y)


def keep(x: Array, mask: Array) -> Array:
    """x where mask holds, else 0: selected, so that an infinity or NaN leaves no trace."""
    if x.dtype not in _FLOATS or mask.shape != x.shape or not _is_fast(x):
        if mask.shape == x.shape and (k := _cuda(x)) is not None:
            return cuda.binary(k, "keep", x, mask)
        return array_module(x).where(mask, x, x.dtype.type(0))
    return _by_pieces(_keep, x, mask)


def tanh(x: Array) -> Array:
    """The hyperbolic tangent."""
    if not _is_fast(x):
        if (k := _cuda(x)) is not None:
            return cuda.unary(k, "hyperbolic_tangent", x)
        return array_module(x).tanh(x)
    return _by_pieces(_tanh, x)


def tanh_grad(gy: Array, y: Array) -> Array:
    """gy * (1 - y^2)."""
    if not _is_fast(gy, y):
        if (k := _cuda(gy, y)) is not None:
            return cuda.binary(k, "tanh_grad", gy, y)
        return gy * (1 - y * y)
    return _by_pieces(_tanh_grad, gy, y)


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)), by exp of -|x| alone, which cannot overflow."""
    if not _is_fast(x):
        if (k := _cuda(x)) is not None:
            return cuda.unary(k, "sigmoid", x)
        xp = array_module(x)
        e = xp.exp(-xp.abs(x))
        return xp.where(x < 0, e, 1) / (1 + e)
    return _by_pieces(_sigmoid, x)


def sigmoid_grad(gy: Array, y: Array) -> Array:
    """gy * y * (1 - y)."""
    if not _is_fast(gy, y):
        if (k := _cuda(gy, y)) is not None:
            return cuda.binary(k, "sigmoid_grad", gy, y)
        return gy * (y * (1 - y))
    return _by_pieces(_sigmoid_grad, gy, y)


def scaled_difference(a: Array, b: Array, scale: Array) -> Array:
    """(a - b) * scale, a number."""
    if not _is_fast(a, b):
        if scale.size == 1 and scale.dtype == a.dtype and (k := _cuda(a, b)) is not None:
            return cuda.scaled_difference(k, a, b, scale)
        return (a - b) * scale
    return _by_pieces(partial(_scaled_difference, scale), a, b)


def total_square(a: Array, b: Array) -> Array:
    """The sum of (a - b)^2, a number; long float32 sums without loss."""
    if a.size <= PIECE or not _is_fast(a, b):
        if (k := _cuda(a, b)) is not None:
            return cuda.total_square(k, a, b)
        d = a - b
        return total(d * d, tuple(range(d.ndim)), False)
    room = np.empty_like(a)
    d, x, y = (_vector(room, v) for v in (room, a, b))
    sums: dict[int, Any] = {}

    def piece(start: int) -> None:
        cut = slice(start, start + PIECE)
        np.subtract(x[cut], y[cut], out=d[cut])
        np.multiply(d[cut], d[cut], out=d[cut])
        sums[start] = d[cut].sum()

    run([partial(piece, start) for start in range(0, a.size, PIECE)])
    # in the order of the pieces, whichever was first: the same bits each time
    return sum((np.float64(sums[start]) for start in sorted(sums)), np.float64(0)).astype(a.dtype)


# -- of one piece ----------------------------------------------------------------------------


def _relu(out: Array, x: Array) -> None:
    if x.ndim == 1:
        np.maximum(x, _zeros(PIECE, x.dtype)[: x.size], out=out)
    else:
        _relu(out.reshape(-1), x.reshape(-1))


def _relu_grad(out: Array, gy: Array, y: Array) -> None:
    mask = np.less_equal(y, 0)
    np.logical_not(mask, out=mask)
    _keep(out, gy, mask)


def _keep(out: Array, x: Array, mask: Array) -> None:
    # as integers, where 0 times anything is 0
    bits = f"i{x.itemsize}"
    np.multiply(x.view(bits), mask, out=out.view(bits))


def _tanh(out: Array, x: Array) -> None:
    np.tanh(x, out=out)


def _tanh_grad(out: Array, gy: Array, y: Array) -> None:
    np.multiply(y, y, out=out)
    np.subtract(1, out, out=out)
    out *= gy


def _sigmoid(out: Array, x: Array) -> None:
    e = np.abs(x)
    np.negative(e, out=e)
    np.exp(e, out=e)
    # the numerator: 1 for x >= 0, else e, which is at most 1
    np.greater_equal(x, 0, out=out)
    np.maximum(out, e, out=out)
    e += 1
    out /= e


def _scaled_difference(scale: Array, out: Array, a: Array, b: Array) -> None:
    np.subtract(a, b, out=out)
    out *= scale


def _sigmoid_grad(out: Array, gy: Array, y: Array) -> None:
    np.subtract(1, y, out=out)
    out *= y
    out *= gy


# -- pieces ----------------------------------------------------------------------------------


def _is_fast(x: Array, *others: Array) -> bool:
    return (
        backend_of(x) is NUMPY
        and x.dtype.kind == "f"
        and all(other.shape == x.shape and other.dtype == x.dtype for other in others)
        and not is_plain()
    )


def _cuda(x: Array, *others: Array) -> Kernels | None:
    """The device's kernels, where they take these arrays."""
    if type(x) is np.ndarray or any(other.shape != x.shape for other in others):
        return None
    return kernels("elementwise", x, *others)


def _by_pieces(kernel: Kernel, *inputs: Array) -> Array:
    """kernel over all elements of inputs of one shape; the result is like the first of them."""
    out = np.empty_like(inputs[0])
    # not for a single number: without an axis, NumPy's functions return no arrays
    if out.ndim > 0 and out.size <= PIECE and all(x.flags.c_contiguous for x in inputs):
        kernel(out, *inputs)
        return out
    vectors = [_vector(out, x) for x in (out, *inputs)]
    if out.size <= PIECE:
        kernel(*vectors)
    else:
        run(_pieces(kernel, vectors, out.size))
    return out


def in_order_of(out: Array, x: Array) -> Array:
    """x itself if its elements lie in memory as out's do, else a copy that does, without gaps."""
    ours, theirs = out.itemsize, x.itemsize
    if all(a * theirs == b * ours for a, b in zip(out.strides, x.strides, strict=True)):
        return x
    copy = np.empty_like(out, dtype=x.dtype)
    copy[...] = x
    return copy


def _vector(out: Array, x: Array) -> Array:
    """The elements of x one after the other as they lie in out, (n,)."""
    vector = as_vector(in_order_of(out, x))
    assert vector is not None, "in_order_of leaves no gaps"
    return vector


def _pieces(kernel: Kernel, vectors: list[Any], size: int) -> Iterator[Callable[[], None]]:
    for start in range(0, size, PIECE):
        yield partial(kernel, *[v[start : start + PIECE] for v in vectors])
