"""Train a small classifier with the cross-entropy of its answers."""

from __future__ import annotations

import nnlite
import nnlite.nn.functional as F
from nnlite import nn, optim
from nnlite.data import DataLoader, TensorDataset
from nnlite.data.transforms import Compose, Normalize, ToTensor
from nnlite.datasets import load_fashion_mnist
from nnlite.datasets.sources import SAMPLE_FOLDER

BATCH_SIZE = 50
EPOCHS = 10


class Net(nn.Module):
    """784-40-10 with ReLU."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1 = nn.Linear(784, 40)
        self.fc2 = nn.Linear(40, 10)

    def forward(self, x: nnlite.Tensor) -> nnlite.Tensor:
        x = F.relu(self.fc1(x.flatten(1)))
        return F.softmax(self.fc2(x), dim=1)


def load() -> TensorDataset:
    """1,000 training images (N, 1, 28, 28) with their labels."""
    data = load_fashion_mnist(SAMPLE_FOLDER)
    images = Compose([ToTensor(), Normalize((0.5,), (0.5,))]).batch(data.train_images[:1000])
    return TensorDataset(images, nnlite.from_numpy(data.train_labels[:1000]))


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


def main() -> list[float]:
    """Train; the mean loss of each epoch."""
    nnlite.manual_seed(0)
    dataset = load()
    model = Net()
    losses = train(model, dataset)
    images, labels = dataset.tensors
    right = (model(images).argmax(1) == labels).float().mean().item()
    print("training loss by epoch: " + ", ".join(f"{loss:.3f}" for loss in losses))
    print(f"training accuracy {100 * right:.1f} %")
    return losses


if __name__ == "__main__":
    main()
