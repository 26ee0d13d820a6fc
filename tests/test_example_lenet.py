"""The training example, run as a user runs it, on a part of the shipped sample."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from examples import fashion_lenet
from nnlite.datasets import load_fashion_mnist

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(autouse=True)
def _no_named_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NNLITE_DATA", raising=False)


@pytest.fixture
def few_images(tmp_path: Path) -> Path:
    """A dataset folder with 300 training and 100 test images of the sample, as CSV."""
    sample = load_fashion_mnist(download=False)
    folder = tmp_path / "fashion-mnist"
    folder.mkdir()
    for name, images, labels, n in (
        ("fashion-mnist_train.csv", sample.train_images, sample.train_labels, 300),
        ("fashion-mnist_test.csv", sample.test_images, sample.test_labels, 100),
    ):
        rows = np.column_stack([labels[:n], images[:n].reshape(n, -1)])
        np.savetxt(folder / name, rows, fmt="%d", delimiter=",")
    return folder


def _run(*arguments: str, **kwargs) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "examples.fashion_lenet", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        **kwargs,
    )


def test_trains_and_draws(few_images: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = _run("--data", str(few_images), "--epochs", "2", "--batch-size", "32", "--out", str(out))
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""  # piped: no bar, no control characters
    lines = done.stdout.splitlines()
    last = re.fullmatch(r"test accuracy (\d+\.\d\d) %", lines[-1])
    assert last
    epochs = [line for line in lines if line.startswith("epoch ")]
    assert len(epochs) == 2
    # the last line is the accuracy of the last epoch, and the table averages to it
    assert f"accuracy {last[1]} %;" in epochs[-1].partition("test loss")[2]
    for name in ("curves.png", "confusion.png", "predictions.png"):
        assert (out / name).read_bytes().startswith(b"\x89PNG")


def test_learns(few_images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--data", str(few_images), "--epochs", "12", "--batch-size", "10"]
    assert fashion_lenet.main([*arguments, "--out", str(tmp_path)]) == 0
    losses = [float(v) for v in re.findall(r"training loss (\d\.\d+)", capsys.readouterr().out)]
    assert losses[0] > 1.5  # ln 10 = 2.30 before the first step
    assert losses[-1] < 0.9


def test_same_seed_same_run(
    few_images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def losses(seed: str) -> list[str]:
        fashion_lenet.main(
            ["--data", str(few_images), "--epochs", "1", "--seed", seed, "--out", str(tmp_path)]
        )
        return re.findall(r"loss \d\.\d+", capsys.readouterr().out)

    first = losses("3")
    assert len(first) == 2
    assert losses("3") == first
    assert losses("4") != first


def test_network_is_the_published_one() -> None:
    assert sum(p.numel() for p in fashion_lenet.LeNet().parameters()) == 61_706


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--data", "no-such-folder"], ["no-such-folder", "hint"]),
        (["--epochs", "-1"], ["--epochs", "0 or more"]),
        (["--batch-size", "0"], ["batch_size"]),
        (["--lr", "nan"], ["lr", "Adam"]),
    ],
)
def test_wrong_arguments(
    arguments: list[str],
    words: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)  # it makes its folder
    assert fashion_lenet.main(["--no-download", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("error: ")
    assert len(captured.err.splitlines()) == 1
    for word in words:
        assert word in captured.err


def test_unknown_option() -> None:
    done = _run("--epoch-count", "3")
    assert done.returncode == 2
    assert "--epoch-count" in done.stderr
    assert "Traceback" not in done.stderr


def test_ctrl_c_reports_what_was_learnt(few_images: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    process = subprocess.Popen(
        [
            *[sys.executable, "-u", "-m", "examples.fashion_lenet", "--data", str(few_images)],
            *["--epochs", "100000", "--out", str(out)],
        ],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=dict(os.environ),
    )
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("epoch 1/"):
            break
    time.sleep(0.05)  # somewhere within an epoch
    process.send_signal(signal.SIGINT)
    rest, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert "what was learnt so far" in rest
    assert re.fullmatch(r"test accuracy \d+\.\d\d %", rest.splitlines()[-1])
    assert (out / "curves.png").exists()


def test_ctrl_c_outside_the_training_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*args: object, **kwargs: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(fashion_lenet, "load_fashion_mnist", interrupted)
    monkeypatch.chdir(tmp_path)
    assert fashion_lenet.main([]) == 130
    assert capsys.readouterr().err.strip() == "stopped"


@pytest.mark.parametrize(
    ("terminal", "steps", "expected"),
    [
        (
            True,
            [(0, 40), (10, 40)],
            "\rdownloading f |                    |   0 %"
            "\rdownloading f |█████               |  25 %",
        ),
        (True, [(40, 40)], "\rdownloading f |████████████████████| 100 %\n"),
        (True, [(2_500_000, 0)], "\rdownloading f 2.5 MB"),
        (False, [(1, 2_000_000), (2_000_000, 2_000_000)], "downloaded f (2.0 MB)\n"),
        (False, [(5, 0)], ""),
    ],
)
def test_download_progress(
    terminal: bool,
    steps: list[tuple[int, int]],
    expected: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    for done, total in steps:
        fashion_lenet.download_progress("f", done, total)
    assert capsys.readouterr().err == expected
