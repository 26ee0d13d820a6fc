"""Train a small network by gradient descent."""

from __future__ import annotations

import nnlite
import nnlite.nn.functional as F
from nnlite import nn, optim
from nnlite.data import DataLoader, TensorDataset
from nnlite.data.transforms import Compose, Normalize, ToTensor
from nnlite.datasets import load_fashion_mnist
from nnlite.datasets.sources import SAMPLE_FOLDER

BATCH_SIZE = 50
EPOCHS = 5


class Net(nn.Module):
    """784-40-10 with ReLU."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1 = nn.Linear(784, 40)
        self.fc2 = nn.Linear(40, 10)

    def forward(self, x: nnlite.Tensor) -> nnlite.Tensor:
        """Logits (N, 10) of images (N, 1, 28, 28)."""
        return self.fc2(F.relu(self.fc1(x.flatten(1))))


def load() -> TensorDataset:
    """1,000 training images (N, 1, 28, 28) with their labels."""
    data = load_fashion_mnist(SAMPLE_FOLDER)
    images = Compose([ToTensor(), Normalize((0.5,), (0.5,))]).batch(data.train_images[:1000])
    return TensorDataset(images, nnlite.from_numpy(data.train_labels[:1000]))


def train(model: nn.Module, dataset: TensorDataset) -> list[float]:
    """The mean loss of each epoch."""
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    losses = []
    for _ in range(EPOCHS):
        total = 0.0
        for images, labels in DataLoader(dataset, batch_size=BATCH_SIZE, shuffle=True):
            loss = F.cross_entropy(model(images), labels)
            loss.backward()
            optimizer.step()
            total += loss.item() * len(labels)
        losses.append(total / len(dataset))
    return losses


def main() -> list[float]:
    """Train; the mean loss of each epoch."""
    nnlite.manual_seed(0)
    losses = train(Net(), load())
    for epoch, loss in enumerate(losses, 1):
        print(f"epoch {epoch}: training loss {loss:.3f}")
    return losses


if __name__ == "__main__":
    main()
