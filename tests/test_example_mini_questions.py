"""Questions 1 to 7 of the mini-project, on a part of the sample."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

import nnlite
from examples import mini_project
from examples.exercises.bughunt.catalogue import BUGS
from examples.mini_project import Project, mlp
from examples.questions import (
    bugs,
    depth_width,
    descent_kind,
    gpu,
    optimizers,
    schedulers,
    transfer_functions,
)
from nnlite import nn, optim
from tests.mini_project_runs import read, small_project, table, words

LIMIT = 250  # training images and test images: five batches of 60, the last with ten


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run of questions 2 to 7, with two seeds and two epochs."""
    folder = tmp_path_factory.mktemp("runs") / "mini_project"
    limits = ["--limit", str(LIMIT), "--epochs", "2", "--seeds", "2"]
    asked = ["--question", "2,3,4,5,6,7", "--sample", "--out", str(folder)]
    assert mini_project.main([*limits, *asked]) == 0
    return folder


@pytest.fixture(scope="module")
def results(out: Path) -> dict[str, Any]:
    return read(out)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    nnlite.manual_seed(0)
    return small_project(tmp_path / "out")


def test_bugs_are_there_and_their_solutions_work(project: Project) -> None:
    bugs.answer(project.run, project)
    results = project.run.results("complete")
    rows = {row["bug"]: row for row in table(results, "bugs")}
    assert list(rows) == [bug.name for bug in BUGS]
    assert results["values"]["bugs/repaired"] == list(rows)
    assert "NameError" in rows["names"]["symptom"]
    for row in rows.values():
        assert row["symptom"] != row["after the repair"]
    # view(784, -1).t() for view(-1, 784); and predicted == labels without .sum().item()
    assert rows["view"]["lines to change"] == rows["counting"]["lines to change"] == 1
    loud = [name for name, row in rows.items() if row["symptom"].startswith("It stops with")]
    assert set(loud) <= {name for name, row in rows.items() if row["kind"] == "loud"}
    assert f"finds it gone from the solution, for {len(BUGS)} of {len(BUGS)};" in words(results)


def test_gpu_says_what_is_missing(results: dict[str, Any]) -> None:
    rows = table(results, "gpu")
    assert [(row["device"], row["batch size"]) for row in rows] == [("cpu", 60), ("cpu", 250)]
    assert [row["updates / epoch"] for row in rows] == [5, 1]
    with pytest.raises(nnlite.errors.DeviceError) as error:
        nnlite.zeros(1, device="cuda")
    assert str(error.value) in words(results)


def test_gpu_compares_two_devices(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "GPU", "strict")  # the stand-in for CuPy of tests.strict
    run = project.run
    gpu.answer(run, project)
    losses = [run.series[f"gpu/{device}/batch 60/train_loss"] for device in ("cpu", "strict")]
    assert losses[0] == pytest.approx(losses[1])
    assert "At batch size 60 the GPU is " in words(run.results("complete"))


def test_kind_of_descent(results: dict[str, Any]) -> None:
    rows = {row["kind"]: row for row in table(results, "descent_kind")}
    assert rows["this run"]["updates / epoch"] == 5  # 60 + 60 + 60 + 60 + 10
    assert rows["this run"]["images in the last batch"] == 10
    assert rows["stochastic"]["updates / epoch"] == LIMIT
    assert rows["batch"]["updates / epoch"] == 1
    assert "It is mini-batch gradient descent: 1 < 60 < 250" in words(results)
    assert "the loop made 5." in words(results)
    assert "batch gradient descent here" in descent_kind.kind(100, 100)
    assert descent_kind.kind(100, 1).startswith("It is stochastic")
    cosines = [row["after training"] for row in table(results, "alignment")]
    assert cosines == sorted(cosines)  # larger batches point more like all images
    assert 0 < cosines[0] < cosines[-1] < 1


