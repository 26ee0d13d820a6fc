"""Images with what the network took them for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from nnlite.errors import ShapeError
from nnlite.viz.style import RIGHT, WRONG, new_figure


def plot_predictions(
    images: ArrayLike,
    targets: Sequence[int],
    predictions: Sequence[int],
    classes: Sequence[str],
    confidences: Sequence[float] | None = None,
    columns: int = 6,
    title: str = "",
) -> Any:
    """A grid of grey images: right answers green with a tick, wrong ones red with a cross.

    Args:
        images: shape (N, H, W).
        targets, predictions: N class numbers each.
        classes: the names.
        confidences: the probability given to each prediction, in [0, 1].
        columns: images per row.
        title: stands above.

    Returns:
        a matplotlib Figure.

    Raises:
        ShapeError: the numbers of images, targets, predictions or confidences differ.
        MissingExtraError: matplotlib is not installed (extra ``plot``).
    """
    pixels = np.asarray(images)  # (N, H, W)
    n = len(pixels)
    lengths = [len(targets), len(predictions)] + ([] if confidences is None else [len(confidences)])
    if pixels.ndim != 3 or any(length != n for length in lengths):
        raise ShapeError(
            "plot_predictions",
            expected="images (N, H, W) and N targets, predictions and confidences",
            got=f"images {pixels.shape} and lengths {lengths}",
            hint="cut all of them to the same length",
        )
    rows = max(1, -(-n // columns))
    figure = new_figure(1.75 * columns, 2.15 * rows + (0.4 if title else 0), "plot_predictions")
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in grid:
        axes.set_axis_off()
    for i in range(n):
        axes = grid[i]
        right = int(targets[i]) == int(predictions[i])
        color, mark = (RIGHT, "✓") if right else (WRONG, "✗")
        axes.set_axis_on()
        axes.imshow(pixels[i], cmap="gray_r")
        axes.set_xticks([])
        axes.set_yticks([])
        for side in axes.spines.values():
            side.set_color(color)
            side.set_linewidth(2.5)
        sure = "" if confidences is None else f" {100 * confidences[i]:.0f} %"
        label = f"{mark} {classes[int(predictions[i])]}{sure}"
        axes.set_title(label, color=color, fontsize=9)
        axes.set_xlabel("" if right else f"is: {classes[int(targets[i])]}", fontsize=9)
    if title:
        figure.suptitle(title)
    return figure
