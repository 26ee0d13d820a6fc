"""The engine: order, accumulation, hooks, grad(), create_graph, and what an error leaves behind."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nnlite.autograd import Function, Op, Tensor, backward, grad, is_grad_enabled, no_grad
from nnlite.errors import (
    ArgumentError,
    DoubleBackwardError,
    DtypeError,
    GraphError,
    NnliteError,
    ShapeError,
)
from nnlite.ops import pointwise


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


# -- order and accumulation ----------------------------------------------------------------------


def test_diamond_adds_both_paths() -> None:
    """micrograd#2: b = a + a; c = b + b."""
    a = leaf(3.0)
    b = a + a
    c = b + b
    c.backward(t(1.0))
    assert a.grad.array == [4.0]


def test_a_node_waits_for_all_its_consumers() -> None:
    """y is used early and late; visiting it too soon would lose the long path."""
    x, x_ = leaf(1.5, -0.5), torch.tensor([1.5, -0.5], dtype=torch.float64, requires_grad=True)

    def f(x, exp):
        y = x * x
        z = y
        for _ in range(5):
            z = z * y + exp(z * 0.1)
        return z + y * 2

    f(x, pointwise.exp).backward(t(1.0, 2.0))
    f(x_, torch.exp).backward(torch.tensor([1.0, 2.0], dtype=torch.float64))
    np.testing.assert_allclose(x.grad.array, x_.grad.numpy(), rtol=1e-14)


@pytest.mark.parametrize("uses", range(1, 33))
def test_a_leaf_used_many_times(uses: int) -> None:
    """mxnet#17989: sums were wrong for certain numbers of uses only."""
    x = leaf(1.0, 2.0)
    y = x * 1.0
    for k in range(2, uses + 1):
        y = y + x * float(k)
    y.backward(t(1.0, 10.0))
    total = uses * (uses + 1) / 2
    np.testing.assert_array_equal(x.grad.array, [total, 10 * total])


def test_doubling_a_thousand_times_is_linear() -> None:
    """2^1000 paths, 1000 nodes."""
    x = leaf(1.0)
    y = x
    for _ in range(1000):
        y = y + y
    y.backward(t(1.0))
    assert x.grad.array == [2.0**1000]


def test_gradients_accumulate_over_backwards() -> None:
    x = leaf(2.0)
    (x * x).backward(t(1.0))
    held = x.grad
    (x * 3).backward(t(1.0))
    assert x.grad.array == [7.0]
    assert x.grad is held, "whoever holds .grad sees the sum, as in PyTorch"


def test_several_roots_and_one_root_twice() -> None:
    x = leaf(2.0)
    y, z = x * x, x * 3
    backward([y, z, y], [t(1.0), t(10.0), t(100.0)])
    assert x.grad.array == [4 + 30 + 400.0]


def test_a_leaf_is_its_own_root() -> None:
    x = leaf(2.0, 3.0)
    x.backward(t(5.0, 7.0))
    np.testing.assert_array_equal(x.grad.array, [5.0, 7.0])


def test_dtypes_of_gradients_are_those_of_the_inputs() -> None:
    x = Tensor(np.ones(2, np.float32), True)
    y = Tensor(np.ones(2), True)
    z = x * y
    assert z.dtype == np.float64
    z.backward(t(1.0, 1.0))
    assert (x.grad.dtype, y.grad.dtype) == (np.float32, np.float64)


# -- numpy on the left ---------------------------------------------------------------------------


@pytest.mark.parametrize("left", [np.float64(2), np.float32(2), np.int64(2), 2, 2.0])
def test_numpy_scalar_times_tensor(left) -> None:
    """pytorch#9468: the result is a Tensor in the graph, and keeps float32 (NEP 50)."""
    x = Tensor(np.ones(3, np.float32), True)
    for y in (left * x, x * left, left + x, left - x, left / x):
        assert isinstance(y, Tensor)
        assert y.requires_grad
        assert y.dtype == np.float32


def test_numpy_array_times_tensor() -> None:
    x = Tensor(np.ones(3, np.float32), True)
    y = np.arange(3, dtype=np.float32) * x
    assert isinstance(y, Tensor)
    assert y.dtype == np.float32
    y.backward(Tensor(np.ones(3, np.float32)))
    np.testing.assert_array_equal(x.grad.array, [0, 1, 2])


# -- refusals ------------------------------------------------------------------------------------


def test_second_backward_names_retain_graph() -> None:
    x = leaf(2.0)
    y = x * x
    y.backward(t(1.0))
    with pytest.raises(GraphError, match=r"Mul.*retain_graph=True"):
        y.backward(t(1.0))
    y = x * x
    y.backward(t(1.0), retain_graph=True)
    y.backward(t(1.0))
    assert x.grad.array == [12.0]


@pytest.mark.parametrize(
    ("call", "kind", "text"),
    [
        (lambda: t(1.0).backward(), GraphError, "requires_grad"),
        (lambda: leaf(1.0, 2.0).backward(), ShapeError, "gradient"),
        (lambda: leaf(1.0, 2.0).backward(t(1.0)), ShapeError, "gradient"),
        (lambda: leaf(1.0).backward(Tensor(np.ones(1, np.float32))), DtypeError, "gradient"),
        (lambda: backward([leaf(1.0)], [t(1.0), t(2.0)]), ArgumentError, "gradients"),
        (lambda: backward([leaf(1.0)], inputs=[]), ArgumentError, "inputs"),
        (lambda: grad(leaf(1.0), t(1.0)), GraphError, "inputs"),
        (lambda: grad(leaf(1.0) * 2, leaf(1.0)), GraphError, "allow_unused"),
    ],
)
def test_misuse_is_refused(call, kind: type[NnliteError], text: str) -> None:
    with pytest.raises(kind, match=text):
        call()


