"""The report of examples/dropout_cnn.py: its accuracies, measured both ways, and its mistakes."""

from __future__ import annotations

import numpy as np

from examples.shared import Run
from nnlite import viz
from nnlite.metrics import class_accuracy, confusion_matrix, precision

# accuracy in % by epoch that PyTorch 2.13 reaches with one seed
PYTORCH = {
    "running_accuracy": {1: 79.6, 15: 93.0},
    "test_accuracy": {1: 86.8, 5: 90.4, 15: 92.7},
}
AROUND = 1.5  # points around them: one seed shows no band, so as much as is accepted for the LeNet
LEAST, LAST = 91.5, 15  # test accuracy in %, after so many epochs
FIRST_EPOCHS = 3  # what "the first epochs" of the author's claim are taken to be
NAMES = {
    "running_accuracy": "training (running, dropout on)",
    "dropout_accuracy": "training (after the epoch, dropout on)",
    "eval_accuracy": "training (after the epoch, eval mode)",
    "test_accuracy": "test",
}
WITH_DROPOUT = 10_000  # training images that are also measured with dropout on after an epoch
GALLERY = 24


def report_accuracy(run: Run, seeds: list[int]) -> None:
    """Training and test accuracy of each epoch, both ways; seeds: those with all epochs."""
    run.section("Training and test accuracy")
    chosen = "running_accuracy" if run.quirk("running_accuracy") else "eval_accuracy"
    percent = {name: of_seeds(run, seeds, name) for name in NAMES}  # (seeds, epochs) each
    epochs = percent["test_accuracy"].shape[1]
    compare_with_pytorch(run, percent)

    curves = {NAMES[chosen]: percent[chosen], "test": percent["test_accuracy"]}
    of = f"{len(seeds)} seeds, mean and range" if len(seeds) > 1 else f"seed {seeds[0]}"
    run.figure(
        "accuracy",
        viz.plot_series(curves, "accuracy in %"),
        f"Training and test accuracy against the epoch, {of}; the training accuracy is measured "
        f"{'as published' if run.quirk('running_accuracy') else 'as the test accuracy is'}.",
        main=True,
    )
    run.figure(
        "accuracy_both_ways",
        viz.plot_series({NAMES[name]: values for name, values in percent.items()}, "accuracy in %"),
        f"The same with every way to measure the training accuracy, {of}.",
    )
    whose = f"mean of {len(seeds)} seeds" if len(seeds) > 1 else f"seed {seeds[0]}"
    loss = of_seeds(run, seeds, "train_loss")
    means = [values.mean(axis=0) for values in (loss, *percent.values())]
    run.table(
        "epochs",
        ["epoch", "training loss", *(f"{name}, in %" for name in NAMES.values())],
        [[k + 1, *(values[k] for values in means)] for k in range(epochs)],
        f"By epoch, {whose}",
        formats=["", ".4f", *[".2f"] * len(NAMES)],
        csv=True,
    )
    claim(run, percent)
    explain(run, seeds, percent)
    last = {name: values[:, -1].mean() for name, values in percent.items()}
    run.result(
        f"Test accuracy {last['test_accuracy']:.2f} % after {plural(epochs, 'epoch')} ({whose}); "
        f"training accuracy {last['running_accuracy']:.2f} % with dropout on, "
        f"{last['eval_accuracy']:.2f} % in eval mode."
    )


def compare_with_pytorch(run: Run, percent: dict[str, np.ndarray]) -> None:
    """The values that were checked in PyTorch; the published work gave none."""
    for name, checked in PYTORCH.items():
        for epoch, value in checked.items():
            here = percent[name][:, epoch - 1].tolist() if percent[name].shape[1] >= epoch else None
            final = name == "test_accuracy" and epoch == LAST
            run.compare(
                f"accuracy in {NAMES[name]}, epoch {epoch}",
                f"{value} % (PyTorch, one seed)",
                here,
                at_least=LEAST if final else value - AROUND,
                at_most=None if final else value + AROUND,
                unit="%",
                reason="" if here else f"epoch {epoch} was not reached",
                depends=("data", "batch"),
            )


