"""Train a LeNet-style network on Fashion-MNIST: the whole way from files to pictures.

    python -m examples.fashion_lenet [--data DIR] [--epochs N] [--out DIR] ...

The network: images padded from 28 x 28 to 32 x 32, two convolutions with ReLU and average pooling,
three linear layers; cross-entropy on its logits, Adam. Ctrl-C ends the training and reports what
was learnt so far.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

import nnlite
import nnlite.nn.functional as F
from examples.shared.data import download_progress
from nnlite import nn, optim, viz
from nnlite.data import DataLoader, TensorDataset
from nnlite.data.transforms import Compose, Normalize, Pad, ToTensor
from nnlite.datasets import ImageData, load_fashion_mnist
from nnlite.errors import NnliteError
from nnlite.metrics import accuracy, class_accuracy, confusion_matrix
from nnlite.train import EpochBar


class LeNet(nn.Module):
    """LeNet-5 in today's form: ReLU and average pooling; 61,706 parameters."""

    def __init__(self) -> None:
        super().__init__()
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
        return self.fc3(x)  # (N, 10), the logits


@dataclass
class History:
    """One entry per finished epoch."""

    train_loss: list[float] = field(default_factory=list)
    train_accuracy: list[float] = field(default_factory=list)
    test_loss: list[float] = field(default_factory=list)
    test_accuracy: list[float] = field(default_factory=list)


def prepare(images: np.ndarray, labels: np.ndarray) -> TensorDataset:
    """Pad to 32 x 32, scale to [0, 1], then to [-1, 1]."""
    transform = Compose([Pad(2), ToTensor(), Normalize((0.5,), (0.5,))])
    return TensorDataset(transform.batch(images), nnlite.from_numpy(labels))


def train_epoch(
    model: nn.Module, loader: DataLoader, optimizer: optim.Optimizer, label: str
) -> EpochBar:
    """One pass over the training set; returns the running loss and accuracy."""
    model.train()
    with EpochBar(len(loader.dataset), label) as bar:
        for images, labels in loader:
            optimizer.zero_grad()
            logits = model(images)
            loss = F.cross_entropy(logits, labels)
            loss.backward()
            optimizer.step()
            bar.add(len(labels), loss, (logits.argmax(1) == labels).sum())
    return bar


@nnlite.no_grad()
def evaluate(model: nn.Module, dataset: TensorDataset) -> tuple[float, np.ndarray]:
    """Mean loss, and the probabilities (N, 10) that the model gives each class."""
    model.eval()
    total, probabilities = 0.0, []
    for images, labels in DataLoader(dataset, batch_size=500):
        logits = model(images)
        total += F.cross_entropy(logits, labels, reduction="sum").item()
        probabilities.append(F.softmax(logits, dim=1).cpu().numpy())
    return total / len(dataset), np.concatenate(probabilities)


def print_class_table(matrix: np.ndarray, classes: tuple[str, ...]) -> None:
    """Accuracy of each class, with what it was most often taken for."""
    print(f"\n{'class':<12} {'accuracy':>9}  most often taken for")
    for i, (name, share) in enumerate(zip(classes, class_accuracy(matrix), strict=True)):
        wrong = matrix[i].copy()
        wrong[i] = 0
        worst = f"{classes[wrong.argmax()]} ({wrong.max()})" if wrong.any() else "-"
        print(f"{name:<12} {100 * share:7.1f} %  {worst}")


def draw(
    out: Path,
    history: History,
    data: ImageData,
    matrix: np.ndarray,
    probabilities: np.ndarray,
) -> list[Path]:
    """Write the pictures; returns their paths."""
    targets, predictions = data.test_labels, probabilities.argmax(1)
    # six right and six wrong ones, so that both kinds are seen
    right = np.flatnonzero(predictions == targets)[:6]
    wrong = np.flatnonzero(predictions != targets)[:6]
    shown = np.concatenate([right, wrong])
    figures = {
        "confusion.png": viz.plot_confusion(
            matrix, data.classes, f"test accuracy {100 * accuracy(matrix):.2f} %"
        ),
        "predictions.png": viz.plot_predictions(
            data.test_images[shown],
            targets[shown],
            predictions[shown],
            data.classes,
            probabilities.max(1)[shown],
            title="the first test images recognised, and the first mistaken",
        ),
    }
    if history.train_loss:
        figures["curves.png"] = viz.plot_curves(
            history.train_loss,
            history.test_loss,
            history.train_accuracy,
            history.test_accuracy,
            "LeNet on Fashion-MNIST" + (" (sample)" if data.is_sample else ""),
        )
    return [viz.save(figure, out / name) for name, figure in figures.items()]


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m examples.fashion_lenet", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--data", metavar="DIR", help="folder with the dataset; else NNLITE_DATA")
    parser.add_argument("--no-download", action="store_true", help="do not use the network")
    parser.add_argument("--epochs", type=int, help="default: 5, on the sample 15")
    parser.add_argument("--batch-size", type=int, help="default: 100, on the sample 32")
    parser.add_argument("--lr", type=float, default=1e-3, help="Adam's learning rate (1e-3)")
    parser.add_argument("--seed", type=int, default=0, help="of weights and shuffling (0)")
    parser.add_argument("--device", default="cpu", help="cpu or cuda (%(default)s)")
    parser.add_argument(
        "--out", metavar="DIR", default="runs/fashion_lenet", help="where pictures go"
    )
    return parser.parse_args(arguments)


