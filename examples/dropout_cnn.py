"""A CNN with dropout on Fashion-MNIST, its weights and its mistakes.

Two convolutions of 3 x 3 (32 and 64 filters) with ReLU, max pooling by 2, dropout of 0.5, a layer
of 128 with ReLU, dropout of 0.5, ten classes through softmax. Weights start Glorot-uniform, biases
at zero; Adadelta with lr 1.0, rho 0.95 and eps 1e-7, batches of 128, 15 epochs, pixels in [0, 1].
The training accuracy is measured in several ways, which shows why it can lie below the test
accuracy.
"""

from __future__ import annotations

import sys
import time
from collections import OrderedDict
from typing import Any

import numpy as np

import nnlite
import nnlite.nn.functional as F
from examples.dropout_cnn_report import WITH_DROPOUT, report_accuracy, report_mistakes
from examples.dropout_cnn_weights import report_weights
from examples.shared import Example, Quirk, Run, launch
from nnlite import nn, optim
from nnlite.data import DataLoader, TensorDataset
from nnlite.data.transforms import ToTensor
from nnlite.metrics import Tally

DROPOUT = 0.5
PARAMETERS, FEATURES = 1_199_882, 9_216  # as published; FEATURES: inputs of fc1
EPSILON = 1e-7  # Keras's: its loss clips probabilities to [1e-7, 1 - 1e-7]
EVAL_BATCH = 200

EXAMPLE = Example(
    name="dropout_cnn",
    description=__doc__ or "",
    epochs=15,
    batch_size=128,
    quirks=(
        Quirk(
            "softmax_output",
            "the network ends in softmax and the loss is -log(p), as in Keras: the number that "
            "cross-entropy of the scores gives, up to rounding and to the clipping of p at 1e-7",
        ),
        Quirk(
            "running_accuracy",
            "the training accuracy is counted while training, with dropout on and weights that "
            "still change; off: in eval mode after the epoch, as the test accuracy is",
        ),
    ),
)


def network(softmax_output: bool) -> nn.Sequential:
    """Images (N, 1, 28, 28) to probabilities or scores (N, 10); Glorot-uniform, zero biases."""
    layers: dict[str, nn.Module] = {
        "conv1": nn.Conv2d(1, 32, 3),  # (N, 32, 26, 26)
        "relu1": nn.ReLU(),
        "conv2": nn.Conv2d(32, 64, 3),  # (N, 64, 24, 24)
        "relu2": nn.ReLU(),
        "pool": nn.MaxPool2d(2),  # (N, 64, 12, 12)
        "dropout1": nn.Dropout(DROPOUT),
        "flatten": nn.Flatten(),  # (N, 9216)
        "fc1": nn.Linear(FEATURES, 128),
        "relu3": nn.ReLU(),
        "dropout2": nn.Dropout(DROPOUT),
        "fc2": nn.Linear(128, 10),
    }
    for layer in layers.values():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)
    if softmax_output:
        layers["softmax"] = nn.Softmax(dim=1)
    return nn.Sequential(OrderedDict(layers))


def keras_loss(p: Any, target: Any, reduction: str = "mean") -> Any:
    """-log(p[target]) of probabilities; F.cross_entropy would apply a second softmax to them.

    Source: keras.backend.sparse_categorical_crossentropy with from_logits=False.
    """
    return F.nll_loss(p.clamp(EPSILON, 1 - EPSILON).log(), target, reduction=reduction)


def prepare(run: Run, images: np.ndarray, labels: np.ndarray) -> TensorDataset:
    """Pixels to [0, 1]."""
    x = ToTensor().batch(images)  # (N, 1, 28, 28)
    return TensorDataset(x.to(run.device, run.dtype), nnlite.from_numpy(labels).to(run.device))


def train(run: Run, seed: int, train_set: TensorDataset, test_set: TensorDataset) -> nn.Sequential:
    """Train one network, and measure it after each epoch."""
    model = network(run.quirk("softmax_output")).to(run.device, run.dtype)
    loss_function = keras_loss if run.quirk("softmax_output") else F.cross_entropy
    optimizer = optim.Adadelta(model.parameters(), lr=1.0, rho=0.95, eps=1e-7)
    loader = DataLoader(train_set, batch_size=run.batch_size, shuffle=True)
    with run.stoppable():
        for epoch in range(1, run.epochs + 1):
            running, started = Tally(10), time.perf_counter()
            model.train()
            for images, labels in loader:
                optimizer.zero_grad()
                outputs = model(images)
                loss = loss_function(outputs, labels)
                loss.backward()
                optimizer.step()
                running.update(outputs, labels, loss)  # these outputs went through dropout
            seconds = time.perf_counter() - started
            measured = measure(model, running, train_set, test_set)
            for name, value in measured.items():
                run.record(f"seed {seed}/{name}", value)
            run.log(
                f"seed {seed}, epoch {epoch}/{run.epochs}: loss {running.loss:.4f}; training "
                f"accuracy {measured['running_accuracy']:.2f} % running, "
                f"{measured['eval_accuracy']:.2f} % in eval mode; test accuracy "
                f"{measured['test_accuracy']:.2f} % ({seconds:.1f} s)"
            )
    return model


