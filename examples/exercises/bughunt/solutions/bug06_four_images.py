"""Train a small network, and say how good it is in each class."""

from __future__ import annotations

import nnlite
import nnlite.nn.functional as F
from nnlite import nn, optim
from nnlite.data import DataLoader, TensorDataset
from nnlite.data.transforms import Compose, Normalize, ToTensor
from nnlite.datasets import load_fashion_mnist
from nnlite.datasets.sources import SAMPLE_FOLDER

BATCH_SIZE = 50
EPOCHS = 3


def train(model: nn.Module, dataset: TensorDataset) -> None:
    optimizer = optim.Adam(model.parameters(), lr=1e-3)
    for _ in range(EPOCHS):
        for images, labels in DataLoader(dataset, batch_size=BATCH_SIZE, shuffle=True):
            optimizer.zero_grad()
            F.cross_entropy(model(images), labels).backward()
            optimizer.step()


@nnlite.no_grad()
def evaluate(model: nn.Module, dataset: TensorDataset) -> float:
    """The share of right answers, from 0 to 1."""
    correct = 0
    for images, labels in DataLoader(dataset, batch_size=BATCH_SIZE):
        correct += (model(images).argmax(1) == labels).sum().item()
    return correct / len(dataset)


@nnlite.no_grad()
def class_accuracy(model: nn.Module, dataset: TensorDataset) -> list[float]:
    """The share of right answers in each of the ten classes; 0 for a class without images."""
    right, count = [0] * 10, [0] * 10
    for images, labels in DataLoader(dataset, batch_size=BATCH_SIZE):
        hit = model(images).argmax(1) == labels  # (B,)
        for i in range(len(labels)):
            label = labels[i].item()
            right[label] += hit[i].item()
            count[label] += 1
    return [r / max(n, 1) for r, n in zip(right, count, strict=True)]


def main() -> tuple[float, list[float]]:
    """Train, test; the share of right answers, overall and by class."""
    nnlite.manual_seed(0)
    data = load_fashion_mnist(SAMPLE_FOLDER)
    prepare = Compose([ToTensor(), Normalize((0.5,), (0.5,))]).batch
    # the 1,000 test images: 100 of each class
    test_set = TensorDataset(prepare(data.test_images), nnlite.from_numpy(data.test_labels))
    train_labels = nnlite.from_numpy(data.train_labels[:2000])
    model = nn.Sequential(nn.Flatten(), nn.Linear(784, 40), nn.ReLU(), nn.Linear(40, 10))
    train(model, TensorDataset(prepare(data.train_images[:2000]), train_labels))
    overall, classes = evaluate(model, test_set), class_accuracy(model, test_set)
    for name, share in zip(data.classes, classes, strict=True):
        print(f"{name:<12} {100 * share:6.1f} %")
    print(f"{'their mean':<12} {10 * sum(classes):6.1f} %")
    print(f"{'overall':<12} {100 * overall:6.1f} %")
    return overall, classes


if __name__ == "__main__":
    main()
