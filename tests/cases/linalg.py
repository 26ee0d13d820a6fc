"""Cases of nnlite.ops.linalg and nnlite.ops.einsum."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from nnlite.ops import einsum as E
from nnlite.ops import linalg as L
from tests.cases.base import OpCase, Sample


def _pairs(rng: np.random.Generator, *shapes: tuple[tuple[int, ...], ...]) -> list[Sample]:
    return [
        Sample(tuple(rng.standard_normal(s) for s in pair), id=" ".join(map(str, pair)))
        for pair in shapes
    ]


def _matmuls(rng: np.random.Generator) -> list[Sample]:
    pairs = _pairs(
        rng,
        ((3,), (3,)),
        ((2, 3), (3, 4)),
        ((3,), (3, 4)),
        ((2, 3), (3,)),
        ((5, 2, 3), (3, 4)),
        ((5, 1, 2, 3), (3, 1)),
        ((5, 2, 3), (3,)),
        ((3,), (5, 3, 4)),
        ((2, 3), (5, 3, 4)),
        ((5, 2, 3), (5, 3, 4)),
        ((5, 1, 2, 3), (4, 3, 2)),
        ((1, 2, 3), (4, 3, 1)),
        ((0, 3), (3, 4)),
        ((2, 0), (0, 4)),
        ((5, 0, 3), (3, 2)),
        ((0,), (0,)),
    )
    return [*pairs, Sample((rng.integers(0, 9, (2, 3)), rng.integers(0, 9, (3, 2))), id="integers")]


def _linears(rng: np.random.Generator) -> list[Sample]:
    shapes: list[tuple[int, ...]] = [(2, 3), (3,), (4, 1, 3), (0, 3)]
    w, b = rng.standard_normal((5, 3)), rng.standard_normal(5)
    return (
        [Sample((rng.standard_normal(s), w, b), id=f"{s}, bias") for s in shapes]
        + [Sample((rng.standard_normal(s), w), id=f"{s}") for s in shapes]
        + [Sample((rng.standard_normal((2, 3)), w[:0], b[:0]), id="no outputs")]
        + [Sample((rng.standard_normal((2, 0)), w[:, :0], b), id="no inputs")]
    )


def _addmms(rng: np.random.Generator) -> list[Sample]:
    a, b = rng.standard_normal((2, 3)), rng.standard_normal((3, 4))
    return [
        Sample((rng.standard_normal((2, 4)), a, b), id="plain"),
        Sample((rng.standard_normal(4), a, b), {"beta": 0.5, "alpha": -2}, id="factors"),
        Sample((rng.standard_normal((2, 1)), a, b), {"alpha": 3.0}, id="alpha"),
    ]


def _transposed(rng: np.random.Generator) -> list[Sample]:
    sizes = {False: (2, 3), True: (3, 2)}, {False: (3, 4), True: (4, 3)}
    return [
        Sample(
            (rng.standard_normal(lead + sizes[0][ta]), rng.standard_normal(lead + sizes[1][tb])),
            {"ta": ta, "tb": tb},
            id=f"{lead} {ta} {tb}",
        )
        for lead in ((), (5,))
        for ta in (False, True)
        for tb in (False, True)
    ]


def _torch_transposed(a: torch.Tensor, b: torch.Tensor, *, ta: bool, tb: bool) -> torch.Tensor:
    return (a.mT if ta else a) @ (b.mT if tb else b)


def _einsums(rng: np.random.Generator) -> list[Sample]:
    rows: list[tuple[str, list[tuple[int, ...]]]] = [
        ("ij,jk->ik", [(2, 3), (3, 4)]),
        ("ij,jk", [(2, 3), (3, 4)]),
        ("bij, bjk -> bik", [(5, 2, 3), (5, 3, 4)]),
        ("ba,ca->cb", [(2, 3), (4, 3)]),
        ("...ij,...jk->...ik", [(5, 1, 2, 3), (4, 3, 2)]),
        ("...i,i", [(2, 3), (3,)]),
        ("i...,j...->ij...", [(2, 3), (4, 3)]),
        ("...,...->...", [(2, 1), (3,)]),
        ("ij->ji", [(2, 3)]),
        ("ij->", [(2, 3)]),
        ("ba", [(2, 3)]),
        ("ii->i", [(3, 3)]),
        ("ii", [(3, 3)]),
        ("iji->ji", [(3, 2, 3)]),
        ("iii->i", [(2, 2, 2)]),
        ("ijjk,kl->il", [(2, 3, 3, 4), (4, 2)]),
        ("i,j->ij", [(3,), (4,)]),
        ("i,i", [(3,), (3,)]),
        ("i,i->i", [(3,), (3,)]),
        (",", [(), ()]),
        ("->", [()]),
        ("ij,k->k", [(2, 3), (4,)]),
        ("ij,ij->j", [(2, 3), (1, 3)]),
        ("i,i->i", [(1,), (1,)]),
        ("ij,jk,kl->il", [(2, 3), (3, 4), (4, 5)]),
        ("i,ij,j->", [(2,), (2, 3), (3,)]),
        ("bi,bj,ijk->bk", [(2, 3), (2, 4), (3, 4, 5)]),
        ("i,j,i->ij", [(2,), (3,), (2,)]),
        ("ij,jk->ik", [(0, 3), (3, 4)]),
        ("ij,jk->ik", [(2, 0), (0, 4)]),
    ]
    return [
        Sample((eq, *(np.asarray(rng.standard_normal(s)) for s in shapes)), id=f"{eq} {shapes}")
        for eq, shapes in rows
    ]


def _torch_on_diagonal(x: torch.Tensor, *, i: int, j: int) -> torch.Tensor:
    return torch.diag_embed(x.movedim(i, -1), dim1=i, dim2=j)


def _apply(op: Any) -> Any:
    return lambda *args, **kwargs: op.apply(*args, **kwargs)


CASES = [
    OpCase("matmul", (L.Matmul, L.RowProduct, L.Dot), L.matmul, torch.matmul, _matmuls),
    OpCase("matmul, transposed", (L.Matmul,), _apply(L.Matmul), _torch_transposed, _transposed),
    OpCase(
        "row product",
        (L.RowProduct,),
        _apply(L.RowProduct),
        lambda a, b: torch.einsum("...m,...n->mn", a, b),
        lambda rng: _pairs(rng, ((2, 3), (2, 4)), ((5, 2, 3), (5, 2, 1)), ((3,), (4,))),
    ),
    OpCase("mm", (L.Matmul,), L.mm, torch.mm, lambda rng: _pairs(rng, ((2, 3), (3, 4)))),
    OpCase("bmm", (L.Matmul,), L.bmm, torch.bmm, lambda rng: _pairs(rng, ((5, 2, 3), (5, 3, 4)))),
    OpCase("mv", (L.Matmul,), L.mv, torch.mv, lambda rng: _pairs(rng, ((2, 3), (3,)))),
    OpCase("dot", (L.Dot,), L.dot, torch.dot, lambda rng: _pairs(rng, ((3,), (3,)), ((0,), (0,)))),
    OpCase("outer", (), L.outer, torch.outer, lambda rng: _pairs(rng, ((3,), (4,)), ((0,), (2,)))),
    OpCase("addmm", (L.Matmul,), L.addmm, torch.addmm, _addmms),
    OpCase(
        "linear",
        (L.Linear, L.Matmul, L.RowProduct),
        L.linear,
        torch.nn.functional.linear,
        _linears,
    ),
    OpCase("einsum", (E.Contract, E.Diagonal, E.OnDiagonal), E.einsum, torch.einsum, _einsums),
    OpCase(
        "on diagonal",
        (E.OnDiagonal, E.Diagonal),
        _apply(E.OnDiagonal),
        _torch_on_diagonal,
        lambda rng: [
            Sample((rng.standard_normal((2, 3, 4)),), {"i": i, "j": j}, id=f"{i} {j}")
            for i, j in ((0, 1), (0, 3), (1, 2), (2, 3), (1, 3))
        ],
    ),
]
