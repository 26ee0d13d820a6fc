"""batch_norm, layer_norm, group_norm, instance_norm: mean 0 and variance 1, over what differs."""

from __future__ import annotations

import math
from typing import Any

from nnlite.autograd.tape import retraced, traced
from nnlite.autograd.tensor import Tensor, wrap
from nnlite.backend import Array, quiet
from nnlite.errors import ArgumentError, DtypeError, ShapeError
from nnlite.ops.arithmetic import add, mul, sub
from nnlite.ops.common import as_index, check_same_device, need_float
from nnlite.ops.inplace import check_writable
from nnlite.ops.shape import reshape
from nnlite.ops.standardize import inverse_root, moments, normalized

__all__ = ["batch_norm", "check_eps", "group_norm", "instance_norm", "layer_norm"]


def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """(x - mean) / sqrt(var + eps) * weight + bias, channel by channel.

    In training, mean and var are those of the batch, over all dimensions but the second, var
    divided by the count n. If running_mean and running_var are given they are changed in place::

        running = (1 - momentum) * running + momentum * of the batch

    where the batch's variance is divided by n - 1. In evaluation running_mean and running_var take
    the place of the batch's. With z = (x - mean) / sqrt(var + eps) and g = gy * weight, in
    training gx = (g - mean(g) - z * mean(g * z)) / sqrt(var + eps); gweight = sum of gy * z;
    gbias = sum of gy.

    Args:
        input: (N, C) or (N, C, ...), float32 or float64.
        running_mean, running_var: (C,), or None for both; constants to backward.
        weight, bias: (C,), or None.
        training: take mean and var from the batch.
        momentum: weight of the batch in the running statistics.
        eps: > 0; in evaluation >= 0.

    Raises:
        ShapeError: input without channels; one value per channel in training, which leaves no
            variance; a statistic, weight or bias of another shape.
        ArgumentError: evaluation without running statistics, one of the two alone, or a bad eps.
        DtypeError: integers, or two dtypes.

    Source: S. Ioffe, C. Szegedy, "Batch normalization", ICML 2015.
    """
    x = need_float("batch_norm", input)
    if x.ndim < 2:
        raise _no_channels("batch_norm", x)
    dims = (0, *range(2, x.ndim))
    affine = (1, x.shape[1], *(1 for _ in x.shape[2:]))
    w, b = _per_channel("batch_norm", x, weight=weight, bias=bias)
    mean, var = _running("batch_norm", x, running_mean, running_var)
    epsilon = check_eps("batch_norm", eps)
    if not training:
        return _by_running("batch_norm", x, mean, var, w, b, epsilon, affine)
    _check_training_eps("batch_norm", epsilon)
    n = math.prod(x.shape[i] for i in dims)
    if n == 1:
        raise ShapeError(
            "batch_norm",
            "input",
            expected="more than 1 value per channel in training",
            got=str(x.shape),
            hint="a single value has no variance; use a larger batch, or eval()",
        )
    m, v = traced(moments, x, dims)
    if n and mean is not None and var is not None:
        _update("batch_norm", mean, m, 1.0, momentum)
        _update("batch_norm", var, v, n / (n - 1), momentum)
    return normalized(x, w, b, dims, epsilon, affine, (m, v))


