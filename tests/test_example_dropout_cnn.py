"""The example of the CNN with dropout, on a part of the sample."""

from __future__ import annotations

import csv
import json
import math
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import confusion_matrix

import nnlite
from examples import dropout_cnn, dropout_cnn_weights
from examples.dropout_cnn_report import NAMES
from examples.shared import Run, launch
from examples.shared.schema import problems
from nnlite.data import DataLoader
from nnlite.datasets import load_fashion_mnist
from nnlite.datasets.sources import SAMPLE_FOLDER

IMAGES = 150  # two batches, the second ragged


def start(out: Path, *arguments: str) -> int:
    return dropout_cnn.main(["--sample", "--limit", str(IMAGES), "--out", str(out), *arguments])


def with_run(out: Path, experiment: Callable[[Run], None], *arguments: str) -> dict[str, Any]:
    """The results of another function than the example's, with the example's options."""
    command = ["--sample", "--limit", str(IMAGES), "--out", str(out), *arguments]
    assert launch(dropout_cnn.EXAMPLE, experiment, command) == 0
    return read(out)


def read(out: Path) -> dict[str, Any]:
    results: dict[str, Any] = json.loads((out / "results.json").read_text())
    assert problems(results) == []
    return results


def rows_of(path: Path) -> list[list[str]]:
    with path.open() as file:
        return list(csv.reader(file))


def images(train: bool = False, n: int = IMAGES) -> tuple[torch.Tensor, torch.Tensor]:
    """Pixels in [0, 1] and labels, as the example takes them."""
    sample = load_fashion_mnist(SAMPLE_FOLDER)
    x = sample.train_images if train else sample.test_images
    y = sample.train_labels if train else sample.test_labels
    return torch.tensor(x[:n, None] / np.float32(255)), torch.tensor(y[:n])


def in_torch(state: dict[str, Any]) -> torch.nn.Sequential:
    """The network in PyTorch, without dropout and softmax."""
    layers = OrderedDict(
        conv1=torch.nn.Conv2d(1, 32, 3),
        relu1=torch.nn.ReLU(),
        conv2=torch.nn.Conv2d(32, 64, 3),
        relu2=torch.nn.ReLU(),
        pool=torch.nn.MaxPool2d(2),
        flatten=torch.nn.Flatten(),
        fc1=torch.nn.Linear(9216, 128),
        relu3=torch.nn.ReLU(),
        fc2=torch.nn.Linear(128, 10),
    )
    model = torch.nn.Sequential(layers)
    model.load_state_dict({name: torch.tensor(w.numpy()) for name, w in state.items()})
    return model


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run of two seeds and two epochs."""
    folder = tmp_path_factory.mktemp("runs") / "dropout_cnn"
    assert start(folder, "--epochs", "2", "--seeds", "2") == 0
    return folder


@pytest.fixture(scope="module")
def model(out: Path) -> torch.nn.Sequential:
    """Its network, in PyTorch."""
    return in_torch(nnlite.load(out / "model.safetensors"))


@pytest.fixture(scope="module")
def probabilities(model: torch.nn.Sequential) -> np.ndarray:
    """What PyTorch makes of the test images, (N, 10)."""
    with torch.no_grad():
        return torch.softmax(model(images()[0]), dim=1).numpy()


# -- the run -----------------------------------------------------------------------------------


def test_results(out: Path) -> None:
    results = read(out)
    assert results["status"] == "complete"
    for seed in (0, 1):
        for name in ("train_loss", *NAMES):
            assert len(results["series"][f"seed {seed}/{name}"]) == 2
        loss = results["series"][f"seed {seed}/train_loss"]
        assert loss[1] < loss[0] < 3  # ln 10 = 2.3 before the first step
    rows = {row["what"]: row for row in results["comparisons"]}
    assert rows["parameters"]["inside"] is True
    assert rows["features after the pool"]["inside"] is True
    first = rows["accuracy in training (running, dropout on), epoch 1"]
    assert len(first["values"]) == 2
    assert first["reason"] == "not comparable: data"
    assert rows["accuracy in test, epoch 15"]["reason"] == "epoch 15 was not reached"
    page = (out / "report.html").read_text()
    assert page.count("<img ") == len(results["figures"]) == 6
    for name in results["figures"]:
        assert (out / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    for name in ("epochs", "mistakes_first", "classes", "weights", "weights_conv1"):
        assert name in results["tables"]


def test_accuracies_are_the_networks(out: Path, model: torch.nn.Sequential) -> None:
    series = read(out)["series"]
    for name, train in (("eval_accuracy", True), ("test_accuracy", False)):
        x, y = images(train)
        with torch.no_grad():
            share = (model(x).argmax(1) == y).double().mean().item()
        assert series[f"seed 0/{name}"][-1] == pytest.approx(100 * share)


def test_mistakes_are_the_networks(out: Path, probabilities: np.ndarray) -> None:
    labels = images()[1].numpy()
    answers = probabilities.argmax(1)
    wrong = np.flatnonzero(answers != labels)
    rows = rows_of(out / "mistakes.csv")[1:]
    assert sorted(int(row[0]) for row in rows) == wrong.tolist()
    sure = [float(row[3]) for row in rows]
    assert sure == sorted(sure, reverse=True)
    names = load_fashion_mnist(SAMPLE_FOLDER).classes
    for k, is_, taken, percent, truth in rows:
        i = int(k)
        assert (is_, taken) == (names[labels[i]], names[answers[i]])
        assert float(percent) == pytest.approx(100 * probabilities[i].max(), abs=1e-3)
        assert float(truth) == pytest.approx(100 * probabilities[i, labels[i]], abs=1e-3)
    table = read(out)["tables"]["mistakes_first"]["rows"]
    assert [row[0] for row in table] == wrong[:10].tolist()
    matrix = np.array(rows_of(out / "confusion.csv")[1:], int)
    np.testing.assert_array_equal(matrix, confusion_matrix(labels, answers, labels=range(10)))


def test_weights_are_in_the_authors_layout(out: Path, model: torch.nn.Sequential) -> None:
    """Keras's layout by what it does: a flattened map times fc1, its channels counted last."""
    written = {
        name: np.loadtxt(out / f"weights_{name}.csv", delimiter=",", ndmin=2)
        for name in dropout_cnn_weights.LAYERS
    }
    with torch.no_grad():
        for name, channels in (("conv1", 1), ("conv2", 32)):
            x = torch.zeros(channels, channels, 3, 3)  # a pixel in the corner of each channel
            x[range(channels), range(channels), 0, 0] = 1
            layer = model.get_submodule(name)
            hit = (layer(x) - layer(torch.zeros_like(x)))[:, :, 0, 0].numpy()  # (in, out)
            np.testing.assert_allclose(written[name], hit, rtol=1e-5, atol=1e-7)
        maps = torch.randn(3, 64, 12, 12)  # (N, C, H, W)
        for name, x, rows in (
            ("fc1", maps.flatten(1), maps.permute(0, 2, 3, 1).flatten(1)),
            ("fc2", maps[:, :2, 0, 0].repeat(1, 64), maps[:, :2, 0, 0].repeat(1, 64)),
        ):
            layer = model.get_submodule(name)
            product = rows.double().numpy() @ written[name] + layer.bias.numpy()  # type: ignore
            np.testing.assert_allclose(product, layer(x).numpy(), rtol=1e-4, atol=1e-5)


