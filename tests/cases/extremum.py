"""Cases of nnlite.ops.extremum."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch

from nnlite.ops import extremum as E
from nnlite.ops.selection import Maximum, Minimum
from tests.cases.base import OpCase, Sample
from tests.cases.reduce import dims

TIES = np.array([[1.0, 3.0, 3.0], [2.0, 2.0, 2.0], [-1.0, -1.0, -3.0]])
NANS = np.array([[1.0, math.nan, math.nan], [2.0, 1.0, 0.0], [math.nan, -math.inf, math.inf]])


def _over_dims(rng: np.random.Generator) -> list[Sample]:
    return [
        *(s for s in dims(rng) if s.args[1:2] != (None,)),
        *(
            Sample((x, dim), smooth=False, id=f"{kind} {dim}")
            for kind, x in (("ties", TIES), ("NaN", NANS))
            for dim in (0, 1, (0, 1))
        ),
    ]


def _without_dim(rng: np.random.Generator) -> list[Sample]:
    return [
        Sample((rng.standard_normal(()),), id="0-d"),
        Sample((rng.standard_normal((3, 1, 4)),), id="3-d"),
        Sample((TIES,), smooth=False, id="ties"),
        Sample((NANS,), smooth=False, id="NaN"),
        Sample((np.full(3, -math.inf),), smooth=False, id="-inf"),
    ]


def _with_dim(rng: np.random.Generator) -> list[Sample]:
    return [
        Sample((rng.standard_normal(()), 0), id="0-d"),
        Sample((rng.standard_normal(5), 0), id="1-d"),
        Sample((rng.standard_normal((3, 4)), -2), id="first"),
        Sample((rng.standard_normal((3, 4)), 1, True), id="last, kept"),
        Sample((rng.standard_normal((2, 3, 4)), 1), {"keepdim": True}, id="middle, kept"),
        Sample((rng.standard_normal((0, 3)), 1), id="empty result"),
        Sample((TIES, 0), smooth=False, id="ties, first"),
        Sample((TIES, 1), smooth=False, id="ties, last"),
        Sample((NANS, 0), smooth=False, id="NaN, first"),
        Sample((NANS, 1), smooth=False, id="NaN, last"),
    ]


def _with_other(rng: np.random.Generator) -> list[Sample]:
    return [
        Sample((rng.standard_normal((2, 1)), rng.standard_normal(3)), id="broadcast"),
        Sample((TIES, TIES[::-1].copy()), smooth=False, id="ties"),
    ]


def _where(rng: np.random.Generator) -> list[Sample]:
    return [
        *(Sample(s.args[:1], smooth=False, id=f"{s.id}, all") for s in _without_dim(rng)),
        Sample((TIES, None, True), smooth=False, id="all, kept"),
        *_with_dim(rng),
        Sample((np.array([[3, 1, 3], [0, 0, -1]]), 1), id="integers"),
    ]


def _logsumexps(rng: np.random.Generator) -> list[Sample]:
    far = np.array([[1e4, -1e4, 0.0], [-1e4, -1e4, -1e4], [1e4, 1e4, 1e4]])
    infinite = np.array([[-math.inf, 1.0], [-math.inf, -math.inf], [math.inf, 1.0], [math.nan, 1]])
    return [
        *(s for s in dims(rng) if len(s.args) > 1 and s.args[1] not in (None, ())),
        Sample((far, 1), id="far"),
        Sample((infinite, 1), smooth=False, id="infinite"),
        Sample((np.zeros((0, 3)), 0), smooth=False, id="over nothing"),
    ]


def _taken(rng: np.random.Generator) -> list[Sample]:
    x, index = rng.standard_normal((2, 3, 4)), np.array([[[0, 2, 1, 1]], [[2, 2, 0, 1]]])
    return [
        Sample((x,), {"index": index, "dim": 1, "keepdim": keepdim}, id=f"keepdim={keepdim}")
        for keepdim in (False, True)
    ]


def _put(rng: np.random.Generator) -> list[Sample]:
    index = np.array([[[0, 2, 1, 1]], [[2, 2, 0, 1]]])
    return [
        Sample((rng.standard_normal(shape),), {"index": index, "dim": 1, "n": 3}, id=str(shape))
        for shape in ((2, 4), (2, 1, 4))
    ]


def _op(op: Any) -> Any:
    def apply(x: Any, *, index: Any, **params: Any) -> Any:
        return op.apply(x, index=index.array, **params)

    return apply


def _torch_take(x: torch.Tensor, *, index: torch.Tensor, dim: int, keepdim: bool) -> torch.Tensor:
    taken = x.gather(dim, index)
    return taken if keepdim else taken.squeeze(dim)


def _torch_put(x: torch.Tensor, *, index: torch.Tensor, dim: int, n: int) -> torch.Tensor:
    shape = [n if i == dim else size for i, size in enumerate(index.shape)]
    return torch.zeros(shape, dtype=x.dtype).scatter(dim, index, x.reshape(index.shape))


CASES = [
    OpCase("amax", (E.Amax,), E.amax, torch.amax, _over_dims),
    OpCase("amin", (E.Amin,), E.amin, torch.amin, _over_dims),
    OpCase("max", (E.Amax,), E.max, torch.max, _without_dim),
    OpCase("min", (E.Amin,), E.min, torch.min, _without_dim),
    OpCase("max with dim", (E.TakeAt, E.PutAt, E.Amax), E.max, torch.max, _with_dim),
    OpCase("min with dim", (E.TakeAt, E.PutAt, E.Amin), E.min, torch.min, _with_dim),
    OpCase("max with other", (Maximum,), E.max, torch.max, _with_other),
    OpCase("min with other", (Minimum,), E.min, torch.min, _with_other),
    OpCase("argmax", (), E.argmax, torch.argmax, _where, differentiable=False),
    OpCase("argmin", (), E.argmin, torch.argmin, _where, differentiable=False),
    OpCase("logsumexp", (E.LogSumExp,), E.logsumexp, torch.logsumexp, _logsumexps),
    OpCase("take_at", (E.TakeAt, E.PutAt), _op(E.TakeAt), _torch_take, _taken),
    OpCase("put_at", (E.PutAt, E.TakeAt), _op(E.PutAt), _torch_put, _put),
]
