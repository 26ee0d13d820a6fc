"""check_op names each seeded mistake, shrinks the example, and has nothing to say of right ops."""

from __future__ import annotations

import re

import numpy as np
import pytest

from nnlite.autograd import Function, Tensor, check_op
from nnlite.errors import ArgumentError, GradcheckError
from nnlite.ops import pointwise
from tests import wrong_backwards as W
from tests.cases import collect
from tests.certify.inputs import spread
from tests.op_driver import of_leaves, samples_of


def mixed(*shape: int, seed: int = 0) -> Tensor:
    """Numbers of both signs, none near 0."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(0.5, 2.0, shape) * np.resize([1, -1], shape)
    return Tensor(np.asarray(x), requires_grad=True)


class Exp(Function):
    """The right one."""

    @staticmethod
    def forward(ctx, x):
        y = pointwise.exp(x)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, gy):
        return gy * ctx.saved_tensors[0]


class ExpWithoutOutput(Exp):
    @staticmethod
    def backward(ctx, gy):
        return gy * 1


class SinWithoutInner(Function):
    """sin(3x), whose gradient lacks the 3."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return pointwise.exp(3 * x)

    @staticmethod
    def backward(ctx, gy):
        return gy * pointwise.exp(3 * ctx.saved_tensors[0])


class Twice(W.Square):
    @staticmethod
    def backward(ctx, gy):
        return 4 * gy * ctx.saved_tensors[0]


class TooManyFactors(W.Square):
    @staticmethod
    def backward(ctx, gy):
        (x,) = ctx.saved_tensors
        return 2 * gy * x * x


class Matmul(Function):
    @staticmethod
    def forward(ctx, x, w):
        ctx.save_for_backward(x, w)
        return Tensor(x.array @ w.array)

    @staticmethod
    def backward(ctx, gy):
        x, w = (t.array for t in ctx.saved_tensors)
        return Tensor(gy.array @ w.T), Tensor(x.T @ gy.array)


class MatmulWithoutTranspose(Matmul):
    @staticmethod
    def backward(ctx, gy):
        x, w = (t.array for t in ctx.saved_tensors)
        return Tensor(gy.array @ w), Tensor(x.T @ gy.array)


class MatmulWeightTransposed(Matmul):
    @staticmethod
    def backward(ctx, gy):
        x, w = (t.array for t in ctx.saved_tensors)
        return Tensor(gy.array @ w.T), Tensor(gy.array.T @ x)


