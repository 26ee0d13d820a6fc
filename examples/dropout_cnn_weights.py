"""The weights of examples/dropout_cnn.py in the author's layout, and what can be said of them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from examples.shared import Run
from nnlite import viz

LAYERS = ("conv1", "conv2", "fc1", "fc2")
POOLED = (64, 12, 12)  # what fc1 gets, channels first: the order of its inputs in nnlite
PYTORCH = {"conv1": "reaches −1.37"}  # checked in PyTorch, one seed
ROWS, COLUMNS = 5, 8  # of each layer's table in the report; the CSV has all


def author_layout(state: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """The layers' weights as Keras keeps them: (kh, kw, in, out) and (in, out).

    fc1's inputs are in Keras's order too, where a flattened map counts its channels last.

    Args:
        state: of the network; conv weights (out, in, kh, kw), linear weights (out, in).
    """
    weights = {name: state[f"{name}.weight"].cpu().numpy() for name in LAYERS}
    fc1 = weights["fc1"].reshape(-1, *POOLED)  # (128, C, H, W)
    return {
        "conv1": weights["conv1"].transpose(2, 3, 1, 0),  # (3, 3, 1, 32)
        "conv2": weights["conv2"].transpose(2, 3, 1, 0),  # (3, 3, 32, 64)
        "fc1": fc1.transpose(2, 3, 1, 0).reshape(-1, len(fc1)),  # (9216, 128)
        "fc2": weights["fc2"].T,  # (128, 10)
    }


def representative(w: np.ndarray) -> np.ndarray:
    """What the author shows of a layer, (in, out): of a convolution the kernel's position 0, 0."""
    return w[0, 0] if w.ndim == 4 else w


class Facts(NamedTuple):
    """What can be said of a layer's weights, whatever they are."""

    low: float
    high: float
    beyond: float  # share of them outside [-1, 1]
    all_zero: bool
    twins: int  # units whose weights are all the same as those of another unit before them
    repeated: int  # numbers that are equal to another number before them

    @property
    def largest(self) -> float:
        """The largest absolute value."""
        return max(-self.low, self.high)


def facts(w: np.ndarray) -> Facts:
    """Of weights (..., out)."""
    units = np.ascontiguousarray(w.reshape(-1, w.shape[-1]).T)  # (out, inputs)
    return Facts(
        float(w.min()),
        float(w.max()),
        float(np.mean(np.abs(w) > 1)),
        not w.any(),
        len(units) - len(np.unique(units, axis=0)),
        w.size - len(np.unique(w)),
    )


def glorot_bound(w: np.ndarray) -> float:
    """What the weights (..., in, out) were drawn from: uniform in [-bound, bound].

    Source: Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural
    networks" (2010), formula 16.
    """
    positions = math.prod(w.shape[:-2])  # kh * kw
    return math.sqrt(6 / (positions * (w.shape[-2] + w.shape[-1])))


def report_weights(run: Run, states: Mapping[int, Mapping[str, Any]]) -> None:
    """Tables, CSV files, statements and histograms; states: of each seed's network."""
    layouts = {seed: author_layout(state) for seed, state in states.items()}
    layers = layouts[run.seed]
    known = {seed: {n: facts(w) for n, w in each.items()} for seed, each in layouts.items()}
    run.section("Weights")
    run.text(
        "In the author's layout: (kernel row, kernel column, in, out) of a convolution, (in, out) "
        "of a fully connected layer. Of the convolutions the kernel's position 0, 0 is shown."
    )
    ranges(run, layers, known)
    run.items(statements(known[run.seed]))
    for name, w in layers.items():
        part = representative(w)
        title = f"{name}[0, 0, :, :]" if w.ndim == 4 else name
        shape = " x ".join(map(str, part.shape))
        # str() has just the digits that tell a float32 from its neighbours
        rows = [[str(value) for value in row] for row in part]
        run.csv(f"weights_{name}", rows, caption=f"{title}, {shape} (in, out), seed {run.seed}")
        shown = part[:ROWS, :COLUMNS] if len(part) > 1 else part.reshape(-1, COLUMNS)
        caption = f"{title}, {shape}: the first rows and columns"
        if len(part) == 1:
            caption = f"{title}: its {part.size} numbers, {COLUMNS} to a row"
        run.table(
            f"weights_{name}",
            [str(k) for k in range(shown.shape[1])],
            shown.astype(float).tolist(),
            caption,
            formats=["+.4f"] * shown.shape[1],
        )
    arrays = {name: value.cpu().numpy() for name, value in states[run.seed].items()}
    figure = viz.plot_histograms(arrays)
    run.figure("histograms", figure, f"All weights and biases of seed {run.seed}.")


