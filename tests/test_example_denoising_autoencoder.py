"""The denoising autoencoder: its training against PyTorch's, its options, its report."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import nnlite
from examples import denoising_autoencoder as example
from examples.autoencoder import measures
from examples.denoising_autoencoder import EXAMPLE, READINGS, Autoencoder, Trained, Variant
from examples.shared import Run, launch
from examples.shared.schema import problems
from nnlite.io import load_safetensors
from nnlite.viz import tiles
from tests.example_runs import Page, read

EPOCHS, CLASSIFIER_EPOCHS, LIMIT, BATCH = 2, 2, 100, 40
PUBLISHED_ACCURACY = [87.14, 89.37, 90.36, 90.95, 91.24, 91.54, 91.85, 91.93, 91.99, 92.07]


@pytest.fixture(autouse=True, scope="module")
def _quick() -> Iterator[None]:
    """No data but the sample's, and coarse tiles: the fine ones take most of a run's time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("NNLITE_DATA", raising=False)
        patch.setattr(tiles, "FINE", 40)
        yield


def within(out: Path, experiment: Callable[[Run], Any], *arguments: str) -> Any:
    """What experiment returns, given a Run on the sample; nothing else is done."""
    kept = []
    given = ["--sample", "--out", str(out), *arguments]
    assert launch(EXAMPLE, lambda run: kept.append(experiment(run)), given) == 0
    return kept[0]


def sets(run: Run) -> tuple[Any, Any]:
    data = run.data
    return (
        example.prepare(run, data.train_images, data.train_labels),
        example.prepare(run, data.test_images, data.test_labels),
    )


# -- training, against PyTorch -----------------------------------------------------------------


def torch_autoencoder(trained: Trained, x: torch.Tensor, epochs: int) -> tuple[Any, list[float]]:
    """The same steps with the penalty as a term of the loss, which needs no operation at all."""
    p = {k: torch.tensor(v, requires_grad=True) for k, v in trained.before.items()}
    weight = {"inert": 0.0, "as_written": 0.1, "scaled": 0.1 / x.numel()}[trained.model.penalty]
    if trained.variant.optimizer == "Adam":
        optimizer: torch.optim.Optimizer = torch.optim.Adam(p.values(), lr=1e-3)
    else:
        optimizer = torch.optim.SGD(p.values(), lr=0.98)
    losses = []
    for _ in range(epochs):
        code = torch.tanh(x @ p["encoder.weight"].T + p["encoder.bias"])
        y = torch.sigmoid(code @ p["decoder.weight"].T + p["decoder.bias"])
        mse = ((y - x) ** 2).mean()
        optimizer.zero_grad()
        (mse + weight * code.abs().sum()).backward()
        optimizer.step()
        losses.append(mse.item())
    return p, losses


@pytest.mark.parametrize("optimizer", ["Adam", "gradient descent"])
@pytest.mark.parametrize("penalty", list(READINGS))
def test_autoencoder_learns_as_in_pytorch(penalty: str, optimizer: str, tmp_path: Path) -> None:
    variant = Variant("test", penalty, noise=False, optimizer=optimizer)

    def train(run: Run) -> tuple[Trained, Any]:
        train_set, _ = sets(run)
        return example.train_autoencoder(run, 0, variant, train_set), train_set[:][0].numpy()

    # one batch holds all images, so that their order does not matter
    arguments = ("--limit", "30", "--batch-size", "30", "--epochs", "4")
    trained, x = within(tmp_path, train, *arguments)
    expected, losses = torch_autoencoder(trained, torch.tensor(x), 4)
    assert x.dtype == np.float64
    np.testing.assert_allclose(trained.mse, losses, rtol=1e-9)
    for name, p in trained.model.named_parameters():
        np.testing.assert_allclose(p.detach().numpy(), expected[name].detach(), atol=1e-9)
    assert losses[-1] != losses[0]


