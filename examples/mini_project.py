"""One small network on Fashion-MNIST, and thirteen questions about it.

The network is 784-40-10 with ReLU; it is trained with cross-entropy on its logits, Adam, batches of
60, five epochs. Each question changes one thing about it (its depth, the optimizer, the transfer
function, the batch size, ...) or looks at it from another side, and answers with this run's
numbers. Comparisons take three epochs per setting, and the same seeds for each setting; --epochs
sets both.
"""

from __future__ import annotations

import argparse
import importlib
import math
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

import nnlite
import nnlite.nn.functional as F
from examples.questions import QUESTIONS, baseline, response
from examples.shared import Example, Quirk, Run, launch
from nnlite import nn, optim
from nnlite.data import DataLoader, TensorDataset
from nnlite.data.transforms import Compose, Normalize, ToTensor
from nnlite.errors import ArgumentError
from nnlite.metrics import Tally

COMPARISON_EPOCHS = 3  # per setting of a comparison: 60 settings and more are trained


def questions(text: str) -> list[int]:
    """The value of --question: "all", or numbers such as "4" or "3,9"."""
    known = [question.number for question in QUESTIONS]
    if text == "all":
        return known
    numbers = [int(part) if part.strip().isdecimal() else 0 for part in text.split(",")]
    if not set(numbers) <= set(known):
        raise argparse.ArgumentTypeError(f"expected 1 to {len(known)}, or all, got {text!r}")
    return sorted(set(numbers))


def options(parser: argparse.ArgumentParser) -> None:
    """--question, and the list of the questions below --help."""
    parser.add_argument(
        "--question",
        type=questions,
        default=questions("all"),
        metavar="N",
        help="the question to answer, several as 3,9, or all (the default)",
    )
    parser.add_argument(
        "--image",
        type=int,
        default=0,
        metavar="N",
        help="the test image whose response question 11 shows (0)",
    )
    lines = [f"  {question.number:>2}  {question.title}" for question in QUESTIONS]
    parser.epilog = "\n".join(["questions:", *lines, "", parser.epilog or ""])


def check(run: Run) -> None:
    """Refuse what would fail only after the training.

    Raises:
        ArgumentError: no epoch, or an image that is not there.
    """
    if run.epochs < 1:
        raise ArgumentError(
            "mini_project", "--epochs", expected="1 or more", got="0", hint="try --epochs 1"
        )
    if 11 in run.args.question:
        response.chosen(run)


EXAMPLE = Example(
    name="mini_project",
    description=__doc__ or "",
    epochs=5,
    batch_size=60,
    seed=200,
    seeds=3,
    quirks=(
        Quirk(
            "divisor_6000",
            "question 7 divides the summed gradients by 6000, though an epoch has 1000 batches of "
            "60: the CSV is six times too small, the order of the pixels the same",
        ),
    ),
    options=options,
    check=check,
)


def mlp(
    hidden: Sequence[int] = (40,),
    activation: Callable[[], nn.Module] = nn.ReLU,
    dropout: float = 0.0,
) -> nn.Sequential:
    """784 inputs, hidden layers of these widths, 10 logits; 31,810 parameters by default.

    Args:
        activation: makes the transfer function behind each hidden layer.
        dropout: the share of each hidden layer's outputs that is zeroed in training; 0: none.
    """
    layers: list[nn.Module] = []
    width = 784
    for next_width in hidden:
        layers += [nn.Linear(width, next_width), activation()]
        if dropout:
            layers.append(nn.Dropout(dropout))
        width = next_width
    return nn.Sequential(*layers, nn.Linear(width, 10))


class Evaluation(NamedTuple):
    """A network's answers on a data set: mean loss, share of right answers, probabilities."""

    loss: float
    accuracy: float
    probabilities: np.ndarray  # (N, 10)


