"""Question 7: the gradients with respect to the inputs, as CSV: examples.input_gradients again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from examples import input_gradients

if TYPE_CHECKING:
    from examples.mini_project import Project
    from examples.shared import Run


def answer(run: Run, project: Project) -> None:
    """Train with the batch as a leaf, write the CSV, and look for the ten pixels."""
    trained = {
        seed: input_gradients.train(run, seed, project.train_set, project.test_set)
        for seed in run.each_seed()
    }
    finished = {seed: each for seed, each in trained.items() if len(each.vectors) >= 2}
    if run.seed not in finished:
        run.text("A standard deviation over epochs needs two of them at least.")
        return
    run.text(
        "Each batch is a leaf of the graph with requires_grad, so backward leaves a gradient in "
        "it as in every weight; the mean over an epoch's batches and their rows is one vector of "
        "784 numbers, a line of the CSV. python -m examples.input_gradients is this question as an "
        "experiment of its own."
    )
    for seed, baseline in project.trained_baselines.items():
        losses = run.series.get(f"seed {seed}/train_loss", [])
        if losses and len(losses) == baseline.epochs:
            apart = max(abs(a - b) for a, b in zip(losses, baseline.train_loss, strict=True))
            run.text(
                f"Seed {seed}: the training losses differ from the baseline's by at most "
                f"{apart:.1e}: asking for the inputs' gradient "
                + ("changes nothing in the training." if apart == 0 else "changes the rounding.")
            )
    input_gradients.report_pixels(run, finished)
    input_gradients.explain(run, finished)
