"""The list of all examples, kept apart from them so that listing them imports none."""

from __future__ import annotations

from typing import NamedTuple


class Entry(NamedTuple):
    """An example.

    Attributes:
        name: its module in ``examples``.
        title: the heading of its report.
        sentence: what it shows.
        minutes: expected time on the full data, with two cores.
        quick: arguments that, on the sample, take a minute or two.
        reproduces: whether it belongs to the published experiments that ``--all`` runs.
    """

    name: str
    title: str
    sentence: str
    minutes: int
    quick: tuple[str, ...] = ()
    reproduces: bool = True


ENTRIES = (
    Entry(
        "input_gradients",
        "Gradients with respect to the inputs",
        "Which pixels an MLP's loss depends on while it learns Fashion-MNIST.",
        1,
        ("--epochs", "5"),
    ),
    Entry(
        "lenet",
        "LeNet-style CNN at four batch sizes",
        "A published LeNet run, with the three quirks that explain its printed numbers.",
        50,
        ("--epochs", "2", "--limit", "3000", "--seeds", "3"),
    ),
    Entry(
        "dropout_cnn",
        "CNN with dropout",
        "What dropout does to training and test accuracy, and what the weights look like.",
        90,
        ("--epochs", "2", "--limit", "1000", "--seeds", "1"),
    ),
    Entry(
        "denoising_autoencoder",
        "Denoising sparse autoencoder, then a classifier",
        "A sparsity penalty that was never applied, and what it does when it is.",
        60,
        ("--epochs", "4", "--seeds", "1"),
    ),
    Entry(
        "mini_project",
        "Mini-project in thirteen questions",
        "Optimizers, transfer functions, depth and width, dropout, ROC: one MLP, 13 questions.",
        30,
        ("--epochs", "1", "--limit", "2000", "--seeds", "2"),
    ),
    Entry(
        "fashion_lenet",
        "LeNet on Fashion-MNIST",
        "The first example to read: from files to pictures in one short script.",
        1,
        reproduces=False,
    ),
)


def entry(name: str) -> Entry:
    """The entry of an example; KeyError where there is none."""
    return {each.name: each for each in ENTRIES}[name]
