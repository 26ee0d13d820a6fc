"""Negative controls for gradgradcheck: right at first order, wrong at second."""

from __future__ import annotations

from nnlite.autograd import Function, Op, Tensor, is_grad_enabled
from nnlite.ops import arithmetic, pointwise
from tests.wrong_backwards import Square, leaf


class SecondOrderWrong(Square):
    """Right at first order; its own derivative loses a factor 2."""

    @staticmethod
    def backward(ctx, gy):
        (x,) = ctx.saved_tensors
        return gy * x + gy * x.detach()


class SecondOrderRaw(Square):
    """Computes on arrays: the gradient is a constant under create_graph."""

    @staticmethod
    def backward(ctx, gy):
        return Tensor(2 * gy.array * ctx.saved_tensors[0].array)


class SecondOrderHalfRaw(Function):
    """x * y, where one of the two gradients is a constant under create_graph."""

    @staticmethod
    def forward(ctx, x, y):
        ctx.save_for_backward(x, y)
        return x * y

    @staticmethod
    def backward(ctx, gy):
        x, y = ctx.saved_tensors
        return gy * y, Tensor(gy.array * x.array)


class SavesAnIntermediate(Function):
    """exp(x)^2 saving exp(x), which is neither input nor output, so has no derivative."""

    @staticmethod
    def forward(ctx, x):
        e = pointwise.exp(x)
        ctx.save_for_backward(e)
        return e * e

    @staticmethod
    def backward(ctx, gy):
        (e,) = ctx.saved_tensors
        return 2 * gy * e * e


class SecondOrderSign(Op):
    """sqrt whose backward, when recorded, takes another formula."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_inputs(0)
        return x**0.5

    @staticmethod
    def backward(ctx, gy):
        x = ctx.input(0)
        if is_grad_enabled():
            return gy * arithmetic.pow(x.detach(), -1.5) * x / 2
        return gy / (2 * x**0.5)


WRONG_AT_SECOND = [
    ("SecondOrderWrong", SecondOrderWrong.apply, (leaf(3),)),
    ("SecondOrderRaw", SecondOrderRaw.apply, (leaf(3),)),
    ("SecondOrderHalfRaw", SecondOrderHalfRaw.apply, (leaf(3), leaf(3, seed=1))),
    ("SavesAnIntermediate", SavesAnIntermediate.apply, (leaf(3),)),
    ("SecondOrderSign", SecondOrderSign.apply, (leaf(3),)),
]
