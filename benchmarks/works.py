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
            memory format in which its convolutions are fastest) or "compile" (with fused); of
            nnlite: "eager" or "captured" (the step is replayed).
    """

    def __init__(self, name: str, variant: str = "eager") -> None:
        self.name, self.variant = name, variant
        self.lib = importlib.import_module(name)
        self.nn = importlib.import_module(f"{name}.nn")
        self.F = importlib.import_module(f"{name}.nn.functional")
        self.optim = importlib.import_module(f"{name}.optim")
        self.data = importlib.import_module(f"{name}.utils.data")
        self.manual_seed(0)

    def manual_seed(self, seed: int) -> None:
        """Start the random numbers over."""
        self.lib.manual_seed(seed)

    def set_num_threads(self, n: int) -> None:
        """How many threads its kernels use."""
        self.lib.set_num_threads(n)

    def get_num_threads(self) -> int:
        """How many threads its kernels use."""
        return int(self.lib.get_num_threads())

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

    def step(self, function: Callable[..., Any], *inputs: Any) -> Call:
        """The function of these inputs as a work, captured where the variant is."""
        run = self.lib.capture(function) if self.variant == "captured" else function
        return lambda: run(*inputs)

    def adam(self, model: Any) -> Any:
        """Adam over the model's parameters, fused where the variant is."""
        options = {} if self.variant in ("eager", "captured") else {"fused": True}
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


def batch_of(L: Library, name: str, dtype: str = "float32", batch: int | None = None) -> Any:
    """Inputs and targets of one batch: (x, y); the autoencoder's targets are its inputs."""
    _, shape, usual = NETWORKS[name]
    n = batch or usual
    x = L.tensor(images(n, shape, dtype))
    return (x, x) if name == "autoencoder" else (x, L.tensor(labels(n)))


def training(L: Library, name: str, dtype: str = "float32", batch: int | None = None) -> Call:
    """One training step: zero_grad, forward, loss, backward, step; data already in memory."""
    return training_on(L, name, *batch_of(L, name, dtype, batch), dtype)


def training_on(L: Library, name: str, x: Any, y: Any, dtype: str = "float32") -> Call:
    """A training step of a fresh network on this batch."""
    loss = L.F.mse_loss if name == "autoencoder" else L.F.cross_entropy
    return _step(L, L.model(NETWORKS[name][0], dtype), loss, x, y)


def _step(L: Library, model: Any, loss: Callable[[Any, Any], Any], x: Any, y: Any) -> Call:
    optimizer = L.adam(model)

    def step(x: Any, y: Any) -> None:
        optimizer.zero_grad()
        loss(model(x), y).backward()
        optimizer.step()

    return L.step(step, x, y)


def deep(L: Library, depth: int, width: int = 64, batch: int = 64) -> Call:
    """A training step of so many layers Linear(width, width) + ReLU, mean squared error to 0."""

    def layers(nn: Any) -> list[Any]:
        return [layer for _ in range(depth) for layer in (nn.Linear(width, width), nn.ReLU())]

    x = L.tensor(images(batch, (width,)))
    return _step(L, L.model(layers), L.F.mse_loss, x, L.lib.zeros_like(x))


def inference(L: Library, name: str, batch: int) -> Call:
    """The forward pass in eval mode under no_grad."""
    layers, shape, _ = NETWORKS[name]
    model, x = L.model(layers).eval(), L.tensor(images(batch, shape))
    no_grad = L.lib.no_grad

    def forward(x: Any) -> Any:
        with no_grad():
            return model(x)

    return L.step(forward, x)


def epoch(L: Library, name: str = "lenet", n: int = 60_000) -> Call:
    """A whole epoch from the DataLoader, shuffled."""
    layers, shape, batch = NETWORKS[name]
    model = L.model(layers)
    optimizer, F = L.adam(model), L.F
    dataset = L.data.TensorDataset(L.tensor(images(n, shape)), L.tensor(labels(n)))
    loader = L.data.DataLoader(dataset, batch_size=batch, shuffle=True)

    def step(x: Any, y: Any) -> None:
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()

    run_step = L.lib.capture(step) if L.variant == "captured" else step

    def run() -> None:
        for x, y in loader:
            run_step(x, y)

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


OPS: dict[str, Callable[[Library, Any, Any], Any]] = {
    "add": lambda L, x, w: x + w,
    "mul": lambda L, x, w: x * w,
    "div": lambda L, x, w: x / w,
    "pow": lambda L, x, w: x**2,
    "exp": lambda L, x, w: x.exp(),
    "log": lambda L, x, w: x.log(),
    "relu": lambda L, x, w: L.F.relu(x),
    "sigmoid": lambda L, x, w: x.sigmoid(),
    "softmax": lambda L, x, w: L.F.softmax(x, dim=0),
    "sum": lambda L, x, w: x.sum(),
    "max": lambda L, x, w: x.max(),
    "matmul": lambda L, x, w: x @ w,
    "reshape": lambda L, x, w: x.reshape(2, 5),
    "slice": lambda L, x, w: x[2:7],
}
"""Ops on x of shape (10,), which requires a gradient, and w likewise, which does not."""


def op(L: Library, name: str, backward: bool) -> Call:
    """One op on 10 numbers: forward, recorded for backward; or both ways."""
    x = L.tensor(np.linspace(0.5, 1.5, 10, dtype="float32")).requires_grad_()
    w = L.tensor(np.linspace(1.5, 0.5, 10, dtype="float32"))
    function = OPS[name]
    gy = L.lib.ones_like(function(L, x, w).detach())

    def forward() -> None:
        function(L, x, w)

    def both() -> None:
        x.grad = None
        function(L, x, w).backward(gy)

    return both if backward else forward


def optimizer_step(L: Library, name: str = "lenet") -> Call:
    """The optimizer alone: Adam over a network's parameters, gradients already there."""
    model = L.model(NETWORKS[name][0])
    optimizer = L.adam(model)
    x, y = batch_of(L, name, batch=1)
    L.F.cross_entropy(model(x), y).backward()
    step: Call = optimizer.step
    return step


def late(L: Library, n: int = 1000, batch: int = 10) -> Call:
    """An epoch of training on a task without noise; its gradients vanish after a few.

    Adam's moments then shrink step by step until they are denormal numbers, and m stays one: 0.9
    times the smallest is rounded to itself. Some processors compute with such numbers at a
    hundredth of their speed.

    Returns:
        the epoch: a function that returns the last batch's loss, and the share of denormal numbers
        among Adam's moments.
    """
    rng = np.random.default_rng(0)
    classes = rng.integers(0, 4, n)
    numbers = rng.random((n, 64), dtype="float32")
    numbers[np.arange(n), classes] += 10
    x, y = L.tensor(numbers), L.tensor(classes)
    model = L.model(lambda nn: [nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 4)])
    optimizer, F = L.optim.Adam(model.parameters(), lr=0.03), L.F

    def epoch() -> tuple[float, float]:
        for i in range(0, n, batch):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x[i : i + batch]), y[i : i + batch])
            loss.backward()
            optimizer.step()
        moments = [s[key].numpy() for s in optimizer.state.values() for key in MOMENTS]
        sizes = np.abs(np.concatenate([moment.ravel() for moment in moments]))
        denormal = (sizes > 0) & (sizes < np.finfo("float32").tiny)
        return float(loss.item()), float(denormal.mean())

    return epoch


MOMENTS = ("exp_avg", "exp_avg_sq")
