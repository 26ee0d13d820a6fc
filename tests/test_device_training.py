"""A training step of each experiment on a device: as on the CPU, and nothing copied to the host."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest

import nnlite
import nnlite.nn.functional as F
from examples.denoising_autoencoder import Autoencoder, add_noise
from examples.dropout_cnn import keras_loss, network
from examples.fashion_lenet import LeNet as ShortLeNet
from examples.lenet import LeNet
from examples.mini_project import mlp
from examples.questions.optimizers import RULES
from examples.questions.schedulers import schedules
from nnlite import nn, optim
from nnlite.data import DataLoader, TensorDataset
from nnlite.data.transforms import Compose, Normalize, Pad, ToTensor
from nnlite.datasets import FashionMNIST
from nnlite.datasets.sources import SAMPLE_FOLDER
from nnlite.metrics import Tally
from nnlite.nn.utils import clip_grad_norm_
from nnlite.train import Running
from tests.strict import forbid_transfers

N = 24
Make = Callable[[], nn.Module]
Optimize = Callable[[Any], optim.Optimizer]
Result = dict[str, Any]


@pytest.fixture(autouse=True)
def _softmax_twice_on_purpose() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="cross_entropy: input comes from")
        yield


def images(padding: int = 0, flat: bool = False) -> TensorDataset:
    kinds = FashionMNIST(SAMPLE_FOLDER, train=False)
    pixels = Compose([Pad(padding), ToTensor(), Normalize((0.5,), (0.5,))])
    x = pixels.batch(kinds.data[:N]).double()
    return TensorDataset(x.flatten(1) if flat else x, nnlite.from_numpy(kinds.targets[:N]))


def classify(model: nn.Module, x: Any, y: Any) -> tuple[Any, Any]:
    scores = model(x)
    return F.cross_entropy(scores, y), scores


def classify_as_keras(model: nn.Module, x: Any, y: Any) -> tuple[Any, Any]:
    p = model(x)
    return keras_loss(p, y), p


def reconstruct(model: nn.Module, x: Any, y: Any) -> tuple[Any, Any]:
    pixels = model(add_noise(x))
    return F.mse_loss(pixels, x), pixels[:, :10]  # as if they were scores: something to count


def train(
    device: str,
    make: Make,
    dataset: TensorDataset,
    loss_of: Callable[..., tuple[Any, Any]] = classify,
    optimize: Optimize = lambda p: optim.Adam(p, lr=1e-3),
    scheduler_of: Callable[[Any], Any] = lambda optimizer: None,
    epochs: int = 2,
) -> Result:
    """Train, and read what was counted when each epoch is over; before that nothing is copied."""
    nnlite.manual_seed(0)
    model = make().double().to(device)
    dataset.to(device)
    optimizer = optimize(model.parameters())
    scheduler = scheduler_of(optimizer)
    loader = DataLoader(dataset, batch_size=8, shuffle=True)
    result: Result = {"loss": [], "accuracy": [], "lr": []}
    for _ in range(epochs):
        tally, running = Tally(10), Running()
        with forbid_transfers() if device == "strict" else nullcontext():
            for x, y in loader:
                optimizer.zero_grad()
                loss, scores = loss_of(model, x, y)
                loss.backward()
                clip_grad_norm_(model.parameters(), 5.0)
                optimizer.step()
                tally.update(scores, y, loss)
                running.add(len(x), loss, (scores.argmax(1) == y).sum())
        assert tally.loss == pytest.approx(running.loss)
        assert tally.accuracy == running.accuracy
        result["loss"].append(tally.loss)
        result["accuracy"].append(tally.accuracy)
        result["lr"].append(optimizer.param_groups[0]["lr"])
        if scheduler is not None:
            plateau = isinstance(scheduler, optim.lr_scheduler.ReduceLROnPlateau)
            scheduler.step(tally.loss) if plateau else scheduler.step()
    state = model.state_dict()
    assert {str(x.device) for x in state.values()} == {device}
    result["state"] = {name: x.to(device="cpu").numpy() for name, x in state.items()}
    return result


def compare(there: Result, here: Result) -> None:
    for name in ("loss", "accuracy", "lr"):
        np.testing.assert_allclose(there[name], here[name], rtol=1e-10)
    for name, value in here["state"].items():
        np.testing.assert_allclose(there["state"][name], value, rtol=1e-8, atol=1e-10)


EXPERIMENTS: dict[str, tuple[Make, dict[str, Any], Callable[..., tuple[Any, Any]]]] = {
    "mlp": (mlp, {"flat": True}, classify),
    "deeper mlp": (lambda: mlp((20, 10), nn.Tanh), {"flat": True}, classify),
    "lenet": (lambda: LeNet(softmax=False), {"padding": 2}, classify),
    "lenet with two softmaxes": (lambda: LeNet(softmax=True), {"padding": 2}, classify),
    "short lenet": (ShortLeNet, {"padding": 2}, classify),
    "autoencoder, inert": (lambda: Autoencoder("inert"), {"flat": True}, reconstruct),
    "autoencoder, as written": (lambda: Autoencoder("as_written"), {"flat": True}, reconstruct),
    "autoencoder, scaled": (lambda: Autoencoder("scaled"), {"flat": True}, reconstruct),
}


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_an_experiment_trains_alike_on_both_devices(name: str) -> None:
    make, pixels, loss_of = EXPERIMENTS[name]
    runs = [train(device, make, images(**pixels), loss_of) for device in ("strict", "cpu")]
    compare(*runs)
    assert runs[0]["loss"][0] != runs[0]["loss"][1]


@pytest.mark.parametrize("softmax", [True, False])
def test_the_cnn_with_dropout_trains_on_a_device(softmax: bool) -> None:
    """Its random numbers may be the device's own, so that it is not compared number by number."""
    loss_of = classify_as_keras if softmax else classify
    found = train(
        "strict",
        lambda: network(softmax),
        TensorDataset(*images()[:8]),
        loss_of,
        lambda p: optim.Adadelta(p, lr=1.0, rho=0.95, eps=1e-7),
        epochs=1,
    )
    assert 1 < found["loss"][0] < 6
    assert np.isfinite(np.concatenate([x.ravel() for x in found["state"].values()])).all()