def instance_norm(
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """As ``batch_norm`` with mean and variance of each channel of each sample by itself.

    The running statistics move towards the averages over the samples.

    Args:
        input: (N, C, L) or (N, C, H, W) or more dimensions, float32 or float64.
        use_input_stats: as training is for ``batch_norm``.
        running_mean, running_var, weight, bias, momentum, eps: as for ``batch_norm``.

    Raises:
        ShapeError: one value per channel and sample; the others as ``batch_norm``.
        ArgumentError, DtypeError: as ``batch_norm``.

    Source: D. Ulyanov et al., "Instance normalization", 2016.
    """
    x = need_float("instance_norm", input)
    if x.ndim < 2:
        raise _no_channels("instance_norm", x)
    dims = tuple(range(2, x.ndim))
    affine = (1, x.shape[1], *(1 for _ in dims))
    w, b = _per_channel("instance_norm", x, weight=weight, bias=bias)
    mean, var = _running("instance_norm", x, running_mean, running_var)
    epsilon = check_eps("instance_norm", eps)
    if not use_input_stats:
        return _by_running("instance_norm", x, mean, var, w, b, epsilon, affine)
    _check_training_eps("instance_norm", epsilon)
    n = math.prod(x.shape[2:])
    if n == 1:
        raise ShapeError(
            "instance_norm",
            "input",
            expected="more than 1 value per channel and sample",
            got=str(x.shape),
            hint="a single value has no variance",
        )
    m, v = traced(moments, x, dims)
    if x.array.size and mean is not None and var is not None:
        _update("instance_norm", mean, m, 1.0, momentum)
        _update("instance_norm", var, v, n / (n - 1), momentum)
    return normalized(x, w, b, dims, epsilon, affine, (m, v))


def layer_norm(
    input: Tensor,
    normalized_shape: int | tuple[int, ...] | list[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """(x - mean) / sqrt(var + eps) * weight + bias over the last dimensions of each sample.

    Mean and variance (divided by the count) are taken over the dimensions of normalized_shape; the
    derivative is that of ``batch_norm`` in training.

    Args:
        input: (*, normalized_shape), float32 or float64.
        normalized_shape: the last sizes of input; a number stands for the last size.
        weight, bias: of shape normalized_shape, or None.
        eps: added to the variance, 0 or more.

    Raises:
        ShapeError: input does not end in normalized_shape; a weight or bias of another shape.
        ArgumentError: a negative eps.
        DtypeError: integers, or two dtypes.

    Source: J. L. Ba et al., "Layer normalization", 2016.
    """
    x = need_float("layer_norm", input)
    given = normalized_shape if isinstance(normalized_shape, (tuple, list)) else (normalized_shape,)
    shape = tuple(as_index("layer_norm", "normalized_shape", n) for n in given)
    if not shape or x.shape[-len(shape) :] != shape:
        raise ShapeError(
            "layer_norm",
            "input",
            expected=f"last sizes {shape}, as normalized_shape says"
            if shape
            else "a normalized_shape of at least one size",
            got=str(x.shape),
            hint="normalized_shape=input.shape[-1] normalizes the last dimension",
        )
    w, b = _vectors("layer_norm", x, shape, weight=weight, bias=bias)
    dims = tuple(range(x.ndim - len(shape), x.ndim))
    return normalized(x, w, b, dims, check_eps("layer_norm", eps), shape)


def group_norm(
    input: Tensor,
    num_groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """(x - mean) / sqrt(var + eps) * weight + bias, over groups of channels of each sample.

    Mean and variance (divided by the count) are taken over C / num_groups channels and all their
    places; the derivative is that of ``batch_norm`` in training.

    Args:
        input: (N, C, *), float32 or float64.
        num_groups: how many groups the C channels are divided into.
        weight, bias: (C,), or None.
        eps: added to the variance, 0 or more.

    Raises:
        ShapeError: fewer than 2 dimensions; channels that do not divide; a single value per group;
            a weight or bias of another shape.
        ArgumentError: num_groups below 1, or a negative eps.
        DtypeError: integers, or two dtypes.

    Source: Y. Wu, K. He, "Group normalization", ECCV 2018.
    """
    x = need_float("group_norm", input)
    groups = as_index("group_norm", "num_groups", num_groups)
    if groups < 1:
        raise ArgumentError(
            "group_norm",
            "num_groups",
            expected="1 or more",
            got=str(groups),
            hint="num_groups=1 takes all channels together",
        )
    if x.ndim < 2:
        raise _no_channels("group_norm", x)
    N, C = x.shape[:2]
    if C % groups:
        raise ShapeError(
            "group_norm",
            "input",
            expected=f"a number of channels that num_groups = {groups} divides",
            got=f"{C} channels in {x.shape}",
            hint="all groups have the same number of channels",
        )
    places = math.prod(x.shape[2:])
    if N * (C // groups) * places == 1:
        raise ShapeError(
            "group_norm",
            "input",
            expected="more than 1 value per group",
            got=f"{x.shape} in {groups} groups",
            hint="a single value has no variance; use fewer groups",
        )
    w, b = _per_channel("group_norm", x, weight=weight, bias=bias)
    epsilon = check_eps("group_norm", eps)
    grouped = reshape(x, (N, groups, C // groups, places))
    y = normalized(grouped, w, b, (2, 3), epsilon, (1, groups, C // groups, 1))
    return reshape(y, x.shape)


# -- arguments -------------------------------------------------------------------------------


def check_eps(op: str, eps: Any) -> float:
    """Eps as a float of 0 or more.

    Raises:
        DtypeError: no number.
        ArgumentError: negative or NaN.
    """
    if isinstance(eps, bool) or not isinstance(eps, (int, float)):
        raise DtypeError(op, "eps", expected="a number", got=repr(eps), hint="1e-5 is the default")
    if not eps >= 0:
        raise ArgumentError(
            op, "eps", expected="0 or more", got=repr(eps), hint="1e-5 is the default"
        )
    return float(eps)


def _check_training_eps(op: str, eps: float) -> None:
    if not eps:
        raise ArgumentError(
            op,
            "eps",
            expected="above 0 in training",
            got=repr(eps),
            hint="a constant channel has variance 0",
        )


def _no_channels(op: str, x: Tensor) -> ShapeError:
    return ShapeError(
        op,
        "input",
        expected="at least 2 dimensions (N, C, ...)",
        got=str(x.shape),
        hint="unsqueeze(0) makes a batch of one sample",
    )


def _vectors(
    op: str, x: Tensor, shape: tuple[int, ...], **given: Tensor | None
) -> list[Tensor | None]:
    """Tensors of one shape, of x's dtype and device, or None."""
    found: list[Tensor | None] = []
    for argument, value in given.items():
        if value is None:
            found.append(None)
            continue
        t = need_float(op, value, argument)
        check_same_device(op, x, t)
        if t.dtype != x.dtype:
            raise DtypeError(
                op,
                argument,
                expected=f"{x.dtype.name}, as input has",
                got=t.dtype.name,
                hint="convert the input, or the module with .double() or .float()",
            )
        if t.shape != shape:
            raise ShapeError(
                op,
                argument,
                expected=f"shape {shape}, as input {x.shape} asks for",
                got=f"shape {t.shape}",
                hint="channels are the second dimension; layer_norm takes the last ones",
            )
        found.append(t)
    return found


def _per_channel(op: str, x: Tensor, **given: Tensor | None) -> list[Tensor | None]:
    return _vectors(op, x, (x.shape[1],), **given)


def _running(op: str, x: Tensor, mean: Any, var: Any) -> list[Tensor | None]:
    if (mean is None) != (var is None):
        raise ArgumentError(
            op,
            "running_mean" if mean is None else "running_var",
            expected="running_mean and running_var, or None for both",
            got="one of the two",
            hint="both are needed in evaluation",
        )
    return _per_channel(op, x, running_mean=mean, running_var=var)


@retraced
def _update(op: str, running: Tensor, found: Array, factor: float, momentum: float) -> None:
    """Move a running statistic towards factor * found, averaged over the samples: (N, C, ...)."""
    check_writable(running, op)
    share = float(momentum)
    with quiet():
        batch = found.reshape(len(found), -1).mean(axis=0) * factor
        running.array[...] = running.array * (1 - share) + batch * share
    running.bump_version()


def _by_running(
    op: str,
    x: Tensor,
    mean: Tensor | None,
    var: Tensor | None,
    w: Tensor | None,
    b: Tensor | None,
    eps: float,
    affine: tuple[int, ...],
) -> Tensor:
    """(x - mean) / sqrt(var + eps) * w + b with constant mean and var."""
    if mean is None or var is None:
        raise ArgumentError(
            op,
            "running_mean",
            expected="running statistics in evaluation",
            got="None",
            hint="pass running_mean and running_var, or take those of the input",
        )
    centre = reshape(mean, affine)
    scale = reshape(wrap(traced(inverse_root, var, eps)), affine)
    factor = scale if w is None else mul(reshape(w, affine), scale)
    y = mul(sub(x, centre), factor)
    return y if b is None else add(y, reshape(b, affine))
