"""cross_entropy and nll_loss: the losses of classification."""

from __future__ import annotations

import warnings
from contextlib import suppress
from typing import Any

import numpy as np

from nnlite.autograd.op import Op
from nnlite.autograd.tape import traced
from nnlite.autograd.tensor import Tensor
from nnlite.backend import NUMPY, Array, array_module, backend_of, is_plain
from nnlite.backend.dtypes import int64
from nnlite.backend.kernels import Kernels
from nnlite.errors import ArgumentError, NnliteIndexError, ShapeError
from nnlite.ops.arithmetic import add, mul, neg
from nnlite.ops.common import as_tensor, check_number, check_same_device, need_float
from nnlite.ops.extremum import PutAt, TakeAt
from nnlite.ops.kernels.cuda import cross_entropy as cuda
from nnlite.ops.kernels.cuda.launching import kernels
from nnlite.ops.reduce import sum
from nnlite.ops.reduction import check_one_dtype, check_reduction, check_unused, reduced
from nnlite.ops.selection import Where
from nnlite.ops.softmax import LogSoftmax, Softmax, centred
from nnlite.ops.targets import Targets, check_weight
from nnlite.ops.viewing import reshaped

__all__ = ["cross_entropy", "nll_loss"]


class CrossEntropy(Op):
    """s * (log(sum_c exp(x_c)) - x_t) for each sample, from scores x along dim.

    t is the sample's class, s its factor. Where valid is False the loss is 0, NaN or not.
    d/dx = gy * s * (softmax(x) - onehot(t)).  valid, index and factor have size 1 along dim.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Array, *, index: Array, valid: Array, factor: Array, dim: int
    ) -> Array:
        ctx.save_inputs(0)
        ctx.n = x.shape[dim]
        xp, z = array_module(x), centred(x, (dim,))
        y = xp.log(xp.exp(z).sum(axis=dim, keepdims=True)) - xp.take_along_axis(z, index, axis=dim)
        y = xp.where(valid, y * factor, 0.0)
        return y.reshape(x.shape[:dim] + x.shape[dim + 1 :])

    @staticmethod
    def backward(ctx: Any, gy: Any) -> Any:
        x, dim = ctx.input(0), ctx.dim
        gy = Where.call(ctx.valid, reshaped(gy, ctx.index.shape) * ctx.factor, 0.0)
        return gy * Softmax.call(x, dims=(dim,)) - PutAt.call(gy, index=ctx.index, dim=dim, n=ctx.n)


class MeanCrossEntropy(Op):
    """The sum over n of scale * (log(sum_c exp(x[n,c])) - x[n,t_n]): the usual loss in one step.

    x is (N, C), labels t (N,).  d/dx = gy * scale * (softmax(x) - onehot(t)).
    """

    @staticmethod
    def forward(ctx: Any, x: Array, *, labels: Array, scale: float) -> Array:
        ctx.save_inputs(0)
        xp, z = array_module(x), centred(x, (1,))
        rows = xp.arange(len(labels))
        picked = z[rows, labels]
        e = xp.exp(z, out=z)
        sums = e.sum(axis=1)
        # kept for a plain backward; under create_graph it is computed anew, from x in the graph
        ctx.e, ctx.sums, ctx.rows = e, sums, rows
        return (xp.log(sums) - picked).sum() * x.dtype.type(scale)

    @staticmethod
    def backward(ctx: Any, gy: Any) -> Any:
        x, labels = ctx.input(0), ctx.labels
        gy = gy * ctx.scale
        if isinstance(x, Tensor):
            index = labels.reshape(-1, 1)
            onehot = PutAt.call(
                array_module(index).ones_like(index, x.dtype), index=index, dim=1, n=x.shape[1]
            )
            return gy * (Softmax.call(x, dims=(1,)) - onehot)
        gx = ctx.e * (gy / ctx.sums)[:, None]
        gx[ctx.rows, labels] -= gy
        return gx


class DeviceCrossEntropy(Op):
    """The sum or mean over n of log(sum_c exp(x[n,c])) - x[n,t_n], by the device's kernels.

    x is (N, C), labels t (N,), int64; samples of the class ignored are left out.
    d/dx = gy * factor * (softmax(x) - onehot(t)), where factor is 1 or 1 / the number of samples.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Array, *, labels: Array, ignored: int, mean: bool, k: Kernels
    ) -> Array:
        ctx.save_inputs(0)
        y, ctx.d, ctx.factor = cuda.loss_and_derivative(k, x, labels, ignored, mean)
        return y

    @staticmethod
    def backward(ctx: Any, gy: Any) -> Any:
        x = ctx.input(0)
        if not isinstance(x, Tensor):
            return cuda.loss_grad(ctx.k, ctx.d, gy, ctx.factor)
        labels = ctx.labels.reshape(-1, 1)
        valid = labels != ctx.ignored
        index = array_module(labels).where(valid, labels, 0)
        g = Where.call(valid, gy * ctx.factor, 0.0)  # (N, 1)
        return g * Softmax.call(x, dims=(1,)) - PutAt.call(g, index=index, dim=1, n=x.shape[1])


