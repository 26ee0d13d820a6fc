"""Questions 8 to 12 of the mini-project, on a part of the sample."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import sklearn.metrics
import torch

import nnlite
from examples import mini_project
from examples.mini_project import Project
from examples.questions import batch_sizes, dropout_gap, response, roc
from examples.questions.batch_sizes import Size
from examples.shared import Run, launch
from nnlite import nn
from nnlite.datasets import load_fashion_mnist
from nnlite.datasets.sources import SAMPLE_FOLDER
from nnlite.errors import ArgumentError
from nnlite.metrics import RocCurve
from tests.example_questions import LIMIT, ask, column, read, rows, words

NAMES = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat")
NAMES += ("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "mini_project"
    assert ask(folder, "8,9,10,11,12") == 0
    return folder


@pytest.fixture(scope="module")
def results(out: Path) -> dict[str, Any]:
    return read(out)


@pytest.fixture(scope="module")
def logits(out: Path) -> np.ndarray:
    """What PyTorch computes for the test images with the baseline's weights, (N, 10)."""
    model = torch.nn.Sequential(torch.nn.Linear(784, 40), torch.nn.ReLU(), torch.nn.Linear(40, 10))
    model.load_state_dict(safetensors.torch.load_file(out / "model.safetensors"))
    images = load_fashion_mnist(SAMPLE_FOLDER).test_images[:LIMIT].reshape(LIMIT, 784)
    with torch.no_grad():
        return model.double()((torch.tensor(images).double() / 255 - 0.5) / 0.5).numpy()


