"""Named numbers as horizontal bars: the names can be read, and the values stand beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nnlite.errors import ArgumentError
from nnlite.viz.inputs import Band, band, check_length, need_some
from nnlite.viz.style import BAR, ORANGE, SMALL, WIDTH, legend_below, minus, new_figure, tidy


def plot_bars(
    values: Mapping[str, Any],
    xlabel: str,
    *,
    published: Mapping[str, float] | None = None,
    digits: int = 2,
    start: float = 0.0,
    title: str = "",
) -> Any:
    """A bar for each name, its value at the right, and a whisker over the range of several seeds.

    Args:
        values: by name a number; or a list with one per seed, shown as the mean with a whisker from
            the smallest to the largest. NaN is written as "no value".
        xlabel: what is measured, with its unit.
        published: by name a number, shown as a diamond on its bar.
        digits: of the numbers, after the point.
        start: where the axis begins; lower where a value is. Said under the axis unless it is 0.
        title: stands above.

    Returns:
        a matplotlib Figure.

    Raises:
        ShapeError: no values.
        DtypeError: values that are no numbers.
        ArgumentError: a published value for a name without a bar; a start that is not finite.
        MissingExtraError: matplotlib is not installed (extra ``plot``).
    """
    op = "plot_bars"
    need_some(op, "values", values)
    bands = [band(op, name, value, 0) for name, value in values.items()]
    names, given = list(values), dict(published or {})
    for name in given:
        if name not in values:
            raise ArgumentError(
                op, "published", expected=f"names among {names}", got=repr(name), hint="see values"
            )
    figure = new_figure(WIDTH, 0.9 + 0.36 * len(names) + 0.25 * bool(given), op)
    axes = figure.subplots()
    _bars(axes, np.arange(len(names)), 0.66, bands, digits, "reproduced", color=BAR)
    if given:
        places = [names.index(name) for name in given]
        axes.plot(
            list(given.values()),
            places,
            "D",
            color=ORANGE,
            markerfacecolor="white",
            markeredgewidth=1.5,
            label="published",
            zorder=4,
        )
        legend_below(figure, axes, 2)
    ends = [number for b in bands for number in b] + [np.asarray(v) for v in given.values()]
    _scale(op, axes, names, np.array(ends, dtype=np.float64), start)
    axes.set_xlabel(xlabel if not axes.get_xlim()[0] > 0 else f"{xlabel} (axis from {start:g})")
    if title:
        axes.set_title(title)
    return figure


def plot_class_accuracy(
    classes: Sequence[str],
    reproduced: Any,
    published: Any = None,
    *,
    names: tuple[str, str] = ("reproduced", "published"),
    title: str = "",
) -> Any:
    """The accuracy of each class, in pairs where there are published values.

    Args:
        classes: K names.
        reproduced: percent, (K,); or (seeds, K), shown as the mean with a whisker over the range.
        published: percent, (K,).
        names: of the two, for the legend; any two results can be compared.
        title: stands above.

    Returns:
        a matplotlib Figure.

    Raises:
        ShapeError: no classes, or other numbers of values.
        ArgumentError: values outside 0 to 100.
        MissingExtraError: matplotlib is not installed (extra ``plot``).
    """
    op = "plot_class_accuracy"
    need_some(op, "classes", dict.fromkeys(classes))
    k = len(classes)
    pairs = []
    for argument, given in (("reproduced", reproduced), ("published", published)):
        if given is None:
            continue
        b = band(op, argument, given, 1)
        check_length(op, argument, b.mean.size, k, "class")
        if (b.low < 0).any() or (b.high > 100).any():
            raise ArgumentError(
                op,
                argument,
                expected="percent, 0 to 100",
                got=f"{b.low.min():g} to {b.high.max():g}",
                hint="the share of nnlite.metrics.class_accuracy times 100",
            )
        pairs.append([Band(*numbers) for numbers in zip(*b, strict=True)])
    two = len(pairs) == 2
    figure = new_figure(WIDTH, 0.9 + (0.5 if two else 0.36) * k + 0.25 * two, op)
    axes = figure.subplots()
    height = 0.4 if two else 0.66
    looks = ({"color": BAR}, {"color": "white", "edgecolor": ORANGE, "hatch": "////"})
    for i, (bands, name, style) in enumerate(zip(pairs, names, looks, strict=False)):
        offset = (i - 0.5) * height if two else 0.0
        _bars(axes, np.arange(k) + offset, 0.9 * height, bands, 1, name, **style)
    _scale(op, axes, list(classes), np.array([100.0]), 0.0)
    axes.set_xlabel("accuracy of the class in %")
    if two:
        legend_below(figure, axes, 2)
    if title:
        axes.set_title(title)
    return figure


def _bars(
    axes: Any, y: Any, height: float, bands: Sequence[Band], digits: int, label: str, **style: Any
) -> None:
    mean = np.array([float(b.mean) for b in bands])
    low = np.array([float(b.low) for b in bands])
    high = np.array([float(b.high) for b in bands])
    there = np.isfinite(mean)
    axes.barh(y, np.where(there, mean, 0.0), height, label=label, **style)
    ranged = there & (high > low)
    if ranged.any():
        reach = [(mean - low)[ranged], (high - mean)[ranged]]
        axes.errorbar(
            mean[ranged],
            y[ranged],
            xerr=reach,
            fmt="none",
            ecolor="black",
            elinewidth=1.2,
            capsize=3,
        )
    for place, value in zip(y, mean, strict=True):
        text = minus(f"{value:.{digits}f}") if np.isfinite(value) else "no value"
        axes.annotate(  # in a column at the right, where no whisker or diamond is in the way
            text,
            (1.0, place),
            xycoords=axes.get_yaxis_transform(),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            fontsize=SMALL,
        )


def _scale(op: str, axes: Any, names: Sequence[str], ends: Any, start: float) -> None:
    """Names from top to bottom, and room for the numbers at the right."""
    if not np.isfinite(start):
        raise ArgumentError(
            op, "start", expected="a finite number", got=str(start), hint="0 shows whole bars"
        )
    finite = ends[np.isfinite(ends)]
    left = min(start, float(finite.min())) if finite.size else start
    right = max(0.0, float(finite.max())) if finite.size else start + 1.0
    room = 0.03 * ((right - left) or 1.0)
    axes.set_xlim(left - room * (left < 0), right + room)
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)
    tidy(axes, "x")
    axes.spines["left"].set_visible(left >= 0)
    axes.tick_params(axis="y", length=0)
