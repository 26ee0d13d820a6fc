"""The example of the published LeNet, on a part of the sample."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

import nnlite
from examples import lenet
from examples.shared import report_lenet, report_lenet_batch
from examples.shared.published import LENET_ACCURACY, LENET_CLASS_ACCURACY, LENET_PRINTED_LOSS
from examples.shared.schema import problems
from nnlite.datasets import load_fashion_mnist
from nnlite.datasets.sources import SAMPLE_FOLDER

ROOT = Path(__file__).resolve().parent.parent


def start(out: Path, *arguments: str) -> int:
    return lenet.main(["--sample", "--out", str(out), *arguments])


def read(out: Path) -> dict[str, Any]:
    results: dict[str, Any] = json.loads((out / "results.json").read_text())
    assert problems(results) == []
    return results


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run of two batch sizes, two seeds and two epochs."""
    folder = tmp_path_factory.mktemp("runs") / "lenet"
    options = ["--limit", "300", "--epochs", "2", "--seeds", "2", "--batch-sizes", "32,100"]
    assert start(folder, *options) == 0
    return folder


def test_results(out: Path) -> None:
    results = read(out)
    assert results["status"] == "complete"
    for seed in (0, 1):
        for name, batches in (("batch 32", 10), ("batch 100", 3)):
            series = {
                key: results["series"][f"{name}/seed {seed}/{key}"]
                for key in ("printed_loss", "mean_loss", "test_accuracy", "seconds")
            }
            assert all(len(values) == 2 for values in series.values())
            sums = [937 * value for value in series["printed_loss"]]
            assert sums == pytest.approx([batches * value for value in series["mean_loss"]])
        logits = results["series"][f"logits, batch 100/seed {seed}/mean_loss"]
        assert logits == results["series"][f"logits, batch 100/seed {seed}/printed_loss"]
    assert not any(name.startswith("logits, batch 32") for name in results["series"])


def test_loss_bounds_are_pytorchs(out: Path) -> None:
    bounds = read(out)["values"]["loss_bounds"]
    sure = torch.eye(10, dtype=torch.float64)
    loss = torch.nn.functional.cross_entropy
    assert bounds["lowest"] == pytest.approx(loss(sure, torch.arange(10)).item(), abs=1e-12)
    assert bounds["highest"] == pytest.approx(
        loss(sure, torch.arange(10).roll(1)).item(), abs=1e-12
    )
    low, high = bounds["seen"]
    assert bounds["lowest"] < low < high < bounds["highest"]


def test_every_published_number_is_compared(out: Path) -> None:
    rows = {row["what"]: row for row in read(out)["comparisons"]}
    for size in (32, 100):
        assert rows[f"batch size {size}"]["published"] == LENET_ACCURACY[size]
        assert len(rows[f"batch size {size}"]["values"]) == 2
        classes = [row for what, row in rows.items() if what.endswith(f", batch size {size}")]
        published = [row["published"] for row in classes if row["unit"] == "%"]
        assert published[-10:] == [float(p) for p in LENET_CLASS_ACCURACY[size]]
    printed = [row for what, row in rows.items() if what.startswith("printed loss")]
    assert [row["published"] for row in printed] == list(LENET_PRINTED_LOSS[:2])
    assert all(len(row["values"]) == 2 for row in printed)
    assert "true means: published 1.7644" in printed[0]["reason"]  # 1.1298 * 937 / 600
    assert rows["parameters"]["inside"] is True
    assert all(row["inside"] is None for row in rows.values() if row["what"] != "parameters")


def test_accuracy_says_how_far_it_still_moves() -> None:
    def trained(*accuracy: float) -> Any:
        return SimpleNamespace(accuracy=list(accuracy))

    run: Any = SimpleNamespace(epochs=8)
    two = [trained(10, 20, 80, 81, 80, 81, 80, 81), trained(10, 20, 80, 82, 82, 82, 82, 82)]
    text = report_lenet._moves(run, [*two, trained(10, 90)])  # cut short: does not count
    assert text.startswith("the accuracy still moves by 0.70 points")  # 5 and 2 points in 10 steps
    assert "(2.00 at most, in the last 5)" in text
    assert report_lenet._moves(SimpleNamespace(epochs=1), [trained(80)]) == ""


