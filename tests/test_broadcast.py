"""Broadcasting, undone: the gradient has its input's shape and dtype, for all pairs of shapes."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis.extra.numpy import mutually_broadcastable_shapes

from nnlite.autograd import Tensor, grad
from nnlite.autograd.fit import is_expandable
from nnlite.errors import ShapeError

SHAPES = [(), (1,), (3,), (1, 3), (2, 1), (2, 3), (4, 1, 3), (4, 2, 3), (0,), (0, 3), (1, 0)]
PAIRS = list(itertools.product(SHAPES, SHAPES))


def _broadcast(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
    try:
        np.broadcast_shapes(a, b)
    except ValueError:
        return False
    return True


def _check(a: tuple[int, ...], b: tuple[int, ...], dtypes: tuple[str, str]) -> None:
    rng = np.random.default_rng(0)
    xs = [np.asarray(rng.uniform(0.5, 2, s), d) for s, d in zip((a, b), dtypes, strict=True)]
    mine = [Tensor(x.copy(), True) for x in xs]
    theirs = [torch.from_numpy(x.copy()).requires_grad_() for x in xs]
    tolerance = 1e-5 if "float32" in dtypes else 1e-12
    for create_graph in (False, True):
        y, v = mine[0] * mine[1] + mine[0], theirs[0] * theirs[1] + theirs[0]
        assert y.shape == tuple(v.shape)
        assert y.dtype == v.detach().numpy().dtype
        w = np.asarray(rng.uniform(0.5, 2, y.shape), y.dtype)
        found = grad(y, mine, Tensor(w), create_graph=create_graph)
        expected = torch.autograd.grad(v, theirs, torch.from_numpy(w))
        for x, g, h in zip(mine, found, expected, strict=True):
            assert g.shape == x.shape
            assert g.dtype == x.dtype
            np.testing.assert_allclose(g.array, h.numpy(), rtol=tolerance)


@pytest.mark.parametrize(("a", "b"), [p for p in PAIRS if _broadcast(*p)], ids=str)
def test_shapes_that_broadcast(a: tuple[int, ...], b: tuple[int, ...]) -> None:
    for dtypes in itertools.product(("float64", "float32"), repeat=2):
        _check(a, b, dtypes)


@pytest.mark.parametrize(("a", "b"), [p for p in PAIRS if not _broadcast(*p)], ids=str)
def test_shapes_that_do_not(a: tuple[int, ...], b: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match="broadcast"):
        Tensor(np.ones(a)) * Tensor(np.ones(b))


@settings(max_examples=100, derandomize=True, deadline=None, database=None)
@given(mutually_broadcastable_shapes(num_shapes=2, max_dims=5, max_side=3, min_side=0))
def test_any_shapes(shapes) -> None:
    _check(*shapes.input_shapes, ("float64", "float64"))


@pytest.mark.parametrize(("small", "large"), PAIRS, ids=str)
def test_is_expandable_is_numpys_rule(small: tuple[int, ...], large: tuple[int, ...]) -> None:
    expected = _broadcast(small, large) and np.broadcast_shapes(small, large) == large
    assert is_expandable(small, large) == expected
