"""What the report of the CNN with dropout says of its numbers, on made-up ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import nnlite
from examples import dropout_cnn, dropout_cnn_report, dropout_cnn_weights
from examples.shared import Run
from tests.test_example_dropout_cnn import with_run


def report_of(
    out: Path,
    running: list[list[float]],
    *arguments: str,
    epochs: int = 15,
    evaluated: float = 91.0,
) -> dict[str, Any]:
    """The report of made-up series; test is 90 % in all epochs, training in eval mode 91 %."""

    def fake(run: Run) -> None:
        run.caveats.clear()
        for seed, values in enumerate(running):
            for k in range(epochs):
                run.record(f"seed {seed}/train_loss", 1.0)
                run.record(f"seed {seed}/running_accuracy", values[k])
                run.record(f"seed {seed}/dropout_accuracy", 85.0)
                run.record(f"seed {seed}/no_dropout_accuracy", 91.5)
                run.record(f"seed {seed}/eval_accuracy", evaluated)
                run.record(f"seed {seed}/test_accuracy", 90.0)
        dropout_cnn_report.report_accuracy(run, list(range(len(running))))

    return with_run(out, fake, *arguments)


def test_claim_is_judged_both_ways(tmp_path: Path) -> None:
    ascending = [80.0 + k for k in range(15)]  # above 90 from the twelfth epoch on
    results = report_of(tmp_path, [ascending, ascending])
    assert results["values"]["epochs_with_test_above_training"] == {
        "running_accuracy": list(range(1, 11)),
        "eval_accuracy": [],
    }
    rows = {row["what"]: row for row in results["comparisons"]}
    running = rows["test accuracy above training (running, dropout on) in epochs 1–3"]
    assert (running["reproduced"], running["inside"]) == ("yes", True)
    assert "+10.00, +9.00, +8.00 points; above in 1–10 of 15 epochs" in running["reason"]
    other = rows["test accuracy above training (after the epoch, eval mode) in epochs 1–3"]
    assert (other["reproduced"], other["inside"]) == ("no", None)
    assert "-1.00, -1.00, -1.00 points; above in none" in other["reason"]
    assert rows["accuracy in training (running, dropout on), epoch 1"]["inside"] is True
    assert rows["accuracy in training (running, dropout on), epoch 15"]["inside"] is True
    assert rows["accuracy in test, epoch 5"]["inside"] is True
    assert rows["accuracy in test, epoch 1"]["inside"] is False  # 90 where 86.8 is expected
    assert rows["accuracy in test, epoch 15"]["inside"] is False
    assert rows["accuracy in test, epoch 15"]["accepted"] == [91.5, None]
    items = next(block["items"] for block in results["content"] if block["kind"] == "items")
    assert "the running one is +11.00 points. Dropout makes +6.50 of them" in items[0]
    assert "the other +4.50" in items[0]
    text = results["content"][-1]["text"]
    assert "what the author saw is an effect of the measurement" in text
    assert "Dropout alone is enough" in text


def test_claim_fails_where_one_seed_contradicts_it(tmp_path: Path) -> None:
    results = report_of(tmp_path, [[80.0] * 15, [80.0, 90.5] + [85.0] * 13])
    row = next(row for row in results["comparisons"] if "above" in row["what"])
    assert (row["reproduced"], row["inside"]) == ("no", False)
    assert "true of 1 of 2 seeds" in row["reason"]


@pytest.mark.parametrize(
    ("running", "evaluated", "words"),
    [
        (95.0, 91.0, "test does not lie above training"),
        (80.0, 87.0, "that may be chance"),  # 3 points; sqrt(0.9 * 0.1 / 150) is 2.4 points
        (80.0, 85.0, "does not explain all"),
        (89.0, 91.0, "Dropout alone is enough"),
    ],
)
def test_explanation_follows_the_numbers(
    running: float, evaluated: float, words: str, tmp_path: Path
) -> None:
    results = report_of(tmp_path, [[running]], epochs=1, evaluated=evaluated)
    assert words in results["content"][-1]["text"]


def test_running_accuracy_is_a_quirk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[list[str]] = []
    real = dropout_cnn_report.viz.plot_series

    def plot_series(series: Any, *args: Any, **options: Any) -> Any:
        drawn.append(list(series))
        return real(series, *args, **options)

    monkeypatch.setattr(dropout_cnn_report.viz, "plot_series", plot_series)
    for quirks in ("running_accuracy", "none"):
        report_of(tmp_path / quirks, [[80.0]], "--quirks", quirks, epochs=1)
    assert drawn[0] == ["training (running, dropout on)", "test"]
    assert drawn[2] == ["training (after the epoch, eval mode)", "test"]
    assert len(drawn[1]) == len(drawn[3]) == 4


def test_spans() -> None:
    assert dropout_cnn_report.spans([]) == ""
    assert dropout_cnn_report.spans([2]) == "2"
    assert dropout_cnn_report.spans([1, 2, 3, 7, 9, 10]) == "1–3, 7, 9–10"


def test_a_network_without_mistakes(tmp_path: Path) -> None:
    def perfect(run: Run) -> None:
        dropout_cnn_report.report_mistakes(run, np.eye(10)[run.data.test_labels])

    results = with_run(tmp_path, perfect)
    assert list(results["figures"]) == ["confusion"]
    assert all(row[2] == 100 for row in results["tables"]["classes"]["rows"])


def test_statements_on_weights() -> None:
    rng = np.random.default_rng(0)
    fine = rng.uniform(-1, 1, (4, 5))
    twins = rng.uniform(-0.5, 0.5, (2, 2, 3, 4))
    twins[..., 2] = twins[..., 0]
    wide = np.array([[0.5, -1.5], [0.25, 0.5]])
    known = {
        name: dropout_cnn_weights.facts(w)
        for name, w in {"fine": fine, "zero": np.zeros((3, 2)), "twins": twins}.items()
    }
    inside, zero, same = dropout_cnn_weights.statements(known)
    assert "[-1, 1], holds" in inside
    assert zero == "All zero: zero."
    assert "another: zero (1), twins (1)" in same
    assert "zero 5, twins 12" in same  # equal numbers
    beyond, zero, same = dropout_cnn_weights.statements({"wide": dropout_cnn_weights.facts(wide)})
    assert "-1.500 (wide) to +0.500 (wide)" in beyond
    assert "does not hold: beyond it lie weights of wide (25 % of it)" in beyond
    assert zero == "All zero: no layer is."
    assert "no two filters or units" in same
    assert "wide 1" in same
    _, _, same = dropout_cnn_weights.statements({"fine": known["fine"]})
    assert "No number occurs twice" in same


def test_softmax_in_the_network_is_explained_by_numbers(tmp_path: Path) -> None:
    scores = nnlite.tensor([[2.0, 0.0, -1.0], [0.0, 30.0, 0.0], [0.0, 30.0, 0.0]])
    target = nnlite.tensor([0, 0, 1])

    def explain(run: Run) -> None:
        dropout_cnn.report_softmax(run, scores, target)

    results = with_run(tmp_path, explain)
    expected = torch.nn.functional.cross_entropy(
        torch.tensor(scores.numpy()), torch.tensor(target.numpy())
    )
    value = results["values"]["softmax_output"]
    assert value["loss_of_scores"] == pytest.approx(expected.item())
    assert value["clipped"] == 1  # exp(-30) is below 1e-7
    text = results["content"][-1]["text"]
    assert "softmax_output is on here" in text
    assert "For the 1 images with p inside these bounds" in text
    assert "for 1 images: clipped" in text
