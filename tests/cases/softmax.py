"""Cases of nnlite.ops.softmax."""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F

from nnlite.ops import softmax as S
from tests.cases.base import OpCase, Sample


def _samples(rng: np.random.Generator) -> list[Sample]:
    far = np.array([[1e4, -1e4, 0.0], [-1e4, -1e4, -1e4], [1e4, 1e4, 1e4], [100.0, 89.0, -89.0]])
    infinite = np.array(
        [
            [-math.inf, -math.inf, -math.inf],
            [-math.inf, 1.0, 2.0],
            [math.inf, 1.0, 2.0],
            [math.nan, 1.0, 2.0],
        ]
    )
    return [
        Sample((rng.standard_normal(()), 0), id="0-d"),
        Sample((rng.standard_normal(5), 0), id="1-d"),
        Sample((rng.standard_normal((3, 4)), -1), id="last"),
        Sample((rng.standard_normal((3, 4)), 0), id="first"),
        Sample((rng.standard_normal((2, 3, 5)), 1), id="middle"),
        Sample((rng.standard_normal((3, 1)), 1), id="one class"),
        Sample((rng.standard_normal((0, 3)), 1), id="no rows"),
        Sample((rng.standard_normal((3, 0)), 1), id="no classes"),
        Sample((far, 1), id="far"),
        Sample((infinite, 1), smooth=False, id="infinite"),
    ]


CASES = [
    OpCase("softmax", (S.Softmax,), S.softmax, torch.softmax, _samples),
    OpCase("log_softmax", (S.LogSoftmax,), S.log_softmax, torch.log_softmax, _samples),
    OpCase("softmin", (S.Softmax,), S.softmin, F.softmin, _samples),
]