def claim(run: Run, percent: dict[str, np.ndarray]) -> None:
    """'Test accuracy is above training accuracy in the first epochs', judged both ways."""
    test = percent["test_accuracy"]
    first = min(FIRST_EPOCHS, test.shape[1])
    when = "epoch 1" if first == 1 else f"epochs 1–{first}"
    found = {}
    for name in ("running_accuracy", "eval_accuracy"):
        gap = test - percent[name]  # (seeds, epochs)
        above = (gap.mean(axis=0) > 0).nonzero()[0] + 1
        agree = int((gap[:, :first] > 0).all(axis=1).sum())  # seeds of which it is true
        holds = agree == len(gap)
        found[name] = above.tolist()
        gaps = ", ".join(f"{value:+.2f}" for value in gap.mean(axis=0)[:first])
        run.compare(
            f"test accuracy above {NAMES[name]} in {when}",
            "yes",
            "yes" if holds else "no",
            # the author measured it running, so only that can contradict him
            inside=holds if name == "running_accuracy" else None,
            reason=f"test less training there: {gaps} points; above in "
            f"{spans(found[name]) or 'none'} of {plural(test.shape[1], 'epoch')}"
            + (f"; true of {agree} of {len(gap)} seeds" if len(gap) > 1 else ""),
            depends=("data", "batch"),
        )
    run.value("epochs_with_test_above_training", found)


def explain(run: Run, seeds: list[int], percent: dict[str, np.ndarray]) -> None:
    """How much of the difference between the ways is dropout, and how much the moving weights."""
    without = of_seeds(run, seeds, "no_dropout_accuracy")
    dropout = (without - percent["dropout_accuracy"]).mean(axis=0)  # (epochs,)
    whole = (percent["eval_accuracy"] - percent["running_accuracy"]).mean(axis=0)
    gap = (percent["test_accuracy"] - percent["eval_accuracy"]).mean(axis=0)
    run.value("effect_of_dropout", dropout)
    run.value("eval_above_running", whole)
    n = min(WITH_DROPOUT, len(run.data.train_images))
    lines = [
        f"Epoch {k + 1}: training accuracy in eval mode after the epoch less the running one is "
        f"{whole[k]:+.2f} points. Dropout makes {dropout[k]:+.2f} of them, measured by switching "
        f"it on and off with the same weights, on the first {n:,} training images; the other "
        f"{whole[k] - dropout[k]:+.2f} are what the weights learn during the epoch, after the "
        "running count has begun. Test less training accuracy, both in eval mode, is "
        f"{gap[k]:+.2f} points."
        for k in sorted({0, len(whole) - 1})
    ]
    run.items(lines)
    above = {
        name: (percent["test_accuracy"] - percent[name]).mean(axis=0)[0] > 0
        for name in ("running_accuracy", "dropout_accuracy", "eval_accuracy")
    }
    if above["running_accuracy"] and not above["eval_accuracy"]:
        text = (
            "In the first epoch test lies above the running training accuracy, and not above the "
            "one in eval mode: what the author saw is an effect of the measurement. "
        )
        text += (
            "Dropout alone is enough for it: with the weights that the epoch ended with and "
            "dropout on, training still lies below test."
            if above["dropout_accuracy"]
            else "Dropout alone is not enough for it: with the weights that the epoch ended with, "
            "training does not lie below test even with dropout on."
        )
    elif above["eval_accuracy"]:
        error = standard_error(percent["test_accuracy"], run)
        text = (
            f"In the first epoch of this run test lies {gap[0]:.2f} points above training even in "
            f"eval mode. The standard error of a share of {len(run.data.test_labels):,} test "
            f"images is {error:.2f} points, so "
            + (
                "the way of measuring does not explain all of what the author saw."
                if gap[0] > 2 * error
                else "that may be chance, and decides nothing."
            )
        )
    else:
        text = "In the first epoch of this run test does not lie above training, however measured."
    run.text(text)


def standard_error(accuracy: np.ndarray, run: Run) -> float:
    """Of the first epoch's test accuracy, in points."""
    p = accuracy[:, 0].mean() / 100
    return 100 * float(np.sqrt(p * (1 - p) / len(run.data.test_labels)))


def of_seeds(run: Run, seeds: list[int], name: str) -> np.ndarray:
    """A series of each seed as an array, (seeds, epochs)."""
    return np.array(run.of_seeds(seeds, name))


def spans(numbers: list[int]) -> str:
    """Ascending numbers as text: [1, 2, 3, 5] is "1–3, 5"."""
    parts: list[list[int]] = []
    for n in numbers:
        if parts and parts[-1][-1] == n - 1:
            parts[-1][1:] = [n]
        else:
            parts.append([n])
    return ", ".join("–".join(map(str, part)) for part in parts)


def plural(n: int, noun: str) -> str:
    return f"{n:,} {noun}" + ("" if n == 1 else "s")


