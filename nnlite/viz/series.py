"""Several runs, or several quantities of one, against the epoch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from nnlite.metrics.inputs import Reals, as_reals
from nnlite.viz.inputs import Band, band, check_length, need_some
from nnlite.viz.style import GREY, WIDTH, legend_below, look, new_figure, plain_log, tidy


def plot_series(
    series: Mapping[str, Any],
    ylabel: str,
    *,
    xlabel: str = "epoch",
    published: Mapping[str, Any] | None = None,
    log: bool = False,
    title: str = "",
) -> Any:
    """Named series as lines, with the range over seeds, and published values as hollow diamonds.

    Args:
        series: by name the values of epoch 1, 2, ..., shape (E,); or (seeds, E), drawn as their
            mean with a band from the smallest to the largest; or a mapping {x: y} for other x,
            where y is a number, or one for each seed. They may differ in length. NaN and infinity
            leave a gap.
        ylabel: what is measured, with its unit.
        xlabel: against what.
        published: likewise, in the colour of the series of the same name, grey where there is none.
        log: a logarithmic scale; values that are not positive leave a gap.
        title: stands above.

    Returns:
        a matplotlib Figure.

    Raises:
        ShapeError: no series, an empty one, or seeds of different lengths.
        DtypeError: values that are no numbers.
        MissingExtraError: matplotlib is not installed (extra ``plot``).
    """
    op = "plot_series"
    need_some(op, "series", series)
    curves = {name: _points(op, name, values) for name, values in series.items()}
    references = {name: _points(op, name, values) for name, values in (published or {}).items()}
    lines = len(curves) + len(references)
    columns = 2 if max(map(len, (*curves, *references))) > 20 else 3
    figure = new_figure(WIDTH, 3.8 + 0.2 * -(-lines // columns), op)
    axes = figure.subplots()
    colors = {}
    for i, (name, (x, y)) in enumerate(curves.items()):
        style = look(i)
        colors[name] = style["color"]
        size = 4 if len(x) <= 30 else 0
        axes.plot(x, _shown(y.mean, log), label=name, markersize=size, **style)
        if (y.high > y.low).any():
            low, high = _shown(y.low, log), _shown(y.high, log)
            axes.fill_between(x, low, high, color=style["color"], alpha=0.2, linewidth=0)
    for name, (x, y) in references.items():
        axes.plot(
            x,
            _shown(y.mean, log),
            "D:",
            color=colors.get(name, GREY),
            markerfacecolor="white",
            markersize=5,
            linewidth=1,
            label=f"{name}, published",
            zorder=3,
        )
    if log:
        axes.set_yscale("log")
        plain_log(axes.yaxis, op)
    axes.set_xlabel(xlabel)
    axes.set_ylabel(ylabel)
    if all(np.array_equal(x, np.round(x)) for x, _ in (*curves.values(), *references.values())):
        axes.xaxis.get_major_locator().set_params(integer=True)
    tidy(axes)
    legend_below(figure, axes, min(lines, columns))
    if title:
        axes.set_title(title)
    return figure


def _points(op: str, name: str, values: Any) -> tuple[Reals, Band]:
    if not isinstance(values, Mapping):
        y = band(op, name, values, 1)
        return np.arange(1.0, len(y.mean) + 1), y
    x = as_reals(op, f"{name}: x", list(values))
    rows = as_reals(op, name, list(values.values()))  # (X,), or (X, seeds)
    y = band(op, name, rows.T, 1)
    check_length(op, name, y.mean.size, x.size, "x")
    order = np.argsort(x, kind="stable")
    return x[order], Band(*(part[order] for part in y))


def _shown(y: Reals, log: bool) -> Reals:
    """Values that have a place in the picture; NaN for the others, which leaves a gap."""
    return np.where(np.isfinite(y) & ((y > 0) | (not log)), y, np.nan)
