"""What all pictures share: a figure without global state, and a few colours."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nnlite.errors import DataError
from nnlite.extras import require

RIGHT = "#1b7837"
WRONG = "#c51b1b"
TRAIN = "#1f5fa8"
TEST = "#d9822b"


def new_figure(width: float, height: float, op: str) -> Any:
    """An empty matplotlib Figure of that size in inches; needs the extra ``plot``.

    Figures are made without pyplot: nothing is shown, registered or left open.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    figure = require("matplotlib.figure", "plot", op).Figure
    return figure(figsize=(width, height), layout="constrained")


def save(figure: Any, path: str | Path) -> Path:
    """Write a figure as a picture file (PNG, SVG, PDF by the ending); returns the path.

    Raises:
        DataError: the file cannot be written.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=120)
    except OSError as error:
        raise DataError(
            "viz.save",
            str(path),
            expected="a place that can be written",
            got=str(error),
            hint="choose another folder",
        ) from error
    return path
