"""The parts of examples/lenet.py's report that there are once per batch size."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from examples.shared.compare import hindering, not_comparable, outside
from examples.shared.published import LENET_CLASS_ACCURACY
from examples.shared.run import Run
from nnlite import viz
from nnlite.metrics import accuracy, class_accuracy, confusion_matrix

if TYPE_CHECKING:
    from examples.lenet import Trained


def details(run: Run, size: int, family: Sequence[Trained]) -> None:
    """Class accuracies, loss, ten samples and the files of one batch size."""
    first = family[0]
    run.section(f"Batch size {size}")
    quirk, whole = run.quirk("first_four"), "data" not in run.caveats
    mine = [class_share(run, t, quirk) for t in family]
    every = np.mean([class_share(run, t, False) for t in family], axis=0)
    published = LENET_CLASS_ACCURACY.get(size)
    counts = np.bincount(run.data.test_labels[counted(run, size, quirk)], minlength=10)
    depends = ("data", "epochs", "quirk double_softmax", "quirk first_four")
    for k, name in enumerate(run.data.classes):
        n = int(counts[k])
        shares = [float(row[k]) for row in mine]
        low = high = None
        beyond = ""
        reason = f"{n:,} images, one is {100 / n:.1f} points" if n else "no image of the class"
        if quirk:
            reason += f"; over all images of the class {every[k]:.1f} %"
        if published and n:
            tolerance = tolerance_of(published[k], n)
            low, high = max(0.0, published[k] - tolerance), min(100.0, published[k] + tolerance)
            beyond = outside(shares, low, high, 1, "points")
        run.compare(
            f"{name}, batch size {size}",
            float(published[k]) if published else None,
            shares,
            at_least=low,
            at_most=high,
            digits=1,
            unit="%",
            reason=comparable(run, reason, depends, beyond),
            depends=depends,
        )
    run.text(
        "Accepted for a class: two standard errors of the difference between two shares that are "
        "each measured on so many images, sqrt(2 p (1 - p) / n)."
        + (other_images(published, counts) if published and quirk and whole else "")
    )
    figure = viz.plot_class_accuracy(
        run.data.classes, np.mean(mine, axis=0), published, title=f"batch size {size}, in %"
    )
    run.figure(f"classes_batch_{size}", figure, "Class accuracy, mean of the seeds.")
    if first.printed:
        series = {f"seed {t.seed}": t.printed for t in family if t.printed}
        figure = viz.plot_series(series, "printed loss", title=f"batch size {size}")
        run.figure(f"loss_batch_{size}", figure, f"Training loss at batch size {size}.")
    for k in range(0, min(10, len(first.predictions)), 5):
        these = slice(k, k + 5)
        figure = viz.plot_predictions(
            run.data.test_images[these],
            run.data.test_labels[these],
            first.predictions[these],
            run.data.classes,
            columns=5,
        )
        caption = f"Test images {k + 1} to {k + len(first.predictions[these])}, seed {first.seed}."
        run.figure(f"images_{k // 5 + 1}_batch_{size}", figure, caption)
    for trained in family:
        _end_log(run, trained)
    run.verbatim("\n".join(first.lines))
    files(run, f"batch_{size}", first)


def other_images(published: Sequence[int], counts: np.ndarray) -> str:
    """Whether the published shares can come from the images counted here."""
    misfits = [
        f"{percent} % of {n}"
        for percent, n in zip(published, counts.tolist(), strict=True)
        if n and not any(percent in (round(100 * k / n), 100 * k // n) for k in range(n + 1))
    ]
    if not misfits:
        return " Each published share can be made of as many images as are counted here."
    return (
        f" Of the ten published shares, {len(misfits)} cannot be made of the images counted here "
        f"({', '.join(misfits)}), rounded or cut off: the original counted others, so its test "
        "images came in another order."
    )


def _end_log(run: Run, trained: Trained) -> None:
    """Ten samples, overall and class accuracy: the end of the published log."""
    names, lines = run.data.classes, ["ground truth | predicted"]
    pairs = zip(run.data.test_labels[:10], trained.predictions[:10], strict=True)
    lines += [f"{names[t]} | {names[p]}" for t, p in pairs]
    overall = 100 * accuracy(matrix(run, trained, False))
    lines.append(f"accuracy on {len(run.data.test_labels):,} test images: {overall:.2f} %")
    share = class_share(run, trained, run.quirk("first_four"))
    lines += [
        f"accuracy of {name}: {value:.0f} %" for name, value in zip(names, share, strict=True)
    ]
    trained.lines += lines
    name = f"log_batch_{trained.batch_size}_seed_{trained.seed}.txt"
    run.text_file(name, "\n".join(trained.lines) + "\n", f"log of seed {trained.seed}")


def files(run: Run, name: str, trained: Trained) -> None:
    """The weights as text and as model file."""
    state = trained.model.state_dict()
    parts = []
    for key, value in state.items():
        array = value.cpu().numpy()
        lines = [" ".join(f"{w:.6g}" for w in row) for row in array.reshape(-1, array.shape[-1])]
        parts.append("\n".join([f"{key} {tuple(array.shape)}", *lines]))
    what = f"{trained.name}, seed {trained.seed}"
    run.text_file(f"weights_{name}.txt", "\n\n".join(parts) + "\n", f"weights as text: {what}")
    run.weights(f"model_{name}", state, f"model file: {what}")


# -- counting ----------------------------------------------------------------------------------


def counted(run: Run, batch_size: int, first_four: bool) -> np.ndarray:
    """Which test images count for the class accuracies, bool (N,)."""
    index = np.arange(len(run.data.test_labels))
    return index % batch_size < 4 if first_four else index >= 0


def matrix(run: Run, trained: Trained, first_four: bool) -> np.ndarray:
    chosen = counted(run, trained.batch_size, first_four)
    return confusion_matrix(run.data.test_labels[chosen], trained.predictions[chosen], 10)


def class_share(run: Run, trained: Trained, first_four: bool) -> np.ndarray:
    """In %, (10,); NaN for a class without images."""
    return 100 * class_accuracy(matrix(run, trained, first_four))


def tolerance_of(percent: float, n: int) -> float:
    """Two standard errors of the difference of two shares, in points.

    Source: Agresti and Coull, "Approximate is better than 'exact'" (1998): two successes and two
    failures are added, or a share of 100 % would have no error.
    """
    p = (percent / 100 * n + 2) / (n + 4)
    return 200 * math.sqrt(2 * p * (1 - p) / n)


def comparable(run: Run, reason: str, depends: Sequence[str], beyond: str = "") -> str:
    """The reason, with what forbids the comparison, or else with what is outside."""
    hindrances = hindering(run.caveats, depends)
    parts = (reason, not_comparable(hindrances)) if hindrances else (beyond, reason)
    return "; ".join(filter(None, parts))
