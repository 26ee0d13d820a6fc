"""A denoising sparse autoencoder on MNIST, and a classifier on top of its encoder.

The network is 784-400-784 with tanh and sigmoid. It sees digits with normal noise (mean 0.1,
standard deviation 0.2, drawn afresh at each step, clamped to [0, 1]) and learns to return the clean
ones: mean squared error, Adam with lr 0.001, batches of 1000, 20 epochs, float64. An L1 penalty of
0.1 on the 400 numbers of the code is to make most of them zero. The penalty is an operation whose
forward returns its input and whose backward adds weight * sign(input) to the gradient. The PyTorch
of the day never called the backward of such an operation, so the published numbers are those of an
autoencoder without any penalty. Three readings are run: inert (as recorded), as_written (the
backward called, with the weight as it stands), scaled (the weight averaged over as many elements as
the loss is). Then the decoder is dropped, a linear layer takes its place, and the whole network
learns to classify by hand-written gradient descent.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

import nnlite
import nnlite.nn.functional as F
from examples.autoencoder.report import report
from examples.shared import Example, Quirk, Run, launch
from nnlite import nn, optim
from nnlite.autograd import Function
from nnlite.data import DataLoader, TensorDataset
from nnlite.data.transforms import ToTensor
from nnlite.errors import ArgumentError
from nnlite.metrics import Tally
from nnlite.train import Running

PENALTY = 0.1
NOISE_MEAN, NOISE_STD = 0.1, 0.2
CLASSIFIER_LR = 0.1

# the readings of the penalty, and the quirks that make each
READINGS = {
    "inert": frozenset({"inert_penalty", "unscaled_penalty"}),
    "as_written": frozenset({"unscaled_penalty"}),
    "scaled": frozenset(),
}


class Variant(NamedTuple):
    """One way to train the autoencoder."""

    name: str
    penalty: str  # one of READINGS
    noise: bool = True
    optimizer: str = "Adam"


VARIANTS = tuple(Variant(reading, reading) for reading in READINGS)
LECTURE = (  # what the lecture sets beside it
    Variant("gradient descent", "inert", optimizer="gradient descent"),
    Variant("sparse only", "scaled", noise=False),
    Variant("neither", "inert", noise=False),
)


def count(text: str) -> int:
    """The value of --classifier-epochs."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"expected 0 or more, got {text!r}")
    return int(text)


def options(parser: argparse.ArgumentParser) -> None:
    """The options of this example alone."""
    parser.add_argument(
        "--penalty",
        choices=(*READINGS, "all"),
        help="the reading to run; all: the three, and the lecture's comparisons. The default "
        "follows from --quirks: all where they are as published, inert with inert_penalty, "
        "as_written with unscaled_penalty alone, scaled with none",
    )
    parser.add_argument(
        "--classifier-epochs",
        type=count,
        default=10,
        metavar="N",
        help="of the classifier after each autoencoder (%(default)s)",
    )


def choose(run: Run) -> str:
    """The reading to run, or "all": --penalty decides, or else the quirks.

    Raises:
        ArgumentError: both are given, and they contradict each other.
    """
    reading: str = run.args.penalty or "all"
    if run.args.quirks != "published":
        if run.quirk("inert_penalty"):
            implied = "inert"
        else:
            implied = "as_written" if run.quirk("unscaled_penalty") else "scaled"
        if run.args.penalty not in (None, implied):
            raise ArgumentError(
                EXAMPLE.name,
                "--penalty",
                expected=f"{implied}, as --quirks {run.args.quirks} means that reading",
                got=reading,
                hint="give one of the two options; --help explains them",
            )
        return implied
    if reading in READINGS:
        run.quirks = READINGS[reading]
        for quirk in EXAMPLE.quirks:
            if quirk.name not in run.quirks:
                run.caveats[f"quirk {quirk.name}"] = f"{quirk.name} is off with --penalty {reading}"
    return reading


