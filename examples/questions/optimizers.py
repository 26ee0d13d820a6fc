"""Question 5: ten optimizers from the same starts; the five schedulers are in schedulers.py."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

import nnlite
from examples.questions import schedulers
from examples.questions.comparison import (
    COLUMNS,
    FORMATS,
    accuracies,
    axis_start,
    cells,
    curves,
    logarithmic,
)
from examples.questions.evidence import above, band, ranking
from nnlite import optim, viz

if TYPE_CHECKING:
    from examples.mini_project import History, Project
    from examples.shared import Run


class Rule(NamedTuple):
    """An optimizer as it is run here.

    Attributes:
        make: takes the parameters, and lr.
        lr: torch.optim's default, except for Rprop.
        full_batch: each update sees all training images.
        passes: epochs for each one of the other rules; only with full_batch.
    """

    make: Callable[..., optim.Optimizer]
    lr: float
    full_batch: bool = False
    passes: int = 1


RULES = {
    "Adadelta": Rule(optim.Adadelta, 1.0),
    "Adagrad": Rule(optim.Adagrad, 1e-2),
    "Adam": Rule(optim.Adam, 1e-3),
    "Adamax": Rule(optim.Adamax, 2e-3),
    "ASGD": Rule(optim.ASGD, 1e-2),
    # up to 20 iterations per step, each with a line search
    "LBFGS": Rule(partial(optim.LBFGS, line_search_fn="strong_wolfe"), 1.0, full_batch=True),
    "RMSprop": Rule(optim.RMSprop, 1e-2),
    # lr is the first step of every weight: with the default of 0.01 and 784 inputs in [-1, 1], a
    # unit's sum could move by 7.84 in the first update
    "Rprop": Rule(optim.Rprop, 1e-3, full_batch=True, passes=20),
    "SGD": Rule(optim.SGD, 1e-3),
    "SparseAdam": Rule(optim.SparseAdam, 1e-3),
}
ON_BATCHES = "Rprop on mini-batches"  # what the textbook warns of, to see it
FACTORS = (0.1, 1.0, 10.0)  # of the learning rate

Results = dict[str, list["History"]]


class SkippedRows:
    """A hook behind the optimizer's step: which rows of the parameters had no gradient.

    A row holds a unit's weights, or its bias. Every 20th update is counted, which costs no time
    that would show.

    Attributes:
        skipped, rows: with a gradient of zeros only, and all.
    """

    def __init__(self) -> None:
        self.updates = self.skipped = self.rows = 0

    def __call__(self, optimizer: optim.Optimizer, *_: object) -> None:
        self.updates += 1
        if self.updates % 20 != 1:
            return
        for group in optimizer.param_groups:
            for p in group["params"]:
                zero = (p.grad.reshape(len(p), -1) == 0).all(1)
                self.skipped += int(zero.sum().item())
                self.rows += len(zero)


def answer(run: Run, project: Project) -> None:
    """Train with each optimizer, then with each scheduler."""
    rules = {**RULES, ON_BATCHES: Rule(optim.Rprop, RULES["Rprop"].lr)}
    results: Results = {}
    rows = SkippedRows()
    for name, rule in rules.items():
        for seed in run.each_seed():
            hook = rows if name == "SparseAdam" else None
            history = train(project, name, rule, rule.lr, f"seed {seed}", hook)
            if history.complete:
                results.setdefault(name, []).append(history)
    if not results:
        return
    report(run, rules, results)
    full_batch(run, results)
    sparse(run, results, rows)
    if not run.interrupted:
        sweep(run, project, results)
    if not run.interrupted:
        schedulers.answer(run, project)


def train(
    project: Project,
    name: str,
    rule: Rule,
    lr: float,
    label: str,
    hook: Callable[..., None] | None = None,
) -> History:
    """Train one network; seed nnlite before."""
    model = project.network()
    optimizer = rule.make(model.parameters(), lr=lr)
    if hook is not None:
        optimizer.register_step_post_hook(hook)
    return project.train(
        f"optimizers/{name}/{label}",
        model,
        optimizer,
        epochs=rule.passes * project.comparison_epochs,
        batch_size=len(project.train_set) if rule.full_batch else None,
    )


def report(run: Run, rules: Mapping[str, Rule], results: Results) -> None:
    """The table, the two charts, and who is ahead."""
    rows = []
    for name, histories in results.items():
        rule, first = rules[name], histories[0]
        batch = "all" if rule.full_batch else str(run.batch_size)
        work = [sum(first.updates), round(work_of(histories))] if first.epochs else [None, None]
        rows.append([name, rule.lr, batch, *work, *cells(histories)])
    columns = ["optimizer", "lr", "batch", "updates", "passes over the data", *COLUMNS]
    formats = ["", "g", "", ",", ",", *FORMATS]
    run.table("optimizers", columns, rows, "Ten optimizers", formats=formats, csv=True)
    percents = accuracies(results)
    run.figure(
        "optimizers",
        viz.plot_bars(percents, "test accuracy in %", start=axis_start(percents)),
        "Test accuracy at the end: mean, lowest and highest seed.",
    )
    lines = {}
    for name, table in curves(results, "test_accuracy", 100).items():
        longest = max(results[name], key=lambda history: history.epochs)
        lines[name] = dict(zip(passes(longest), table.mean(axis=0), strict=True))
    figure = viz.plot_series(lines, "test accuracy in %", xlabel="passes over the training data")
    logarithmic(figure)
    caption = "Test accuracy against the work: a pass is a gradient for every training image."
    run.figure("optimizers_passes", figure, caption)
    mini = {
        name: numbers
        for name, numbers in percents.items()
        if not rules[name].full_batch and name != ON_BATCHES
    }
    sentences = ranking(mini, "test accuracy")
    start = {name: histories[0].test_accuracy[:1] for name, histories in results.items()}
    known = {name: 100 * first[0] for name, first in start.items() if first and name in mini}
    if known:
        ahead = max(known, key=lambda name: known[name])
        sentences.append(f"After one epoch, first seed: {ahead} leads with {known[ahead]:.2f} %.")
    run.text("Those that take mini-batches, at the default rates of torch.optim:")
    run.items(sentences)


def passes(history: History) -> list[float]:
    """Passes over the training data until the end of each epoch."""
    per_epoch = np.divide(history.evaluations, history.updates)
    return [float(each) for each in np.cumsum(per_epoch)]


def work_of(histories: Sequence[History]) -> float:
    """Passes over the training data until the end, mean of the seeds; NaN without an epoch."""
    return float(np.mean([passes(each)[-1] for each in histories if each.epochs] or [np.nan]))


def full_batch(run: Run, results: Results) -> None:
    """Why LBFGS and Rprop got all images at once, and what that cost."""
    sentences = []
    for name in ("LBFGS", "Rprop"):
        if name not in results:
            continue
        total = band([sum(each.seconds) for each in results[name]], 1, "s")
        sentences.append(
            f"{name}: {work_of(results[name]):.0f} passes over the data, {total} of training, test "
            f"accuracy {band([each.percent for each in results[name]])}."
        )
    if "Adam" in results:
        total = band([sum(each.seconds) for each in results["Adam"]], 1, "s")
        epochs = results["Adam"][0].epochs
        sentences.append(f"Adam on mini-batches: {epochs} passes, {total}.")
    run.text(
        "LBFGS and Rprop are made for the gradient of all images. LBFGS builds curvature from the "
        "change of the gradient between two steps, and Rprop halves or raises each weight's step "
        "by whether the gradient's sign has changed: with a new batch in each step, textbooks "
        "warn, both would measure the difference between batches. So both get all images in each "
        f"step; Rprop, which makes one update of a pass, gets {RULES['Rprop'].passes} times the "
        "passes. Two settings are not the defaults of torch.optim: LBFGS searches along each "
        "direction (line_search_fn='strong_wolfe'), and Rprop begins with steps of "
        f"{RULES['Rprop'].lr:g} instead of 0.01, as 784 weights that all move by 0.01 could change "
        "a unit's sum by 7.84 in the first update."
    )
    if {"Rprop", ON_BATCHES} <= results.keys():
        whole, batches = (
            [each.percent for each in results[name]] for name in ("Rprop", ON_BATCHES)
        )
        verdict = "the seeds do not lie apart, so this run does not show what is warned of"
        if above(whole, batches):
            verdict = "what is warned of shows in this run"
        losses = [each.train_loss[-1] for each in results[ON_BATCHES] if each.train_loss]
        sentences.append(
            f"{ON_BATCHES}: test accuracy {band(batches)}, training loss at the end "
            f"{band(losses, 2, '')}: {verdict}."
        )
    run.items(sentences)


def sparse(run: Run, results: Results, rows: SkippedRows) -> None:
    """What SparseAdam does where no gradient is sparse."""
    if not {"Adam", "SparseAdam"} <= results.keys():
        return
    share = 100 * rows.skipped / rows.rows
    run.value("optimizers/sparse_adam_rows_skipped_percent", share)
    pairs = zip(results["Adam"], results["SparseAdam"], strict=True)
    apart = max(abs(a.percent - b.percent) for a, b in pairs)
    run.text(
        "SparseAdam is Adam for embeddings: it updates only the rows that occur in a sparse "
        "gradient. PyTorch's refuses this network, whose gradients are dense. nnlite has dense "
        "gradients only and takes a row of zeros for an absent one; a row here is a unit, and it "
        "is zero where a hidden unit was off for every image of the batch. In this run "
        f"{share:.2f} % of the rows were skipped. "
        + (
            "So it is Adam in all but its eps, which stands inside the bias correction, "
            if share < 1
            else "Besides, its eps stands inside the bias correction, unlike Adam's, "
        )
        + f"and the test accuracies differ from Adam's by at most {apart:.2f} points, seed by seed."
    )


def sweep(run: Run, project: Project, results: Results) -> None:
    """A tenth and ten times the rate, one seed: is the order one of rules, or of rates?"""
    names = [name for name, rule in RULES.items() if not rule.full_batch and name in results]
    table: dict[str, dict[float, float]] = {}
    for name in names:
        rule = RULES[name]
        table[name] = {1.0: results[name][0].percent}
        for factor in FACTORS:
            if factor == 1 or run.interrupted:
                continue
            nnlite.manual_seed(run.seed)
            label = f"lr x {factor:g}/seed {run.seed}"
            history = train(project, name, rule, factor * rule.lr, label)
            if history.complete:
                table[name][factor] = history.percent
    complete = {name: found for name, found in table.items() if len(found) == len(FACTORS)}
    if not complete:
        return
    rows = []
    for name, found in complete.items():
        numbers = [found[factor] if np.isfinite(found[factor]) else None for factor in FACTORS]
        rows.append([name, RULES[name].lr, *numbers, best(found) * RULES[name].lr])
    columns = ["optimizer", "default lr", "a tenth of it", "the default", "ten times", "best lr"]
    run.table(
        "optimizers_rates",
        columns,
        rows,
        f"Test accuracy in % at three learning rates, seed {run.seed}",
        formats=["", "g", ".2f", ".2f", ".2f", "g"],
        csv=True,
    )
    default = {name: found[1.0] for name, found in complete.items()}
    tuned = {name: found[best(found)] for name, found in complete.items()}
    moved = [name for name in complete if best(complete[name]) != 1.0]
    before, after = extent(default), extent(tuned)
    text = (
        f"A rule is only as good as its rate: {len(moved)} of {len(complete)} do better at another "
        f"of the three ({', '.join(moved) or 'none'}). By default the order is "
        f"{', '.join(order(default))}; each at its best of three it is {', '.join(order(tuned))}. "
        f"From first to last are {before:.1f} points by default and {after:.1f} at the best rates"
    )
    if after < before / 2:
        text += ": most of the difference belongs to the rates, not to the rules"
    run.text(text + ". (The best is chosen by the test images, which flatters it a little.)")


def best(found: Mapping[float, float]) -> float:
    """The factor with the highest accuracy, of those with a number."""
    return max(found, key=lambda factor: np.nan_to_num(found[factor], nan=-1.0))


def order(values: Mapping[str, float]) -> list[str]:
    """Names from the highest number to the lowest; those without one last."""
    return sorted(values, key=lambda name: -np.nan_to_num(values[name], nan=-1.0))


def extent(values: Mapping[str, float]) -> float:
    """Highest minus lowest of the finite numbers."""
    finite = [value for value in values.values() if np.isfinite(value)]
    return max(finite) - min(finite) if finite else 0.0
