"""The frame of the mini-project: the network, the loop, the words; on a part of the sample."""

from __future__ import annotations

import argparse
import itertools
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import nnlite
from examples import mini_project
from examples.mini_project import History, Project, mlp
from examples.questions import QUESTIONS, evidence
from examples.questions.comparison import axis_start, cells, curves
from nnlite import nn, optim
from tests.mini_project_runs import read, small_project, table, words

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def project(tmp_path: Path) -> Project:
    nnlite.manual_seed(0)
    return small_project(tmp_path / "out")


def sgd(model: nn.Module, lr: float = 0.1) -> optim.Optimizer:
    return optim.SGD(model.parameters(), lr=lr)


# -- the frame ---------------------------------------------------------------------------------


def test_baseline_is_the_published_network(tmp_path: Path) -> None:
    asked = ["--sample", "--limit", "130", "--epochs", "2", "--seeds", "2", "--question", "3"]
    assert mini_project.main([*asked, "--out", str(tmp_path)]) == 0
    results = read(tmp_path)
    assert sum(p.numel() for p in mlp().parameters()) == 31_810
    rows = {row["what"]: row for row in results["comparisons"]}
    assert rows["parameters"]["inside"] is True
    assert rows["test accuracy"]["inside"] is None  # two epochs on a part of the sample
    assert len(table(results, "baseline")) == 4  # two seeds, two epochs: trained once, then shared
    assert len(results["series"]["baseline/seed 200/train_loss"]) == 2
    assert results["result"].startswith("Questions answered: 3. The baseline's test accuracy: ")


def test_train_does_what_pytorch_does(project: Project) -> None:
    """Full batches, for which the order of the images does not matter."""
    model = project.network((7, 5), nn.Tanh)
    twin = torch.nn.Sequential(
        *(torch.nn.Linear(784, 7), torch.nn.Tanh()),
        *(torch.nn.Linear(7, 5), torch.nn.Tanh(), torch.nn.Linear(5, 10)),
    ).double()
    twin.load_state_dict({k: torch.tensor(v.numpy()) for k, v in model.state_dict().items()})
    adam = optim.Adam(model.parameters(), lr=1e-2)
    history = project.train("twin", model, adam, epochs=4, batch_size=10**6)

    x, y = (torch.tensor(t.numpy()) for t in project.train_set.tensors)
    test_x, test_y = (torch.tensor(t.numpy()) for t in project.test_set.tensors)
    assert x.min() == -1
    assert x.max() == 1
    optimizer = torch.optim.Adam(twin.parameters(), lr=1e-2)
    for k in range(4):
        optimizer.zero_grad()
        logits = twin(x)
        loss = torch.nn.functional.cross_entropy(logits, y)
        assert history.train_loss[k] == pytest.approx(loss.item())
        assert history.train_accuracy[k] == (logits.argmax(1) == y).double().mean().item()
        loss.backward()
        optimizer.step()
        answers = twin(test_x)
        expected = torch.nn.functional.cross_entropy(answers, test_y).item()
        assert history.test_loss[k] == pytest.approx(expected)
        assert history.test_accuracy[k] == (answers.argmax(1) == test_y).double().mean().item()
    np.testing.assert_allclose(history.probabilities, answers.softmax(1).detach(), rtol=1e-9)
    assert history.percent == 100 * history.test_accuracy[-1]
    assert history.updates == history.evaluations == [1] * 4


def test_ragged_batches_weigh_by_their_images(project: Project) -> None:
    model = project.network()
    history = project.train("ragged", model, sgd(model, lr=0.0), epochs=1)
    assert history.updates == [3]  # 130 images in batches of 60
    whole = project.evaluate(model, project.train_set)
    assert history.train_loss[0] == pytest.approx(whole.loss)
    assert history.train_accuracy[0] == pytest.approx(whole.accuracy)


def test_counts_each_gradient_of_lbfgs(project: Project) -> None:
    model = project.network()
    lbfgs = optim.LBFGS(model.parameters(), max_iter=4)
    history = project.train("lbfgs", model, lbfgs, epochs=2, batch_size=10**6)
    assert history.updates == [1, 1]
    assert history.evaluations == [4, 4]
    assert history.train_loss[1] < history.train_loss[0]


def test_evaluates_without_dropout(project: Project) -> None:
    model = project.network(dropout=0.9)
    history = project.train("dropout", model, sgd(model, lr=0.0), epochs=1)
    once, twice = (project.evaluate(model, project.train_set) for _ in range(2))
    np.testing.assert_array_equal(once.probabilities, twice.probabilities)
    assert history.train_loss[0] > 1.01 * once.loss  # nine of ten are off while training
    assert model.training


