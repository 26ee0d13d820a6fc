"""The networks of the experiments, written once for both libraries.

A work is what is timed: a function that takes no argument and is called again and again. The same
source builds it for nnlite and for PyTorch, since one's script is the other's with its import
lines changed.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np

Call = Callable[[], Any]


class Library:
    """nnlite or PyTorch: the names that a script imports.

    Args:
        name: "nnlite" or "torch".
        variant: of PyTorch: "eager", "fused" (Adam in one kernel), "channels_last" (with it, the
            memory format in which its convolutions are fastest) or "compile" (with fused).
    """

    def __init__(self, name: str, variant: str = "eager") -> None:
        self.name, self.variant = name, variant
        self.lib = importlib.import_module(name)
        self.nn = importlib.import_module(f"{name}.nn")
        self.F = importlib.import_module(f"{name}.nn.functional")
        self.optim = importlib.import_module(f"{name}.optim")
        self.data = importlib.import_module(f"{name}.utils.data")
        self.lib.manual_seed(0)

    def tensor(self, array: np.ndarray) -> Any:
        """A tensor of the array, in the variant's memory format."""
        x = self.lib.from_numpy(array)
        if self.variant == "channels_last" and x.ndim == 4:
            x = x.contiguous(memory_format=self.lib.channels_last)
        return x

    def model(self, layers: Callable[[Any], list[Any]], dtype: str = "float32") -> Any:
        """nn.Sequential of the layers, in the variant's memory format."""
        model = self.nn.Sequential(*layers(self.nn)).to(getattr(self.lib, dtype))
        if self.variant == "channels_last":
            model = model.to(memory_format=self.lib.channels_last)
        if self.variant == "compile":
            model = self.lib.compile(model)
        return model

    def adam(self, model: Any) -> Any:
        """Adam over the model's parameters, fused where the variant is."""
        options = {} if self.variant == "eager" else {"fused": True}
        return self.optim.Adam(model.parameters(), lr=1e-3, **options)


def mlp_small(nn: Any) -> list[Any]:
    """784-40-10: input gradients and the mini-project."""
    return [nn.Linear(784, 40), nn.ReLU(), nn.Linear(40, 10)]


def mlp_large(nn: Any) -> list[Any]:
    """784-512-512-10."""
    return [
        nn.Linear(784, 512),
        nn.ReLU(),
        nn.Linear(512, 512),
        nn.ReLU(),
        nn.Linear(512, 10),
    ]


def autoencoder(nn: Any) -> list[Any]:
    """784-400-784, tanh and sigmoid."""
    return [nn.Linear(784, 400), nn.Tanh(), nn.Linear(400, 784), nn.Sigmoid()]


def lenet(nn: Any) -> list[Any]:
    """LeNet for images of 32 x 32, ReLU and average pooling."""
    return [
        nn.Conv2d(1, 6, 5),
        nn.ReLU(),
        nn.AvgPool2d(2),
        nn.Conv2d(6, 16, 5),
        nn.ReLU(),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Linear(400, 120),
        nn.ReLU(),
        nn.Linear(120, 84),
        nn.ReLU(),
        nn.Linear(84, 10),
    ]


def cnn(nn: Any) -> list[Any]:
    """The convolutional network with dropout, for images of 28 x 28."""
    return [
        nn.Conv2d(1, 32, 3),
        nn.ReLU(),
        nn.Conv2d(32, 64, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Dropout(0.5),
        nn.Flatten(),
        nn.Linear(9216, 128),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Linear(128, 10),
    ]


NETWORKS: dict[str, tuple[Callable[[Any], list[Any]], tuple[int, ...], int]] = {
    "mlp-small": (mlp_small, (784,), 60),
    "mlp-large": (mlp_large, (784,), 64),
    "autoencoder": (autoencoder, (784,), 1000),
    "lenet": (lenet, (1, 32, 32), 100),
    "cnn": (cnn, (1, 28, 28), 128),
}
"""Layers, shape of one input, batch size of the experiment."""


def images(n: int, shape: tuple[int, ...], dtype: str = "float32") -> np.ndarray:
    """Random inputs (n, *shape) from [0, 1)."""
    return np.random.default_rng(0).random((n, *shape), dtype=dtype)


def labels(n: int) -> np.ndarray:
    """Random classes (n,), int64."""
    return np.random.default_rng(1).integers(0, 10, n)


def training(L: Library, name: str, dtype: str = "float32", batch: int | None = None) -> Call:
    """One training step: zero_grad, forward, loss, backward, step; data already in memory."""
    layers, shape, usual = NETWORKS[name]
    n = batch or usual
    model = L.model(layers, dtype)
    optimizer = L.adam(model)
    F, x, y = L.F, L.tensor(images(n, shape, dtype)), L.tensor(labels(n))
    reconstructs = name == "autoencoder"

    def step() -> None:
        optimizer.zero_grad()
        out = model(x)
        loss = F.mse_loss(out, x) if reconstructs else F.cross_entropy(out, y)
        loss.backward()
        optimizer.step()

    return step


def inference(L: Library, name: str, batch: int) -> Call:
    """The forward pass in eval mode under no_grad."""
    layers, shape, _ = NETWORKS[name]
    model, x = L.model(layers).eval(), L.tensor(images(batch, shape))
    no_grad = L.lib.no_grad

    def forward() -> None:
        with no_grad():
            model(x)

    return forward


def epoch(L: Library, name: str = "lenet", n: int = 60_000) -> Call:
    """A whole epoch from the DataLoader, shuffled."""
    layers, shape, batch = NETWORKS[name]
    model = L.model(layers)
    optimizer, F = L.adam(model), L.F
    dataset = L.data.TensorDataset(L.tensor(images(n, shape)), L.tensor(labels(n)))
    loader = L.data.DataLoader(dataset, batch_size=batch, shuffle=True)

    def run() -> None:
        for x, y in loader:
            optimizer.zero_grad()
            F.cross_entropy(model(x), y).backward()
            optimizer.step()

    return run


def chain(L: Library, length: int = 1000, size: int = 10) -> Call:
    """The engine alone: a chain of additions of a few numbers, forward and backward."""
    x = L.tensor(np.ones(size, dtype="float32")).requires_grad_()
    one = L.tensor(np.ones(size, dtype="float32"))

    def run() -> None:
        y = x
        for _ in range(length):
            y = y + one
        y.sum().backward()

    return run
