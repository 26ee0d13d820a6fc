"""Question 5, second part: five schedulers on Adam with a rate that is too high to stay."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from examples.questions.comparison import COLUMNS, FORMATS, accuracies, cells, curves
from examples.questions.evidence import above, band, ranking
from nnlite import optim, viz
from nnlite.optim.lr_scheduler import (
    ExponentialLR,
    LambdaLR,
    LRScheduler,
    MultiStepLR,
    ReduceLROnPlateau,
    StepLR,
)

if TYPE_CHECKING:
    from examples.mini_project import History, Project
    from examples.shared import Run

LR = 1e-2  # ten times the baseline's
CONSTANT = "constant"

Make = Callable[[optim.Optimizer], LRScheduler | None]


def schedules(epochs: int) -> dict[str, tuple[Make, str]]:
    """The schedulers for a training of that many epochs, with their rule in words."""
    third, half, late = max(1, epochs // 3), max(1, epochs // 2), max(2, 5 * epochs // 6)
    return {
        CONSTANT: (lambda o: None, "lr"),
        "LambdaLR": (
            lambda o: LambdaLR(o, lambda epoch: 1 - epoch / epochs),
            f"lr * (1 - epoch / {epochs}): a straight line to zero",
        ),
        "StepLR": (
            lambda o: StepLR(o, third, gamma=0.3),
            f"lr * 0.3 after every {third} epochs" if third > 1 else "lr * 0.3 after every epoch",
        ),
        "MultiStepLR": (
            lambda o: MultiStepLR(o, [half, late], gamma=0.1),
            f"lr * 0.1 after epochs {half} and {late}",
        ),
        "ExponentialLR": (lambda o: ExponentialLR(o, gamma=0.5), "lr * 0.5 after every epoch"),
        "ReduceLROnPlateau": (
            lambda o: ReduceLROnPlateau(o, patience=0, threshold=0.1),
            "lr * 0.1 after an epoch whose training loss is not 10 % below the best before",
        ),
    }


def answer(run: Run, project: Project) -> None:
    """Train with each scheduler; rates and accuracies as charts."""
    epochs = 2 * project.comparison_epochs
    rules = schedules(epochs)
    results: dict[str, list[History]] = {}
    for name, (make, _) in rules.items():
        for seed in run.each_seed():
            model = project.network()
            optimizer = optim.Adam(model.parameters(), lr=LR)
            scheduler = make(optimizer)
            label = f"schedulers/{name}/seed {seed}"
            history = project.train(label, model, optimizer, epochs=epochs, scheduler=scheduler)
            if history.complete:
                results.setdefault(name, []).append(history)
    if not results:
        return

    run.text(
        f"The schedulers drive Adam from lr {LR:g}, ten times the baseline's, over {epochs} "
        f"epochs; a step of the scheduler after each epoch. {CONSTANT} has none."
    )
    rows = [
        [name, rules[name][1], rates(histories), *cells(histories)[:4]]
        for name, histories in results.items()
    ]
    columns = ["scheduler", "rule", "lr by epoch, first seed", *COLUMNS[:4]]
    formats = ["", "", "", *FORMATS[:4]]
    run.table("schedulers", columns, rows, "Five schedulers", formats=formats, csv=True)
    rate = viz.plot_series(curves(results, "learning_rate"), "learning rate", log=True)
    run.figure("schedulers_rates", rate, "Learning rate by epoch; a band where seeds differ.")
    accuracy = viz.plot_series(curves(results, "test_accuracy", 100), "test accuracy in %")
    caption = "Test accuracy by epoch, mean and range of the seeds."
    run.figure("schedulers_accuracy", accuracy, caption)
    explain(run, results)


def rates(histories: list[History]) -> str:
    """The rates of the first seed: "0.01, 0.005, 0.0025"."""
    return ", ".join(f"{rate:.2g}" for rate in histories[0].learning_rate)


def explain(run: Run, results: dict[str, list[History]]) -> None:
    """Which schedule helps, by this run."""
    percents = accuracies(results)
    sentences = ranking(percents, "test accuracy")
    constant = percents.get(CONSTANT, [])
    if len(constant) > 1 and len(percents) > 1:
        better = [name for name in percents if above(percents[name], constant)]
        worse = [name for name in percents if above(constant, percents[name])]
        sentences.append(
            f"Beside the constant rate with {band(constant)}: better with every seed are "
            f"{', '.join(better) or 'none'}, worse with every seed {', '.join(worse) or 'none'}."
        )
        jumps = {
            name: float(np.mean([np.abs(np.diff(each.test_accuracy[-3:])).mean() for each in many]))
            for name, many in results.items()
            if all(each.epochs >= 3 for each in many)
        }
        if CONSTANT in jumps and len(jumps) > 1:
            calm = min(jumps, key=lambda name: jumps[name])
            sentences.append(
                "In the last epochs the test accuracy moves from one to the next by "
                f"{100 * jumps[CONSTANT]:.2f} points with the constant rate, and least, by "
                f"{100 * jumps[calm]:.2f}, with {calm}."
            )
    plateau = results.get("ReduceLROnPlateau", [])
    drops = [int(np.sum(np.diff(each.learning_rate) < 0)) for each in plateau]
    if drops:
        sentences.append(
            f"ReduceLROnPlateau lowered the rate {', '.join(map(str, drops))} times (by seed) "
            "before the last epoch: it alone decides by the loss."
        )
    sentences += [
        f"{' and '.join(names)} came to the same rates in each epoch and with each seed of this "
        "run, which makes them the same training: equal numbers are no accident."
        for names in alike(results)
    ]
    run.items(sentences)


def alike(results: dict[str, list[History]]) -> list[list[str]]:
    """Groups of schedulers, of two at least, whose rates were the same with all seeds."""
    groups: dict[tuple[tuple[float, ...], ...], list[str]] = {}
    for name, histories in results.items():
        rates = tuple(tuple(each.learning_rate) for each in histories)
        groups.setdefault(rates, []).append(name)
    return [names for names in groups.values() if len(names) > 1]
