"""In-place changes: backward is right, or it refuses and names the op; never silently wrong."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nnlite.autograd import Function, Tensor, grad, no_grad
from nnlite.errors import DtypeError, GraphError, ShapeError
from nnlite.ops import arithmetic, pointwise
from nnlite.ops.indexing import getitem, setitem
from nnlite.ops.inplace import copy_, fill_, in_place, zero_
from nnlite.ops.shape import reshape, transpose

add_ = in_place(arithmetic.add, "add_")
mul_ = in_place(arithmetic.mul, "mul_")


def leaf(*values: float) -> Tensor:
    return Tensor(np.array(values), requires_grad=True)


def ones(n: int) -> Tensor:
    return Tensor(np.ones(n))


CHANGES = {
    "data": lambda x: setitem(x.data, slice(None), 7.0),
    "detach": lambda x: add_(x.detach(), 1.0),
    "no_grad add_": lambda x: no_grad()(add_)(x, 1.0),
    "no_grad setitem": lambda x: no_grad()(setitem)(x, 0, 7.0),
    "through a view": lambda x: add_(getitem(x.detach(), slice(0, 1)), 1.0),
    "through a transposed view": lambda x: add_(transpose(reshape(x.detach(), (1, 2)), 0, 1), 1.0),
    "new data": lambda x: setattr(x, "data", np.array([7.0, 8.0])),
    "optimizer": lambda p: no_grad()(lambda: add_(p, p * -0.1))(),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("create_graph", [False, True])
def test_a_changed_input_is_noticed(change: str, create_graph: bool) -> None:
    x = leaf(1.0, 2.0)
    y = x * x
    CHANGES[change](x)
    with pytest.raises(GraphError, match=r"Mul.*input \d.*in place"):
        grad(y, x, ones(2), create_graph=create_graph)


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_output_is_noticed(change: str) -> None:
    x = leaf(1.0, 2.0)
    y = pointwise.exp(x)
    z = y * 1.0
    CHANGES[change](y)
    with pytest.raises(GraphError, match=r"Exp.*output 0.*in place"):
        z.backward(ones(2))


def test_a_change_that_nobody_needs_is_allowed() -> None:
    x = leaf(1.0, 2.0)
    y = x + 1.0
    with no_grad():
        add_(x, 5.0)
    y.backward(ones(2))
    np.testing.assert_array_equal(x.grad.array, [1, 1])


def test_a_change_after_create_graph_is_noticed_at_the_second_backward() -> None:
    """Also by the ops of the backward itself: here d(v * y)/dv = y, which Mul saved."""
    x, v = leaf(1.0, 2.0), leaf(1.0, 1.0)
    y = pointwise.exp(x)
    (g,) = grad(y, x, v, create_graph=True)
    with no_grad():
        mul_(y, 10.0)
    for by in (x, v):
        with pytest.raises(GraphError, match="in place"):
            grad(g, by, ones(2), retain_graph=True)


def test_a_leaf_is_not_changed_while_recording() -> None:
    x = leaf(1.0, 2.0)
    for change in (
        lambda: add_(x, 1.0),
        lambda: setitem(x, 0, 1.0),
        lambda: zero_(x),
        lambda: copy_(x, ones(2)),
    ):
        with pytest.raises(GraphError, match="leaf"):
            change()
    np.testing.assert_array_equal(x.array, [1, 2])
    with no_grad():
        add_(x, 1.0)
    np.testing.assert_array_equal(x.array, [2, 3])


def _against_torch(mine, theirs) -> None:
    """Both get a leaf of three numbers and return a result; values and gradients must agree."""
    values = np.array([0.5, 1.0, 2.0])
    x, u = Tensor(values.copy(), True), torch.tensor(values, requires_grad=True)
    y, v = mine(x), theirs(u)
    np.testing.assert_allclose(y.array, v.detach().numpy())
    y.backward(Tensor(np.array([1.0, 10.0, 100.0])))
    v.backward(torch.tensor([1.0, 10.0, 100.0], dtype=torch.float64))
    np.testing.assert_allclose(x.grad.array, u.grad.numpy())


def _assigned(x, first, write):
    y = first(x)
    write(y, x)
    return y * y


CASES = {
    "add_": (lambda y, x: add_(y, x), lambda y, x: y.add_(x)),
    "mul_": (lambda y, x: mul_(y, x), lambda y, x: y.mul_(x)),
    "mul_ twice": (lambda y, x: mul_(mul_(y, x), 3.0), lambda y, x: y.mul_(x).mul_(3.0)),
    "zero_": (lambda y, x: zero_(y), lambda y, x: y.zero_()),
    "fill_": (lambda y, x: fill_(y, 2.0), lambda y, x: y.fill_(2.0)),
    "copy_": (lambda y, x: copy_(y, x), lambda y, x: y.copy_(x)),
    "setitem number": (lambda y, x: setitem(y, 0, 4.0), lambda y, x: y.__setitem__(0, 4.0)),
    "setitem tensor": (
        lambda y, x: setitem(y, slice(0, 2), getitem(x, slice(1, 3))),
        lambda y, x: y.__setitem__(slice(0, 2), x[1:3]),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_recorded_changes_equal_torch(name: str) -> None:
    mine, theirs = CASES[name]
    _against_torch(
        lambda x: _assigned(x, lambda x: x * 2.0, mine),
        lambda u: _assigned(u, lambda u: u * 2.0, theirs),
    )


@pytest.mark.parametrize("name", CASES)
def test_recorded_changes_of_a_constant_equal_torch(name: str) -> None:
    if name in ("zero_", "fill_", "setitem number"):
        x = leaf(0.5, 1.0, 2.0)
        assert not _assigned(x, lambda x: ones(3), CASES[name][0]).requires_grad
        return
    mine, theirs = CASES[name]
    _against_torch(
        lambda x: _assigned(x, lambda x: ones(3), mine),
        lambda u: _assigned(u, lambda u: torch.ones(3, dtype=torch.float64), theirs),
    )


def test_a_stale_view_is_refused() -> None:
    """The base was changed by a recorded op: the view's place in the graph is out of date."""
    x = leaf(1.0, 2.0)
    base = x * 1.0
    view = getitem(base, slice(0, 1))
    add_(base, x)
    with pytest.raises(GraphError, match="view"):
        view * 2.0


