"""The report of examples/denoising_autoencoder.py, part by part."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

import nnlite
from examples.autoencoder import lecture, readings
from examples.autoencoder.classifier import classifier
from examples.autoencoder.measures import Families, Family, Measured, last, mean, measure
from examples.shared import Run
from nnlite import viz

if TYPE_CHECKING:
    from examples.denoising_autoencoder import Trained

NAMES = ("inert", "as_written", "scaled")
SHOWN = 8  # images in a picture


def report(run: Run, results: Families, images: nnlite.Tensor, noisy: nnlite.Tensor) -> None:
    """Fill the report.

    Args:
        results: the trainings of each variant that was reached, one per seed, by its name.
        images, noisy: the test images without and with noise, (N, 784).
    """
    results = {name: complete(run, family) or family for name, family in results.items()}
    families = {name: results[name] for name in NAMES if name in results}
    if not families:
        return
    measured = {name: [measure(t.model, images, noisy) for t in f] for name, f in results.items()}
    run.value("measured", measured)
    first = next(iter(families.values()))[0]
    run.section("What was done")
    run.text(run.example.description.partition("\n\n")[2])
    run.verbatim(repr(first.model))
    run.value("parameters", sum(p.numel() for p in first.model.parameters()))
    run.text(
        f"The autoencoder has {run.values['parameters']:,} parameters. A seed gives all variants "
        "the same first weights, and those with noise the same noise and the same order of images."
    )
    readings.gradients(run, families, images, noisy)
    readings.values(run, families, measured)
    readings.sparsity(run, families, measured, images, noisy)
    readings.collapse(run, families, measured, images)
    if any(last(family, "error") for family in families.values()):
        classifier(run, families)
    pictures(run, families, images, noisy)
    if "gradient descent" in results:
        lecture.optimizers(run, results, measured, images)
    if "sparse only" in results:
        lecture.four(run, results, measured, images, noisy)
    for name, family in families.items():
        weights(run, name, family[0])
    conclude(run, families, measured)


def complete(run: Run, family: Family) -> Family:
    """Those that Ctrl-C did not cut short."""
    wanted = (run.epochs, run.args.classifier_epochs)
    return [t for t in family if (len(t.mse), len(t.error)) == wanted]


def pictures(run: Run, families: Families, images: nnlite.Tensor, noisy: nnlite.Tensor) -> None:
    """Reconstructions, and the weights before and after, of each reading's first seed."""
    run.section("Reconstructions and weights")
    for name, family in families.items():
        trained = family[0]
        with nnlite.no_grad():
            output = trained.model(noisy[:SHOWN])
        rows = {"noisy input": noisy[:SHOWN], "reconstruction": output, "original": images[:SHOWN]}
        tiles = {text: x.cpu().numpy().reshape(-1, 28, 28) for text, x in rows.items()}
        figure = viz.plot_image_rows(tiles, title=name)
        run.figure(f"{name}_images", figure, f"{name}: the first test images, seed {trained.seed}.")
        after = {n: p.detach().cpu().numpy() for n, p in trained.model.named_parameters()}
        changes = {
            part: float(np.abs(after[key] - trained.before[key]).mean())
            for part in ("encoder", "decoder")
            for key in [f"{part}.weight"]
        }
        for part, shape, columns, text in (
            ("encoder", (28, 28), 20, "400 units as 20 x 20 tiles of 28 x 28 pixels"),
            ("decoder", (20, 20), 28, "784 pixels as 28 x 28 tiles of 20 x 20 units"),
        ):
            key = f"{part}.weight"
            figure = viz.plot_update(
                trained.before[key], after[key], shape, columns=columns, title=f"{name}: {part}"
            )
            change = f"mean |update| {changes[part]:.4f}"
            caption = f"{name}: weights of the {part}, {text}, seed {trained.seed}; {change}."
            run.figure(f"{name}_{part}", figure, caption)
        run.value(f"{name}_mean_update", changes)


def weights(run: Run, name: str, trained: Trained) -> None:
    """The model files of a reading's first seed."""
    run.weights(
        f"autoencoder_{name}",
        trained.model.state_dict(),
        f"{name} autoencoder, seed {trained.seed}",
    )
    if trained.classifier is not None:
        run.weights(
            f"classifier_{name}",
            trained.classifier.state_dict(),
            f"classifier after the {name} autoencoder, seed {trained.seed}",
        )


def conclude(run: Run, families: Families, measured: Measured) -> None:
    """The outcome in one sentence."""
    parts = []
    for name, family in families.items():
        if errors := last(family, "mse"):
            size = mean(measured[name], "code")
            parts.append(f"{name} MSE {np.mean(errors):.4f}, mean |code| {size:.2f}")
    name, family = next(iter(families.items()))
    if accuracies := last(family, "accuracy"):
        parts.append(f"classifier after {name} {np.mean(accuracies):.2f} %")
    if parts:
        seeds = "One seed" if len(family) == 1 else f"Means of {len(family)} seeds"
        run.result(f"{seeds}: {'; '.join(parts)}.")
