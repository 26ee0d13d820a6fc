"""Train on a GPU, here a pretended one: its memory is its own, and nothing moves by itself."""

from __future__ import annotations

import nnlite
import nnlite.nn.functional as F
from examples.exercises.bughunt.pretend_gpu import DEVICE
from nnlite import nn, optim
from nnlite.data import DataLoader, TensorDataset
from nnlite.data.transforms import Compose, Normalize, ToTensor
from nnlite.datasets import load_fashion_mnist
from nnlite.datasets.sources import SAMPLE_FOLDER

BATCH_SIZE = 50
EPOCHS = 3


def load() -> tuple[TensorDataset, TensorDataset]:
    """1,000 training and 500 test images (N, 1, 28, 28) with their labels, on the CPU."""
    data = load_fashion_mnist(SAMPLE_FOLDER)
    prepare = Compose([ToTensor(), Normalize((0.5,), (0.5,))]).batch
    train_labels = nnlite.from_numpy(data.train_labels[:1000])
    test_labels = nnlite.from_numpy(data.test_labels[:500])
    return (
        TensorDataset(prepare(data.train_images[:1000]), train_labels),
        TensorDataset(prepare(data.test_images[:500]), test_labels),
    )


def train(model: nn.Module, dataset: TensorDataset) -> None:
    optimizer = optim.Adam(model.parameters(), lr=1e-3)
    for _ in range(EPOCHS):
        for images, labels in DataLoader(dataset, batch_size=BATCH_SIZE, shuffle=True):
            images, labels = images.to(DEVICE), labels.to(DEVICE)
            optimizer.zero_grad()
            F.cross_entropy(model(images), labels).backward()
            optimizer.step()


@nnlite.no_grad()
def evaluate(model: nn.Module, dataset: TensorDataset) -> float:
    """The share of right answers, from 0 to 1."""
    correct = 0
    for images, labels in DataLoader(dataset, batch_size=BATCH_SIZE):
        images, labels = images.to(DEVICE), labels.to(DEVICE)
        correct += (model(images).argmax(1) == labels).sum().item()
    return correct / len(dataset)


def main() -> tuple[nn.Module, float]:
    """Train, test; the network and its share of right answers on the test images."""
    nnlite.manual_seed(0)
    train_set, test_set = load()
    model = nn.Sequential(nn.Flatten(), nn.Linear(784, 40), nn.ReLU(), nn.Linear(40, 10))
    model.to(DEVICE)
    train(model, train_set)
    accuracy = evaluate(model, test_set)
    print(f"trained on {next(model.parameters()).device}")
    print(f"test accuracy {100 * accuracy:.1f} %")
    return model, accuracy


if __name__ == "__main__":
    main()
