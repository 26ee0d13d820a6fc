"""Cases of nnlite.ops.activation and nnlite.ops.smooth_activation."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from nnlite.ops import activation as A
from nnlite.ops import smooth_activation as S
from nnlite.ops.erf import Erf
from tests.cases.base import OpCase, Sample
from tests.cases.pointwise import SHAPES

INFINITE = np.array([math.nan, math.inf, -math.inf])
FAR = np.array([1e4, -1e4, 800.0, -800.0, 89.0, -89.0, 40.0, -40.0])


def _samples(
    *edges: float, far: np.ndarray = FAR, infinite: np.ndarray = INFINITE, **options: Any
) -> Any:
    """All shapes, away from the edges; far from 0; exactly at the edges; infinities and NaN."""

    def samples(rng: np.random.Generator) -> list[Sample]:
        found = []
        for shape in SHAPES:
            x = np.asarray(rng.uniform(-5, 5, shape))
            for edge in edges:
                x = np.where(np.abs(x - edge) < 0.05, x + 0.1, x)
            found.append(Sample((x,), options, id=str(shape)))
        return [
            *found,
            Sample((far,), options, id="far"),
            Sample((np.array([0.0, *edges]),), options, smooth=False, id="edges"),
            Sample((infinite,), options, smooth=False, id="infinite"),
        ]

    return samples


def _with(*more: tuple[tuple[float, ...], dict[str, Any]]) -> Any:
    return lambda rng: [s for edges, options in more for s in _samples(*edges, **options)(rng)]


def _prelus(rng: np.random.Generator) -> list[Sample]:
    def x(*shape: int) -> np.ndarray:
        return np.asarray(rng.standard_normal(shape))

    return [
        Sample((x(2, 3), x(1)), id="one"),
        Sample((x(2, 3), x(3)), id="per channel"),
        Sample((x(2, 3, 4, 1), x(3)), id="images"),
        Sample((x(5), x(1)), id="1-d"),
        Sample((x(), x(1)), id="0-d"),
        Sample((x(0, 3), x(3)), id="empty"),
        Sample((np.array([0.0, math.nan, -1.0]), x(1)), smooth=False, id="edges"),
    ]


CASES = [
    OpCase("relu", (A.Relu, A.Keep), A.relu, F.relu, _samples(0.0)),
    OpCase(
        "relu of integers",
        (A.Relu,),
        A.relu,
        F.relu,
        lambda rng: [Sample((rng.integers(-3, 3, (2, 3)),), id="int64")],
        differentiable=False,
    ),
    OpCase("sigmoid", (A.Sigmoid,), A.sigmoid, torch.sigmoid, _samples()),
    OpCase("tanh", (A.Tanh,), A.tanh, torch.tanh, _samples(), complex_fn=np.tanh),
    OpCase(
        "leaky_relu",
        (A.LeakyRelu,),
        A.leaky_relu,
        F.leaky_relu,
        _with(((0.0,), {}), ((0.0,), {"negative_slope": 0.3})),
    ),
    OpCase("prelu", (A.Prelu,), A.prelu, F.prelu, _prelus),
    OpCase(
        "threshold",
        (A.Threshold,),
        A.threshold,
        F.threshold,
        _samples(0.5, threshold=0.5, value=2.0),
    ),
    OpCase(
        "hardtanh",
        (A.Hardtanh,),
        A.hardtanh,
        F.hardtanh,
        _with(((-1.0, 1.0), {}), ((-0.5, 2.0), {"min_val": -0.5, "max_val": 2.0})),
    ),
    OpCase("relu6", (A.Hardtanh,), A.relu6, F.relu6, _samples(0.0, 6.0)),
    OpCase("hardsigmoid", (A.Hardsigmoid,), A.hardsigmoid, F.hardsigmoid, _samples(-3.0, 3.0)),
    OpCase("hardswish", (A.Hardswish,), A.hardswish, F.hardswish, _samples(-3.0, 3.0)),
    OpCase("elu", (S.Elu,), S.elu, F.elu, _with(((0.0,), {}), ((0.0,), {"alpha": 0.5}))),
    OpCase("selu", (S.Elu,), S.selu, F.selu, _samples(0.0)),
    OpCase("celu", (S.Elu,), S.celu, F.celu, _with(((0.0,), {}), ((0.0,), {"alpha": 2.0}))),
    # PyTorch's float32 gelu is NaN at infinity, where its float64 gelu is infinity
    OpCase("gelu", (Erf,), S.gelu, F.gelu, _samples(infinite=INFINITE[[0, 2]])),
    OpCase(
        "gelu, tanh",
        (A.Tanh,),
        S.gelu,
        F.gelu,
        _samples(infinite=INFINITE[[0, 2]], approximate="tanh"),
    ),
    OpCase("silu", (S.Silu, A.Sigmoid), S.silu, F.silu, _samples()),
    OpCase(
        "softplus",
        (S.Softplus,),
        S.softplus,
        F.softplus,
        _with(((), {}), ((1.5,), {"beta": 2.0, "threshold": 3.0})),
    ),
    OpCase("softsign", (), S.softsign, F.softsign, _samples(0.0)),
    OpCase("logsigmoid", (S.LogSigmoid,), S.logsigmoid, F.logsigmoid, _samples()),
    # PyTorch's second derivative of mish is NaN far out
    OpCase("mish", (S.Softplus, A.Tanh), S.mish, F.mish, _samples(far=FAR[6:])),
]
