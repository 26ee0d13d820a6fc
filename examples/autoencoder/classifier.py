"""The classifier on top of the encoder, beside the published series."""

from __future__ import annotations

import numpy as np

from examples.autoencoder.measures import Families, Family, beside, curves, last, of_epoch, verdict
from examples.shared import Run
from nnlite import viz
from nnlite.metrics import class_accuracy

PUBLISHED_ERROR = (
    *(1.114769, 0.524831, 0.422878, 0.376357, 0.348854),
    *(0.330525, 0.316273, 0.305317, 0.295882, 0.288152),
)
PUBLISHED_ACCURACY = (87.14, 89.37, 90.36, 90.95, 91.24, 91.54, 91.85, 91.93, 91.99, 92.07)  # in %
# what PyTorch 2.13 reaches in the first and the last epoch
PYTORCH_ERROR = {1: 1.159, 10: 0.289}
PYTORCH_ACCURACY = {1: 86.54, 10: 92.43}
PUBLISHED_CLASSES = {0: "about 97", 1: "about 97"}
DEPENDS = ("data", "batch", "epochs")


def classifier(run: Run, families: Families) -> None:
    """Training error, test accuracy and class accuracy of the classifiers."""
    run.section("The classifier")
    run.text(
        "The decoder is dropped; a linear layer and a log-softmax follow the encoder. All "
        "parameters learn from clean images, by p -= 0.1 * p.grad, without a penalty."
    )
    main = "inert" if "inert" in families else next(iter(families))
    comparable = not any(kind in run.caveats for kind in DEPENDS)
    errors = {name: c for name, f in families.items() if (c := curves(f, "error")).size}
    accuracies = {name: curves(families[name], "accuracy") for name in errors}
    with_published = comparable and "inert" in errors
    run.figure(
        "classifier_error",
        viz.plot_series(
            errors,
            "training error (NLL)",
            published={"inert": PUBLISHED_ERROR} if with_published else None,
        ),
        "Training error of each epoch of the classifier: mean and range of the seeds.",
    )
    run.figure(
        "classifier_accuracy",
        viz.plot_series(
            accuracies,
            "test accuracy in %",
            published={"inert": PUBLISHED_ACCURACY} if with_published else None,
        ),
        "Test accuracy after each epoch of the classifier: mean and range of the seeds.",
    )
    if "inert" in families:
        series(run, families["inert"], comparable)
    classes(run, main, families[main], accuracies)
    readings(run, families)


def series(run: Run, family: Family, comparable: bool) -> None:
    """Every published value of the classifier."""
    for epoch, published in enumerate(PUBLISHED_ERROR, 1):
        found = of_epoch(family, "error", epoch)
        pytorch = PYTORCH_ERROR.get(epoch)
        more = f"; PyTorch 2.13 reaches {pytorch:.3f}" if pytorch else ""
        run.compare(
            f"training error, epoch {epoch}",
            published,
            found,
            reason=beside(found, published, more) if comparable else "",
            digits=4,
            depends=DEPENDS,
        )
    for epoch, published in enumerate(PUBLISHED_ACCURACY, 1):
        found = of_epoch(family, "accuracy", epoch)
        pytorch = PYTORCH_ACCURACY.get(epoch)
        reason = ""
        if found and comparable:
            reason = f"{float(np.mean(found)) - published:+.2f} points"
            reason += f"; PyTorch 2.13 reaches {pytorch:.2f}" if pytorch else ""
        run.compare(
            f"test accuracy, epoch {epoch}",
            published,
            found,
            at_least=91.5 if epoch == 10 else None,
            at_most=92.7 if epoch == 10 else None,
            reason=reason,
            unit="%",
            depends=DEPENDS,
        )


def classes(run: Run, name: str, family: Family, accuracies: dict[str, np.ndarray]) -> None:
    """The accuracy of each digit."""
    matrices = [t.matrix for t in family if t.matrix is not None]
    if not matrices:
        return
    with np.errstate(invalid="ignore"):
        shares = 100 * np.array([class_accuracy(matrix) for matrix in matrices])  # (seeds, 10)
    for digit, published in PUBLISHED_CLASSES.items():
        if name == "inert":
            run.compare(
                f"accuracy of class {digit}",
                published,
                [float(v) for v in shares[:, digit]],
                unit="%",
                depends=(*DEPENDS, "classifier"),
            )
    whole = np.isfinite(shares).all(axis=0)  # a digit that is not among the test images has none
    run.figure(
        "class_accuracy",
        viz.plot_class_accuracy(
            [c for c, there in zip(run.data.classes, whole, strict=True) if there], shares[:, whole]
        ),
        f"Test accuracy of each digit, {name}: mean and range of the seeds.",
    )
    means = shares.mean(axis=0)
    run.table(
        "class_accuracy",
        ["digit", "accuracy in %", "images"],
        [[d, means[d], int(matrices[0].sum(axis=1)[d])] for d in range(10)],
        formats=["", ".2f", ","],
        csv=True,
    )
    best = sorted((d for d in range(10) if whole[d]), key=lambda d: -means[d])
    if len(best) < 3:
        return
    run.text(
        f"The digits recognised best are {best[0]} ({means[best[0]]:.1f} %) and {best[1]} "
        f"({means[best[1]]:.1f} %), the one recognised least is {best[-1]} "
        f"({means[best[-1]]:.1f} %)."
    )


def readings(run: Run, families: Families) -> None:
    """What the reading of the penalty means for the classifier."""
    rows = []
    for name, family in families.items():
        if found := last(family, "accuracy"):
            error = float(np.mean(last(family, "error")))
            rows.append([name, error, float(np.mean(found)), min(found), max(found)])
    run.table(
        "classifiers",
        ["encoder", "training error", "test accuracy, %", "smallest", "largest"],
        rows,
        "After the last epoch of the classifier, mean of the seeds",
        formats=["", ".4f", ".2f", ".2f", ".2f"],
        csv=True,
    )
    risen = [n for n, f in families.items() if (c := curves(f, "error")).size and _rises(c)]
    if risen:
        run.text(
            "The classifier's training error ends higher than it began from these encoders: "
            f"{', '.join(risen)}. There, steps of lr 0.1 are too long."
        )
    for name in ("scaled", "as_written"):
        if name in families and "inert" in families:
            a, b = (last(families[n], "accuracy") for n in (name, "inert"))
            if a and b:
                run.text(
                    f"From the {name} encoder the test accuracy is {verdict(a, b)} than from the "
                    f"inert one ({np.mean(a) - np.mean(b):+.2f} points on average)."
                )


def _rises(errors: np.ndarray) -> bool:
    """Whether the seeds' mean, (seeds, E), ends above where it began."""
    means = errors.mean(axis=0)
    return bool(means[-1] > means[0])
