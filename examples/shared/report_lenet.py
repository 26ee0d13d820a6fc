"""The report of examples/lenet.py: its numbers beside the published ones, and the quirks explained.

A "family" below is the trainings of one batch size and mode, one per seed.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from examples.shared.compare import outside
from examples.shared.published import LENET_ACCURACY, LENET_PRINTED_LOSS
from examples.shared.report_lenet_batch import (
    class_share,
    comparable,
    counted,
    details,
    files,
    matrix,
)
from examples.shared.run import Run
from nnlite import viz
from nnlite.metrics import accuracy

if TYPE_CHECKING:
    from examples.lenet import Trained

PUBLISHED_BATCHES, DIVISOR = 600, 937  # at batch size 100; and what its sum was divided by
ACCEPTED = 1.5  # points around a published accuracy
LAST = 5  # epochs at the end in which the accuracy's steps are looked at
LOWEST, HIGHEST = math.log(math.e + 9) - 1, math.log(math.e + 9)
"""Bounds of cross-entropy on probabilities: all of it on the right class, or on a wrong one."""


def report(run: Run, results: Mapping[str, Sequence[Trained]], correct_size: int) -> None:
    """Fill the report.

    Args:
        results: the trainings of each family that was reached, by its name.
        correct_size: the batch size of the runs without quirks.
    """
    families = {t[0].batch_size: t for name, t in results.items() if not name.startswith("logits")}
    logits = results.get(f"logits, batch {correct_size}", ())
    if not run.quirk("double_softmax"):
        logits = families.get(correct_size, ())
    if not families:
        return
    first = next(iter(families.values()))[0]
    run.section("What was done")
    run.text((run.example.description).partition("\n\n")[2])
    run.verbatim(repr(first.model))
    parameters = sum(p.numel() for p in first.model.parameters())
    run.compare("parameters", 61_706, parameters, inside=parameters == 61_706, depends=())
    accuracies(run, families, logits, correct_size)
    if 100 in families:
        printed_loss(run, families[100])
    quirks(run, families, logits)
    for size, family in families.items():
        details(run, size, family)
    if run.quirk("double_softmax") and logits:
        files(run, f"logits_batch_{correct_size}", logits[0])


# -- accuracy ----------------------------------------------------------------------------------


def accuracies(
    run: Run,
    families: Mapping[int, Sequence[Trained]],
    logits: Sequence[Trained],
    correct_size: int,
) -> None:
    """Overall accuracy at each batch size, and on logits."""
    run.section("Overall accuracy")
    reached = {}
    depends = ("data", "epochs", "quirk double_softmax")
    for size, family in families.items():
        reached[f"batch {size}"] = values = _finals(run, family)
        published, beyond = LENET_ACCURACY.get(size), ""
        if published is not None:
            beyond = outside(values, published - ACCEPTED, published + ACCEPTED, 2, "points")
        run.compare(
            f"batch size {size}",
            published,
            values or None,
            tolerance=ACCEPTED,
            unit="%",
            reason=comparable(run, _moves(run, family), depends, beyond),
            depends=depends,
        )
    right = _finals(run, logits)
    run.compare(
        f"on logits, batch size {correct_size}",
        "90.5 (PyTorch)",
        right or None,
        at_least=89.5,
        unit="%",
        depends=("data", "epochs"),
    )
    if len(LENET_PRINTED_LOSS) >= run.epochs >= 5:
        early = [t.accuracy[4] for t in logits if len(t.accuracy) >= 5]
        run.compare("on logits, after 5 epochs", "87.6 (PyTorch)", early or None, unit="%")
    if logits and run.quirk("double_softmax"):
        reached[f"logits, batch {correct_size}"] = right
    bars = {name: values for name, values in reached.items() if values}
    if bars:
        lowest = min(min(values) for values in bars.values())
        figure = viz.plot_bars(
            bars,
            "test accuracy in %",
            published={f"batch {s}": p for s, p in LENET_ACCURACY.items() if s in families},
            start=5 * math.floor(min(lowest, *LENET_ACCURACY.values()) / 5 - 0.5),
        )
        caption = "Test accuracy by batch size: mean of the seeds with their range; ◇ published."
        run.figure("accuracy", figure, caption)
    best = families.get(correct_size) or next(iter(families.values()))
    if (mine := _finals(run, best)) and (size := best[0].batch_size) in LENET_ACCURACY:
        sentence = (
            f"Test accuracy {np.mean(mine):.2f} % at batch size {size} "
            f"(published {LENET_ACCURACY[size]:.2f} %)"
        )
        if right and run.quirk("double_softmax"):
            sentence += f", {np.mean(right):.2f} % without the second softmax"
        run.result(sentence + ".")


def _finals(run: Run, family: Sequence[Trained]) -> list[float]:
    """The test accuracy in % at the end of each training that got there."""
    return [t.accuracy[-1] for t in family if t.accuracy and len(t.accuracy) == run.epochs]


def _moves(run: Run, family: Sequence[Trained]) -> str:
    """How far the accuracy still moves from epoch to epoch; "" where there are no two of them."""
    ends = [t.accuracy[-LAST - 1 :] for t in family if len(t.accuracy) == run.epochs]
    steps = [abs(b - a) for end in ends for a, b in itertools.pairwise(end)]
    if not steps:
        return ""
    return (
        f"the accuracy still moves by {np.mean(steps):.2f} points from one epoch to the next "
        f"({max(steps):.2f} at most, in the last {min(LAST, run.epochs - 1)}), and the last one is "
        "compared"
    )


# -- loss --------------------------------------------------------------------------------------


def printed_loss(run: Run, family: Sequence[Trained]) -> None:
    """The 25 printed losses at batch size 100."""
    run.section("Printed loss at batch size 100")
    curves: dict[str, Any] = {"printed loss": _rows([t.printed for t in family])}
    if any(t.printed for t in family):
        curves["true mean of the batch losses"] = _rows([t.mean for t in family])
        true = [p * DIVISOR / PUBLISHED_BATCHES for p in LENET_PRINTED_LOSS]
        published = {"printed loss": LENET_PRINTED_LOSS, "true mean of the batch losses": true}
        figure = viz.plot_series(curves, "loss", published=published)
        run.figure(
            "printed_loss",
            figure,
            f"Training loss at batch size 100, mean and range of {len(family)} seeds; ◇ published.",
            main=True,
        )
    for k, published_loss in enumerate(LENET_PRINTED_LOSS[: run.epochs]):
        mine = [t.printed[k] for t in family if len(t.printed) > k]
        means = [t.mean[k] for t in family if len(t.mean) > k]
        reason = f"true means: published {published_loss * DIVISOR / PUBLISHED_BATCHES:.4f}"
        reason += f", here {np.mean(means):.4f}" if means else ", here not reached"
        low, high = round(published_loss, 2) - 0.02, round(published_loss, 2) + 0.02
        depends = ("data", "quirk double_softmax", "quirk divisor_937")
        run.compare(
            f"printed loss, epoch {k + 1}",
            published_loss,
            mine or None,
            at_least=low,
            at_most=high,
            digits=4,
            reason=comparable(run, reason, depends, outside(mine, low, high, 4)),
            depends=depends,
        )


def _rows(series: Sequence[Sequence[float]]) -> list[list[float]]:
    """(seeds, epochs), with NaN for the epochs that a seed did not reach."""
    longest = max((len(each) for each in series), default=0)
    return [[*each, *[math.nan] * (longest - len(each))] for each in series]


# -- the quirks --------------------------------------------------------------------------------


def quirks(run: Run, families: Mapping[int, Sequence[Trained]], logits: Sequence[Trained]) -> None:
    """What each quirk does to the numbers, in this run's numbers."""
    run.section("What the quirks do to the numbers")
    all_trained = [t for family in families.values() for t in family if t.mean]
    if not all_trained:
        run.text("No epoch was finished, so there are no numbers to explain.")
        return
    low = min(t.extremes[0] for t in all_trained)
    high = max(t.extremes[1] for t in all_trained)
    run.value("loss_bounds", {"lowest": LOWEST, "highest": HIGHEST, "seen": [low, high]})
    if run.quirk("double_softmax"):
        text = (
            "double_softmax: cross-entropy gets probabilities in the place of scores. With the "
            f"whole probability on the right class it is log(e + 9) - 1 = {LOWEST:.4f}, with the "
            f"whole on a wrong one log(e + 9) = {HIGHEST:.4f}; the batch losses of this run lie "
            f"between {low:.4f} and {high:.4f}. "
        )
        pairs = [
            (t.accuracy[-1], u.accuracy[-1])
            for t in families.get(logits[0].batch_size if logits else 0, ())
            for u in logits
            if t.seed == u.seed and t.accuracy and len(t.accuracy) == len(u.accuracy)
        ]
        if pairs:
            gain = [right - wrong for wrong, right in pairs]
            text += (
                f"The same seeds on logits end at an accuracy {np.mean(gain):+.2f} points apart on "
                f"average ({', '.join(f'{g:+.2f}' for g in gain)}): "
            )
            text += (
                "the second softmax costs accuracy with each seed. Where the network is sure but "
                "wrong, its first softmax has a derivative near 0: the image teaches nothing."
                if min(gain) > 0
                else "the second softmax does not cost accuracy with each seed of this run."
            )
        run.text(text)
    if run.quirk("divisor_937"):
        impossible = [t for t in all_trained if min(t.printed) < LOWEST]
        run.text(
            "divisor_937: the sum over an epoch's batches is divided by 937 whatever their number "
            "is. The table has the factor between the printed and the true mean. "
            + (
                f"The printed loss falls below {LOWEST:.4f}, which a mean of these batch losses "
                f"cannot do, in {len(impossible)} of {len(all_trained)} trainings; the smallest is "
                f"{min(min(t.printed) for t in impossible):.4f}."
                if impossible and run.quirk("double_softmax")
                else ""
            )
        )
    _divisor_table(run, families)
    _class_table(run, families)


