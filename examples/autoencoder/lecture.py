"""The lecture's comparisons: gradient descent or Adam; noise, penalty, or both."""

from __future__ import annotations

import numpy as np

import nnlite
from examples.autoencoder.measures import Families, Measured, curves, last, mean, verdict
from examples.shared import Run
from nnlite import viz

# name of the variant: what it is called here, whether it has noise, whether a penalty
FOUR = {
    "neither": "neither",
    "inert": "denoising only",
    "sparse only": "sparse only",
    "scaled": "both",
}
SHOWN = 8  # images in a picture


def optimizers(run: Run, results: Families, measured: Measured, images: nnlite.Tensor) -> None:
    """Gradient descent against Adam."""
    run.section("Gradient descent against Adam")
    pair = {"Adam, lr 0.001": "inert", "gradient descent, lr 0.98": "gradient descent"}
    shown = {text: c for text, n in pair.items() if (c := curves(results[n], "mse")).size}
    if len(shown) < 2:
        run.text("Neither of the two was trained for an epoch, or only one of them.")
        return
    figure = viz.plot_series(shown, "MSE of the epoch", log=True)
    run.figure("optimizers", figure, "The autoencoder without a penalty, noisy input.")
    adam, descent = (c.mean(axis=0) for c in shown.values())
    constant = float(images.cpu().numpy().var(axis=0).mean())
    sooner = np.flatnonzero(adam <= descent[-1])
    text = (
        f"After {len(descent)} epochs gradient descent is at an MSE of {descent[-1]:.4f}, Adam at "
        f"{adam[-1]:.4f}. "
    )
    if adam[-1] < descent[-1]:
        text += f"Adam reached gradient descent's last value in epoch {sooner[0] + 1}. "
    else:
        text += "Adam is not better in this run. "
    text += (
        f"The best output that is the same for all images has {constant:.4f}: gradient descent "
        + ("is not below that yet. " if descent[-1] >= constant else "is below that. ")
    )
    run.text(
        text + "The MSE is a mean over batch * 784 numbers, so each weight's gradient is small; "
        "gradient descent takes steps in proportion to it even at lr 0.98, while Adam divides by "
        "the gradient's own size."
    )
    accuracy = {text: last(results[n], "accuracy") for text, n in pair.items()}
    rows = [
        [text, float(c.mean(0)[-1]), mean(measured[n], "mse_noisy"), _mean(accuracy[text])]
        for (text, n), c in zip(pair.items(), shown.values(), strict=True)
    ]
    run.table(
        "optimizers",
        ["optimizer", "MSE, last epoch", "MSE, noisy test images", "classifier, %"],
        rows,
        "Mean of the seeds",
        formats=["", ".5f", ".5f", ".2f"],
        csv=True,
    )


def four(
    run: Run, results: Families, measured: Measured, images: nnlite.Tensor, noisy: nnlite.Tensor
) -> None:
    """The sparse and the denoising autoencoder against both together, and against neither."""
    run.section("Sparse, denoising, or both")
    run.text(
        "Denoising: the input is noisy. Sparse: the scaled penalty. Denoising only is the inert "
        "reading, both together is the scaled one."
    )
    there = {name: text for name, text in FOUR.items() if name in results}
    rows = [
        [
            text,
            *(mean(measured[name], key) for key in ("mse_noisy", "mse_clean", "code")),
            mean(measured[name], "code_near_zero"),
            _mean(last(results[name], "accuracy")),
        ]
        for name, text in there.items()
    ]
    run.table(
        "lecture",
        [
            *("autoencoder", "MSE, noisy input", "MSE, clean input", "mean |code|"),
            *("code near 0, %", "classifier, %"),
        ],
        rows,
        "On the test images, mean of the seeds",
        formats=["", ".5f", ".5f", ".3f", ".1f", ".2f"],
        csv=True,
    )
    errors = {text: [m["mse_noisy"] for m in measured[name]] for name, text in there.items()}
    figure = viz.plot_bars(errors, "MSE of the reconstruction from noisy images", digits=5)
    run.figure("lecture", figure, "Mean of the seeds, and their range.")
    with nnlite.no_grad():
        x = noisy[:SHOWN]
        outputs = {text: results[name][0].model(x) for name, text in there.items()}
    shown = {"noisy": x, **outputs, "original": images[:SHOWN]}
    tiles = {text: t.cpu().numpy().reshape(-1, 28, 28) for text, t in shown.items()}
    figure = viz.plot_image_rows(tiles)
    run.figure("lecture_images", figure, "What each makes of the same noisy test images.")
    if len(there) == len(FOUR):
        run.items([*_statements(results, measured), *_clean_images(measured, images, noisy)])


def _clean_images(measured: Measured, images: nnlite.Tensor, noisy: nnlite.Tensor) -> list[str]:
    """Why a network that learnt from noisy images may do worse on clean ones."""
    seen, clean, shifted = (
        mean(measured["inert"], key) for key in ("mse_noisy", "mse_clean", "mse_shifted")
    )
    if clean <= seen:
        return []
    text = (
        f"With noise only, clean images come out worse than noisy ones ({clean:.4g} against "
        f"{seen:.4g}). The network never saw a clean one: as pixels are clamped, the noise lifts "
        f"their mean from {images.mean().item():.3f} to {noisy.mean().item():.3f}. "
    )
    lifted = f"Clean images that are lifted as much, without any noise, have {shifted:.4g}: "
    if shifted < seen:
        return [text + lifted + "so it is the mean that the network misses, not the noise."]
    return [text + lifted + "so the missing mean does not explain it in this run."]


def _statements(results: Families, measured: Measured) -> list[str]:
    """What the numbers say, a sentence for each quantity."""

    def of(name: str, key: str) -> list[float]:
        return [each[key] for each in measured[name]]

    sentences = []
    for key, what in (
        ("mse_noisy", "The error on noisy images"),
        ("mse_clean", "The error on clean images"),
        ("code_near_zero", "The share of the code near zero, in %"),
    ):
        both = of("scaled", key)
        sentences.append(
            f"{what}: with both it is {verdict(both, of('inert', key))} than with noise only "
            f"({_means(both, of('inert', key))}), and {verdict(both, of('sparse only', key))} "
            f"than with the penalty only ({_means(both, of('sparse only', key))})."
        )
    accuracy = {name: last(results[name], "accuracy") for name in FOUR}
    if all(accuracy.values()):
        best = max(FOUR, key=lambda name: float(np.mean(accuracy[name])))
        widest = max(max(values) - min(values) for values in accuracy.values())
        means = [float(np.mean(values)) for values in accuracy.values()]
        several = len(accuracy[best]) > 1
        sentences.append(
            f"The classifiers' accuracies lie {max(means) - min(means):.2f} points apart, and the "
            f"best follows {FOUR[best]!r}"
            + (f"; the seeds of one variant differ by up to {widest:.2f}." if several else ".")
        )
    return sentences


def _means(a: list[float], b: list[float]) -> str:
    return f"{np.mean(a):.4g} against {np.mean(b):.4g}"


def _mean(values: list[float]) -> float | None:
    return float(np.mean(values)) if values else None