EXAMPLE = Example(
    name="denoising_autoencoder",
    description=__doc__ or "",
    epochs=20,
    dataset="mnist",
    batch_size=1000,
    sample_batch_size=100,
    dtype="float64",
    quirks=(
        Quirk(
            "inert_penalty",
            "the penalty's backward is never called, so there is no penalty",
        ),
        Quirk(
            "unscaled_penalty",
            "0.1 * sign is added to the gradient of each element of the code, though the loss is a "
            "mean over batch * 784 elements: where it is called, the penalty is all that counts",
        ),
    ),
    options=options,
    check=choose,
)


# -- the network -------------------------------------------------------------------------------


class L1Penalty(Function):
    """x itself.  d/dx = gy + weight * sign(x): that of loss + weight * sum|x|.

    forward returns its very input. nnlite calls backward all the same; the PyTorch of the published
    work saw a tensor that already had a history, kept that, and forgot this operation.
    """

    @staticmethod
    def forward(ctx: Any, x: nnlite.Tensor, weight: float) -> nnlite.Tensor:
        ctx.save_for_backward(x)
        ctx.weight = weight
        return x

    @staticmethod
    def backward(ctx: Any, gy: nnlite.Tensor) -> tuple[nnlite.Tensor, None]:
        (x,) = ctx.saved_tensors
        return gy + ctx.weight * x.sign(), None


class Autoencoder(nn.Module):
    """784-400-784, tanh and sigmoid, with a penalty on the code; 628,384 parameters."""

    def __init__(self, penalty: str) -> None:
        super().__init__()
        self.penalty = penalty
        self.encoder = nn.Linear(784, 400)
        self.decoder = nn.Linear(400, 784)

    def encode(self, x: nnlite.Tensor) -> nnlite.Tensor:
        return self.encoder(x).tanh()

    def penalise(self, code: nnlite.Tensor, elements: int) -> nnlite.Tensor:
        """The code; elements: how many the loss is averaged over."""
        if self.penalty == "as_written":
            return L1Penalty.apply(code, PENALTY)
        if self.penalty == "scaled":  # nnlite has this one: F.l1_penalty(code, PENALTY, elements)
            return L1Penalty.apply(code, PENALTY / elements)
        return code  # inert: the history that the code already had, and nothing else

    def decode(self, code: nnlite.Tensor) -> nnlite.Tensor:
        return self.decoder(code).sigmoid()

    def forward(self, x: nnlite.Tensor) -> nnlite.Tensor:
        code = self.penalise(self.encode(x), x.numel())  # (N, 784) -> (N, 400)
        return self.decode(code)  # (N, 784)


def add_noise(x: nnlite.Tensor) -> nnlite.Tensor:
    """Pixels with normal noise, drawn afresh in each call, clamped to [0, 1]."""
    noise = NOISE_MEAN + NOISE_STD * nnlite.randn_like(x)
    return (x + noise).clamp(0, 1)


# -- training ----------------------------------------------------------------------------------


@dataclass
class Trained:
    """An autoencoder, its classifier, and what was measured."""

    variant: Variant
    seed: int
    model: Autoencoder
    before: dict[str, np.ndarray]  # the weights it began with
    mse: list[float] = field(default_factory=list)  # mean of each epoch, as it trains
    classifier: nn.Module | None = None
    error: list[float] = field(default_factory=list)  # its mean NLL of each epoch, as it trains
    accuracy: list[float] = field(default_factory=list)  # on the test images after it, in %
    matrix: np.ndarray | None = None  # the last confusion matrix, (10, 10)


def prepare(run: Run, images: np.ndarray, labels: np.ndarray) -> TensorDataset:
    """Pixels to [0, 1] as rows of 784, and the classes."""
    x = ToTensor().batch(images).flatten(1).to(run.device, run.dtype)  # (N, 784)
    return TensorDataset(x, nnlite.from_numpy(labels).to(run.device))