def test_report_shows_the_first_weights(out: Path, model: torch.nn.Sequential) -> None:
    results = read(out)
    conv1 = model.get_parameter("conv1.weight").detach().numpy()  # (32, 1, 3, 3)
    table = results["tables"]["weights_conv1"]["rows"]
    np.testing.assert_allclose(np.ravel(table), conv1[:, 0, 0, 0])
    fc2 = model.get_parameter("fc2.weight").detach().numpy()  # (10, 128)
    np.testing.assert_allclose(results["tables"]["weights_fc2"]["rows"], fc2.T[:5, :8])
    values = results["values"]["weights"]["fc2"]
    assert (values["low"], values["high"]) == (fc2.min(), fc2.max())
    items = [i for block in results["content"] if block["kind"] == "items" for i in block["items"]]
    assert [i.partition(":")[0] for i in items[-3:]] == ["Range", "All zero", "Identical"]


# -- the network and its training --------------------------------------------------------------


def test_start() -> None:
    nnlite.manual_seed(3)
    state = dropout_cnn.network(True).state_dict()
    assert sum(w.numel() for w in state.values()) == 1_199_882
    # limits as Keras's GlorotUniform computes them: sqrt(6 / (fan_in + fan_out))
    fans = {"conv1": 9 + 288, "conv2": 288 + 576, "fc1": 9216 + 128, "fc2": 128 + 10}
    written = dropout_cnn_weights.author_layout(state)
    for name, fan in fans.items():
        limit = math.sqrt(6 / fan)
        w = state[f"{name}.weight"].numpy()
        assert limit * 0.9 < np.abs(w).max() <= limit * (1 + 1e-6)
        assert w.std() == pytest.approx(limit / math.sqrt(3), rel=0.1)  # of a uniform distribution
        assert dropout_cnn_weights.glorot_bound(written[name]) == pytest.approx(limit)
        assert not state[f"{name}.bias"].numpy().any()


