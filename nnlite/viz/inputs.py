"""Checks of what the pictures are given, and the mean and range over seeds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nnlite.errors import ArgumentError, ShapeError
from nnlite.metrics.inputs import Reals, as_reals


class Band(NamedTuple):
    """Values over several seeds: mean, smallest and largest, float64 of one shape."""

    mean: Reals
    low: Reals
    high: Reals


def band(op: str, argument: str, values: Any, ndim: int) -> Band:
    """Values of ndim dimensions, or of one more with a seed in each row.

    Raises:
        ShapeError: other numbers of dimensions, or nothing at all.
        DtypeError: they are no numbers.
    """
    array = as_reals(op, argument, values)
    if array.ndim not in (ndim, ndim + 1) or not array.size:
        plain, seeds = ("a number", "a list of numbers") if ndim == 0 else ("(E,)", "(seeds, E)")
        raise ShapeError(
            op,
            argument,
            expected=f"{plain}, or {seeds} with a value per seed",
            got=f"shape {array.shape}",
            hint="leave out what has no values yet",
        )
    if array.ndim == ndim:
        return Band(array, array, array)
    return Band(array.mean(axis=0), array.min(axis=0), array.max(axis=0))


def need_some(op: str, argument: str, members: Mapping[str, Any]) -> None:
    """Refuse a picture of nothing."""
    if not members:
        raise ShapeError(
            op,
            argument,
            expected="at least one entry",
            got="none",
            hint="an empty picture says nothing: leave it out",
        )


def need_finite(op: str, argument: str, values: Reals) -> None:
    """Refuse NaN and infinity, which have no colour."""
    if not np.isfinite(values).all():
        raise ArgumentError(
            op,
            argument,
            expected="finite numbers",
            got=f"{values[~np.isfinite(values)].flat[0]} among them",
            hint="the training diverged: try a lower learning rate",
        )


def as_tiles(op: str, argument: str, values: Any, shape: Sequence[int] | None) -> Reals:
    """Images (N, H, W) as they are, or rows (N, H * W) made into images.

    Args:
        op, argument: for the error.
        values: the rows or images.
        shape: (H, W); None for square images.

    Raises:
        ShapeError: rows that do not fill the shape, or no rows at all.
        ArgumentError: NaN or infinity among them.
    """
    array = as_reals(op, argument, values)
    if array.ndim == 2 and array.size:
        h, w = (math.isqrt(array.shape[1]),) * 2 if shape is None else shape
        if h * w == array.shape[1]:
            array = array.reshape(-1, h, w)
    if array.ndim != 3 or not array.size or (shape and tuple(shape) != array.shape[1:]):
        wanted = (
            "(N, H, W), or (N, H * W) with H = W"
            if shape is None
            else f"(N, {shape[0]} * {shape[1]})"
        )
        raise ShapeError(
            op,
            argument,
            expected=f"shape {wanted}",
            got=str(array.shape),
            hint="name the shape of a tile: shape=(28, 28) for the weights of Linear(784, ...)",
        )
    need_finite(op, argument, array)
    return array


def check_length(op: str, argument: str, found: int, wanted: int, of: str) -> None:
    """Refuse lists that do not fit together."""
    if found != wanted:
        raise ShapeError(
            op,
            argument,
            expected=f"{wanted}, one for each {of}",
            got=str(found),
            hint="cut or complete the list",
        )


def symmetric_limit(op: str, limit: float | None, *values: NDArray[Any]) -> float:
    """The end of a colour scale that has 0 in its middle: limit, or the largest magnitude.

    Raises:
        ArgumentError: a limit that is not positive and finite.
    """
    if limit is None:
        return max(float(np.abs(v).max()) for v in values) or 1.0  # all zero: any scale will do
    if not (limit > 0 and math.isfinite(limit)):
        raise ArgumentError(
            op,
            "limit",
            expected="a positive number",
            got=str(limit),
            hint="leave it out for the largest magnitude",
        )
    return limit
