"""What a Function saves for its backward."""

from __future__ import annotations

import gc

import numpy as np
import pytest

from nnlite.autograd import (
    Function,
    Tensor,
    grad,
    no_grad,
)
from nnlite.errors import DtypeError, GraphError
from nnlite.ops import pointwise
from nnlite.ops.inplace import in_place


def leaf(*values: float) -> Tensor:
    return Tensor(np.array(values), requires_grad=True)


def ones(n: int) -> Tensor:
    return Tensor(np.ones(n))


def scale(backward, forward=lambda ctx, x: x * 2):
    """A Function of one argument, of these two functions."""
    return type(
        "Scale", (Function,), {"forward": staticmethod(forward), "backward": staticmethod(backward)}
    )


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


@pytest.mark.parametrize("which", ["input", "output", "intermediate"])
@pytest.mark.parametrize("create_graph", [False, True])
def test_a_saved_tensor_that_was_changed_is_noticed(which: str, create_graph: bool) -> None:
    kept = []

    def forward(ctx, x):
        middle = x * 1.5
        y = middle * 2
        kept[:] = [x, middle]
        ctx.save_for_backward({"input": x, "output": y, "intermediate": middle}[which])
        return y

    def backward(ctx, gy):
        return gy * 3 + ctx.saved_tensors[0] * 0

    x = leaf(1.0)
    y = scale(backward, forward).apply(x)
    victim = {"input": x, "output": y, "intermediate": kept[1]}[which]
    with no_grad():
        in_place(lambda a, b: a + b, "add_")(victim, 1.0)
    with pytest.raises(GraphError, match=r"Scale.*in place"):
        grad(y, x, ones(1), create_graph=create_graph)


def test_saved_tensors_in_order_and_none() -> None:
    def forward(ctx, x):
        y = x * 2
        ctx.save_for_backward(None, y, x, None, x + 10)
        return y

    def backward(ctx, gy):
        a, y, x, b, z = ctx.saved_tensors
        assert a is None
        assert b is None
        assert (y.array, x.array, z.array) == ([2.0], [1.0], [11.0])
        return gy * 2

    x = leaf(1.0)
    cls = scale(backward, forward)
    cls.apply(x).backward(ones(1))
    grad(cls.apply(x), x, ones(1), create_graph=True)


def test_only_tensors_are_saved() -> None:
    def forward(ctx, x):
        ctx.save_for_backward(x.array)
        return x * 1

    with pytest.raises(DtypeError, match="save_for_backward"):
        scale(None, forward).apply(leaf(1.0))


def test_any_attribute_may_be_set_on_ctx() -> None:
    """Also those that the engine's own nodes have."""
    names = [
        "shape",
        "dtype",
        "op",
        "parents",
        "saved",
        "seq",
        "name",
        "input",
        "output",
        "outputs",
    ]

    def forward(ctx, x):
        ctx.save_for_backward(x)
        for name in names:
            setattr(ctx, name, name)
        return x * 2

    def backward(ctx, gy):
        assert [getattr(ctx, name) for name in names] == names
        return gy * 2 * ctx.saved_tensors[0]

    x = leaf(3.0)
    scale(backward, forward).apply(x).backward(ones(1))
    assert x.grad.array == [6.0]


def test_a_parameter_from_outside_keeps_its_place() -> None:
    """A saved tensor that is no argument, but in the graph, is differentiable at second order."""
    w = leaf(5.0)

    def forward(ctx, x):
        ctx.save_for_backward(x, w)
        return x * x * w

    def backward(ctx, gy):
        x, w = ctx.saved_tensors
        return gy * 2 * x * w

    x = leaf(3.0)
    (g,) = grad(scale(backward, forward).apply(x), x, ones(1), create_graph=True)
    assert grad(g, w, ones(1))[0].array == [6.0]


def test_the_graph_is_used_once() -> None:
    x = leaf(1.0)
    y = Exp.apply(x)
    y.backward(ones(1))
    with pytest.raises(GraphError, match=r"Exp.*retain_graph"):
        y.backward(ones(1))


def test_saved_tensors_after_the_graph_is_gone() -> None:
    kept = []

    def forward(ctx, x):
        kept.append(ctx)
        ctx.save_for_backward(x)
        return x * 2

    y = scale(lambda ctx, gy: gy * 2, forward).apply(leaf(1.0))
    assert kept[0].saved_tensors[0].array == [1.0]
    y.backward(ones(1))
    with pytest.raises(GraphError):
        _ = kept[0].saved_tensors
    del y
    gc.collect()
    with pytest.raises(GraphError, match="saved_tensors"):
        _ = kept[0].saved_tensors