class Sum(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.shape = x.shape
        return Tensor(np.asarray(x.array.sum()))

    @staticmethod
    def backward(ctx, gy):
        return Tensor(np.full(ctx.shape, gy.array / np.prod(ctx.shape)))


class SumNotSpread(Sum):
    @staticmethod
    def backward(ctx, gy):
        return gy * 1


class Mean(Sum):
    @staticmethod
    def forward(ctx, x):
        ctx.shape = x.shape
        return Tensor(np.asarray(x.array.mean()))

    @staticmethod
    def backward(ctx, gy):
        return Tensor(np.full(ctx.shape, gy.array))


class BiasOfOneRow(Function):
    """x + b without the sum over the rows."""

    @staticmethod
    def forward(ctx, x, b):
        return x + b

    @staticmethod
    def backward(ctx, gy):
        return gy * 1, Tensor(gy.array[-1].copy())


class OneTooFew(W.Swapped):
    @staticmethod
    def backward(ctx, gy):
        return gy * ctx.saved_tensors[1]


class NoneForOne(W.Swapped):
    @staticmethod
    def backward(ctx, gy):
        return gy * ctx.saved_tensors[1], None


class DoublesInPlace(Function):
    @staticmethod
    def forward(ctx, x):
        x.array[...] *= 2
        return x

    @staticmethod
    def backward(ctx, gy):
        return 2 * gy


class Penalty(Function):
    """Identity forward, another backward."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x

    @staticmethod
    def backward(ctx, gy):
        return gy + 0.1 * pointwise.sign(ctx.saved_tensors[0])


class BackwardInPlace(W.Square):
    @staticmethod
    def backward(ctx, gy):
        (x,) = ctx.saved_tensors
        gx = 2 * gy * x
        x.array[...] = 0
        return gx


class Reversed(W.Square):
    @staticmethod
    def backward(ctx, gy):
        return Tensor((2 * gy.array * ctx.saved_tensors[0].array)[::-1].copy())


class Raises(W.Square):
    @staticmethod
    def backward(ctx, gy):
        raise ValueError("no idea")


class WrongWhereLarge(W.Square):
    @staticmethod
    def backward(ctx, gy):
        x = ctx.saved_tensors[0]
        return 2 * gy * pointwise.sign(x) * Tensor(np.minimum(np.abs(x.array), 1.0))


def forward_only(x):
    return Exp.forward(type("Ctx", (), {"save_for_backward": lambda self, y: None})(), x.detach())


SEEDED = [
    (W.WrongSign.apply, (mixed(2, 3),), "wrong sign"),
    (Twice.apply, (mixed(2, 3),), "off by the factor 2"),
    (SinWithoutInner.apply, (mixed(2, 3),), "off by the factor 0.333333"),
    (W.OnePerMille.apply, (mixed(2, 3),), "off by the factor 1.001"),
    (ExpWithoutOutput.apply, (mixed(2, 3),), "factor the output is missing"),
    (W.MissingInnerDerivative.apply, (mixed(2, 3),), r"factor inputs\[0\] is missing"),
    (TooManyFactors.apply, (mixed(2, 3),), r"factor inputs\[0\] is there once too often"),
    (W.MissingChainFactor.apply, (mixed(2, 3),), "does not use gy"),
    (W.MissingChainFactor.apply, (mixed(),), "does not use gy"),
    (W.OnesCotangentOnly.apply, (mixed(2, 3),), "right only where gy is the same everywhere"),
    (W.Dropped.apply, (mixed(2, 3),), "always 0"),
    (W.OneInputForgotten.apply, (mixed(3), mixed(3, seed=1)), r"inputs\[1\] is always 0"),
    (W.Swapped.apply, (mixed(3), mixed(3, seed=1)), r"inputs\[0\] and inputs\[1\] are swapped"),
    (W.Transposed.apply, (mixed(3, 3),), "transposed"),
    (W.Transposed.apply, (mixed(2, 3),), "transposed"),
    (MatmulWithoutTranspose.apply, (mixed(2, 3), mixed(3, 3, seed=1)), "must be transposed"),
    (MatmulWeightTransposed.apply, (mixed(4, 2), mixed(2, 3, seed=1)), "transposed"),
    (MatmulWeightTransposed.apply, (mixed(4, 3), mixed(3, 3, seed=1)), "transposed"),
    (W.BroadcastAdd.apply, (mixed(2, 3), mixed(3)), r"inputs\[1\] lacks the sum over a broadcast"),
    (BiasOfOneRow.apply, (mixed(4, 3), mixed(3)), r"inputs\[1\] lacks the sum over a broadcast"),
    (W.RowSum.apply, (mixed(2, 3),), "that of a mean, not of a sum"),
    (Sum.apply, (mixed(2, 3),), "that of a mean, not of a sum"),
    (Mean.apply, (mixed(2, 3),), "that of a sum, not of a mean"),
    (SumNotSpread.apply, (mixed(2, 3),), "not spread out"),
    (OneTooFew.apply, (mixed(3), mixed(3, seed=1)), "one gradient too few"),
    (NoneForOne.apply, (mixed(3), mixed(3, seed=1)), "backward returns None"),
    (W.ChangesItsInput.apply, (mixed(3),), r"forward changes inputs\[0\] in place"),
    (DoublesInPlace.apply, (mixed(3),), r"forward changes inputs\[0\] in place"),
    (BackwardInPlace.apply, (mixed(3),), r"backward changes inputs\[0\] in place"),
    (W.ChangesItsCotangent.apply, (mixed(3),), "backward changes gy in place"),
    (Penalty.apply, (mixed(3),), "forward returns its input"),
    (W.StaleFromLastCall.apply, (mixed(3),), "what forward saved was overwritten"),
    (W.StaleFromFirstCall.apply, (mixed(3),), "the same at every input"),
    (W.WrongBelowZero.apply, (mixed(5),), "wrong only where x < 0"),
    (WrongWhereLarge.apply, (Tensor(np.array([0.5, -0.7, 1.5, -2.0])),), r"where \|x\| > 1"),
    (W.WrongInOneElement.apply, (mixed(2, 3),), r"wrong only at \["),
    (W.NotANumber.apply, (mixed(2, 3),), "NaN or infinite"),
    (W.SoftmaxDiagonalOnly.apply, (mixed(4),), "diagonal of the Jacobian only"),
    (W.AssignsForAdds.apply, (mixed(3),), "element that is used several times"),
    (W.OffByOne.apply, (mixed(4),), "lies 1 place too early along dimension 0"),
    (Reversed.apply, (mixed(4),), "reversed along dimension 0"),
    (W.CrossTalk.apply, (mixed(3),), "cotangents of its outputs for one another"),
    (W.NotLinear.apply, (mixed(3),), "not linear in gy"),
    (W.RandomForward.apply, (mixed(3),), "another result at each call"),
    (Raises.apply, (mixed(3),), "backward raises ValueError: no idea"),
    (forward_only, (mixed(3),), "outside the graph"),
]


@pytest.mark.parametrize(
    ("fn", "inputs", "named"), SEEDED, ids=[f"{n}-{s[2]}" for n, s in enumerate(SEEDED)]
)
def test_mistakes_are_named(fn, inputs, named: str) -> None:
    W.StaleFromFirstCall.kept = None
    with pytest.raises(GradcheckError, match=named) as caught:
        check_op(fn, *inputs)
    error = caught.value
    assert error.op.startswith("check_op: ")
    assert error.hint
    assert "inputs[0] = " in error.got


@pytest.mark.parametrize(("fn", "inputs"), [w[1:] for w in W.WRONG], ids=[w[0] for w in W.WRONG])
def test_whatever_gradcheck_refuses_is_refused(fn, inputs) -> None:
    if fn == W.WrongWithoutSecondCotangent.apply:
        pytest.skip("right in check_op's eyes: cotangents are materialized")
    W.StaleFromFirstCall.kept = None
    with pytest.raises(GradcheckError):
        check_op(fn, *inputs)


def test_there_are_enough_mistakes() -> None:
    assert len(SEEDED) >= 12


def test_the_example_is_small_and_simple() -> None:
    with pytest.raises(GradcheckError) as caught:
        check_op(W.WrongSign.apply, mixed(4, 5, 3))
    text = str(caught.value)
    assert "inputs[0] = [[[1.]]]" in text
    assert "d output[0, 0, 0] / d inputs[0][0, 0, 0] = 2 (numeric)" in text
    assert "got -2 (analytic)" in text


def test_the_example_of_a_transposed_gradient_is_the_smallest_that_shows_it() -> None:
    with pytest.raises(GradcheckError) as caught:
        check_op(W.Transposed.apply, mixed(5, 5))
    assert re.search(r"inputs\[0\] = \[\[ *\S+, *\S+\]\];", str(caught.value))


def test_the_report() -> None:
    report = check_op(Exp.apply, mixed(4, 6))
    assert re.fullmatch(
        r"check_op: Exp: ok, largest error \d+(\.\d+)?e-\d+ over 24 elements", str(report)
    )
    assert repr(report) == str(report)
    assert report.elements == 24
    assert report.error < 1e-8


def test_float32_without_requires_grad() -> None:
    x = Tensor(np.array([0.5, -1.0, 2.0], np.float32))
    report = check_op(Exp.apply, x)
    assert "float32 inputs were checked as float64 copies" in str(report)
    assert x.dtype == np.float32
    assert not x.requires_grad
    with pytest.raises(GradcheckError, match="wrong sign"):
        check_op(W.WrongSign.apply, x)


def test_the_checked_inputs_are_those_that_require_a_gradient() -> None:
    a, b = mixed(3), mixed(3, seed=1)
    fixed = Tensor(a.array.copy())
    assert check_op(W.OneInputForgotten.apply, a, Tensor(b.array.copy())).elements == 3
    with pytest.raises(GradcheckError, match="always 0"):
        check_op(W.OneInputForgotten.apply, fixed, b)


def test_inputs_are_left_alone() -> None:
    x = mixed(3)
    before = x.array.copy()
    with pytest.raises(GradcheckError):
        check_op(DoublesInPlace.apply, x)
    np.testing.assert_array_equal(x.array, before)
    assert x.grad is None


def test_other_arguments_are_passed_on() -> None:
    assert check_op(lambda x, n: x**n, mixed(3), 3).elements == 3


def test_large_inputs_are_sampled() -> None:
    assert check_op(Exp.apply, mixed(300)).elements == 300
    with pytest.raises(GradcheckError, match="wrong sign"):
        check_op(W.WrongSign.apply, mixed(300))


def test_kinks_are_forgiven() -> None:
    check_op(pointwise.abs, Tensor(np.array([0.0, 1.0, -1.0])))


def test_nothing_to_check() -> None:
    with pytest.raises(ArgumentError, match="at least one floating Tensor"):
        check_op(Exp.apply, Tensor(np.array([1, 2])))
    with pytest.raises(ArgumentError, match="none"):
        check_op(Exp.apply)


ROWS = [case for case in collect() if case.differentiable]


@pytest.mark.parametrize("case", ROWS, ids=[case.name for case in ROWS])
def test_no_false_alarm_on_the_librarys_own_ops(case) -> None:
    smooth = [s for s in samples_of(case) if s.smooth]
    for sample in [*spread(smooth, 3), *smooth[:1]]:
        fn, leaves = of_leaves(case, sample)
        if leaves and all(x.dtype == np.float64 for x in leaves):
            assert check_op(fn, *leaves).error < 1e-5
