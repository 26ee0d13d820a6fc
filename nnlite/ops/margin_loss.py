"""Losses that ask for a margin between what is alike and what is not."""

from __future__ import annotations

from typing import Any

from nnlite.autograd.tape import retraced
from nnlite.autograd.tensor import Tensor
from nnlite.backend import array_module
from nnlite.errors import ArgumentError, ShapeError
from nnlite.ops.activation import relu
from nnlite.ops.arithmetic import add, div, mul, neg, sub
from nnlite.ops.common import as_tensor, check_flag, check_number, need_float, wrap_result
from nnlite.ops.comparison import eq, ne
from nnlite.ops.distance import pairwise_distance
from nnlite.ops.extremum import TakeAt
from nnlite.ops.pointwise import sqrt
from nnlite.ops.reduce import sum
from nnlite.ops.reduction import (
    check_one_dtype,
    check_positive,
    check_reduction,
    check_same_shape,
    check_unused,
    reduced,
)
from nnlite.ops.selection import clamp, minimum, where
from nnlite.ops.targets import Targets

__all__ = [
    "cosine_embedding_loss",
    "hinge_embedding_loss",
    "margin_ranking_loss",
    "multi_margin_loss",
    "triplet_margin_loss",
]


def hinge_embedding_loss(
    input: Tensor,
    target: Tensor,
    margin: float = 1.0,
    size_average: None = None,
    reduce: None = None,
    reduction: str = "mean",
) -> Tensor:
    """input where target is 1, max(0, margin - input) where it is -1; reduced.

    Raises:
        ShapeError, DtypeError: tensors that do not fit together.
        ArgumentError: a target that is neither 1 nor -1, or another reduction.
    """
    op = "hinge_embedding_loss"
    check_reduction(op, reduction)
    check_unused(op, size_average=size_average, reduce=reduce)
    x, t = need_float(op, input), _signs(op, target)
    check_same_shape(op, x, t)
    return reduced(where(eq(t, 1), x, clamp(sub(margin, x), min=0)), reduction)


def margin_ranking_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0.0,
    size_average: None = None,
    reduce: None = None,
    reduction: str = "mean",
) -> Tensor:
    """max(0, -target * (input1 - input2) + margin); reduced. target 1: input1 is to be larger.

    Raises:
        ShapeError, DtypeError: tensors that do not fit together.
        ArgumentError: a target that is neither 1 nor -1, or another reduction.
    """
    op = "margin_ranking_loss"
    check_reduction(op, reduction)
    check_unused(op, size_average=size_average, reduce=reduce)
    a, b = _alike(op, input1, input2, "input2")
    t = _signs(op, target)
    check_same_shape(op, a, t)
    return reduced(clamp(add(mul(neg(t), sub(a, b)), margin), min=0), reduction)


def cosine_embedding_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0.0,
    size_average: None = None,
    reduce: None = None,
    reduction: str = "mean",
) -> Tensor:
    """1 - cos where target is 1, max(0, cos - margin) where it is -1; reduced.

    cos is that of the angle between the vectors of input1 and input2; 1e-12 is added to their
    squared lengths.

    Shapes: inputs (N, D) with target (N,), or (D,) with ().

    Raises:
        ShapeError, DtypeError: tensors that do not fit together.
        ArgumentError: a target that is neither 1 nor -1, or another reduction.
    """
    op = "cosine_embedding_loss"
    check_reduction(op, reduction)
    check_unused(op, size_average=size_average, reduce=reduce)
    a, b = _alike(op, input1, input2, "input2")
    t = _signs(op, target)
    if a.ndim not in (1, 2) or t.shape != a.shape[:-1]:
        raise ShapeError(
            op,
            "target",
            expected="inputs (N, D) with target (N,), or (D,) with ()",
            got=f"{a.shape} with {t.shape}",
            hint="one target per pair of vectors",
        )
    lengths = mul(add(sum(mul(a, a), -1), 1e-12), add(sum(mul(b, b), -1), 1e-12))
    cosine = div(sum(mul(a, b), -1), sqrt(lengths))
    return reduced(where(eq(t, 1), sub(1.0, cosine), clamp(sub(cosine, margin), min=0)), reduction)


