"""Cases of nnlite.ops.embedding."""

from __future__ import annotations

import numpy as np
import torch.nn.functional as F

from nnlite.ops import embedding as E
from tests.cases.base import OpCase, Sample


def _samples(rng: np.random.Generator) -> list[Sample]:
    table = rng.normal(size=(6, 3))
    return [
        Sample((np.array([2, 0, 5]), table), id="each once"),
        Sample((np.array([[1, 4, 1], [1, 0, 4]]), table), id="repeated"),
        Sample((np.array(3), table), id="0-d"),
        Sample((np.zeros((0, 2), "int64"), table), id="empty"),
        Sample((np.array([1, 2, 2], "int32"), table), id="int32"),
        Sample((np.array([0, 0]), rng.normal(size=(1, 1))), id="one row"),
        Sample((np.array([1, 1]), rng.normal(size=(2, 0))), id="no features"),
    ]


def _options(rng: np.random.Generator) -> list[Sample]:
    """A gradient that is not the derivative, by intent."""
    table, index = rng.normal(size=(6, 3)), np.array([[1, 4, 1], [1, 0, 4]])
    return [
        Sample((index, table, 1), smooth=False, id="padding"),
        Sample((index, table, -2), smooth=False, id="padding from the end"),
        Sample((index, table, 3), smooth=False, id="padding that does not occur"),
        Sample((index, table), {"scale_grad_by_freq": True}, smooth=False, id="by frequency"),
        Sample(
            (index, table), {"padding_idx": 4, "scale_grad_by_freq": True}, smooth=False, id="both"
        ),
    ]


CASES = [
    OpCase("embedding", (E.Lookup, E.Collect), E.embedding, F.embedding, _samples),
    OpCase("embedding options", (E.Lookup, E.Collect, E.Scale), E.embedding, F.embedding, _options),
]
