"""The confusion matrix as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from nnlite.errors import ShapeError
from nnlite.viz.style import new_figure


def plot_confusion(matrix: ArrayLike, classes: Sequence[str], title: str = "") -> Any:
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
    counts = np.asarray(matrix)
    k = len(classes)
    if counts.shape != (k, k):
        raise ShapeError(
            "plot_confusion",
            "matrix",
            expected=f"shape {(k, k)}, as there are {k} class names",
            got=str(counts.shape),
            hint="make it with nnlite.metrics.confusion_matrix",
        )
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure = new_figure(8, 7.4, "plot_confusion")
    axes = figure.subplots()
    image = axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for i in range(k):
        for j in range(k):
            if counts[i, j]:
                color = "white" if share[i, j] > 0.5 else "black"
                axes.text(j, i, str(counts[i, j]), ha="center", va="center", color=color)
    axes.set_xticks(range(k), classes, rotation=45, ha="right")
    axes.set_yticks(range(k), classes)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    figure.colorbar(image, ax=axes, shrink=0.8, label="share of the true class")
    if title:
        axes.set_title(title)
    return figure
