"""Train a network with dropout, and test it after each epoch."""

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


def network() -> nn.Module:
    """784-40-10 with ReLU and dropout."""
    return nn.Sequential(
        nn.Flatten(), nn.Linear(784, 40), nn.ReLU(), nn.Dropout(0.5), nn.Linear(40, 10)
    )


def load() -> tuple[TensorDataset, TensorDataset]:
    """2,000 training and 1,000 test images (N, 1, 28, 28) with their labels."""
    data = load_fashion_mnist(SAMPLE_FOLDER)
    prepare = Compose([ToTensor(), Normalize((0.5,), (0.5,))]).batch
    train_labels = nnlite.from_numpy(data.train_labels[:2000])
    return (
        TensorDataset(prepare(data.train_images[:2000]), train_labels),
        TensorDataset(prepare(data.test_images), nnlite.from_numpy(data.test_labels)),
    )


def train(model: nn.Module, train_set: TensorDataset, test_set: TensorDataset) -> None:
    """Train, and print the share of right answers on the test set after each epoch."""
    optimizer = optim.Adam(model.parameters(), lr=1e-3)
    for epoch in range(1, EPOCHS + 1):
        for images, labels in DataLoader(train_set, batch_size=BATCH_SIZE, shuffle=True):
            optimizer.zero_grad()
            F.cross_entropy(model(images), labels).backward()
            optimizer.step()
        print(f"epoch {epoch}: test accuracy {100 * evaluate(model, test_set):.1f} %")


@nnlite.no_grad()
def evaluate(model: nn.Module, dataset: TensorDataset) -> float:
    """The share of right answers, from 0 to 1."""
    correct = 0
    for images, labels in DataLoader(dataset, batch_size=BATCH_SIZE):
        correct += (model(images).argmax(1) == labels).sum().item()
    return correct / len(dataset)


def main() -> list[float]:
    """Train, then test the same network four times; the four shares of right answers."""
    nnlite.manual_seed(0)
    train_set, test_set = load()
    model = network()
    train(model, train_set, test_set)
    again = [evaluate(model, test_set) for _ in range(4)]
    print("the same network, four times: " + ", ".join(f"{100 * a:.1f} %" for a in again))
    return again


if __name__ == "__main__":
    main()
