"""Pictures of weights, pixels and responses: the data are read back from the figure."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import nnlite
from nnlite import viz
from nnlite.errors import ArgumentError, NnliteIndexError, ShapeError

NAN = float("nan")


def _weights(n: int = 6, h: int = 20, w: int = 20) -> np.ndarray:
    return np.random.default_rng(n).normal(size=(n, h, w))


def _picture(axes: Any) -> np.ma.MaskedArray:
    return axes.images[0].get_array()


# -- plot_tiles ------------------------------------------------------------------------------


def test_tiles_of_an_encoder() -> None:
    weights = _weights(400, 28, 28)
    axes = viz.plot_tiles(nnlite.tensor(weights.reshape(400, 784), requires_grad=True)).axes[0]
    picture = _picture(axes)
    assert picture.shape == (20 * 29 + 1, 20 * 29 + 1)
    for i in (0, 19, 20, 399):
        y, x = 1 + 29 * (i // 20), 1 + 29 * (i % 20)
        np.testing.assert_array_equal(picture[y : y + 28, x : x + 28], weights[i])
    assert np.isfinite(picture.filled(NAN)).sum() == weights.size  # the rest are gaps
    low, high = axes.images[0].get_clim()
    assert -low == high == abs(weights).max()


@pytest.mark.parametrize(("columns", "shape"), [(None, (3, 3)), (5, (2, 5)), (100, (1, 7))])
def test_grid_of_tiles(columns: int | None, shape: tuple[int, int]) -> None:
    picture = _picture(viz.plot_tiles(_weights(7), columns=columns).axes[0])
    assert picture.shape == (shape[0] * 21 + 1, shape[1] * 21 + 1)


def test_tiles_that_are_not_square_and_small() -> None:
    weights = _weights(2, 3, 5)
    picture = _picture(viz.plot_tiles(weights.reshape(2, 15), (3, 5), columns=2).axes[0])
    assert picture.shape == (12 + 2, 2 * 21 + 1)  # four times as large, so that the gap is thin
    np.testing.assert_array_equal(picture[1:13:4, 1:21:4], weights[0])
    np.testing.assert_array_equal(picture[4:13:4, 25:42:4], weights[1])


def test_titles_stand_over_their_tiles() -> None:
    axes = viz.plot_tiles(_weights(3), columns=2, titles=["a", "b", "c"], limit=2.0).axes[0]
    assert axes.images[0].get_clim() == (-2, 2)
    assert [text.get_text() for text in axes.texts] == ["a", "b", "c"]
    picture = _picture(axes).filled(NAN)
    for text in axes.texts:
        x, y = map(round, text.get_position())
        assert np.isnan(picture[y - 4 : y + 1, x - 5 : x + 5]).all()  # room for the letters
        assert np.isfinite(picture[y + 2 : y + 20, x]).all()  # the tile is just below


def test_weights_that_are_all_zero() -> None:
    assert viz.plot_tiles(np.zeros((2, 4))).axes[0].images[0].get_clim() == (-1, 1)


# -- plot_update -----------------------------------------------------------------------------


def test_update_is_after_minus_before() -> None:
    before, after = _weights(4), 3 * _weights(5)[:4]
    panels = viz.plot_update(before, nnlite.tensor(after)).axes
    assert [axes.get_title() for axes in panels] == [
        "before training",
        "after training",
        "update = after − before",
        "number of weights",
    ]
    for axes, tiles in zip(panels, (before, after, after - before), strict=False):
        np.testing.assert_array_equal(_picture(axes)[1:21, 22:42], tiles[1])
    clims = [axes.images[0].get_clim() for axes in panels[:3]]
    assert clims[0] == clims[1] == (-abs(after).max(), abs(after).max())
    assert clims[2] == (-abs(after - before).max(), abs(after - before).max())


def test_update_counts_each_weight_once() -> None:
    histogram = viz.plot_update(_weights(4, 3, 3), 3 * _weights(4, 3, 3)).axes[3]
    assert [stairs.get_label() for stairs in histogram.patches] == ["before", "after", "update"]
    assert [stairs.get_data().values.sum() for stairs in histogram.patches] == [36, 36, 36]


# -- plot_heatmap ----------------------------------------------------------------------------


def test_heatmap_with_marked_pixels() -> None:
    values = np.arange(784.0)
    axes = viz.plot_heatmap(nnlite.tensor(values), mark=[57, 783], label="std").axes[0]
    np.testing.assert_array_equal(_picture(axes), values.reshape(28, 28))
    assert axes.images[0].get_clim() == (0, 783)
    assert [(t.get_text(), t.get_position()) for t in axes.texts] == [
        ("1", (1, 2)),
        ("2", (27, 27)),
    ]
    assert [patch.get_center().tolist() for patch in axes.patches] == [[1, 2], [27, 27]]
    assert "1: 57,  2: 783" in axes.get_xlabel()
    assert axes.child_axes[0].get_ylabel() == "std"


@pytest.mark.parametrize(
    ("values", "shape", "expected"),
    [
        (np.ones(6), (2, 3), (2, 3)),
        (np.ones((2, 3)), None, (2, 3)),
        (np.ones((3, 2)), (3, 2), (3, 2)),
    ],
)
def test_heatmap_shapes(values: Any, shape: Any, expected: tuple[int, int]) -> None:
    assert _picture(viz.plot_heatmap(values, shape).axes[0]).shape == expected


def test_heatmap_around_zero() -> None:
    image = viz.plot_heatmap([[-3.0, 1.0]], diverging=True).axes[0].images[0]
    assert image.get_clim() == (-3, 3)


# -- plot_image_rows -------------------------------------------------------------------------


def test_rows_of_images() -> None:
    noisy, clean = np.random.default_rng(0).random((2, 3, 5, 5))
    figure = viz.plot_image_rows({"noisy": nnlite.tensor(noisy), "clean": clean}, titles="abc")
    shown = np.array([np.asarray(_picture(axes)) for axes in figure.axes])
    np.testing.assert_array_equal(shown, [*noisy, *clean])
    assert {axes.images[0].get_clim() for axes in figure.axes} == {(0, 1)}
    assert [axes.get_title(loc="left") for axes in figure.axes] == [
        "noisy",
        "",
        "",
        "clean",
        "",
        "",
    ]
    assert [axes.get_xlabel() for axes in figure.axes[3:]] == ["a", "b", "c"]


def test_rows_share_their_scale() -> None:
    rows = {"a": np.full((2, 2, 2), -1.0), "b": np.full((2, 2, 2), 5.0)}
    figure = viz.plot_image_rows(rows, limits=None)
    assert {axes.images[0].get_clim() for axes in figure.axes} == {(-1, 5)}


# -- plot_response ---------------------------------------------------------------------------


def test_response_to_a_class() -> None:
    output = nnlite.tensor([0.1, 0.7, 0.2], requires_grad=True)
    figure = viz.plot_response(output, 1, ["a", "b", "c"], image=np.eye(4))
    picture, axes = figure.axes
    np.testing.assert_array_equal(_picture(picture), np.eye(4))
    filled = [bar.get_width() for bar in axes.patches if bar.get_fill()]
    np.testing.assert_allclose(filled, [0.1, 0.7, 0.2])
    (target,) = [bar for bar in axes.patches if not bar.get_fill()]
    assert (target.get_width(), target.get_y() + target.get_height() / 2) == (1, 1)
    assert [t.get_text() for t in axes.texts] == ["0.100", "0.700", "0.200"]
    assert [t.get_fontweight() for t in axes.get_yticklabels()] == ["normal", "bold", "normal"]


def test_response_to_a_vector() -> None:
    axes = viz.plot_response([-1.0, 2.0], np.array([-0.5, 3.0]), ["a", "b"]).axes[0]
    assert [bar.get_width() for bar in axes.patches] == [-1, 2, -0.5, 3]


@pytest.mark.parametrize("target", [2, np.int64(2), nnlite.tensor(2)])
def test_kinds_of_targets(target: Any) -> None:
    axes = viz.plot_response([0.0, 0.0, 1.0], target, ["a", "b", "c"]).axes[0]
    assert [bar.get_width() for bar in axes.patches if not bar.get_fill()] == [1]


# -- plot_histograms -------------------------------------------------------------------------


def test_histograms_of_a_model() -> None:
    model = nnlite.nn.Linear(30, 20)
    figure = viz.plot_histograms(dict(model.named_parameters()), bins=40)
    for axes, parameter in zip(figure.axes, model.parameters(), strict=True):
        counts, edges, _ = axes.patches[0].get_data()
        values = parameter.detach().numpy()
        assert counts.sum() == values.size
        assert (edges[0], edges[-1]) == pytest.approx((values.min(), values.max()))
        assert f"mean {values.mean():.2g}".replace("-", "−") in axes.get_xlabel()
    assert [axes.get_title() for axes in figure.axes] == ["weight  20×30", "bias  20"]
    assert [len(axes.patches[0].get_data().values) for axes in figure.axes] == [40, 9]


def test_histogram_of_a_constant() -> None:
    figure = viz.plot_histograms({"a": np.zeros(5), "b": [1.0, 2.0], "c": [3.0]})
    assert [axes.patches[0].get_data().values.sum() for axes in figure.axes[:3]] == [5, 2, 1]
    assert not figure.axes[3].axison


# -- bad input -------------------------------------------------------------------------------

ROW = np.zeros((1, 2, 2))


@pytest.mark.parametrize(
    ("draw", "error", "words"),
    [
        (lambda: viz.plot_tiles(np.zeros((2, 5))), ShapeError, r"weights.*got \(2, 5\)"),
        (lambda: viz.plot_tiles(np.zeros((2, 6)), (2, 2)), ShapeError, r"\(N, 2 \* 2\)"),
        (lambda: viz.plot_tiles(np.zeros((2, 2, 2)), (3, 3)), ShapeError, "weights"),
        (lambda: viz.plot_tiles(np.zeros((0, 4))), ShapeError, "weights"),
        (lambda: viz.plot_tiles(np.zeros(4)), ShapeError, r"got \(4,\)"),
        (lambda: viz.plot_tiles([[NAN, 0.0, 0.0, 0.0]]), ArgumentError, "diverged"),
        (lambda: viz.plot_tiles(ROW, titles=["a", "b"]), ShapeError, "titles: expected 1"),
        (lambda: viz.plot_tiles(ROW, limit=0.0), ArgumentError, "limit"),
        (lambda: viz.plot_tiles(ROW, columns=0), ArgumentError, "columns"),
        (lambda: viz.plot_update(ROW, np.zeros((2, 2, 2))), ShapeError, "after"),
        (lambda: viz.plot_update(np.zeros((1, 5)), ROW), ShapeError, "before"),
        (lambda: viz.plot_heatmap(np.zeros(5)), ShapeError, r"got \(5,\)"),
        (lambda: viz.plot_heatmap(np.zeros((2, 3)), (3, 2)), ShapeError, "for 3 x 2"),
        (lambda: viz.plot_heatmap(ROW), ShapeError, "plot_tiles"),
        (lambda: viz.plot_heatmap([]), ShapeError, "values"),
        (lambda: viz.plot_heatmap([NAN]), ArgumentError, "got nan"),
        (lambda: viz.plot_heatmap(np.zeros(4), mark=[4]), NnliteIndexError, "got 4"),
        (lambda: viz.plot_image_rows({}), ShapeError, "rows"),
        (lambda: viz.plot_image_rows({"a": np.zeros((2, 4))}), ShapeError, "a: expected images"),
        (lambda: viz.plot_image_rows({"a": ROW, "b": np.zeros((2, 2, 2))}), ShapeError, "b: "),
        (lambda: viz.plot_image_rows({"a": ROW + NAN}), ArgumentError, "got nan"),
        (lambda: viz.plot_image_rows({"a": ROW}, titles=[]), ShapeError, "titles"),
        (lambda: viz.plot_image_rows({"a": ROW}, limits=(1.0, 0.0)), ArgumentError, "limits"),
        (lambda: viz.plot_response([0.5], 0, ["a", "b"]), ShapeError, "output: expected 2"),
        (lambda: viz.plot_response([[0.5]], 0, ["a"]), ShapeError, "one row"),
        (lambda: viz.plot_response([0.5], 1, ["a"]), NnliteIndexError, "got 1"),
        (lambda: viz.plot_response([0.5], [0.0, 1.0], ["a"]), ShapeError, "target"),
        (lambda: viz.plot_response([NAN], 0, ["a"]), ArgumentError, "got nan"),
        (lambda: viz.plot_response([0.5], 0, ["a"], image=[1.0]), ShapeError, "image"),
        (lambda: viz.plot_histograms({}), ShapeError, "layers"),
        (lambda: viz.plot_histograms({"a": []}), ShapeError, "a: expected some"),
        (lambda: viz.plot_histograms({"a": [NAN]}), ArgumentError, "got nan"),
        (lambda: viz.plot_histograms({"a": [1.0]}, bins=0), ArgumentError, "bins"),
    ],
)
def test_bad_input(draw, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words) as caught:
        draw()
    assert "hint" in str(caught.value)