def test_second_backward_over_several_outputs_is_refused() -> None:
    class Two(Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2, x * 3

        @staticmethod
        def backward(ctx, g, h):
            return g * 2 + h * 3

    a, b = Two.apply(leaf(1.0))
    (a + b).backward(t(1.0))
    with pytest.raises(GraphError, match="Two"):
        a.backward(t(1.0))


def test_wrong_gradient_shape_names_the_op() -> None:
    class WrongShape(Op):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, gy):
            return gy[:1]

    with pytest.raises(ShapeError, match=r"WrongShape.*gradcheck"):
        WrongShape.apply(leaf(1.0, 2.0)).backward(t(1.0, 1.0))


def test_wrong_number_of_gradients_names_the_op() -> None:
    class WrongCount(Op):
        @staticmethod
        def forward(ctx, x, y):
            return x * y

        @staticmethod
        def backward(ctx, gy):
            return gy

    with pytest.raises(GraphError, match="WrongCount"):
        WrongCount.apply(leaf(1.0), leaf(2.0)).backward(t(1.0))


def test_no_second_derivative_is_said_by_name() -> None:
    class Once(Op):
        double_backward = False

        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, gy):
            return gy * 2

    x = leaf(1.0)
    with pytest.raises(DoubleBackwardError, match="Once"):
        grad(Once.apply(x), x, t(1.0), create_graph=True)
    assert grad(Once.apply(x), x, t(1.0))[0].array == [2.0]


# -- what an error leaves behind -----------------------------------------------------------------


@pytest.mark.parametrize("create_graph", [False, True])
def test_an_error_in_backward_fills_no_gradient(create_graph: bool) -> None:
    x, y = leaf(1.0), leaf(2.0)
    boom = Boom.apply(x)
    middle = y * 2  # made later, so visited earlier
    middle.retain_grad()
    z = boom + middle * 3
    with pytest.raises(RuntimeError, match="boom"):
        z.backward(t(1.0), create_graph=create_graph)
    assert (x.grad, y.grad, middle.grad) == (None, None, None)
    assert is_grad_enabled()


def test_an_error_in_a_leaf_hook_fills_no_gradient() -> None:
    x, y = leaf(1.0), leaf(2.0)
    y.register_hook(lambda g: 1 / 0)
    for pair in ((x, y), (y, x)):
        with pytest.raises(ZeroDivisionError):
            (pair[0] * pair[1]).backward(t(1.0))
        assert (x.grad, y.grad) == (None, None)


def test_an_error_in_forward_restores_the_mode() -> None:
    class Bad(Function):
        @staticmethod
        def forward(ctx, x):
            raise RuntimeError("forward")

    with pytest.raises(RuntimeError, match="forward"):
        Bad.apply(leaf(1.0))
    assert is_grad_enabled()
    with no_grad(), pytest.raises(RuntimeError, match="forward"):
        Bad.apply(leaf(1.0))
    assert is_grad_enabled()


# -- hooks and retained gradients ----------------------------------------------------------------


def test_hooks_of_leaves_see_the_whole_gradient_once() -> None:
    x = leaf(2.0)
    seen = []
    x.register_hook(lambda g: seen.append(g.array.copy()))
    (x * 3 + x * x).backward(t(1.0))
    assert seen == [[7.0]]


def test_all_hooks_run_in_order_even_if_no_handle_is_kept() -> None:
    x = leaf(2.0)
    order: list[int] = []
    for n in range(10):
        x.register_hook(lambda g, n=n: order.append(n))
    (x * 3).backward(t(1.0))
    assert order == list(range(10))


def test_a_hook_replaces_the_gradient() -> None:
    x = leaf(2.0)
    y = x * 3
    handle = y.register_hook(lambda g: g * 10)
    (y * y).backward(t(1.0))
    assert x.grad.array == [360.0]
    handle.remove()
    handle.remove()
    x.grad = None
    y = x * 3
    y.register_hook(lambda g: g * 10).remove()
    y.backward(t(1.0))
    assert x.grad.array == [3.0]


def test_a_hook_of_the_wrong_shape_is_refused() -> None:
    x = leaf(2.0)
    x.register_hook(lambda g: t(1.0, 2.0))
    with pytest.raises(ShapeError, match="register_hook"):
        (x * 3).backward(t(1.0))


def test_a_hooks_tensor_is_not_taken_over() -> None:
    """What a hook returned stays the caller's: later sums go elsewhere."""
    mine = t(5.0)
    x = leaf(2.0)
    y = x * 3
    y.register_hook(lambda g: mine)
    (g,) = grad(y + y, y, t(1.0))
    g.array += 1
    x.register_hook(lambda g: mine)
    (x * 1).backward(t(1.0))
    (x * 1).backward(t(1.0))
    assert mine.array == [5.0]
    assert x.grad.array == [10.0]


def test_retain_grad() -> None:
    x = leaf(2.0)
    y = x * 3
    y.retain_grad()
    (y * y).backward(t(1.0))
    assert y.grad.array == [12.0]
    with pytest.raises(GraphError):
        t(1.0).retain_grad()