def ranges(
    run: Run, layers: Mapping[str, np.ndarray], known: Mapping[int, Mapping[str, Facts]]
) -> None:
    """The range of each layer, against the author's [-1, 1] and against its start."""
    rows = []
    for name, w in layers.items():
        fact, part = known[run.seed][name], facts(representative(w))
        bound = glorot_bound(w)
        shape = " x ".join(map(str, w.shape))
        rows.append([name, shape, w.size, bound, fact.low, fact.high, fact.largest / bound])
        rows[-1] += [part.low, part.high, 100 * fact.beyond, fact.repeated]
        low = min(each[name].low for each in known.values())
        high = max(each[name].high for each in known.values())
        holds = max(-low, high) <= 1
        run.compare(
            f"largest absolute weight of {name}",
            "1 at most (author)" + (f"; {PYTORCH[name]} (PyTorch)" if name in PYTORCH else ""),
            [each[name].largest for each in known.values()],
            digits=3,
            reason=f"{low:+.3f} to {high:+.3f}: the claim {'holds' if holds else 'does not hold'} "
            f"for this layer; it was drawn from ±{bound:.3f}",
            depends=("data", "epochs", "batch"),
        )
    columns = ["layer", "shape", "weights", "drawn from ±", "lowest", "highest"]
    columns += ["largest / bound", "lowest shown", "highest shown", "outside [-1, 1] in %"]
    columns += ["repeated"]
    run.table(
        "weights",
        columns,
        rows,
        f"Weights of seed {run.seed}; shown: the part in the tables and CSV files; repeated: "
        "numbers that are equal to an earlier one of the layer",
        formats=["", "", ",", ".3f", "+.3f", "+.3f", ".1f", "+.3f", "+.3f", ".3f", ","],
        csv=True,
    )
    run.value("weights", {name: fact._asdict() for name, fact in known[run.seed].items()})


def statements(layers: Mapping[str, Facts]) -> list[str]:
    """The three automatic statements: range, all zero, identical."""
    low, high = min(layers, key=lambda n: layers[n].low), max(layers, key=lambda n: layers[n].high)
    span = f"{layers[low].low:+.3f} ({low}) to {layers[high].high:+.3f} ({high})"
    beyond = [f"{n} ({100 * f.beyond:.2g} % of it)" for n, f in layers.items() if f.beyond]
    zero = [name for name, fact in layers.items() if fact.all_zero]
    twins = [f"{name} ({fact.twins})" for name, fact in layers.items() if fact.twins]
    repeated = [f"{name} {fact.repeated:,}" for name, fact in layers.items() if fact.repeated]
    return [
        f"Range: the weights run from {span}. The author's claim, all in [-1, 1], "
        + (f"does not hold: beyond it lie weights of {', '.join(beyond)}." if beyond else "holds."),
        "All zero: " + (f"{', '.join(zero)}." if zero else "no layer is."),
        "Identical: "
        + (f"units with the same weights as another: {', '.join(twins)}. " if twins else "")
        + ("" if twins else "no two filters or units of a layer have the same weights. ")
        + (
            f"Single numbers that occur before in their layer: {', '.join(repeated)}"
            + ("." if twins else "; single floats of one range meet by chance.")
            if repeated
            else "No number occurs twice in a layer."
        ),
    ]
