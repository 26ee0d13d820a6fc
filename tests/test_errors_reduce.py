"""What the reductions refuse, and how they say it; and sums that stay exact."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from nnlite.autograd import Tensor
from nnlite.errors import ArgumentError, DtypeError, NnliteIndexError, ShapeError
from nnlite.ops import extremum as E
from nnlite.ops import reduce as R

X = Tensor(np.ones((2, 3), np.float32))
INTEGERS = Tensor(np.ones((2, 3), np.int64))
NOTHING = Tensor(np.ones((0, 3), np.float32))

# (call, error, what the message must name)
REFUSALS = [
    (lambda: R.sum(X, 2), NnliteIndexError, "sum: dim"),
    (lambda: R.sum(X, -3), NnliteIndexError, "sum: dim"),
    (lambda: R.sum(X, (0, -2)), ArgumentError, "sum: dim"),
    (lambda: R.sum(X, 1.0), DtypeError, "sum: dim"),
    (lambda: R.sum(X, True), DtypeError, "sum: dim"),
    (lambda: R.sum([1.0, 2.0]), DtypeError, "sum: input"),
    (lambda: R.sum(X, dtype="float16"), DtypeError, "sum: dtype"),
    (lambda: R.mean(INTEGERS), DtypeError, "mean: input"),
    (lambda: R.var(INTEGERS), DtypeError, "var: input"),
    (lambda: R.var(X, 0, unbiased=True, correction=1), ArgumentError, "var: correction"),
    (lambda: R.std(X, correction="1"), DtypeError, "std: correction"),
    (lambda: R.norm(INTEGERS), DtypeError, "norm: input"),
    (lambda: R.norm(X, "nuc"), ArgumentError, "norm: p"),
    (lambda: R.norm(X, -1), ArgumentError, "norm: p"),
    (lambda: R.norm(X, math.nan), ArgumentError, "norm: p"),
    (lambda: R.norm(X, [2]), DtypeError, "norm: p"),
    (lambda: E.amax(NOTHING), ShapeError, "amax: input"),
    (lambda: E.amin(NOTHING, 0), ShapeError, "amin: input"),
    (lambda: E.max(NOTHING), ShapeError, "max: input"),
    (lambda: E.min(NOTHING, 0), ShapeError, "min: input"),
    (lambda: E.argmax(NOTHING), ShapeError, "argmax: input"),
    (lambda: E.argmin(NOTHING, 0), ShapeError, "argmin: input"),
    (lambda: E.max(X, 5), NnliteIndexError, "max: dim"),
    (lambda: E.argmax(X, 5), NnliteIndexError, "argmax: dim"),
    (lambda: E.logsumexp(X, 2), NnliteIndexError, "logsumexp: dim"),
]


@pytest.mark.parametrize(("call", "error", "names"), REFUSALS, ids=[r[2] for r in REFUSALS])
def test_refused(call, error, names):
    with pytest.raises(error) as refusal:
        call()
    message = str(refusal.value)
    assert message.startswith(names)
    assert refusal.value.expected
    assert refusal.value.got
    assert refusal.value.hint


@pytest.mark.parametrize(
    ("shape", "dim"), [((300_000, 3), 0), ((20_000, 3, 2), (0, 2)), ((1_000_000,), 0)]
)
def test_long_float32_sums_are_exact(shape, dim):
    x = np.random.default_rng(0).random(shape, np.float32)
    exact = x.astype(np.float64).sum(dim)
    for layout in (x, np.asfortranarray(x)):
        result = R.sum(Tensor(layout), dim).array
        assert result.dtype == np.float32
        np.testing.assert_allclose(result, exact, rtol=5e-7)


def test_max_gives_names_as_torch_does():
    x = np.array([[1.0, 3.0], [5.0, 2.0]])
    ours, theirs = E.max(Tensor(x), 1), torch.from_numpy(x).max(1)
    assert ours.values.array.tolist() == theirs.values.tolist()
    assert ours.indices.array.tolist() == theirs.indices.tolist()
    assert ours.indices.dtype == np.int64


@pytest.mark.parametrize("correction", [3, 4, 10])
def test_variance_without_freedom_is_not_finite(correction):
    x = Tensor(np.array([1.0, 2.0, 4.0]))
    assert not np.isfinite(R.var(x, correction=correction).array)
    assert not np.isfinite(R.std(x, correction=correction).array)
