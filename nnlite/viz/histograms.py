"""How the values of each layer are spread."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from nnlite.errors import ArgumentError, ShapeError
from nnlite.metrics.inputs import as_reals
from nnlite.viz.inputs import need_finite, need_some
from nnlite.viz.style import BAR, GREY, SMALL, WIDTH, minus, new_figure, tidy


def plot_histograms(layers: Mapping[str, Any], *, bins: int = 50, title: str = "") -> Any:
    """A histogram for each named array, with its range, mean and standard deviation.

    Args:
        layers: arrays of any shape by name, such as ``dict(model.named_parameters())``.
        bins: bars in each, at most: a small array has fewer, 2 sqrt(n).
        title: stands above.

    Returns:
        a matplotlib Figure.

    Raises:
        ShapeError: no layers, or an empty one.
        ArgumentError: NaN or infinity among the values; bins not positive.
        MissingExtraError: matplotlib is not installed (extra ``plot``).
    """
    op = "plot_histograms"
    need_some(op, "layers", layers)
    if bins < 1:
        raise ArgumentError(op, "bins", expected="at least 1", got=str(bins), hint="50 is common")
    arrays = {name: as_reals(op, name, values) for name, values in layers.items()}
    for name, values in arrays.items():
        if not values.size:
            raise ShapeError(
                op, name, expected="some values", got=str(values.shape), hint="leave it out"
            )
        need_finite(op, name, values)
    rows = -(-len(arrays) // 2)
    figure = new_figure(WIDTH + 0.4, 2.15 * rows + 0.3 * bool(title), op)
    grid = figure.subplots(rows, 2 if len(arrays) > 1 else 1, squeeze=False).ravel()
    for axes in grid[len(arrays) :]:
        axes.set_axis_off()
    for axes, (name, values) in zip(grid, arrays.items(), strict=False):
        counts, edges = np.histogram(values, min(bins, max(5, math.ceil(2 * values.size**0.5))))
        axes.stairs(counts, edges, fill=True, color=BAR)
        if edges[0] < 0 < edges[-1]:
            axes.axvline(0, color=GREY, linewidth=0.8)
        axes.set_title(f"{name}  {'×'.join(map(str, values.shape))}", fontsize=10)
        spread = f"mean {values.mean():.2g}, std {values.std():.2g}"
        label = f"{values.min():.2g} to {values.max():.2g}, {spread}"
        axes.set_xlabel(minus(label), fontsize=SMALL)
        axes.set_ylabel("number", fontsize=9)
        axes.locator_params("x", nbins=5)
        axes.yaxis.get_major_locator().set_params(integer=True, nbins=5)
        axes.tick_params(labelsize=8)
        tidy(axes)
    if title:
        figure.suptitle(title)
    return figure
