"""gradcheck refuses every wrong backward of tests/wrong_backwards.py, and no right one."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch

from nnlite.autograd import (
    Function,
    Tensor,
    enable_grad,
    grad,
    gradcheck,
    gradgradcheck,
    once_differentiable,
)
from nnlite.autograd.checks.numeric import refined
from nnlite.errors import ArgumentError, DoubleBackwardError, DtypeError, GradcheckError
from nnlite.ops import arithmetic, pointwise, reduce
from tests.wrong_backwards import (
    RIGHT,
    WRONG,
    ChangesItsCotangent,
    OnePerMille,
    Square,
    StaleFromFirstCall,
    WrongInOneElement,
    WrongWithoutSecondCotangent,
    constant,
    leaf,
)
from tests.wrong_second_orders import WRONG_AT_SECOND


@pytest.fixture(autouse=True)
def _forget() -> None:
    StaleFromFirstCall.kept = None


def test_there_are_enough_controls() -> None:
    assert len(WRONG) + len(WRONG_AT_SECOND) >= 30


@pytest.mark.parametrize(("fn", "inputs"), [w[1:] for w in WRONG], ids=[w[0] for w in WRONG])
def test_wrong_backward_is_refused(fn, inputs) -> None:
    with pytest.raises(GradcheckError):
        gradcheck(fn, inputs)
    StaleFromFirstCall.kept = None
    assert gradcheck(fn, inputs, raise_exception=False) is False


# this one is wrong only where the cotangent is exactly 1, which no random one is
BY_PROJECTION = [w for w in WRONG if w[0] != "ReturnsItsSavedArray"]


@pytest.mark.parametrize(
    ("fn", "inputs"), [w[1:] for w in BY_PROJECTION], ids=[w[0] for w in BY_PROJECTION]
)
def test_fast_mode_refuses_too(fn, inputs) -> None:
    with pytest.raises(GradcheckError):
        gradcheck(fn, inputs, fast_mode=True)


@pytest.mark.parametrize(
    ("fn", "inputs"), [w[1:] for w in WRONG_AT_SECOND], ids=[w[0] for w in WRONG_AT_SECOND]
)
def test_wrong_second_derivative_is_refused(fn, inputs) -> None:
    assert gradcheck(fn, inputs)
    with pytest.raises(GradcheckError):
        gradgradcheck(fn, inputs)
    assert gradgradcheck(fn, inputs, raise_exception=False) is False


@pytest.mark.parametrize(("fn", "inputs"), [r[1:] for r in RIGHT], ids=[r[0] for r in RIGHT])
def test_right_backward_passes(fn, inputs) -> None:
    for fast in (False, True):
        assert gradcheck(fn, inputs, fast_mode=fast)
        assert gradgradcheck(fn, inputs, fast_mode=fast)


def test_the_message_names_place_and_values() -> None:
    x = leaf(2, 3)
    with pytest.raises(GradcheckError) as caught:
        gradcheck(WrongInOneElement.apply, (Tensor(np.ones(2)), x)[1:])
    text = str(caught.value)
    assert "inputs[0]" in text
    assert "[1, 2]" in text
    true = 2 * x.array[1, 2]
    analytic, numeric = (
        float(re.search(rf"(\S+) \({kind}\)", text).group(1)) for kind in ("analytic", "numeric")
    )
    assert numeric == pytest.approx(true, rel=1e-6)
    assert analytic == pytest.approx(1.01 * true, rel=1e-6)


def test_tolerances_are_heard() -> None:
    assert not gradcheck(OnePerMille.apply, leaf(3), raise_exception=False)
    assert gradcheck(OnePerMille.apply, leaf(3), rtol=1e-2)
    assert gradcheck(OnePerMille.apply, leaf(3), atol=1e-1)


def test_nondet_tol_allows_a_little_noise() -> None:
    rng = np.random.default_rng(0)

    class Noisy(Square):
        @staticmethod
        def backward(ctx, gy):
            return 2 * gy * ctx.saved_tensors[0] * (1 + 1e-12 * rng.standard_normal())

    assert not gradcheck(Noisy.apply, leaf(3), raise_exception=False)
    assert gradcheck(Noisy.apply, leaf(3), nondet_tol=1e-9)


def test_undefined_cotangents_are_optional() -> None:
    """A backward that cannot do without one of its cotangents passes where that is not asked."""
    fn, x = WrongWithoutSecondCotangent.apply, leaf(3)
    assert not gradcheck(fn, x, raise_exception=False)
    assert gradcheck(fn, x, check_undefined_grad=False)


def test_the_message_names_what_was_changed() -> None:
    with pytest.raises(GradcheckError, match="cotangent"):
        gradcheck(ChangesItsCotangent.apply, leaf(3))
    with pytest.raises(GradcheckError, match="an input"):
        gradcheck(lambda x, c: (c.array.__setitem__(0, 5.0), x * 2)[1], (leaf(3), constant([1.0])))


def test_refined_differences_are_sharp() -> None:
    """Strongly curved, on a large offset: plain differences reach 1e-7 at best."""
    x = np.array(0.3)
    found = refined(lambda x: np.sin(50 * x) + 1e6, x, np.ones(()))
    assert found == pytest.approx(50 * np.cos(15.0), rel=1e-7)


def test_float32_is_refused() -> None:
    x = Tensor(np.ones(3, np.float32), requires_grad=True)
    for check in (gradcheck, gradgradcheck):
        with pytest.raises(DtypeError, match=r"float64.*float32"):
            check(Square.apply, x)


def test_inputs_must_require_a_gradient() -> None:
    with pytest.raises(ArgumentError, match="requires_grad_"):
        gradcheck(Square.apply, Tensor(np.ones(3)))


def test_inputs_must_not_overlap_themselves() -> None:
    x = Tensor(np.broadcast_to(np.ones(1), (3,)), requires_grad=True)
    with pytest.raises(ArgumentError, match="share memory"):
        gradcheck(Square.apply, x)


def test_other_errors_pass_through() -> None:
    with pytest.raises(ZeroDivisionError):
        gradcheck(lambda x: x * (1 / 0), leaf(3), raise_exception=False)


def test_inputs_are_left_alone() -> None:
    x, c = leaf(2, 3), Tensor(np.arange(3.0))
    before = x.array.copy()
    assert gradcheck(lambda x, c, n: x * c * n, (x, c, 3))
    assert x.grad is None
    assert (x.array == before).all()


def test_once_differentiable_raises_by_name() -> None:
    class Once(Square):
        backward = staticmethod(once_differentiable(Square.backward))

    assert gradcheck(Once.apply, leaf(3))
    with pytest.raises(DoubleBackwardError, match="Once"):
        gradgradcheck(Once.apply, leaf(3))


def test_grad_outputs_are_taken() -> None:
    """gradgradcheck at a given cotangent: x^2 max(g, 0) is smooth only away from g = 0."""
    given = Tensor(np.array([1.0, -1.0, 2.0]))
    assert gradgradcheck(Square.apply, leaf(3), given)
    assert gradgradcheck(lambda x, y: x * y * y, (leaf(3), leaf(3, seed=1)), [given])


HARD = {
    "large offset": (lambda x: x + 1e6, [1e-3, 5.0, 1e4]),
    "large slope": (lambda x: x * 1e6, [1e-3, 5.0, 1e4]),
    "steep near 0": (lambda x: 1 / x, [1e-3, 0.1, 1e4]),
    "log near 0": (pointwise.log, [1e-3, 1.0, 1e6]),
    "exp": (pointwise.exp, [-30.0, 0.0, 20.0]),
    "cancelling": (lambda x: (x + 1e4) * (x + 1e4) - x * x, [0.1, 1.0]),
    "high power": (lambda x: x**9, [0.1, 1.0, 5.0]),
    "tiny": (lambda x: x * 1e-12, [1.0, 2.0]),
    "large sum": (lambda x: reduce.sum(x * 1e5) + x, [1.0, 2.0, 3.0]),
}


@pytest.mark.parametrize("name", HARD)
def test_no_false_alarm_where_rounding_or_curvature_is_large(name) -> None:
    fn, values = HARD[name]
    x = Tensor(np.array(values), requires_grad=True)
    assert gradcheck(fn, x)


@pytest.mark.parametrize("name", sorted(set(HARD) - {"tiny"}))  # within atol = 1e-8
def test_no_blindness_there_either(name) -> None:
    """The same functions with a gradient that is wrong by one per mille."""
    fn, values = HARD[name]

    class Wrong(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return fn(x)

        @staticmethod
        def backward(ctx, gy):
            x = Tensor(ctx.saved_tensors[0].array, requires_grad=True)
            with enable_grad():
                (gx,) = grad(fn(x), x, gy)
            return gx * 1.001

    assert not gradcheck(Wrong.apply, Tensor(np.array(values), True), raise_exception=False)


def test_torch_agrees_about_the_controls() -> None:
    """The conditions are PyTorch's: the same wrong scale, as PyTorch's own check judges it."""

    class Torch(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx, gy):
            return 2.01 * gy * ctx.saved_tensors[0]

    x = torch.tensor(leaf(3).array, requires_grad=True)
    assert not torch.autograd.gradcheck(Torch.apply, x, raise_exception=False)
    assert not gradcheck(OnePerMille.apply, leaf(3), raise_exception=False)


def test_several_outputs_and_constants() -> None:
    assert gradcheck(lambda x, y: (x * y, x + 1, y.detach() * 0 + 1), (leaf(3), leaf(3, seed=1)))
    assert gradcheck(lambda x: arithmetic.mul(x, 0.0).detach(), leaf(3))
