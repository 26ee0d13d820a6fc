"""What all pictures share: saving, no global state, the extra that is missing; the first three."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import nnlite
from nnlite import viz
from nnlite.errors import (
    ArgumentError,
    DataError,
    MissingExtraError,
    NnliteIndexError,
    ShapeError,
)


def test_curves_show_the_series() -> None:
    figure = viz.plot_curves([3.0, 1.0], [2.5, 1.5], [0.1, 0.8], [0.2, 0.7], "a run")
    loss, right = figure.axes
    assert [list(line.get_ydata()) for line in loss.lines] == [[3.0, 1.0], [2.5, 1.5]]
    assert [list(line.get_ydata()) for line in right.lines] == [[10.0, 80.0], [20.0, 70.0]]
    assert list(loss.lines[0].get_xdata()) == [1, 2]
    assert figure._suptitle.get_text() == "a run"


def test_confusion_shows_every_count() -> None:
    matrix = np.array([[5, 1, 0], [0, 7, 2], [3, 0, 9]])
    figure = viz.plot_confusion(nnlite.tensor(matrix), ["a", "b", "c"])
    shown = {tuple(map(int, t.get_position())): t.get_text() for t in figure.axes[0].texts}
    expected = {(j, i): str(matrix[i, j]) for i in range(3) for j in range(3) if matrix[i, j]}
    assert shown == expected
    share = np.asarray(figure.axes[0].images[0].get_array())
    np.testing.assert_allclose(share.sum(axis=1), 1)


def test_predictions_mark_right_and_wrong() -> None:
    images = np.arange(48.0).reshape(3, 4, 4)
    figure = viz.plot_predictions(
        nnlite.tensor(images), [0, 1, 1], [0, 0, 1], ["shoe", "bag"], [0.9, 0.5, 1.0], columns=2
    )
    titles = [axes.get_title() for axes in figure.axes]
    assert titles == ["✓ shoe\n90 %", "✗ shoe\n50 %", "✓ bag\n100 %", ""]
    assert [axes.get_xlabel() for axes in figure.axes][:3] == ["", "is: bag", ""]
    shown = [np.asarray(axes.images[0].get_array()) for axes in figure.axes[:3]]
    np.testing.assert_array_equal(shown, images)
    assert not figure.axes[3].axison  # the empty place


def test_save_writes_a_png(tmp_path: Path) -> None:
    path = viz.save(viz.plot_confusion([[1]], ["a"]), tmp_path / "new" / "a.png")
    assert path.read_bytes().startswith(b"\x89PNG")


def test_a_large_png_gets_a_palette(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).normal(size=(400, 784))
    figure = viz.plot_tiles(noise)
    figure.draw_without_rendering()
    figure.set_layout_engine("none")  # each drawing would move the axes by a pixel
    path = viz.save(figure, tmp_path / "noise.png")
    plain = tmp_path / "plain.png"
    figure.savefig(plain, dpi="figure")
    assert path.stat().st_size < plain.stat().st_size / 2
    with Image.open(path) as small, Image.open(plain) as full:
        assert small.mode == "P"
        assert small.size == full.size
        difference = np.asarray(small.convert("RGB"), float) - np.asarray(full.convert("RGB"))
    assert abs(difference).max() <= 4  # of 255


def test_save_where_it_cannot_write(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match=r"viz.save.*hint"):
        viz.save(viz.plot_confusion([[1]], ["a"]), tmp_path / "file" / "a.png")


def test_save_as_something_unknown(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match=r"\.png.*got a\.xyz"):
        viz.save(viz.plot_confusion([[1]], ["a"]), tmp_path / "a.xyz")


@pytest.mark.parametrize(
    ("draw", "error"),
    [
        (lambda: viz.plot_curves([1.0], [1.0], [1.0], []), ShapeError),
        (lambda: viz.plot_confusion([[1, 2]], ["a"]), ShapeError),
        (lambda: viz.plot_confusion(np.zeros((0, 0)), []), ShapeError),
        (lambda: viz.plot_predictions(np.zeros((2, 4, 4)), [0], [0, 0], ["a"]), ShapeError),
        (lambda: viz.plot_predictions(np.zeros((2, 4)), [0, 0], [0, 0], ["a"]), ShapeError),
        (lambda: viz.plot_predictions(np.zeros((0, 4, 4)), [], [], ["a"]), ShapeError),
        (
            lambda: viz.plot_predictions(np.zeros((1, 4, 4)), [0], [0], ["a"], [0.1, 0.2]),
            ShapeError,
        ),
        (lambda: viz.plot_predictions(np.zeros((1, 4, 4)), [1], [0], ["a"]), NnliteIndexError),
        (
            lambda: viz.plot_predictions(np.zeros((1, 4, 4)), [0], [0], ["a"], columns=0),
            ArgumentError,
        ),
    ],
)
def test_what_does_not_fit(draw, error: type[Exception]) -> None:
    with pytest.raises(error, match="hint"):
        draw()


DRAWN = {
    "plot_bars": lambda: viz.plot_bars({"a": 1}, "x"),
    "plot_class_accuracy": lambda: viz.plot_class_accuracy(["a"], [50]),
    "plot_confusion": lambda: viz.plot_confusion([[1]], ["a"]),
    "plot_curves": lambda: viz.plot_curves([1], [1], [1], [1]),
    "plot_heatmap": lambda: viz.plot_heatmap(np.ones((2, 2))),
    "plot_histograms": lambda: viz.plot_histograms({"a": [1.0]}),
    "plot_image_rows": lambda: viz.plot_image_rows({"a": np.ones((1, 2, 2))}),
    "plot_network": lambda: viz.plot_network(nnlite.nn.Linear(2, 1), nnlite.ones(1, 2)),
    "plot_predictions": lambda: viz.plot_predictions(np.ones((1, 2, 2)), [0], [0], ["a"]),
    "plot_response": lambda: viz.plot_response([1.0], 0, ["a"]),
    "plot_roc": lambda: viz.plot_roc(
        nnlite.metrics.roc_auc([0, 1], [[1.0, 0.0], [0.0, 1.0]]), ["a", "b"]
    ),
    "plot_scatter": lambda: viz.plot_scatter({"a": (1, 2)}, "x", "y"),
    "plot_series": lambda: viz.plot_series({"a": [1.0]}, "y"),
    "plot_tiles": lambda: viz.plot_tiles(np.ones((1, 4))),
    "plot_update": lambda: viz.plot_update(np.ones((1, 4)), np.ones((1, 4))),
}


def test_every_picture_is_in_the_list() -> None:
    assert set(DRAWN) == {name for name in viz.__all__ if name.startswith("plot_")}


@pytest.mark.parametrize("name", DRAWN)
def test_without_matplotlib(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match=rf"{name}: .*nnlite\[plot\]"):
        DRAWN[name]()


def test_no_pyplot_and_no_import_before_the_first_picture() -> None:
    code = (
        "import sys, nnlite.viz as viz; assert 'matplotlib' not in sys.modules; "
        "viz.plot_confusion([[1]], ['a']); assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
