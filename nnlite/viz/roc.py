"""ROC curves of all classes in one picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nnlite.extras import require
from nnlite.metrics.roc import RocAuc
from nnlite.viz.inputs import check_length
from nnlite.viz.style import GREY, WIDTH, legend_below, look, new_figure, tidy


def plot_roc(roc: RocAuc, classes: Sequence[str], title: str = "") -> Any:
    """True against false positive rate: each class against the rest, micro and macro average.

    The areas under the curves stand in the legend. Where the curves crowd in the upper left corner
    (micro-averaged area above 0.9), a second panel enlarges it.

    Args:
        roc: what ``nnlite.metrics.roc_auc`` returned.
        classes: K names.
        title: stands above.

    Returns:
        a matplotlib Figure.

    Raises:
        ShapeError: another number of names.
        MissingExtraError: matplotlib is not installed (extra ``plot``).
    """
    op = "plot_roc"
    check_length(op, "classes", len(classes), len(roc.curves), "class")
    figure = new_figure(WIDTH, 5.9 + 0.2 * -(-(len(classes) + 4) // 2), op)
    axes = figure.subplots()
    panels = [axes]
    if roc.micro_auc > 0.9:
        panels.append(_enlarged(axes))
    for panel in panels:
        for i, (curve, area) in enumerate(zip(roc.curves, roc.auc, strict=True)):
            style = look(i) | {"marker": None}
            panel.plot(curve.fpr, curve.tpr, label=_named(classes[i], area), lw=1.3, **style)
        for name, curve, area, color, line in (
            ("micro average", roc.micro, roc.micro_auc, "black", "-"),
            ("macro average of curves", roc.macro, roc.macro_curve_auc, "#AA3377", "--"),
        ):
            panel.plot(
                curve.fpr,
                curve.tpr,
                color=color,
                linestyle=line,
                lw=2.2,
                label=_named(name, area),
            )
        panel.plot([0, 1], [0, 1], color=GREY, linestyle=":", lw=1, label="guessing: AUC 0.5")
        tidy(panel)
    # the mean of the areas has no curve: it is in the legend only
    axes.plot([], [], " ", label=_named("macro average of AUCs", roc.macro_auc))
    axes.set_xlim(-0.01, 1.01)
    axes.set_ylim(-0.01, 1.01)
    axes.set_xlabel("false positive rate (share of the other classes taken in)")
    axes.set_ylabel("true positive rate (share of the class found)")
    legend_below(figure, axes, 2)
    if title:
        axes.set_title(title)
    return figure


def _enlarged(axes: Any) -> Any:
    """A panel for the corner where good classifiers have their curves, on an empty ground."""
    rectangle = require("matplotlib.patches", "plot", "plot_roc").Rectangle
    ground = rectangle(
        (0.3, 0.03),
        0.68,
        0.71,
        transform=axes.transAxes,
        facecolor="white",
        edgecolor="#CCCCCC",
        zorder=3,
    )
    axes.add_patch(ground)
    inset = axes.inset_axes((0.39, 0.1, 0.57, 0.57))
    inset.set_xlim(-0.004, 0.2)
    inset.set_ylim(0.8, 1.004)
    inset.locator_params(nbins=4)
    inset.tick_params(labelsize=8)
    inset.set_title("upper left corner, enlarged", fontsize=9)
    return inset


def _named(name: str, area: float) -> str:
    return f"{name}: AUC {area:.4f}" if area == area else f"{name}: not defined"