# -- public ----------------------------------------------------------------------------------


def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: None = None,
    ignore_index: int = -100,
    reduce: None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """-log(softmax(input)[target]), the loss of a classifier, from its scores (logits).

    Args:
        input: scores (C,), (N, C) or (N, C, d1, ...), before any softmax.
        target: classes, integers from 0 to C - 1, of input's shape without the dimension C; or
            probabilities of the classes, floating, of input's shape.
        weight: (C,), a factor for each class.
        size_average: no longer used; leave it out.
        ignore_index: samples of this class count for nothing; may lie outside 0 ... C - 1.
        reduce: no longer used; leave it out.
        reduction: "none", "sum" or "mean". The mean divides by the sum of the weights of the
            samples' classes, ignored ones excluded (with probabilities: by the number of samples).
            It is NaN where all are ignored, with gradient 0, as in PyTorch.
        label_smoothing: from 0 to 1, the part of each target that is spread evenly over all
            classes.  Source: Szegedy et al., "Rethinking the Inception Architecture" (2015).

    Warns:
        UserWarning: input comes straight from softmax or log_softmax, which this function applies
            itself.

    Raises:
        NnliteIndexError: a class outside 0 ... C - 1; names it and C. On a device, which would have
            to be waited for, the loss of (N, C) scores is NaN instead, and the error comes with the
            next ``nnlite.cuda.synchronize()``.
        ShapeError: target or weight do not fit input.
        DtypeError: scores that are integers, classes that are not.
        ArgumentError: reduction or label_smoothing outside their range.
    """
    op = "cross_entropy"
    x, t, w = _arguments(op, input, target, weight, size_average, reduce, reduction)
    _warn_of_softmax(x)
    check_number("cross_entropy", "label_smoothing", label_smoothing)
    if not 0 <= label_smoothing <= 1:
        raise ArgumentError(
            op,
            "label_smoothing",
            expected="a number from 0 to 1",
            got=repr(label_smoothing),
            hint="0.1 is usual",
        )
    dim = 1 if x.ndim > 1 else 0
    if t.dtype.kind == "f":
        return _from_probabilities(x, t, w, dim, ignore_index, reduction, label_smoothing)
    if w is None and not label_smoothing and reduction != "none" and _is_usual(x, t, ignore_index):
        with suppress(NnliteIndexError):  # a label to be ignored, or to be named below
            labels = traced(_checked_labels, t, x.shape[1])
            scale = 1 / len(t) if reduction == "mean" else 1.0
            loss: Tensor = MeanCrossEntropy.apply(x, labels=labels, scale=scale)
            return loss
    if w is None and not label_smoothing and reduction != "none":
        k = _device_kernels(x, t, ignore_index)
        if k is not None:
            labels = traced(_copied_labels, t)
            params = {"ignored": ignore_index, "mean": reduction == "mean", "k": k}
            loss = DeviceCrossEntropy.apply(x, labels=labels, **params)
            return loss
    targets = Targets(op, x, t, w, dim, ignore_index)
    if label_smoothing:
        return _smoothed(x, targets, w, dim, reduction, label_smoothing)
    losses: Tensor = CrossEntropy.apply(
        x, index=targets.index, valid=targets.valid, factor=targets.factor, dim=dim
    )
    return targets.reduced(losses, reduction)


def _is_usual(x: Tensor, t: Tensor, ignore_index: Any) -> bool:
    """Whether x is (N, C) and t has N classes, on the host: the case worth a kernel."""
    return (
        not is_plain()
        and x.ndim == 2
        and t.shape == x.shape[:1]
        and t.dtype.kind in "iu"
        and t.array.size > 0
        and type(ignore_index) is int
        and not 0 <= ignore_index < x.shape[1]
        and backend_of(x.array) is NUMPY
    )


def _device_kernels(x: Tensor, t: Tensor, ignore_index: Any) -> Kernels | None:
    """The device's kernels for x (N, C) and N classes t, or None where they do not apply."""
    if (
        type(x.array) is np.ndarray
        or x.ndim != 2
        or t.shape != x.shape[:1]
        or t.dtype.kind not in "iu"
        or not x.array.size
        or type(ignore_index) is not int
    ):
        return None
    return kernels("cross_entropy", x.array)


def _copied_labels(target: Tensor) -> Array:
    """As int64, in memory of their own: see ``_checked_labels``."""
    return target.array.astype(int64)


_UNSIGNED = {size: np.dtype(f"u{size}") for size in (1, 2, 4, 8)}


def _checked_labels(target: Tensor, classes: int) -> Array:
    """A copy of the labels: if they changed before backward, it would differentiate another loss.

    Raises:
        NnliteIndexError: one lies outside 0 ... classes - 1.
    """
    labels = target.array
    # read without sign, a negative label is a very large one
    if labels.view(_UNSIGNED[labels.itemsize]).max() >= classes:
        outside = labels[(labels < 0) | (labels >= classes)]
        raise NnliteIndexError(
            "cross_entropy",
            "target",
            expected=f"labels from 0 to {classes - 1}",
            got=f"label {int(outside[0])}",
            hint="labels count from 0; ignore_index names one to leave out",
        )
    return labels.copy()


