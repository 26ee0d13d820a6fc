"""What a network answers to one input, and what it should."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nnlite.errors import ShapeError
from nnlite.metrics.inputs import as_labels, as_reals
from nnlite.viz.inputs import check_length, need_finite
from nnlite.viz.style import BLUE, ORANGE, SMALL, WIDTH, bare, minus, new_figure, tidy


def plot_response(
    output: Any,
    target: Any,
    classes: Sequence[str],
    *,
    image: Any = None,
    xlabel: str = "output",
    title: str = "",
) -> Any:
    """The outputs for one input as bars; the target as an outline, as wide as the bar should be.

    Args:
        output: (K,), probabilities where the target is a class.
        target: a class number, which stands for 1 there and 0 elsewhere; or a vector (K,).
        classes: K names.
        image: the input, (H, W), shown beside.
        xlabel: what the outputs measure.
        title: stands above.

    Returns:
        a matplotlib Figure.

    Raises:
        ShapeError: output, target vector and names of different lengths; an image not of (H, W).
        NnliteIndexError: a target class that is not there.
        ArgumentError: NaN or infinity among the outputs.
        MissingExtraError: matplotlib is not installed (extra ``plot``).
    """
    op = "plot_response"
    k = len(classes)
    bars = _vector(op, "output", output, k)
    if as_reals(op, "target", target).ndim == 0:
        number = as_labels(op, "target", [int(as_reals(op, "target", target))], k)
        wanted = (np.arange(k) == number).astype(np.float64)
    else:
        wanted = _vector(op, "target", target, k)
    pixels = None if image is None else as_reals(op, "image", image)
    if pixels is not None and pixels.ndim != 2:
        raise ShapeError(
            op, "image", expected="(H, W)", got=str(pixels.shape), hint="x.reshape(28, 28)"
        )
    figure = new_figure(WIDTH, 1.0 + 0.3 * k + 0.3 * bool(title), op)
    if pixels is None:
        axes = figure.subplots()
    else:
        left, axes = figure.subplots(1, 2, width_ratios=(1, 2))
        left.imshow(pixels, cmap="gray_r")
        left.set_title("input", fontsize=10)
        bare(left)
    places = np.arange(k)
    axes.barh(places, bars, 0.5, color=BLUE, label="output")
    outlined = wanted != 0
    axes.barh(
        places[outlined],
        wanted[outlined],
        0.8,
        fill=False,
        edgecolor=ORANGE,
        linewidth=1.6,
        label="target",
    )
    for place, value in zip(places, bars, strict=True):
        axes.annotate(
            minus(f"{value:.3f}"),
            (1.0, place),
            xycoords=axes.get_yaxis_transform(),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            fontsize=SMALL,
        )
    axes.set_yticks(places, classes)
    for text, there in zip(axes.get_yticklabels(), wanted == wanted.max(), strict=True):
        text.set_fontweight("bold" if there else "normal")
    axes.set_ylim(k - 0.4, -0.6)
    axes.set_xlabel(xlabel)
    axes.tick_params(axis="y", length=0)
    tidy(axes, "x")
    axes.legend(fontsize=9, frameon=False, ncols=2, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    if title:
        figure.suptitle(title)
    return figure


def _vector(op: str, argument: str, values: Any, k: int) -> Any:
    vector = as_reals(op, argument, values)
    if vector.ndim != 1:
        raise ShapeError(
            op,
            argument,
            expected=f"shape ({k},), one number for each class",
            got=str(vector.shape),
            hint="take one row of the batch: model(x)[0]",
        )
    check_length(op, argument, len(vector), k, "class")
    need_finite(op, argument, vector)
    return vector