@dataclass
class History:
    """A trained network, and what its training wrote down: an entry per finished epoch.

    Attributes:
        wanted: the number of epochs that was asked for.
        train_loss, train_accuracy: measured while training, before each update, dropout on;
            accuracies are shares in [0, 1].
        test_loss, test_accuracy: after the epoch, in eval mode.
        learning_rate: that of the epoch.
        seconds: of the training alone.
        updates, evaluations: per epoch: steps of the optimizer, and how often the gradient was
            computed for them (more often with LBFGS).
        probabilities: of the classes on the test set, (N, 10); rows sum to 1.
        diverged: the loss became NaN or infinite, and the training ended there.
    """

    model: nn.Module
    wanted: int = 0
    train_loss: list[float] = field(default_factory=list)
    train_accuracy: list[float] = field(default_factory=list)
    test_loss: list[float] = field(default_factory=list)
    test_accuracy: list[float] = field(default_factory=list)
    learning_rate: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    updates: list[int] = field(default_factory=list)
    evaluations: list[int] = field(default_factory=list)
    probabilities: np.ndarray = field(default_factory=lambda: np.empty((0, 10)))
    diverged: bool = False

    @property
    def epochs(self) -> int:
        """How many were finished."""
        return len(self.train_loss)

    @property
    def complete(self) -> bool:
        """Whether the training came to its end, or to NaN; False after Ctrl-C."""
        return self.diverged or self.epochs == self.wanted

    @property
    def percent(self) -> float:
        """Test accuracy in % after the last epoch; NaN where none was finished, or diverged."""
        return 100 * self.test_accuracy[-1] if self.epochs and not self.diverged else math.nan


class Project:
    """What the questions share: the data, one way to train, and the baseline.

    Attributes:
        train_set, test_set: pixels in [-1, 1] as rows of 784, with the class numbers, on device.
        comparison_epochs: for each setting of a comparison.
        device: the run's unless another is named.
    """

    def __init__(self, run: Run, device: str | None = None) -> None:
        self.run = run
        self.device = nnlite.device(device or run.device)
        self.train_set = self._prepare(run.data.train_images, run.data.train_labels)
        self.test_set = self._prepare(run.data.test_images, run.data.test_labels)
        asked = run.args.epochs
        self.comparison_epochs: int = COMPARISON_EPOCHS if asked is None else asked
        self._baselines: dict[int, History] = {}

    def _prepare(self, images: np.ndarray, labels: np.ndarray) -> TensorDataset:
        x = Compose([ToTensor(), Normalize((0.5,), (0.5,))]).batch(images)  # (N, 1, 28, 28)
        x = x.flatten(1).to(self.device, self.run.dtype)  # (N, 784)
        return TensorDataset(x, nnlite.from_numpy(labels).to(self.device))

    def on(self, device: str) -> Project:
        """The same project on another device."""
        return Project(self.run, device)

    def network(
        self,
        hidden: Sequence[int] = (40,),
        activation: Callable[[], nn.Module] = nn.ReLU,
        dropout: float = 0.0,
    ) -> nn.Module:
        """An untrained ``mlp`` on the project's device; seed nnlite first (``run.each_seed``)."""
        return mlp(hidden, activation, dropout).to(self.device, self.run.dtype)

    def train(
        self,
        label: str,
        model: nn.Module,
        optimizer: optim.Optimizer,
        *,
        epochs: int | None = None,
        batch_size: int | None = None,
        scheduler: optim.lr_scheduler.LRScheduler | None = None,
        each_epoch: Callable[[int, History], None] | None = None,
    ) -> History:
        """Train a network; the loop that all questions use.

        Args:
            label: names the series in results.json and the lines of the log; unique in the run.
            epochs: default: comparison_epochs.
            batch_size: default: the run's; larger than the data means all of it.
            scheduler: steps after each epoch (ReduceLROnPlateau by the training loss).
            each_epoch: called with the epoch's number (from 1) and the history so far; the
                gradients of the last batch are still in the parameters.
        """
        run = self.run
        epochs = self.comparison_epochs if epochs is None else epochs
        history = History(model, epochs)
        size = min(batch_size or run.batch_size, len(self.train_set))
        loader = DataLoader(self.train_set, batch_size=size, shuffle=True)
        with run.stoppable():
            for epoch in range(1, epochs + 1):
                rate = optimizer.param_groups[0]["lr"]
                started = time.perf_counter()
                tally, evaluations = train_epoch(model, optimizer, loader)
                seconds = time.perf_counter() - started
                test = self.evaluate(model, self.test_set)
                if not (math.isfinite(tally.loss) and math.isfinite(test.loss)):
                    history.diverged = True
                    run.log(f"{label}, epoch {epoch}/{epochs}: the loss is no number any more")
                    break
                history.probabilities = test.probabilities
                entries = {
                    "train_loss": tally.loss,
                    "train_accuracy": tally.accuracy,
                    "test_loss": test.loss,
                    "test_accuracy": test.accuracy,
                    "learning_rate": rate,
                    "seconds": seconds,
                    "updates": len(loader),
                    "evaluations": evaluations,
                }
                for name, value in entries.items():
                    getattr(history, name).append(value)
                    run.record(f"{label}/{name}", value)
                run.log(
                    f"{label}, epoch {epoch}/{epochs}: training loss {tally.loss:.4f}, "
                    f"test accuracy {100 * test.accuracy:.2f} %, {seconds:.1f} s"
                )
                if scheduler is not None:
                    if isinstance(scheduler, optim.lr_scheduler.ReduceLROnPlateau):
                        scheduler.step(tally.loss)
                    else:
                        scheduler.step()
                if each_epoch is not None:
                    each_epoch(epoch, history)
        if not history.epochs:
            history.probabilities = self.evaluate(model, self.test_set).probabilities
        return history

    @nnlite.no_grad()
    def evaluate(self, model: nn.Module, dataset: TensorDataset) -> Evaluation:
        """Loss, accuracy and probabilities in eval mode; the model's mode stays as it is."""
        mode = model.training
        model.eval()
        total, right, probabilities = 0.0, 0, []
        for images, labels in DataLoader(dataset, batch_size=500):
            logits = model(images)
            total += F.cross_entropy(logits, labels, reduction="sum").item()
            right += int((logits.argmax(1) == labels).sum().item())
            probabilities.append(F.softmax(logits, dim=1).cpu().numpy())
        model.train(mode)
        n = len(dataset)
        return Evaluation(total / n, right / n, np.concatenate(probabilities))

    def baseline(self, seed: int | None = None) -> History:
        """The network of the project, trained once per seed and command; default: first seed."""
        seed = self.run.seed if seed is None else seed
        if seed not in self._baselines:
            nnlite.manual_seed(seed)
            model = self.network()
            optimizer = optim.Adam(model.parameters(), lr=1e-3)
            label = f"baseline/seed {seed}"
            self._baselines[seed] = self.train(label, model, optimizer, epochs=self.run.epochs)
        return self._baselines[seed]

    def baselines(self) -> dict[int, History]:
        """The baseline of every seed; after Ctrl-C, of those that finished an epoch."""
        for seed in self.run.each_seed():
            self.baseline(seed)
        return self.trained_baselines

    @property
    def trained_baselines(self) -> dict[int, History]:
        """Those that some question has asked for, by seed, where an epoch was finished."""
        trained = ((seed, self._baselines.get(seed)) for seed in self.run.seeds)
        return {seed: history for seed, history in trained if history and history.epochs}


