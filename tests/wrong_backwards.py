"""Negative controls for gradcheck: operations whose backward is wrong, each in its own way.

Forward is right in all of them. ``WRONG`` has (name, function, inputs); gradcheck must refuse every
one. Those whose first derivative is right are in wrong_second_orders.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from nnlite.autograd import Function, Op, Tensor
from nnlite.ops import pointwise, selection
from tests.wrong_shapes import (
    AssignsForAdds,
    BroadcastAdd,
    FlippedKernel,
    OffByOne,
    OneInputForgotten,
    RowSum,
    SoftmaxDiagonalOnly,
    Swapped,
    Transposed,
)


def leaf(*shape: int, low: float = 0.5, high: float = 2.0, seed: int = 0) -> Tensor:
    rng = np.random.default_rng(seed)
    return Tensor(np.asarray(rng.uniform(low, high, shape)), requires_grad=True)


def constant(x: Any) -> Tensor:
    return Tensor(np.asarray(x, dtype=np.float64))


class Square(Function):
    """x * x, the base of several below; this one is right."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx, gy):
        (x,) = ctx.saved_tensors
        return 2 * gy * x


class WrongSign(Square):
    @staticmethod
    def backward(ctx, gy):
        return -2 * gy * ctx.saved_tensors[0]


class OnePerMille(Square):
    @staticmethod
    def backward(ctx, gy):
        return 2.002 * gy * ctx.saved_tensors[0]


class OneInAMillion(Square):
    @staticmethod
    def backward(ctx, gy):
        return (2 + 1e-5) * gy * ctx.saved_tensors[0]


class SmallOffset(Square):
    @staticmethod
    def backward(ctx, gy):
        return 2 * gy * ctx.saved_tensors[0] + 1e-4


class MissingChainFactor(Square):
    @staticmethod
    def backward(ctx, gy):
        return 2 * ctx.saved_tensors[0]


class MissingInnerDerivative(Square):
    @staticmethod
    def backward(ctx, gy):
        return 2 * gy


class Dropped(Square):
    @staticmethod
    def backward(ctx, gy):
        return gy * 0


class OnesCotangentOnly(Square):
    """Right where the cotangent is uniform: its mean stands for all of it."""

    @staticmethod
    def backward(ctx, gy):
        return 2 * ctx.saved_tensors[0] * float(gy.array.mean())


class WrongBelowZero(Square):
    @staticmethod
    def backward(ctx, gy):
        x = ctx.saved_tensors[0]
        return 2 * gy * pointwise.abs(x)


class WrongInOneElement(Square):
    @staticmethod
    def backward(ctx, gy):
        gx = (2 * gy * ctx.saved_tensors[0]).array
        gx.ravel()[-1] *= 1.01
        return Tensor(gx)


class NotANumber(Square):
    @staticmethod
    def backward(ctx, gy):
        gx = (2 * gy * ctx.saved_tensors[0]).array
        gx.ravel()[0] = np.nan
        return Tensor(gx)


class StaleFromFirstCall(Square):
    """Keeps x from the first call that it ever saw."""

    kept: Any = None

    @classmethod
    def apply(cls, x):
        if StaleFromFirstCall.kept is None:
            StaleFromFirstCall.kept = constant(x.array.copy())
        return super().apply(x)

    @staticmethod
    def backward(ctx, gy):
        return 2 * gy * StaleFromFirstCall.kept


class StaleFromLastCall(Square):
    """Keeps x on the class, where the next call overwrites it."""

    kept: Any = None

    @staticmethod
    def forward(ctx, x):
        StaleFromLastCall.kept = constant(x.array.copy())
        return x * x

    @staticmethod
    def backward(ctx, gy):
        return 2 * gy * StaleFromLastCall.kept


class Random(Square):
    rng = np.random.default_rng(0)

    @staticmethod
    def backward(ctx, gy):
        return 2 * gy * ctx.saved_tensors[0] * (1 + 1e-9 * Random.rng.standard_normal())


class RandomForward(Square):
    rng = np.random.default_rng(0)

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x + 1e-12 * RandomForward.rng.standard_normal()


class ChangesItsInput(Square):
    @staticmethod
    def forward(ctx, x):
        y = x * x
        ctx.kept = constant(x.array.copy())
        x.array[...] = 0
        return y

    @staticmethod
    def backward(ctx, gy):
        return 2 * gy * ctx.kept


class ChangesItsCotangent(Square):
    @staticmethod
    def backward(ctx, gy):
        gy.array[...] *= 2
        return gy * ctx.saved_tensors[0]


