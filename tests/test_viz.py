"""The pictures: what is on them, read back from the figure."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from nnlite import viz
from nnlite.errors import DataError, MissingExtraError, ShapeError


def test_curves_show_the_series() -> None:
    figure = viz.plot_curves([3.0, 1.0], [2.5, 1.5], [0.1, 0.8], [0.2, 0.7], "a run")
    loss, right = figure.axes
    assert [list(line.get_ydata()) for line in loss.lines] == [[3.0, 1.0], [2.5, 1.5]]
    assert [list(line.get_ydata()) for line in right.lines] == [[10.0, 80.0], [20.0, 70.0]]
    assert list(loss.lines[0].get_xdata()) == [1, 2]
    assert figure._suptitle.get_text() == "a run"


def test_confusion_shows_every_count() -> None:
    matrix = np.array([[5, 1, 0], [0, 7, 2], [3, 0, 9]])
    figure = viz.plot_confusion(matrix, ["a", "b", "c"])
    shown = {tuple(map(int, t.get_position())): t.get_text() for t in figure.axes[0].texts}
    expected = {(j, i): str(matrix[i, j]) for i in range(3) for j in range(3) if matrix[i, j]}
    assert shown == expected
    share = np.asarray(figure.axes[0].images[0].get_array())
    np.testing.assert_allclose(share.sum(axis=1), 1)


def test_predictions_mark_right_and_wrong() -> None:
    figure = viz.plot_predictions(
        np.zeros((3, 4, 4)), [0, 1, 1], [0, 0, 1], ["shoe", "bag"], [0.9, 0.5, 1.0], columns=2
    )
    titles = [axes.get_title() for axes in figure.axes]
    assert titles == ["✓ shoe 90 %", "✗ shoe 50 %", "✓ bag 100 %", ""]
    assert [axes.get_xlabel() for axes in figure.axes][:3] == ["", "is: bag", ""]


def test_save_writes_a_png(tmp_path: Path) -> None:
    path = viz.save(viz.plot_confusion([[1]], ["a"]), tmp_path / "new" / "a.png")
    assert path.read_bytes().startswith(b"\x89PNG")


def test_save_where_it_cannot_write(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match=r"viz.save.*hint"):
        viz.save(viz.plot_confusion([[1]], ["a"]), tmp_path / "file" / "a.png")


@pytest.mark.parametrize(
    "draw",
    [
        lambda: viz.plot_curves([1.0], [1.0], [1.0], []),
        lambda: viz.plot_confusion([[1, 2]], ["a"]),
        lambda: viz.plot_predictions(np.zeros((2, 4, 4)), [0], [0, 0], ["a"]),
        lambda: viz.plot_predictions(np.zeros((2, 4)), [0, 0], [0, 0], ["a"]),
    ],
)
def test_what_does_not_fit(draw) -> None:
    with pytest.raises(ShapeError, match="hint"):
        draw()


def test_without_matplotlib(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match=r"nnlite\[plot\]"):
        viz.plot_confusion([[1]], ["a"])
