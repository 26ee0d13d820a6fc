"""Cases of nnlite.ops.interpolate, whose op is in nnlite.ops.resampling."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch.nn.functional as F

from nnlite.ops import interpolate as I
from nnlite.ops.resampling import Gather, Resample
from tests.cases.base import OpCase, Sample


def _nearest(rng: np.random.Generator) -> list[Sample]:
    image = rng.normal(size=(2, 2, 3, 4))
    nan = image.copy()
    nan[0, 1, 2, 1] = np.nan
    nan[1, 0, 0, 0] = np.inf
    return [
        Sample((image,), {"scale_factor": 2}, id="doubled"),
        Sample((image, (6, 3)), id="up and down"),
        Sample((image, (3, 4)), id="same size"),
        Sample((image, 1), id="one pixel"),
        Sample((rng.normal(size=(1, 1, 1, 1)), (3, 2)), id="of one pixel"),
        Sample((rng.normal(size=(0, 2, 3, 3)), 5), id="empty batch"),
        Sample((rng.normal(size=(2, 3, 7)),), {"scale_factor": 1.7}, id="signals"),
        Sample((rng.normal(size=(1, 2, 3, 2, 2)),), {"scale_factor": (1, 2, 1.5)}, id="volumes"),
        Sample((image,), {"scale_factor": (0.6, 1.9)}, id="factors"),
        Sample(
            (image,), {"scale_factor": 1.3, "recompute_scale_factor": True}, id="factor recomputed"
        ),
        Sample((image,), {"scale_factor": 2, "mode": "nearest-exact"}, id="exact"),
        Sample((image, (7, 2)), {"mode": "nearest-exact"}, id="exact, odd"),
        Sample((nan, (8, 3)), smooth=False, id="NaN"),
    ]


def _images(mode: str) -> Any:
    def samples(rng: np.random.Generator) -> list[Sample]:
        image = rng.normal(size=(1, 2, 3, 4))
        calls: list[dict[str, Any]] = [
            {"size": (6, 3)},
            {"size": (3, 4)},
            {"size": 1},
            {"scale_factor": 1.3},
            {"scale_factor": 1.4, "recompute_scale_factor": True},
            {"scale_factor": (0.6, 2)},
        ]
        found = [
            Sample((image,), {**call, "mode": mode, "align_corners": align}, id=f"{call} {align}")
            for call in calls
            for align in (None, False, True)
        ]
        one = rng.normal(size=(1, 1, 1, 1))
        empty = rng.normal(size=(0, 2, 3, 3))
        return [
            *found,
            Sample((one, (3, 2)), {"mode": mode}, id="of one pixel"),
            Sample(
                (one, (3, 2)), {"mode": mode, "align_corners": True}, id="of one pixel, corners"
            ),
            Sample((empty, 5), {"mode": mode}, id="empty batch"),
        ]

    return samples


def _other_ranks(rng: np.random.Generator) -> list[Sample]:
    signal, volume = rng.normal(size=(2, 3, 5)), rng.normal(size=(1, 2, 2, 3, 2))
    return [
        Sample((signal, 8), {"mode": "linear"}, id="signal"),
        Sample((signal,), {"scale_factor": 0.7, "mode": "linear"}, id="signal, factor"),
        Sample((signal, 9), {"mode": "linear", "align_corners": True}, id="signal, corners"),
        Sample((volume, (3, 2, 4)), {"mode": "trilinear"}, id="volume"),
        Sample((volume, 3), {"mode": "trilinear", "align_corners": True}, id="volume, corners"),
    ]


def _area(rng: np.random.Generator) -> list[Sample]:
    return [
        Sample((rng.normal(size=(2, 2, 5, 4)), (2, 3)), {"mode": "area"}, id="images"),
        Sample((rng.normal(size=(2, 2, 4, 4)),), {"scale_factor": 0.5, "mode": "area"}, id="half"),
        Sample((rng.normal(size=(2, 2, 5)), 3), {"mode": "area"}, id="signals"),
    ]


_OPS = (Resample, Gather)

CASES = [
    OpCase("interpolate nearest", _OPS, I.interpolate, F.interpolate, _nearest),
    OpCase("interpolate bilinear", _OPS, I.interpolate, F.interpolate, _images("bilinear")),
    OpCase("interpolate bicubic", _OPS, I.interpolate, F.interpolate, _images("bicubic")),
    OpCase("interpolate other ranks", _OPS, I.interpolate, F.interpolate, _other_ranks),
    OpCase("interpolate area", (), I.interpolate, F.interpolate, _area),
]
