"""Flatten images for a fully connected network, and train it."""

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


class Net(nn.Module):
    """784-40-10 with ReLU."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1 = nn.Linear(784, 40)
        self.fc2 = nn.Linear(40, 10)

    def forward(self, x: nnlite.Tensor) -> nnlite.Tensor:
        """Logits (N, 10) of images (N, 1, 28, 28)."""
        x = x.view(784, -1).t()  # a row for each image
        return self.fc2(F.relu(self.fc1(x)))


def load() -> tuple[TensorDataset, TensorDataset]:
    """2,000 training and 500 test images (N, 1, 28, 28) with their labels."""
    data = load_fashion_mnist(SAMPLE_FOLDER)
    prepare = Compose([ToTensor(), Normalize((0.5,), (0.5,))]).batch
    train_labels = nnlite.from_numpy(data.train_labels[:2000])
    test_labels = nnlite.from_numpy(data.test_labels[:500])
    return (
        TensorDataset(prepare(data.train_images[:2000]), train_labels),
        TensorDataset(prepare(data.test_images[:500]), test_labels),
    )


def train(model: nn.Module, dataset: TensorDataset) -> list[float]:
    """The mean loss of each epoch."""
    optimizer = optim.Adam(model.parameters(), lr=1e-3)
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


@nnlite.no_grad()
def evaluate(model: nn.Module, dataset: TensorDataset) -> float:
    """The share of right answers, from 0 to 1."""
    correct = 0
    for images, labels in DataLoader(dataset, batch_size=BATCH_SIZE):
        correct += (model(images).argmax(1) == labels).sum().item()
    return correct / len(dataset)


def main() -> tuple[nn.Module, float]:
    """Train, test; the network and its share of right answers on the test images."""
    nnlite.manual_seed(0)
    train_set, test_set = load()
    model = Net()
    losses = train(model, train_set)
    accuracy = evaluate(model, test_set)
    print("training loss by epoch: " + ", ".join(f"{loss:.3f}" for loss in losses))
    print(f"test accuracy {100 * accuracy:.1f} %")
    return model, accuracy


if __name__ == "__main__":
    main()
