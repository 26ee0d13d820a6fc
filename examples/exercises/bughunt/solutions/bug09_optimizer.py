"""Train a network that was made wider."""

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


def network(hidden: int) -> nn.Module:
    """784-hidden-10 with ReLU."""
    return nn.Sequential(nn.Flatten(), nn.Linear(784, hidden), nn.ReLU(), nn.Linear(hidden, 10))


def load() -> TensorDataset:
    """2,000 training images (N, 1, 28, 28) with their labels."""
    data = load_fashion_mnist(SAMPLE_FOLDER)
    images = Compose([ToTensor(), Normalize((0.5,), (0.5,))]).batch(data.train_images[:2000])
    return TensorDataset(images, nnlite.from_numpy(data.train_labels[:2000]))


def build() -> tuple[nn.Module, optim.Optimizer]:
    """The network to train, with 100 hidden units, and its optimizer."""
    # with 20 hidden units the training loss stayed too high
    model = network(hidden=100)
    optimizer = optim.Adam(model.parameters(), lr=1e-3)
    return model, optimizer


def train(model: nn.Module, optimizer: optim.Optimizer, dataset: TensorDataset) -> list[float]:
    """The mean loss of each epoch."""
    losses = []
    for _ in range(EPOCHS):
        total = 0.0
        for images, labels in DataLoader(dataset, batch_size=BATCH_SIZE, shuffle=True):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(images), labels)
            loss.backward()
            optimizer.step()
            total += loss.item() * len(labels)
        losses.append(total / len(dataset))
    return losses


def main() -> list[float]:
    """Train; the mean loss of each epoch."""
    nnlite.manual_seed(0)
    model, optimizer = build()
    losses = train(model, optimizer, load())
    for epoch, loss in enumerate(losses, 1):
        print(f"epoch {epoch}: training loss {loss:.5f}")
    return losses


if __name__ == "__main__":
    main()
