"""What the losses refuse, and how they say it."""

from __future__ import annotations

import math

import numpy as np
import pytest

from nnlite.autograd import Tensor
from nnlite.errors import ArgumentError, DtypeError, NnliteIndexError, ShapeError
from nnlite.ops import distance as D
from nnlite.ops import margin_loss as M
from nnlite.ops import probability_loss as P
from nnlite.ops import regression_loss as R
from nnlite.ops.cross_entropy import cross_entropy, nll_loss


def t(*shape, dtype=np.float32):
    return Tensor(np.full(shape, 0.5 if dtype is not int else 1, dtype))


def labels(*values):
    return Tensor(np.array(values))


X = t(3, 4)

# (call, error, what the message must hold, from its start)
REFUSALS = [
    (
        lambda: cross_entropy(X, labels(0, 1, 4)),
        NnliteIndexError,
        ["cross_entropy: target", "label 4", "4 classes"],
    ),
    (
        lambda: cross_entropy(X, labels(0, -1, 3)),
        NnliteIndexError,
        ["cross_entropy: target", "label -1"],
    ),
    (
        lambda: nll_loss(X, labels(0, 255, 3), reduction="none"),
        NnliteIndexError,
        ["nll_loss: target", "label 255"],
    ),
    (
        lambda: cross_entropy(X, labels(0, -100, 3), ignore_index=-1),
        NnliteIndexError,
        ["cross_entropy: target", "label -100"],
    ),
    (lambda: cross_entropy(X, labels(0, 1)), ShapeError, ["cross_entropy: target", "(3,)", "(2,)"]),
    (lambda: cross_entropy(X, t(3, 1, dtype=int)), ShapeError, ["cross_entropy: target", "(3, 1)"]),
    (lambda: cross_entropy(X, t(3, 4, dtype=int)), ShapeError, ["cross_entropy: target", "(3, 4)"]),
    (lambda: cross_entropy(X, t(3)), ShapeError, ["cross_entropy: target", "float32", "(3,)"]),
    (lambda: cross_entropy(X, t(3, 4, dtype=float)), DtypeError, ["cross_entropy: target"]),
    (
        lambda: cross_entropy(X, Tensor(np.ones(3, bool))),
        DtypeError,
        ["cross_entropy: target", "bool"],
    ),
    (
        lambda: cross_entropy(X, t(3, 4), ignore_index=0),
        ArgumentError,
        ["cross_entropy: ignore_index"],
    ),
    (lambda: cross_entropy(t(), labels(0)), ShapeError, ["cross_entropy: input"]),
    (
        lambda: cross_entropy(t(3, 4, dtype=int), labels(0, 1, 2)),
        DtypeError,
        ["cross_entropy: input", "int64"],
    ),
    (lambda: cross_entropy(X, [0, 1, 2]), DtypeError, ["cross_entropy: target", "list"]),
    (
        lambda: cross_entropy(X, labels(0, 1, 2), weight=t(3)),
        ShapeError,
        ["cross_entropy: weight", "(4,)", "(3,)"],
    ),
    (
        lambda: cross_entropy(X, labels(0, 1, 2), weight=t(4, dtype=float)),
        DtypeError,
        ["cross_entropy: weight"],
    ),
    (
        lambda: cross_entropy(X, labels(0, 1, 2), weight=t(4).requires_grad_()),
        ArgumentError,
        ["cross_entropy: weight"],
    ),
    (
        lambda: cross_entropy(X, labels(0, 1, 2), reduction="avg"),
        ArgumentError,
        ["cross_entropy: reduction", "'avg'"],
    ),
    (
        lambda: cross_entropy(X, labels(0, 1, 2), label_smoothing=1.5),
        ArgumentError,
        ["cross_entropy: label_smoothing"],
    ),
    (
        lambda: cross_entropy(X, labels(0, 1, 2), label_smoothing=math.nan),
        ArgumentError,
        ["cross_entropy: label_smoothing"],
    ),
    (
        lambda: cross_entropy(X, labels(0, 1, 2), size_average=True),
        ArgumentError,
        ["cross_entropy: size_average"],
    ),
    (lambda: nll_loss(X, t(3, 4)), DtypeError, ["nll_loss: target", "float32"]),
    (lambda: R.mse_loss(t(3), t(3, dtype=float)), DtypeError, ["mse_loss: target", "float64"]),
    (lambda: R.mse_loss(t(3), t(3, dtype=int)), DtypeError, ["mse_loss: target", "int64"]),
    (lambda: R.mse_loss(t(3), t(3), reduction=None), ArgumentError, ["mse_loss: reduction"]),
    (lambda: R.smooth_l1_loss(t(3), t(3), beta=-1.0), ArgumentError, ["smooth_l1_loss: beta"]),
    (lambda: R.huber_loss(t(3), t(3), delta=0.0), ArgumentError, ["huber_loss: delta"]),
    (
        lambda: R.huber_loss(t(3), t(3), weight=t(1)),
        ShapeError,
        ["huber_loss: weight", "(3,)", "(1,)"],
    ),
    (
        lambda: R.gaussian_nll_loss(t(2, 3), t(2, 3), t(4)),
        ShapeError,
        ["gaussian_nll_loss: var", "(4,)"],
    ),
    (lambda: R.gaussian_nll_loss(t(3), t(3), -1.0), ArgumentError, ["gaussian_nll_loss: var"]),
    (
        lambda: P.binary_cross_entropy(labels(0.5, 1.5), labels(0.0, 1.0)),
        ArgumentError,
        ["binary_cross_entropy: input", "1.5"],
    ),
    (
        lambda: P.binary_cross_entropy(labels(0.5, -0.1), labels(0.0, 1.0)),
        ArgumentError,
        ["binary_cross_entropy: input", "-0.1"],
    ),
    (
        lambda: P.binary_cross_entropy(labels(0.5, math.nan), labels(0.0, 1.0)),
        ArgumentError,
        ["binary_cross_entropy: input", "nan"],
    ),
    (lambda: P.kl_div(t(3), t(3), reduction="avg"), ArgumentError, ["kl_div: reduction"]),
    (
        lambda: M.hinge_embedding_loss(t(3), labels(1, 0, -1)),
        ArgumentError,
        ["hinge_embedding_loss: target"],
    ),
    (
        lambda: M.margin_ranking_loss(t(3), t(2), labels(1, 1, 1)),
        ShapeError,
        ["margin_ranking_loss: input2", "(3,)", "(2,)"],
    ),
    (
        lambda: M.cosine_embedding_loss(t(3, 2), t(3, 2), labels(1, 1)),
        ShapeError,
        ["cosine_embedding_loss: target", "(2,)"],
    ),
    (
        lambda: M.triplet_margin_loss(X, X, X, margin=0.0),
        ArgumentError,
        ["triplet_margin_loss: margin"],
    ),
    (
        lambda: M.multi_margin_loss(X, labels(0, 1, 4)),
        NnliteIndexError,
        ["multi_margin_loss: target", "label 4"],
    ),
    (lambda: M.multi_margin_loss(X, labels(0, 1, 2), p=3), ArgumentError, ["multi_margin_loss: p"]),
    (
        lambda: D.cosine_similarity(t(2, 3), t(2, 4)),
        ShapeError,
        ["cosine_similarity", "(2, 3)", "(2, 4)"],
    ),
    (lambda: D.normalize(t(2, 3, dtype=int)), DtypeError, ["normalize: input"]),
]


