"""Cases of nnlite.ops.comparison and nnlite.ops.logic."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch

from nnlite.autograd import Tensor
from nnlite.backend import backend_of
from nnlite.ops import comparison as C
from nnlite.ops import logic as L
from tests.cases.arithmetic import pairs
from tests.cases.base import OpCase, Sample

EDGES = (
    np.array([1.0, math.nan, math.nan, math.inf, math.inf, -math.inf, 0.0, 1.0]),
    np.array([1.0, 1.0, math.nan, math.inf, -math.inf, 1.0, -0.0, 1.0 + 1e-6]),
)


def _comparisons(rng: np.random.Generator) -> list[Sample]:
    i, j = rng.integers(0, 3, (2, 4)), rng.integers(0, 3, 4)
    return [
        *pairs(rng),
        Sample(EDGES, id="IEEE edges"),
        Sample((i, j), id="integers"),
        Sample((i, j.astype("uint8")), id="two dtypes"),
        Sample((i, 1), id="number"),
        Sample((i, 0.5), id="integers and 0.5"),
    ]


def _truths(rng: np.random.Generator) -> list[Sample]:
    a, b = rng.integers(0, 2, (2, 3)), rng.integers(0, 2, 3)
    return [
        Sample((a.astype(bool), b.astype(bool)), id="bool"),
        Sample((a, b), id="int64"),
        Sample((a * 0.5, b * 0.5), id="float"),
        Sample((np.array([math.nan, 0.0]), np.array([0.0, 0.0])), id="NaN"),
    ]


def _close(rng: np.random.Generator) -> list[Sample]:
    x = rng.standard_normal((2, 3))
    return [
        Sample(EDGES, id="edges"),
        Sample(EDGES, {"equal_nan": True}, id="equal_nan"),
        Sample(EDGES, {"rtol": 0.0, "atol": 1.0}, id="atol"),
        Sample((x, x * (1 + 2e-5)), id="not within"),
        Sample((x, x * (1 + 5e-6)), id="within"),
        Sample((np.array([1, 2, 3]), np.array([1, 2, 4])), id="integers"),
        Sample(
            (np.array([0, 255], "uint8"), np.array([255, 254], "uint8")), {"atol": 1.0}, id="uint8"
        ),
    ]


def _ours(fn: Any) -> Any:
    """fn's Python bool as a tensor, where its first argument is."""

    def call(x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        return Tensor(backend_of(x.array).asarray(np.asarray(fn(x, *args, **kwargs))))

    return call


def _theirs(fn: Any) -> Any:
    return lambda *args, **kwargs: torch.tensor(fn(*args, **kwargs))


def _same(rng: np.random.Generator) -> list[Sample]:
    x = rng.standard_normal((2, 3))
    return [
        Sample((x, x.copy()), id="equal"),
        Sample((x, x + 1), id="different"),
        Sample((x, x[:1]), id="another shape"),
        Sample((EDGES[0], EDGES[0]), id="NaN"),
    ]


CASES = [
    *(
        OpCase(fn.__name__, (), fn, getattr(torch, fn.__name__), _comparisons, differentiable=False)
        for fn in (C.eq, C.ne, C.lt, C.le, C.gt, C.ge)
    ),
    *(
        OpCase(fn.__name__, (), fn, getattr(torch, fn.__name__), _truths, differentiable=False)
        for fn in (L.logical_and, L.logical_or, L.logical_xor)
    ),
    OpCase(
        "logical_not",
        (),
        L.logical_not,
        torch.logical_not,
        lambda rng: [Sample(s.args[:1], id=s.id) for s in _truths(rng)],
        differentiable=False,
    ),
    OpCase("isclose", (), L.isclose, torch.isclose, _close, differentiable=False),
    *(
        OpCase(
            fn.__name__,
            (),
            _ours(fn),
            _theirs(getattr(torch, fn.__name__)),
            samples,
            differentiable=False,
        )
        for fn, samples in ((L.allclose, _close), (L.equal, _same))
    ),
]
