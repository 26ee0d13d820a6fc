"""The confusion matrix as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nnlite.errors import ShapeError
from nnlite.metrics.inputs import as_numpy
from nnlite.viz.style import SMALL, color_scale, new_figure


def plot_confusion(matrix: Any, classes: Sequence[str], title: str = "") -> Any:
    """Counts in a square grid, shaded by their share of the true class.

    Args:
        matrix: counts of shape (K, K), rows true, columns predicted.
        classes: K names.
        title: stands above.

    Returns:
        a matplotlib Figure.

    Raises:
        ShapeError: the matrix is not square, or the names do not fit.
        MissingExtraError: matplotlib is not installed (extra ``plot``).
    """
    counts = as_numpy("plot_confusion", "matrix", matrix)
    k = len(classes)
    if not k or counts.shape != (k, k):
        raise ShapeError(
            "plot_confusion",
            "matrix",
            expected=f"shape {(k, k)}, as there are {k} class names",
            got=str(counts.shape),
            hint="make it with nnlite.metrics.confusion_matrix",
        )
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure = new_figure(7, 6.2, "plot_confusion")
    axes = figure.subplots()
    image = axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for i in range(k):
        for j in range(k):
            if counts[i, j]:
                color = "white" if share[i, j] > 0.5 else "black"
                text = str(counts[i, j])
                axes.text(j, i, text, ha="center", va="center", color=color, fontsize=SMALL)
    axes.set_xticks(range(k), classes, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(k), classes)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    color_scale(figure, axes, image, "share of the true class")
    if title:
        axes.set_title(title)
    return figure