def train_autoencoder(run: Run, seed: int, variant: Variant, train_set: TensorDataset) -> Trained:
    """Learn to return the clean digits."""
    model = Autoencoder(variant.penalty).to(run.device, run.dtype)
    before = {name: p.detach().cpu().numpy().copy() for name, p in model.named_parameters()}
    trained = Trained(variant, seed, model, before)
    if variant.optimizer == "Adam":
        optimizer: optim.Optimizer = optim.Adam(model.parameters(), lr=1e-3)
    else:
        optimizer = optim.SGD(model.parameters(), lr=0.98)
    loader = DataLoader(train_set, batch_size=run.batch_size, shuffle=True)
    with run.stoppable():
        for epoch in range(1, run.epochs + 1):
            running, started = Running(), time.perf_counter()
            for x, _ in loader:
                seen = add_noise(x) if variant.noise else x
                optimizer.zero_grad()
                loss = F.mse_loss(model(seen), x)  # mean over batch * 784
                loss.backward()
                optimizer.step()
                running.add(len(x), loss)
            trained.mse.append(running.loss)
            run.record(f"{variant.name}/seed {seed}/mse", trained.mse[-1])
            run.log(
                f"{variant.name}, seed {seed}, epoch {epoch}/{run.epochs}: MSE "
                f"{trained.mse[-1]:.5f}, {time.perf_counter() - started:.1f} s"
            )
    return trained


def train_classifier(
    run: Run, trained: Trained, train_set: TensorDataset, test_set: TensorDataset
) -> None:
    """Put a linear layer in the decoder's place, and train all of it on clean digits."""
    encoder = nn.Linear(784, 400)
    model = nn.Sequential(encoder, nn.Tanh(), nn.Linear(400, 10), nn.LogSoftmax(dim=1))
    model.to(run.device, run.dtype)
    encoder.load_state_dict(trained.model.encoder.state_dict())
    trained.classifier = model
    name = f"{trained.variant.name}/seed {trained.seed}/classifier"
    loader = DataLoader(train_set, batch_size=run.batch_size, shuffle=True)
    with run.stoppable():
        for epoch in range(1, run.args.classifier_epochs + 1):
            running = Running()
            for x, y in loader:
                model.zero_grad()
                loss = F.nll_loss(model(x), y)
                loss.backward()
                with nnlite.no_grad():
                    for p in model.parameters():
                        p -= CLASSIFIER_LR * p.grad
                running.add(len(x), loss)
            tally = evaluate(model, test_set)
            trained.error.append(running.loss)
            trained.accuracy.append(100 * tally.accuracy)
            trained.matrix = tally.matrix
            run.record(f"{name}_error", trained.error[-1])
            run.record(f"{name}_accuracy", trained.accuracy[-1])
            run.log(
                f"{trained.variant.name}, seed {trained.seed}, classifier epoch {epoch}/"
                f"{run.args.classifier_epochs}: training error {trained.error[-1]:.4f}, "
                f"test accuracy {trained.accuracy[-1]:.2f} %"
            )


@nnlite.no_grad()
def evaluate(model: nn.Module, test_set: TensorDataset) -> Tally:
    """The classifier's answers to all test images, counted."""
    tally = Tally(10)
    for x, y in DataLoader(test_set, batch_size=1000):
        tally.update(model(x), y)
    return tally


# -- the experiment ----------------------------------------------------------------------------


def experiment(run: Run) -> None:
    reading = choose(run)
    if run.args.classifier_epochs != 10:
        run.caveats["classifier"] = f"{run.args.classifier_epochs} classifier epochs instead of 10"
    train_set = prepare(run, run.data.train_images, run.data.train_labels)
    test_set = prepare(run, run.data.test_images, run.data.test_labels)
    variants = (
        VARIANTS + LECTURE if reading == "all" else [v for v in VARIANTS if v.name == reading]
    )
    results: dict[str, list[Trained]] = {}
    for variant in variants:
        for seed in run.each_seed():
            trained = train_autoencoder(run, seed, variant, train_set)
            if not run.interrupted:
                train_classifier(run, trained, train_set, test_set)
            results.setdefault(variant.name, []).append(trained)
    images = test_set.tensors[0]
    report(run, results, images, add_noise(images))


def main(arguments: list[str] | None = None) -> int:
    """The command; returns the exit status."""
    return launch(EXAMPLE, experiment, arguments)


if __name__ == "__main__":
    sys.exit(main())
