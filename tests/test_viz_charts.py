"""Charts of numbers: the data are read back from the figure."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from matplotlib.collections import PolyCollection
from matplotlib.text import Text

import nnlite
from nnlite import viz
from nnlite.errors import ArgumentError, DtypeError, ShapeError
from nnlite.metrics import roc_auc

NAN = float("nan")


def _legend(figure: Any) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


def _lines(axes: Any) -> dict[str, tuple[list[float], list[float]]]:
    return {
        line.get_label(): (list(line.get_xdata()), list(line.get_ydata())) for line in axes.lines
    }


# -- plot_series -----------------------------------------------------------------------------


def test_series_and_published_points() -> None:
    figure = viz.plot_series(
        {"a": [3.0, 2.0, 1.0], "b": nnlite.tensor([5.0, 4.0])},
        "loss",
        published={"a": {3: 0.9, 1: 3.1}, "c": [7.0]},
        title="t",
    )
    axes = figure.axes[0]
    assert _lines(axes) == {
        "a": ([1, 2, 3], [3, 2, 1]),
        "b": ([1, 2], [5, 4]),
        "a, published": ([1, 3], [3.1, 0.9]),
        "c, published": ([1], [7]),
    }
    assert _legend(figure) == list(_lines(axes))
    a, b, of_a, of_c = (line.get_color() for line in axes.lines)
    assert of_a == a
    assert len({a, b, of_c}) == 3
    assert (axes.get_xlabel(), axes.get_ylabel(), axes.get_title()) == ("epoch", "loss", "t")


def test_series_over_seeds_have_a_band() -> None:
    figure = viz.plot_series({"a": [[1.0, 5.0], [3.0, 5.5], [2.0, 6.0]], "b": [1.0, 1.0]}, "y")
    axes = figure.axes[0]
    assert _lines(axes)["a"] == ([1, 2], [2, 5.5])
    (band,) = [c for c in axes.collections if isinstance(c, PolyCollection)]
    assert set(map(tuple, band.get_paths()[0].vertices)) == {(1, 1), (1, 3), (2, 5), (2, 6)}


def test_series_by_x_with_a_value_for_each_seed() -> None:
    # as many seeds as x: rows belong to x, whatever the counts
    axes = viz.plot_series({"a": {10: [1.0, 3.0], 20: [5.0, 9.0]}}, "y").axes[0]
    np.testing.assert_array_equal(axes.lines[0].get_xydata(), [[10, 2], [20, 7]])


def test_what_has_no_place_leaves_a_gap() -> None:
    linear = viz.plot_series({"a": [1.0, NAN, float("inf"), -2.0]}, "y").axes[0]
    np.testing.assert_array_equal(linear.lines[0].get_ydata(), [1, NAN, NAN, -2])
    log = viz.plot_series({"a": [1.0, 0.0, -2.0, 4.0]}, "y", log=True).axes[0]
    np.testing.assert_array_equal(log.lines[0].get_ydata(), [1, NAN, NAN, 4])
    assert log.get_yscale() == "log"


def test_ten_series_can_be_told_apart() -> None:
    axes = viz.plot_series({str(i): [1.0, i] for i in range(20)}, "y").axes[0]
    assert len({(line.get_color(), line.get_linestyle()) for line in axes.lines}) == 20


def test_plain_numbers_on_a_log_axis() -> None:
    figure = viz.plot_series({"a": [0.4, 0.9]}, "y", log=True)
    figure.draw_without_rendering()
    axis = figure.axes[0].yaxis
    shown = [t.get_text() for t in axis.get_ticklabels(which="both") if t.get_text()]
    assert {"0.5", "0.6", "0.8"} <= set(shown)


# -- plot_bars, plot_class_accuracy ----------------------------------------------------------


def _texts(axes: Any) -> list[str]:
    return [text.get_text() for text in axes.texts]


def _names(axes: Any) -> list[str]:
    return [text.get_text() for text in axes.get_yticklabels()]


def test_bars() -> None:
    figure = viz.plot_bars(
        {"Adam": [86.0, 88.0, 87.0], "SGD": 83.25, "Rprop": NAN},
        "accuracy in %",
        published={"SGD": 84.0},
        digits=1,
    )
    axes = figure.axes[0]
    assert [bar.get_width() for bar in axes.patches] == [87, 83.25, 0]
    assert _names(axes) == ["Adam", "SGD", "Rprop"]
    assert _texts(axes) == ["87.0", "83.2", "no value"]
    (whisker,) = axes.collections
    np.testing.assert_allclose(whisker.get_segments(), [[[86, 0], [88, 0]]])
    diamond = next(line for line in axes.lines if line.get_label() == "published")
    assert (list(diamond.get_xdata()), list(diamond.get_ydata())) == ([84], [1])
    assert axes.get_xlim()[0] == 0
    assert axes.get_xlim()[1] > 88
    assert axes.get_ylim()[0] > axes.get_ylim()[1]  # the first name at the top


def test_bars_whose_axis_does_not_begin_at_zero() -> None:
    axes = viz.plot_bars({"a": 87.0, "b": 85.0}, "accuracy in %", start=80).axes[0]
    assert axes.get_xlim()[0] == 80
    assert axes.get_xlabel() == "accuracy in % (axis from 80)"
    assert viz.plot_bars({"a": 70.0}, "x", start=80).axes[0].get_xlim()[0] == 70  # not hidden


def test_bars_below_zero() -> None:
    axes = viz.plot_bars({"a": -1.5, "b": 2.0}, "gap in points").axes[0]
    assert [bar.get_width() for bar in axes.patches] == [-1.5, 2]
    assert _texts(axes) == ["−1.50", "2.00"]
    assert axes.get_xlim()[0] < -1.5


def test_bars_of_nothing_but_nan() -> None:
    assert _texts(viz.plot_bars({"a": NAN}, "x").axes[0]) == ["no value"]


def test_class_accuracy_in_pairs() -> None:
    figure = viz.plot_class_accuracy(
        ["shoe", "bag"], [[80.0, 90.0], [84.0, 92.0]], [83.0, NAN], names=("ours", "theirs")
    )
    axes = figure.axes[0]
    assert [bar.get_width() for bar in axes.patches] == [82, 91, 83, 0]
    assert _texts(axes) == ["82.0", "91.0", "83.0", "no value"]
    assert _legend(figure) == ["ours", "theirs"]
    centres = [bar.get_y() + bar.get_height() / 2 for bar in axes.patches]
    np.testing.assert_allclose(np.add(centres[:2], centres[2:]) / 2, [0, 1], atol=1e-12)
    assert centres[0] < centres[2]
    (whiskers,) = axes.collections
    np.testing.assert_allclose(np.array(whiskers.get_segments())[:, :, 0], [[80, 84], [90, 92]])


def test_class_accuracy_alone() -> None:
    figure = viz.plot_class_accuracy(["shoe", "bag"], nnlite.tensor([80.0, 90.0]))
    assert [bar.get_width() for bar in figure.axes[0].patches] == [80, 90]
    assert not figure.legends


# -- plot_scatter ----------------------------------------------------------------------------


def test_scatter_names_do_not_cover_each_other() -> None:
    crowd = {f"optimizer {i}": (10 + 0.1 * i, 85 + 0.1 * (i % 3)) for i in range(8)}
    figure = viz.plot_scatter(crowd | {"far": (60, 20)}, "s", "%")
    figure.draw_without_rendering()
    axes = figure.axes[0]
    assert {text.get_text(): text.xy for text in axes.texts} == crowd | {"far": (60, 20)}
    letters = [Text.get_window_extent(text) for text in axes.texts]  # without the leader lines
    assert len(letters) == 9
    for i, a in enumerate(letters):
        assert axes.bbox.contains(*a.min)
        assert axes.bbox.contains(*a.max)
        assert not any(a.overlaps(b) for b in letters[:i])


def test_scatter_with_seeds_and_a_point_without_place() -> None:
    figure = viz.plot_scatter(
        {"a": ([1.0, 3.0], [10.0, 20.0]), "b": (5, NAN)}, "time in s", "accuracy in %", log_x=True
    )
    axes = figure.axes[0]
    assert [text.get_text() for text in axes.texts] == ["a"]
    assert axes.texts[0].xy == (2, 15)
    assert axes.get_xlabel() == "time in s\nnot shown, as it has no finite value: b"
    ends = {tuple(map(tuple, segment)) for c in axes.collections for segment in c.get_segments()}
    assert ends == {((1, 15), (3, 15)), ((2, 10), (2, 20))}
    assert axes.get_xscale() == "log"


# -- plot_roc --------------------------------------------------------------------------------


def _roc(noise: float) -> Any:
    rng = np.random.default_rng(0)
    targets = np.arange(300) % 3
    scores = np.eye(3)[targets] + noise * rng.random((300, 3))
    return roc_auc(targets, scores / scores.sum(axis=1, keepdims=True))


@pytest.mark.parametrize(("noise", "enlarged"), [(1.2, True), (20.0, False)])
def test_roc(noise: float, enlarged: bool) -> None:
    roc = _roc(noise)
    assert (roc.micro_auc > 0.9) == enlarged
    figure = viz.plot_roc(roc, ["a", "b", "c"])
    axes = figure.axes[0]
    curves = [*roc.curves, roc.micro, roc.macro]
    for panel in [axes, *axes.child_axes]:
        for line, curve in zip(panel.lines, curves, strict=False):
            np.testing.assert_array_equal(line.get_xdata(), curve.fpr)
            np.testing.assert_array_equal(line.get_ydata(), curve.tpr)
    assert len(axes.child_axes) == enlarged
    assert set(_legend(figure)) == {
        *(f"{name}: AUC {area:.4f}" for name, area in zip("abc", roc.auc, strict=True)),
        f"micro average: AUC {roc.micro_auc:.4f}",
        f"macro average of curves: AUC {roc.macro_curve_auc:.4f}",
        f"macro average of AUCs: AUC {roc.macro_auc:.4f}",
        "guessing: AUC 0.5",
    }


def test_roc_of_a_class_without_images() -> None:
    names = _legend(viz.plot_roc(roc_auc([0, 1], np.eye(3)[:2]), ["a", "b", "c"]))
    assert "c: not defined" in names
    assert "macro average of AUCs: not defined" in names


# -- bad input -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("draw", "error", "words"),
    [
        (lambda: viz.plot_series({}, "y"), ShapeError, "series.*at least one"),
        (lambda: viz.plot_series({"a": []}, "y"), ShapeError, "a: expected"),
        (lambda: viz.plot_series({"a": {}}, "y"), ShapeError, "a: expected"),
        (lambda: viz.plot_series({"a": [[1.0, 2.0], [1.0]]}, "y"), ShapeError, "equal lengths"),
        (lambda: viz.plot_series({"a": ["x"]}, "y"), DtypeError, "numbers"),
        (
            lambda: viz.plot_series({"a": [1.0]}, "y", published={"a": []}),
            ShapeError,
            "a: expected",
        ),
        (lambda: viz.plot_bars({}, "x"), ShapeError, "values.*at least one"),
        (lambda: viz.plot_bars({"a": []}, "x"), ShapeError, "a: expected"),
        (lambda: viz.plot_bars({"a": [[1.0]]}, "x"), ShapeError, r"got shape \(1, 1\)"),
        (lambda: viz.plot_bars({"a": 1}, "x", published={"b": 1}), ArgumentError, "got 'b'"),
        (lambda: viz.plot_bars({"a": 1}, "x", start=NAN), ArgumentError, "start"),
        (lambda: viz.plot_class_accuracy([], []), ShapeError, "classes"),
        (lambda: viz.plot_class_accuracy(["a"], [1.0, 2.0]), ShapeError, "reproduced: expected 1"),
        (lambda: viz.plot_class_accuracy(["a"], [1.0], [1.0, 2.0]), ShapeError, "published: exp"),
        (lambda: viz.plot_class_accuracy(["a"], [101.0]), ArgumentError, "percent"),
        (lambda: viz.plot_class_accuracy(["a"], [-1.0]), ArgumentError, "percent"),
        (lambda: viz.plot_scatter({}, "x", "y"), ShapeError, "points"),
        (lambda: viz.plot_scatter({"a": (1, 2, 3)}, "x", "y"), ShapeError, "got 3 values"),
        (lambda: viz.plot_scatter({"a": (0, 1)}, "x", "y", log_x=True), ArgumentError, "above 0"),
        (lambda: viz.plot_roc(_roc(1.0), ["a"]), ShapeError, "classes: expected 3"),
    ],
)
def test_bad_input(draw, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words) as caught:
        draw()
    assert "hint" in str(caught.value)
