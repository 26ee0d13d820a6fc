# ruff: noqa: E501
"""Cases of nnlite.ops.gather_scatter, nnlite.ops.sorting and nnlite.ops.folding."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

from nnlite.ops import folding as W
from nnlite.ops import gather_scatter as G
from nnlite.ops import sorting as S
from nnlite.ops.indexing import Put, Take, Untake
from tests.cases.base import OpCase, Sample
from tests.cases.shape import _of


def _gathers(rng):
    calls = [
        ((5,), 0, (3,)), ((2, 3), 1, (2, 4)), ((2, 3), 0, (1, 3)), ((2, 3), -1, (1, 2)), ((4, 1, 3), 2, (2, 1, 3)),
        ((), 0, ()), ((0, 3), 1, (0, 2)), ((2, 3), 0, (0, 3)), ((5,), 0, (7,)),
    ]  # fmt: skip
    return [
        Sample(
            (rng.standard_normal(shape), dim, rng.integers(0, shape[dim] if shape else 1, index)),
            id=f"{shape}-{dim}-{index}",
        )
        for shape, dim, index in calls
    ]


def _scatters(rng):
    """Each place at most once: which of two values stays is not defined."""
    return [
        Sample((rng.standard_normal((5,)), 0, np.array([3, 0]), rng.standard_normal((2,)))),
        Sample((rng.standard_normal((2, 3)), 1, np.array([[2, 0]]), rng.standard_normal((1, 2)))),
        Sample(
            (rng.standard_normal((2, 3)), -2, np.array([[1, 0, 0]]), rng.standard_normal((1, 3)))
        ),
        Sample((rng.standard_normal((2, 3)), 1, np.array([[2, 0]])), {"value": 2.5}, id="number"),
        Sample((rng.standard_normal((2, 3)), 1, np.array([[2, 0]]), 1.5), id="number by place"),
        Sample(
            (
                rng.standard_normal((2, 3)),
                1,
                np.zeros((0, 3), np.int64),
                rng.standard_normal((0, 3)),
            )
        ),
    ]


def _scatter_adds(rng):
    return [
        *_scatters(rng)[:3],
        Sample((rng.standard_normal((3,)), 0, np.array([1, 1, 1, 2]), rng.standard_normal((4,)))),
        Sample(
            (
                rng.standard_normal((2, 3)),
                1,
                np.array([[0, 0, 0], [1, 0, 1]]),
                rng.standard_normal((2, 3)),
            )
        ),
        Sample((rng.standard_normal(()), 0, np.array(0), rng.standard_normal(())), id="0-d"),
    ]


def _selects(rng):
    return [
        Sample((rng.standard_normal((5,)), 0, np.array([0, 0, 4]))),
        Sample((rng.standard_normal((2, 3)), -1, np.array([2, 2, 0, 1]))),
        Sample((rng.standard_normal((2, 3)), 0, np.array([], np.int64)), id="none"),
        Sample((rng.standard_normal((2, 3)), 0, np.array([1], np.int32)), id="int32"),
        Sample((rng.standard_normal((4, 1, 3)), 1, np.array([0, 0]))),
        Sample((rng.standard_normal(()), 0, np.array([0])), id="0-d"),
    ]


def _index_adds(rng):
    return [
        Sample((rng.standard_normal((5,)), 0, np.array([0, 0, 4]), rng.standard_normal(3))),
        Sample(
            (rng.standard_normal((2, 3)), 1, np.array([2, 2, 0, 1]), rng.standard_normal((2, 4))),
            {"alpha": -2.0},
        ),
    ]


def _along(rng):
    return [
        Sample((rng.standard_normal((4, 3)), rng.integers(0, 4, (2, 1)), 0), id="broadcast"),
        Sample((rng.standard_normal((1, 3)), rng.integers(0, 3, (4, 2)), 1), id="broadcast input"),
        Sample((rng.standard_normal((2, 3)), rng.integers(0, 6, (4,))), id="flat"),
    ]


def _masks(rng):
    return [
        Sample(
            (rng.standard_normal((2, 3)), np.array([[True, False, True], [False, False, True]]))
        ),
        Sample((rng.standard_normal((2, 3)), np.array([True, False, True]))),
        Sample((rng.standard_normal((0, 3)), np.array([True, False, True]))),
        Sample((rng.standard_normal(()), np.array(True))),
        Sample((rng.standard_normal((5,)), np.zeros(5, bool))),
    ]


def _fills(rng):
    return [Sample((*s.args, 1.5)) for s in _masks(rng)] + [
        Sample((*s.args, rng.standard_normal(()))) for s in _masks(rng)[:2]
    ]


def _integers(*calls):
    def samples(rng):
        return [
            Sample((rng.integers(0, 5, shape), *args), id=f"{shape}-{args}")
            for shape, *args in calls
        ]

    return samples


def _values(function):
    return lambda *args, **kw: list(function(*args, **kw))


def _distinct(rng, shape):
    return rng.permutation(int(np.prod(shape, dtype=int))).reshape(shape).astype(np.float64)


CASES = [
    OpCase("gather", (Take, Untake), G.gather, torch.gather, _gathers),
    OpCase("take_along_dim", (Take,), G.take_along_dim, torch.take_along_dim, _along),
    OpCase("scatter", (Put,), G.scatter, torch.scatter, _scatters),
    OpCase("scatter_add", (Untake,), G.scatter_add, torch.scatter_add, _scatter_adds),
    OpCase("index_select", (Take,), G.index_select, torch.index_select, _selects),
    OpCase("index_add", (Untake,), G.index_add, torch.index_add, _index_adds),
    OpCase("masked_fill", (), G.masked_fill, torch.masked_fill, _fills),
    OpCase("masked_select", (Take,), G.masked_select, torch.masked_select, _masks),
    OpCase(
        "Tensor.unfold",
        (W.Windows, W.Unwindow),
        W.unfold_dimension,
        torch.Tensor.unfold,
        _of(
            ((7,), 0, 3, 2),
            ((7,), 0, 3, 1),
            ((2, 5), 1, 2, 2),
            ((5, 2), -2, 2, 3),
            ((4,), 0, 4, 1),
            ((0, 3), 1, 2, 1),
        ),
    ),
    OpCase(
        "F.unfold",
        (W.Im2col, W.Col2im),
        W.unfold,
        F.unfold,
        lambda rng: (
            [
                *_of(
                    ((2, 3, 5, 4), 2),
                    ((1, 1, 7, 6), (3, 2), 1, (1, 0), (2, 3)),
                    ((3, 5, 5), 2, 2),
                    ((1, 1, 5, 5), 3, 2, 2),
                    ((1, 2, 1, 1), 1),
                    ((0, 2, 3, 3), 2),
                )(rng),
                Sample((rng.standard_normal((1, 2, 4, 4)), (2, 2)), {"stride": 3, "padding": 2}),
            ]
        ),
    ),
    OpCase(
        "F.fold",
        (W.Col2im, W.Im2col),
        W.fold,
        F.fold,
        _of(
            ((2, 8, 12), (5, 4), 2),
            ((6, 9), (7, 6), (3, 2), 1, (1, 0), (3, 2)),
            ((1, 9, 25), 5, 3, 2, 2),
            ((1, 4, 1), 2, 2),
        ),
    ),
    OpCase(
        "cumsum",
        (S.Cumsum,),
        S.cumsum,
        torch.cumsum,
        _of(((5,), 0), ((2, 3), 1), ((4, 1, 3), -3), ((), 0), ((0, 3), 0)),
    ),
    OpCase(
        "sort",
        (Take,),
        _values(S.sort),
        _values(torch.sort),
        lambda rng: [
            Sample((_distinct(rng, (5,)),)),
            Sample((_distinct(rng, (2, 3)), 0, True)),
            Sample((_distinct(rng, ()),)),
            Sample(
                (np.array([1.0, 0, 1, 0, 1]),),
                {"stable": True, "descending": True},
                smooth=False,
                id="ties",
            ),
            Sample(
                (np.array([1.0, 0, 1, 0, 1]),), {"stable": True}, smooth=False, id="ties ascending"
            ),
            Sample((np.array([1.0, np.nan, np.inf, -np.inf]),), smooth=False, id="NaN"),
            Sample(
                (np.array([1.0, np.nan, np.inf, 0]),),
                {"descending": True},
                smooth=False,
                id="NaN descending",
            ),
            Sample((np.zeros((0, 3)), 0)),
        ],
    ),
    OpCase(
        "topk",
        (Take,),
        _values(S.topk),
        _values(torch.topk),
        lambda rng: [
            Sample((_distinct(rng, (5,)), 2)),
            Sample((_distinct(rng, (2, 3)), 1, 0), {"largest": False}),
            Sample((_distinct(rng, (2, 3)), 0)),
            Sample((_distinct(rng, ()), 1)),
        ],
    ),
    OpCase(
        "argsort",
        (),
        S.argsort,
        torch.argsort,
        lambda rng: [Sample((_distinct(rng, (2, 4)), 1, True))],
        differentiable=False,
    ),
    OpCase(
        "nonzero",
        (),
        S.nonzero,
        torch.nonzero,
        _integers(((2, 3),), ((5,),), ((),), ((0, 2),)),
        differentiable=False,
    ),
    OpCase(
        "one_hot",
        (),
        S.one_hot,
        F.one_hot,
        _integers(((2, 3),), ((5,), 7), ((), 5), ((0,), 3)),
        differentiable=False,
    ),
    OpCase(
        "bincount",
        (),
        S.bincount,
        torch.bincount,
        lambda rng: (
            [*_integers(((7,),), ((0,),))(rng), Sample((np.array([1, 1, 3]),), {"minlength": 6})]
        ),
        differentiable=False,
    ),
    OpCase(
        "unique",
        (),
        lambda x: list(S.unique(x, True, True, True)),
        lambda x: list(torch.unique(x, True, True, True)),
        _integers(((2, 3),), ((9,),), ((),)),
        differentiable=False,
    ),
]
