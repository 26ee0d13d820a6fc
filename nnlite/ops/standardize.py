"""The op behind all normalizations: numbers brought to mean 0 and variance 1 over some dimensions.

Over the n elements of each group, with mean m and biased variance v::

    r = 1 / sqrt(v + eps),    z = (x - m) * r

and, with P(g) = r * (g - mean(g) - z * mean(g * z)), the derivatives

    gx = P(gz),
    d<u, P(g)>/dg = P(u),
    d<u, P(g)>/dx = -r * (z * mean(u * P(g)) + P(u) * mean(g * z) + P(g) * mean(u * z)).

The parameter ``stats`` is (m, r) as arrays, so that no backward has to find them a second time. The
ops are functions of x alone: their derivatives take m and r as what they are, functions of x.

Source: S. Ioffe, C. Szegedy, "Batch normalization", ICML 2015, section 3; the second derivative
follows from dr/dx = -r^2 z / n and d mean(u * z)/dx = P(u) / n.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from nnlite.autograd.fit import SumTo
from nnlite.autograd.op import Op
from nnlite.autograd.tape import traced
from nnlite.autograd.tensor import Tensor
from nnlite.backend import Array, array_module, quiet
from nnlite.backend.dtypes import float64
from nnlite.backend.summation import count, total
from nnlite.ops.common import raw
from nnlite.ops.reduce import Mean, Var
from nnlite.ops.viewing import reshaped

Stats: TypeAlias = tuple[Array, Array]
"""Mean and 1 / sqrt(variance + eps) of each group, with the summed dimensions kept."""


class Normalize(Op):
    """z * w + b, for z = (x - m) * r; w and b, or None, are brought to a shape that broadcasts.

    d/dx = P(gy * w),  d/dw = sum of gy * z,  d/db = sum of gy.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: Array,
        w: Array | None,
        b: Array | None,
        *,
        dims: tuple[int, ...],
        eps: float,
        stats: Stats,
        affine: tuple[int, ...],
    ) -> Array:
        need_x, need_w, _ = ctx.needs_input_grad[:3]
        if need_x or need_w:
            ctx.save_inputs(0)
        if need_x and w is not None:
            ctx.save_inputs(1)
        ctx.has_weight = w is not None
        y = _standardized(x, stats)
        if w is not None:
            ctx.own_shape = w.shape
            y *= w.reshape(affine)
        if b is not None:
            ctx.own_shape = b.shape
            y += b.reshape(affine)
        return y

    @staticmethod
    def backward(ctx: Any, gy: Any) -> Any:
        need_x, need_w, need_b = ctx.needs_input_grad
        settings = {"dims": ctx.dims, "eps": ctx.eps, "stats": ctx.stats}
        gx = gw = gb = None
        if need_w:
            z = Standardize.call(ctx.input(0), **settings)
            gw = _summed(gy * z, ctx.affine, ctx.own_shape)
        if need_b:
            gb = _summed(gy, ctx.affine, ctx.own_shape)
        if need_x:
            g = gy * reshaped(ctx.input(1), ctx.affine) if ctx.has_weight else gy
            gx = Project.call(g, ctx.input(0), **settings)
        return gx, gw, gb


class Standardize(Op):
    """z = (x - m) * r.  d/dx = P(gy)."""

    @staticmethod
    def forward(ctx: Any, x: Array, *, dims: tuple[int, ...], eps: float, stats: Stats) -> Array:
        ctx.save_inputs(0)
        return _standardized(x, stats)

    @staticmethod
    def backward(ctx: Any, gy: Any) -> Any:
        return Project.call(gy, ctx.input(0), dims=ctx.dims, eps=ctx.eps, stats=ctx.stats)


class Project(Op):
    """P(g) at x, the gradient of Standardize; see above for its derivatives."""

    @staticmethod
    def forward(
        ctx: Any, g: Array, x: Array, *, dims: tuple[int, ...], eps: float, stats: Stats
    ) -> Array:
        need_g, need_x = ctx.needs_input_grad[:2]
        if need_g or need_x:
            ctx.save_inputs(0, 1)
        n = count(x.shape, dims)
        r = stats[1]
        # z is needed scaled only: mean(g * z) * z, with both factors from one array
        z = _standardized(x, stats)
        shift = total(g, dims, True) / n
        slope = total(g * z, dims, True) / n
        z *= -slope
        z += g
        z -= shift
        z *= r
        return z

    @staticmethod
    def backward(ctx: Any, u: Any) -> Any:
        need_g, need_x = ctx.needs_input_grad
        g, x, dims = ctx.input(0), ctx.input(1), ctx.dims
        settings = {"dims": dims, "eps": ctx.eps, "stats": ctx.stats}
        pu = Project.call(u, x, **settings)
        gx = None
        if need_x:
            z = Standardize.call(x, **settings)
            r = (Var.call(x, dims=dims, keepdim=True, correction=0) + ctx.eps) ** -0.5
            pg = Project.call(g, x, **settings)
            along_z = z * _mean(u * pg, dims) + pu * _mean(g * z, dims) + pg * _mean(u * z, dims)
            gx = -(along_z * r)
        return (pu if need_g else None), gx


def moments(t: Tensor, dims: tuple[int, ...]) -> tuple[Array, Array]:
    """Mean and biased variance over dims, which are kept with size 1; both 0 where dims are empty.

    The mean is summed in float64: numbers far from 0 would lose in float32 what sets them apart.
    """
    x, n = t.array, max(count(t.shape, dims), 1)
    with quiet():
        m = (x.sum(axis=dims, keepdims=True, dtype=float64) / n).astype(x.dtype)
        d = x - m
        d *= d
        v = total(d, dims, True) / n
    return m, v


def normalized(
    x: Tensor,
    w: Tensor | None,
    b: Tensor | None,
    dims: tuple[int, ...],
    eps: float,
    affine: tuple[int, ...],
    found: tuple[Array, Array] | None = None,
) -> Tensor:
    """(x - mean) / sqrt(var + eps) over dims, times w, plus b.

    Args:
        affine: the shape in which w and b broadcast to x.
        found: mean and variance, where the caller has them.
    """
    m, v = traced(moments, x, dims) if found is None else found
    r = traced(inverse_root, v, eps)
    out: Tensor = Normalize.apply(x, w, b, dims=dims, eps=eps, stats=(m, r), affine=affine)
    return out


def inverse_root(var: Tensor | Array, eps: float) -> Array:
    """1 / sqrt(var + eps)."""
    v = raw(var)
    with quiet():
        return 1 / array_module(v).sqrt(v + eps)


def _standardized(x: Array, stats: Stats) -> Array:
    z = x - stats[0]
    z *= stats[1]
    return z


def _summed(gy: Any, affine: tuple[int, ...], shape: tuple[int, ...]) -> Any:
    return reshaped(SumTo.call(gy, shape=affine), shape)


def _mean(x: Any, dims: tuple[int, ...]) -> Any:
    return Mean.call(x, dims=dims, keepdim=True)