def test_a_recorded_change_of_a_view_is_refused() -> None:
    x = leaf(1.0, 2.0)
    base = x * 1.0
    with pytest.raises(GraphError, match="view"):
        add_(getitem(base, slice(0, 1)), getitem(x, slice(0, 1)))


def test_shape_and_dtype_stay() -> None:
    x = Tensor(np.ones(2, np.float32))
    with pytest.raises(ShapeError, match="add_"):
        add_(x, Tensor(np.ones((3, 2), np.float32)))
    add_(x, Tensor(np.ones(2)))
    assert x.dtype == np.float32
    with pytest.raises(DtypeError, match="add_"):
        add_(Tensor(np.ones(2, np.int64)), 1.5)


def test_mark_dirty_tells_the_graph() -> None:
    class AddOne(Function):
        @staticmethod
        def forward(ctx, x):
            x.array += 1
            ctx.mark_dirty(x)
            return x

        @staticmethod
        def backward(ctx, gy):
            return gy

    x = leaf(1.0, 2.0)
    y = x * 1.0
    z = y * y
    assert AddOne.apply(y) is y
    with pytest.raises(GraphError, match="Mul"):
        z.backward(ones(2))
    (y * 3.0).backward(ones(2))
    np.testing.assert_array_equal(x.grad.array, [3.0, 3.0])
    with pytest.raises(GraphError, match="leaf"):
        AddOne.apply(x)
    with pytest.raises(GraphError, match="view"):
        AddOne.apply(getitem(x * 1.0, slice(0, 1)))
    w = leaf(1.0, 2.0)
    square = w * w
    with no_grad():
        AddOne.apply(w)
    with pytest.raises(GraphError, match="Mul"):
        square.backward(ones(2))


def _retained(x, add, mul) -> list[list[float]]:
    """Gradients of a tensor that asked for them before, between and after its changes."""
    found = []
    for asks in ((0,), (1,), (0, 1), (0, 1, 2)):
        y = x * 2
        for stage, change in enumerate((mul, add, None)):
            if stage in asks:
                y.retain_grad()
            if change is not None:
                change(y)
        (y * y).sum().backward()
        found.append(y.grad.tolist())
    return found


def test_retain_grad_moves_along_with_changes() -> None:
    """The gradient that is kept is that of the tensor as it is at the end."""
    mine = _retained(leaf(1.0, 2.0), lambda y: y.add_(1.0), lambda y: y.mul_(3.0))
    theirs = _retained(
        torch.tensor([1.0, 2.0], dtype=torch.float64, requires_grad=True),
        lambda y: y.add_(1.0),
        lambda y: y.mul_(3.0),
    )
    assert mine == theirs


def test_retain_grad_moves_along_with_a_function() -> None:
    class Triple(Function):
        @staticmethod
        def forward(ctx, x):
            x.mul_(3.0)
            ctx.mark_dirty(x)
            return x

        @staticmethod
        def backward(ctx, gy):
            return gy * 3

    y = leaf(1.0, 2.0) * 2
    y.retain_grad()
    Triple.apply(y).sum().backward()
    assert y.grad.tolist() == [1.0, 1.0]  # PyTorch's too
