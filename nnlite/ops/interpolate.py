"""interpolate: signals, images and volumes at another size."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from nnlite.autograd.tensor import Tensor
from nnlite.errors import ArgumentError, ShapeError
from nnlite.ops.common import as_index, check_flag, need_float
from nnlite.ops.pool_adaptive import adaptive_avg_pool2d
from nnlite.ops.resampling import Resample, Tap, taps_of
from nnlite.ops.shape import squeeze, unsqueeze
from nnlite.ops.sizes import check_size

__all__ = ["check_factor", "check_mode", "interpolate"]

_RANKS = {
    "nearest": (3, 4, 5),
    "nearest-exact": (3, 4, 5),
    "area": (3, 4),
    "linear": (3,),
    "bilinear": (4,),
    "bicubic": (4,),
    "trilinear": (5,),
}


def interpolate(
    input: Tensor,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Tensor:
    """The same signal, image or volume sampled at other places: upsampling and downsampling.

    Along each axis, with s = input size / output size (or 1 / scale_factor), output i lies at

        (i + 0.5) * s - 0.5, not below 0,   or with align_corners   i * (n_in - 1) / (n_out - 1)

    in the input, and is a mean of the pixels around, weighted by their distance ("linear",
    "bilinear", "trilinear"), or the cubic convolution with a = -0.75 of four of them ("bicubic").
    "nearest" takes pixel floor(i * s), "nearest-exact" pixel floor((i + 0.5) * s), and "area" the
    mean of all the pixels that the output covers. The derivative spreads gy over the same pixels
    by the same weights.

    Args:
        input: (N, C, L), (N, C, H, W) or (N, C, D, H, W), float32 or float64.
        size: of the result: a number, or one for each axis.
        scale_factor: in place of size: a number, or one for each axis; sizes are rounded down.
        mode: "nearest", "nearest-exact", "area", "linear" (3-D input), "bilinear", "bicubic" (4-D),
            "trilinear" (5-D).
        align_corners: the corner pixels stay where they are; only for the linear and cubic modes.
        recompute_scale_factor: take s from the sizes, rounded as they are, not from scale_factor.
        antialias: False; nothing else is supported.

    Raises:
        ShapeError: an input of other dimensions, or without elements; more elements in the result
            than any memory holds.
        ArgumentError: an unknown mode, or one for other inputs; both or none of size and
            scale_factor; sizes below 1; align_corners where it means nothing; antialias.
        DtypeError: integers.

    Source: ``torch.nn.functional.interpolate``; R. Keys, "Cubic convolution interpolation for
    digital image processing", IEEE Trans. ASSP 1981.
    """
    x = need_float("interpolate", input)
    check_mode("interpolate", mode, align_corners)
    if antialias:
        raise ArgumentError(
            "interpolate",
            "antialias",
            expected="False",
            got=repr(antialias),
            hint="mode='area' averages what is between the samples",
        )
    if x.ndim not in _RANKS[mode]:
        fitting = [m for m, ranks in _RANKS.items() if x.ndim in ranks]
        raise ShapeError(
            "interpolate",
            "input",
            expected=" or ".join(f"{n} dimensions" for n in _RANKS[mode]) + f" for mode={mode!r}",
            got=str(x.shape),
            hint=f"for this input there are {', '.join(fitting)}"
            if fitting
            else "inputs are (N, C, L), (N, C, H, W) or (N, C, D, H, W)",
        )
    if 0 in x.shape[1:]:
        raise ShapeError(
            "interpolate",
            "input",
            expected="sizes of 1 or more, but for the batch",
            got=str(x.shape),
            hint="there is nothing to sample",
        )
    if recompute_scale_factor and size is not None:
        raise ArgumentError(
            "interpolate",
            "recompute_scale_factor",
            expected="None or False where size is given",
            got=repr(recompute_scale_factor),
            hint="it belongs to scale_factor",
        )
    out, factors = _sizes(x, size, scale_factor)
    check_size("interpolate", (*x.shape[:2], *out), "size")
    if mode == "area":
        return _area(x, out)
    if recompute_scale_factor:
        factors = [None] * len(out)
    for axis, (n, factor) in enumerate(zip(out, factors, strict=True), start=2):
        if n == x.shape[axis] and (factor in (None, 1) or _keeps(mode, x.ndim)):
            continue
        taps: list[Tap] = taps_of(mode, x.shape[axis], n, factor, bool(align_corners), x.dtype)
        x = Resample.apply(x, axis=axis, taps=taps)
    return x


def check_mode(op: str, mode: Any, align_corners: Any) -> None:
    """Refuse a mode that there is not, and align_corners where it has no meaning.

    Raises:
        ArgumentError: one of these.
    """
    if align_corners is not None:
        check_flag(op, "align_corners", align_corners)
    if not isinstance(mode, str) or mode not in _RANKS:
        raise ArgumentError(
            op,
            "mode",
            expected=" or ".join(map(repr, _RANKS)),
            got=repr(mode),
            hint="'nearest' is the default, 'bilinear' is for images",
        )
    if align_corners is not None and mode in ("nearest", "nearest-exact", "area"):
        raise ArgumentError(
            op,
            "align_corners",
            expected=f"None for mode={mode!r}",
            got=repr(align_corners),
            hint="it belongs to the linear and cubic modes",
        )


def check_factor(op: str, value: Any) -> float:
    """One number of scale_factor.

    Raises:
        ArgumentError: no number, or one that is not above 0 and below 2^31.
    """
    number = isinstance(value, (int, float, np.integer, np.floating))
    if not number or isinstance(value, bool) or not 0 < value < 2**31:
        raise ArgumentError(
            op,
            "scale_factor",
            expected="numbers above 0 and below 2^31",
            got=repr(value),
            hint="scale_factor=0.5 halves each side",
        )
    return float(value)


def _keeps(mode: str, ndim: int) -> bool:
    """Whether an axis whose size stays is left as it is, whatever scale_factor says: PyTorch's."""
    return mode.endswith("linear") or (mode == "nearest" and ndim > 3)


