"""Cases of nnlite.ops.reduce and nnlite.ops.spread."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from nnlite.ops import logic
from nnlite.ops import reduce as R
from nnlite.ops import spread as S
from nnlite.ops.extremum import Amax, Amin
from nnlite.ops.pointwise import Abs
from tests.cases.base import OpCase, Sample


def dims(rng: np.random.Generator, *, offset: float = 0.0) -> list[Sample]:
    """Every form of dim and keepdim, on 0-d, empty, one-element and odd shapes."""

    def x(*shape: int) -> np.ndarray:
        return np.asarray(rng.standard_normal(shape) + offset)

    return [
        Sample((x(),), id="0-d"),
        Sample((x(), 0), id="0-d, dim 0"),
        Sample((x(5),), id="all of 1-d"),
        Sample((x(1), -1), {"keepdim": True}, id="one element"),
        Sample((x(2, 3),), id="all of 2-d"),
        Sample((x(2, 3), 0), id="first"),
        Sample((x(2, 3), -1, True), id="last, kept"),
        Sample((x(3, 1, 5), (0, -1)), id="two"),
        Sample((x(2, 3, 2, 3), (3, 1)), {"keepdim": True}, id="two, unordered, kept"),
        Sample((x(2, 3), ()), id="empty tuple"),
        Sample((x(2, 3), None), {"keepdim": True}, id="None, kept"),
        Sample((x(0, 3), 1), id="empty result"),
    ]


def _sums(rng: np.random.Generator) -> list[Sample]:
    return [
        *dims(rng),
        Sample((np.zeros((0, 3)), 0), smooth=False, id="over nothing"),
        Sample((np.array([1.0, math.nan, math.inf]),), smooth=False, id="NaN"),
        Sample((np.array([math.inf, -math.inf]),), smooth=False, id="inf - inf"),
    ]


def _integers(rng: np.random.Generator) -> list[Sample]:
    return [
        Sample((rng.integers(0, 200, (3, 4)).astype(dtype), dim), id=f"{dtype} {dim}")
        for dtype in ("int64", "int32", "uint8", "int8", "bool")
        for dim in (0, -1)
    ]


def _products(rng: np.random.Generator) -> list[Sample]:
    zero, zeros = np.array([2.0, 0.0, 3.0]), np.array([[2.0, 0.0, 3.0, 0.0], [1.0, 2.0, 3.0, 4.0]])
    return [
        Sample((rng.standard_normal(()),), id="0-d"),
        Sample((rng.standard_normal(7),), id="all of 1-d"),
        Sample((rng.standard_normal((2, 3)),), id="all of 2-d"),
        Sample((rng.standard_normal((2, 3)), 0), id="first"),
        Sample((rng.standard_normal((2, 5)), -1, True), id="last, kept"),
        Sample((zero,), id="one zero"),
        Sample((zeros, 1), id="two zeros in a row"),
        Sample((zeros,), id="two zeros"),
        Sample((np.zeros(1),), id="zero alone"),
        Sample((np.zeros(3), 0), id="zeros"),
        Sample((np.zeros((0, 3)), 0), id="over nothing"),
        Sample((np.zeros((0, 3)), 1), id="empty result"),
    ]


def _variances(rng: np.random.Generator) -> list[Sample]:
    x = rng.standard_normal((3, 4, 5))
    return [
        Sample((x,), id="all"),
        Sample((x, 1), id="one"),
        Sample((x, (0, -1)), {"keepdim": True}, id="two, kept"),
        Sample((x, 0), {"correction": 0}, id="biased"),
        Sample((x, (1, 2)), {"correction": 2}, id="correction 2"),
        Sample((x, 0, False), id="unbiased=False"),
        Sample((x, False), id="unbiased=False without dim"),
        Sample((x, (0,), True, True), id="unbiased=True, kept"),
        Sample((x + 10, -1), id="far from zero"),
        Sample((np.full((2, 3), 2.0), 1), smooth=False, id="constant"),
        Sample((np.array([2.0]),), {"correction": 0}, smooth=False, id="one element"),
    ]


def _norms(rng: np.random.Generator) -> list[Sample]:
    x = rng.standard_normal((2, 3, 4))
    orders: list[Any] = ["fro", 1, 2, 3, 1.5, 0.5, 2.5, 4, math.inf, -math.inf]
    return (
        [Sample((x, p), id=f"{p} of all") for p in orders]
        + [Sample((x, p, 1), id=f"{p} of one") for p in orders[1:]]
        + [Sample((x, p, (0, 2), True), id=f"{p} of two, kept") for p in orders[1:]]
        + [
            Sample((np.zeros((2, 3)), p, 1), smooth=False, id=f"{p} at 0")
            for p in (1, 2, 3, 1.5, 0.5, math.inf)
        ]
        + [
            Sample((np.array([1.0, 0.0, -1.0]), p), smooth=False, id=f"{p} with a 0")
            for p in (1, 3, 1.5, 0.5, math.inf)
        ]
        + [Sample((np.array([1.0, math.nan]),), smooth=False, id="NaN")]
    )


def _zero_norms(rng: np.random.Generator) -> list[Sample]:
    x = np.array([[1.0, 0.0, -2.0], [0.0, 0.0, 3.0]])
    return [Sample((x, 0), id="all"), Sample((x, 0, 1, True), id="one, kept")]


def _counts(rng: np.random.Generator) -> list[Sample]:
    x = rng.integers(0, 2, (2, 3, 4))
    return [
        Sample((kind, dim), id=f"{kind.dtype} {dim}")
        for kind in (x, x.astype(bool), x * 0.5)
        for dim in (0, (0, -1))
    ] + [
        Sample((x,), id="all"),
        Sample((np.array([math.nan, 0.0]),), id="NaN counts"),
        Sample((np.zeros((0, 3)), 0), id="over nothing"),
    ]


def _truths(rng: np.random.Generator) -> list[Sample]:
    return [*_counts(rng), Sample((np.ones((2, 3)), 1, True), id="kept")]


def _as_nothing(*args: Any, dims: tuple[int, ...], shape: tuple[int, ...]) -> torch.Tensor:
    kept = [1 if i in dims else n for i, n in enumerate(shape)]
    return args[0].reshape(kept).expand(shape)


def _spreads(rng: np.random.Generator) -> list[Sample]:
    return [
        Sample((rng.standard_normal(3),), {"dims": (1,), "shape": (3, 4)}, id="dropped"),
        Sample((rng.standard_normal((1, 3, 1)),), {"dims": (0, 2), "shape": (2, 3, 4)}, id="kept"),
        Sample((rng.standard_normal(()),), {"dims": (0, 1), "shape": (0, 2)}, id="to nothing"),
    ]


def _shifted(x: torch.Tensor, *, dim: int, by: int, fill: float) -> torch.Tensor:
    gap = torch.full_like(x.narrow(dim, 0, min(abs(by), x.shape[dim])), fill)
    rest = x.shape[dim] - gap.shape[dim]
    if by > 0:
        return torch.cat([gap, x.narrow(dim, 0, rest)], dim)
    return torch.cat([x.narrow(dim, gap.shape[dim], rest), gap], dim)


def _shifts(rng: np.random.Generator) -> list[Sample]:
    x = rng.standard_normal((3, 4))
    return [
        Sample((x,), {"dim": d, "by": by, "fill": 1.0}, id=f"{by} along {d}")
        for d in (0, 1)
        for by in (1, -2, 5)
    ]


def _op(op: Any) -> Callable[..., Any]:
    return lambda *args, **kwargs: op.apply(*args, **kwargs)


CASES = [
    OpCase("sum", (S.Sum, S.Spread), R.sum, torch.sum, _sums),
    OpCase("sum of integers", (S.Sum,), R.sum, torch.sum, _integers, differentiable=False),
    OpCase("spread", (S.Spread,), _op(S.Spread), _as_nothing, _spreads),
    OpCase("mean", (R.Mean,), R.mean, torch.mean, _sums),
    OpCase("prod", (R.Prod, R.Shift), R.prod, torch.prod, _products),
    OpCase(
        "prod of integers",
        (R.Prod,),
        R.prod,
        torch.prod,
        lambda rng: [s for s in _integers(rng) if s.args[0].dtype != bool],
        differentiable=False,
    ),
    OpCase("shift", (R.Shift,), _op(R.Shift), _shifted, _shifts),
    OpCase("var", (R.Var,), R.var, torch.var, _variances),
    OpCase("std", (R.Std,), R.std, torch.std, _variances),
    OpCase("norm", (R.Norm, Amax, Amin, Abs), R.norm, torch.norm, _norms),
    OpCase("norm 0", (S.Sum,), R.norm, torch.norm, _zero_norms, differentiable=False),
    OpCase("all", (), logic.all, torch.all, _truths, differentiable=False),
    OpCase("any", (), logic.any, torch.any, _truths, differentiable=False),
    OpCase(
        "count_nonzero", (), logic.count_nonzero, torch.count_nonzero, _counts, differentiable=False
    ),
]