def test_published_table_is_whole() -> None:
    assert len(LENET_PRINTED_LOSS) == 25
    assert list(LENET_PRINTED_LOSS) == sorted(LENET_PRINTED_LOSS, reverse=True)
    assert set(LENET_ACCURACY) == set(LENET_CLASS_ACCURACY) == {32, 64, 100, 256}
    assert all(len(row) == 10 for row in LENET_CLASS_ACCURACY.values())


def test_files_and_report(out: Path) -> None:
    results = read(out)
    text = (out / "report.html").read_text()
    names = ["accuracy", "printed_loss"]
    for size in (32, 100):
        names += [f"{n}_batch_{size}" for n in ("classes", "loss", "images_1", "images_2")]
    assert set(results["figures"]) == set(names)
    for name in names:
        assert (out / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    assert text.count("<img ") == len(names)
    assert {"divisor", "class_means"} == set(results["tables"])
    for part in ("batches per epoch", "Shirt, batch size 100", "double_softmax: "):
        assert part in text
    for quirk in lenet.EXAMPLE.quirks:
        assert quirk.name in text


def test_log_is_as_published(out: Path) -> None:
    lines = (out / "log_batch_100_seed_1.txt").read_text().splitlines()
    assert lines[0] == "batch 100, seed 1: device cpu, optimizer Adam, lr 0.001"
    assert [line[:10] for line in lines[1:3]] == ["epoch 1/2:", "epoch 2/2:"]
    assert lines[3] == "ground truth | predicted"
    sample = load_fashion_mnist(SAMPLE_FOLDER)
    truth = [line.partition(" | ")[0] for line in lines[4:14]]
    assert truth == [sample.classes[label] for label in sample.test_labels[:10]]
    assert re.fullmatch(r"accuracy on 300 test images: \d+\.\d\d %", lines[14])
    assert [line.partition(": ")[0] for line in lines[15:]] == [
        f"accuracy of {name}" for name in sample.classes
    ]


def test_weights_as_text_and_as_file_are_the_same(out: Path) -> None:
    weights = nnlite.load(out / "model_batch_100.safetensors")
    model = lenet.LeNet(softmax=True)
    model.load_state_dict(weights)
    parts = (out / "weights_batch_100.txt").read_text().strip().split("\n\n")
    assert len(parts) == len(weights) == 10
    for part in parts:
        head, _, numbers = part.partition("\n")
        value = weights.pop(head.partition(" ")[0])
        assert head.partition(" ")[2] == f"{tuple(value.shape)}"
        found = np.array(numbers.split(), np.float64)
        np.testing.assert_allclose(found, value.numpy().ravel(), rtol=1e-5)
    assert "model_logits_batch_100.safetensors" in read(out)["files"]


def test_network_is_the_published_one() -> None:
    model = lenet.LeNet(softmax=True)
    assert sum(p.numel() for p in model.parameters()) == 61_706
    y = model(nnlite.rand(3, 1, 32, 32))
    np.testing.assert_allclose(y.sum(1).detach().numpy(), 1, rtol=1e-6)
    model.softmax = False
    assert model(nnlite.rand(3, 1, 32, 32)).sum().item() != pytest.approx(3)


# -- the quirks --------------------------------------------------------------------------------


class _Data:
    """What the counting needs of a run, and no more."""

    def __init__(self, targets: np.ndarray) -> None:
        self.data = self
        self.test_labels = targets


def test_first_four_counts_as_the_published_loop() -> None:
    """The loop of the original, which takes ``for i in range(4)`` of each batch."""
    rng = np.random.default_rng(0)
    targets, predictions = rng.integers(0, 10, (2, 1003))
    trained = lenet.Trained(lenet.LeNet(True), "batch 100", 100, 0, 11, predictions=predictions)
    right, total = np.zeros(10), np.zeros(10)
    for first in range(0, 1003, 100):
        for i in range(4):
            if first + i < 1003:  # the ragged last batch has three
                total[targets[first + i]] += 1
                right[targets[first + i]] += targets[first + i] == predictions[first + i]
    run: Any = _Data(targets)
    expected = 100 * right / np.where(total, total, np.nan)
    np.testing.assert_allclose(report_lenet_batch.class_share(run, trained, True), expected)
    assert total.sum() == 43
    every = [100 * np.mean(predictions[targets == k] == k) for k in range(10)]
    np.testing.assert_allclose(report_lenet_batch.class_share(run, trained, False), every)


@pytest.mark.parametrize("quirk", ["none", "double_softmax", "divisor_937", "first_four"])
def test_each_quirk_alone(quirk: str, tmp_path: Path) -> None:
    options = ["--limit", "200", "--epochs", "1", "--seeds", "1", "--batch-sizes", "50"]
    assert start(tmp_path, *options, "--quirks", quirk) == 0
    results = read(tmp_path)
    series = results["series"]
    printed, mean = (series[f"batch 50/seed 0/{n}"][0] for n in ("printed_loss", "mean_loss"))
    assert printed == pytest.approx(mean * 4 / 937 if quirk == "divisor_937" else mean)
    low, high = results["values"]["loss_bounds"]["seen"]
    # at the start probabilities are near 0.1 and logits near 0: both have a loss of ln 10
    assert abs(high - np.log(10)) < (0.01 if quirk == "double_softmax" else 0.2)
    assert (high - low < 0.01) == (quirk == "double_softmax")
    assert ("logits, batch 50/seed 0/mean_loss" in series) == (quirk == "double_softmax")
    table = results["tables"]["class_means"]
    assert table["rows"][0][:2] == [50, 16]  # four of each of four batches
    reasons = [r["reason"] for r in results["comparisons"] if "one is" in r["reason"]]
    counted = sum(int(reason.partition(" images")[0]) for reason in reasons)
    assert counted == (16 if quirk == "first_four" else 200)


@pytest.mark.parametrize(
    ("published", "counts", "words"),
    [
        ([50, 33, 34, 100], [2, 3, 3, 1], "34 % of 3"),  # 1/3 is 33 %, rounded or cut off
        ([66, 67, 0, 100], [3, 3, 5, 5], "Each published share can be made"),  # 2/3 either way
    ],
)
def test_shares_that_cannot_be(published: list[int], counts: list[int], words: str) -> None:
    text = report_lenet_batch.other_images(published, np.array(counts))
    assert words in text
    assert ("1 cannot be made" in text) == ("34" in words)


def test_tolerance_of_a_share() -> None:
    # p = 1/2 stays 1/2 with two successes and failures added; two errors of sqrt(2 / 4 / 200)
    assert report_lenet_batch.tolerance_of(50, 200) == pytest.approx(10)
    assert report_lenet_batch.tolerance_of(100, 50) > 0


def test_gain_is_told_as_it_is(out: Path) -> None:
    results = read(out)
    text = " ".join(b["text"] for b in results["content"] if b["kind"] == "text")
    gains = [
        results["series"][f"logits, batch 100/seed {s}/test_accuracy"][-1]
        - results["series"][f"batch 100/seed {s}/test_accuracy"][-1]
        for s in (0, 1)
    ]
    assert f"{np.mean(gains):+.2f} points" in text
    assert ("costs accuracy with each seed" in text) == (min(gains) > 0)
    assert report_lenet.LOWEST < report_lenet.HIGHEST


# -- bad input and Ctrl-C ----------------------------------------------------------------------


@pytest.mark.parametrize("sizes", ["", "0", "32,", "32,x", "-1", "32,32", "1.5"])
def test_bad_batch_sizes(sizes: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert start(tmp_path, f"--batch-sizes={sizes}") == 2
    error = capsys.readouterr().err
    assert len(error.splitlines()) == 1
    assert "--batch-sizes" in error


def test_unknown_quirk_names_the_known(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert start(tmp_path, "--quirks", "softmax") == 2
    assert "double_softmax, divisor_937, first_four, none, published" in capsys.readouterr().err


def test_ctrl_c_leaves_a_report(tmp_path: Path) -> None:
    """A real signal to a real process, somewhere within the second epoch."""
    out = tmp_path / "out"
    process = subprocess.Popen(
        [
            *[sys.executable, "-u", "-m", "examples.lenet", "--sample", "--limit", "300"],
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
    time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert errors == ""
    results = read(out)
    assert results["status"] == "interrupted"
    assert len(results["series"]["batch 32/seed 0/mean_loss"]) >= 1
    assert list(results["series"]) == [n for n in results["series"] if "batch 32/seed 0/" in n]
    assert "Interrupted." in (out / "report.html").read_text()


def test_interrupted_before_the_first_epoch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(lenet.F, "cross_entropy", interrupted)
    assert start(tmp_path, "--limit", "50", "--batch-sizes", "100") == 130
    assert read(tmp_path)["status"] == "interrupted"