class WrongWithoutSecondCotangent(Function):
    """Two outputs; the first one's gradient is lost where the second has none."""

    @staticmethod
    def forward(ctx, x):
        ctx.set_materialize_grads(False)
        return x * 2, x * 3

    @staticmethod
    def backward(ctx, g1, g2):
        if g1 is None or g2 is None:
            return (g2 if g1 is None else g1) * 0
        return g1 * 2 + g2 * 3


class NotLinear(Function):
    """Two outputs; right for each alone, not for both together."""

    @staticmethod
    def forward(ctx, x):
        return x * 2, x * 3

    @staticmethod
    def backward(ctx, g1, g2):
        return g1 * 2 + g2 * 3 + g1 * g2


class CrossTalk(Function):
    """Two outputs whose gradients are exchanged."""

    @staticmethod
    def forward(ctx, x):
        return x * 2, x * 3

    @staticmethod
    def backward(ctx, g1, g2):
        return g1 * 3 + g2 * 2


class StridesIgnored(Function):
    """Reads the cotangent's memory as if it were contiguous."""

    @staticmethod
    def forward(ctx, x):
        return x * 3

    @staticmethod
    def backward(ctx, gy):
        base = gy.array if gy.array.base is None else gy.array.base
        return Tensor(base.ravel()[: gy.array.size].reshape(gy.shape) * 3)


class NonzeroForZero(Square):
    @staticmethod
    def backward(ctx, gy):
        return 2 * gy * ctx.saved_tensors[0] + 1e-9


class ReturnsItsSavedArray(Op):
    """x * c, which hands out its saved c where the cotangent is 1 (legal only for a copy)."""

    @staticmethod
    def forward(ctx, x, c):
        ctx.save_inputs(1)
        return x * c

    @staticmethod
    def backward(ctx, gy):
        c = ctx.input(1)
        return (c if np.all(gy == 1) else gy * c), None


def _detaches(x: Tensor) -> Tensor:
    """Cuts the graph, so that the result looks constant."""
    return (x * x).detach()


def _half_detached(x: Tensor) -> Tensor:
    return x * x.detach()


def _clamped_twice(x: Tensor) -> Tensor:
    """A right function, as a control among the wrong ones."""
    return selection.clamp(x * x, 0.1, 10.0)


WRONG = [
    (cls.__name__, cls.apply, inputs)
    for cls, inputs in [
        (WrongSign, (leaf(2, 3),)),
        (OnePerMille, (leaf(2, 3),)),
        (OneInAMillion, (leaf(2, 3),)),
        (SmallOffset, (leaf(2, 3),)),
        (MissingChainFactor, (leaf(3),)),
        (MissingInnerDerivative, (leaf(3),)),
        (Dropped, (leaf(3),)),
        (OnesCotangentOnly, (leaf(3),)),
        (WrongBelowZero, (leaf(5, low=-2, high=2),)),
        (WrongInOneElement, (leaf(2, 3),)),
        (NotANumber, (leaf(2, 3),)),
        (StaleFromFirstCall, (leaf(3),)),
        (StaleFromLastCall, (leaf(3),)),
        (Random, (leaf(3),)),
        (RandomForward, (leaf(3),)),
        (ChangesItsInput, (leaf(3),)),
        (ChangesItsCotangent, (leaf(3),)),
        (Transposed, (leaf(3, 3),)),
        (RowSum, (leaf(2, 3),)),
        (BroadcastAdd, (leaf(2, 3), leaf(3, seed=1))),
        (Swapped, (leaf(3), leaf(3, seed=1))),
        (OneInputForgotten, (leaf(3), leaf(3, seed=1))),
        (OffByOne, (leaf(4),)),
        (AssignsForAdds, (leaf(3),)),
        (FlippedKernel, (leaf(5), leaf(2, seed=1))),
        (SoftmaxDiagonalOnly, (leaf(4),)),
        (WrongWithoutSecondCotangent, (leaf(3),)),
        (NotLinear, (leaf(3),)),
        (CrossTalk, (leaf(3),)),
        (StridesIgnored, (leaf(2, 3),)),
        (NonzeroForZero, (leaf(3),)),
        (ReturnsItsSavedArray, (leaf(1), constant([2.0]))),
    ]
] + [("detached", _detaches, (leaf(3),)), ("half detached", _half_detached, (leaf(3),))]

RIGHT = [("Square", Square.apply, (leaf(2, 3),)), ("clamped", _clamped_twice, (leaf(3),))]
