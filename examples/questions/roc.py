"""Question 12: ROC curves of ten classes, each against the rest, with micro and macro average.

For one class, sort the test images by the probability that the network gives to it. A threshold
takes in all images above it: the true positive rate is the share of the class among them, the false
positive rate the share of all other images. Lowering the threshold from 1 to 0 draws the curve. The
area below it (AUC) is the probability that an image of the class is ranked above one of the rest.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from examples.questions.evidence import band
from nnlite import viz
from nnlite.metrics import RocAuc, RocCurve, class_counts, confusion_matrix, roc_auc

if TYPE_CHECKING:
    from examples.mini_project import Project
    from examples.shared import Run

ALARM = 0.01  # a false positive rate that somebody might put up with


def answer(run: Run, project: Project) -> None:
    histories = project.baselines()
    if not histories:
        run.text("No baseline finished an epoch, so there is nothing to rank.")
        return
    targets, classes = run.data.test_labels, run.data.classes
    rocs = {seed: roc_auc(targets, each.probabilities) for seed, each in histories.items()}
    seed, roc = next(iter(rocs.items()))
    matrix = confusion_matrix(targets, histories[seed].probabilities.argmax(1), 10)

    run.text(
        f"The baseline of seed {seed}. For each class the {len(targets):,} test images are ranked "
        "by its softmax output. The curve shows which share of the class is found (true positive "
        "rate) at the price of which share of the others (false positive rate); the area under it "
        "is 1 for a perfect ranking and 0.5 for a random one."
    )
    figure = viz.plot_roc(roc, classes)
    run.figure("roc_curves", figure, "ROC one-vs-rest, with micro and macro average.")
    report_areas(run, list(rocs.values()), matrix)
    run.items(explain_classes(list(rocs.values()), matrix, classes))
    run.items(explain_averages(list(rocs.values()), matrix.sum(axis=1)))
    named = [*zip(classes, roc.curves, strict=True), ("micro", roc.micro), ("macro", roc.macro)]
    run.csv(
        "roc_curves",
        [
            [name, *point]
            for name, curve in named
            for point in zip(curve.fpr, curve.tpr, curve.thresholds, strict=True)
        ],
        ["class", "false positive rate", "true positive rate", "threshold"],
        "the corners of all curves; the macro average has no thresholds",
    )
    run.value(
        "roc_auc",
        {
            f"seed {s}": {
                "classes": each.auc.tolist(),
                "micro": each.micro_auc,
                "macro": each.macro_auc,
                "macro_curve": each.macro_curve_auc,
            }
            for s, each in rocs.items()
        },
    )


def report_areas(run: Run, rocs: Sequence[RocAuc], matrix: np.ndarray) -> None:
    """AUC of each class with its range over the seeds, and two points on each curve."""
    roc = rocs[0]
    counts = class_counts(matrix)
    rows = []
    for k, name in enumerate(run.data.classes):
        images = int(counts.tp[k] + counts.fn[k])
        others = int(counts.fp[k] + counts.tn[k])
        areas = [each.auc[k] for each in rocs]
        rows.append(
            [
                name,
                images,
                *_bounds(areas),
                100 * found_at(roc.curves[k], ALARM),
                100 * counts.fp[k] / others if others else None,
                100 * counts.tp[k] / images if images else None,
            ]
        )
    n = int(matrix.sum())
    for name, areas in (
        ("micro average", [each.micro_auc for each in rocs]),
        ("macro average of the AUCs", [each.macro_auc for each in rocs]),
        ("macro average of the curves", [each.macro_curve_auc for each in rocs]),
    ):
        rows.append([name, n, *_bounds(areas), None, None, None])
    columns = ["class", "images", "AUC", "lowest seed", "highest seed"]
    columns.append(f"found in % at {100 * ALARM:g} % false positives")
    columns += ["false positives in % of the answer itself", "found in % by the answer itself"]
    caption = (
        "Areas under the curves. The answer itself takes the class with the highest probability, "
        "which is one point in the plane of each class"
    )
    formats = ["", ",", ".4f", ".4f", ".4f", ".1f", ".2f", ".1f"]
    run.table("roc_auc", columns, rows, caption, formats=formats, csv=True)


def _bounds(areas: Sequence[float]) -> list[float | None]:
    """The first seed's area, the lowest and the highest; None for those that are not defined."""
    return [None if math.isnan(a) else float(a) for a in (areas[0], min(areas), max(areas))]


