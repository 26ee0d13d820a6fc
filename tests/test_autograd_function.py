"""Function: PyTorch's contract, and where nnlite is stricter."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nnlite.autograd import (
    Function,
    Tensor,
    grad,
    gradcheck,
    gradgradcheck,
    is_grad_enabled,
    no_grad,
    once_differentiable,
)
from nnlite.errors import DoubleBackwardError, DtypeError, GraphError, ShapeError
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


def test_forward_and_backward_run_without_recording() -> None:
    seen = []

    def forward(ctx, x):
        seen.append(is_grad_enabled())
        return x * 2

    def backward(ctx, gy):
        seen.append(is_grad_enabled())
        return gy * 2

    x = leaf(1.0)
    cls = scale(backward, forward)
    cls.apply(x).backward(ones(1))
    grad(cls.apply(x), x, ones(1), create_graph=True)
    assert seen == [False, False, False, True]


def test_any_order_of_derivative() -> None:
    x = leaf(0.5, 1.0)
    y = Exp.apply(x)
    for _ in range(3):
        (y,) = grad(y, x, ones(2), create_graph=True)
    np.testing.assert_allclose(y.array, np.exp([0.5, 1.0]))
    assert gradcheck(Exp.apply, leaf(0.5, 1.0))
    assert gradgradcheck(Exp.apply, leaf(0.5, 1.0))


def test_forward_returning_its_input_still_has_a_backward() -> None:
    """PyTorch of 2018 skipped it silently."""
    identity = scale(lambda ctx, gy: gy * -1, lambda ctx, x: x)
    x = leaf(1.0, 2.0)
    y = identity.apply(x)
    assert y is not x
    assert x.is_leaf
    y.backward(ones(2))
    np.testing.assert_array_equal(x.grad.array, [-1, -1])
    middle = x * 3
    x.grad = None
    identity.apply(middle).backward(ones(2))
    np.testing.assert_array_equal(x.grad.array, [-3, -3])


def test_a_returned_input_may_not_be_changed_behind_its_back() -> None:
    x = leaf(1.0, 2.0)
    y = scale(lambda ctx, gy: gy, lambda ctx, x: x).apply(x)
    with pytest.raises(GraphError, match="view"):
        in_place(lambda a, b: a + b, "add_")(y, 1.0)
    np.testing.assert_array_equal(x.array, [1, 2])


def test_a_returned_tensor_of_others_keeps_its_history() -> None:
    w, c = leaf(5.0), ones(1)
    for other in (w, c):
        cls = scale(lambda ctx, gy: gy, lambda ctx, x, other=other: other)
        y = cls.apply(leaf(1.0))
        assert y is not other
        assert y.requires_grad
    assert w.is_leaf
    assert not c.requires_grad


def test_one_tensor_returned_twice() -> None:
    class Twice(Function):
        @staticmethod
        def forward(ctx, x):
            y = x * 2
            return y, y

        @staticmethod
        def backward(ctx, g, h):
            return g * 2 + h * 200

    x = leaf(1.0)
    a, b = Twice.apply(x)
    (a * 3 + b * 5).backward(ones(1))
    assert x.grad.array == [6 + 1000]


@pytest.mark.parametrize(
    ("backward", "kind", "text"),
    [
        (lambda ctx, gy: (gy, gy), GraphError, "Scale.*2"),
        (lambda ctx, gy: (), GraphError, "Scale.*0"),
        (lambda ctx, gy: None, GraphError, "Scale.*None"),
        (lambda ctx, gy: gy.array, DtypeError, "Scale.*ndarray"),
        (lambda ctx, gy: Tensor(np.ones(5)), ShapeError, r"Scale.*\(3,\).*\(5,\)"),
    ],
    ids=["too many", "too few", "None", "an array", "wrong shape"],
)
def test_wrong_gradients_are_refused(backward, kind, text) -> None:
    x = leaf(1.0, 2.0, 3.0)
    with pytest.raises(kind, match=text):
        scale(backward).apply(x).backward(ones(3))
    assert x.grad is None


def test_further_nones_are_allowed() -> None:
    x = leaf(1.0)
    scale(lambda ctx, gy: (gy * 2, None, None)).apply(x).backward(ones(1))
    assert x.grad.array == [2.0]


def test_a_gradient_is_fitted_to_its_input() -> None:
    """Broadcast shapes are summed and dtypes cast back, as PyTorch does."""
    x = Tensor(np.ones(1, np.float32), True)
    scale(lambda ctx, gy: gy * 2, lambda ctx, x: x * ones(3)).apply(x).backward(ones(3))
    assert x.grad.array == [6.0]
    assert x.grad.dtype == np.float32


def test_arguments_that_are_no_tensors() -> None:
    class Power(Function):
        @staticmethod
        def forward(ctx, x, n, c, flag):
            assert flag is True
            ctx.n = n
            ctx.save_for_backward(x, c)
            return x**n * c

        @staticmethod
        def backward(ctx, gy):
            x, c = ctx.saved_tensors
            assert ctx.needs_input_grad == (True, False, False, False)
            return gy * c * ctx.n * x ** (ctx.n - 1), None, None, None

    x = leaf(2.0)
    Power.apply(x, 3, Tensor(np.array([10.0])), True).backward(ones(1))
    assert x.grad.array == [120.0]


def test_setup_context_style() -> None:
    class Mul(Function):
        @staticmethod
        def forward(x, y):
            return x * y

        @staticmethod
        def setup_context(ctx, inputs, output):
            assert isinstance(output, Tensor)
            ctx.save_for_backward(*inputs)

        @staticmethod
        def backward(ctx, gy):
            x, y = ctx.saved_tensors
            return gy * y, gy * x

    assert gradcheck(Mul.apply, (leaf(2.0), leaf(3.0)))
    assert gradgradcheck(Mul.apply, (leaf(2.0), leaf(3.0)))


def test_once_differentiable() -> None:
    cls = scale(once_differentiable(lambda ctx, gy: gy * 2))
    x = leaf(1.0)
    assert grad(cls.apply(x), x, ones(1))[0].array == [2.0]
    with pytest.raises(DoubleBackwardError, match="Scale"):
        grad(cls.apply(x), x, ones(1), create_graph=True)


class Split(Function):
    """x * 2 and x * 3; notes what backward was given."""

    materialize = True
    given: tuple = ()

    @staticmethod
    def forward(ctx, x):
        ctx.set_materialize_grads(Split.materialize)
        return x * 2, x * 3

    @staticmethod
    def backward(ctx, g, h):
        Split.given = (g, h)
        return (0 if g is None else g * 2) + (0 if h is None else h * 3)


@pytest.mark.parametrize("materialize", [True, False])
def test_outputs_without_a_gradient(materialize: bool) -> None:
    Split.materialize = materialize
    x = leaf(1.0, 2.0)
    _, b = Split.apply(x)
    b.backward(ones(2))
    np.testing.assert_array_equal(x.grad.array, [3, 3])
    if materialize:
        np.testing.assert_array_equal(Split.given[0].array, [0, 0])
    else:
        assert Split.given[0] is None


def test_zero_dimensional_gradients_are_arrays() -> None:
    """NumPy's sums of 0-d arrays are scalars; a Function still gets a Tensor of an array."""
    kinds = []

    def backward(ctx, gy):
        kinds.append(type(gy.array))
        return gy * 2

    x = Tensor(np.array(1.0), True)
    y = scale(backward).apply(x)
    (y + y + y * y).backward()
    assert kinds == [np.ndarray]
    assert x.grad.array == (2 + 2 * 2) * 2


