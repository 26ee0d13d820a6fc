"""The run that the questions compare with: its table, and what is known of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from examples.questions.evidence import band

if TYPE_CHECKING:
    from examples.mini_project import Project
    from examples.shared import Run

PARAMETERS = 31_810


def report(run: Run, project: Project) -> None:
    """A section on the baseline, with all seeds, where some question has asked for it."""
    if project.trained_baselines and not run.interrupted:
        project.baselines()
    trained = project.trained_baselines
    if not trained:
        return
    first = next(iter(trained.values()))
    run.section("The baseline")
    run.text("What the questions compare with: this network, trained by Adam with lr 0.001.")
    run.verbatim(repr(first.model))
    parameters = sum(p.numel() for p in first.model.parameters())
    same = parameters == PARAMETERS
    run.compare("parameters", PARAMETERS, parameters, inside=same, depends=())
    reached = [each.percent for each in trained.values() if each.epochs == run.epochs]
    pytorch = "85.7–86.7 (PyTorch)"  # with the seeds 0, 1, 2 and 200
    run.compare("test accuracy", pytorch, reached or None, at_least=85.0, unit="%")

    rows = []
    for seed, each in trained.items():
        for k in range(each.epochs):
            shares = (100 * each.train_accuracy[k], 100 * each.test_accuracy[k])
            rows.append([seed, k + 1, each.train_loss[k], *shares, each.seconds[k]])
    columns = ["seed", "epoch", "training loss", "training accuracy in %", "test accuracy in %"]
    columns.append("seconds")
    formats = ["", "", ".4f", ".2f", ".2f", ".1f"]
    run.table("baseline", columns, rows, "The baseline by epoch", formats=formats, csv=True)
    run.weights("model", first.model.state_dict(), "the baseline of the first seed")
    accuracy = band([each.percent for each in trained.values()])
    run.result(f"{run.outcome} The baseline's test accuracy: {accuracy}.")
