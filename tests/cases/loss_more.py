"""Cases of the other losses, and of distances."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from nnlite.ops import distance as D
from nnlite.ops import margin_loss as M
from nnlite.ops import probability_loss as P
from nnlite.ops import regression_loss as R
from nnlite.ops.smooth_activation import LogSigmoid
from tests.cases.base import OpCase, Sample
from tests.cases.loss import REDUCTIONS, pairs, with_constants


def _errors(rng: np.random.Generator, **more: Any) -> list[Sample]:
    """Pairs whose differences lie off the kinks at 0, 0.5, 1 and 2, and pairs on them."""
    signs = np.array([-1.0, 1.0, 1.0, -1.0, 1.0, -1.0])
    t = rng.standard_normal(6)
    off = t + signs * np.array([0.2, 0.3, 0.7, 0.8, 1.4, 3.0])
    on = np.array([0.0, 0.5, -0.5, 1.0, -1.0, 2.0])
    return [
        Sample(args, {"reduction": reduction, **more}, smooth, f"{name} {reduction} {more}")
        for reduction in REDUCTIONS
        for args, smooth, name in (((off, t), True, "off"), ((on, np.zeros(6)), False, "on"))
    ] + [Sample((off.reshape(2, 3), t.reshape(2, 3)), more, id=f"2-d {more}")]


def _probabilities(rng: np.random.Generator) -> list[Sample]:
    def p(*shape: int) -> Any:
        return np.asarray(rng.uniform(0.1, 0.9, shape))

    edges = np.array([0.0, 0.0, 1.0, 1.0]), [0.0, 1.0, 0.0, 1.0]
    found = [
        Sample((p(*s), p(*s)), {"reduction": reduction}, id=f"{s} {reduction}")
        for s in ((), (5,), (2, 3))
        for reduction in REDUCTIONS
    ]
    return [
        *found,
        Sample((p(2, 3), p(2, 3)), {"weight": p(3).tolist()}, id="weight"),
        Sample(edges, smooth=False, id="0 and 1"),
    ]


def _scores(rng: np.random.Generator) -> list[Sample]:
    def x(*shape: int) -> Any:
        return np.asarray(rng.standard_normal(shape))

    def p(*shape: int) -> Any:
        return np.asarray(rng.uniform(0.1, 0.9, shape))

    far = np.array([1e9, -1e9, 200.0, -200.0]), np.array([0.0, 1.0, 0.0, 1.0])
    found = [
        Sample((x(*s), p(*s)), {"reduction": reduction}, id=f"{s} {reduction}")
        for s in ((), (5,), (2, 3), (0, 3))
        for reduction in REDUCTIONS
        if s != (0, 3) or reduction != "mean"
    ]
    return [
        *found,
        Sample(
            (x(2, 3), p(2, 3)),
            {"weight": p(2, 1).tolist(), "pos_weight": p(3).tolist()},
            id="weights",
        ),
        Sample((x(2, 3), p(2, 3)), {"pos_weight": [3.0]}, id="pos_weight"),
        Sample(far, {"reduction": "none"}, id="far"),
    ]


def _divergences(rng: np.random.Generator) -> list[Sample]:
    x = np.log(rng.dirichlet(np.ones(4), 3))
    p = rng.dirichlet(np.ones(4), 3)
    return [
        Sample(
            (x, np.log(p) if log else p),
            {"reduction": reduction, "log_target": log},
            id=f"{reduction} {log}",
        )
        for reduction in (*REDUCTIONS, "batchmean")
        for log in (False, True)
    ]


def _counts(rng: np.random.Generator) -> list[Sample]:
    x, t = rng.uniform(0.5, 2, (2, 3)), rng.integers(0, 5, (2, 3)) + 0.25
    return [
        Sample(
            (x, t),
            {"log_input": log_input, "full": full, "reduction": reduction},
            id=f"{log_input} {full} {reduction}",
        )
        for log_input in (True, False)
        for full in (True, False)
        for reduction in REDUCTIONS
    ]


def _normals(rng: np.random.Generator) -> list[Sample]:
    def x(*shape: int) -> Any:
        return rng.standard_normal(shape)

    def v(*shape: int) -> Any:
        return rng.uniform(0.5, 2, shape)

    return [
        Sample((x(4, 3), x(4, 3), v(4, 3)), id="each"),
        Sample((x(4, 3), x(4, 3), v(4, 1)), {"full": True}, id="per row, kept"),
        Sample((x(4, 3), x(4, 3), v(4)), {"reduction": "sum"}, id="per row"),
        Sample((x(4, 3), x(4, 3), 2.0), {"reduction": "none"}, id="number"),
        Sample((x(3), x(3), np.zeros(3)), {"eps": 0.1}, smooth=False, id="below eps"),
    ]


def _signs(rng: np.random.Generator, n: int, *shape: int, more: list[dict[str, Any]]) -> Any:
    sign = rng.choice([-1, 1], shape[:1])
    return [
        Sample(
            (*(rng.standard_normal(shape) * 2 for _ in range(n)), sign),
            {"reduction": reduction, **options},
            id=f"{reduction} {options}",
        )
        for reduction in REDUCTIONS
        for options in more
    ]


def _triplets(rng: np.random.Generator) -> list[Sample]:
    return [
        Sample(
            tuple(rng.standard_normal((5, 3)) for _ in range(3)),
            {"reduction": reduction, **more},
            id=f"{reduction} {more}",
        )
        for reduction in REDUCTIONS
        for more in ({}, {"margin": 2.0, "p": 1}, {"swap": True, "p": 3})
    ]


def _margins(rng: np.random.Generator) -> list[Sample]:
    x, t = rng.standard_normal((5, 4)), rng.integers(0, 4, 5)
    return [
        Sample((x, t), {"reduction": reduction, "p": p, "margin": m}, id=f"{reduction} {p} {m}")
        for reduction in REDUCTIONS
        for p in (1, 2)
        for m in (1.0, 0.5)
    ] + [Sample((x[0], np.asarray(t[0])), id="one sample")]


def _vectors(rng: np.random.Generator) -> list[Sample]:
    def x(*shape: int) -> Any:
        return rng.standard_normal(shape)

    return [
        Sample((x(4, 3), x(4, 3)), id="2-d"),
        Sample((x(4, 3), x(1, 3)), id="broadcast"),
        Sample((x(2, 3, 4), x(2, 3, 4)), id="3-d"),
    ]


def _similar(rng: np.random.Generator) -> list[Sample]:
    zero = np.array([[0.0, 0.0], [1e-9, 0.0], [1.0, 0.0]])
    return [
        *_vectors(rng),
        Sample((rng.standard_normal(3), rng.standard_normal(3)), {"dim": 0}, id="1-d"),
        Sample((rng.standard_normal((2, 3)), rng.standard_normal((2, 3)), -2), id="dim"),
        Sample((zero, np.ones((3, 2))), smooth=False, id="short"),
    ]


def _distances(rng: np.random.Generator) -> list[Sample]:
    found = _vectors(rng)
    return found + [
        Sample(s.args, {"p": p, "keepdim": True}, id=f"{s.id} {p}") for s in found for p in (1, 3)
    ]


def _normalized(rng: np.random.Generator) -> list[Sample]:
    return [
        Sample((rng.standard_normal((3, 4)),), id="2-d"),
        Sample((rng.standard_normal(5), 2.0, 0), id="1-d"),
        Sample((rng.standard_normal((2, 3, 4)), 1.0, -1), id="p 1"),
        Sample((rng.standard_normal((2, 3)), 3, (0, 1)), id="p 3, all"),
        Sample((np.zeros((2, 3)),), smooth=False, id="zero"),
    ]


def _torch_kl_div(x: Any, t: Any, *, reduction: str, log_target: bool) -> Any:
    if reduction == "mean":  # of which PyTorch warns
        return F.kl_div(x, t, reduction="none", log_target=log_target).mean()
    return F.kl_div(x, t, reduction=reduction, log_target=log_target)


CASES = [
    OpCase("l1_loss", (), R.l1_loss, F.l1_loss, _errors),
    OpCase(
        "smooth_l1_loss",
        (R.Huber,),
        R.smooth_l1_loss,
        F.smooth_l1_loss,
        lambda rng: _errors(rng) + _errors(rng, beta=0.5) + _errors(rng, beta=0.0),
    ),
    OpCase(
        "huber_loss",
        (R.Huber,),
        R.huber_loss,
        F.huber_loss,
        lambda rng: _errors(rng) + _errors(rng, delta=2.0) + pairs(rng),
    ),
    OpCase("poisson_nll_loss", (), R.poisson_nll_loss, F.poisson_nll_loss, _counts),
    OpCase(
        "gaussian_nll_loss", (R.SquaredError,), R.gaussian_nll_loss, F.gaussian_nll_loss, _normals
    ),
    OpCase(
        "binary_cross_entropy",
        (P.BinaryCrossEntropy,),
        samples=_probabilities,
        **with_constants(P.binary_cross_entropy, F.binary_cross_entropy),
    ),
    OpCase(
        "binary_cross_entropy_with_logits",
        (LogSigmoid,),
        samples=_scores,
        **with_constants(P.binary_cross_entropy_with_logits, F.binary_cross_entropy_with_logits),
    ),
    OpCase("kl_div", (), P.kl_div, _torch_kl_div, _divergences),
    OpCase(
        "hinge_embedding_loss",
        (),
        M.hinge_embedding_loss,
        F.hinge_embedding_loss,
        lambda rng: _signs(rng, 1, 7, more=[{}, {"margin": 2.0}]),
    ),
    OpCase(
        "margin_ranking_loss",
        (),
        M.margin_ranking_loss,
        F.margin_ranking_loss,
        lambda rng: _signs(rng, 2, 7, more=[{}, {"margin": 2.0}]),
    ),
    OpCase(
        "cosine_embedding_loss",
        (),
        M.cosine_embedding_loss,
        F.cosine_embedding_loss,
        lambda rng: _signs(rng, 2, 7, 3, more=[{}, {"margin": 0.5}]),
    ),
    OpCase("triplet_margin_loss", (), M.triplet_margin_loss, F.triplet_margin_loss, _triplets),
    OpCase("multi_margin_loss", (), M.multi_margin_loss, F.multi_margin_loss, _margins),
    OpCase("cosine_similarity", (), D.cosine_similarity, torch.cosine_similarity, _similar),
    OpCase("pairwise_distance", (), D.pairwise_distance, F.pairwise_distance, _distances),
    OpCase("normalize", (), D.normalize, F.normalize, _normalized),
]
