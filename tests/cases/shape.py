"""Cases of nnlite.ops.shape and of the dtype and copy ops of nnlite.ops.conversion."""

from __future__ import annotations

import numpy as np
import torch

from nnlite.autograd.fit import BroadcastTo, Cast, SumTo
from nnlite.ops import conversion as C
from nnlite.ops import inplace as I
from nnlite.ops import shape as S
from nnlite.ops import viewing
from tests.cases.base import OpCase, Sample


def _of(*calls):
    """Samples from (shape, *further arguments)."""

    def samples(rng):
        return [
            Sample((rng.standard_normal(shape), *args), id=f"{shape}-{args}")
            for shape, *args in calls
        ]

    return samples


def _transposed_then(function, name):
    return lambda x, *args: getattr(function, name)(
        x.mT if isinstance(x, torch.Tensor) else S.transpose(x, -2, -1), *args
    )


def _overwrite(x, value):
    return I.copy_(C.clone(x), value)


CASES = [
    OpCase(
        "reshape",
        (viewing.View,),
        S.reshape,
        torch.Tensor.reshape,
        _of(
            ((2, 3), 3, 2),
            ((2, 3), (-1,)),
            ((4, 1, 3), [2, -1]),
            ((), 1, 1),
            ((1,), ()),
            ((0, 3), 3, 0),
            ((0, 3), -1, 3),
            ((2, 3, 4), (6, 4)),
            ((5,), 5),
        ),
    ),
    OpCase(
        "reshape of a transposed",
        (viewing.Reshape,),
        _transposed_then(S, "reshape"),
        _transposed_then(torch.Tensor, "reshape"),
        _of(((2, 3), 6), ((2, 3, 4), (2, 2, 2, 3)), ((2, 3, 4), -1), ((1, 3), 3), ((0, 3), 0)),
    ),
    OpCase(
        "view",
        (viewing.View,),
        S.view,
        torch.Tensor.view,
        lambda rng: [
            Sample((rng.standard_normal((1, 6)), 6, 1)),
            Sample((rng.standard_normal(()), 1)),
        ],
    ),
    OpCase(
        "flatten",
        (viewing.View,),
        S.flatten,
        torch.flatten,
        _of(
            ((2, 3, 4),),
            ((2, 3, 4), 1),
            ((2, 3, 4, 5), 1, 2),
            ((2, 3, 4), -2, -1),
            ((),),
            ((5,),),
            ((2, 0, 3), 1),
        ),
    ),
    OpCase(
        "unflatten",
        (viewing.View,),
        S.unflatten,
        torch.unflatten,
        _of(((2, 12), 1, (3, 4)), ((12,), -1, (2, -1)), ((6, 1), 0, [3, 2])),
    ),
    OpCase(
        "squeeze",
        (viewing.View,),
        S.squeeze,
        torch.squeeze,
        _of(
            ((1, 3, 1),),
            ((1, 3, 1), 0),
            ((1, 3, 1), 1),
            ((1, 3, 1), (0, -1)),
            ((),),
            ((1, 0),),
            ((1,), -1),
        ),
    ),
    OpCase(
        "unsqueeze",
        (viewing.View,),
        S.unsqueeze,
        torch.unsqueeze,
        _of(((2, 3), 0), ((2, 3), -1), ((2, 3), 1), ((), 0), ((0,), 1)),
    ),
    OpCase(
        "permute",
        (viewing.Permute,),
        S.permute,
        torch.Tensor.permute,
        _of(
            ((2, 3, 4), 2, 0, 1), ((2, 3, 4), (1, -1, 0)), ((), ()), ((5,), 0), ((2, 0, 3), 1, 0, 2)
        ),
    ),
    OpCase(
        "transpose",
        (viewing.Permute,),
        S.transpose,
        torch.transpose,
        _of(((2, 3), 0, 1), ((2, 3, 4), -1, 0), ((2, 3), 1, 1), ((), 0, -1), ((1, 0), 0, 1)),
    ),
    OpCase(
        "movedim",
        (viewing.Permute,),
        S.movedim,
        torch.movedim,
        _of(((2, 3, 4), 0, -1), ((2, 3, 4), (0, 1), (-1, 0)), ((5,), 0, 0)),
    ),
    OpCase("t", (viewing.Permute,), S.t, torch.t, _of(((2, 3),), ((3,),), ((),), ((0, 2),))),
    OpCase(
        "mT", (viewing.Permute,), S.matrix_transpose, lambda x: x.mT, _of(((2, 3),), ((4, 2, 3),))
    ),
    OpCase(
        "expand",
        (BroadcastTo, SumTo),
        S.expand,
        torch.Tensor.expand,
        _of(
            ((1, 3), 2, 3),
            ((3,), (2, -1)),
            ((), 2, 2),
            ((2, 1, 3), 2, 4, -1),
            ((1,), 0),
            ((2, 3), 2, 3),
            ((), ()),
        ),
    ),
    OpCase(
        "repeat",
        (viewing.Reshape, viewing.View, BroadcastTo),
        S.repeat,
        torch.Tensor.repeat,
        _of(
            ((3,), 2), ((2, 3), 2, 1), ((2, 3), (2, 2, 2)), ((), 3), ((2,), 0), ((0,), 2), ((), ())
        ),
    ),
    OpCase(
        "tile",
        (viewing.Reshape,),
        S.tile,
        torch.tile,
        _of(((2, 3), (2,)), ((3,), (2, 2)), ((2, 3), (1, 2))),
    ),
    OpCase("clone", (C.Clone,), C.clone, torch.clone, _of(((2, 3),), ((),), ((0, 2),))),
    OpCase(
        "double of float",
        (Cast,),
        lambda x: C.to_double(C.to_float(x)),
        lambda x: x.float().double(),
        lambda rng: [
            Sample((rng.integers(-9, 9, s).astype(np.float64),), smooth=False, id=str(s))
            for s in [(2, 3), (), (0,)]
        ],
    ),
    OpCase(
        "move",
        (C.Move,),
        lambda x: C.Move.apply(x, device=x.device),
        torch.clone,
        lambda rng: [Sample((rng.standard_normal((2, 3)),)), Sample((rng.standard_normal(()),))],
    ),
    OpCase(
        "copy_",
        (I.Overwrite,),
        _overwrite,
        lambda x, value: x.clone().copy_(value),
        lambda rng: [
            Sample((rng.standard_normal(a), rng.standard_normal(b)), id=f"{a}-{b}")
            for a, b in [
                ((2, 3), (3,)),
                ((), ()),
                ((2, 3), ()),
                ((4, 1, 3), (1, 3)),
                ((0, 2), (2,)),
            ]
        ],
    ),
]
