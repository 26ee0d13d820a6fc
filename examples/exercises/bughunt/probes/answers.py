"""Probes of how answers are counted."""

from __future__ import annotations

import numpy as np

import nnlite
from examples.exercises.bughunt.probes.common import BugRemainsError, Script, number, parts
from nnlite import nn
from nnlite.data import TensorDataset


class Reader(nn.Module):
    """A "network" whose scores are the first ten pixels of an image: its answers are known."""

    def forward(self, x: nnlite.Tensor) -> nnlite.Tensor:
        return x.flatten(1)[:, :10]  # (N, 10)


def known_answers(n: int) -> tuple[TensorDataset, np.ndarray, np.ndarray]:
    """Images with labels, the labels (n,), and whether Reader answers each rightly (n,)."""
    draw = np.random.default_rng(n)
    labels = draw.integers(0, 10, n)
    answers = np.where(draw.uniform(size=n) < 0.7, labels, (labels + 1) % 10)
    images = np.zeros((n, 1, 28, 28), np.float32)
    images[np.arange(n), 0, 0, answers] = 1
    dataset = TensorDataset(nnlite.from_numpy(images), nnlite.from_numpy(labels))
    return dataset, labels, answers == labels


def counting(script: Script) -> str:
    """evaluate() is exact, also where the last batch is smaller."""
    for n in (300, 230, 7):
        dataset, _, right = known_answers(n)
        share = number(script.evaluate(Reader(), dataset), "evaluate()")
        if abs(share - right.mean()) > 1e-6:
            raise BugRemainsError(
                f"Of {n} answers {right.sum()} are right, which is {right.mean():.4f}, but "
                f"evaluate() gives {share:.4f}."
            )
    return "evaluate() gives the exact share for 300, 230 and 7 images."


def four_images(script: Script) -> str:
    """class_accuracy() counts each image once, also where the last batch is smaller."""
    for n in (300, 451):
        dataset, labels, right = known_answers(n)
        given = parts(script.class_accuracy(Reader(), dataset), 10, "class_accuracy()")
        for k, value in enumerate(given):
            share, exact = number(value, "class_accuracy()"), float(right[labels == k].mean())
            if abs(share - exact) > 1e-6:
                raise BugRemainsError(
                    f"Of {(labels == k).sum()} images of class {k}, {100 * exact:.1f} % are "
                    f"answered rightly, but class_accuracy() gives {100 * share:.1f} %."
                )
    return "class_accuracy() is exact in all ten classes, for 300 and for 451 images."
