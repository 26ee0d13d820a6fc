"""Cases of nnlite.ops.arithmetic."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch

from nnlite.ops import arithmetic as A
from tests.cases.base import OpCase, Sample

SHAPES: list[tuple[tuple[int, ...], tuple[int, ...]]] = [
    ((), ()),
    ((3,), (1,)),
    ((2, 3), (3,)),
    ((2, 1), (1, 3)),
    ((4, 1, 3), (2, 3)),
    ((0, 3), (1, 3)),
    ((1, 0), (0,)),
    ((5,), ()),
    ((), (2, 3)),
]
EDGES = (
    np.array([0.0, -0.0, 1.0, 0.0, math.inf, math.inf, math.nan, -math.inf, 1e30]),
    np.array([0.0, 0.0, 0.0, -1.0, math.inf, 0.0, 1.0, -math.inf, 1e-30]),
)


def pairs(rng: np.random.Generator, low: float = 0.5, high: float = 2.0) -> list[Sample]:
    """Two arrays in shapes that broadcast, and an array with a number on either side."""

    def x(shape: tuple[int, ...]) -> Any:
        return np.asarray(rng.uniform(low, high, shape))

    found = [Sample((x(a), x(b)), id=f"{a}-{b}") for a, b in SHAPES]
    return [
        *found,
        Sample((x((2, 3)), 1.5), id="number"),
        Sample((x((2, 3)), 2), id="whole number"),
    ]


def _with_edges(rng: np.random.Generator) -> list[Sample]:
    return [*pairs(rng), Sample(EDGES, smooth=False, id="IEEE edges")]


def _alphas(rng: np.random.Generator) -> list[Sample]:
    return [
        *_with_edges(rng),
        *(Sample(s.args, {"alpha": -0.5}, id=f"{s.id}, alpha") for s in pairs(rng)),
    ]


def _roundings(rng: np.random.Generator) -> list[Sample]:
    a = np.array([7.0, -7.0, 7.5, -0.5])
    b = np.array([2.0, 2.0, -2.0, 3.0])
    i, j = a.astype(int), b.astype(int)
    return [
        Sample((x, y), {"rounding_mode": mode}, id=f"{mode} {x.dtype}")
        for mode in ("floor", "trunc")
        for x, y in ((a, b), (i, j))
    ]


def _whole(rng: np.random.Generator) -> list[Sample]:
    a = np.array([7, -7, 7, -7, 0])
    b = np.array([2, 2, -2, -2, 5])
    return [
        Sample((a, b), id="integers"),
        Sample((a, 3), id="integers and number"),
        Sample((a.astype("float64"), b.astype("float64")), id="floats"),
        Sample((a.astype("int32"), b), id="two widths"),
    ]


def _remainders(rng: np.random.Generator) -> list[Sample]:
    a = np.array([7.1, -7.1, 7.1, -7.1])
    b = np.array([2.0, 2.0, -2.0, -2.0])
    return [
        Sample((a,), {"other": b}, id="signs"),
        Sample((a,), {"other": 3.0}, id="number"),
        *(Sample(s.args[:1], {"other": s.args[1]}, id=s.id) for s in pairs(rng)[1:4]),
    ]


def _powers(rng: np.random.Generator) -> list[Sample]:
    zeros = np.array([0.0, 0.0, 2.0, -2.0]), np.array([0.0, 2.0, 0.0, 0.0])
    return [
        *pairs(rng),
        Sample(zeros, smooth=False, id="zeros"),
        Sample((np.array([-2.0, 3.0, 0.0]), 3), id="integer exponent"),
        Sample((np.array([-2.0, 3.0]), -1), id="negative integer exponent"),
        Sample((np.array([0.0, 2.0]), 0), id="exponent 0"),
        Sample((2.0, np.array([0.5, -1.0])), id="number as base"),
    ]


def _mixed(rng: np.random.Generator) -> list[Sample]:
    """PyTorch's promotion: integers meet floats, booleans meet integers, numbers do not widen."""
    kinds = [
        rng.integers(1, 5, (2, 3)),
        rng.integers(1, 5, (2, 3)).astype("int32"),
        rng.integers(1, 5, (2, 3)).astype("uint8"),
        rng.integers(0, 2, (2, 3)).astype(bool),
        np.asarray(rng.integers(1, 5)),
    ]
    return [
        Sample((a, b), id=f"{a.dtype}{a.shape} {b.dtype}{b.shape}") for a in kinds for b in kinds
    ] + [Sample((a, n), id=f"{a.dtype}{a.shape} {n}") for a in kinds for n in (2, 2.5, True)]


def _single(rng: np.random.Generator) -> list[Sample]:
    shapes: list[tuple[int, ...]] = [(), (0,), (1,), (2, 3)]
    return [Sample((np.asarray(rng.standard_normal(s)),), id=str(s)) for s in shapes]


CASES = [
    OpCase("add", (A.Add,), A.add, torch.add, _alphas),
    OpCase("sub", (A.Sub,), A.sub, torch.sub, _alphas),
    OpCase("mul", (A.Mul,), A.mul, torch.mul, _with_edges, complex_fn=np.multiply),
    OpCase("div", (A.Div,), A.div, torch.div, _with_edges, complex_fn=np.divide),
    OpCase("div, rounded", (), A.div, torch.div, _roundings, differentiable=False),
    OpCase("floor_divide", (), A.floor_divide, torch.floor_divide, _whole, differentiable=False),
    OpCase("remainder", (A.Remainder,), A.remainder, torch.remainder, _remainders),
    OpCase(
        "remainder of integers",
        (A.Remainder,),
        A.remainder,
        torch.remainder,
        lambda rng: [s for s in _whole(rng) if s.id != "floats"],
        differentiable=False,
    ),
    OpCase("neg", (A.Neg,), A.neg, torch.neg, _single, complex_fn=np.negative),
    OpCase("square", (A.Mul,), A.square, torch.square, _single, complex_fn=np.square),
    OpCase("pow", (A.Pow,), A.pow, torch.pow, _powers),
    *(
        OpCase(f"{fn.__name__} of mixed dtypes", (), fn, torch_fn, _mixed, differentiable=False)
        for fn, torch_fn in ((A.add, torch.add), (A.mul, torch.mul), (A.div, torch.div))
    ),
]