@pytest.mark.parametrize(
    ("call", "error", "holds"), REFUSALS, ids=[" ".join(r[2]) for r in REFUSALS]
)
def test_refused(call, error, holds):
    with pytest.raises(error) as refusal:
        call()
    message = str(refusal.value)
    assert message.startswith(holds[0])
    for part in holds[1:]:
        assert part in message
    assert refusal.value.expected
    assert refusal.value.got
    assert refusal.value.hint


PAIRS = [
    R.mse_loss,
    R.l1_loss,
    R.smooth_l1_loss,
    R.huber_loss,
    R.poisson_nll_loss,
    P.binary_cross_entropy,
    P.binary_cross_entropy_with_logits,
    P.kl_div,
]


@pytest.mark.parametrize("loss", PAIRS, ids=[loss.__name__ for loss in PAIRS])
@pytest.mark.parametrize("shapes", [((3,), (3, 1)), ((3, 1), (3,)), ((3,), ()), ((2, 3), (1, 3))])
def test_two_shapes_are_refused_and_named(loss, shapes):
    with pytest.raises(ShapeError) as refusal:
        loss(t(*shapes[0]), t(*shapes[1]))
    message = str(refusal.value)
    assert message.startswith(f"{loss.__name__}: target")
    assert str(shapes[0]) in message
    assert str(shapes[1]) in message
