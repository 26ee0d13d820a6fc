"""The training steps of works.py on a device, eager and as a CUDA graph, from the same weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks import works

WARM_UP = 3
"""Steps before PyTorch's are recorded; its documentation makes three."""


class Library(works.Library):
    """nnlite or PyTorch, with models and data on a device.

    Args:
        name: "nnlite" or "torch".
        variant: "eager" or "captured" (as a CUDA graph).
        device: as the library calls it, "cuda".
    """

    def __init__(self, name: str, variant: str = "eager", device: str = "cuda") -> None:
        super().__init__(name, variant)
        self.device = device

    def tensor(self, array: np.ndarray) -> Any:
        return super().tensor(array).to(self.device)

    def model(self, layers: Callable[[Any], list[Any]], dtype: str = "float32") -> Any:
        return super().model(layers, dtype).to(self.device)

    def adam(self, model: Any) -> Any:
        """Adam by its defaults; PyTorch's counts its steps on the device where it is captured."""
        captured = self.name == "torch" and self.variant == "captured"
        options = {"capturable": True} if captured else {}
        return self.optim.Adam(model.parameters(), lr=1e-3, **options)

    def step(self, function: Callable[..., Any], *inputs: Any) -> works.Call:
        run = function
        if self.variant == "captured" and self.name == "nnlite":
            run = self.lib.cuda.capture(function, inputs)
        elif self.variant == "captured":
            run = TorchGraph(self.lib, function, inputs)
        return lambda: run(*inputs)

    def allow_tf32(self, allowed: bool) -> None:
        """Whether float32 factors may be rounded to 11 bits, in products and convolutions."""
        self.lib.backends.cuda.matmul.allow_tf32 = allowed
        if self.name == "torch":
            self.lib.backends.cudnn.allow_tf32 = allowed


class TorchGraph:
    """A step as PyTorch's documentation captures it; each call is one step, from the first on.

    The first calls run on a side stream, as a capture asks for. The inputs are copied to where
    the graph reads them, as nnlite's are; the result is the graph's own, which saves the copy that
    nnlite makes of it.

    Args:
        torch: the module.
        function: of the inputs; returns the loss.
        inputs: tensors on the device.
    """

    def __init__(self, torch: Any, function: Callable[..., Any], inputs: tuple[Any, ...]) -> None:
        self._torch, self._function = torch, function
        self._inputs = [x.clone() for x in inputs]
        self._stream = torch.cuda.Stream()
        self._graph: Any = None
        self._loss: Any = None
        self._calls = 0

    def __call__(self, *inputs: Any) -> Any:
        for place, x in zip(self._inputs, inputs, strict=True):
            place.copy_(x)
        self._calls += 1
        if self._calls <= WARM_UP:
            return self._warm_up()
        if self._graph is None:
            self._graph = self._torch.cuda.CUDAGraph()
            with self._torch.cuda.graph(self._graph):
                self._loss = self._function(*self._inputs)
        self._graph.replay()
        return self._loss

    def _warm_up(self) -> Any:
        cuda = self._torch.cuda
        self._stream.wait_stream(cuda.current_stream())
        with cuda.stream(self._stream):
            loss = self._function(*self._inputs)
        cuda.current_stream().wait_stream(self._stream)
        return loss


def weights(shapes: dict[str, tuple[int, ...]]) -> dict[str, np.ndarray]:
    """Float32 numbers for parameters of these names and shapes, as large as usual.

    Uniform in +-1 / sqrt(fan in); biases, which have one dimension, in +-0.05.
    """
    rng = np.random.default_rng(2)
    found = {}
    for name, shape in shapes.items():
        bound = 0.05 if len(shape) < 2 else float(np.prod(shape[1:])) ** -0.5
        found[name] = rng.uniform(-bound, bound, shape).astype("float32")
    return found


def training(L: Library, name: str, batch: int, dropout: bool = True) -> works.Call:
    """A training step of a network of works.py that returns the loss, which stays on the device.

    Args:
        L: the library.
        name: the network's.
        batch: images; always the same ones.
        dropout: False: nothing is dropped, so that all sides compute the same.
    """
    model = L.model(works.NETWORKS[name][0])
    shapes = {key: tuple(value.shape) for key, value in model.state_dict().items()}
    # state_dict keeps each parameter where it is
    model.load_state_dict({key: L.lib.from_numpy(w) for key, w in weights(shapes).items()})
    for module in model.modules():
        if isinstance(module, L.nn.Dropout) and not dropout:
            module.eval()
    x, y = works.batch_of(L, name, batch=batch)
    loss_of = L.F.mse_loss if name == "autoencoder" else L.F.cross_entropy
    optimizer = L.adam(model)

    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = loss_of(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return L.step(step, x, y)