@pytest.mark.parametrize("name", RULES)
def test_the_ten_optimizers_of_the_mini_project(name: str) -> None:
    rule = RULES[name]

    def optimize(p: Any) -> optim.Optimizer:
        return rule.make(p, lr=rule.lr)

    if name == "LBFGS":  # its line search compares losses on the host, as PyTorch's does
        results = []
        for device in ("strict", "cpu"):
            nnlite.manual_seed(0)
            model = mlp((5,)).double().to(device)
            x, y = images(flat=True).to(device).tensors
            optimizer = optimize(model.parameters())

            def closure(x: Any = x, y: Any = y, model: Any = model, o: Any = optimizer) -> Any:
                o.zero_grad()
                loss = F.cross_entropy(model(x), y)
                loss.backward()
                return loss

            results.append([optimizer.step(closure).item() for _ in range(2)])
        np.testing.assert_allclose(results[0], results[1], rtol=1e-6)
        return
    runs = [
        train(device, lambda: mlp((5,)), images(flat=True), optimize=optimize)
        for device in ("strict", "cpu")
    ]
    compare(*runs)


@pytest.mark.parametrize("name", schedules(4))
def test_the_schedulers_of_the_mini_project(name: str) -> None:
    make, _ = schedules(4)[name]
    runs = [
        train(device, lambda: mlp((5,)), images(flat=True), scheduler_of=make, epochs=4)
        for device in ("strict", "cpu")
    ]
    compare(*runs)


def test_the_check_itself_sees_a_loss_that_is_read_in_the_loop() -> None:
    def reading(model: nn.Module, x: Any, y: Any) -> tuple[Any, Any]:
        loss, scores = reconstruct(model, x, y)
        loss.item()
        return loss, scores

    with pytest.raises(AssertionError, match="item copies from the device"):
        train("strict", lambda: Autoencoder("inert"), images(flat=True), reading)