def writable_folder(name: str) -> Path:
    """The folder, made now, so that a wrong name is refused before the training, not after it."""
    folder = Path(name)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise nnlite.errors.ArgumentError(
            "fashion_lenet",
            "--out",
            expected="a folder that can be written to",
            got=str(error),
            hint="choose another folder",
        ) from error
    return folder


def run(args: argparse.Namespace) -> None:
    """Load, train, test, draw."""
    nnlite.zeros(1, device=args.device)  # a device that is not there says so now
    data = load_fashion_mnist(args.data, download=not args.no_download, progress=download_progress)
    epochs = args.epochs if args.epochs is not None else (15 if data.is_sample else 5)
    batch = args.batch_size if args.batch_size is not None else (32 if data.is_sample else 100)
    if epochs < 0:
        raise nnlite.errors.ArgumentError(
            "fashion_lenet", "--epochs", expected="0 or more", got=str(epochs), hint="try 5"
        )
    out = writable_folder(args.out)
    print(f"data: {data.source}")
    nnlite.manual_seed(args.seed)
    train = prepare(data.train_images, data.train_labels).to(args.device)
    test = prepare(data.test_images, data.test_labels).to(args.device)
    loader = DataLoader(train, batch_size=batch, shuffle=True)
    model = LeNet().to(args.device)
    optimizer = optim.Adam(model.parameters(), lr=args.lr)
    parameters = sum(p.numel() for p in model.parameters())
    print(
        f"LeNet, {parameters:,} parameters; {len(train):,} training and {len(test):,} test images; "
        f"Adam, lr {args.lr:g}, batch {batch}, {epochs} epochs, seed {args.seed}"
    )

    history = History()
    started = time.perf_counter()
    try:
        for epoch in range(1, epochs + 1):
            bar = train_epoch(model, loader, optimizer, f"epoch {epoch}/{epochs}")
            test_loss, probabilities = evaluate(model, test)
            right = float(np.mean(probabilities.argmax(1) == data.test_labels))
            history.train_loss.append(bar.running.loss)
            history.train_accuracy.append(bar.running.accuracy)
            history.test_loss.append(test_loss)
            history.test_accuracy.append(right)
            print(
                f"epoch {epoch}/{epochs}: training loss {bar.running.loss:.4f}, "
                f"accuracy {100 * bar.running.accuracy:.2f} %; test loss {test_loss:.4f}, "
                f"accuracy {100 * right:.2f} %; {bar.running.samples / bar.seconds:,.0f} images/s, "
                f"{bar.seconds:.1f} s",
                flush=True,
            )
    except KeyboardInterrupt:
        print(f"\nstopped in epoch {epoch} of {epochs}; this is what was learnt so far")

    _, probabilities = evaluate(model, test)
    matrix = confusion_matrix(data.test_labels, probabilities.argmax(1), len(data.classes))
    print_class_table(matrix, data.classes)
    pictures = draw(out, history, data, matrix, probabilities)
    print("\npictures: " + ", ".join(str(p) for p in pictures))
    print(f"time: {time.perf_counter() - started:.0f} s")
    if data.is_sample:
        print("trained on the sample inside nnlite: not comparable with results on the full set")
    print(f"test accuracy {100 * accuracy(matrix):.2f} %")


def main(arguments: list[str] | None = None) -> int:
    """The command; returns the exit status: 0, 2 for a wrong argument or data, 130 for Ctrl-C."""
    try:
        run(parse(arguments))
    except NnliteError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:  # before the training or after it: there is nothing to report
        print("\nstopped", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