@pytest.fixture(scope="module")
def targets() -> np.ndarray:
    return load_fashion_mnist(SAMPLE_FOLDER).test_labels[:LIMIT]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A run to train in: 130 images in float64."""
    found: list[Run] = []
    arguments = ["--sample", "--limit", "130", "--epochs", "2", "--seeds", "2"]
    arguments += ["--dtype", "float64", "--out", str(tmp_path / "out")]
    assert launch(mini_project.EXAMPLE, found.append, arguments) == 0
    return found[0]


@pytest.fixture
def project(run: Run) -> Project:
    nnlite.manual_seed(0)
    return Project(run)


# -- 8: dropout --------------------------------------------------------------------------------


def test_dropout_table_is_made_of_the_series(results: dict[str, Any]) -> None:
    table = rows(results, "dropout_gap")
    assert list(table) == ["no dropout", "p = 0.1", "p = 0.3", "p = 0.5", "p = 0.7"]
    for p, row in zip(dropout_gap.RATES, table.values(), strict=True):
        names = ("train_accuracy", "train_accuracy_with_dropout", "train_accuracy_in_eval_mode")
        shares = [
            [results["series"][f"dropout_gap/p {p:g}/seed {seed}/{name}"] for seed in (200, 201)]
            for name in (*names, "test_accuracy")
        ]
        running, noisy, settled, test = (100 * np.array(each)[:, -1] for each in shares)
        assert row["training accuracy in %, while training"] == pytest.approx(running.mean())
        assert row["after it, dropout on"] == pytest.approx(noisy.mean())
        assert row["after it, eval mode"] == pytest.approx(settled.mean())
        assert row["test accuracy in %"] == pytest.approx(test.mean())
        assert row["gap in points"] == pytest.approx((settled - test).mean())
        assert row["smallest"] == pytest.approx((settled - test).min())
        assert row["largest"] == pytest.approx((settled - test).max())
    without = table["no dropout"]
    assert without["after it, dropout on"] == without["after it, eval mode"]
    assert table["p = 0.7"]["after it, dropout on"] < table["p = 0.7"]["after it, eval mode"]


def test_accuracy_with_dropout_has_dropout_on(project: Project) -> None:
    model = nn.Sequential(nn.Dropout(1.0), nn.Linear(784, 10)).double()
    nn.init.zeros_(model[1].bias)
    with nnlite.no_grad():
        model[1].bias[3] = 1.0  # with all inputs dropped, the answer is always class 3
    model.eval()
    share = np.mean(project.train_set.tensors[1].numpy() == 3)
    assert dropout_gap.accuracy_with_dropout(model, project.train_set) == share


# -- 9: batch sizes ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("n", "batch", "epochs", "last"),
    [
        (60_000, 1, 3, 60_000),  # one epoch: no more
        (60_000, 10, 3, 18_000),
        (60_000, 60, 3, 3_000),
        (60_000, 60_000, 3, 100),  # a hundred epochs: no fewer updates
        (130, 60, 50, 150),  # three batches per epoch, the last of ten
    ],
)
def test_budget(n: int, batch: int, epochs: int, last: int) -> None:
    updates = batch_sizes.measurements(n, batch, epochs)
    assert updates[-1] == last
    assert updates[:4] == [1, 2, 4, 8]
    assert all(b in (2 * a, last) for a, b in itertools.pairwise(updates))
    per_epoch = math.ceil(n / batch)
    assert Size(batch, n, updates).epochs[-1] == pytest.approx(last / per_epoch)


def test_epochs_count_the_images_of_a_ragged_batch() -> None:
    assert Size(60, 130, [1, 2, 3, 4]).epochs == [60 / 130, 120 / 130, 1.0, 1 + 60 / 130]


def test_descent_is_that_of_pytorch(run: Run, project: Project) -> None:
    """Full batches, for which the order of the images does not matter."""
    nnlite.manual_seed(3)
    state = {k: torch.tensor(v.numpy()) for k, v in project.network().state_dict().items()}
    nnlite.manual_seed(3)
    descent = batch_sizes.descend(run, project, Size(130, 130, [1, 2, 4, 7]), 3)

    twin = torch.nn.Sequential(
        torch.nn.Linear(784, 40), torch.nn.ReLU(), torch.nn.Linear(40, 10)
    ).double()
    twin.load_state_dict(state)
    adam = torch.optim.Adam(twin.parameters(), lr=1e-3)
    x, y = (torch.tensor(t.numpy()) for t in project.train_set.tensors)
    test_x, test_y = (torch.tensor(t.numpy()) for t in project.test_set.tensors)
    losses, test_losses, accuracies = [], [], []
    for update in range(1, 8):
        adam.zero_grad()
        torch.nn.functional.cross_entropy(twin(x), y).backward()
        adam.step()
        if update in (1, 2, 4, 7):
            losses.append(torch.nn.functional.cross_entropy(twin(x), y).item())
            answers = twin(test_x)
            test_losses.append(torch.nn.functional.cross_entropy(answers, test_y).item())
            accuracies.append(100 * (answers.argmax(1) == test_y).double().mean().item())
    assert descent.loss == pytest.approx(losses)
    assert descent.test_loss == pytest.approx(test_losses)
    assert descent.accuracy == pytest.approx(accuracies)
    assert descent.seconds == sorted(descent.seconds)
    assert descent.seconds[0] > 0
    assert run.series["batch_sizes/130/seed 3/loss"] == descent.loss


def test_memory_of_an_update_holds_the_batch(project: Project) -> None:
    batch = 130 * 784 * 8
    assert batch <= batch_sizes.memory_of_an_update(project, 130) < 4 * batch
    assert batch_sizes.memory_of_an_update(project, 1) < batch


def test_ctrl_c_while_memory_is_measured_keeps_the_trainings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(project: Project, batch: int) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(batch_sizes, "memory_of_an_update", interrupted)
    assert ask(tmp_path / "out", "9") == 130
    stopped = read(tmp_path / "out")
    assert list(rows(stopped, "batch_sizes")) == ["1 (stochastic)"]
    assert stopped["result"] == "Questions answered: none."


def test_batch_sizes_table(results: dict[str, Any]) -> None:
    table = rows(results, "batch_sizes")
    assert list(table) == ["1 (stochastic)", "10", "60", "310 (batch)"]
    assert [row["updates"] for row in table.values()] == [310, 100, 100, 100]
    assert [row["epochs"] for row in table.values()] == pytest.approx(
        [1, 100 / 31, 100 / 6, 100], 0.02
    )
    for batch, row in zip((1, 10, 60, 310), table.values(), strict=True):
        last = [results["series"][f"batch_sizes/{batch}/seed {s}/accuracy"][-1] for s in (200, 201)]
        seconds = [
            results["series"][f"batch_sizes/{batch}/seed {s}/seconds"][-1] for s in (200, 201)
        ]
        assert row["test accuracy in %"] == pytest.approx(np.mean(last))
        assert row["seconds"] == pytest.approx(np.median(seconds))
        assert row["updates / s"] == pytest.approx(row["updates"] / row["seconds"])
        assert row["images / s"] == pytest.approx(row["epochs"] * LIMIT / row["seconds"])


def test_a_stop_leaves_what_was_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, calls = batch_sizes.F.cross_entropy, 0

    def stops(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 700:  # within the second batch size
            raise KeyboardInterrupt
        return real(*args, **kwargs)

    monkeypatch.setattr(batch_sizes, "F", SimpleNamespace(cross_entropy=stops))
    assert ask(tmp_path / "out", "9,10") == 130
    results = read(tmp_path / "out")
    assert results["status"] == "interrupted"
    assert list(rows(results, "batch_sizes")) == ["1 (stochastic)"]
    assert "confusion" not in results["tables"]


# -- 10: confusion -----------------------------------------------------------------------------


def test_confusion_is_that_of_scikit_learn(
    results: dict[str, Any], logits: np.ndarray, targets: np.ndarray
) -> None:
    predicted = logits.argmax(1)
    matrix = sklearn.metrics.confusion_matrix(targets, predicted, labels=range(10))
    table = rows(results, "confusion")
    assert [[table[name][other] for other in NAMES] for name in NAMES] == matrix.tolist()
    assert [table["answers"][name] for name in NAMES] == matrix.sum(axis=0).tolist()
    assert column(results, "confusion", "images") == matrix.sum(axis=1).tolist()

    expected = sklearn.metrics.precision_recall_fscore_support(
        targets, predicted, labels=range(10), zero_division=np.nan
    )
    for heading, values in zip(("precision", "recall", "F1"), expected, strict=False):
        found = np.array(column(results, "confusion_classes", f"{heading} in %"), np.float64)
        np.testing.assert_allclose(found, 100 * values, err_msg=heading)
    binary = sklearn.metrics.multilabel_confusion_matrix(targets, predicted, labels=range(10))
    for heading, (i, j) in {"TN": (0, 0), "FP": (0, 1), "FN": (1, 0), "TP": (1, 1)}.items():
        assert column(results, "confusion_classes", heading) == binary[:, i, j].tolist()

    right = int(np.trace(matrix))
    assert f"{right} / 310 = {100 * right / 310:.2f} %" in words(results)
    assert f"{310 - right} / 310 = {100 * (310 - right) / 310:.2f} %" in words(results)


def test_every_element_has_its_meaning(out: Path) -> None:
    lines = (out / "confusion_elements.csv").read_text().splitlines()
    assert len(lines) == 1 + 100
    text = "\n".join(lines)
    assert "images of Shirt were taken for Coat: FN of Shirt, FP of Coat" in text.replace('"', "")
    assert "images of Bag were recognised: TP of Bag" in text


# -- 11: response ------------------------------------------------------------------------------


def test_response_is_that_of_pytorch(results: dict[str, Any], logits: np.ndarray) -> None:
    chosen = np.array(column(results, "response", "chosen, logit"))
    np.testing.assert_allclose(chosen, logits[0], rtol=1e-4, atol=1e-5)
    p = torch.tensor(logits).softmax(1).numpy()
    found = np.array(column(results, "response", "chosen, softmax"))
    np.testing.assert_allclose(found, p[0], rtol=1e-4)
    entropy = torch.distributions.Categorical(torch.tensor(p)).entropy().numpy() / np.log(2)
    unsure = int(entropy.argmax())
    assert f"Test image {unsure}: " in words(results)
    np.testing.assert_allclose(column(results, "response", "unsure, softmax"), p[unsure], rtol=1e-4)
    # after the normalisation a blank image is -1 everywhere
    weights = safetensors.torch.load_file(Path(results["settings"]["out"], "model.safetensors"))
    hidden = (weights["0.bias"] - weights["0.weight"].sum(1)).relu()
    blank = (weights["2.weight"] @ hidden + weights["2.bias"]).numpy()
    np.testing.assert_allclose(
        column(results, "response", "blank, logit"), blank, rtol=1e-3, atol=1e-4
    )
    for kind in ("chosen", "unsure", "blank", "noise"):
        assert sum(column(results, "response", f"{kind}, softmax")) == pytest.approx(1)
        assert f"response_{kind}" in results["figures"]


@pytest.mark.parametrize("index", [-1, 130])
def test_there_must_be_such_an_image(run: Run, index: int) -> None:
    run.args.image = index
    with pytest.raises(ArgumentError, match=f"--image: expected 0 to 129.*got {index}"):
        response.chosen(run)
    run.args.image = 129
    assert response.chosen(run) == 129


# -- 12: ROC -----------------------------------------------------------------------------------


def test_roc_is_that_of_scikit_learn(
    results: dict[str, Any], logits: np.ndarray, targets: np.ndarray
) -> None:
    p = torch.tensor(logits).softmax(1).numpy()
    hot = targets[:, None] == np.arange(10)
    table = rows(results, "roc_auc")
    areas = [sklearn.metrics.roc_auc_score(hot[:, k], p[:, k]) for k in range(10)]
    assert column(results, "roc_auc", "AUC") == pytest.approx(areas, abs=1e-3)
    micro = sklearn.metrics.roc_auc_score(targets, p, average="micro", multi_class="ovr")
    macro = sklearn.metrics.roc_auc_score(targets, p, average="macro", multi_class="ovr")
    assert table["micro average"]["AUC"] == pytest.approx(micro, abs=1e-3)
    assert table["macro average of the AUCs"]["AUC"] == pytest.approx(macro, abs=1e-3)
    taken = logits.argmax(1)[:, None] == np.arange(10)
    found = [100 * taken[hot[:, k], k].mean() for k in range(10)]
    false = [100 * taken[~hot[:, k], k].mean() for k in range(10)]
    assert column(results, "roc_auc", "found in % by the answer itself") == pytest.approx(found)
    heading = "false positives in % of the answer itself"
    assert column(results, "roc_auc", heading) == pytest.approx(false)
    for k, at_one_percent in enumerate(
        column(results, "roc_auc", "found in % at 1 % false positives")
    ):
        fpr, tpr, _ = sklearn.metrics.roc_curve(hot[:, k], p[:, k], drop_intermediate=False)
        assert at_one_percent == pytest.approx(
            100 * tpr[fpr <= 0.01].max(), abs=100 / hot[:, k].sum()
        )


def test_found_at_takes_no_more_than_allowed() -> None:
    curve = RocCurve(*(np.array(v) for v in ([0.0, 0.0, 0.01, 0.02], [0.0, 0.4, 0.6, 1], [9] * 4)))
    assert roc.found_at(curve, 0.01) == 0.6
    assert roc.found_at(curve, 0.009) == 0.4
    nothing = RocCurve(*(np.full(2, np.nan),) * 3)
    assert math.isnan(roc.found_at(nothing, 0.01))
