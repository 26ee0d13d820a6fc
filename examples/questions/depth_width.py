"""Question 4: depth against width at the same number of parameters; a solver finds the widths."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from examples.questions.comparison import COLUMNS, FORMATS, accuracies, cells, curves, seconds
from examples.questions.evidence import above, band, ranking
from nnlite import optim, viz

if TYPE_CHECKING:
    from examples.mini_project import History, Project
    from examples.shared import Run

BUDGET = 31_810  # parameters of 784-40-10
DEPTHS = (1, 2, 3, 4, 5)  # hidden layers
INPUTS, OUTPUTS = 784, 10


def parameters(hidden: Sequence[int]) -> int:
    """Weights and biases of a network with hidden layers of these widths."""
    widths = [INPUTS, *hidden, OUTPUTS]
    return sum((a + 1) * b for a, b in itertools.pairwise(widths))


def solve(budget: int, depth: int) -> tuple[int, ...]:
    """The widths of ``depth`` hidden layers whose network comes nearest to a number of parameters.

    With all widths equal to w the number is (depth - 1) w² + (794 + depth) w + 10; its positive
    root gives w as a real number. All widths within three of it are tried: the nearest number wins,
    then the most equal widths, then the wider layers first.

    Raises:
        ValueError: the budget is too small for layers of one unit.
    """
    a, b, c = depth - 1, INPUTS + OUTPUTS + depth, OUTPUTS - budget
    if depth < 1 or parameters([1] * depth) > budget:
        raise ValueError(f"no network with {depth} hidden layers has {budget} parameters or fewer")
    root = (math.sqrt(b * b - 4 * a * c) - b) / (2 * a) if a else -c / b
    near = range(max(1, math.floor(root) - 3), math.floor(root) + 5)

    def distance(hidden: tuple[int, ...]) -> tuple[float, ...]:
        return (abs(parameters(hidden) - budget), max(hidden) - min(hidden), *(-w for w in hidden))

    return min(itertools.product(near, repeat=depth), key=distance)


def answer(run: Run, project: Project) -> None:
    """Train a network of each depth, and compare accuracy and time."""
    widths = {depth: solve(BUDGET, depth) for depth in DEPTHS}
    results: dict[str, list[History]] = {}
    for depth, hidden in widths.items():
        name = title(depth)
        for seed in run.each_seed():
            model = project.network(hidden)
            optimizer = optim.Adam(model.parameters(), lr=1e-3)
            history = project.train(f"depth/{name}/seed {seed}", model, optimizer)
            if history.complete:
                results.setdefault(name, []).append(history)

    run.text(
        f"The budget is {BUDGET:,} parameters, as in 784-40-10. With d hidden layers of width w a "
        "network has (d - 1) w² + (794 + d) w + 10 of them. The positive root is the width as a "
        "real number; the solver then tries all whole widths near it for the nearest count."
    )
    shown = [depth for depth in DEPTHS if title(depth) in results]
    rows = []
    for depth in shown:
        hidden, count = widths[depth], parameters(widths[depth])
        shape = "-".join(map(str, (INPUTS, *hidden, OUTPUTS)))
        rows.append([depth, shape, count, count - BUDGET, *cells(results[title(depth)])])
    columns = ["hidden layers", "network", "parameters", "off the budget", *COLUMNS]
    formats = ["", "", ",", "+d", *FORMATS]
    run.table("depth_width", columns, rows, "Depth at equal cost", formats=formats, csv=True)
    if not shown:
        return
    draw(run, results)
    explain(run, widths, results)


def title(depth: int) -> str:
    """The name of a setting."""
    return "1 hidden layer" if depth == 1 else f"{depth} hidden layers"


def draw(run: Run, results: dict[str, list[History]]) -> None:
    """Accuracy against time, and accuracy against the epoch."""
    times = {
        name: [float(np.mean(each.seconds)) for each in histories if each.seconds]
        for name, histories in results.items()
    }
    percents = accuracies(results)
    points = {name: (times[name], percents[name]) for name in results if times[name]}
    figure = viz.plot_scatter(points, "seconds per epoch", "test accuracy in %")
    caption = "Accuracy against time: mean, lowest and highest of the seeds."
    run.figure("depth_width", figure, caption, main=True)
    figure = viz.plot_series(curves(results, "test_accuracy", 100), "test accuracy in %")
    run.figure("depth_width_curves", figure, "Test accuracy by epoch, mean and range of the seeds.")


def explain(
    run: Run, widths: dict[int, tuple[int, ...]], results: dict[str, list[History]]
) -> None:
    """What the numbers say of depth and width."""
    shown = [depth for depth in widths if title(depth) in results]
    deepest = widths[shown[-1]]
    first = [(INPUTS + 1) * widths[depth][0] / parameters(widths[depth]) for depth in shown]
    run.text(
        f"With {INPUTS} inputs the first layer holds {100 * min(first):.0f} to "
        f"{100 * max(first):.0f} % of the parameters. So depth costs little width here: "
        f"{len(deepest)} hidden layers still have {min(deepest)} to {max(deepest)} units where one "
        f"has {widths[1][0]}. The comparison is one of depth at nearly the same width."
    )
    percents = accuracies(results)
    sentences = ranking(percents, "test accuracy")
    if len(shown) > 1:
        shallow, deep = title(shown[0]), title(shown[-1])
        sentences.append(f"{shallow}: {band(percents[shallow])}; {deep}: {band(percents[deep])}.")
        if above(percents[deep], percents[shallow]):
            sentences.append("Depth pays here: each seed of the deepest is above the shallowest.")
        elif above(percents[shallow], percents[deep]):
            sentences.append("Depth costs accuracy here, at this number of epochs.")
        elif min(len(percents[deep]), len(percents[shallow])) > 1:
            sentences.append("Between the shallowest and the deepest this run shows no difference.")
        times = [1000 * (seconds(results[title(depth)]) or 0.0) for depth in shown]
        slope = float(np.polyfit(shown, times, 1)[0])
        run.value("depth/milliseconds_per_layer_and_epoch", slope)
        sentence = (
            f"Time: {times[0]:,.0f} ms per epoch with {shown[0]} and {times[-1]:,.0f} ms with "
            f"{shown[-1]} hidden layers; a straight line through all gives {slope:+,.0f} ms per "
            "layer"
        )
        if slope > 0:
            sentence += (
                ", though all networks multiply the same number of weights: the price of more, "
                "smaller operations"
            )
        sentences.append(sentence + ".")
    run.items(sentences)
