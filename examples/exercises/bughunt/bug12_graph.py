"""The mean loss of a network on more and more images, and the memory that computing it takes."""

from __future__ import annotations

import tracemalloc

import nnlite
import nnlite.nn.functional as F
from nnlite import nn
from nnlite.data.transforms import Compose, Normalize, ToTensor
from nnlite.datasets import load_fashion_mnist
from nnlite.datasets.sources import SAMPLE_FOLDER

BATCH_SIZE = 50


def network() -> nn.Module:
    """784-400-400-10 with ReLU, as it was before training."""
    return nn.Sequential(
        *(nn.Flatten(), nn.Linear(784, 400), nn.ReLU()),
        *(nn.Linear(400, 400), nn.ReLU(), nn.Linear(400, 10)),
    )


def load() -> tuple[nnlite.Tensor, nnlite.Tensor]:
    """2,000 images (N, 1, 28, 28), and their labels (N,)."""
    data = load_fashion_mnist(SAMPLE_FOLDER)
    images = Compose([ToTensor(), Normalize((0.5,), (0.5,))]).batch(data.train_images[:2000])
    return images, nnlite.from_numpy(data.train_labels[:2000])


def mean_loss(model: nn.Module, images: nnlite.Tensor, labels: nnlite.Tensor) -> float:
    """The mean of the images' losses."""
    total = 0.0
    for i in range(0, len(images), BATCH_SIZE):
        x, y = images[i : i + BATCH_SIZE], labels[i : i + BATCH_SIZE]
        loss = F.cross_entropy(model(x), y, reduction="sum")
        total += loss
    return float(total) / len(images)


def main() -> list[float]:
    """The highest memory use, in megabytes, for 500, 1,000 and 2,000 images."""
    nnlite.manual_seed(0)
    images, labels = load()
    model = network()
    mean_loss(model, images[:BATCH_SIZE], labels[:BATCH_SIZE])  # loads what is loaded once
    used = []
    for n in (500, 1000, 2000):
        tracemalloc.start()
        loss = mean_loss(model, images[:n], labels[:n])
        used.append(tracemalloc.get_traced_memory()[1] / 1e6)
        tracemalloc.stop()
        print(f"{n:>5} images: mean loss {loss:.3f}, memory in use {used[-1]:5.2f} MB")
    return used


if __name__ == "__main__":
    main()
