"""Two quantities of several things, such as time and accuracy, with a name at each point."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nnlite.errors import ArgumentError, ShapeError
from nnlite.viz.inputs import Band, band, need_some
from nnlite.viz.style import GREY, SMALL, WIDTH, look, new_figure, plain_log, tidy

# where a name may stand, nearest first: points to the right of its point, and above it
_WAYS = ((1, 0), (-1, 0), (0, 1), (0, -1), (0.8, 0.8), (-0.8, 0.8), (0.8, -0.8), (-0.8, -0.8))
_PLACES = [(right * reach, up * reach) for reach in (7, 14, 24, 36, 50, 66) for right, up in _WAYS]


def plot_scatter(
    points: Mapping[str, tuple[Any, Any]],
    xlabel: str,
    ylabel: str,
    *,
    log_x: bool = False,
    title: str = "",
) -> Any:
    """A point for each name, for example seconds against accuracy; names do not cover each other.

    Args:
        points: by name (x, y), each a number or a list with one per seed, shown as the mean with
            whiskers from the smallest to the largest. Points without a finite place are named below
            the picture.
        xlabel, ylabel: what is measured, with its unit.
        log_x: a logarithmic scale for x.
        title: stands above.

    Returns:
        a matplotlib Figure.

    Raises:
        ShapeError: no points, or one that is not a pair.
        ArgumentError: an x that is not positive on a logarithmic scale.
        DtypeError: values that are no numbers.
        MissingExtraError: matplotlib is not installed (extra ``plot``).
    """
    op = "plot_scatter"
    need_some(op, "points", points)
    places = {name: _pair(op, name, pair) for name, pair in points.items()}
    if log_x and any(x.low <= 0 for x, _ in places.values()):
        raise ArgumentError(
            op, "points", expected="x above 0", got="0 or less", hint="log_x=False shows them"
        )
    shown = {n: p for n, p in places.items() if np.isfinite([*p[0], *p[1]]).all()}
    figure = new_figure(WIDTH, 4.6, op)
    axes = figure.subplots()
    if log_x:
        axes.set_xscale("log")
        plain_log(axes.xaxis, op)
    for i, (x, y) in enumerate(shown.values()):
        style = look(i)
        axes.errorbar(
            x.mean,
            y.mean,
            xerr=[[x.mean - x.low], [x.high - x.mean]],
            yerr=[[y.mean - y.low], [y.high - y.mean]],
            fmt=style["marker"],
            color=style["color"],
            markersize=6,
            elinewidth=1,
            capsize=2,
        )
    axes.margins(0.12)
    missing = [name for name in places if name not in shown]
    note = f"\nnot shown, as it has no finite value: {', '.join(missing)}" if missing else ""
    axes.set_xlabel(xlabel + note)
    axes.set_ylabel(ylabel)
    tidy(axes)
    if title:
        axes.set_title(title)
    _name(figure, axes, shown)
    return figure


def _pair(op: str, name: str, pair: Sequence[Any]) -> tuple[Band, Band]:
    if len(pair) != 2:
        raise ShapeError(
            op,
            name,
            expected="(x, y)",
            got=f"{len(pair)} values",
            hint="seeds go into lists in x and y",
        )
    return band(op, f"{name}: x", pair[0], 0), band(op, f"{name}: y", pair[1], 0)


def _name(figure: Any, axes: Any, places: Mapping[str, tuple[Band, Band]]) -> None:
    """Put each name at the nearest place that is free of points, of other names and of the edge."""
    figure.draw_without_rendering()  # fixes where the axes stand
    figure.set_layout_engine("none")
    reach = 4.5 * figure.dpi / 72  # of a marker
    taken = []
    for x, y in places.values():
        corners = axes.transData.transform([(x.low, y.low), (x.high, y.high), (x.mean, y.mean)])
        (left, low), (right, high), (px, py) = corners
        taken.append((left, py - reach / 2, right, py + reach / 2))  # the whiskers
        taken.append((px - reach / 2, low, px + reach / 2, high))
        taken.append((px - reach, py - reach, px + reach, py + reach))
    inside = axes.get_window_extent().extents
    for name, (x, y) in places.items():
        point = (float(x.mean), float(y.mean))
        trial = axes.annotate(name, point, (0, 0), textcoords="offset points", fontsize=SMALL)
        options = []
        for offset in _PLACES:
            trial.set(position=offset, **_sides(*offset))
            box = trial.get_window_extent().extents
            hidden = sum(_overlap(box, other) for other in taken) + _outside(box, inside)
            options.append((hidden, offset, box))
        trial.remove()
        best = min(range(len(options)), key=lambda i: options[i][0])  # the first of several
        _, offset, box = options[best]
        taken.append(tuple(box))
        axes.annotate(
            name,
            point,
            xytext=offset,
            textcoords="offset points",
            fontsize=SMALL,
            arrowprops={"arrowstyle": "-", "color": GREY, "lw": 0.6}
            if best >= len(_WAYS) / 2
            else None,
            **_sides(*offset),
        )


def _sides(right: float, up: float) -> dict[str, str]:
    """Which side of a name faces the point from which it is (right, up)."""
    return {
        "ha": "left" if right > 0 else "right" if right < 0 else "center",
        "va": "bottom" if up > 0 else "top" if up < 0 else "center",
    }


def _overlap(a: Any, b: Any) -> float:
    """The area that two boxes (left, bottom, right, top) share."""
    return float(
        max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    )


def _outside(a: Any, frame: Any) -> float:
    """The area of a box that lies outside a frame."""
    return float((a[2] - a[0]) * (a[3] - a[1])) - _overlap(a, frame)
