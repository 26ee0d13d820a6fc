"""The example of the input gradients, on a part of the sample."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import nnlite
from examples import input_gradients
from examples.shared.published import TOP_TEN
from examples.shared.schema import problems
from nnlite.data import DataLoader
from nnlite.datasets import load_fashion_mnist
from nnlite.datasets.sources import SAMPLE_FOLDER


def start(out: Path, *arguments: str) -> int:
    return input_gradients.main(["--sample", "--out", str(out), *arguments])


def read(out: Path) -> dict[str, Any]:
    results: dict[str, Any] = json.loads((out / "results.json").read_text())
    assert problems(results) == []
    return results


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run of two seeds and three epochs."""
    folder = tmp_path_factory.mktemp("runs") / "input_gradients"
    assert start(folder, "--limit", "250", "--epochs", "3", "--seeds", "2") == 0
    return folder


def test_results(out: Path) -> None:
    results = read(out)
    assert results["status"] == "complete"
    assert results["settings"]["seeds"] == [200, 201]
    for seed in (200, 201):
        loss = results["series"][f"seed {seed}/train_loss"]
        assert len(loss) == 3
        assert loss[-1] < loss[0] < 2.6  # ln 10 = 2.3 before the first step
        assert len(results["series"][f"seed {seed}/test_accuracy"]) == 3
        assert results["series"][f"seed {seed}/train_accuracy"][-1] > 30
    assert results["values"]["seed 200/top_ten"] != results["values"]["seed 201/top_ten"]


def test_csv_has_what_the_list_is_made_of(out: Path) -> None:
    results = read(out)
    spreads = []
    for seed, name in ((200, "input_gradients.csv"), (201, "input_gradients_seed_201.csv")):
        rows = np.loadtxt(out / name, delimiter=",")
        assert rows.shape == (3, 784)
        spread = rows.std(axis=0)
        top = results["values"][f"seed {seed}/top_ten"]
        assert sorted(spread[top]) == pytest.approx(spread[top])  # ascending
        assert spread[top].min() >= np.delete(spread, top).max()
        spreads.append(spread)
    np.testing.assert_allclose(
        results["values"]["standard_deviation"], np.mean(spreads, axis=0), rtol=1e-5
    )


