"""Weights as small images: what each unit of a layer looks for."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from nnlite.errors import ArgumentError, ShapeError
from nnlite.metrics.inputs import Reals
from nnlite.viz.inputs import as_tiles, check_length, symmetric_limit
from nnlite.viz.style import (
    BLUE,
    DIVERGING,
    GREY,
    ORANGE,
    WIDTH,
    bare,
    color_scale,
    new_figure,
    tidy,
)

GAP = "#707070"  # unlike any colour of the scale
FINE = 220  # dpi: 20 tiles of 28 pixels side by side still have nearly two dots per pixel


def plot_tiles(
    weights: Any,
    shape: Sequence[int] | None = None,
    *,
    columns: int | None = None,
    titles: Sequence[str] | None = None,
    limit: float | None = None,
    label: str = "weight",
    title: str = "",
) -> Any:
    """Each row of a weight matrix as an image, in a grid; blue is negative, white 0, red positive.

    Args:
        weights: (N, H * W), one row per unit, as in ``nn.Linear(H * W, N).weight``; or (N, H, W).
        shape: (H, W); None for square tiles.
        columns: tiles per row; None for a grid that is nearly square (400 tiles: 20 x 20).
        titles: N short names, one above each tile.
        limit: the scale, which all tiles share, runs from -limit to limit; None: the largest |w|.
        label: what the scale measures.
        title: stands above.

    Returns:
        a matplotlib Figure; its first Axes has one image with all tiles, a gap of one pixel between
        them; tiles of less than 20 pixels are repeated to that size.

    Raises:
        ShapeError: weights that do not make tiles of that shape; another number of titles.
        ArgumentError: NaN or infinity among the weights; limit or columns not positive.
        MissingExtraError: matplotlib is not installed (extra ``plot``).
    """
    op = "plot_tiles"
    tiles = _enlarged(as_tiles(op, "weights", weights, shape))  # (N, H, W)
    n, h, w = tiles.shape
    if titles is not None:
        check_length(op, "titles", len(titles), n, "tile")
    columns = _columns(op, columns, n)
    limit = symmetric_limit(op, limit, tiles)
    head = 1 if titles is None else max(2, round(0.3 * h))
    picture = mosaic(tiles, columns, head)
    height = 0.85 * WIDTH * picture.shape[0] / picture.shape[1]
    figure = new_figure(WIDTH, height + 0.3 + 0.3 * bool(title), op, FINE)
    axes = figure.subplots()
    image = _show(axes, picture, limit, gap=GAP if titles is None else "#D9D9D9")
    if titles is not None:
        inches = 0.85 * WIDTH / columns
        size = min(9.0, 100 * inches / max(4, *map(len, titles)))
        for i, text in enumerate(titles):
            x, y = i % columns * (w + 1) + w / 2 + 0.5, i // columns * (h + head) + 0.85 * head
            axes.text(x, y, text, ha="center", va="bottom", fontsize=size)
    color_scale(figure, axes, image, label)
    if title:
        axes.set_title(title)
    return figure


def plot_update(
    before: Any,
    after: Any,
    shape: Sequence[int] | None = None,
    *,
    columns: int | None = None,
    title: str = "",
) -> Any:
    """What training did to the weights: before, after, update = after - before, as tiles.

    Before and after share a scale, the update has its own. The fourth panel counts the values of
    all three.

    Args:
        before, after: (N, H * W) or (N, H, W), as for ``plot_tiles``.
        shape, columns, title: as for ``plot_tiles``.

    Returns:
        a matplotlib Figure.

    Raises:
        ShapeError: weights that do not make tiles of that shape; before and after that differ.
        ArgumentError: NaN or infinity among the weights; columns not positive.
        MissingExtraError: matplotlib is not installed (extra ``plot``).
    """
    op = "plot_update"
    first = as_tiles(op, "before", before, shape)
    last = as_tiles(op, "after", after, shape)
    if first.shape != last.shape:
        raise ShapeError(
            op,
            "after",
            expected=f"the shape of before, {first.shape}",
            got=str(last.shape),
            hint="keep a copy of the weights before training: layer.weight.detach().clone()",
        )
    columns = _columns(op, columns, len(first))
    update = last - first
    limit = symmetric_limit(op, None, first, last)
    panels = (
        ("before training", first, limit),
        ("after training", last, limit),
        ("update = after − before", update, symmetric_limit(op, None, update)),
    )
    ratio = mosaic(_enlarged(first), columns).shape
    height = 2 * (0.47 * WIDTH * ratio[0] / ratio[1] + 0.7) + 0.3 * bool(title)
    figure = new_figure(WIDTH + 0.6, height, op, FINE)
    figure.get_layout_engine().set(hspace=0.1, wspace=0.04)
    grid = figure.subplots(2, 2).ravel()
    for axes, (name, tiles, end) in zip(grid, panels, strict=False):
        image = _show(axes, mosaic(_enlarged(tiles), columns), end)
        axes.set_title(name, fontsize=10)
        scale = color_scale(figure, axes, image, "", below=True)
        scale.ax.tick_params(labelsize=8)
        scale.ax.locator_params(nbins=5)  # more of them would touch
    grid[3].set_box_aspect(ratio[0] / ratio[1])
    _count(grid[3], panels)
    if title:
        figure.suptitle(title)
    return figure


def _enlarged(tiles: Reals) -> Reals:
    """Tiles of at least 20 pixels, by repeating: next to a 3 x 3 filter a gap of 1 is wide."""
    times = -(-20 // max(tiles.shape[1:]))
    return tiles.repeat(times, axis=1).repeat(times, axis=2)


def mosaic(tiles: Reals, columns: int, head: int = 1) -> Reals:
    """Tiles (N, H, W) in a grid, with a gap of one pixel, head pixels above each; gaps are NaN."""
    n, h, w = tiles.shape
    rows = -(-n // columns)
    full = np.full((rows, columns, h + head, w + 1), np.nan)
    full.reshape(-1, h + head, w + 1)[:n, head:, 1:] = tiles
    picture = full.swapaxes(1, 2).reshape(rows * (h + head), columns * (w + 1))
    return np.pad(picture, ((0, 1), (0, 1)), constant_values=np.nan)


def _show(axes: Any, picture: Reals, limit: float, gap: str = GAP) -> Any:
    axes.set_facecolor(gap)  # seen in the gaps: NaN is transparent
    bare(axes)
    axes.spines[:].set_visible(False)
    return axes.imshow(picture, cmap=DIVERGING, vmin=-limit, vmax=limit, interpolation="nearest")


def _count(axes: Any, panels: Any) -> None:
    end = max(limit for _, _, limit in panels)
    edges = np.linspace(-end, end, 81)
    looks = ((GREY, "-"), (BLUE, "-"), (ORANGE, "--"))
    for (name, tiles, _), (color, line) in zip(panels, looks, strict=True):
        counts, _ = np.histogram(tiles, edges)
        short = name.partition(" ")[0]
        axes.stairs(counts, edges, color=color, linestyle=line, linewidth=1.4, label=short)
    axes.set_yscale("log")
    axes.set_xlabel("weight")
    axes.set_title("number of weights", fontsize=10)
    axes.tick_params(labelsize=8)
    axes.legend(fontsize=8, frameon=False)
    tidy(axes)


def _columns(op: str, columns: int | None, n: int) -> int:
    if columns is None:
        return math.ceil(math.sqrt(n))
    if columns < 1:
        raise ArgumentError(
            op, "columns", expected="at least 1", got=str(columns), hint="leave it out for a square"
        )
    return min(columns, n)
