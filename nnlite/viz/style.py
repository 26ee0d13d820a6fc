"""What all pictures share: a figure without global state, colours, and a calm look.

Figures are about 6.4 inches wide with letters of 9 to 10 points: that is the width of a printed
page, and on a phone the letters can still be read. Colours are those of M. Okabe and K. Ito, "Color
Universal Design" (2008), which the colour-blind tell apart; markers or line styles differ as well,
so that a grey print serves too.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nnlite.errors import ArgumentError, DataError
from nnlite.extras import require

BLUE = "#0072B2"
ORANGE = "#D55E00"
GREY = "#666666"
COLORS = (BLUE, ORANGE, "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7A4B12")
MARKERS = "os^vD<>PX*"
LINES = ("-", "--", ":")

TRAIN, TEST = BLUE, ORANGE
RIGHT, WRONG = "#00629B", "#B34700"  # the same two, darker: they colour small letters
BAR = "#5B9BD5"  # light enough for black letters and whiskers upon it

SEQUENTIAL, DIVERGING = "viridis", "RdBu_r"

WIDTH = 6.4  # inches
LARGE = 400_000  # bytes
SMALL = 8.5  # points, for numbers inside a picture


def new_figure(width: float, height: float, op: str, dpi: int = 150) -> Any:
    """An empty matplotlib Figure of that size in inches; needs the extra ``plot``.

    Figures are made without pyplot: nothing is shown, registered or left open.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    figure = require("matplotlib.figure", "plot", op).Figure
    return figure(figsize=(width, height), layout="constrained", dpi=dpi)


def tidy(axes: Any, grid: str = "both") -> None:
    """A faint grid behind the data, and no frame at the top and right."""
    axes.grid(axis=grid, alpha=0.3)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def bare(axes: Any) -> None:
    """No ticks: for images, where they mean nothing."""
    axes.set_xticks([])
    axes.set_yticks([])


def look(i: int) -> dict[str, Any]:
    """Colour, line and marker of series i: no two of the first twenty are alike in colour and line.

    The arguments of ``Axes.plot``.
    """
    n = len(COLORS)
    return {
        "color": COLORS[i % n],
        "linestyle": LINES[i // n % len(LINES)],
        "marker": MARKERS[i % len(MARKERS)],
    }


def color_scale(figure: Any, axes: Any, image: Any, label: str, below: bool = False) -> Any:
    """The colours' meaning, exactly as long as the image's side: at the right, or below."""
    place = (0.0, -0.06, 1.0, 0.03) if below else (1.02, 0.0, 0.03, 1.0)
    bar = figure.colorbar(
        image,
        cax=axes.inset_axes(place),
        label=label,
        orientation="horizontal" if below else "vertical",
    )
    bar.outline.set_visible(False)
    return bar


def plain_log(axis: Any, op: str) -> None:
    """Numbers such as 0.1 and 10 on a logarithmic axis, more of them where it is short."""
    ticker = require("matplotlib.ticker", "plot", op)

    def between(value: float, _: int) -> str:
        low, high = axis.get_view_interval()
        digits = "23456789" if high < 4 * low else "235" if high < 40 * low else ""
        return f"{value:g}" if f"{value:e}"[0] in digits else ""

    axis.set_major_formatter(ticker.FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(ticker.FuncFormatter(between))


def minus(text: str) -> str:
    """A number with the minus sign that matplotlib writes on its axes."""
    return text.replace("-", "−")


def legend_below(figure: Any, axes: Any, columns: int) -> None:
    """A legend under the picture: beside or inside it, it would hide data or cost width."""
    handles, names = axes.get_legend_handles_labels()
    figure.legend(
        handles, names, loc="outside lower center", ncols=columns, frameon=False, fontsize=9
    )


def save(figure: Any, path: str | Path) -> Path:
    """Write a figure as a picture file (PNG, SVG, PDF by the ending); returns the path.

    A PNG of more than 400 kB (hundreds of tiles of noise) is cut to its 256 best colours, a quarter
    of the size: reports hold several of them.

    Raises:
        DataError: the file cannot be written.
        ArgumentError: an ending that matplotlib does not know.
    """
    path = Path(path)
    endings = sorted(figure.canvas.get_supported_filetypes())
    if path.suffix.lower().lstrip(".") not in endings:
        raise ArgumentError(
            "viz.save",
            "path",
            expected=f"a name that ends in .{', .'.join(endings)}",
            got=path.name,
            hint="png is for screens, pdf and svg for print",
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi="figure")
        if path.suffix.lower() == ".png" and path.stat().st_size > LARGE:
            _use_palette(path)
    except OSError as error:
        raise DataError(
            "viz.save",
            str(path),
            expected="a place that can be written",
            got=str(error),
            hint="choose another folder",
        ) from error
    return path


def _use_palette(path: Path) -> None:
    pillow = require("PIL.Image", "plot", "viz.save")  # comes with matplotlib
    with pillow.open(path) as picture:
        dpi = picture.info.get("dpi", (100, 100))
        small = picture.convert("RGB").quantize(256, method=pillow.Quantize.MAXCOVERAGE, dither=0)
    small.save(path, dpi=dpi)