def test_classifier_learns_as_in_pytorch(tmp_path: Path) -> None:
    def train(run: Run) -> tuple[list[Trained], list[np.ndarray]]:
        train_set, test_set = sets(run)
        found = []
        for run.args.classifier_epochs in (0, 3):
            nnlite.manual_seed(5)
            trained = example.train_autoencoder(run, 0, Variant("test", "inert"), train_set)
            example.train_classifier(run, trained, train_set, test_set)
            found.append(trained)
        return found, [t.numpy() for t in (*train_set[:], *test_set[:])]

    arguments = ("--limit", "30", "--batch-size", "30", "--epochs", "1")
    (start, end), (x, y, test_x, test_y) = within(tmp_path, train, *arguments)
    assert start.classifier is not None
    assert end.classifier is not None
    w1, b1, w2, b2 = p = [
        torch.tensor(w.detach().numpy(), requires_grad=True) for w in start.classifier.parameters()
    ]
    assert np.array_equal(w1.detach(), start.model.encoder.weight.detach().numpy())

    def scores(images: np.ndarray) -> torch.Tensor:
        code = torch.tanh(torch.tensor(images) @ w1.T + b1)
        return torch.log_softmax(code @ w2.T + b2, dim=1)

    optimizer, errors, accuracies = torch.optim.SGD(p, lr=0.1), [], []
    for _ in range(3):
        loss = torch.nn.functional.nll_loss(scores(x), torch.tensor(y))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        errors.append(loss.item())
        accuracies.append(100 * np.mean(scores(test_x).argmax(1).numpy() == test_y))
    np.testing.assert_allclose(end.error, errors, rtol=1e-9)
    np.testing.assert_allclose(end.accuracy, accuracies, rtol=1e-12)
    for ours, theirs in zip(end.classifier.parameters(), p, strict=True):
        np.testing.assert_allclose(ours.detach().numpy(), theirs.detach(), atol=1e-10)
    assert end.matrix is not None
    assert end.matrix.sum(axis=1).tolist() == np.bincount(test_y, minlength=10).tolist()


def test_noise() -> None:
    nnlite.manual_seed(0)
    x = nnlite.full((400, 784), 0.4, dtype=nnlite.float64)
    first, second = example.add_noise(x).numpy(), example.add_noise(x).numpy()
    # 0.4 + 0.1 + 0.2 z at z = -1, 0, 1; the ends are cut
    quantiles = np.quantile(first, [0.158655, 0.5, 0.841345])
    np.testing.assert_allclose(quantiles, [0.3, 0.5, 0.7], atol=0.003)
    assert (first.min(), first.max()) == (0, 1)
    assert np.mean(first == second) < 0.01


# -- measuring ---------------------------------------------------------------------------------


def test_measures() -> None:
    rng = np.random.default_rng(0)
    model = Autoencoder("scaled").to(dtype=nnlite.float64)
    state = {name: rng.normal(0, 0.02, p.shape) for name, p in model.named_parameters()}
    state["encoder.weight"][:7] = state["encoder.bias"][:7] = 0  # seven units that are always 0
    model.load_state_dict({name: nnlite.from_numpy(w) for name, w in state.items()})
    x, noisy = rng.uniform(size=(2, 11, 784))
    found = measures.measure(model, nnlite.from_numpy(x), nnlite.from_numpy(noisy))

    def decoded(code: np.ndarray) -> np.ndarray:
        return 1 / (1 + np.exp(-(code @ state["decoder.weight"].T + state["decoder.bias"])))

    code, other, lifted = (
        np.tanh(a @ state["encoder.weight"].T + state["encoder.bias"])
        for a in (x, noisy, np.clip(x + (noisy - x).mean(axis=0), 0, 1))
    )
    expected = {
        "mse_noisy": np.mean((decoded(other) - x) ** 2),
        "mse_clean": np.mean((decoded(code) - x) ** 2),
        "mse_no_code": np.mean((decoded(np.zeros((11, 400))) - x) ** 2),
        "mse_shifted": np.mean((decoded(lifted) - x) ** 2),
        "code": np.mean(np.abs(code)),
        "code_noisy": np.mean(np.abs(other)),
        "code_near_zero": 100 * np.mean(np.abs(code) < 0.05),
        "units_near_zero": 7,
        "weights_near_zero": 100 * np.mean(np.abs(state["decoder.weight"]) < 0.01),
        "contrast": np.mean(np.std(decoded(code), axis=0)),
    }
    assert found == pytest.approx(expected, rel=1e-10)