# -- mistakes ----------------------------------------------------------------------------------


def report_mistakes(run: Run, probabilities: np.ndarray) -> None:
    """The misclassified test images, and the confusion matrix.

    Args:
        probabilities: of the test images, (N, 10).
    """
    images, labels, classes = run.data.test_images, run.data.test_labels, run.data.classes
    answers, sure = probabilities.argmax(axis=1), probabilities.max(axis=1)  # (N,)
    wrong = np.flatnonzero(answers != labels)
    run.section("Misclassified test images")
    share = 100 * len(wrong) / len(labels)
    text = f"The network of seed {run.seed} misclassifies {len(wrong):,} of {len(labels):,} test "
    run.text(f"{text} images ({share:.2f} %).")
    if wrong.size:
        surest = wrong[np.argsort(-sure[wrong], kind="stable")]
        galleries = {
            "mistakes_first": (wrong[:10], 5, "The first {} misclassified test images."),
            "mistakes_surest": (surest[:GALLERY], 6, "The {} surest mistakes, the surest first."),
        }
        for name, (shown, columns, caption) in galleries.items():
            figure = viz.plot_predictions(
                images[shown], labels[shown], answers[shown], classes, sure[shown], columns
            )
            caption += " Above: taken for, with which probability; below: what it is."
            run.figure(name, figure, caption.format(len(shown)))
        heads = ["image", "is", "taken for", "with %", "% for what it is"]

        def row(k: int) -> list[object]:
            p = 100 * probabilities[k].astype(float)
            return [int(k), classes[labels[k]], classes[answers[k]], p[answers[k]], p[labels[k]]]

        run.table(
            "mistakes_first",
            heads,
            [row(k) for k in wrong[:10]],
            "The first ten; images counted from 0",
            formats=["", "", "", ".1f", ".1f"],
        )
        rows = [row(k) for k in surest]
        run.csv("mistakes", rows, heads, "every misclassified test image, the surest first")
        confidence(run, sure, answers == labels)
    confusion(run, confusion_matrix(labels, answers, len(classes)))


def confidence(run: Run, sure: np.ndarray, right: np.ndarray) -> None:
    """Whether the probability that the network gives its answer can be trusted."""
    text = f"Wrong answers are given with a mean probability of {100 * sure[~right].mean():.0f} %"
    if right.any():
        text += f", right ones with {100 * sure[right].mean():.0f} %"
    certain = sure > 0.9
    text += f". Above 90 % are {certain.sum():,} answers"
    if certain.any():
        failed = 100 * (~right[certain]).mean()
        expected = 100 * (1 - sure[certain]).mean()
        verdict = "more often than it admits" if failed > expected else "no more often than it says"
        text += (
            f"; {failed:.1f} % of them are wrong, where the probabilities themselves promise "
            f"{expected:.1f} %: when it is this sure, the network errs {verdict}"
        )
    run.text(text + ".")


def confusion(run: Run, matrix: np.ndarray) -> None:
    """The confusion matrix, each class's rates, and the pairs most often confused."""
    classes = run.data.classes
    run.section("Confusion matrix")
    caption = f"Test images of seed {run.seed}: rows are what they are, columns what they were"
    run.figure("confusion", viz.plot_confusion(matrix, classes), f"{caption} taken for.")
    run.csv("confusion", matrix, classes, f"{caption} taken for")
    recalled, trusted = class_accuracy(matrix), precision(matrix)
    run.table(
        "classes",
        ["class", "test images", "recognised in %", "answers", "answers right in %"],
        [
            [name, matrix[k].sum(), 100 * recalled[k], matrix[:, k].sum(), 100 * trusted[k]]
            for k, name in enumerate(classes)
        ],
        "By class",
        formats=["", ",", ".1f", ",", ".1f"],
        csv=True,
    )
    confused = matrix - np.diag(np.diag(matrix))
    mistakes = confused.sum()
    if not mistakes:
        return
    order = np.argsort(-confused, axis=None, kind="stable")[:5]
    worst = [(int(i), int(j)) for i, j in zip(*np.unravel_index(order, matrix.shape), strict=True)]
    worst = [(i, j) for i, j in worst if confused[i, j]]
    pairs = "; ".join(f"{classes[i]} for {classes[j]} ({confused[i, j]:,})" for i, j in worst)
    part = sum(confused[i, j] for i, j in worst) / mistakes
    run.text(f"Taken most often: {pairs}: {100 * part:.0f} % of all mistakes.")
