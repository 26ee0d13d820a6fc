"""Cases of the functions of one number: pointwise.py, trigonometry.py, erf.py, fractions.py."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from nnlite.ops import erf as E
from nnlite.ops import fractions as F
from nnlite.ops import pointwise as P
from nnlite.ops import trigonometry as T
from nnlite.ops.arithmetic import Add, Div, Mul, Sub
from tests.cases.base import OpCase, Sample

SHAPES: list[tuple[int, ...]] = [(), (0,), (1,), (5,), (2, 3), (2, 0, 3), (4, 1, 5)]
SPECIAL = np.array([math.nan, math.inf, -math.inf, 0.0, -0.0, 1.0, -1.0, 1e-30, -1e30])


def over(low: float, high: float, *edges: float) -> Callable[[np.random.Generator], list[Sample]]:
    """Samples of all shapes between low and high, and the special values of IEEE numbers."""

    def samples(rng: np.random.Generator) -> list[Sample]:
        found = [Sample((np.asarray(rng.uniform(low, high, s)),), id=str(s)) for s in SHAPES]
        found.append(Sample((SPECIAL,), smooth=False, id="special"))
        if edges:
            found.append(Sample((np.array(edges),), smooth=False, id="edges"))
        return found

    return samples


def _integers(rng: np.random.Generator) -> list[Sample]:
    return [Sample((rng.integers(1, 5, (2, 3)).astype(t),), id=t) for t in ("int64", "uint8")]


def _lerps(rng: np.random.Generator) -> list[Sample]:
    def x(*shape: int) -> np.ndarray:
        return np.asarray(rng.standard_normal(shape))

    return [
        Sample((x(2, 3), x(2, 3), 0.3), id="number"),
        Sample((x(2, 1), x(3), x(2, 3)), id="tensor"),
    ]


ANALYTIC: list[tuple[Any, str, float, float, Any]] = [
    (P.Exp, "exp", -2, 2, P.exp),
    (P.Log, "log", 0.5, 3, P.log),
    (P.Sqrt, "sqrt", 0.5, 3, P.sqrt),
    (P.Expm1, "expm1", -1, 1, P.expm1),
    (P.Log1p, "log1p", -0.5, 2, P.log1p),
    (T.Sin, "sin", -3, 3, T.sin),
    (T.Cos, "cos", -3, 3, T.cos),
    (T.Tan, "tan", -1, 1, T.tan),
]
ROUNDING = {"floor": P.floor, "ceil": P.ceil, "trunc": P.trunc, "round": P.round}
QUESTIONS = {"isnan": P.isnan, "isinf": P.isinf, "isfinite": P.isfinite}
HALVES = (0.5, 1.5, 2.5, -0.5, -1.5, 0.49999999999999994)

CASES = [
    *(
        OpCase(name, (op,), fn, getattr(torch, name), over(a, b), complex_fn=getattr(np, name))
        for op, name, a, b, fn in ANALYTIC
    ),
    OpCase("log2", (P.LogBase,), P.log2, torch.log2, over(0.5, 3)),
    OpCase("log10", (P.LogBase,), P.log10, torch.log10, over(0.5, 3), complex_fn=np.log10),
    OpCase("abs", (P.Abs, P.Sign), P.abs, torch.abs, over(0.5, 2)),
    OpCase("sign", (P.Sign,), P.sign, torch.sign, over(0.5, 2)),
    *(
        OpCase(name, (P.Round,), fn, getattr(torch, name), over(0.6, 0.9, *HALVES))
        for name, fn in ROUNDING.items()
    ),
    *(
        OpCase(f"{name} of integers", (), fn, getattr(torch, name), _integers, differentiable=False)
        for name, fn in {**ROUNDING, **QUESTIONS, "exp": P.exp, "sin": T.sin, "erf": E.erf}.items()
    ),
    *(
        OpCase(name, (), fn, getattr(torch, name), over(-1, 1), differentiable=False)
        for name, fn in QUESTIONS.items()
    ),
    OpCase("erf", (E.Erf,), E.erf, torch.erf, over(-3, 3, 0.46875, -0.46875, 4, -6, 6.1)),
    OpCase("rsqrt", (F.Rsqrt,), F.rsqrt, torch.rsqrt, over(0.5, 3)),
    OpCase("reciprocal", (Div,), F.reciprocal, torch.reciprocal, over(0.5, 3)),
    OpCase("lerp", (Add, Mul, Sub), F.lerp, torch.lerp, _lerps),
]