def train_epoch(
    model: nn.Module, optimizer: optim.Optimizer, loader: DataLoader
) -> tuple[Tally, int]:
    """One pass over the training set.

    Returns:
        loss and accuracy, counted before each update; and how often the gradient was computed.
    """
    model.train()
    tally, evaluations = Tally(10), 0
    for images, labels in loader:
        logits: list[nnlite.Tensor] = []  # one item per evaluation of this batch

        # a function, because LBFGS computes loss and gradient several times per step
        def closure(
            x: nnlite.Tensor = images,
            y: nnlite.Tensor = labels,
            seen: list[nnlite.Tensor] = logits,
        ) -> nnlite.Tensor:
            optimizer.zero_grad()
            seen.append(model(x))
            loss = F.cross_entropy(seen[-1], y)
            loss.backward()
            return loss

        loss = optimizer.step(closure).item()  # the loss before the step
        evaluations += len(logits)
        if not math.isfinite(loss):
            tally.update(labels, labels, loss)  # the mean is no number from here on
            break
        tally.update(logits[0], labels, loss)
    return tally, evaluations


def experiment(run: Run) -> None:
    project = Project(run)
    answered = []
    for question in QUESTIONS:
        if question.number not in run.args.question or run.interrupted:
            continue
        run.log(f"\n{question.number}. {question.title}")
        run.section(f"{question.number}. {question.title}")
        module = importlib.import_module(f"examples.questions.{question.module}")
        with run.stoppable():  # also where nothing is trained
            module.answer(run, project)
        if not run.interrupted:
            answered.append(str(question.number))
    run.result(f"Questions answered: {', '.join(answered) or 'none'}.")
    baseline.report(run, project)


def main(arguments: list[str] | None = None) -> int:
    """The command; returns the exit status."""
    return launch(EXAMPLE, experiment, arguments)


if __name__ == "__main__":
    sys.exit(main())
