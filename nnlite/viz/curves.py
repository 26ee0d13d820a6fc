"""How a run went: loss and accuracy against the epoch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nnlite.errors import ShapeError
from nnlite.viz.style import TEST, TRAIN, new_figure, tidy


def plot_curves(
    train_loss: Sequence[float],
    test_loss: Sequence[float],
    train_accuracy: Sequence[float],
    test_accuracy: Sequence[float],
    title: str = "",
) -> Any:
    """Two panels: loss, and accuracy in percent, of training and test set by epoch.

    Args:
        train_loss, test_loss: mean loss of each epoch.
        train_accuracy, test_accuracy: shares in [0, 1].
        title: stands above the panels.

    Returns:
        a matplotlib Figure.

    Raises:
        ShapeError: the four differ in length.
        MissingExtraError: matplotlib is not installed (extra ``plot``).
    """
    lengths = [len(s) for s in (train_loss, test_loss, train_accuracy, test_accuracy)]
    if len(set(lengths)) != 1:
        raise ShapeError(
            "plot_curves",
            expected="one value per epoch in each series",
            got=f"lengths {lengths}",
            hint="append to all four at the end of each epoch",
        )
    figure = new_figure(7.6, 3.4, "plot_curves")
    left, right = figure.subplots(1, 2)
    epochs = range(1, lengths[0] + 1)
    for axes, train, test, scale, label in (
        (left, train_loss, test_loss, 1, "cross-entropy"),
        (right, train_accuracy, test_accuracy, 100, "accuracy in %"),
    ):
        axes.plot(epochs, [scale * v for v in train], "o-", color=TRAIN, label="training")
        axes.plot(epochs, [scale * v for v in test], "s--", color=TEST, label="test")
        axes.set_xlabel("epoch")
        axes.set_ylabel(label)
        axes.xaxis.get_major_locator().set_params(integer=True)
        tidy(axes)
        axes.legend(frameon=False)
    if title:
        figure.suptitle(title)
    return figure
