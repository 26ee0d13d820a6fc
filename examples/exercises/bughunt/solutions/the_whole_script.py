"""Train a small network on clothes, on a GPU (here a pretended one), and test it by class."""

from __future__ import annotations

import numpy as np

import nnlite
import nnlite.nn.functional as F
from examples.exercises.bughunt.pretend_gpu import DEVICE
from nnlite import nn, optim
from nnlite.data import DataLoader, TensorDataset
from nnlite.data.transforms import Compose, Normalize, ToTensor
from nnlite.datasets import load_fashion_mnist
from nnlite.datasets.sources import SAMPLE_FOLDER

batch_size = 60
num_epochs = 3
learning_rate = 1e-3


class Net(nn.Module):
    """784-40-10 with ReLU."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1 = nn.Linear(28 * 28, 40)
        self.fc2 = nn.Linear(40, 10)

    def forward(self, x: nnlite.Tensor) -> nnlite.Tensor:
        """Logits (N, 10) of images (N, 1, 28, 28)."""
        x = x.view(-1, 28 * 28)
        return self.fc2(F.relu(self.fc1(x)))


def prepare(images: np.ndarray) -> nnlite.Tensor:
    """Grey images uint8 (N, 28, 28) as a Tensor (N, 1, 28, 28), centred and scaled."""
    transform = Compose([ToTensor(), Normalize((0.5,), (0.5,))])
    return transform.batch(images)


def train(model: nn.Module, dataset: TensorDataset) -> None:
    optimizer = optim.Adam(model.parameters(), lr=learning_rate)
    for epoch in range(num_epochs):
        running_loss = 0.0
        for images, labels in DataLoader(dataset, batch_size=batch_size, shuffle=True):
            images, labels = images.to(DEVICE), labels.to(DEVICE)
            optimizer.zero_grad()
            loss = F.cross_entropy(model(images), labels)
            loss.backward()
            optimizer.step()
            running_loss += loss.item() * len(labels)
        print(f"epoch {epoch + 1}: training loss {running_loss / len(dataset):.3f}")


@nnlite.no_grad()
def evaluate(model: nn.Module, dataset: TensorDataset) -> float:
    """The share of right answers, from 0 to 1."""
    correct = 0
    for images, labels in DataLoader(dataset, batch_size=batch_size):
        images, labels = images.to(DEVICE), labels.to(DEVICE)
        correct += (model(images).argmax(1) == labels).sum().item()
    return correct / len(dataset)


@nnlite.no_grad()
def class_accuracy(model: nn.Module, dataset: TensorDataset) -> list[float]:
    """The share of right answers in each of the ten classes; 0 for a class without images."""
    right, count = [0] * 10, [0] * 10
    for images, labels in DataLoader(dataset, batch_size=batch_size):
        images, labels = images.to(DEVICE), labels.to(DEVICE)
        hit = model(images).argmax(1) == labels  # (B,)
        for i in range(len(labels)):
            label = labels[i].item()
            right[label] += hit[i].item()
            count[label] += 1
    return [r / max(n, 1) for r, n in zip(right, count, strict=True)]


def main() -> tuple[nn.Module, float]:
    """Train, test; the network and its share of right answers on the test images."""
    nnlite.manual_seed(0)
    data = load_fashion_mnist(SAMPLE_FOLDER)
    train_labels = nnlite.from_numpy(data.train_labels[:1200])
    train_set = TensorDataset(prepare(data.train_images[:1200]), train_labels)
    test_set = TensorDataset(prepare(data.test_images), nnlite.from_numpy(data.test_labels))
    model = Net().to(DEVICE)
    train(model, train_set)
    accuracy = evaluate(model, test_set)
    for name, share in zip(data.classes, class_accuracy(model, test_set), strict=True):
        print(f"{name:<12} {100 * share:5.1f} %")
    print(f"accuracy {accuracy}")
    return model, accuracy


if __name__ == "__main__":
    main()
