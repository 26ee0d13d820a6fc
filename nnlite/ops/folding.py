"""Windows cut out of a tensor, and added back together: unfold and fold (im2col and col2im)."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

from nnlite.autograd.op import Op
from nnlite.autograd.tensor import Tensor
from nnlite.backend import Array, array_module
from nnlite.errors import ArgumentError, ShapeError
from nnlite.ops.common import as_index, as_tensor, need_float, normalize_dim
from nnlite.ops.shape import reshape
from nnlite.ops.sizes import check_size

__all__ = ["fold", "unfold", "unfold_dimension"]


class Windows(Op):
    """All windows of a size along dim, step apart, as a read-only view: a new last dimension.

    d/dx = gy with the windows added where they overlap.
    """

    view = True

    @staticmethod
    def forward(ctx: Any, x: Array, *, dim: int, size: int, step: int) -> Array:
        ctx.source = x.shape
        windows = array_module(x).lib.stride_tricks.sliding_window_view(x, size, axis=dim)
        return windows[(slice(None),) * dim + (slice(None, None, step),)]

    @staticmethod
    def backward(ctx: Any, gy: Any) -> Any:
        return Unwindow.call(gy, shape=ctx.source, dim=ctx.dim, step=ctx.step)


class Unwindow(Op):
    """Windows (..., count, ..., size) added into zeros of a shape.  d/dx = the windows of gy."""

    @staticmethod
    def forward(ctx: Any, x: Array, *, shape: tuple[int, ...], dim: int, step: int) -> Array:
        ctx.size = x.shape[-1]
        y = array_module(x).zeros(shape, dtype=x.dtype)
        span = step * (x.shape[dim] - 1) + 1
        for i in range(x.shape[-1]):
            index = (slice(None),) * dim + (slice(i, i + span, step),)
            y[index] += x[..., i]
        return y

    @staticmethod
    def backward(ctx: Any, gy: Any) -> Any:
        return Windows.call(gy, dim=ctx.dim, size=ctx.size, step=ctx.step)


class Im2col(Op):
    """Patches of images as columns: (N, C, H, W) to (N, C * kh * kw, L), zeros around the image.

    d/dx = the columns of gy added where they overlap (Col2im).
    """

    @staticmethod
    def forward(ctx: Any, x: Array, *, geometry: Geometry) -> Array:
        xp = array_module(x)
        g = geometry
        n, c, *size = x.shape
        ctx.size = tuple(size)
        padded = xp.zeros((n, c, *g.padded(size)), dtype=x.dtype)
        padded[g.inside(size)] = x
        rows, columns = g.counts(size)
        y = xp.empty((n, c, *g.kernel, rows, columns), dtype=x.dtype)
        for i, j in g.offsets():
            y[:, :, i, j] = padded[g.window(i, j, rows, columns)]
        return y.reshape(n, c * math.prod(g.kernel), rows * columns)

    @staticmethod
    def backward(ctx: Any, gy: Any) -> Any:
        return Col2im.call(gy, size=ctx.size, geometry=ctx.geometry)


class Col2im(Op):
    """Columns (N, C * kh * kw, L) added into images (N, C, H, W).  d/dx = Im2col of gy."""

    @staticmethod
    def forward(ctx: Any, x: Array, *, size: tuple[int, int], geometry: Geometry) -> Array:
        g = geometry
        rows, columns = g.counts(size)
        n, c = x.shape[0], x.shape[1] // math.prod(g.kernel)
        patches = x.reshape(n, c, *g.kernel, rows, columns)
        padded = array_module(x).zeros((n, c, *g.padded(size)), dtype=x.dtype)
        for i, j in g.offsets():
            padded[g.window(i, j, rows, columns)] += patches[:, :, i, j]
        return padded[g.inside(size)].copy()

    @staticmethod
    def backward(ctx: Any, gy: Any) -> Any:
        return Im2col.call(gy, geometry=ctx.geometry)


class Geometry:
    """Kernel, dilation, padding and stride in both directions, and where windows lie."""

    def __init__(self, op: str, kernel: Any, dilation: Any, padding: Any, stride: Any) -> None:
        self.kernel = _pair(op, "kernel_size", kernel, 1)
        self.dilation = _pair(op, "dilation", dilation, 1)
        self.padding = _pair(op, "padding", padding, 0)
        self.stride = _pair(op, "stride", stride, 1)

    def padded(self, size: Sequence[int]) -> list[int]:
        """Height and width with the zeros around them."""
        return [n + 2 * p for n, p in zip(size, self.padding, strict=True)]

    def inside(self, size: Sequence[int]) -> tuple[Any, ...]:
        """Where the image lies in the padded one."""
        return (..., *(slice(p, p + n) for n, p in zip(size, self.padding, strict=True)))

    def counts(self, size: Sequence[int]) -> list[int]:
        """How many windows fit, down and across: (n + 2p - d(k - 1) - 1) // s + 1."""
        return [
            (n - d * (k - 1) - 1) // s + 1
            for n, d, k, s in zip(
                self.padded(size), self.dilation, self.kernel, self.stride, strict=True
            )
        ]

    def offsets(self) -> itertools.product[tuple[int, ...]]:
        """The places within a window."""
        return itertools.product(range(self.kernel[0]), range(self.kernel[1]))

    def window(self, i: int, j: int, rows: int, columns: int) -> tuple[Any, ...]:
        """Place (i, j) of all windows, in the padded image."""
        (dy, dx), (sy, sx) = self.dilation, self.stride
        top, left = i * dy, j * dx
        return (
            slice(None),
            slice(None),
            slice(top, top + sy * (rows - 1) + 1, sy),
            slice(left, left + sx * (columns - 1) + 1, sx),
        )


