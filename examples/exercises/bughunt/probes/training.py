"""Probes of the training loop, of what it trains, and of what is concluded from it."""

from __future__ import annotations

import math
import tracemalloc

import nnlite
import nnlite.nn.functional as F
from examples.exercises.bughunt.probes.common import (
    BugRemainsError,
    Script,
    good_enough,
    number,
    parts,
    random_images,
)
from nnlite import nn
from nnlite.data import TensorDataset

LEAST_OF_TWICE = math.log(math.e + 9) - 1
"""The lowest cross-entropy (1.4612) that probabilities of ten classes, taken for scores, can have:
that of a 1 for the right class and nine 0."""


def names(script: Script) -> str:
    """main() finds all of its names, and the values that they were given work."""
    return good_enough(number(parts(script.main(), 2, "main()")[1], "main()"))


def devices(script: Script) -> str:
    """main() runs, on the device it is about."""
    model, accuracy = parts(script.main(), 2, "main()")
    good_enough(number(accuracy, "main()"))
    return on_device(model)


def on_device(model: nn.Module) -> str:
    """A sentence on a network that is on the pretended GPU.

    Raises:
        BugRemainsError: it is not.
    """
    found = {parameter.device.type for parameter in model.parameters()}
    if found != {"pretend"}:
        raise BugRemainsError(
            f"It runs, but the network is on {' and '.join(sorted(found))}: the GPU has nothing "
            "to do."
        )
    return "It runs, and the network is trained on the GPU."


def zero_grad(script: Script) -> str:
    """In each backward of train(), the gradients of the step before are gone."""
    model = script.Net()
    stale: list[bool] = []
    for parameter in model.parameters():
        parameter.register_hook(
            # a hook is told the new gradient before that is added to .grad
            lambda _, p=parameter: stale.append(p.grad is not None and bool((p.grad != 0).any()))
        )
    script.train(model, random_images(200))
    if not stale:
        raise BugRemainsError("train() does not train the network that it is given.")
    if any(stale):
        raise BugRemainsError(
            f"In {sum(stale)} of {len(stale)} cases backward() added to a gradient that an earlier "
            "step had left."
        )
    return f"In all {len(stale)} cases backward() started from an empty gradient."


def softmax(script: Script) -> str:
    """The loss of train() gets below what softmax applied twice allows."""
    images, labels = script.load().tensors
    few = TensorDataset(images[:200], labels[:200])
    model, loss = script.Net(), math.inf
    for _ in range(8):  # also where the student set a single epoch
        loss = min(loss, *(number(value, "train()") for value in script.train(model, few)))
        if loss < LEAST_OF_TWICE - 0.05:  # by more than rounding
            return (
                f"The training loss falls to {loss:.3f}; with softmax applied twice, "
                f"{LEAST_OF_TWICE:.4f} is the least that there is."
            )
    raise BugRemainsError(
        f"The training loss stops at {loss:.3f}, however long it is trained; what has gone through "
        f"a softmax before cross_entropy stays above {LEAST_OF_TWICE:.4f}."
    )


def optimizer(script: Script) -> str:
    """A step of build()'s optimizer changes each parameter of build()'s network."""
    model, rule = parts(script.build(), 2, "build()")
    parameters = list(model.parameters())
    wanted = 784 * 100 + 100 + 100 * 10 + 10
    if sum(p.numel() for p in parameters) != wanted:
        raise BugRemainsError(
            f"build() makes a network of {sum(p.numel() for p in parameters):,} parameters; the "
            f"one with 100 hidden units has {wanted:,}."
        )
    before = [p.detach().clone() for p in parameters]
    for p in parameters:
        p.grad = nnlite.ones_like(p)
    rule.step()
    still = sum(bool((p == old).all()) for p, old in zip(parameters, before, strict=True))
    if still:
        raise BugRemainsError(
            f"A step of the optimizer leaves {still} of the network's {len(parameters)} parameters "
            "as they were."
        )
    return f"A step of the optimizer changes all {len(parameters)} parameters of the network."


def dropout(script: Script) -> str:
    """Dropout is off in evaluate(), and on in all of train()'s steps."""
    model, test = script.network(), random_images(300)
    images, labels = test.tensors
    model.eval()
    exact = (model(images).argmax(1) == labels).float().mean().item()
    shares = []
    for _ in range(3):
        model.train()
        shares.append(number(script.evaluate(model, test), "evaluate()"))
    if any(abs(share - exact) > 1e-6 for share in shares):
        raise BugRemainsError(
            "evaluate() gives "
            + ", ".join(f"{100 * share:.1f} %" for share in shares)
            + f" for one network; without dropout it is {100 * exact:.1f} % each time."
        )
    modes: list[bool] = []
    model.register_forward_hook(
        lambda module, *_: modes.append(module.training) if nnlite.is_grad_enabled() else None
    )
    script.train(model, random_images(120), test)
    if not all(modes):
        raise BugRemainsError(
            f"evaluate() is right, but in {modes.count(False)} of {len(modes)} training steps "
            "dropout was off: what switches it on again after a test?"
        )
    return "Dropout is off in each test, and on in each training step."


def graph(script: Script) -> str:
    """The memory of mean_loss() does not grow with the number of images."""
    model = script.network()
    images, labels = random_images(1000).tensors
    script.mean_loss(model, images[:50], labels[:50])  # loads what is loaded once
    peaks = []
    for n in (200, 1000):
        tracemalloc.start()
        try:
            loss = number(script.mean_loss(model, images[:n], labels[:n]), "mean_loss()")
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
    with nnlite.no_grad():
        exact = F.cross_entropy(model(images), labels).item()
    if abs(loss - exact) > 1e-3:
        raise BugRemainsError(f"mean_loss() gives {loss:.4f}; the mean is {exact:.4f}.")
    times = peaks[1] / peaks[0]
    if times > 2:
        raise BugRemainsError(
            f"For five times as many images mean_loss() takes {times:.1f} times the memory "
            f"({peaks[0] / 1e6:.2f} -> {peaks[1] / 1e6:.2f} MB)."
        )
    return f"For five times as many images mean_loss() takes {times:.1f} times the memory."


def selection(script: Script) -> str:
    """search() chooses the same network whatever the test labels are, and reports their truth."""

    def search(labels: nnlite.Tensor) -> tuple[list[nn.Module], int, float]:
        nnlite.manual_seed(0)
        models, best, reported = parts(script.search(train_set, (x, labels)), 3, "search()")
        chosen = [i for i, model in enumerate(models) if model is best]
        if not chosen:
            raise BugRemainsError("search() chooses a network that is not in its list.")
        return models, chosen[0], number(reported, "search()")

    train_set, (x, y), _ = script.load()
    models, chosen, reported = search(y)
    exact = (models[chosen](x).argmax(1) == y).float().mean().item()
    # labels by which another network would be right in every answer
    other = (chosen + 1) % len(models)
    _, chosen_again, _ = search(models[other](x).argmax(1))
    if chosen_again != chosen:
        raise BugRemainsError(
            f"search() chooses network {chosen}; with other labels on the test images it chooses "
            f"network {chosen_again}. So the test set takes part in the choice, and is no test any "
            "more."
        )
    if abs(reported - exact) > 1e-6:
        raise BugRemainsError(
            f"The choice does not depend on the test set, but search() reports "
            f"{100 * reported:.1f} %; on the test set the chosen network has {100 * exact:.1f} %."
        )
    return (
        "The choice does not depend on the labels of the test set, and the accuracy reported is "
        "measured there."
    )
