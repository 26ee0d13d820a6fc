"""Cases of nnlite.ops.pool and nnlite.ops.pool_adaptive."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch.nn.functional as F

from nnlite.ops import pool as P
from nnlite.ops import pool_adaptive as A
from tests.cases.base import OpCase, Sample


def _distinct(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Numbers at least 0.1 apart: no ties, and room for finite differences."""
    return rng.permutation(np.arange(np.prod(shape, dtype=int)) * 0.1 - 1).reshape(shape)


def _max2d(rng: np.random.Generator) -> list[Sample]:
    nan = _distinct(rng, 1, 2, 5, 4)
    nan[0, 0, 1, 1] = nan[0, 0, 1, 2] = nan[0, 1, 4, 3] = np.nan
    low = np.full((1, 1, 5, 5), -np.inf)
    low[0, 0, 0, 0] = -3.0
    samples = [
        Sample((_distinct(rng, 2, 3, 6, 4), 2), id="2x2"),
        Sample((_distinct(rng, 2, 7, 5), 2), id="one image, left over"),
        Sample((_distinct(rng, 0, 2, 4, 4), 2), id="empty batch"),
        Sample((_distinct(rng, 1, 1, 1, 1), 1), id="one pixel"),
        Sample((_distinct(rng, 2, 1, 7, 7), 3), {"stride": 1}, id="overlapping"),
        Sample(
            (_distinct(rng, 1, 2, 7, 8), (3, 2)), {"stride": (2, 3), "padding": 1}, id="padding"
        ),
        # all below 0: a padding with zeros would win
        Sample((_distinct(rng, 1, 1, 4, 4) - 9, 3), {"stride": 2, "padding": 1}, id="negative"),
        Sample((_distinct(rng, 1, 1, 7, 8), 2), {"stride": 1, "dilation": (2, 3)}, id="dilation"),
        Sample((_distinct(rng, 1, 1, 5, 7), 2), {"stride": 3, "ceil_mode": True}, id="ceil"),
        Sample(
            (_distinct(rng, 1, 2, 6, 7), 3),
            {"stride": 2, "padding": 1, "ceil_mode": True},
            id="ceil, padding",
        ),
        Sample((_distinct(rng, 1, 1, 2, 2), 2), {"stride": 3, "padding": 1, "ceil_mode": True}),
    ]
    kinks = [
        Sample((rng.integers(0, 2, (2, 2, 6, 6)) * 1.0, 3), {"stride": 1}, smooth=False, id="ties"),
        Sample((nan, 2), {"stride": 1}, smooth=False, id="NaN"),
        Sample((low, 3), {"stride": 2, "padding": 1}, smooth=False, id="-infinity"),
    ]
    return samples + kinks


def _with_indices(samples: Any) -> Any:
    return lambda rng: [
        Sample(s.args, {**s.kwargs, "return_indices": True}, s.smooth, s.id) for s in samples(rng)
    ]


def _max1d(rng: np.random.Generator) -> list[Sample]:
    return [
        Sample((_distinct(rng, 2, 3, 7), 2), id="2"),
        Sample((_distinct(rng, 3, 7), 3), {"stride": 2, "padding": 1}, id="one signal"),
        Sample((_distinct(rng, 1, 2, 8), 3), {"stride": 2, "ceil_mode": True, "dilation": 2}),
    ]


def _avg2d(rng: np.random.Generator) -> list[Sample]:
    odd = {"stride": 2, "padding": 1, "ceil_mode": True}
    samples = [
        Sample((rng.normal(size=(2, 3, 6, 4)), 2), id="2x2"),
        Sample((rng.normal(size=(2, 7, 5)), 2), id="one image, left over"),
        Sample((rng.normal(size=(0, 2, 4, 4)), 2), id="empty batch"),
        Sample((rng.normal(size=(2, 1, 5, 5)), 3), {"stride": 1}, id="overlapping"),
        Sample((rng.normal(size=(1, 1, 5, 7)), (2, 3)), {"stride": (3, 1)}, id="gaps"),
    ]
    for include in (True, False):
        for override in (None, 3, -2):
            more = {"count_include_pad": include, "divisor_override": override}
            for size in ((6, 7), (5, 5), (4, 8)):
                x = rng.normal(size=(1, 2, *size))
                samples.append(Sample((x, 3), {**odd, **more}, id=f"ceil {size} {more}"))
                samples.append(Sample((x, (2, 3), 3, 1), more, id=f"floor {size} {more}"))
    return samples


def _avg1d(rng: np.random.Generator) -> list[Sample]:
    return [
        Sample((rng.normal(size=(2, 3, 7)), 2), id="2"),
        Sample((rng.normal(size=(3, 8)), 3, 2, 1, True, False), id="one signal"),
        Sample((rng.normal(size=(1, 1, 8)), 3, 2, 1, True), id="ceil"),
    ]


def _adaptive(make: Any) -> Any:
    def samples(rng: np.random.Generator) -> list[Sample]:
        return [
            Sample((make(rng, 2, 3, 6, 4), (3, 2)), id="divides"),
            Sample((make(rng, 1, 2, 7, 5), (3, 2)), id="overlapping"),
            Sample((make(rng, 2, 7, 5), 1), id="one image, one number"),
            Sample((make(rng, 1, 1, 2, 3), (5, 4)), id="more than there are"),
            Sample((make(rng, 1, 2, 5, 4), (None, 3)), id="None keeps"),
            Sample((make(rng, 0, 2, 5, 4), 3), id="empty batch"),
        ]

    return samples


def _normal(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.normal(size=shape)


def _adaptive_max(rng: np.random.Generator) -> list[Sample]:
    ties = rng.integers(0, 2, (2, 2, 7, 5)) * 1.0
    return [*_adaptive(_distinct)(rng), Sample((ties, (3, 2)), smooth=False, id="ties")]


_MAX = (P.MaxPool2d, P.PutAtPlaces, P.TakeAtPlaces)
_TAKE = (P.PutAtPlaces, P.TakeAtPlaces)
_AVG = (P.AvgPool2d, P.AvgPool2dGrad)
_ADAPTIVE_MAX = (A.TakePixels, A.PutPixels)

CASES = [
    OpCase("max_pool2d", _MAX[:2], P.max_pool2d, F.max_pool2d, _max2d),
    OpCase("max_pool2d indices", _TAKE, P.max_pool2d, F.max_pool2d, _with_indices(_max2d)),
    OpCase("max_pool1d", _MAX[:2], P.max_pool1d, F.max_pool1d, _max1d),
    OpCase("max_pool1d indices", _TAKE, P.max_pool1d, F.max_pool1d, _with_indices(_max1d)),
    OpCase("avg_pool2d", _AVG, P.avg_pool2d, F.avg_pool2d, _avg2d),
    OpCase("avg_pool1d", _AVG, P.avg_pool1d, F.avg_pool1d, _avg1d),
    OpCase(
        "adaptive_avg_pool2d",
        (A.AdaptiveAvgPool2d, A.AdaptiveAvgPool2dGrad),
        A.adaptive_avg_pool2d,
        F.adaptive_avg_pool2d,
        _adaptive(_normal),
    ),
    OpCase(
        "adaptive_max_pool2d",
        _ADAPTIVE_MAX,
        A.adaptive_max_pool2d,
        F.adaptive_max_pool2d,
        _adaptive_max,
    ),
    OpCase(
        "adaptive_max_pool2d indices",
        _ADAPTIVE_MAX,
        A.adaptive_max_pool2d,
        F.adaptive_max_pool2d,
        _with_indices(_adaptive_max),
    ),
]