def _pair(op: str, argument: str, value: Any, least: int) -> tuple[int, int]:
    given = tuple(value) if isinstance(value, (tuple, list)) else (value, value)
    pair = tuple(as_index(op, argument, v) for v in given)
    if len(pair) != 2 or min(pair) < least:
        raise ArgumentError(
            op,
            argument,
            expected=f"a number of {least} or more, or two of them",
            got=repr(value),
            hint="(down, across)",
        )
    return pair[0], pair[1]


# -- public ----------------------------------------------------------------------------------


def unfold(
    input: Tensor, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1
) -> Tensor:
    """``F.unfold``: patches of (N, C, H, W) as columns of (N, C * kh * kw, L).

    L counts the windows, row by row; (C, H, W) gives (C * kh * kw, L).

    Raises:
        ShapeError: input is no image, or smaller than the kernel.
        ArgumentError: a size or stride below 1, a negative padding.
    """
    x = need_float("unfold", input)
    g = Geometry("unfold", kernel_size, dilation, padding, stride)
    if x.ndim not in (3, 4):
        raise ShapeError(
            "unfold", "input", expected="(N, C, H, W) or (C, H, W)", got=str(x.shape), hint="images"
        )
    if min(g.counts(x.shape[-2:])) < 1:
        raise _too_small("unfold", "input", x.shape[-2:], g)
    check_size("unfold", (*x.shape[:-2], *g.padded(x.shape[-2:])), "padding")
    check_size("unfold", (*x.shape[:-2], *g.kernel, *g.counts(x.shape[-2:])), "kernel_size")
    batch = x if x.ndim == 4 else reshape(x, (1, *x.shape))
    out: Tensor = Im2col.apply(batch, geometry=g)
    return out if x.ndim == 4 else reshape(out, out.shape[1:])


def fold(
    input: Tensor,
    output_size: Any,
    kernel_size: Any,
    dilation: Any = 1,
    padding: Any = 0,
    stride: Any = 1,
) -> Tensor:
    """``F.fold``: columns (N, C * kh * kw, L) added into images (N, C, *output_size).

    The transpose of ``F.unfold``, not its inverse: where windows overlap they add up.

    Raises:
        ShapeError: rows that are no multiple of kh * kw, or L other than the number of windows.
        ArgumentError: a size or stride below 1, a negative padding.
    """
    x = need_float("fold", input)
    g = Geometry("fold", kernel_size, dilation, padding, stride)
    size = _pair("fold", "output_size", output_size, 1)
    if x.ndim not in (2, 3) or x.shape[-2] % math.prod(g.kernel):
        raise ShapeError(
            "fold",
            "input",
            expected=f"(N, C * {math.prod(g.kernel)}, L) or (C * {math.prod(g.kernel)}, L)",
            got=str(x.shape),
            hint="it takes what F.unfold returns",
        )
    if min(g.counts(size)) < 1:
        raise _too_small("fold", "output_size", size, g)
    windows = math.prod(g.counts(size))
    if x.shape[-1] != windows:
        raise ShapeError(
            "fold",
            "input",
            expected=f"{windows} columns, as many windows fit into {size}",
            got=str(x.shape),
            hint="give the same kernel_size, stride, padding and dilation as to F.unfold",
        )
    check_size("fold", (*x.shape[:-2], *g.padded(size)), "output_size")
    batch = x if x.ndim == 3 else reshape(x, (1, *x.shape))
    out: Tensor = Col2im.apply(batch, size=size, geometry=g)
    return out if x.ndim == 3 else reshape(out, out.shape[1:])


def _too_small(op: str, argument: str, size: tuple[int, ...], g: Geometry) -> ShapeError:
    return ShapeError(
        op,
        argument,
        expected=f"room for a kernel of {g.kernel} with dilation {g.dilation}",
        got=f"{tuple(size)} with padding {g.padding}",
        hint="use a smaller kernel, or more padding",
    )


def unfold_dimension(input: Tensor, dimension: int, size: int, step: int) -> Tensor:
    """``x.unfold(dimension, size, step)``: all windows along it, in a new last dimension.

    A read-only view: windows overlap in memory where step < size.

    Raises:
        ShapeError: a window larger than the dimension.
        ArgumentError: a size or a step below 1.
    """
    x = as_tensor("unfold", input)
    d = normalize_dim("unfold", dimension, x.ndim, "dimension")
    n, by = as_index("unfold", "size", size), as_index("unfold", "step", step)
    if by < 1 or n < 1:
        raise ArgumentError(
            "unfold",
            "size, step",
            expected="1 or more each",
            got=f"size {n}, step {by}",
            hint="step is the distance between windows",
        )
    if not x.ndim:
        x = reshape(x, 1)
        return reshape(unfold_dimension(x, 0, n, by), n)
    if n > x.shape[d]:
        raise ShapeError(
            "unfold",
            "size",
            expected=f"at most {x.shape[d]}, as dimension {d} has",
            got=str(n),
            hint="pad() the tensor first",
        )
    out: Tensor = Windows.apply(x, dim=d, size=n, step=by)
    return out
