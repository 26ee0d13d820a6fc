"""The examples on another device: the same numbers; without a GPU one line that says what to do."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nnlite
from examples import fashion_lenet
from examples.shared.schema import problems

COMMANDS: dict[str, list[str]] = {
    "input_gradients": ["--limit", "60", "--batch-size", "20", "--epochs", "2"],
    "lenet": ["--limit", "20", "--epochs", "1", "--batch-sizes", "10"],
    "dropout_cnn": ["--limit", "8", "--epochs", "1", "--batch-size", "4"],
    "denoising_autoencoder": [
        *["--limit", "30", "--epochs", "1", "--classifier-epochs", "1", "--penalty", "scaled"],
    ],
    "mini_project": ["--limit", "60", "--epochs", "1", "--question", "1,3,7"],
}
# run on both devices; the others take seconds, and test_device_training.py compares their steps
COMPARED = ["input_gradients", "lenet", "mini_project"]


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NNLITE_DATA", raising=False)
    monkeypatch.setenv("NNLITE_OFFLINE", "1")


def run(name: str, out: Path, device: str) -> dict[str, Any]:
    module = importlib.import_module(f"examples.{name}")
    given = ["--sample", "--seeds", "1", "--dtype", "float64", "--device", device]
    assert module.main([*given, *COMMANDS[name], "--out", str(out / device)]) == 0
    results: dict[str, Any] = json.loads((out / device / "results.json").read_text())
    assert problems(results) == []
    assert results["settings"]["device"] == device
    return results


def undrawn(figure: Any, path: Path) -> Path:
    """viz.save without the drawing, which takes most of the time and knows no devices."""
    path.write_bytes(b"")
    return path


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=[pytest.mark.slow] * (n == "dropout_cnn")) for n in COMMANDS],
)
def test_an_example_runs_on_another_device(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nnlite.viz.save", undrawn)
    there = run(name, tmp_path, "strict")["series"]
    assert there
    assert np.isfinite(np.concatenate(list(there.values()))).all()
    if name not in COMPARED:
        return
    here = run(name, tmp_path, "cpu")["series"]
    assert list(there) == list(here)
    for label, values in here.items():
        if not label.endswith(("seconds", "time")):
            np.testing.assert_allclose(there[label], values, rtol=1e-7, atol=1e-9, err_msg=label)


def test_the_first_example_trains_on_another_device(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    load = fashion_lenet.load_fashion_mnist

    def few(*args: Any, **kwargs: Any) -> Any:
        from examples.shared.data import first

        return first(load(*args, **kwargs), 40)

    monkeypatch.setattr(fashion_lenet, "load_fashion_mnist", few)
    monkeypatch.setattr("nnlite.viz.save", undrawn)
    lines = []
    for device in ("strict", "cpu"):
        arguments = ["--no-download", "--epochs", "1", "--device", device, "--out", str(tmp_path)]
        assert fashion_lenet.main(arguments) == 0
        said = capsys.readouterr().out
        lines.append(next(line for line in said.splitlines() if line.startswith("epoch 1/1")))
    # float32: the loss agrees to the digits printed, the times do not
    assert lines[0].split("; ")[:2] == lines[1].split("; ")[:2]


@pytest.mark.parametrize("name", [*COMMANDS, "fashion_lenet"])
def test_without_a_gpu_one_line_says_what_to_do(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if nnlite.cuda.is_available():
        pytest.skip("there is a GPU")
    module = importlib.import_module(f"examples.{name}")
    assert module.main(["--device", "cuda", "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert said.err.startswith("error: ")
    assert "hint: " in said.err
    assert not (tmp_path / "out").exists()  # refused before anything was done


def test_without_a_gpu_the_command_ends_with_status_2(tmp_path: Path) -> None:
    if nnlite.cuda.is_available():
        pytest.skip("there is a GPU")
    done = subprocess.run(
        [sys.executable, "-m", "examples.lenet", "--device", "cuda", "--out", str(tmp_path / "x")],
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "Traceback" not in done.stderr
    assert "cuda" in done.stderr.lower()
