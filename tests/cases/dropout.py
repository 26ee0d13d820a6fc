"""Cases of nnlite.ops.dropout, with the drawn mask handed to PyTorch as a constant."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from nnlite.autograd import Tensor
from nnlite.backend import Generator
from nnlite.ops import dropout as D
from nnlite.ops.arithmetic import Mul
from tests.cases.base import OpCase, Sample
from tests.op_driver import numbers


def _seeded(function: Any) -> Any:
    return lambda x, p: function(x, p, generator=Generator().manual_seed(5))


def _masked(function: Any) -> Any:
    """input * mask, where the mask is what dropout makes of ones."""

    def reference(x: torch.Tensor, p: float) -> torch.Tensor:
        ones = Tensor(np.ones(x.shape, numbers(x).dtype))
        return x * torch.from_numpy(numbers(_seeded(function)(ones, p)))

    return reference


def _samples(rng: np.random.Generator) -> list[Sample]:
    shapes = [(2, 3, 4, 2), (1, 2, 3), (0, 3, 2)]
    return [
        Sample((rng.normal(size=shape),), {"p": p}, id=f"{shape} {p}")
        for shape in shapes
        for p in (0.3, 0.5, 1.0)
    ]


CASES = [
    OpCase(
        function.__name__,
        (D.Drop, Mul),
        _seeded(function),
        _masked(function),
        _samples,
        device_ops=(D.CounterDrop, D.DropAgain),
        random=True,
    )
    for function in (D.dropout, D.dropout2d)
]