def test_small_batches_are_drawn_often(results: dict[str, Any]) -> None:
    assert [descent_kind.draws_of(n) for n in (1, 60, 600, 6000)] == [400, 400, 40, 20]
    for row in table(results, "alignment"):
        assert row["batches"] == descent_kind.draws_of(row["batch size"])
        assert 0 < row["standard error, the larger"] < 0.05


def test_gradient_of_all_is_the_mean_of_the_halves(project: Project) -> None:
    model = project.network()
    x, y = project.train_set.tensors
    whole = descent_kind.gradient(model, x, y)
    halves = [descent_kind.gradient(model, x[s], y[s]) for s in (slice(65), slice(65, None))]
    np.testing.assert_allclose(whole, np.mean(halves, axis=0), atol=1e-12)
    assert descent_kind.cosine(whole, 3 * whole) == pytest.approx(1)


def test_solver_finds_the_widths(results: dict[str, Any]) -> None:
    assert depth_width.solve(31_810, 1) == (40,)
    for depth in (1, 2, 3, 4, 5):
        hidden = depth_width.solve(31_810, depth)
        counted = sum(p.numel() for p in mlp(hidden).parameters())
        assert depth_width.parameters(hidden) == counted
        assert len(hidden) == depth
        assert abs(counted - 31_810) <= 10
    near = [mlp((a, b)) for a in range(36, 41) for b in range(36, 41)]
    counts = [sum(p.numel() for p in model.parameters()) for model in near]
    best = depth_width.parameters(depth_width.solve(31_810, 2))
    assert abs(best - 31_810) == min(abs(count - 31_810) for count in counts)
    assert depth_width.parameters(depth_width.solve(7_000, 3)) == pytest.approx(7_000, rel=0.06)
    with pytest.raises(ValueError, match="no network with 2 hidden layers"):
        depth_width.solve(700, 2)
    rows = table(results, "depth_width")
    assert [row["parameters"] - 31_810 for row in rows] == [row["off the budget"] for row in rows]


def test_ten_optimizers(results: dict[str, Any]) -> None:
    rows = {row["optimizer"]: row for row in table(results, "optimizers")}
    published = ["Adadelta", "Adagrad", "Adam", "Adamax", "ASGD", "LBFGS", "RMSprop", "Rprop"]
    published += ["SGD", "SparseAdam"]
    assert list(rows) == [*published, "Rprop on mini-batches"]
    for name, row in rows.items():  # the defaults of torch.optim
        if name not in ("Rprop", "Rprop on mini-batches"):
            weight = torch.nn.Parameter(torch.zeros(1))
            assert row["lr"] == getattr(torch.optim, name)([weight]).defaults["lr"]
    assert rows["Adam"]["updates"] == rows["Adam"]["passes over the data"] * 5 == 10
    assert rows["Rprop"]["updates"] == rows["Rprop"]["passes over the data"] == 40
    assert rows["LBFGS"]["updates"] == 2 < rows["LBFGS"]["passes over the data"]
    rates = {row["optimizer"]: row for row in table(results, "optimizers_rates")}
    assert set(rates) == set(published) - {"LBFGS", "Rprop"}
    labels = {"a tenth of it": "lr x 0.1/seed 200", "the default": "seed 200"}
    labels["ten times"] = "lr x 10/seed 200"
    for (name, row), (column, label) in itertools.product(rates.items(), labels.items()):
        series = f"optimizers/{name}/{label}"
        factor = {"a tenth of it": 0.1, "the default": 1, "ten times": 10}[column]
        used = results["series"][f"{series}/learning_rate"]
        assert used == pytest.approx([factor * row["default lr"]] * 2)
        assert row[column] == pytest.approx(100 * results["series"][f"{series}/test_accuracy"][-1])


def test_sparse_adam_skips_units_without_gradient() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    with nnlite.no_grad():
        model[0].bias[:2] = -1e9  # two of four hidden units are off
        model[0].bias[2:] = 1e3
    rows = optimizers.SkippedRows()
    optimizer = optim.SparseAdam(model.parameters())
    optimizer.register_step_post_hook(rows)
    model(nnlite.ones(5, 3)).square().sum().backward()
    optimizer.step()
    assert (rows.skipped, rows.rows) == (4, 12)  # of 4 + 4 + 2 + 2: two weights, two biases


