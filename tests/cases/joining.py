"""Cases of nnlite.ops.joining and nnlite.ops.rearranging."""

from __future__ import annotations

import numpy as np
import torch

from nnlite.ops import joining as J
from nnlite.ops import rearranging as R
from tests.cases.base import OpCase, Sample
from tests.cases.shape import _of


def _lists(*calls):
    """Samples from (shapes of the list, *further arguments)."""

    def samples(rng):
        return [
            Sample(([rng.standard_normal(s) for s in shapes], *args), id=f"{shapes}-{args}")
            for shapes, *args in calls
        ]

    return samples


def _with_integers(rng: np.random.Generator) -> list[Sample]:
    return [
        Sample(([rng.standard_normal((2, 3)), np.arange(3).reshape(1, 3)],), id="promoted"),
        Sample(
            ([np.arange(3).reshape(1, 3), rng.standard_normal((2, 3))], -2), id="promoted, dim -2"
        ),
    ]


def _in_turn(function):
    """All results of several, each times its number, so that none can stand for another."""
    return lambda *args, **kw: [part * (i + 1.0) for i, part in enumerate(function(*args, **kw))]


CASES = [
    OpCase(
        "cat",
        (J.Cat,),
        J.cat,
        torch.cat,
        lambda rng: (
            _lists(
                ([(2, 3), (1, 3)],),
                ([(2, 3), (2, 1), (2, 2)], 1),
                ([(2,), (0,), (3,)],),
                ([(5,)],),
                ([(2, 3), (0,)], 1),
                ([(2, 0), (2, 3)], -1),
                ([(0,), (0,)],),
                ([(4, 1, 3)] * 2, -2),
            )(rng)
            + _with_integers(rng)
        ),
    ),
    OpCase(
        "stack",
        (J.Cat,),
        J.stack,
        torch.stack,
        _lists(
            ([(2, 3), (2, 3)],), ([(2, 3)] * 3, -1), ([(), ()],), ([(0, 2)] * 2, 1), ([(5,)], 1)
        ),
    ),
    OpCase(
        "hstack",
        (J.Cat,),
        J.hstack,
        torch.hstack,
        _lists(([(2,), (3,)],), ([(2, 1), (2, 2)],), ([(), ()],)),
    ),
    OpCase(
        "vstack",
        (J.Cat,),
        J.vstack,
        torch.vstack,
        _lists(([(2,), (2,)],), ([(2, 1), (3, 1)],), ([(), ()],)),
    ),
    OpCase(
        "meshgrid",
        (),
        _in_turn(J.meshgrid),
        _in_turn(torch.meshgrid),
        lambda rng: (
            [
                Sample((rng.standard_normal(2), rng.standard_normal(3)), {"indexing": i}, id=i)
                for i in ("ij", "xy")
            ]
            + [
                Sample(
                    (rng.standard_normal(2), rng.standard_normal(3), rng.standard_normal(1)),
                    {"indexing": "xy"},
                )
            ]
        ),
    ),
    OpCase(
        "split",
        (J.Split, J.Cat),
        _in_turn(J.split),
        _in_turn(torch.split),
        _of(
            ((5,), 2),
            ((2, 4), [1, 3], 1),
            ((2, 4), 3, -1),
            ((3,), 5),
            ((4, 1, 3), (1, 1, 1), 2),
            ((5,), [0, 5]),
        ),
    ),
    OpCase(
        "chunk",
        (J.Split, J.Cat),
        _in_turn(J.chunk),
        _in_turn(torch.chunk),
        _of(((5,), 2), ((2, 7), 3, 1), ((2,), 4)),
    ),
    OpCase(
        "unbind",
        (J.Split, J.Cat),
        _in_turn(J.unbind),
        _in_turn(torch.unbind),
        _of(((3,),), ((2, 3), 1), ((2, 3), -2)),
    ),
    OpCase(
        "flip",
        (R.Flip,),
        R.flip,
        torch.Tensor.flip,
        _of(((2, 3), 0), ((2, 3), (0, 1)), ((4, 1, 3), [-1]), ((0, 3), 0), ((5,), 0)),
    ),
    OpCase(
        "roll",
        (R.Roll,),
        R.roll,
        torch.roll,
        _of(
            ((5,), 2),
            ((2, 3), -1),
            ((2, 3), 1, 1),
            ((2, 3), (1, 2), (0, -1)),
            ((2, 3), 7, 0),
            ((0, 3), 1, 0),
        ),
    ),
    OpCase(
        "tril",
        (R.Tril,),
        R.tril,
        torch.tril,
        _of(((3, 3),), ((2, 4), 1), ((4, 2), -1), ((2, 3, 3),), ((0, 3),)),
    ),
    OpCase(
        "triu",
        (R.Triu,),
        R.triu,
        torch.triu,
        _of(((3, 3),), ((2, 4), 1), ((4, 2), -1), ((2, 3, 3),), ((0, 3),)),
    ),
    OpCase(
        "diagonal",
        (R.Diagonal, R.Undiagonal),
        R.diagonal,
        torch.diagonal,
        _of(
            ((3, 3),),
            ((2, 4), 1),
            ((4, 2), -1),
            ((2, 3, 4), 0, 1, 2),
            ((2, 3, 4), 1, -1, 0),
            ((1, 1),),
            ((3, 0),),
        ),
    ),
    OpCase(
        "diag",
        (R.Diagonal, R.Undiagonal),
        R.diag,
        torch.diag,
        _of(((3,),), ((3,), 1), ((2,), -2), ((2, 3), 1)),
    ),
]
