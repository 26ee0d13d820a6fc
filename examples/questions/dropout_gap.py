"""Question 8: dropout at several rates, and what it does to the gap between training and test.

The test accuracy is always measured without dropout. The training accuracy can be measured in three
ways, and the gap depends on which is taken: while training (dropout on, before each update), after
the epoch with dropout still on, and after the epoch in eval mode, as the test accuracy is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

import nnlite
from examples.questions.evidence import band, ranking
from nnlite import nn, optim, viz
from nnlite.data import DataLoader, TensorDataset

if TYPE_CHECKING:
    from examples.mini_project import History, Project
    from examples.shared import Run

RATES = (0.0, 0.1, 0.3, 0.5, 0.7)
EPOCHS = 10  # more than other comparisons take: the gap opens with the epochs


@dataclass
class Rate:
    """The trainings with one dropout rate: a row per seed, a column per epoch, in %.

    Attributes:
        p: the share of the hidden outputs that is zeroed.
        running: training accuracy while training, with dropout on and the weights on the move.
        noisy: of the same images after the epoch, with dropout still on.
        settled: likewise, in eval mode.
        test: test accuracy in eval mode.
        loss_gap: test loss minus training loss, both after the epoch in eval mode.
    """

    p: float
    running: list[list[float]] = field(default_factory=list)
    noisy: list[list[float]] = field(default_factory=list)
    settled: list[list[float]] = field(default_factory=list)
    test: list[list[float]] = field(default_factory=list)
    loss_gap: list[list[float]] = field(default_factory=list)

    @property
    def name(self) -> str:
        return f"p = {self.p:g}" if self.p else "no dropout"

    @property
    def gap(self) -> np.ndarray:
        """Training minus test accuracy, both in eval mode, in points, (seeds, epochs)."""
        return np.subtract(self.settled, self.test)

    def last(self, measure: str) -> np.ndarray:
        """The values of a measure after the last epoch, (seeds,)."""
        return np.asarray(getattr(self, measure))[:, -1]


def answer(run: Run, project: Project) -> None:
    epochs = EPOCHS if run.args.epochs is None else run.args.epochs
    run.text(
        f"Dropout behind the hidden layer, at {len(RATES)} rates, {epochs} epochs each. In "
        "training it zeroes each hidden output with probability p and divides the others by 1 - p; "
        "in eval mode it does nothing. The gap is the training accuracy minus the test accuracy, "
        "both after the epoch and in eval mode."
    )
    rates = [train(run, project, p, epochs) for p in RATES if not run.interrupted]
    rates = [rate for rate in rates if rate.test]
    if rates:
        report(run, rates)
    else:
        run.text("No training came to its end, so there is nothing to compare.")


def train(run: Run, project: Project, p: float, epochs: int) -> Rate:
    """Train with one rate and all seeds; a training that was stopped early is left out."""
    rate = Rate(p)
    for seed in run.each_seed():
        model = project.network(dropout=p)
        optimizer = optim.Adam(model.parameters(), lr=1e-3)
        label = f"dropout_gap/p {p:g}/seed {seed}"
        noisy: list[float] = []
        settled: list[float] = []
        loss_gap: list[float] = []

        def measure(
            epoch: int,
            history: History,
            label: str = label,
            noisy: list[float] = noisy,
            settled: list[float] = settled,
            loss_gap: list[float] = loss_gap,
        ) -> None:
            evaluated = project.evaluate(history.model, project.train_set)
            settled.append(100 * evaluated.accuracy)
            noisy.append(100 * accuracy_with_dropout(history.model, project.train_set))
            loss_gap.append(history.test_loss[-1] - evaluated.loss)
            run.record(f"{label}/train_accuracy_in_eval_mode", settled[-1] / 100)
            run.record(f"{label}/train_accuracy_with_dropout", noisy[-1] / 100)

        history = project.train(label, model, optimizer, epochs=epochs, each_epoch=measure)
        if epochs and len(loss_gap) == epochs:
            rate.running.append([100 * share for share in history.train_accuracy])
            rate.test.append([100 * share for share in history.test_accuracy])
            rate.noisy.append(noisy)
            rate.settled.append(settled)
            rate.loss_gap.append(loss_gap)
    return rate


@nnlite.no_grad()
def accuracy_with_dropout(model: nn.Module, dataset: TensorDataset) -> float:
    """The share of right answers in training mode, without training; in [0, 1]."""
    model.train()
    right = 0
    for images, labels in DataLoader(dataset, batch_size=500):
        right += int((model(images).argmax(1) == labels).sum().item())
    return right / len(dataset)


# -- the report --------------------------------------------------------------------------------


def report(run: Run, rates: Sequence[Rate]) -> None:
    """Charts, table and explanation."""
    figure = viz.plot_series(
        {rate.name: rate.gap for rate in rates}, "training − test accuracy, in points"
    )
    figure.axes[0].axhline(0, color="black", linewidth=0.8)
    caption = "The gap by epoch, both accuracies in eval mode; bands: smallest to largest seed."
    run.figure("dropout_gap", figure, caption)
    if len(rates) > 1:
        figure = viz.plot_series(
            {
                name: {rate.p: float(rate.last(measure).mean()) for rate in rates}
                for name, measure in (
                    ("training, eval mode", "settled"),
                    ("test", "test"),
                    ("training, while training", "running"),
                )
            },
            "accuracy in %",
            xlabel="dropout rate p",
        )
        caption = (
            "Accuracies after the last epoch, mean of the seeds. The gap is the distance between "
            "the first two lines; the third is what a training log shows."
        )
        run.figure("dropout_accuracy", figure, caption)
    measures = ("running", "noisy", "settled", "test", "gap", "loss_gap")
    run.table(
        "dropout_gap",
        [
            "dropout",
            "training accuracy in %, while training",
            "after it, dropout on",
            "after it, eval mode",
            "test accuracy in %",
            "gap in points",
            "smallest",
            "largest",
            "gap of the loss",
        ],
        [
            [
                rate.name,
                *(rate.last(measure).mean() for measure in measures[:5]),
                rate.last("gap").min(),
                rate.last("gap").max(),
                rate.last("loss_gap").mean(),
            ]
            for rate in rates
        ],
        f"After the last epoch, mean over the seeds (number: {len(rates[0].test)}), with the "
        "smallest and the largest gap of one; the loss's gap is test minus training, in eval mode",
        formats=["", ".2f", ".2f", ".2f", ".2f", ".2f", ".2f", ".2f", ".4f"],
        csv=True,
    )
    run.value(
        "dropout_gap",
        {
            rate.name: {measure: rate.last(measure).tolist() for measure in measures}
            for rate in rates
        },
    )
    run.items(explain(rates))


def explain(rates: Sequence[Rate]) -> list[str]:
    """What the numbers of the last epoch say of the gap, rate by rate."""
    sentences = []
    without = next((rate for rate in rates if not rate.p), None)
    if without is not None:
        gap = without.last("gap")
        text = f"Without dropout the gap is {band(gap, unit='points')}: "
        text += f"{band(without.last('settled'))} in training, {band(without.last('test'))} in test"
        if gap.min() <= 0:
            text += "; not every seed has a gap, so there is hardly anything to close"
        sentences.append(text + ".")
        sentences += [_against(without, rate) for rate in rates if rate is not without]
    sentences += ranking({rate.name: rate.last("test") for rate in rates}, "test accuracy")
    sentences += _ways_of_measuring(rates)
    return sentences


def _against(without: Rate, rate: Rate) -> str:
    """One rate against none, seed by seed."""
    n = min(len(without.test), len(rate.test))  # fewer after Ctrl-C; the seeds come in order
    gap, training, test = (
        rate.last(measure)[:n] - without.last(measure)[:n] for measure in ("gap", "settled", "test")
    )
    narrower = int((gap < 0).sum())
    text = f"{rate.name}: the gap is {band(rate.last('gap'), unit='points')}, narrower than "
    text += f"without dropout with {narrower} of {n} seeds, "
    text += f"by {-gap.mean():.2f} points on average" if narrower else "so it closes nothing"
    text += f". The training accuracy changes by {training.mean():+.2f} points, "
    text += f"the test accuracy by {test.mean():+.2f}"
    if narrower < n:
        return text + "."
    if test.min() > 0:
        why = "the network recognises more of what it has not seen"
        why += ", and less of what it has" if training.max() < 0 else ""
    elif test.max() < 0:
        why = (
            "the gap closes only because the training accuracy falls further than the test "
            "accuracy, so in this run so much dropout costs more than it gives"
        )
    else:
        why = (
            "the seeds do not agree on whether the test accuracy gains, so a narrower gap is all "
            "that can be said"
        )
    return f"{text}: {why}." + (" This is one seed, and may be chance." if n == 1 else "")


def _ways_of_measuring(rates: Sequence[Rate]) -> list[str]:
    """What the training accuracy of a log is worth."""
    below = [rate for rate in rates if rate.last("running").mean() < rate.last("test").mean()]
    if not below:
        return [
            "Measured while training, the training accuracy lies above the test accuracy at every "
            "rate of this run."
        ]
    worst = max(below, key=lambda rate: rate.last("test").mean() - rate.last("running").mean())
    running, noisy, settled, test = (
        worst.last(measure).mean() for measure in ("running", "noisy", "settled", "test")
    )
    text = (
        f"Measured while training, the training accuracy lies below the test accuracy for "
        f"{', '.join(rate.name for rate in below)}, most of all for {worst.name}: {running:.2f} % "
        f"against {test:.2f} %. The same network reaches {settled:.2f} % of its training images in "
        f"eval mode. Of these {settled - running:.2f} points, {settled - noisy:.2f} are the "
        f"zeroed outputs, which are missing when the answer is given, and {noisy - running:.2f} "
        "the progress within the epoch, as each batch is counted before its update."
    )
    if settled < test:
        text += " Here even the training accuracy in eval mode is below the test accuracy."
    return [text]
