"""Question 6: nine transfer functions, their derivatives, and how the network learns with each."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

import nnlite
from examples.questions.comparison import COLUMNS, FORMATS, accuracies, axis_start, cells, curves
from examples.questions.evidence import ranking
from nnlite import nn, optim, viz
from nnlite.viz.style import BLUE, ORANGE, WIDTH, new_figure, tidy

if TYPE_CHECKING:
    from examples.mini_project import History, Project
    from examples.shared import Run

FUNCTIONS: dict[str, Callable[[], nn.Module]] = {
    "ReLU": nn.ReLU,
    "Tanh": nn.Tanh,
    "Sigmoid": nn.Sigmoid,
    "LeakyReLU": nn.LeakyReLU,
    "ELU": nn.ELU,
    "Softplus": nn.Softplus,
    "Softsign": nn.Softsign,
    "SELU": nn.SELU,
    "GELU": nn.GELU,
}
FORMULAS = {
    "ReLU": "max(x, 0)",
    "Tanh": "(exp(x) - exp(-x)) / (exp(x) + exp(-x))",
    "Sigmoid": "1 / (1 + exp(-x))",
    "LeakyReLU": "x where x > 0, else 0.01 x",
    "ELU": "x where x > 0, else exp(x) - 1",
    "Softplus": "log(1 + exp(x))",
    "Softsign": "x / (1 + |x|)",
    "SELU": "1.0507 x where x > 0, else 1.7581 (exp(x) - 1)",
    "GELU": "x Φ(x), Φ the normal distribution",
}
EDGE = 5.0  # the curves are drawn from -EDGE to EDGE


def answer(run: Run, project: Project) -> None:
    """Draw the functions, train with each, and explain by the derivatives that the net meets."""
    grid = np.linspace(-EDGE, EDGE, 401)
    drawn = {name: with_derivative(make(), grid) for name, make in FUNCTIONS.items()}
    caption = "The nine functions and their derivatives, the latter by backward."
    run.figure("transfer_functions", draw(grid, drawn), caption)

    results: dict[str, list[History]] = {}
    for name, make in FUNCTIONS.items():
        for seed in run.each_seed():
            model = project.network(activation=make)
            optimizer = optim.Adam(model.parameters(), lr=1e-3)
            history = project.train(f"transfer/{name}/seed {seed}", model, optimizer)
            if history.complete:
                results.setdefault(name, []).append(history)
    if not results:
        return
    slopes = {
        name: [mean_slope(each.model, project) for each in histories]
        for name, histories in results.items()
    }
    rows = [
        [name, FORMULAS[name], drawn[name][1].max(), np.mean(slopes[name]), *cells(histories)]
        for name, histories in results.items()
    ]
    columns = ["function", "formula", "steepest slope", "mean slope on the test set", *COLUMNS]
    formats = ["", "", ".3f", ".3f", *FORMATS]
    run.table("transfer_functions", columns, rows, "Transfer functions", formats=formats, csv=True)
    percents = accuracies(results)
    figure = viz.plot_bars(percents, "test accuracy in %", start=axis_start(percents))
    run.figure("transfer_accuracy", figure, "Test accuracy: mean, lowest and highest seed.")
    figure = viz.plot_series(curves(results, "train_loss"), "training loss")
    run.figure("transfer_loss", figure, "Training loss by epoch, mean and range of the seeds.")
    run.items([*ranking(percents, "test accuracy"), *explain(run, results, slopes)])


def with_derivative(function: nn.Module, grid: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The function's values on a grid, and its derivative there by autograd; float64."""
    x = nnlite.tensor(grid, requires_grad=True)
    y = function(x)
    y.sum().backward()
    return y.detach().numpy(), x.grad.numpy()


def mean_slope(model: nn.Sequential, project: Project) -> float:
    """The transfer function's derivative, averaged over hidden units and test images.

    By it backward multiplies what comes from above, on its way to the first layer.
    """
    images, _ = project.test_set.tensors
    with nnlite.no_grad():
        sums = model[0](images)  # (N, 40), what enters the transfer function
    sums.requires_grad_()
    (slopes,) = nnlite.autograd.grad(model[1](sums).sum(), [sums])
    return float(slopes.mean().item())


def draw(grid: np.ndarray, drawn: dict[str, tuple[np.ndarray, np.ndarray]]) -> Any:
    """Nine panels: function and derivative."""
    figure = new_figure(WIDTH, 6.4, "transfer_functions")
    panels = figure.subplots(3, 3, sharex=True, sharey=True).flat
    for axes, (name, (values, slopes)) in zip(panels, drawn.items(), strict=True):
        axes.plot(grid, values, color=BLUE, label="function")
        axes.plot(grid, slopes, "--", color=ORANGE, label="derivative")
        axes.set_title(name, fontsize=10)
        axes.set_ylim(-2, 3)
        tidy(axes)
    handles, names = axes.get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=2, frameon=False)
    return figure


def explain(
    run: Run, results: dict[str, list[History]], slopes: dict[str, list[float]]
) -> list[str]:
    """Does a steeper function learn faster? And is there a price in time?"""
    sentences = []
    means = {name: float(np.mean(values)) for name, values in slopes.items()}
    first = {
        name: float(np.mean([each.train_loss[0] for each in histories if each.epochs]))
        for name, histories in results.items()
        if any(each.epochs for each in histories)
    }
    if len(first) > 2:
        names = list(first)
        x, y = [means[name] for name in names], [first[name] for name in names]
        r = float(np.corrcoef(x, y)[0, 1])
        run.value("transfer/correlation_of_slope_and_first_loss", r)
        flat, steep = min(names, key=means.__getitem__), max(names, key=means.__getitem__)
        sentences.append(
            f"The slope that backward meets on the test set is smallest with {flat} "
            f"({means[flat]:.2f}, training loss of the first epoch {first[flat]:.3f}) and largest "
            f"with {steep} ({means[steep]:.2f}, {first[steep]:.3f}). Over the {len(names)} "
            f"functions, slope and first loss correlate with r = {r:.2f}: "
            + (
                "small slopes go with slow learning here."
                if r < -0.5
                else "in this run the slope does not decide how fast the network learns."
            )
        )
    times = {
        name: [second for each in histories for second in each.seconds]
        for name, histories in results.items()
        if any(each.epochs for each in histories)
    }
    if len(times) > 1:
        middle = {name: float(np.median(values)) for name, values in times.items()}
        fast, slow = min(middle, key=middle.__getitem__), max(middle, key=middle.__getitem__)
        overlap = max(times[fast]) >= min(times[slow])
        sentences.append(
            f"The fastest is {fast} with {1000 * middle[fast]:,.0f} ms per epoch, the slowest "
            f"{slow} with {1000 * middle[slow]:,.0f} ms; their single epochs "
            + ("overlap, so that says little." if overlap else "do not overlap.")
        )
    return sentences