def found_at(curve: RocCurve, fpr: float) -> float:
    """The highest true positive rate of a threshold whose false positive rate is at most fpr."""
    allowed = curve.fpr <= fpr
    return float(curve.tpr[allowed].max()) if allowed.any() else math.nan


def explain_classes(
    rocs: Sequence[RocAuc], matrix: np.ndarray, classes: Sequence[str]
) -> list[str]:
    """What the areas say of the classes."""
    areas = rocs[0].auc
    known = np.flatnonzero(~np.isnan(areas))
    missing = [classes[k] for k in range(len(classes)) if k not in known]
    sentences = []
    if missing:
        sentences.append(f"Without images, and so without a curve: {', '.join(missing)}.")
    if not known.size:
        return sentences
    best, worst = known[areas[known].argmax()], known[areas[known].argmin()]
    counts = class_counts(matrix)
    positive = int(counts.tp[worst] + counts.fn[worst])
    pairs = positive * int(counts.fp[worst] + counts.tn[worst])
    wrong = (1 - float(areas[worst])) * pairs
    sentences.append(
        f"{classes[best]} is the easiest to tell from the rest (AUC {areas[best]:.4f}), "
        f"{classes[worst]} the hardest ({areas[worst]:.4f}). The latter means: of the {pairs:,} "
        f"pairs of an image of {classes[worst]} and one of another class, {wrong:,.0f} are ranked "
        "the wrong way round (a tie counts half)."
    )
    recall = counts.tp[worst] / positive
    found = found_at(rocs[0].curves[worst], ALARM)
    alarms = counts.fp[worst] / (counts.fp[worst] + counts.tn[worst])
    better = found_at(rocs[0].curves[worst], float(alarms))
    if recall < areas[worst]:
        sentences.append(
            f"An AUC is not an accuracy: {classes[worst]} is ranked right in "
            f"{100 * areas[worst]:.1f} % of the pairs, but the answer itself finds only "
            f"{100 * recall:.1f} % of its images, as each of them has nine other classes to beat."
        )
    sentences.append(
        f"For {classes[worst]} the answer itself finds {100 * recall:.1f} % at "
        f"{100 * alarms:.2f} % false positives; a threshold at that price, of its own, finds "
        f"{100 * better:.1f} %, and one at {100 * ALARM:g} % finds {100 * found:.1f} %."
    )
    if len(rocs) > 1:
        hardest = [int(np.nanargmin(each.auc)) for each in rocs]
        same = sum(k == worst for k in hardest)
        values = [float(each.auc[worst]) for each in rocs]
        sentences.append(
            f"{classes[worst]} is the hardest with {same} of {len(rocs)} seeds: AUC "
            f"{band(values, 4, '')}."
        )
    return sentences


def explain_averages(rocs: Sequence[RocAuc], images: np.ndarray) -> list[str]:
    """What micro and macro average are, and which is larger here.

    Args:
        images: how many each class has, (K,).
    """
    roc = rocs[0]
    k = len(roc.curves)
    sentences = [
        f"The micro average takes all decisions of the form 'is this image of that class' "
        f"together, {k} per image, and ranks them in one list: AUC {roc.micro_auc:.4f}. It "
        "compares probabilities of different classes with each other, and counts each image alike."
    ]
    if math.isnan(roc.macro_auc):
        return [*sentences, "The macro average is not defined, as a class has no curve."]
    spread = float(np.ptp(roc.auc))
    sentences.append(
        f"The macro average is the mean of the {k} areas, {roc.macro_auc:.4f}; the mean of the "
        f"curves has the area {roc.macro_curve_auc:.4f}. It counts each class alike, and hides "
        f"that the areas differ by up to {spread:.4f}."
    )
    higher = sum(each.micro_auc > each.macro_auc for each in rocs)
    change = float(roc.auc @ images / images.sum()) - roc.macro_auc  # weighted by the sizes
    text = (
        f"The micro average is the higher one with {higher} of {len(rocs)} seeds, by "
        f"{roc.micro_auc - roc.macro_auc:+.4f} with the first."
    )
    if np.ptp(images) == 0:
        text += " All classes have as many images"
    elif abs(change) < 0.5 * abs(roc.micro_auc - roc.macro_auc):
        text += f" Weighting the areas by the classes' images changes their mean by {change:+.4f}"
    else:
        return [*sentences, text]
    text += ", so the difference is not one of class sizes: it comes from ranking all in one list."
    return [*sentences, text]
