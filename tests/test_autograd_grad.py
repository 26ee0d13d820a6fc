"""grad(), higher orders, and who owns a gradient."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from nnlite.autograd import Function, Tensor, backward, grad
from nnlite.errors import (
    GraphError,
)
from nnlite.ops import arithmetic, pointwise, reduce


def leaf(*values: float) -> Tensor:
    return Tensor(np.array(values), requires_grad=True)


def t(*values: float) -> Tensor:
    return Tensor(np.array(values))


class Boom(Function):
    @staticmethod
    def forward(ctx, x):
        return x * 1

    @staticmethod
    def backward(ctx, gy):
        raise RuntimeError("boom")


# -- grad() --------------------------------------------------------------------------------------


def test_grad_leaves_every_grad_alone() -> None:
    x = leaf(2.0)
    assert grad(x * x, x, t(1.0))[0].array == [4.0]
    assert x.grad is None


def test_grad_of_non_leaves_and_leaves_together() -> None:
    x, y = leaf(2.0), leaf(5.0)
    z = x * y
    w = z * z
    gz, gx, gw = grad(w, [z, x, w], t(1.0))
    assert (gz.array, gx.array, gw.array) == ([20.0], [100.0], [1.0])


def test_unused_inputs() -> None:
    x, y = leaf(2.0), leaf(5.0)
    gx, gy = grad(x * 3, [x, y], t(1.0), allow_unused=True)
    assert gx.array == [3.0]
    assert gy is None
    _, gy = grad(x * 3, [x, y], t(1.0), materialize_grads=True)
    np.testing.assert_array_equal(gy.array, [0.0])
    with pytest.raises(GraphError, match=r"inputs\[1\]"):
        grad(x * 3, [x, y], t(1.0))


def test_grad_visits_only_what_lies_between() -> None:
    x, y = leaf(2.0), leaf(3.0)
    z = Boom.apply(y) + x * 2
    assert grad(z, x, t(1.0))[0].array == [2.0]


def test_backward_with_inputs_fills_only_these() -> None:
    x, y = leaf(2.0), leaf(3.0)
    z = x * y
    backward(z * z, t(1.0), inputs=[x, z])
    assert (x.grad.array, z.grad.array, y.grad) == ([36.0], [12.0], None)


# -- higher orders -------------------------------------------------------------------------------


def test_third_order_equals_torch() -> None:
    def f(x, y, exp, log):
        return exp(x * y) / (x + y) + log(x) * y**3 - (x / y) ** 2.5

    def orders(f, x, y, derivative, one):
        found = []
        z = f(x, y)
        for _ in range(3):
            gx, gy = derivative(z, (x, y), one, create_graph=True)
            found += [gx, gy]
            z = gx * gy
        return found

    numbers = np.array([0.7, 1.3]), np.array([1.1, 0.4])
    ones = np.array([1.0, 2.0])
    x, y = (Tensor(n.copy(), True) for n in numbers)
    mine = orders(lambda x, y: f(x, y, pointwise.exp, pointwise.log), x, y, grad, Tensor(ones))
    u, v = (torch.tensor(n, requires_grad=True) for n in numbers)
    theirs = orders(
        lambda x, y: f(x, y, torch.exp, torch.log), u, v, torch.autograd.grad, torch.tensor(ones)
    )
    for a, b in zip(mine, theirs, strict=True):
        np.testing.assert_allclose(a.array, b.detach().numpy(), rtol=1e-11)


def test_a_gradient_is_differentiable_by_its_own_output() -> None:
    """d/dy of gy * y, where y was saved as the output of an op with several results."""

    class Exp(Function):
        @staticmethod
        def forward(ctx, x):
            y = pointwise.exp(x)
            ctx.save_for_backward(y)
            return y

        @staticmethod
        def backward(ctx, gy):
            (y,) = ctx.saved_tensors
            return gy * y

    x = leaf(0.5)
    y = Exp.apply(x)
    (gx,) = grad(y, x, t(1.0), create_graph=True)
    by_y, by_x = grad(gx, [y, x], t(3.0))
    assert by_y.array == [3.0]
    np.testing.assert_allclose(by_x.array, 3 * np.exp([0.5]))


def test_create_graph_keeps_the_graph_and_fills_grad_in_it() -> None:
    x = leaf(2.0)
    y = x * x * x
    y.backward(t(1.0), create_graph=True)
    assert x.grad.requires_grad
    (second,) = grad(x.grad, x, t(1.0))
    assert (x.grad.array, second.array) == ([12.0], [12.0])


# -- ownership -----------------------------------------------------------------------------------


def _all_disjoint(*tensors: Tensor) -> bool:
    return not any(
        np.shares_memory(a.array, b.array) for a, b in itertools.combinations(tensors, 2)
    )


@pytest.mark.parametrize("create_graph", [False, True])
def test_gradients_share_no_memory(create_graph: bool) -> None:
    """z = x + y hands one array to both (pytorch#46168); a reshape hands out a view."""
    x, y, w = leaf(1.0, 2.0), leaf(3.0, 4.0), leaf(5.0, 6.0)
    v = t(1.0, 1.0)
    middle = x + y
    middle.retain_grad()
    z = middle + w
    z.retain_grad()
    z.backward(v, create_graph=create_graph)
    assert _all_disjoint(v, x, y, w, middle, z, x.grad, y.grad, w.grad, middle.grad, z.grad)


def test_grads_of_grad_share_no_memory() -> None:
    x, y = leaf(1.0, 2.0), leaf(3.0, 4.0)
    v = t(1.0, 1.0)
    z = x + y
    found = grad(z, [x, y, z], v)
    assert _all_disjoint(v, x, y, z, *found)


def test_a_leaf_as_root_copies_the_cotangent() -> None:
    x, v = leaf(1.0), t(1.0)
    x.backward(v)
    x.backward(v)
    assert v.array == [1.0]
    assert x.grad.array == [2.0]


def test_sums_do_not_write_into_shared_gradients() -> None:
    """y's gradient is borrowed by x; adding to y's must not change x's."""
    x, y = leaf(1.0), leaf(2.0)
    v = t(1.0)
    s = x + y
    (s + y + y + y + x).backward(v)
    assert (x.grad.array, y.grad.array, v.array) == ([2.0], [4.0], [1.0])


def test_zero_dimensional_sums() -> None:
    """NumPy's 0-d results are scalars, which nothing can be added into."""
    x = Tensor(np.array(2.0), True)
    (x + x + x * x + x).backward()
    assert x.grad.array == 7.0
    assert isinstance(x.grad.array, np.ndarray)
    y = leaf(1.0, 2.0)
    total = reduce.sum(y)
    arithmetic.mul(total, total).backward()
    np.testing.assert_array_equal(y.grad.array, [6.0, 6.0])
