"""The command line of the examples: refusals, Ctrl-C, folders with results."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import nnlite
from examples.shared import Run, data, launch
from examples.shared.schema import problems
from nnlite.datasets import load_fashion_mnist
from nnlite.datasets.sources import SAMPLE_FOLDER
from nnlite.errors import ArgumentError
from tests.example_runs import EXAMPLE, fill, read, start


@pytest.fixture(autouse=True)
def _no_named_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NNLITE_DATA", raising=False)
    monkeypatch.setenv("NNLITE_OFFLINE", "1")


@pytest.fixture
def few_images(tmp_path: Path) -> Path:
    """A dataset folder with 30 training and 10 test images, sound but for their number."""
    sample = load_fashion_mnist(SAMPLE_FOLDER)
    folder = tmp_path / "data" / "fashion-mnist"
    folder.mkdir(parents=True)
    for name, n in (("train", 30), ("test", 10)):
        rows = np.column_stack([sample.test_labels[:n], sample.test_images[:n].reshape(n, -1)])
        np.savetxt(folder / f"fashion-mnist_{name}.csv", rows, fmt="%d", delimiter=",")
    return folder.parent


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--epochs", "-1"], ["--epochs", "0 or more"]),
        (["--epochs", "x"], ["--epochs", "--help"]),
        (["--limit", "0"], ["--limit"]),
        (["--seeds", "0"], ["--seeds"]),
        (["--batch-size", "0"], ["--batch-size"]),
        (["--penalty", "heavy"], ["--penalty", "inert", "scaled"]),
        (["--quirks", "first,third"], ["third", "first, second, none, published"]),
        (["--quirks", ""], ["first, second, none, published"]),
        (["--device", "tpu"], ["tpu", "hint"]),
        (["--device", "cuda:x"], ["cuda:x", "hint"]),
        (["--dtype", "float16"], ["float16", "float32"]),
        (["--epoch", "1"], ["--epoch"]),
        (["--data", "no-such-folder"], ["no-such-folder", "hint"]),
        (["--data", "{few}"], ["60,000", "30 and 10", "--limit"]),
        (["--out", "{file}"], ["--out", "hint"]),
        (["--out", "{file}/below"], ["--out", "hint"]),
        (["--out", "a\0b"], ["--out", "hint"]),
    ],
)
def test_bad_input_is_one_line(
    arguments: list[str],
    words: list[str],
    few_images: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = tmp_path / "file"
    file.write_text("")
    given = [a.replace("{file}", str(file)).replace("{few}", str(few_images)) for a in arguments]
    out = tmp_path / "out"
    assert launch(EXAMPLE, fill, ["--out", str(out), "--no-download", *given]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("error: ")
    assert len(captured.err.splitlines()) == 1
    for word in words:
        assert word in captured.err
    assert not (out / "results.json").exists()


def test_device_without_gpu(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert start(tmp_path, "--device", "cuda") == (0 if nnlite.cuda.is_available() else 2)
    assert len(capsys.readouterr().err.splitlines()) == (0 if nnlite.cuda.is_available() else 1)


def test_missing_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    assert start(tmp_path) == 2
    assert "nnlite[plot]" in capsys.readouterr().err


def test_results_are_not_overwritten_unasked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    start(tmp_path)
    before = (tmp_path / "results.json").read_bytes()
    capsys.readouterr()
    assert start(tmp_path) == 2
    error = capsys.readouterr().err
    assert "--overwrite" in error
    assert len(error.splitlines()) == 1
    assert (tmp_path / "results.json").read_bytes() == before


def test_overwrite_removes_the_old_results_and_nothing_else(tmp_path: Path) -> None:
    start(tmp_path / "out")
    mine = tmp_path / "out" / "mine.txt"
    outside = tmp_path / "outside.txt"
    for path in (mine, outside):
        path.write_text("kept")
    results = read(tmp_path / "out")
    results["files"]["../outside.txt"] = ""
    (tmp_path / "out" / "results.json").write_text(json.dumps(results))
    nothing = start(tmp_path / "out", "--overwrite", experiment=lambda run: run.text("new"))
    assert nothing == 0
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"results.json", "report.html", "log.txt", "mine.txt"}
    assert outside.read_text() == "kept"


def test_overwrite_with_bad_data_keeps_the_old_results(tmp_path: Path) -> None:
    start(tmp_path)
    arguments = ["--out", str(tmp_path), "--overwrite", "--data", "no-such-folder"]
    assert launch(EXAMPLE, fill, arguments) == 2
    assert (tmp_path / "model.safetensors").exists()
    assert problems(read(tmp_path)) == []


def test_overwrite_with_refused_settings_keeps_the_old_results(tmp_path: Path) -> None:
    def refuse(run: Run) -> None:
        raise ArgumentError("example", "--image", expected="0", got="7", hint="try 0")

    start(tmp_path)
    before = (tmp_path / "results.json").read_bytes()
    assert start(tmp_path, "--overwrite", example=replace(EXAMPLE, check=refuse)) == 2
    assert (tmp_path / "results.json").read_bytes() == before


def test_resume_leaves_a_complete_run_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert start(tmp_path) == 0
    before = (tmp_path / "results.json").read_bytes()

    def never(run: Run) -> None:
        raise KeyError

    assert start(tmp_path, "--resume", experiment=never) == 0
    assert "has this run already" in capsys.readouterr().out
    assert (tmp_path / "results.json").read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["--seeds", "2"], "complete"),
        (["--penalty", "scaled"], "complete"),
        (["--limit", "19"], "complete"),
        (["--quirks", "first"], "complete"),
        ([], "interrupted"),
        ([], "failed"),
    ],
)
def test_resume_repeats_what_is_not_the_same_run(
    arguments: list[str], status: str, tmp_path: Path
) -> None:
    start(tmp_path)
    results = read(tmp_path)
    results["status"] = status
    (tmp_path / "results.json").write_text(json.dumps(results))
    again = start(tmp_path, "--resume", *arguments, experiment=lambda run: run.text("new"))
    assert again == 0
    assert read(tmp_path)["status"] == "complete"
    assert not (tmp_path / "line.png").exists()  # the old run's figure


def test_resume_with_a_torn_file_repeats_the_run(tmp_path: Path) -> None:
    start(tmp_path)
    (tmp_path / "results.json").write_text("{")
    assert start(tmp_path, "--resume") == 0
    assert problems(read(tmp_path)) == []


@pytest.mark.parametrize("name", ["../up", "a/b", "", ".hidden", "a b"])
def test_file_names_stay_in_the_folder(name: str, tmp_path: Path) -> None:
    def experiment(run: Run) -> None:
        with pytest.raises(ArgumentError):
            run.csv(name, [[1]])

    assert start(tmp_path / "out", experiment=experiment) == 0


def test_ragged_table_is_refused(tmp_path: Path) -> None:
    assert start(tmp_path, experiment=lambda run: run.table("t", ["a", "b"], [[1, 2], [1]])) == 2


def test_ctrl_c_in_the_training_goes_on_to_the_report(tmp_path: Path) -> None:
    seeds = []

    def experiment(run: Run) -> None:
        for seed in run.each_seed():
            seeds.append(seed)
            with run.stoppable():
                raise KeyboardInterrupt
        run.text("what there is")

    assert start(tmp_path, experiment=experiment) == 130
    assert seeds == [0]
    results = read(tmp_path)
    assert results["status"] == "interrupted"
    assert results["content"] == [{"kind": "text", "text": "what there is"}]
    assert "Interrupted." in (tmp_path / "report.html").read_text()


def test_ctrl_c_anywhere_leaves_a_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def experiment(run: Run) -> None:
        run.record("loss", 1)
        with run.stoppable():
            raise KeyboardInterrupt
        with run.stoppable():
            raise KeyboardInterrupt  # the second is meant

    assert start(tmp_path, experiment=experiment) == 130
    assert capsys.readouterr().err.strip() == "stopped"
    results = read(tmp_path)
    assert problems(results) == []
    assert results["status"] == "interrupted"
    assert results["series"] == {"loss": [1.0]}


def test_ctrl_c_before_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(data, "load", interrupted)
    assert start(tmp_path / "out") == 130
    assert not (tmp_path / "out" / "results.json").exists()


def test_failure_leaves_a_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def experiment(run: Run) -> None:
        run.text("before")
        raise ArgumentError("lenet", "lr", expected="more", got="less\n<b>", hint="try")

    assert start(tmp_path, experiment=experiment) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert read(tmp_path)["status"] == "failed"
    assert "got less" in (tmp_path / "report.html").read_text()


def test_bug_in_an_example_keeps_its_traceback(tmp_path: Path) -> None:
    def experiment(run: Run) -> None:
        run.text("before")
        raise ZeroDivisionError("a bug")

    with pytest.raises(ZeroDivisionError):
        start(tmp_path, experiment=experiment)
    assert read(tmp_path)["error"] == "ZeroDivisionError: a bug"


def test_help_explains(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        launch(EXAMPLE, fill, ["--help"])
    assert end.value.code == 0
    text = capsys.readouterr().out
    for quirk in EXAMPLE.quirks:
        assert f"{quirk.name}: {quirk.sentence}" in text
    for part in ("--epochs", "default: 7; 2 on the sample", "--penalty", "Nothing is trained."):
        assert part in text