def test_five_schedulers_follow_their_rules(results: dict[str, Any]) -> None:
    rules = {
        "constant": lambda k: 1.0,
        "LambdaLR": lambda k: 1 - k / 4,
        "StepLR": lambda k: 0.3**k,
        "MultiStepLR": lambda k: 0.1 ** ((k >= 2) + (k >= 3)),
        "ExponentialLR": lambda k: 0.5**k,
    }
    for name, rule in rules.items():
        rates = results["series"][f"schedulers/{name}/seed 201/learning_rate"]
        assert rates == pytest.approx([schedulers.LR * rule(k) for k in range(4)])
    plateau = "schedulers/ReduceLROnPlateau/seed 201"
    losses, rate = results["series"][f"{plateau}/train_loss"], schedulers.LR
    lowest = math.inf
    for k, found in enumerate(results["series"][f"{plateau}/learning_rate"]):
        assert found == pytest.approx(rate)
        if losses[k] < 0.9 * lowest:
            lowest = losses[k]
        else:
            rate *= 0.1
    assert {row["scheduler"] for row in table(results, "schedulers")} == {
        *rules,
        "ReduceLROnPlateau",
    }


def test_schedulers_of_equal_rates_are_named() -> None:
    def histories(*rates: list[float]) -> list[Any]:
        return [SimpleNamespace(learning_rate=each) for each in rates]

    results: Any = {
        "a": histories([1.0, 0.1], [1.0, 0.1]),
        "b": histories([1.0, 0.1], [1.0, 1.0]),
        "c": histories([1.0, 0.1], [1.0, 0.1]),
    }
    assert schedulers.alike(results) == [["a", "c"]]


@pytest.mark.parametrize("name", transfer_functions.FUNCTIONS)
def test_transfer_functions_are_pytorchs(name: str, results: dict[str, Any]) -> None:
    grid = np.linspace(-5, 5, 21)
    values, slopes = transfer_functions.with_derivative(transfer_functions.FUNCTIONS[name](), grid)
    x = torch.tensor(grid, requires_grad=True)
    y = getattr(torch.nn, name)()(x)
    y.sum().backward()
    np.testing.assert_allclose(values, y.detach(), atol=1e-12)
    np.testing.assert_allclose(slopes, x.grad, atol=1e-12)
    rows = {row["function"]: row for row in table(results, "transfer_functions")}
    assert list(rows) == list(transfer_functions.FUNCTIONS)
    assert 0 < rows[name]["mean slope on the test set"] <= rows[name]["steepest slope"]


def test_mean_slope_of_relu_is_the_share_of_units_that_are_on(project: Project) -> None:
    model = project.network()
    x, _ = project.test_set.tensors
    on = float((model[0](x) > 0).float().mean().item())
    assert transfer_functions.mean_slope(model, project) == pytest.approx(on)


def test_input_gradients_as_csv(out: Path, results: dict[str, Any]) -> None:
    for name in ("input_gradients.csv", "input_gradients_seed_201.csv"):
        assert np.loadtxt(out / name, delimiter=",").shape == (2, 784)
    assert "Seed 200: the training losses differ from the baseline's by at most 0.0" in words(
        results
    )


def test_pictures_and_files(out: Path, results: dict[str, Any]) -> None:
    figures = {"alignment", "depth_width", "depth_width_curves", "optimizers", "optimizers_passes"}
    figures |= {"schedulers_rates", "schedulers_accuracy", "transfer_functions", "heat_map"}
    figures |= {"transfer_accuracy", "transfer_loss"}
    assert set(results["figures"]) == figures
    for name in figures:
        assert (out / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    assert {"model.safetensors", "optimizers.csv", "baseline.csv"} <= set(results["files"])
