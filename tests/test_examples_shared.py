"""What the examples share: results.json, report.html, comparison with published values, data."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nnlite
from examples.shared import Run, data
from examples.shared.compare import comparison, number
from examples.shared.schema import problems
from nnlite.datasets import load_fashion_mnist
from nnlite.datasets.sources import SAMPLE_FOLDER
from tests.example_runs import Page, read, start


@pytest.fixture(autouse=True)
def _no_named_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NNLITE_DATA", raising=False)
    monkeypatch.setenv("NNLITE_OFFLINE", "1")


def test_results_are_sound(tmp_path: Path) -> None:
    assert start(tmp_path, "--quirks", "second", "--penalty", "scaled") == 0
    results = read(tmp_path)
    assert problems(results) == []
    assert results["status"] == "complete"
    assert results["settings"]["epochs"] == 2
    assert results["settings"]["batch_size"] == 10
    assert results["settings"]["seeds"] == [0, 1, 2]
    assert results["settings"]["penalty"] == "scaled"
    assert results["settings"]["quirks"] == ["second"]
    assert [quirk["on"] for quirk in results["quirks"].values()] == [False, True]
    assert results["versions"]["numpy"] == np.__version__
    assert results["series"] == {"loss": [0.5, None]}  # JSON has no NaN
    assert results["values"] == {"list": [0, 1, 2]}
    assert set(results["caveats"]) == {"data", "epochs", "batch", "quirk first"}
    sample = load_fashion_mnist(SAMPLE_FOLDER)
    part = results["data"]["parts"]["train_images"]
    assert part["shape"] == [20, 28, 28]
    assert part["sha256"] == hashlib.sha256(sample.train_images[:20].tobytes()).hexdigest()
    assert (tmp_path / "grid.csv").read_text() == "name,n\n<b>,1234\nnone,\n"
    assert (tmp_path / "log.txt").read_text() == "epoch 1/2\n"
    assert nnlite.load(tmp_path / "model.safetensors")["w"].tolist() == [1, 1]
    listed = {figure["file"] for figure in results["figures"].values()} | set(results["files"])
    assert listed | {"results.json", "report.html", "log.txt"} == {
        path.name for path in tmp_path.iterdir()
    }


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda r: r.pop("seconds"), "no key 'seconds'"),
        (lambda r: r.update(extra=1), "unknown key 'extra'"),
        (lambda r: r.update(status="done"), "'done'"),
        (lambda r: r["series"].update(loss=["0.5"]), "'0.5'"),
        (lambda r: r.update(format=True), "True"),
        (lambda r: r["tables"]["grid"]["rows"].append([1]), "without 2 cells"),
        (lambda r: r["content"].append({"kind": "figure", "name": "no"}), "no figure 'no'"),
        (lambda r: r["content"].append({"kind": "comparisons", "rows": [9]}), "no row 9"),
        (lambda r: r["content"].append({"kind": "song"}), "unknown kind 'song'"),
        (lambda r: r["data"]["parts"]["test_labels"].pop("sha256"), "no key 'sha256'"),
        (lambda r: r["comparisons"][0].update(inside="yes"), "'yes'"),
    ],
)
def test_schema_sees_what_is_wrong(
    spoil: Callable[[dict[str, Any]], Any], words: str, tmp_path: Path
) -> None:
    start(tmp_path)
    results = read(tmp_path)
    spoil(results)
    found = problems(results)
    assert len(found) == 1
    assert words in found[0]


def test_report_stands_alone(tmp_path: Path) -> None:
    start(tmp_path)
    text = (tmp_path / "report.html").read_text()
    page = Page(text)
    assert "script" not in page.tags
    assert "link" not in page.tags
    assert page.sources
    assert all(source.startswith("data:image/png;base64,") for source in page.sources)
    assert "http" not in text.partition("<body>")[2]
    assert 'name="viewport"' in text
    assert "@media print" in text
    assert "@media (max-width" in text


def test_report_escapes_and_shows_everything(tmp_path: Path) -> None:
    start(tmp_path)
    text = (tmp_path / "report.html").read_text()
    for part in ("Part <one>", "a < b & c", "<pre> stays", "<i>Bag</i>", "<b>", 'a "line"'):
        assert part not in text.partition("<body>")[2]
    words = Page(text).words
    for part in ("Part <one>", "a < b & c", "<pre> stays", "<i>Bag</i>", "<b>", 'a "line"'):
        assert part in words
    for part in ("It works.", "1,234", "89.76 %", "89.75 %", "88.26–91.26", "– not judged"):
        assert part in words
    assert "✗ outside" in words
    assert any(": trained on 20 images of a stand-in" in word for word in words)


def test_rows_in_a_sequence_share_a_table(tmp_path: Path) -> None:
    def experiment(run: Run) -> None:
        run.compare("a", 1.0, 1.0)
        run.compare("b", 1.0, 1.0)
        run.text("between")
        run.compare("c", 1.0, 1.0)

    start(tmp_path, experiment=experiment)
    content = read(tmp_path)["content"]
    assert [b["rows"] for b in content if b["kind"] == "comparisons"] == [[0, 1], [2]]


@pytest.mark.parametrize(
    ("arguments", "inside", "reproduced", "band"),
    [
        ({"published": 1.13, "reproduced": 1.15, "tolerance": 0.02}, True, 1.15, None),
        ({"published": 0.8, "reproduced": 0.7, "tolerance": 0.1}, True, 0.7, None),
        ({"published": 1.13, "reproduced": 1.1501, "tolerance": 0.02}, False, 1.1501, None),
        ({"published": 2.0, "reproduced": [1.0, 4.0], "tolerance": 1}, False, 2.5, [1, 4]),
        ({"published": 2.0, "reproduced": [1.0, 3.0], "tolerance": 1}, True, 2.0, [1, 3]),
        ({"published": None, "reproduced": 85.0, "at_least": 85}, True, 85.0, None),
        ({"published": None, "reproduced": 84.9, "at_least": 85}, False, 84.9, None),
        ({"published": None, "reproduced": 0.3, "at_most": 0.25}, False, 0.3, None),
        ({"published": 1.0, "reproduced": 5.0}, None, 5.0, None),
        ({"published": 1.0, "reproduced": None, "tolerance": 1}, None, None, None),
        ({"published": 1.0, "reproduced": [1.0, np.nan], "tolerance": 1}, None, 1.0, None),
        ({"published": "a", "reproduced": "a", "inside": True}, True, "a", None),
        ({"published": 3, "reproduced": 3, "inside": True}, True, 3, None),
    ],
)
def test_comparison(
    arguments: dict[str, Any], inside: bool | None, reproduced: Any, band: Any
) -> None:
    row = comparison("x", **arguments, caveats={})
    assert row["inside"] is inside
    assert row["reproduced"] == reproduced
    assert row["band"] == band
    assert ("no reason is known" in row["reason"]) == (inside is False)


def test_reason_says_how_far_outside() -> None:
    def reason(reproduced: float | list[float], **accepted: float) -> str:
        return str(comparison("x", 88.0, reproduced, **accepted, unit="%", caveats={})["reason"])

    assert reason(89.7, tolerance=1.5).startswith("outside by 0.20 %;")
    seeds = reason([89.71, 86.4, 88.1], tolerance=1.5)
    assert seeds.startswith("2 of 3 seeds outside by 0.21 % at most; their mean is inside;")
    assert "1 of 2 seeds outside by 3.00 % at most; their mean is outside, too" in reason(
        [85.0, 82.0], at_least=85.0
    )
    assert reason([88.0, 88.5], tolerance=1.5) == "2 seeds differ by 0.50 %"


@pytest.mark.parametrize(
    ("depends", "inside"),
    [
        (("data", "epochs"), None),
        (("quirks",), None),
        (("quirk first",), None),
        (("quirk second", "epochs"), True),
        ((), True),
    ],
)
def test_what_cannot_be_compared_is_not_judged(
    depends: tuple[str, ...], inside: bool | None
) -> None:
    caveats = {"data": "few images", "quirk first": "first is switched off"}
    row = comparison("x", 1.0, 1.0, tolerance=1, caveats=caveats, depends=depends)
    assert row["inside"] is inside
    assert ("not comparable" in row["reason"]) == (inside is None)


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "–"), (float("nan"), "–"), (1234, "1,234 %"), (1.005, "1.00 %"), ("a", "a")],
)
def test_number(value: Any, text: str) -> None:
    assert number(value, 2, "%") == text


def test_seeds_make_equal_numbers(tmp_path: Path) -> None:
    drawn = []

    def experiment(run: Run) -> None:
        drawn.append([(seed, nnlite.rand(1).item()) for seed in run.each_seed()])

    start(tmp_path / "a", "--seed", "5", "--seeds", "2", experiment=experiment)
    start(tmp_path / "b", "--seed", "6", "--seeds", "1", experiment=experiment)
    assert [seed for seed, _ in drawn[0]] == [5, 6]
    assert drawn[0][1] == drawn[1][0]
    assert drawn[0][0][1] != drawn[0][1][1]


def test_settings_of_the_command_line(tmp_path: Path) -> None:
    def experiment(run: Run) -> None:
        assert (run.epochs, run.batch_size, run.dtype) == (3, 4, nnlite.float64)
        assert (run.quirk("first"), run.quirk("second")) == (False, False)
        with pytest.raises(KeyError):
            run.quirk("third")
        assert len(run.data.test_labels) == 20
        assert set(run.caveats) == {"data", "epochs", "batch", "quirk first", "quirk second"}

    options = ["--epochs", "3", "--batch-size", "4", "--dtype", "float64", "--quirks", "none"]
    assert start(tmp_path, *options, experiment=experiment) == 0


def test_limit_beyond_the_data_takes_all_of_it() -> None:
    sample = data.load("fashion_mnist", None, False, True)
    assert len(data.first(sample, 10**6).train_images) == len(sample.train_images)


def test_digits_stand_in_for_mnist(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from sklearn.datasets import load_digits

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))  # where there is no MNIST
    found = data.load("mnist", None, False, False)
    assert "scikit-learn" in capsys.readouterr().out
    assert found.is_sample
    assert "not comparable" in found.source
    assert found.train_images.shape == (1500, 28, 28)
    assert found.test_images.shape == (297, 28, 28)
    assert found.train_images.dtype == np.uint8
    original = load_digits()
    labels = np.concatenate([found.train_labels, found.test_labels])
    np.testing.assert_array_equal(labels, original.target)
    # 7 x 7 pixels of the enlarged picture stand for 2 x 2 of the small one
    small = found.train_images.reshape(1500, 4, 7, 4, 7).mean(axis=(2, 4)) * 16 / 255
    expected = original.images[:1500].reshape(1500, 4, 2, 4, 2).mean(axis=(2, 4))
    assert np.corrcoef(small.ravel(), expected.ravel())[0, 1] > 0.98
    assert abs(small.mean() - expected.mean()) < 0.1


def test_named_folder_without_mnist_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NNLITE_DATA", str(tmp_path))
    with pytest.raises(nnlite.errors.DataError, match="NNLITE_DATA"):
        data.load("mnist", None, False, False)
