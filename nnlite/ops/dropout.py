"""Dropout: set random elements to zero, and scale the others so that the mean stays."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from nnlite.autograd.inplace import assign
from nnlite.autograd.op import Op
from nnlite.autograd.tape import traced
from nnlite.autograd.tensor import Tensor, wrap
from nnlite.backend import Array, Generator, array_module, backend_of
from nnlite.backend.summation import memory_order
from nnlite.errors import ArgumentError, DtypeError, ShapeError
from nnlite.ops.arithmetic import mul
from nnlite.ops.common import check_flag, need_float
from nnlite.ops.kernels.cuda import dropout as cuda
from nnlite.ops.kernels.elementwise import keep
from nnlite.ops.kernels.philox import threshold, words
from nnlite.ops.random import pick_generator

__all__ = ["check_probability", "dropout", "dropout2d"]


class Drop(Op):
    """x * scale where the mask holds, else 0.  d/dx = gy * scale there, else 0."""

    @staticmethod
    def forward(ctx: Any, x: Array, *, mask: Array, scale: float) -> Array:
        y = keep(x, mask)
        y *= scale
        return y

    @staticmethod
    def backward(ctx: Any, gy: Any) -> Any:
        return Drop.call(gy, mask=ctx.mask, scale=ctx.scale)


class CounterDrop(Op):
    """x * scale with probability kept, else 0, by counter-based numbers of the device.

    One number for each run of neighbouring elements.  d/dx = gy * scale where x was kept, by the
    same numbers: they are computed again.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Array, *, generator: Generator, run: int, kept: float, scale: float
    ) -> Array:
        draw = ctx.draw = cuda.reserve(generator, x.size // run if run else 0)
        return _dropped(x, draw, run, kept, scale)

    @staticmethod
    def backward(ctx: Any, gy: Any) -> Any:
        params = {"run": ctx.run, "kept": ctx.kept, "scale": ctx.scale}
        return DropAgain.call(gy, draw=ctx.draw, **params)


class DropAgain(Op):
    """CounterDrop by numbers that were drawn before.  d/dx = gy, dropped by the same."""

    @staticmethod
    def forward(
        ctx: Any, x: Array, *, draw: cuda.Draw, run: int, kept: float, scale: float
    ) -> Array:
        return _dropped(x, draw, run, kept, scale)

    @staticmethod
    def backward(ctx: Any, gy: Any) -> Any:
        params = {"run": ctx.run, "kept": ctx.kept, "scale": ctx.scale}
        return DropAgain.call(gy, draw=ctx.draw, **params)


# -- public ----------------------------------------------------------------------------------


def dropout(
    input: Tensor,
    p: float = 0.5,
    training: bool = True,
    inplace: bool = False,
    *,
    generator: Generator | None = None,
) -> Tensor:
    """In training, input * m / (1 - p), where each m is 0 with probability p and else 1.

    d/dinput = gy * m / (1 - p), with the same m. In evaluation, or with p = 0, input itself.

    Args:
        input: any shape, float32 or float64.
        p: from 0 to 1; at 1 the result is zero.
        training: whether to drop anything.
        inplace: write the result into input.
        generator: where m is drawn from; None means this context's default generator.

    Raises:
        ArgumentError: p outside [0, 1] or NaN.
        DtypeError: integers.

    Source: N. Srivastava et al., "Dropout: a simple way to prevent neural networks from
    overfitting", JMLR 2014.
    """
    x = need_float("dropout", input)
    return _drop("dropout", x, x.shape, p, training, inplace, generator)


def dropout2d(
    input: Tensor,
    p: float = 0.5,
    training: bool = True,
    inplace: bool = False,
    *,
    generator: Generator | None = None,
) -> Tensor:
    """As ``dropout``, but whole channels are dropped: one m for each image and channel.

    Args:
        input: (N, C, H, W), or (N, C, L).
        p, training, inplace, generator: as for ``dropout``.

    Raises:
        ShapeError: another number of dimensions.
        ArgumentError, DtypeError: as ``dropout``.

    Source: J. Tompson et al., "Efficient object localization using convolutional networks",
    CVPR 2015.
    """
    x = need_float("dropout2d", input)
    if x.ndim not in (3, 4):
        raise ShapeError(
            "dropout2d",
            "input",
            expected="(N, C, H, W) or (N, C, L)",
            got=str(x.shape),
            hint="dropout drops single elements of tensors of any shape",
        )
    shape = x.shape[:2] + (1,) * (x.ndim - 2)
    return _drop("dropout2d", x, shape, p, training, inplace, generator)


def check_probability(op: str, p: Any) -> float:
    """p as a float in [0, 1].

    Raises:
        DtypeError: no number.
        ArgumentError: outside, or NaN.
    """
    try:
        value = float(p)
    except (TypeError, ValueError):
        raise DtypeError(
            op, "p", expected="a number from 0 to 1", got=repr(p), hint="p=0.5 drops every second"
        ) from None
    if not 0 <= value <= 1:
        raise ArgumentError(
            op,
            "p",
            expected="a probability from 0 to 1",
            got=repr(p),
            hint="p is the share that is dropped, not the share that is kept",
        )
    return value


def _drop(
    op: str,
    x: Tensor,
    shape: tuple[int, ...],
    p: Any,
    training: bool,
    inplace: bool,
    generator: Generator | None,
) -> Tensor:
    probability = check_probability(op, p)
    check_flag(op, "training", training)
    check_flag(op, "inplace", inplace)
    if not training or probability == 0:
        return x
    if probability == 1:
        y = mul(x, wrap(array_module(x.array).zeros(shape, dtype=x.dtype)))
    elif type(x.array) is not np.ndarray:
        run = 1 if shape == x.shape else math.prod(x.shape[2:])  # dropout, dropout2d
        kept, drawn_by = 1 - probability, pick_generator(op, generator)
        y = CounterDrop.apply(x, generator=drawn_by, run=run, kept=kept, scale=1 / kept)
    else:
        order = memory_order(x.array) if shape == x.shape else None
        mask = traced(_mask, shape, order, 1 - probability, pick_generator(op, generator))
        y = Drop.apply(x, mask=mask, scale=1 / (1 - probability))
    return assign(x, y, op) if inplace else y


def _dropped(x: Array, draw: cuda.Draw, run: int, kept: float, scale: float) -> Array:
    """By the kernel, or by its twin: the same numbers."""
    k = cuda.applies(x)
    if k is not None:
        return cuda.dropout(k, x, draw, run, kept, scale)
    backend, (seed, offset) = backend_of(x), cuda.counter_of(draw)
    mask = words(seed, offset, x.size // run if run else 0) < threshold(kept)
    there = backend.asarray(np.repeat(mask, run).reshape(x.shape))
    return keep(x, there) * scale


def _mask(
    shape: tuple[int, ...], order: tuple[int, ...] | None, kept: float, generator: Generator
) -> Array:
    """For the CPU: booleans, True with probability kept.

    Which ones depends on the shape, not on order, in which their dimensions lie in memory.
    """
    drawn = generator.chances(kept, math.prod(shape))
    last = len(shape) - 1
    if last < 2:
        mask = drawn.reshape(shape)
    else:  # the batch innermost, as convolution has it: long runs to copy
        mask = drawn.reshape(*shape[1:], shape[0]).transpose(last, *range(last))
    if not order:  # also of a single number, of which ascontiguousarray would make a vector
        return mask
    return np.ascontiguousarray(mask.transpose(order)).transpose(np.argsort(order))