def nll_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: None = None,
    ignore_index: int = -100,
    reduce: None = None,
    reduction: str = "mean",
) -> Tensor:
    """-input[target], the loss from log-probabilities.

    Arguments, shapes, reductions and errors as for ``cross_entropy`` with classes as targets;
    input is what log_softmax gives.
    """
    op = "nll_loss"
    x, t, w = _arguments(op, input, target, weight, size_average, reduce, reduction)
    dim = 1 if x.ndim > 1 else 0
    targets = Targets(op, x, t, w, dim, ignore_index)
    return targets.reduced(_picked(x, targets, dim), reduction)


def _picked(x: Tensor, targets: Targets, dim: int) -> Tensor:
    """-x[target] * weight[target] for each sample, 0 where it is ignored."""
    picked: Tensor = TakeAt.apply(x, index=targets.index, dim=dim, keepdim=False)
    valid, factor = traced(_weights, targets.valid, targets.factor, picked.shape)
    losses: Tensor = Where.apply(valid, mul(picked, factor), 0.0)
    return losses


def _weights(valid: Array, factor: Array, shape: tuple[int, ...]) -> tuple[Array, Array]:
    return valid.reshape(shape), -factor.reshape(shape)


def _smoothed(
    x: Tensor, targets: Targets, w: Tensor | None, dim: int, reduction: str, smoothing: float
) -> Tensor:
    """(1 - smoothing) of the plain loss and smoothing of the mean over all classes."""
    log_p: Tensor = LogSoftmax.apply(x, dims=(dim,))
    plain = _picked(log_p, targets, dim)
    even = neg(sum(log_p if w is None else mul(log_p, _along(w, x, dim)), dim))
    even = Where.apply(targets.valid.reshape(even.shape), even, 0.0)
    losses = add(mul(plain, 1 - smoothing), mul(even, smoothing / x.shape[dim]))
    return targets.reduced(losses, reduction)


def _from_probabilities(
    x: Tensor,
    t: Tensor,
    w: Tensor | None,
    dim: int,
    ignore_index: int,
    reduction: str,
    smoothing: float,
) -> Tensor:
    if t.shape != x.shape:
        raise ShapeError(
            "cross_entropy",
            "target",
            expected=f"probabilities of shape {x.shape}, as input has, or integer classes",
            got=f"{t.dtype.name} of shape {t.shape}",
            hint="convert labels to integers with .long()",
        )
    check_one_dtype("cross_entropy", x, t)
    if ignore_index >= 0:
        raise ArgumentError(
            "cross_entropy",
            "ignore_index",
            expected="none with probabilities as target",
            got=str(ignore_index),
            hint="leave it out, or give classes as integers",
        )
    if not x.shape[dim]:
        raise ShapeError(
            "cross_entropy",
            "input",
            expected=f"at least one class in dimension {dim}",
            got=f"shape {x.shape}",
            hint="the classes lie in dimension 1, or 0 for a single sample",
        )
    if smoothing:
        t = add(mul(t, 1 - smoothing), smoothing / x.shape[dim])
    log_p: Tensor = LogSoftmax.apply(x, dims=(dim,))
    if w is not None:
        log_p = mul(log_p, _along(w, x, dim))
    losses = neg(sum(mul(log_p, t), dim))
    return reduced(losses, reduction)


def _along(w: Tensor, x: Tensor, dim: int) -> Array:
    return w.array.reshape((-1,) + (1,) * (x.ndim - dim - 1))


# -- arguments -------------------------------------------------------------------------------


def _arguments(
    op: str,
    input: Any,
    target: Any,
    weight: Any,
    size_average: Any,
    reduce: Any,
    reduction: Any,
) -> tuple[Tensor, Tensor, Tensor | None]:
    x, t = need_float(op, input), as_tensor(op, target, "target")
    check_reduction(op, reduction)
    check_unused(op, size_average=size_average, reduce=reduce)
    if x.ndim == 0:
        raise ShapeError(
            op,
            "input",
            expected="shape (C,), (N, C) or (N, C, d1, ...)",
            got="shape ()",
            hint="one number is no set of scores",
        )
    check_same_device(op, x, t)
    return x, t, check_weight(op, x, weight, 1 if x.ndim > 1 else 0)


def _warn_of_softmax(x: Tensor) -> None:
    made_by = x.node.op if x.node is not None else None
    if made_by is Softmax or made_by is LogSoftmax:
        name = "softmax" if made_by is Softmax else "log_softmax"
        warnings.warn(
            f"cross_entropy: input comes from {name}, but cross_entropy applies log_softmax "
            "itself; pass the scores (logits) as they are, or use nll_loss after log_softmax",
            UserWarning,
            stacklevel=3,
        )
