"""Several settings, each trained with the same seeds: their numbers as tables and curves."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from examples.mini_project import History

COLUMNS = ("test accuracy in %, mean", "lowest seed", "highest seed", "training loss", "s / epoch")
FORMATS = (".2f", ".2f", ".2f", ".4f", ".2f")


def accuracies(results: Mapping[str, Sequence[History]]) -> dict[str, list[float]]:
    """Final test accuracy in %, one per seed; NaN where training diverged."""
    return {name: [each.percent for each in histories] for name, histories in results.items()}


def curves(
    results: Mapping[str, Sequence[History]], series: str, scale: float = 1.0
) -> dict[str, np.ndarray]:
    """A series of the histories as {setting: (seeds, epochs)}; NaN after a divergence.

    Args:
        series: "test_accuracy" or another list of a History.
        scale: 100 for shares in percent.
    """
    found = {}
    for name, histories in results.items():
        lists = [getattr(each, series) for each in histories]
        table = np.full((len(lists), max(map(len, lists), default=0)), np.nan)
        for row, values in zip(table, lists, strict=True):
            row[: len(values)] = np.multiply(scale, values)
        if table.shape[1]:
            found[name] = table
    return found


def cells(histories: Sequence[History]) -> list[Any]:
    """The cells of COLUMNS for one setting; None where there is no number."""
    percents = [each.percent for each in histories if math.isfinite(each.percent)]
    losses = [each.train_loss[-1] for each in histories if each.train_loss]
    band = [np.mean(percents), min(percents), max(percents)] if percents else [None] * 3
    return [*band, np.mean(losses) if losses else None, seconds(histories)]


def seconds(histories: Sequence[History]) -> float | None:
    """Seconds per epoch of training, the median over epochs and seeds; None without an epoch."""
    times = [second for each in histories for second in each.seconds]
    return float(np.median(times)) if times else None


def axis_start(values: Mapping[str, Sequence[float]]) -> float:
    """Where the axis of bars begins, so that differences show: a multiple of ten, in percent."""
    known = [each for numbers in values.values() for each in numbers if math.isfinite(each)]
    return max(0.0, 10.0 * math.floor((min(known, default=0.0) - 5) / 10))


def logarithmic(figure: Any) -> None:
    """A logarithmic x axis with plain numbers, for a figure of viz.plot_series."""
    for axes in figure.axes:
        axes.set_xscale("log")
        axes.xaxis.get_major_locator().set_params(subs=(1, 2, 5))
        axes.xaxis.set_major_formatter("{x:,g}")
