"""The same images in several states, row below row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nnlite.errors import ArgumentError, ShapeError
from nnlite.metrics.inputs import as_reals
from nnlite.viz.inputs import check_length, need_finite, need_some
from nnlite.viz.style import WIDTH, bare, new_figure


def plot_image_rows(
    rows: Mapping[str, Any],
    *,
    titles: Sequence[str] | None = None,
    limits: tuple[float, float] | None = (0.0, 1.0),
    title: str = "",
) -> Any:
    """Rows of grey images with their names: noisy input, reconstruction, original.

    Args:
        rows: by name images of shape (N, H, W), the same for all.
        titles: N names for the columns, below them.
        limits: the values shown as white and as black, beyond which they are cut; None: the
            smallest and largest of all.
        title: stands above.

    Returns:
        a matplotlib Figure with an Axes for each image.

    Raises:
        ShapeError: no rows, rows of different shapes, or another number of titles.
        ArgumentError: NaN or infinity in an image; limits that are not rising.
        MissingExtraError: matplotlib is not installed (extra ``plot``).
    """
    op = "plot_image_rows"
    need_some(op, "rows", rows)
    images = {name: as_reals(op, name, values) for name, values in rows.items()}
    shape = next(iter(images.values())).shape
    for name, pixels in images.items():
        if pixels.ndim != 3 or not pixels.size or pixels.shape != shape:
            raise ShapeError(
                op,
                name,
                expected="images (N, H, W), as many and as large in each row",
                got=f"{pixels.shape}, and {shape} in the first row",
                hint="reshape vectors: x.reshape(-1, 28, 28)",
            )
        need_finite(op, name, pixels)
    n, h, w = shape
    if titles is not None:
        check_length(op, "titles", len(titles), n, "column")
    if limits is None:
        limits = (
            min(float(p.min()) for p in images.values()),
            max(float(p.max()) for p in images.values()),
        )
    elif not limits[0] < limits[1]:
        raise ArgumentError(
            op, "limits", expected="(low, high)", got=str(limits), hint="(0, 1), or None"
        )
    height = len(rows) * (WIDTH / n * h / w + 0.25) + 0.3 * bool(title) + 0.3 * bool(titles)
    figure = new_figure(WIDTH, height, op)
    figure.get_layout_engine().set(w_pad=0.02, h_pad=0.02)
    grid = figure.subplots(len(rows), n, squeeze=False)
    for line, (name, pixels) in zip(grid, images.items(), strict=True):
        for axes, image in zip(line, pixels, strict=True):
            axes.imshow(image, cmap="gray_r", vmin=limits[0], vmax=limits[1])
            bare(axes)
        line[0].set_title(name, fontsize=9.5, loc="left")
    for axes, text in zip(grid[-1], titles or (), strict=False):
        axes.set_xlabel(text, fontsize=9)
    if title:
        figure.suptitle(title)
    return figure