def test_mark_non_differentiable() -> None:
    class Both(Function):
        @staticmethod
        def forward(ctx, x):
            a, b = x * 2, x * 3
            ctx.mark_non_differentiable(b)
            return a, b

        @staticmethod
        def backward(ctx, g, h):
            np.testing.assert_array_equal(h.array, [0.0])
            return g * 2

    x = leaf(1.0)
    a, b = Both.apply(x)
    assert a.requires_grad
    assert not b.requires_grad
    (a * b).backward(ones(1))
    assert x.grad.array == [6.0]


def test_integer_outputs_stay_outside_the_graph() -> None:
    class Sort(Function):
        @staticmethod
        def forward(ctx, x):
            order = np.argsort(x.array)
            ctx.order = order
            return Tensor(x.array[order]), Tensor(order)

        @staticmethod
        def backward(ctx, g, _):
            gx = np.empty_like(g.array)
            gx[ctx.order] = g.array
            return Tensor(gx)

    x = leaf(3.0, 1.0, 2.0)
    values, order = Sort.apply(x)
    assert not order.requires_grad
    values.backward(Tensor(np.array([1.0, 2.0, 3.0])))
    np.testing.assert_array_equal(x.grad.array, [3, 1, 2])


def test_no_graph_without_need() -> None:
    y = Exp.apply(ones(2))
    assert not y.requires_grad
    with no_grad():
        assert not Exp.apply(leaf(1.0)).requires_grad


def test_what_is_no_tensor_is_refused() -> None:
    with pytest.raises(DtypeError, match=r"Scale\.forward"):
        scale(None, lambda ctx, x: x.array).apply(leaf(1.0))


def test_the_same_function_in_torch() -> None:
    class Torch(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            y = x.exp()
            ctx.save_for_backward(y)
            return y

        @staticmethod
        def backward(ctx, gy):
            (y,) = ctx.saved_tensors
            return gy * y

    x, u = leaf(0.5, 1.5), torch.tensor([0.5, 1.5], dtype=torch.float64, requires_grad=True)
    (g,) = grad(Exp.apply(x) ** 2, x, ones(2), create_graph=True)
    (h,) = torch.autograd.grad((Torch.apply(u) ** 2).sum(), u, create_graph=True)
    np.testing.assert_allclose(g.array, h.detach().numpy())
    (g,), (h,) = grad(g, x, ones(2)), torch.autograd.grad(h.sum(), u)
    np.testing.assert_allclose(g.array, h.numpy())
