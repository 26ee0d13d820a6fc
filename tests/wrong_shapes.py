"""Negative controls for gradcheck whose fault is one of shapes, positions or several inputs."""

from __future__ import annotations

import numpy as np

from nnlite.autograd import Function, Tensor


class Transposed(Function):
    @staticmethod
    def forward(ctx, x):
        return Tensor(x.array.T.copy())

    @staticmethod
    def backward(ctx, gy):
        return gy


class RowSum(Function):
    """Sum over columns; the mean comes back."""

    @staticmethod
    def forward(ctx, x):
        ctx.n = x.shape[1]
        return Tensor(x.array.sum(1))

    @staticmethod
    def backward(ctx, gy):
        return Tensor(np.repeat(gy.array[:, None], ctx.n, 1) / ctx.n)


class BroadcastAdd(Function):
    """x (2, 3) + b (3,): the gradient of b must be summed over the rows."""

    @staticmethod
    def forward(ctx, x, b):
        return x + b

    @staticmethod
    def backward(ctx, gy):
        return gy, Tensor(gy.array[0].copy())


class Swapped(Function):
    """x * y with the gradients of its inputs exchanged."""

    @staticmethod
    def forward(ctx, x, y):
        ctx.save_for_backward(x, y)
        return x * y

    @staticmethod
    def backward(ctx, gy):
        x, y = ctx.saved_tensors
        return gy * x, gy * y


class OneInputForgotten(Swapped):
    @staticmethod
    def backward(ctx, gy):
        _, y = ctx.saved_tensors
        return gy * y, gy * 0


class OffByOne(Function):
    """x[1:], whose gradient lands one place too early."""

    @staticmethod
    def forward(ctx, x):
        return Tensor(x.array[1:].copy())

    @staticmethod
    def backward(ctx, gy):
        gx = np.zeros(gy.shape[0] + 1)
        gx[:-1] = gy.array
        return Tensor(gx)


class AssignsForAdds(Function):
    """x[[0, 0, 1]]: a repeated index must add up."""

    index = np.array([0, 0, 1])

    @staticmethod
    def forward(ctx, x):
        ctx.n = x.shape[0]
        return Tensor(x.array[AssignsForAdds.index])

    @staticmethod
    def backward(ctx, gy):
        gx = np.zeros(ctx.n)
        gx[AssignsForAdds.index] = gy.array
        return Tensor(gx)


class FlippedKernel(Function):
    """A convolution whose input gradient is a convolution where it must be a correlation."""

    @staticmethod
    def forward(ctx, x, w):
        ctx.save_for_backward(x, w)
        return Tensor(np.convolve(x.array, w.array, "valid"))

    @staticmethod
    def backward(ctx, gy):
        x, w = (t.array for t in ctx.saved_tensors)
        gx = np.convolve(gy.array, w, "full")
        gw = np.convolve(x[::-1], gy.array, "valid")
        return Tensor(gx), Tensor(gw)


class SoftmaxDiagonalOnly(Function):
    """softmax with the diagonal of its Jacobian alone."""

    @staticmethod
    def forward(ctx, x):
        e = np.exp(x.array - x.array.max())
        y = Tensor(e / e.sum())
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, gy):
        (y,) = ctx.saved_tensors
        return gy * y * (1 - y)
