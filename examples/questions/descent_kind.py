"""Question 3: which kind of gradient descent the baseline is, from N, batch size and updates."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

import nnlite
import nnlite.nn.functional as F
from examples.questions.comparison import logarithmic
from nnlite import nn, viz

if TYPE_CHECKING:
    from examples.mini_project import Project
    from examples.shared import Run

DRAWN = 24_000  # images in all the batches of a size, whose gradients are compared with the whole
FEWEST, MOST = 20, 400  # such batches


def answer(run: Run, project: Project) -> None:
    """Count the updates, name the kind, and show what a batch's gradient is worth."""
    history = project.baseline()
    if not history.epochs:
        return
    n = len(project.train_set)
    batch = min(run.batch_size, n)
    rows = []
    for name, size in (("stochastic", 1), ("this run", batch), ("batch", n)):
        last = n - (updates(n, size) - 1) * size
        rows.append([name, size, updates(n, size), last])
    columns = ["kind", "batch size", "updates / epoch", "images in the last batch"]
    run.table("descent_kind", columns, rows, f"N = {n:,} training images", csv=True)

    expected, made = updates(n, batch), history.updates[-1]
    run.text(
        f"N = {n:,} images in batches of {batch} need N / batch size, rounded up, = {expected:,} "
        f"updates for one epoch; the loop made {made:,}"
        + (". " if made == expected else ", which does not fit. ")
        + f"Updates in {history.epochs} epochs: {sum(history.updates):,}. {kind(n, batch)}"
    )
    if 1 < batch < n:
        run.text(
            "The images are shuffled before each epoch, so a batch is a random sample of the "
            "training set and its gradient a random estimate of the gradient over all images: "
            "random, as in stochastic descent, but averaged over a batch."
        )
    alignment(run, project, history.model, batch)


def updates(n: int, batch: int) -> int:
    """Updates per epoch: batches, the ragged last one included."""
    return math.ceil(n / batch)


def kind(n: int, batch: int) -> str:
    """The name of the method, with the reason."""
    if batch >= n:
        return (
            f"It is batch gradient descent here: each update sees all {n:,} images, so an epoch "
            "is one update."
        )
    if batch == 1:
        return "It is stochastic gradient descent: each update sees one image."
    return (
        f"It is mini-batch gradient descent: 1 < {batch} < {n:,}, each update sees "
        f"{100 * batch / n:.2g} % of the images. Batch descent would have made 1 update per epoch, "
        f"stochastic descent {n:,}."
    )


def alignment(run: Run, project: Project, model: nn.Module, batch: int) -> None:
    """The angle between a batch's gradient and that of all images, by batch size."""
    n = len(project.train_set)
    rng = np.random.default_rng(run.seed)
    images, labels = project.train_set.tensors
    sizes = sorted({size for size in (1, 10, batch, 10 * batch, 100 * batch) if size < n})
    if not sizes:
        return
    nnlite.manual_seed(run.seed)
    cosines: dict[str, dict[int, np.ndarray]] = {}
    for state, network in (("before training", project.network()), ("after training", model)):
        whole = gradient(network, images, labels)
        cosines[state] = {}
        for size in sizes:
            draws = [rng.choice(n, size, replace=False) for _ in range(draws_of(size))]
            found = [gradient(network, images[d], labels[d]) for d in draws]
            cosines[state][size] = np.array([cosine(g, whole) for g in found])

    rows = []
    for size in sizes:
        values = [each[size] for each in cosines.values()]
        error = max(v.std(ddof=1) / math.sqrt(len(v)) for v in values)
        rows.append([size, *(v.mean() for v in values), draws_of(size), error])
    caption = f"Cosine between a batch's gradient and that of all {n:,} images; mean of the batches"
    columns = ["batch size", *cosines, "batches", "standard error, the larger"]
    formats = [",", ".3f", ".3f", "", ".3f"]
    run.table("alignment", columns, rows, caption, formats=formats, csv=True)
    means = {
        state: {size: float(values.mean()) for size, values in each.items()}
        for state, each in cosines.items()
    }
    figure = viz.plot_series(means, "cosine with the full gradient", xlabel="batch size")
    logarithmic(figure)
    figure.axes[0].set_ylim(min(0, *(m for each in means.values() for m in each.values())), 1.05)
    run.figure("alignment", figure, caption + ".")
    before, after = (means[state][batch] if batch < n else 1.0 for state in means)
    run.text(
        f"What a batch of {batch} is worth, measured: its gradient has on average a cosine of "
        f"{before:.2f} with the gradient over all images before the training, and {after:.2f} "
        f"after it (one image: {means['before training'][1]:.2f} and "
        f"{means['after training'][1]:.2f}; 1 would be the same direction). "
        + (
            "Late in the training the images pull in more different directions, so the same batch "
            "size gives a noisier estimate."
            if after < before
            else "In this run the trained network's estimate is not the noisier one."
        )
    )


def draws_of(size: int) -> int:
    """How many batches of a size are drawn: more of the small ones, whose gradients differ more."""
    return min(max(DRAWN // size, FEWEST), MOST)


def gradient(model: nn.Module, images: nnlite.Tensor, labels: nnlite.Tensor) -> np.ndarray:
    """The gradient of the mean loss with respect to all parameters, one flat vector."""
    parameters = list(model.parameters())
    loss = F.cross_entropy(model(images), labels)
    gradients = nnlite.autograd.grad(loss, parameters)
    return np.concatenate([g.flatten().cpu().numpy() for g in gradients])


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    """Of the angle between two vectors; 0 where one of them is zero."""
    length = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b) / length if length else 0.0