def test_a_training_that_diverges_has_no_number(project: Project) -> None:
    model = project.network()
    with np.errstate(all="ignore"):
        history = project.train("lost", model, sgd(model, lr=1e200), epochs=3)
    assert history.diverged
    assert history.complete
    assert math.isnan(history.percent)
    assert cells([history])[:3] == [None, None, None]
    assert "lost/train_loss" not in project.run.series


def test_each_setting_meets_the_same_random_numbers(project: Project) -> None:
    for seed in project.run.each_seed():
        first = project.network()
        nnlite.manual_seed(seed)
        again = project.network()
        np.testing.assert_array_equal(first[0].weight.detach(), again[0].weight.detach())
    assert project.baseline(201) is project.baselines()[201]
    assert list(project.baselines()) == [200, 201]


def test_schedulers_and_callbacks_come_after_each_epoch(project: Project) -> None:
    model = project.network()
    optimizer = sgd(model)
    seen = []
    history = project.train(
        "halved",
        model,
        optimizer,
        epochs=3,
        scheduler=optim.lr_scheduler.ExponentialLR(optimizer, 0.5),
        each_epoch=lambda epoch, so_far: seen.append((epoch, so_far.epochs)),
    )
    assert history.learning_rate == [0.1, 0.05, 0.025]
    assert seen == [(1, 1), (2, 2), (3, 3)]


def test_refuses_a_question_that_is_none(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "examples.mini_project", "--question", "14", "--out", tmp_path],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "expected 1 to 13, or all, got '14'" in done.stderr


def test_which_questions() -> None:
    assert mini_project.questions("all") == [question.number for question in QUESTIONS]
    assert mini_project.questions("9,3,9") == [3, 9]
    for text in ("0", "14", "x", "3,", "", "1.5", "-1"):
        with pytest.raises(argparse.ArgumentTypeError, match="expected 1 to 13"):
            mini_project.questions(text)
    assert [question.number for question in QUESTIONS] == list(range(1, 14))


def test_refuses_no_epoch(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--sample", "--epochs", "0", "--question", "3", "--out", str(tmp_path)]
    assert mini_project.main(arguments) == 2
    assert "expected 1 or more" in capsys.readouterr().err


def test_ctrl_c_leaves_a_report_of_what_was_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    passes = itertools.count(1)
    train_epoch = mini_project.train_epoch

    def stopped(*arguments: Any) -> Any:
        if next(passes) == 4:  # in the second setting of question 4
            raise KeyboardInterrupt
        return train_epoch(*arguments)

    monkeypatch.setattr(mini_project, "train_epoch", stopped)
    arguments = ["--sample", "--limit", "130", "--epochs", "1", "--seeds", "2"]
    assert mini_project.main([*arguments, "--question", "4,6", "--out", str(tmp_path)]) == 130
    results = read(tmp_path)
    assert results["status"] == "interrupted"
    assert [row["hidden layers"] for row in table(results, "depth_width")] == [1, 2]
    assert results["result"] == "Questions answered: none."
    assert "6. Nine transfer functions" not in words(results)


# -- the words ---------------------------------------------------------------------------------


def test_ranking_says_what_the_seeds_support() -> None:
    values = {"a": [90.0, 91.0, 92.0], "b": [80.0, 81.0, 82.0], "c": [89.0, 90.5, 91.5]}
    text = " ".join(evidence.ranking(values, "test accuracy"))
    assert "The highest test accuracy has a: 91.00 % (90.00 to 92.00)." in text
    assert "The lowest has b" in text
    assert "All seeds of a lie above all seeds of b (" in text
    assert "in 10 % of such comparisons" in text
    assert "overlap with c" in text
    one = " ".join(evidence.ranking({"a": [90.0], "b": [80.0]}, "test accuracy"))
    assert "cannot tell a difference" in one
    assert "lie above" not in one
    lost = " ".join(evidence.ranking({"a": [math.nan, math.nan], "b": [80.0]}, "test accuracy"))
    assert "The highest test accuracy has b: 80.00 %." in lost
    assert "diverged: a." in lost


def test_chance_that_equal_settings_come_apart() -> None:
    for a, b in ((2, 2), (3, 3), (3, 1)):
        orders = list(itertools.combinations(range(a + b), a))  # the places of the a
        apart = [c for c in orders if max(c) == a - 1 or min(c) == b]
        assert evidence.by_chance(a, b) == pytest.approx(len(apart) / len(orders))


def test_curves_of_seeds_that_ended_early() -> None:
    whole = History(nn.Identity(), 2, test_accuracy=[0.5, 0.75])
    short = History(nn.Identity(), 2, test_accuracy=[0.25], diverged=True)
    found = curves({"a": [whole, short], "b": []}, "test_accuracy", 100)
    np.testing.assert_array_equal(found["a"], [[50, 75], [25, np.nan]])
    assert "b" not in found
    assert axis_start({"a": [86.0], "b": [84.9, math.nan]}) == 70
    assert axis_start({"a": [math.nan]}) == 0
