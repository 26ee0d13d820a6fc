"""A LeNet-style CNN on Fashion-MNIST at four batch sizes, as published and as it was meant.

Images are padded to 32 x 32; two convolutions with ReLU and average pooling, three linear layers;
Adam, 25 epochs. The published run has three quirks: its network ends in a softmax though
cross-entropy takes one itself, its printed loss is divided by a number that fits one batch size
only, and its class accuracy counts four images of each test batch. Each can be switched off; the
last runs do without any.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from dataclasses import dataclass, field

import numpy as np

import nnlite
import nnlite.nn.functional as F
from examples.shared import Example, Quirk, Run, launch
from examples.shared.report_lenet import report
from nnlite import nn, optim
from nnlite.data import DataLoader, TensorDataset
from nnlite.data.transforms import Compose, Normalize, Pad, ToTensor

DIVISOR = 937


def batch_sizes(text: str) -> list[int]:
    """The value of --batch-sizes."""
    sizes = [int(part) for part in text.split(",") if part.strip().isdecimal()]
    if len(sizes) != text.count(",") + 1 or min(sizes) < 1 or len(set(sizes)) < len(sizes):
        raise argparse.ArgumentTypeError(f"expected numbers such as 32,64,100,256, got {text!r}")
    return sizes


EXAMPLE = Example(
    name="lenet",
    description=__doc__ or "",
    epochs=25,
    quirks=(
        Quirk(
            "double_softmax",
            "the network ends in a softmax, and cross-entropy takes a softmax of it again: the "
            "loss cannot leave the range from 1.4612 to 2.4612, and its gradient is small",
        ),
        Quirk(
            "divisor_937",
            "the printed loss is the sum of an epoch's batch losses divided by 937, which is the "
            "mean at batch size 64 only",
        ),
        Quirk(
            "first_four",
            "class accuracy counts the first four images of each test batch only, so that it does "
            "not average to the overall accuracy",
        ),
    ),
    options=lambda parser: parser.add_argument(
        "--batch-sizes",
        type=batch_sizes,
        default=[32, 64, 100, 256],
        metavar="A,B",
        help="those to train with (32,64,100,256)",
    ),
)


class LeNet(nn.Module):
    """LeNet-5 with ReLU and average pooling; 61,706 parameters."""

    def __init__(self, softmax: bool) -> None:
        super().__init__()
        self.softmax = softmax
        self.conv1 = nn.Conv2d(1, 6, 5)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.pool = nn.AvgPool2d(2)
        self.fc1 = nn.Linear(16 * 5 * 5, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, 10)

    def forward(self, x: nnlite.Tensor) -> nnlite.Tensor:
        x = self.pool(F.relu(self.conv1(x)))  # (N, 1, 32, 32) -> (N, 6, 14, 14)
        x = self.pool(F.relu(self.conv2(x)))  # (N, 16, 5, 5)
        x = x.flatten(1)  # (N, 400)
        x = F.relu(self.fc1(x))
        x = F.relu(self.fc2(x))
        x = self.fc3(x)  # (N, 10)
        return F.softmax(x, dim=1) if self.softmax else x


@dataclass
class Trained:
    """A network, and what its training printed."""

    model: LeNet
    name: str  # "batch 100" or "logits, batch 100"
    batch_size: int
    seed: int
    batches: int  # per epoch
    printed: list[float] = field(default_factory=list)  # the loss as printed, one per epoch
    mean: list[float] = field(default_factory=list)  # the true mean of the batch losses
    accuracy: list[float] = field(default_factory=list)  # test accuracy in %
    extremes: tuple[float, float] = (np.inf, -np.inf)  # the smallest and largest batch loss
    predictions: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))
    lines: list[str] = field(default_factory=list)


def prepare(run: Run, images: np.ndarray, labels: np.ndarray) -> TensorDataset:
    """Pad to 32 x 32, scale to [0, 1], then to [-1, 1]."""
    transform = Compose([Pad(2), ToTensor(), Normalize((0.5,), (0.5,))])
    x = transform.batch(images).to(run.device, run.dtype)  # (N, 1, 32, 32)
    return TensorDataset(x, nnlite.from_numpy(labels).to(run.device))


def train(
    run: Run,
    seed: int,
    batch_size: int,
    quirks: frozenset[str],
    train_set: TensorDataset,
    test_set: TensorDataset,
) -> Trained:
    """Train one network at one batch size."""
    model = LeNet(softmax="double_softmax" in quirks).to(run.device, run.dtype)
    optimizer = optim.Adam(model.parameters(), lr=1e-3)
    loader = DataLoader(train_set, batch_size=batch_size, shuffle=True)
    divisor = DIVISOR if "divisor_937" in quirks else len(loader)
    name = f"batch {batch_size}" if quirks == run.quirks else f"logits, batch {batch_size}"
    trained = Trained(model, name, batch_size, seed, len(loader))

    def log(line: str) -> None:
        trained.lines.append(line)
        run.log(line)

    log(f"{name}, seed {seed}: device {run.device}, optimizer Adam, lr 0.001")
    with run.stoppable(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="cross_entropy: input comes from")
        for epoch in range(1, run.epochs + 1):
            started = time.perf_counter()
            losses = []
            for images, labels in loader:
                optimizer.zero_grad()
                loss = F.cross_entropy(model(images), labels)
                loss.backward()
                optimizer.step()
                losses.append(loss.detach())
            # read at the end of the epoch: a GPU is waited for once
            losses = nnlite.stack(losses).tolist()
            seconds = time.perf_counter() - started
            predictions = predict(model, test_set)
            accuracy = 100 * float(np.mean(predictions == run.data.test_labels))
            trained.printed.append(sum(losses) / divisor)
            trained.mean.append(sum(losses) / len(losses))
            trained.accuracy.append(accuracy)
            low, high = trained.extremes
            trained.extremes = (min(low, *losses), max(high, *losses))
            run.record(f"{name}/seed {seed}/printed_loss", trained.printed[-1])
            run.record(f"{name}/seed {seed}/mean_loss", trained.mean[-1])
            run.record(f"{name}/seed {seed}/test_accuracy", accuracy)
            run.record(f"{name}/seed {seed}/seconds", seconds)
            log(
                f"epoch {epoch}/{run.epochs}: approximated loss {trained.printed[-1]:.4f} "
                f"(mean {trained.mean[-1]:.4f}), test accuracy {accuracy:.2f} %, {seconds:.1f} s"
            )
    trained.predictions = predict(model, test_set)
    return trained


@nnlite.no_grad()
def predict(model: LeNet, dataset: TensorDataset) -> np.ndarray:
    """The predicted class of each image, (N,)."""
    batches = [model(x).argmax(1).cpu().numpy() for x, _ in DataLoader(dataset, batch_size=500)]
    return np.concatenate(batches)


def experiment(run: Run) -> None:
    train_set = prepare(run, run.data.train_images, run.data.train_labels)
    test_set = prepare(run, run.data.test_images, run.data.test_labels)
    sizes = run.args.batch_sizes
    correct_size = 100 if 100 in sizes else sizes[0]

    modes = [(size, run.quirks) for size in sizes]
    if run.quirk("double_softmax"):
        modes.append((correct_size, frozenset()))
    results: dict[str, list[Trained]] = {}
    for size, quirks in modes:
        for seed in run.each_seed():
            trained = train(run, seed, size, quirks, train_set, test_set)
            results.setdefault(trained.name, []).append(trained)
    report(run, results, correct_size)


def main(arguments: list[str] | None = None) -> int:
    """The command; returns the exit status."""
    return launch(EXAMPLE, experiment, arguments)


if __name__ == "__main__":
    sys.exit(main())
