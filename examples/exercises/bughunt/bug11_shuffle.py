"""Shuffle the training set, and train a small network on it."""

from __future__ import annotations

import nnlite
import nnlite.nn.functional as F
from nnlite import nn, optim
from nnlite.data.transforms import Compose, Normalize, ToTensor
from nnlite.datasets import load_fashion_mnist
from nnlite.datasets.sources import SAMPLE_FOLDER

BATCH_SIZE = 50
EPOCHS = 5


def load() -> tuple[nnlite.Tensor, nnlite.Tensor]:
    """1,000 training images (N, 1, 28, 28), and their labels (N,)."""
    data = load_fashion_mnist(SAMPLE_FOLDER)
    images = Compose([ToTensor(), Normalize((0.5,), (0.5,))]).batch(data.train_images[:1000])
    return images, nnlite.from_numpy(data.train_labels[:1000])


def shuffled(images: nnlite.Tensor, labels: nnlite.Tensor) -> tuple[nnlite.Tensor, nnlite.Tensor]:
    """The images and their labels in a random order."""
    images = images[nnlite.randperm(len(images))]
    labels = labels[nnlite.randperm(len(labels))]
    return images, labels


def train(model: nn.Module, images: nnlite.Tensor, labels: nnlite.Tensor) -> list[float]:
    """The mean loss of each epoch."""
    optimizer = optim.Adam(model.parameters(), lr=1e-3)
    losses = []
    for _ in range(EPOCHS):
        total = 0.0
        for i in range(0, len(images), BATCH_SIZE):
            x, y = images[i : i + BATCH_SIZE], labels[i : i + BATCH_SIZE]
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            total += loss.item() * len(y)
        losses.append(total / len(images))
    return losses


def main() -> list[float]:
    """Train; the mean loss of each epoch."""
    nnlite.manual_seed(0)
    images, labels = shuffled(*load())
    model = nn.Sequential(nn.Flatten(), nn.Linear(784, 40), nn.ReLU(), nn.Linear(40, 10))
    losses = train(model, images, labels)
    for epoch, loss in enumerate(losses, 1):
        print(f"epoch {epoch}: training loss {loss:.3f}")
    return losses


if __name__ == "__main__":
    main()