# -- options -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "reading", "quirks"),
    [
        ([], "all", ["inert_penalty", "unscaled_penalty"]),
        (["--penalty", "all"], "all", ["inert_penalty", "unscaled_penalty"]),
        (["--penalty", "inert"], "inert", ["inert_penalty", "unscaled_penalty"]),
        (["--penalty", "as_written"], "as_written", ["unscaled_penalty"]),
        (["--penalty", "scaled"], "scaled", []),
        (["--quirks", "none"], "scaled", []),
        (["--quirks", "unscaled_penalty"], "as_written", ["unscaled_penalty"]),
        (["--quirks", "inert_penalty"], "inert", ["inert_penalty"]),
        (["--quirks", "none", "--penalty", "scaled"], "scaled", []),
    ],
)
def test_penalty_and_quirks_agree(
    arguments: list[str], reading: str, quirks: list[str], tmp_path: Path
) -> None:
    chosen = within(tmp_path, example.choose, "--limit", "5", *arguments)
    results = read(tmp_path)
    on = sorted(name for name, quirk in results["quirks"].items() if quirk["on"])
    assert (chosen, on, results["settings"]["quirks"]) == (reading, quirks, quirks)
    off = sorted(k.removeprefix("quirk ") for k in results["caveats"] if k.startswith("quirk "))
    assert off == sorted({"inert_penalty", "unscaled_penalty"} - set(quirks))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--penalty", "heavy"], ["--penalty", "inert", "as_written", "scaled", "all"]),
        (["--classifier-epochs", "-1"], ["--classifier-epochs", "0 or more"]),
        (["--quirks", "none", "--penalty", "inert"], ["--penalty", "scaled", "one of the two"]),
        (["--quirks", "heavy"], ["inert_penalty, unscaled_penalty"]),
    ],
)
def test_bad_options_are_one_line(
    arguments: list[str], words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert example.main(["--sample", "--out", str(tmp_path), *arguments]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert len(error.splitlines()) == 1
    assert all(word in error for word in words), error
    assert not (tmp_path / "results.json").exists()


# -- whole runs --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of all readings and comparisons, with two seeds and a ragged last batch."""
    out = tmp_path_factory.mktemp("autoencoder") / "out"
    settings = {
        **{"--epochs": EPOCHS, "--classifier-epochs": CLASSIFIER_EPOCHS, "--seeds": 2},
        **{"--limit": LIMIT, "--batch-size": BATCH, "--out": out},
    }
    arguments = [str(part) for pair in settings.items() for part in pair]
    assert example.main(["--sample", *arguments]) == 0
    return out


def test_results_are_complete(everything: Path) -> None:
    results = read(everything)
    assert problems(results) == []
    assert results["status"] == "complete"
    names = [*READINGS, "gradient descent", "sparse only", "neither"]
    lengths = {
        f"{name}/seed {seed}/{series}": n
        for name in names
        for seed in (0, 1)
        for series, n in (
            ("mse", EPOCHS),
            ("classifier_error", CLASSIFIER_EPOCHS),
            ("classifier_accuracy", CLASSIFIER_EPOCHS),
        )
    }
    assert {name: len(values) for name, values in results["series"].items()} == lengths
    tables = "gradient_at_code mse sparsity contrast class_accuracy classifiers optimizers lecture"
    assert set(results["tables"]) == set(tables.split())
    parts = ("images", "encoder", "decoder")
    figures = {f"{reading}_{part}" for reading in READINGS for part in parts}
    figures |= {"mse", "codes", "classifier_error", "classifier_accuracy", "class_accuracy"}
    figures |= {"optimizers", "lecture", "lecture_images"}
    assert set(results["figures"]) == figures
    for figure in results["figures"].values():
        assert (everything / figure["file"]).read_bytes().startswith(b"\x89PNG")


def test_readings_begin_alike(tmp_path: Path) -> None:
    def first_losses(run: Run) -> list[float]:
        train_set, _ = sets(run)
        found = []
        for variant in (Variant("a", "inert"), Variant("b", "as_written")):
            for seed in run.each_seed():
                found += example.train_autoencoder(run, seed, variant, train_set).mse
        return found

    # one batch: the loss of the epoch is that before the first update
    arguments = ("--limit", "20", "--batch-size", "20", "--epochs", "1", "--seeds", "2")
    inert, inert_1, written, written_1 = within(tmp_path, first_losses, *arguments)
    assert (inert, inert_1) == (written, written_1)
    assert inert != inert_1


def test_seeds_and_variants_differ(everything: Path) -> None:
    series = read(everything)["series"]
    assert series["inert/seed 0/mse"] != series["inert/seed 1/mse"]
    assert series["inert/seed 0/mse"] != series["scaled/seed 0/mse"]
    assert series["inert/seed 0/mse"] != series["neither/seed 0/mse"]
    measured = read(everything)["values"]["measured"]
    for k in (0, 1):  # what each reading is for
        sizes = [measured[reading][k]["code"] for reading in ("as_written", "scaled", "inert")]
        assert sizes == sorted(sizes)


def test_every_published_value_is_compared(everything: Path) -> None:
    results = read(everything)
    rows = {row["what"]: row for row in results["comparisons"]}
    published = {1: 0.0739818, 2: 0.042724, 3: 0.031610, 6: 0.01727, 7: 0.015088, 8: 0.013450}
    published |= {10: 0.011169, 11: 0.010337, 12: 0.009649, 17: 0.007497, 18: 0.007216}
    published |= {19: 0.006956, 20: 0.006731}
    for epoch, value in published.items():
        assert rows[f"inert: MSE, epoch {epoch}"]["published"] == value
    for epoch, value in enumerate(PUBLISHED_ACCURACY, 1):
        assert rows[f"test accuracy, epoch {epoch}"]["published"] == value
        assert rows[f"training error, epoch {epoch}"]["published"] > 0.288
    assert rows["inert: MSE, epoch 1"]["accepted"] == pytest.approx([0.072, 0.076])
    assert rows["inert: MSE, epoch 20"]["accepted"] == pytest.approx([0.0065, 0.0073])
    assert rows["as_written: MSE, epoch 20"]["accepted"] == [0.1, None]
    assert rows["scaled: MSE, epoch 20"]["accepted"] == [None, 0.0075]
    assert rows["scaled: mean |code| after training, noisy images"]["accepted"] == [None, 0.25]
    assert rows["test accuracy, epoch 10"]["accepted"] == pytest.approx([91.5, 92.7])
    # not one is judged on the stand-in, and what was not reached has no value
    assert {row["inside"] for row in rows.values()} == {None}
    assert rows["inert: MSE, epoch 2"]["values"] == [
        results["series"][f"inert/seed {seed}/mse"][1] for seed in (0, 1)
    ]
    assert rows["inert: MSE, epoch 3"]["values"] == []


def test_backward_of_the_penalty_is_measured(everything: Path) -> None:
    table = read(everything)["tables"]["gradient_at_code"]
    added = {"as_written": 0.1, "scaled": 0.1 / (BATCH * 784)}
    assert len(table["rows"]) == 8  # untrained, and after each reading
    for _, reading, size, found, changed, ratio in table["rows"]:
        assert found == pytest.approx(added[reading], rel=1e-6)
        assert changed == 100
        assert ratio == pytest.approx(found / size)


def test_files(everything: Path) -> None:
    with (everything / "mse.csv").open() as file:
        header, *rows = csv.reader(file)
    assert header == ["epoch", "published", *READINGS]
    series = read(everything)["series"]
    mean = np.mean([series[f"scaled/seed {seed}/mse"] for seed in (0, 1)], axis=0)
    np.testing.assert_allclose([float(row[-1]) for row in rows], mean)
    shapes = {"encoder.weight": (400, 784), "decoder.weight": (784, 400)}
    for reading in READINGS:
        state = load_safetensors(everything / f"autoencoder_{reading}.safetensors")
        assert {name: state[name].shape for name in shapes} == shapes
        assert sum(tensor.numel() for tensor in state.values()) == 628_384
        state = load_safetensors(everything / f"classifier_{reading}.safetensors")
        assert [state[name].shape for name in ("0.weight", "2.weight")] == [(400, 784), (10, 400)]


def test_report_holds_tables_and_figures(everything: Path) -> None:
    results = read(everything)
    page = Page((everything / "report.html").read_text())
    assert page.tags.count("img") == len(results["figures"])
    blocks = [b for b in results["content"] if b["kind"] in ("table", "comparisons")]
    assert page.tags.count("table") >= len(blocks)
    words = " ".join(page.words)
    for row in results["comparisons"]:
        assert row["what"] in words


def test_one_reading_alone(tmp_path: Path) -> None:
    arguments = ["--penalty", "scaled", "--epochs", "0", "--classifier-epochs", "0"]
    given = ["--sample", "--limit", "3", "--seeds", "1", "--out", str(tmp_path)]
    assert example.main([*given, *arguments]) == 0
    results = read(tmp_path)
    assert problems(results) == []
    assert results["series"] == {}
    assert set(results["values"]["measured"]) == {"scaled"}
    assert "classifiers" not in results["tables"]


def test_ctrl_c_leaves_a_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls, noise = [], example.add_noise

    def interrupted(x: nnlite.Tensor) -> nnlite.Tensor:
        calls.append(x)
        if len(calls) == 8:  # the third epoch of the second seed
            raise KeyboardInterrupt
        return noise(x)

    monkeypatch.setattr(example, "add_noise", interrupted)
    arguments = ["--penalty", "as_written", "--epochs", "3", "--classifier-epochs", "1"]
    given = ["--sample", "--limit", "20", "--batch-size", "10", "--out", str(tmp_path)]
    assert example.main([*given, *arguments]) == 130
    results = read(tmp_path)
    assert problems(results) == []
    assert results["status"] == "interrupted"
    assert {name: len(v) for name, v in results["series"].items()} == {
        "as_written/seed 0/mse": 3,
        "as_written/seed 0/classifier_error": 1,
        "as_written/seed 0/classifier_accuracy": 1,
    }
    assert len(results["values"]["measured"]["as_written"]) == 1  # the seed that was finished