def _divisor_table(run: Run, families: Mapping[int, Sequence[Trained]]) -> None:
    rows = []
    for size, family in families.items():
        done = [t for t in family if t.mean]
        if not done:
            continue
        printed, mean = (np.mean([getattr(t, n)[-1] for t in done]) for n in ("printed", "mean"))
        rows.append([size, done[0].batches, printed / mean, printed, mean])
    run.table(
        "divisor",
        ["batch size", "batches per epoch", "printed / true", "printed loss", "true mean loss"],
        rows,
        "The last epoch's loss, mean of the seeds",
        formats=["", "", ".4f", ".4f", ".4f"],
        csv=True,
    )


def _class_table(run: Run, families: Mapping[int, Sequence[Trained]]) -> None:
    """Means of the class accuracies beside the overall one."""
    rows = []
    for size, family in families.items():
        four = [class_share(run, t, True) for t in family]
        every = [class_share(run, t, False) for t in family]
        overall = [100 * accuracy(matrix(run, t, False)) for t in family]
        images = int(counted(run, size, True).sum())
        rows.append([size, images, np.nanmean(four), np.nanmean(every), np.mean(overall)])
    total = len(run.data.test_labels)
    run.text(
        f"first_four: of {total:,} test images the class accuracies count "
        + ", ".join(f"{row[1]:,} at batch size {row[0]}" for row in rows)
        + ". Their mean differs from the overall accuracy by up to "
        f"{max(abs(row[2] - row[4]) for row in rows):.2f} points; over all images it differs by up "
        f"to {max(abs(row[3] - row[4]) for row in rows):.2f}."
    )
    run.table(
        "class_means",
        ["batch size", "images counted", "mean, first four", "mean, all images", "overall"],
        rows,
        "Mean of the ten class accuracies in %, mean of the seeds",
        formats=["", ",", ".2f", ".2f", ".2f"],
        csv=True,
    )
