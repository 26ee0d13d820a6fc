"""split, chunk, unbind and iteration: views, one op for all parts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import nnlite
from nnlite.autograd import no_grad
from nnlite.errors import GraphError

X = np.arange(12.0).reshape(4, 3)


def _some_parts(library: Any, x: Any) -> Any:
    """Uses some parts twice, and one not at all."""
    a, _, c = x.split([1, 2, 1])
    rows = list(x)
    return (a * c).sum() + (rows[3] * rows[1]).sum() + library.stack(x.unbind(1)[:2]).pow(2).sum()


@pytest.mark.parametrize("order", [1, 2])
def test_gradients_equal_torch(order: int) -> None:
    results = []
    for library in (torch, nnlite):
        x = library.tensor(X, requires_grad=True)
        (g,) = library.autograd.grad(_some_parts(library, x), x, create_graph=True)
        if order == 2:
            (g,) = library.autograd.grad((g * g).sum(), x)
        results.append(g.detach().numpy())
    np.testing.assert_array_equal(*results)


def test_an_unused_part_has_gradient_zero() -> None:
    x = nnlite.tensor(X, requires_grad=True)
    x.chunk(2)[1].sum().backward()
    assert x.grad.tolist() == [[0.0] * 3] * 2 + [[1.0] * 3] * 2


def test_parts_share_memory() -> None:
    x = nnlite.tensor(X)
    for part in (*x.split(3), *x.chunk(2, dim=1), *x.unbind(1), *x):
        assert np.shares_memory(part.array, x.array)
    with no_grad():
        for row in x:
            row.zero_()
    assert not x.array.any()


def test_a_change_through_a_part_is_noticed() -> None:
    x = nnlite.tensor(X, requires_grad=True)
    y = x * x
    with no_grad():
        x.unbind()[0].add_(1)
    with pytest.raises(GraphError, match=r"Mul: input \d.*changed in place"):
        y.sum().backward()


def test_all_parts_are_one_op() -> None:
    """So that backward puts them together once, instead of filling zeros for each."""
    x = nnlite.tensor(X, requires_grad=True)
    nodes = {part.node.parents[0] for part in x.split(1)}
    assert [node.name for node in nodes] == ["Split"]


def test_no_parts() -> None:
    assert nnlite.zeros(0, 3, requires_grad=True).unbind() == ()
    assert list(nnlite.zeros(0, 3)) == []
