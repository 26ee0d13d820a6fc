"""Cases of nnlite.ops.padding."""

from __future__ import annotations

import torch.nn.functional as F

from nnlite.ops import padding as P
from nnlite.ops.indexing import Slice, Take, Untake
from tests.cases.base import OpCase
from tests.cases.shape import _of

CASES = [
    OpCase(
        "pad",
        (P.Pad, Slice),
        P.pad,
        F.pad,
        _of(
            ((3,), (1, 2)),
            ((2, 3), (1, 2)),
            ((2, 3), (0, 1, 2, 0)),
            ((2, 3), (-1, 1)),
            ((2, 5), (-1, -2, 1, 0)),
            ((2, 3), (1, 1), "constant", 2.5),
            ((0, 3), (1, 1)),
            ((0,), (2, 1)),
            ((4, 1, 3), [0, 0]),
            ((2, 3), (-3, 1)),
            ((1, 1, 2, 2), (2, 2, 2, 2)),
        ),
    ),
    OpCase(
        "pad from itself",
        (Take, Untake),
        P.pad,
        F.pad,
        _of(
            ((1, 2, 5), (2, 1), "reflect"),
            ((1, 2, 5), (4, 4), "reflect"),
            ((1, 1, 3, 4), (1, 2, 2, 0), "reflect"),
            ((1, 1, 3, 4), (1, 2, 2, 0), "replicate"),
            ((1, 2, 1), (3, 4), "replicate"),
            ((1, 1, 3, 4), (1, 4, 3, 0), "circular"),
            ((2, 3), (1, 0), "replicate"),
            ((1, 1, 2, 3, 4), (1, 1, 1, 0, 0, 1), "reflect"),
            ((1, 2, 5), (-1, 2), "reflect"),
            ((1, 2, 5), (-1, 2), "replicate"),
            ((1, 2, 5), (-1, 2), "circular"),
        ),
    ),
]
