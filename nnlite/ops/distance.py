"""Lengths, distances and angles between vectors."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnlite.autograd.tensor import Tensor
from nnlite.backend import array_module
from nnlite.errors import ArgumentError
from nnlite.ops.arithmetic import add, div, mul, sub
from nnlite.ops.common import check_broadcast, check_number, need_float, normalize_dim, wrap_result
from nnlite.ops.reduce import norm, sum
from nnlite.ops.reduction import check_one_dtype
from nnlite.ops.selection import clamp
from nnlite.ops.shape import broadcast_to

__all__ = ["cosine_similarity", "normalize", "pairwise_distance"]


def normalize(
    input: Tensor,
    p: float = 2.0,
    dim: int | tuple[int, ...] = 1,
    eps: float = 1e-12,
    out: None = None,
) -> Tensor:
    """input / max(norm, eps): vectors along dim brought to p-norm 1; a zero stays zero.

    Raises:
        DtypeError: integers.
        ArgumentError: out is given, which is not supported.
    """
    if out is not None:
        raise ArgumentError(
            "normalize", "out", expected="None", got="a tensor", hint="use what it returns"
        )
    x = need_float("normalize", input)
    return div(x, clamp(norm(x, p, dim, keepdim=True), min=eps))


def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """sum(x1 * x2) / (|x1| |x2|) along dim: 1 for one direction, 0 at right angles, -1 opposite.

    Lengths below eps count as eps; the shapes broadcast.

    Raises:
        ShapeError: they do not.
        DtypeError: integers, or two dtypes.
    """
    a, b = _vectors("cosine_similarity", x1, x2)
    if a.shape != b.shape:  # an element that is broadcast along dim counts as often as it occurs
        shape = np.broadcast_shapes(a.shape, b.shape)
        a, b = broadcast_to(a, shape), broadcast_to(b, shape)
    dim = normalize_dim("cosine_similarity", dim, a.ndim)
    return sum(mul(_unit(a, dim, eps), _unit(b, dim, eps)), dim)


def _unit(x: Tensor, dim: int, eps: float) -> Tensor:
    length = norm(x, 2, dim, keepdim=True)
    short = array_module(x.array).maximum(eps - length.array, 0)
    # the bound is a constant shift: the gradient goes through the length as if it were not there
    return div(x, add(length, wrap_result(short, x)))


def pairwise_distance(
    x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-06, keepdim: bool = False
) -> Tensor:
    """The p-norm of x1 - x2 + eps along the last dimension; the shapes broadcast.

    eps keeps the gradient of equal vectors from being undefined.

    Raises:
        ShapeError: the shapes do not broadcast.
        DtypeError: integers, or two dtypes.
    """
    check_number("pairwise_distance", "p", p)
    check_number("pairwise_distance", "eps", eps)
    a, b = _vectors("pairwise_distance", x1, x2)
    return norm(add(sub(a, b), eps), p, -1, keepdim)


def _vectors(op: str, x1: Any, x2: Any) -> tuple[Tensor, Tensor]:
    a, b = need_float(op, x1, "x1"), need_float(op, x2, "x2")
    check_one_dtype(op, a, b, "x2")
    check_broadcast(op, a.shape, b.shape)
    return a, b
