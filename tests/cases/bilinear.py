"""Cases of nnlite.ops.bilinear."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch.nn.functional as F

from nnlite.ops import bilinear as B
from nnlite.ops.einsum import Contract
from tests.cases.base import OpCase, Sample


def _samples(rng: np.random.Generator) -> list[Sample]:
    def args(rows: tuple[int, ...], out: int, in1: int, in2: int) -> tuple[Any, ...]:
        shapes = [(*rows, in1), (*rows, in2), (out, in1, in2), (out,)]
        return tuple(rng.normal(size=shape) for shape in shapes)

    return [
        Sample(args((3,), 2, 4, 5), id="rows"),
        Sample(args((), 2, 3, 4), id="one row"),
        Sample(args((2, 3), 1, 2, 3), id="one output"),
        Sample(args((2,), 3, 1, 1), id="one feature"),
        Sample(args((0,), 2, 3, 2), id="no rows"),
        Sample(args((3,), 2, 4, 5)[:3], id="no bias"),
    ]


CASES = [OpCase("bilinear", (Contract,), B.bilinear, F.bilinear, _samples, headroom=2)]