def measure(
    model: nn.Module, running: Tally, train_set: TensorDataset, test_set: TensorDataset
) -> dict[str, float]:
    """The loss of an epoch that has just ended, and its accuracies in %."""
    images, labels = train_set.tensors
    some = slice(0, WITH_DROPOUT)
    hits = predict(model, images).argmax(1) == labels.cpu().numpy()  # (N,)
    dropped = predict(model, images[some], dropout=True).argmax(1) == labels[some].cpu().numpy()
    tested = predict(model, test_set.tensors[0]).argmax(1) == test_set.tensors[1].cpu().numpy()
    return {
        "train_loss": running.loss,
        "running_accuracy": 100 * running.accuracy,
        "eval_accuracy": 100 * hits.mean(),
        "test_accuracy": 100 * tested.mean(),
        # the same images in the same state of the network, with dropout and without
        "dropout_accuracy": 100 * dropped.mean(),
        "no_dropout_accuracy": 100 * hits[some].mean(),
    }


@nnlite.no_grad()
def predict(model: nn.Module, images: Any, dropout: bool = False) -> np.ndarray:
    """What the network answers, (N, 10): in eval mode, unless dropout is to be on."""
    model.train(dropout)
    return np.concatenate([model(x).cpu().numpy() for x in images.split(EVAL_BATCH)])


def experiment(run: Run) -> None:
    train_set = prepare(run, run.data.train_images, run.data.train_labels)
    test_set = prepare(run, run.data.test_images, run.data.test_labels)
    models = {seed: train(run, seed, train_set, test_set) for seed in run.each_seed()}
    first = models[run.seed]
    epochs = len(run.series.get(f"seed {run.seed}/train_loss", []))
    # a seed that Ctrl-C cut short has no part in the bands
    seeds = [s for s in models if len(run.series.get(f"seed {s}/train_loss", [])) == epochs]

    run.section("What was done")
    run.text(EXAMPLE.description.partition("\n\n")[2])
    run.verbatim(repr(first))
    parameters = sum(p.numel() for p in first.parameters())
    to_features = first[: list(first).index(first.flatten) + 1]
    features = predict(to_features, test_set.tensors[0][:1]).shape[1]
    run.compare("parameters", PARAMETERS, parameters, inside=parameters == PARAMETERS, depends=())
    run.compare(
        "features after the pool", FEATURES, features, inside=features == FEATURES, depends=()
    )
    if epochs < run.epochs:
        run.text(
            f"The training was stopped in epoch {epochs + 1}: the numbers by epoch end before it, "
            "the weights and the mistakes are those of the network as it was then."
        )
    if epochs:
        report_accuracy(run, seeds)
        to_scores = nn.Sequential(*(layer for layer in first if not isinstance(layer, nn.Softmax)))
        scores = nnlite.from_numpy(predict(to_scores, test_set.tensors[0]))  # (N, 10)
        report_softmax(run, scores, nnlite.from_numpy(run.data.test_labels))
        report_mistakes(run, F.softmax(scores, dim=1).numpy())
    else:
        run.text("No epoch was finished, so there is nothing to measure.")
    report_weights(run, {seed: models[seed].state_dict() for seed in seeds})
    run.weights("model", first.state_dict(), f"the network of seed {run.seed}")


def report_softmax(run: Run, scores: Any, target: Any) -> None:
    """What the softmax in the network changes, measured on the test images.

    Args:
        scores: of the trained network before its softmax, (N, 10).
        target: the classes, (N,).
    """
    losses, gradients = [], []
    for on_scores in (True, False):
        z = scores.detach().requires_grad_()  # a leaf of its own
        if on_scores:
            loss = F.cross_entropy(z, target, reduction="none")
        else:
            loss = keras_loss(F.softmax(z, dim=1), target, reduction="none")
        loss.sum().backward()
        losses.append(loss.detach().numpy())  # (N,)
        gradients.append(z.grad.numpy())  # (N, 10)
    p = np.exp(-losses[0].astype(np.float64))  # of the true class
    low, high = p < EPSILON, p > 1 - EPSILON
    within = ~(low | high)
    run.value("softmax_output", {"loss_of_scores": losses[0].mean(), "clipped": int(low.sum())})
    run.section("Softmax in the network")
    state = "on" if run.quirk("softmax_output") else "off"
    text = (
        f"softmax_output is {state} here. With it, the loss is -log(p), p being clipped to "
        f"[{EPSILON:g}, 1 - {EPSILON:g}] as in Keras; without, cross-entropy of the scores, which "
        "is the same formula. (F.cross_entropy of probabilities would be another: it applies a "
        f"second softmax.) On this network's {len(p):,} test scores, the mean losses are "
        f"{losses[1].mean():.6f} and {losses[0].mean():.6f}. "
    )
    if within.any():
        apart, steeper = (np.abs(a - b)[within].max() for a, b in (losses, gradients))
        text += (
            f"For the {within.sum():,} images with p inside these bounds, the losses differ by "
            f"{apart:.1e} at most, and their gradients with respect to the scores by {steeper:.1e}:"
            " rounding. "
        )
    text += (
        f"p is below {EPSILON:g} for {low.sum():,} images: clipped, the loss of such an image "
        f"stands at {-np.log(EPSILON):.1f} and teaches nothing, though it is the worst mistake. p "
        f"is above 1 - {EPSILON:g} for {high.sum():,}, where nothing is left to be learnt."
    )
    run.text(text)


def main(arguments: list[str] | None = None) -> int:
    """The command; returns the exit status."""
    return launch(EXAMPLE, experiment, arguments)


if __name__ == "__main__":
    sys.exit(main())
