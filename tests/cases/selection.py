"""Cases of nnlite.ops.selection."""

from __future__ import annotations

import math

import numpy as np
import torch

from nnlite.ops import selection as S
from tests.cases.arithmetic import pairs
from tests.cases.base import OpCase, Sample

EDGES = (
    np.array([1.0, 2.0, math.nan, 1.0, math.nan, -math.inf]),
    np.array([1.0, 2.0, 1.0, math.nan, math.nan, math.inf]),
)


def _extrema(rng: np.random.Generator) -> list[Sample]:
    return [
        *(s for s in pairs(rng) if isinstance(s.args[1], np.ndarray)),
        Sample(EDGES, smooth=False, id="ties and NaN"),
    ]


def _wheres(rng: np.random.Generator) -> list[Sample]:
    def x(*shape: int) -> np.ndarray:
        return np.asarray(rng.standard_normal(shape))

    def c(*shape: int) -> np.ndarray:
        return np.asarray(rng.integers(0, 2, shape).astype(bool))

    return [
        Sample((c(2, 3), x(2, 3), x(2, 3)), id="same"),
        Sample((c(3), x(2, 1), x()), id="broadcast"),
        Sample((c(4, 1, 1), x(2, 1), x(3)), id="all broadcast"),
        Sample((c(2, 3), x(2, 3), 0.0), id="number"),
        Sample((c(2, 3), -1.0, x(3)), id="number first"),
        Sample((c(), x(), x()), id="0-d"),
        Sample((c(2, 3), 1.0, 0.0), id="two numbers"),
        Sample((c(0, 3), x(0, 3), x(3)), id="empty"),
        Sample(
            (np.array([True, False, True]), np.array([1.0, math.nan, math.inf]), EDGES[0][:3]),
            smooth=False,
            id="NaN on the other side",
        ),
    ]


def _clamps(rng: np.random.Generator) -> list[Sample]:
    x = rng.uniform(-2, 2, (3, 4))
    x = np.where(np.abs(np.abs(x) - 1) < 0.05, 0.5, x)
    kinks = np.array([-1.0, 1.0, 0.0, math.nan, math.inf, -math.inf])
    return [
        Sample((x, -1, 1), id="both"),
        Sample((x,), {"min": -1.0}, id="min"),
        Sample((x,), {"max": 1}, id="max"),
        Sample((np.asarray(0.5), 0, 1), id="0-d"),
        Sample((np.zeros((0, 3)), 0, 1), id="empty"),
        Sample((kinks, -1.0, 1.0), smooth=False, id="at the bounds"),
        Sample((x, 1.0, -1.0), id="crossed"),
        Sample((x, np.full((3, 1), -1.1), np.full(4, 0.9)), id="tensors"),
        Sample((x,), {"max": np.full(4, 0.9)}, id="tensor max"),
        Sample(
            (
                kinks,
                np.array([-1.0, 2.0, 0.0, 0.0, 0.0, 0.0]),
                np.array([0.0, 1, 0, 1, 1, math.nan]),
            ),
            smooth=False,
            id="at tensor bounds",
        ),
    ]


CASES = [
    OpCase("where", (S.Where,), S.where, torch.where, _wheres),
    OpCase("maximum", (S.Maximum, S.Where), S.maximum, torch.maximum, _extrema),
    OpCase("minimum", (S.Minimum, S.Where), S.minimum, torch.minimum, _extrema),
    OpCase("clamp", (S.Clamp, S.Where), S.clamp, torch.clamp, _clamps),
]