@pytest.mark.parametrize("quirks", ["published", "none"])
def test_training_is_that_of_pytorch(
    quirks: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without dropout, from the same start and in the same order; PyTorch's loss is on scores."""
    trained = []

    def in_order(dataset: Any, batch_size: int, shuffle: bool = False) -> DataLoader:
        return DataLoader(dataset, batch_size=batch_size)

    def train_only(run: Run) -> None:
        sets = [
            dropout_cnn.prepare(run, run.data.train_images, run.data.train_labels),
            dropout_cnn.prepare(run, run.data.test_images, run.data.test_labels),
        ]
        nnlite.manual_seed(0)
        trained.append(dropout_cnn.train(run, 0, *sets))

    monkeypatch.setattr(dropout_cnn, "DataLoader", in_order)
    monkeypatch.setattr(dropout_cnn, "DROPOUT", 0.0)
    n = 40  # two batches, the second ragged
    options = ["--limit", str(n), "--batch-size", "32", "--epochs", "2", "--dtype", "float64"]
    series = with_run(tmp_path, train_only, *options, "--quirks", quirks)["series"]

    nnlite.manual_seed(0)
    model = in_torch(dropout_cnn.network(True).state_dict()).double()
    optimizer = torch.optim.Adadelta(model.parameters(), lr=1.0, rho=0.95, eps=1e-7)
    x, y = images(train=True, n=n)
    for epoch in range(2):
        losses, hits = 0.0, 0
        for batch, labels in zip(x.double().split(32), y.split(32), strict=True):
            optimizer.zero_grad()
            scores = model(batch)
            loss = torch.nn.functional.cross_entropy(scores, labels)
            loss.backward()
            optimizer.step()
            losses += loss.item() * len(labels)
            hits += int((scores.argmax(1) == labels).sum())
        assert series["seed 0/train_loss"][epoch] == pytest.approx(losses / n, rel=1e-9)
        assert series["seed 0/running_accuracy"][epoch] == pytest.approx(100 * hits / n)
        with torch.no_grad():
            for name, train in (("eval_accuracy", True), ("test_accuracy", False)):
                inputs, targets = images(train, n)
                share = (model(inputs.double()).argmax(1) == targets).double().mean().item()
                assert series[f"seed 0/{name}"][epoch] == pytest.approx(100 * share)
    weights = trained[0].state_dict()
    for name, w in model.state_dict().items():
        np.testing.assert_allclose(weights[name].numpy(), w.numpy(), rtol=1e-6, atol=1e-9)


def test_loss_of_probabilities_is_clipped_like_keras() -> None:
    p = np.array([[0.2, 0.8], [1e-9, 1 - 1e-9], [1.0, 0.0]])
    target = np.array([0, 0, 0])
    x = nnlite.from_numpy(p).requires_grad_()
    loss = dropout_cnn.keras_loss(x, nnlite.from_numpy(target), reduction="none")
    expected = [-math.log(0.2), -math.log(1e-7), -math.log(1 - 1e-7)]
    np.testing.assert_allclose(loss.detach().numpy(), expected, rtol=1e-12)
    loss.sum().backward()
    assert x.grad is not None
    np.testing.assert_allclose(x.grad.numpy(), [[-5, 0], [0, 0], [0, 0]], rtol=1e-12)


def test_dropout_is_on_only_where_asked_for() -> None:
    nnlite.manual_seed(0)
    model = dropout_cnn.network(True)
    x = nnlite.from_numpy(images()[0].numpy()[:20])
    plain = dropout_cnn.predict(model, x)
    assert not model.training
    np.testing.assert_array_equal(dropout_cnn.predict(model, x), plain)
    with torch.no_grad():
        expected = torch.softmax(in_torch(model.state_dict())(images()[0][:20]), dim=1)
    np.testing.assert_allclose(plain, expected.numpy(), rtol=1e-4)
    dropped = dropout_cnn.predict(model, x, dropout=True)
    assert np.abs(dropped - plain).max() > 0.01
    assert np.abs(dropout_cnn.predict(model, x, dropout=True) - dropped).max() > 0.01


# -- bad input and Ctrl-C ----------------------------------------------------------------------


def test_unknown_quirk_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert start(tmp_path, "--quirks", "softmax") == 2
    error = capsys.readouterr().err
    assert "softmax_output, running_accuracy, none, published" in error
    assert len(error.splitlines()) == 1


@pytest.mark.parametrize("finished", [0, 1, 3])
def test_ctrl_c_reports_what_there_is(
    finished: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C after so many epochs of two batches, of two seeds with two epochs."""
    steps, real = 0, dropout_cnn.keras_loss
    weights: list[list[int]] = []

    def keras_loss(p: Any, target: Any, reduction: str = "mean") -> Any:
        nonlocal steps
        steps += reduction == "mean"  # the report takes "none"
        if steps > 2 * finished and reduction == "mean":
            raise KeyboardInterrupt
        return real(p, target, reduction)

    def report_weights(run: Run, states: dict[int, Any]) -> None:
        weights.append(list(states))

    monkeypatch.setattr(dropout_cnn, "keras_loss", keras_loss)
    monkeypatch.setattr(dropout_cnn, "report_weights", report_weights)
    assert start(tmp_path, "--epochs", "2", "--seeds", "2") == 130
    results = read(tmp_path)
    assert results["status"] == "interrupted"
    assert len(results["series"].get("seed 0/train_loss", [])) == min(finished, 2)
    assert ("seed 1/train_loss" in results["series"]) == (finished == 3)
    assert weights == [[0]]  # the second seed was cut short
    assert ("accuracy" in results["figures"]) == (finished > 0)
    stopped = "The training was stopped in epoch" in (tmp_path / "report.html").read_text()
    assert stopped == (finished < 2)
    assert (tmp_path / "model.safetensors").exists()
