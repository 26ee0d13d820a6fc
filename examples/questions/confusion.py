"""Question 10: the confusion matrix, every element explained.

Row i, column j counts the test images of class i that the network took for class j. Everything else
follows from these counts: accuracy, misclassification rate, and for each class against the rest
true and false positives and negatives, precision, recall and F1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from examples.questions.evidence import band
from nnlite import viz
from nnlite.metrics import (
    accuracy,
    class_counts,
    confusion_matrix,
    f1_score,
    misclassification_rate,
    precision,
    recall,
)

if TYPE_CHECKING:
    from examples.mini_project import Project
    from examples.shared import Run

MOST = 10  # pairs of classes in the table of confusions
NAMED = 3  # confusions named per class


class Confusion(NamedTuple):
    """How often one class was taken for another."""

    count: int
    true: int
    predicted: int


def answer(run: Run, project: Project) -> None:
    histories = project.baselines()
    if not histories:
        run.text("No baseline finished an epoch, so there is nothing to count.")
        return
    matrices = {
        seed: confusion_matrix(run.data.test_labels, history.probabilities.argmax(1), 10)
        for seed, history in histories.items()
    }
    seed, matrix = next(iter(matrices.items()))
    classes = run.data.classes
    run.value("confusion", {f"seed {s}": m.tolist() for s, m in matrices.items()})

    run.text(
        f"The baseline of seed {seed} on {matrix.sum():,} test images. A row is what an image is, "
        "a column what it was taken for; the diagonal counts the right answers."
    )
    figure = viz.plot_confusion(matrix, classes)
    run.figure("confusion", figure, "Rows: the true class; columns: the predicted one.")
    rows = [[name, *row, sum(row)] for name, row in zip(classes, matrix.tolist(), strict=True)]
    rows.append(["answers", *matrix.sum(axis=0).tolist(), int(matrix.sum())])
    columns = ["is \\ taken for", *classes, "images"]
    caption = "The counts; the last row says how often each answer was given"
    run.table("confusion", columns, rows, caption, formats=["", *[","] * 11], csv=True)
    run.items(overall(list(matrices.values())))

    report_classes(run, matrix)
    run.items(describe_class(matrix, classes, k) for k in range(len(classes)))
    report_pairs(run, list(matrices.values()))
    run.csv(
        "confusion_elements",
        elements(matrix, classes),
        ["true class", "predicted class", "count", "share of the true class in %", "meaning"],
        "each of the 100 elements of the confusion matrix in a sentence",
    )


def overall(matrices: Sequence[np.ndarray]) -> list[str]:
    """Accuracy and misclassification rate of the first seed, and their range over all."""
    matrix = matrices[0]
    n, right = int(matrix.sum()), int(np.trace(matrix))
    share = accuracy(matrix)
    sampling = 196 * math.sqrt(share * (1 - share) / n)  # normal approximation of the binomial
    sentences = [
        f"Accuracy: the sum of the diagonal by the number of images, {right:,} / {n:,} = "
        f"{100 * share:.2f} %. Misclassification rate: the rest, {n - right:,} / {n:,} = "
        f"{100 * misclassification_rate(matrix):.2f} %. Another {n:,} test images of the same kind "
        f"would give an accuracy within {sampling:.2f} points of it in 95 of 100 cases."
    ]
    if len(matrices) > 1:
        shares = [100 * accuracy(each) for each in matrices]
        spread = max(shares) - min(shares)
        sentences.append(
            f"With {len(matrices)} seeds the accuracy is {band(shares)}: training anew changes it "
            f"by up to {spread:.2f} points."
        )
    return sentences


def report_classes(run: Run, matrix: np.ndarray) -> None:
    """The counts and rates of each class against the rest."""
    counts = class_counts(matrix)
    rates = (precision(matrix), recall(matrix), f1_score(matrix))
    run.text(
        "Each class against the rest. TP (true positives): its images that were recognised, the "
        "diagonal. FN (false negatives): the rest of its row, images of it taken for another "
        "class. FP (false positives): the rest of its column, other images taken for it. TN (true "
        "negatives): everything else; also those that were confused among the other classes. "
        "Precision = TP / (TP + FP): how often that answer is right. Recall = TP / (TP + FN): how "
        "many of its images are found. F1: their harmonic mean."
    )
    rows = [
        [name, *(int(part[k]) for part in counts), *(_percent(rate[k]) for rate in rates)]
        for k, name in enumerate(run.data.classes)
    ]
    means = [_percent(np.nanmean(rate)) if not np.isnan(rate).all() else None for rate in rates]
    rows.append(["all (sum, mean)", *(int(part.sum()) for part in counts), *means])
    columns = ["class", "TP", "FP", "FN", "TN", "precision in %", "recall in %", "F1 in %"]
    formats = ["", ",", ",", ",", ",", ".1f", ".1f", ".1f"]
    run.table("confusion_classes", columns, rows, "Class by class", formats=formats, csv=True)


def describe_class(matrix: np.ndarray, classes: Sequence[str], k: int) -> str:
    """All that the matrix says of one class, in words."""
    counts = class_counts(matrix)
    tp, fp, fn, tn = (int(part[k]) for part in counts)
    name = classes[k]
    if not tp + fn:
        text = f"{name}: there is no image of it in the test set"
    else:
        text = f"{name}: of {tp + fn:,} images {tp:,} were recognised (TP; recall "
        text += f"{100 * tp / (tp + fn):.1f} %), {fn:,} taken for something else (FN)"
        row = [Confusion(int(matrix[k, j]), k, j) for j in range(len(classes)) if j != k]
        text += _most([(c.count, classes[c.predicted]) for c in row], "most often for")
    if not tp + fp:
        text += f". The answer {name} was never given"
    else:
        text += (
            f". {tp + fp:,} times the answer was {name}; {fp:,} of them are wrong (FP; precision "
        )
        text += f"{100 * tp / (tp + fp):.1f} %)"
        column = [Confusion(int(matrix[i, k]), i, k) for i in range(len(classes)) if i != k]
        text += _most([(c.count, classes[c.true]) for c in column], "most often given to")
    return f"{text}. The other {tn:,} images neither are {name} nor were taken for it (TN)."


def _most(counted: list[tuple[int, str]], lead: str) -> str:
    """The largest of some counts: ", most often for Shirt (98), Coat (12) and Bag (3)"."""
    largest = sorted((each for each in counted if each[0]), key=lambda each: -each[0])[:NAMED]
    names = [f"{name} ({count:,})" for count, name in largest]
    if not names:
        return ""
    return f", {lead} " + " and ".join([", ".join(names[:-1]), names[-1]] if names[1:] else names)


def report_pairs(run: Run, matrices: Sequence[np.ndarray]) -> None:
    """The most frequent confusions of the first seed, and whether other seeds agree."""
    matrix, classes = matrices[0], run.data.classes
    pairs = confusions(matrix)
    if not pairs:
        run.text("Nothing was confused with anything.")
        return
    columns = ["is", "taken for", "images", "share of the class in %", "the other way round"]
    columns.append("mean of the seeds")
    rows = [
        [
            classes[pair.true],
            classes[pair.predicted],
            pair.count,
            100 * pair.count / int(matrix[pair.true].sum()),
            int(matrix[pair.predicted, pair.true]),
            float(np.mean([each[pair.true, pair.predicted] for each in matrices])),
        ]
        for pair in pairs[:MOST]
    ]
    formats = ["", "", ",", ".1f", ",", ".1f"]
    caption = "The most frequent confusions: the largest elements off the diagonal"
    run.table("confusion_pairs", columns, rows, caption, formats=formats, csv=True)
    run.items(explain_pairs(matrices, classes))


def confusions(matrix: np.ndarray) -> list[Confusion]:
    """The elements off the diagonal that are not 0, the largest first."""
    k = len(matrix)
    pairs = [Confusion(int(matrix[i, j]), i, j) for i in range(k) for j in range(k) if i != j]
    return sorted((pair for pair in pairs if pair.count), key=lambda pair: -pair.count)


def explain_pairs(matrices: Sequence[np.ndarray], classes: Sequence[str]) -> list[str]:
    """What the confusions of the first seed have in common, and what other seeds say."""
    matrix = matrices[0]
    top = confusions(matrix)[0]
    there, back = classes[top.true], classes[top.predicted]
    reverse = int(matrix[top.predicted, top.true])
    n, m = int(matrix[top.true].sum()), int(matrix[top.predicted].sum())
    text = (
        f"The largest element off the diagonal: {top.count:,} of {n:,} images of {there} were "
        f"taken for {back}; the other way round it is {reverse:,} of {m:,}"
    )
    if m:
        share = (top.count + reverse) / (n + m)
        chance = math.sqrt(share * (1 - share) * (1 / n + 1 / m))  # of two equal shares
        lean = abs(top.count / n - reverse / m) > 2 * chance
        text += ": a difference that two equally frequent mistakes would "
        text += "show in fewer than 5 of 100 cases" if lean else "often show by chance"
    sentences = [f"{text}."]

    both = matrix + matrix.T
    i, j = np.triu_indices(len(matrix), 1)
    order = np.argsort(-both[i, j], kind="stable")[:NAMED]
    wrong = int(matrix.sum() - np.trace(matrix))
    shares = [int(both[i[o], j[o]]) for o in order]
    named = [
        f"{classes[i[o]]} and {classes[j[o]]} ({n:,})" for o, n in zip(order, shares, strict=True)
    ]
    sentences.append(
        f"Of all {wrong:,} errors {100 * sum(shares) / wrong:.0f} % lie within these {len(named)} "
        f"of {len(i)} pairs: {', '.join(named)}."
    )
    if len(matrices) > 1:
        tops = [confusions(each)[:1] for each in matrices]
        same = sum(bool(t) and t[0][1:] == top[1:] for t in tops)
        sentences.append(
            f"{there} taken for {back} is the most frequent confusion with {same} of "
            f"{len(matrices)} seeds."
        )
    return sentences


def elements(matrix: np.ndarray, classes: Sequence[str]) -> list[list[object]]:
    """Every element of the matrix with its meaning in a sentence."""
    rows: list[list[object]] = []
    for i, true in enumerate(classes):
        total = int(matrix[i].sum())
        for j, predicted in enumerate(classes):
            count = int(matrix[i, j])
            part = f"{count} of {total} images of {true}"
            if i == j:
                meaning = f"{part} were recognised: TP of {true}"
            else:
                meaning = f"{part} were taken for {predicted}: FN of {true}, FP of {predicted}"
            share = 100 * count / total if total else None
            rows.append([true, predicted, count, share, meaning])
    return rows


def _percent(share: float) -> float | None:
    """A share in %; None where there is none."""
    return None if math.isnan(share) else 100 * float(share)