def _sizes(x: Tensor, size: Any, scale_factor: Any) -> tuple[tuple[int, ...], list[float | None]]:
    """The sizes of the result, and the factors as given, or None for each."""
    if (size is None) == (scale_factor is None):
        raise ArgumentError(
            "interpolate",
            "size",
            expected="size or scale_factor",
            got="none of the two" if size is None else "both",
            hint="scale_factor=2 doubles each side",
        )
    axes = x.shape[2:]
    if size is not None:
        out = tuple(as_index("interpolate", "size", n) for n in _each("size", size, axes))
        factors: list[float | None] = [None] * len(axes)
    else:
        given = [check_factor("interpolate", f) for f in _each("scale_factor", scale_factor, axes)]
        out = tuple(math.floor(n * f) for n, f in zip(axes, given, strict=True))
        factors = list(given)
    if any(n < 1 for n in out):
        raise ArgumentError(
            "interpolate",
            "size" if size is not None else "scale_factor",
            expected="a result of 1 or more along each axis",
            got=f"{size if size is not None else scale_factor!r}, which gives {out}",
            hint=f"input is of shape {x.shape}",
        )
    return out, factors


def _each(argument: str, value: Any, axes: tuple[int, ...]) -> tuple[Any, ...]:
    given = tuple(value) if isinstance(value, (tuple, list)) else (value,) * len(axes)
    if len(given) != len(axes):
        raise ArgumentError(
            "interpolate",
            argument,
            expected=f"a number, or {len(axes)} of them",
            got=repr(value),
            hint="one for each dimension after batch and channels",
        )
    return given


def _area(x: Tensor, out: tuple[int, ...]) -> Tensor:
    if len(out) == 2:
        return adaptive_avg_pool2d(x, out)
    return squeeze(adaptive_avg_pool2d(unsqueeze(x, 2), (1, *out)), 2)