def test_report_compares_every_published_value(out: Path) -> None:
    rows = {row["what"]: row for row in read(out)["comparisons"]}
    assert rows["parameters"]["inside"] is True
    losses = [row for what, row in rows.items() if what.startswith("training loss")]
    assert [len(row["values"]) for row in losses] == [2, 2, 2, 0, 0]  # of five epochs three are run
    assert all(row["inside"] is None for row in losses)
    assert all("not comparable" in row["reason"] for row in losses)
    overlap = rows["how many of the published ten are found again"]
    lists = [read(out)["values"][f"seed {seed}/top_ten"] for seed in (200, 201)]
    assert overlap["values"] == [len(set(top) & set(TOP_TEN)) for top in lists]
    assert rows["predictions of the first three test images"]["published"] == (
        "Ankle boot, Pullover, Trouser"
    )
    text = (out / "report.html").read_text()
    for name in ("heat_map", "predictions", "loss", "accuracy"):
        assert (out / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    assert text.count("<img ") == 4
    assert text.count('class="stack"') >= 3  # tables of comparisons
    assert "454, 397, 38, 37, 453, 17, 45, 11, 425, 46" in text


def test_statements_are_made_of_this_run(out: Path) -> None:
    results = read(out)
    images = load_fashion_mnist(SAMPLE_FOLDER).train_images[:250].reshape(-1, 784)
    found = np.array([results["values"][f"seed {seed}/top_ten"] for seed in (200, 201)])
    black = (images == 0).mean(axis=0)
    assert results["values"]["share_of_black"]["top_ten"] == pytest.approx(black[found].mean())
    row, column = found // 28, found % 28
    border = (row < 2) | (row > 25) | (column < 2) | (column > 25)
    shares = results["values"]["share_of_border_pixels"]
    assert shares == {"all": pytest.approx(1 - 24 * 24 / 784), "top_ten": border.mean()}
    text = " ".join(b["text"] for b in results["content"] if b["kind"] == "text")
    assert f"Here the share is {100 * border.mean():.0f} %" in text


def test_averaging_claims_what_the_overlaps_support() -> None:
    assert "leaves what comes from the images" in input_gradients.averaging([1, 2, 3], 4)
    assert "not more than the best of them (5)" in input_gradients.averaging([1, 2, 5], 5)
    assert "does not bring" in input_gradients.averaging([3, 3], 3)
    assert input_gradients.averaging([3], 3).endswith("share 3. ")


def test_weights_are_the_first_seeds(out: Path) -> None:
    weights = nnlite.load(out / "model.safetensors")
    assert {name: tuple(w.shape) for name, w in weights.items()} == {
        "0.weight": (40, 784),
        "0.bias": (40,),
        "2.weight": (10, 40),
        "2.bias": (10,),
    }


def test_vectors_are_those_of_pytorch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same start, the same batches (the last is ragged): the same gradients of the inputs."""

    def in_order(dataset: Any, batch_size: int, shuffle: bool = False) -> DataLoader:
        return DataLoader(dataset, batch_size=batch_size)

    monkeypatch.setattr(input_gradients, "DataLoader", in_order)
    options = ["--limit", "100", "--epochs", "2", "--seeds", "1", "--dtype", "float64"]
    assert start(tmp_path, *options) == 0
    found = np.loadtxt(tmp_path / "input_gradients.csv", delimiter=",")  # (2, 784)

    sample = load_fashion_mnist(SAMPLE_FOLDER)
    pixels = (sample.train_images[:100] / np.float32(255)).astype(np.float32)
    x = torch.tensor((pixels - np.float32(0.5)) / np.float32(0.5), dtype=torch.float64).flatten(1)
    y = torch.tensor(sample.train_labels[:100])
    nnlite.manual_seed(200)
    start_weights = nnlite.nn.Sequential(
        nnlite.nn.Linear(784, 40), nnlite.nn.ReLU(), nnlite.nn.Linear(40, 10)
    ).state_dict()
    model = torch.nn.Sequential(
        torch.nn.Linear(784, 40), torch.nn.ReLU(), torch.nn.Linear(40, 10)
    ).double()
    model.load_state_dict(
        {name: torch.tensor(w.numpy(), dtype=torch.float64) for name, w in start_weights.items()}
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    for epoch in range(2):
        total = torch.zeros(60, 784, dtype=torch.float64)
        for images, labels in zip(x.split(60), y.split(60), strict=True):
            images = images.clone().requires_grad_()
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(model(images), labels).backward()
            optimizer.step()
            assert images.grad is not None
            total[: len(images)] += images.grad
        expected = (total / 6000).mean(0).numpy()
        np.testing.assert_allclose(found[epoch], expected, rtol=1e-6, atol=1e-12)


def test_divisor_is_a_quirk(tmp_path: Path) -> None:
    options = ["--limit", "150", "--epochs", "2", "--seeds", "1"]  # three batches per epoch
    vectors = []
    for quirks in ("published", "none"):
        out = tmp_path / quirks
        assert start(out, *options, "--quirks", quirks) == 0
        vectors.append(np.loadtxt(out / "input_gradients.csv", delimiter=","))
    np.testing.assert_allclose(vectors[0] * 6000, vectors[1] * 3, rtol=1e-4, atol=1e-9)
    assert (
        (read(tmp_path / "none")["values"]["seed 200/top_ten"])
        == (read(tmp_path / "published")["values"]["seed 200/top_ten"])
    )


@pytest.mark.parametrize("finished", [0, 1, 3])
def test_ctrl_c_reports_what_there_is(
    finished: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C after so many epochs of two batches each."""
    steps, real = 0, input_gradients.F.cross_entropy

    def cross_entropy(*args: Any) -> Any:
        nonlocal steps
        steps += 1
        if steps > 2 * finished:
            raise KeyboardInterrupt
        return real(*args)

    monkeypatch.setattr(input_gradients.F, "cross_entropy", cross_entropy)
    assert start(tmp_path, "--limit", "100", "--epochs", "9", "--seeds", "3") == 130
    results = read(tmp_path)
    assert results["status"] == "interrupted"
    assert len(results["series"].get("seed 200/train_loss", [])) == finished
    assert "seed 201/train_loss" not in results["series"]
    assert ("heat_map" in results["figures"]) == (finished >= 2)
    assert "Interrupted." in (tmp_path / "report.html").read_text()


@pytest.mark.parametrize("epochs", ["0", "1"])
def test_too_few_epochs_for_a_spread(epochs: str, tmp_path: Path) -> None:
    assert start(tmp_path, "--limit", "60", "--epochs", epochs, "--seeds", "1") == 0
    assert "heat_map" not in read(tmp_path)["figures"]
