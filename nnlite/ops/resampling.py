"""The op behind interpolate: along one axis each output is a weighted sum of a few inputs."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from nnlite.autograd.op import Op
from nnlite.backend import Array, Dtype, array_module, backend_of


class Tap(NamedTuple):
    """One input for each output along an axis: its index, not decreasing, and its weight.

    NumPy arrays of the output's length; weight None stands for 1.
    """

    index: Any
    weight: Any


class Resample(Op):
    """y[i] = sum over taps of weight[i] * x[index[i]], along axis.

    d/dx[j] = sum of weight[i] * gy[i] over the taps and outputs i with index[i] = j.
    """

    @staticmethod
    def forward(ctx: Any, x: Array, *, axis: int, taps: list[Tap]) -> Array:
        ctx.size = x.shape[axis]
        y: Any = None
        for index, weight in taps:
            part = x[_at(axis, _on(x, index))]
            if weight is not None:
                part *= _along(x, axis, weight)
            y = part if y is None else _added(y, part)
        return y

    @staticmethod
    def backward(ctx: Any, gy: Any) -> Any:
        return Gather.call(gy, axis=ctx.axis, taps=ctx.taps, size=ctx.size)


class Gather(Op):
    """The adjoint of Resample, from the outputs back to size inputs.  d/dgy = Resample."""

    @staticmethod
    def forward(ctx: Any, gy: Array, *, axis: int, taps: list[Tap], size: int) -> Array:
        shape = (*gy.shape[:axis], size, *gy.shape[axis + 1 :])
        gx = array_module(gy).zeros(shape, dtype=gy.dtype)
        for index, weight in taps:
            part = gy if weight is None else gy * _along(gy, axis, weight)
            for outputs, inputs in _rounds(index):
                gx[_at(axis, _on(gy, inputs))] += part[_at(axis, _on(gy, outputs))]
        return gx

    @staticmethod
    def backward(ctx: Any, ggx: Any) -> Any:
        return Resample.call(ggx, axis=ctx.axis, taps=ctx.taps)


def _added(y: Array, part: Array) -> Array:
    y += part
    return y


def _at(axis: int, index: Any) -> tuple[Any, ...]:
    return (slice(None),) * axis + (index,)


def _on(x: Array, values: Any) -> Array:
    return backend_of(x).asarray(values)


def _along(x: Array, axis: int, weight: Any) -> Array:
    return _on(x, weight).reshape((-1,) + (1,) * (x.ndim - axis - 1))


def _rounds(index: Any) -> list[tuple[Any, Any]]:
    """Outputs and their inputs, in groups in which no input occurs twice.

    The k-th group has the k-th output of each input: equal ones stand together in index.
    """
    places = np.arange(index.size)
    first = np.r_[True, index[1:] != index[:-1]]
    rank = places - np.maximum.accumulate(np.where(first, places, 0))
    return [(places[rank == k], index[rank == k]) for k in range(int(rank.max()) + 1)]


# -- where the outputs lie -------------------------------------------------------------------


def taps_of(
    mode: str, n_in: int, n_out: int, factor: float | None, align_corners: bool, dtype: Dtype
) -> list[Tap]:
    """The taps of a mode of ``interpolate`` along one axis.

    Positions are computed in the input's dtype, those of the nearest pixel then rounded to float32,
    as PyTorch does: where a position is on the border between two pixels, the rounding decides.
    """
    real = dtype.type
    step = real(1 / factor if factor is not None else real(n_in) / real(n_out))
    i = np.arange(n_out).astype(real)
    if mode in ("nearest", "nearest-exact"):
        at = (i if mode == "nearest" else i + real(0.5)) * step
        return [Tap(np.minimum(at.astype(np.float32).astype(np.int64), n_in - 1), None)]
    if align_corners:
        at = i * (real(n_in - 1) / real(n_out - 1) if n_out > 1 else real(0))
    else:
        at = step * (i + real(0.5)) - real(0.5)
    if mode == "bicubic":
        return _cubic(at, n_in, real)
    at = np.maximum(at, real(0))
    low = np.minimum(np.floor(at).astype(np.int64), n_in - 1)
    share = np.minimum(at - low.astype(dtype), real(1))
    return [Tap(low, real(1) - share), Tap(np.minimum(low + 1, n_in - 1), share)]


def _cubic(at: Any, n_in: int, real: Any) -> list[Tap]:
    low = np.floor(at).astype(np.int64)
    t = at - np.floor(at)
    a = real(-0.75)
    taps = []
    for k in (-1, 0, 1, 2):
        d = abs(t - real(k))
        if k in (0, 1):
            weight = ((a + real(2)) * d - (a + real(3))) * d * d + real(1)
        else:
            weight = ((a * d - real(5) * a) * d + real(8) * a) * d - real(4) * a
        taps.append(Tap(np.clip(low + k, 0, n_in - 1), weight))
    return taps
