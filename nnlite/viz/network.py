"""A drawing of a network: boxes from the input at the top to the output at the bottom."""

from __future__ import annotations

from typing import Any

from nnlite.extras import require
from nnlite.nn.module import Module
from nnlite.viz.graph import Layer, NetworkGraph, network_graph
from nnlite.viz.style import BLUE, GREY, WIDTH, new_figure

STEP = 0.72  # inches from one level to the next
HIGH = 0.46  # of a box
LETTER = 0.074  # inches, the mean width of one of 9 points


def plot_network(model: Module | NetworkGraph, *inputs: Any, title: str = "") -> Any:
    """Layers and ops of a network as boxes, with shapes and numbers of parameters.

    Blue boxes are layers with parameters, white ones layers and ops without, grey ones inputs. A
    layer stands one level below the last of those that it needs; arrows that skip levels run at the
    right.

    Args:
        model: a Module, or what ``network_graph`` returned.
        inputs: for a Module what its forward takes: Tensors of an example batch.
        title: stands above, before the number of parameters.

    Returns:
        a matplotlib Figure.

    Raises:
        DtypeError, GraphError: as ``network_graph``.
        MissingExtraError: matplotlib is not installed (extra ``plot``).
    """
    graph = model if isinstance(model, NetworkGraph) else network_graph(model, *inputs)
    levels = _levels(graph)
    rows = [[i for i, level in enumerate(levels) if level == n] for n in range(max(levels) + 1)]
    height = STEP * len(rows) + 0.35
    figure = new_figure(WIDTH, height, "plot_network")
    figure.set_layout_engine("none")  # everything is placed in inches
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, WIDTH)
    axes.set_ylim(height, 0)
    axes.set_axis_off()
    skips = any(levels[i] - levels[s] > 1 for i, x in enumerate(graph.layers) for s in x.sources)
    room = WIDTH - (1.0 if skips else 0.2)
    centres: dict[int, tuple[float, float]] = {}
    widths: dict[int, float] = {}
    for n, row in enumerate(rows):
        for j, i in enumerate(row):
            widths[i] = min(5.0, room / len(row) - 0.15)
            centres[i] = (0.1 + room * (j + 0.5) / len(row), 0.35 + STEP * n + HIGH / 2)
            _box(axes, graph.layers[i], centres[i], widths[i])
    for i, layer in enumerate(graph.layers):
        for source in layer.sources:
            far = levels[i] - levels[source] > 1
            _arrow(axes, centres[source], centres[i], (widths[source], widths[i]) if far else None)
    text = f"{title}{': ' if title else ''}{graph.parameter_count:,} parameters"
    axes.text(0.1 + room / 2, 0.2, text, ha="center", va="center", fontsize=10.5)
    return figure


def _levels(graph: NetworkGraph) -> list[int]:
    """The longest way from an input or a source to each layer."""
    levels: list[int] = []
    for layer in graph.layers:
        levels.append(max((levels[source] + 1 for source in layer.sources), default=0))
    return levels


def _box(axes: Any, layer: Layer, centre: tuple[float, float], width: float) -> None:
    patches = require("matplotlib.patches", "plot", "plot_network")
    x, y = centre
    is_input = not layer.kind
    tint = "#E6E6E6" if is_input else "#CFE4F5" if layer.parameters else "white"
    axes.add_patch(
        patches.FancyBboxPatch(
            (x - width / 2, y - HIGH / 2),
            width,
            HIGH,
            boxstyle="round,pad=0,rounding_size=0.06",
            facecolor=tint,
            edgecolor=GREY,
            linewidth=0.8,
        )
    )
    full, short = (
        ": ".join(filter(None, (layer.name, k))) for k in (layer.kind, layer.kind.partition("(")[0])
    )
    title = full if len(full) * LETTER < width else short
    axes.text(x, y - 0.09, title, ha="center", va="center", fontsize=9)
    axes.text(x, y + 0.11, _sizes(layer), ha="center", va="center", fontsize=8, color="#404040")


def _sizes(layer: Layer) -> str:
    """Shape of the output, and of each parameter by its last name."""
    parts = ["×".join(map(str, layer.shape)) or "one number"]
    for name, shape in layer.parameters.items():
        parts.append(f"{name.rpartition('.')[2]} {'×'.join(map(str, shape))}")
    return " · ".join(parts)


def _arrow(
    axes: Any,
    start: tuple[float, float],
    end: tuple[float, float],
    around: tuple[float, float] | None,
) -> None:
    """From the lower edge of a box to the upper edge of the next; or around those between."""
    if around is None:
        (x, y), (u, v) = (start[0], start[1] + HIGH / 2), (end[0], end[1] - HIGH / 2)
        bend = "arc3"
    else:
        (x, y), (u, v) = (start[0] + around[0] / 2, start[1]), (end[0] + around[1] / 2, end[1])
        bend = f"arc3,rad=-{min(0.5, 0.9 / (v - y)):.2f}"  # bulges less than an inch
    style = {"arrowstyle": "-|>", "color": BLUE if around else GREY, "shrinkA": 0, "shrinkB": 0}
    axes.annotate("", (u, v), (x, y), arrowprops=style | {"connectionstyle": bend})
