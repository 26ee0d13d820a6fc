"""Images with what the network took them for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nnlite.errors import ArgumentError, ShapeError
from nnlite.metrics.inputs import as_labels, as_reals
from nnlite.viz.style import RIGHT, WRONG, bare, new_figure


def plot_predictions(
    images: Any,
    targets: Any,
    predictions: Any,
    classes: Sequence[str],
    confidences: Any = None,
    columns: int = 6,
    title: str = "",
) -> Any:
    """A grid of grey images: right answers blue with a tick, wrong ones orange with a cross.

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
        ShapeError: no images; other numbers of targets, predictions or confidences.
        NnliteIndexError, DtypeError: targets or predictions that are no class numbers.
        ArgumentError: columns not positive.
        MissingExtraError: matplotlib is not installed (extra ``plot``).
    """
    op = "plot_predictions"
    pixels = as_reals(op, "images", images)  # (N, H, W)
    right = as_labels(op, "targets", targets, len(classes))
    answers = as_labels(op, "predictions", predictions, len(classes))
    sure = None if confidences is None else as_reals(op, "confidences", confidences)
    n = len(pixels) if pixels.ndim else 0
    lengths = [len(right), len(answers)] + ([] if sure is None else [sure.size])
    if pixels.ndim != 3 or not n or any(length != n for length in lengths):
        raise ShapeError(
            op,
            expected="images (N, H, W) and N targets, predictions and confidences, N at least 1",
            got=f"images {pixels.shape} and lengths {lengths}",
            hint="cut all of them to the same length",
        )
    if columns < 1:
        raise ArgumentError(op, "columns", expected="at least 1", got=str(columns), hint="6 fit")
    rows = -(-n // columns)
    height = rows * (1.75 + 0.15 * (sure is not None)) + 0.3 * bool(title)
    figure = new_figure(1.3 * columns, height, op)
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in grid[n:]:
        axes.set_axis_off()
    for i, axes in enumerate(grid[:n]):
        good = right[i] == answers[i]
        color, mark = (RIGHT, "✓") if good else (WRONG, "✗")
        axes.imshow(pixels[i], cmap="gray_r")
        bare(axes)
        axes.spines[:].set_color(color)
        axes.spines[:].set_linewidth(2.5)
        percent = "" if sure is None else f"\n{100 * sure[i]:.0f} %"
        axes.set_title(f"{mark} {classes[answers[i]]}{percent}", color=color, fontsize=9)
        axes.set_xlabel("" if good else f"is: {classes[right[i]]}", fontsize=9)
    if title:
        figure.suptitle(title)
    return figure
