"""A vector with one number per pixel, as the image that it belongs to."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from nnlite.errors import NnliteIndexError, ShapeError
from nnlite.extras import require
from nnlite.metrics.inputs import Reals, as_reals
from nnlite.viz.inputs import need_finite, symmetric_limit
from nnlite.viz.style import DIVERGING, ORANGE, SEQUENTIAL, color_scale, new_figure


def plot_heatmap(
    values: Any,
    shape: Sequence[int] | None = None,
    *,
    diverging: bool = False,
    mark: Sequence[int] = (),
    label: str = "",
    title: str = "",
) -> Any:
    """Numbers as colours, with the scale beside it; chosen pixels are ringed, numbered and named.

    Args:
        values: (H * W,) in rows, or (H, W).
        shape: (H, W); None for a square.
        diverging: 0 is white in the middle of the scale, for values of both signs.
        mark: pixels by their place in the flat vector, in order of rank: the first is ringed with a
            1. A list under the picture has the places.
        label: what the scale measures, with its unit.
        title: stands above.

    Returns:
        a matplotlib Figure.

    Raises:
        ShapeError: values that do not fill the shape.
        ArgumentError: NaN or infinity among them.
        NnliteIndexError: a mark outside.
        MissingExtraError: matplotlib is not installed (extra ``plot``).
    """
    op = "plot_heatmap"
    picture = _picture(op, as_reals(op, "values", values), shape)
    h, w = picture.shape
    for pixel in mark:
        if not 0 <= pixel < h * w:
            raise NnliteIndexError(
                op,
                "mark",
                expected=f"pixels from 0 to {h * w - 1}",
                got=str(pixel),
                hint="the pixel in row r and column c has the number r * W + c",
            )
    figure = new_figure(5.6, 0.4 + 4.8 * h / w + 0.2 * -(-len(mark) // 5), op)
    axes = figure.subplots()
    if diverging:
        end = symmetric_limit(op, None, picture)
        image = axes.imshow(picture, cmap=DIVERGING, vmin=-end, vmax=end)
    else:
        image = axes.imshow(picture, cmap=SEQUENTIAL)
    axes.set_xlabel("column in pixels")
    axes.set_ylabel("row in pixels")
    for axis in (axes.xaxis, axes.yaxis):
        axis.get_major_locator().set_params(integer=True)
    rectangle = require("matplotlib.patches", "plot", op).Rectangle
    for rank, pixel in enumerate(mark, 1):
        y, x = divmod(int(pixel), w)
        axes.add_patch(rectangle((x - 0.5, y - 0.5), 1, 1, fill=False, edgecolor=ORANGE, lw=1.8))
        color = "black" if diverging or image.norm(picture[y, x]) > 0.6 else "white"
        axes.text(x, y, str(rank), ha="center", va="center", fontsize=7.5, color=color)
    if mark:
        axes.set_xlabel("column in pixels\n" + _places(mark))
    color_scale(figure, axes, image, label)
    if title:
        axes.set_title(title)
    return figure


def _picture(op: str, values: Reals, shape: Sequence[int] | None) -> Reals:
    side = math.isqrt(values.size)
    h, w = (side, side) if shape is None else shape
    if values.ndim == 2 and shape is None:
        h, w = values.shape
    fits = values.shape in ((h * w,), (h, w))
    if not fits or not values.size:
        raise ShapeError(
            op,
            "values",
            expected="shape (H * W,) or (H, W)" + ("" if shape is None else f" for {h} x {w}"),
            got=str(values.shape),
            hint="give shape=(H, W) where the picture is not square; plot_tiles shows several",
        )
    need_finite(op, "values", values)
    return values.reshape(h, w)


def _places(mark: Sequence[int]) -> str:
    """The pixels by rank, five to a line."""
    places = [f"{rank}: {pixel}" for rank, pixel in enumerate(mark, 1)]
    return "\n".join(",  ".join(places[i : i + 5]) for i in range(0, len(places), 5))