def triplet_margin_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    margin: float = 1.0,
    p: float = 2,
    eps: float = 1e-6,
    swap: bool = False,
    size_average: None = None,
    reduce: None = None,
    reduction: str = "mean",
) -> Tensor:
    """max(0, |anchor - positive| - |anchor - negative| + margin), distances by p-norm; reduced.

    With swap the second distance is the smaller of those of negative to anchor and to positive.

    Source: Balntas et al., "Learning local feature descriptors with triplets" (2016).

    Raises:
        ShapeError, DtypeError: tensors that do not fit together.
        ArgumentError: a margin not above 0, or another reduction.
    """
    op = "triplet_margin_loss"
    check_reduction(op, reduction)
    check_unused(op, size_average=size_average, reduce=reduce)
    check_number(op, "p", p)
    check_flag(op, "swap", swap)
    check_positive(op, "margin", margin)
    a, close = _alike(op, anchor, positive, "positive")
    a, far = _alike(op, anchor, negative, "negative")
    distance = pairwise_distance(a, far, p, eps)
    if swap:
        distance = minimum(distance, pairwise_distance(close, far, p, eps))
    gap = sub(pairwise_distance(a, close, p, eps), distance)
    return reduced(clamp(add(gap, margin), min=0), reduction)


def multi_margin_loss(
    input: Tensor,
    target: Tensor,
    p: int = 1,
    margin: float = 1.0,
    weight: Tensor | None = None,
    size_average: None = None,
    reduce: None = None,
    reduction: str = "mean",
) -> Tensor:
    """sum over c != t of weight[t] * max(0, margin - x_t + x_c)^p / C for each sample; reduced.

    Args:
        input: scores (N, C) or (C,).
        target: classes t, integers (N,) or ().
        p: 1 or 2.
        margin: by how much the score of t is to lead.
        weight: (C,), a factor for each class.
        size_average: no longer used; leave it out.
        reduce: no longer used; leave it out.
        reduction: "none", "mean" or "sum".

    Raises:
        NnliteIndexError: a class outside 0 ... C - 1.
        ShapeError, DtypeError: tensors that do not fit together.
        ArgumentError: p neither 1 nor 2, or another reduction.
    """
    op = "multi_margin_loss"
    check_reduction(op, reduction)
    check_unused(op, size_average=size_average, reduce=reduce)
    check_multi_margin(op, p, weight)
    x = need_float(op, input)
    if x.ndim not in (1, 2):
        raise ShapeError(
            op, "input", expected="shape (N, C) or (C,)", got=f"shape {x.shape}", hint="flatten it"
        )
    dim = x.ndim - 1
    targets = Targets(op, x, target, weight, dim)
    own: Tensor = TakeAt.apply(x, index=targets.index, dim=dim, keepdim=True)
    lead = relu(add(sub(x, own), margin))
    classes = wrap_result(array_module(x.array).arange(x.shape[dim]), x)
    others = where(ne(classes, wrap_result(targets.index, x)), lead, 0.0)
    losses = div(sum(others if p == 1 else mul(others, others), dim), x.shape[dim])
    return reduced(mul(losses, wrap_result(targets.factor.reshape(losses.shape), x)), reduction)


def check_multi_margin(op: str, p: Any, weight: Any) -> None:
    """Refuse a power and class weights that ``multi_margin_loss`` cannot use.

    Raises:
        ArgumentError: p neither 1 nor 2.
        ShapeError: a weight that is no vector.
    """
    if p not in (1, 2):
        raise ArgumentError(op, "p", expected="1 or 2", got=repr(p), hint="1 is the default")
    if weight is not None and as_tensor(op, weight, "weight").ndim != 1:
        raise ShapeError(
            op,
            "weight",
            expected="one number per class, shape (C,)",
            got=f"shape {weight.shape}",
            hint="flatten it",
        )


# -- arguments -------------------------------------------------------------------------------


def _alike(op: str, x: Any, y: Any, argument: str) -> tuple[Tensor, Tensor]:
    a, b = need_float(op, x), need_float(op, y, argument)
    check_same_shape(op, a, b, argument)
    check_one_dtype(op, a, b, argument)
    return a, b


@retraced
def _signs(op: str, target: Any) -> Tensor:
    t = as_tensor(op, target, "target")
    if not bool(((t.array == 1) | (t.array == -1)).all()):
        raise ArgumentError(
            op, "target", expected="1 or -1", got="other numbers", hint="1 is alike, -1 is not"
        )
    return t
