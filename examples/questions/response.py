"""Question 11: the network's response to one input, against its target.

The response is the vector of ten outputs, the target is 1 for the right class and 0 for the others.
Four inputs: a test image of one's choice (--image N), the one of which the network is least sure,
a blank image, and noise. The last two have no right class, but the outputs sum to
1 all the same.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

import nnlite
import nnlite.nn.functional as F
from nnlite import nn, viz
from nnlite.errors import ArgumentError

if TYPE_CHECKING:
    from examples.mini_project import Project
    from examples.shared import Run

NOISE = 1000  # images of noise; the first is shown


@dataclass(frozen=True)
class Response:
    """What the network says to one image.

    Attributes:
        what: the input in words.
        logits, probabilities: float64, (10,).
        target: the right class, or None.
    """

    what: str
    logits: np.ndarray
    probabilities: np.ndarray
    target: int | None

    @property
    def ranked(self) -> list[int]:
        """The classes, the most probable first."""
        return [int(k) for k in np.argsort(-self.probabilities, kind="stable")]

    @property
    def entropy(self) -> float:
        """In bits: 0 where one class has it all, log2(10) = 3.32 where all are equal."""
        p = self.probabilities[self.probabilities > 0]
        return float(-(p * np.log2(p)).sum())


def chosen(run: Run) -> int:
    """The number of the test image that --image names, or the first.

    Raises:
        ArgumentError: there is no such test image.
    """
    index = run.args.image
    n = len(run.data.test_labels)
    if not 0 <= index < n:
        raise ArgumentError(
            "mini_project",
            "--image",
            expected=f"0 to {n - 1}, the number of a test image",
            got=str(index),
            hint="leave it out for the first one",
        )
    return index


def answer(run: Run, project: Project) -> None:
    index = chosen(run)  # refused before the training
    history = project.baseline()
    if not history.epochs:
        run.text("The baseline finished no epoch, so it has nothing to say.")
        return
    model, labels = history.model, run.data.test_labels
    bits = entropies(history.probabilities)
    unsure = int(bits.argmax())
    generator = np.random.default_rng(run.seed)
    noise = generator.integers(0, 256, (NOISE, 28, 28), dtype=np.uint8)
    blank = np.zeros((28, 28), np.uint8)
    images = {
        "chosen": (f"test image {index}", run.data.test_images[index], int(labels[index])),
        "unsure": (f"test image {unsure}", run.data.test_images[unsure], int(labels[unsure])),
        "blank": ("a blank image, each pixel 0", blank, None),
        "noise": ("noise, each pixel any grey", noise[0], None),
    }
    logits = outputs(run, model, np.stack([image for _, image, _ in images.values()]))
    run.text(
        f"The outputs of the baseline of seed {run.seed} after softmax, as bars, and the target as "
        "outlines. Test image "
        f"{index} is the chosen one (--image N takes another), {unsure} the one of whose class the "
        "network is least sure: its ten probabilities have the highest entropy."
    )
    responses = {}
    for (name, (what, image, target)), z in zip(images.items(), logits, strict=True):
        response = Response(what, z, softmax(z), target)
        responses[name] = response
        draw(run, name, response, image)
        run.items(describe(response, run.data.classes, bits))
    run.items(describe_noise(softmax(outputs(run, model, noise)), run.data.classes))

    rows = [
        [
            name,
            *(cell for r in responses.values() for cell in (r.logits[k], r.probabilities[k])),
        ]
        for k, name in enumerate(run.data.classes)
    ]
    columns = ["class", *(f"{name}, {part}" for name in responses for part in ("logit", "softmax"))]
    caption = "The ten outputs, before and after softmax"
    run.table("response", columns, rows, caption, formats=["", *[".2f", ".4f"] * 4], csv=True)


@nnlite.no_grad()
def outputs(run: Run, model: nn.Module, images: np.ndarray) -> np.ndarray:
    """The logits for grey images (N, 28, 28) of bytes, prepared as the training images; (N, 10)."""
    model.eval()
    x = (images.reshape(len(images), -1).astype(np.float64) / 255 - 0.5) / 0.5  # (N, 784)
    logits = model(nnlite.from_numpy(x).to(run.device, run.dtype))
    return logits.cpu().numpy().astype(np.float64)


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities over the last dimension, in float64."""
    return F.softmax(nnlite.from_numpy(logits), dim=-1).numpy()


def entropies(probabilities: np.ndarray) -> np.ndarray:
    """The entropy of each row in bits, (N,)."""
    p = probabilities.astype(np.float64)
    return -(p * np.log2(np.maximum(p, np.finfo(np.float64).tiny))).sum(axis=1)


def draw(run: Run, name: str, response: Response, image: np.ndarray) -> None:
    """The ten outputs as bars beside the image."""
    classes = run.data.classes
    target = response.target
    if target is None:
        wanted: int | np.ndarray = np.full(10, 0.1)
        is_what = "no class is right; the outlines are those of a network that leaves it open"
    else:
        wanted, is_what = target, f"the target is {classes[target]}"
    figure = viz.plot_response(
        response.probabilities, wanted, classes, image=image, xlabel="probability (softmax)"
    )
    figure.axes[-1].set_xlim(0, 1.02)  # the same for all, to compare them
    run.figure(f"response_{name}", figure, f"Response to {response.what}: {is_what}.")


def describe(response: Response, classes: Sequence[str], bits: np.ndarray) -> list[str]:
    """A response in words.

    Args:
        bits: the entropies of all test images, to compare with.
    """
    p, target = response.probabilities, response.target
    first, second = response.ranked[:2]
    surer = 100 * float(np.mean(bits < response.entropy))
    opening = response.what[0].upper() + response.what[1:]
    sentences = [
        f"{opening}: {classes[first]} with {100 * p[first]:.1f} %, then {classes[second]} with "
        f"{100 * p[second]:.1f} %. The entropy of the outputs is {response.entropy:.2f} bits of at "
        f"most {math.log2(len(classes)):.2f}; the network is surer of {surer:.0f} % of the test "
        "images."
    ]
    if target is None:
        return sentences
    error = p - (np.arange(len(classes)) == target)  # dloss/dlogits of cross-entropy
    largest = int(np.abs(error).argmax())
    sentences.append(
        f"The target is {classes[target]}"
        + (", as answered" if first == target else f", which comes {_place(response)}")
        + f". Cross-entropy: -ln {p[target]:.4f} = {-math.log(max(p[target], 1e-300)):.4f}. Output "
        f"minus target is what backward sends into the logits: it is largest for "
        f"{classes[largest]}, {error[largest]:+.4f}, and the squares sum to "
        f"{float(error @ error):.4f}."
    )
    return sentences


def _place(response: Response) -> str:
    place = response.ranked.index(response.target) + 1  # type: ignore[arg-type]
    return {2: "second", 3: "third"}.get(place, f"{place}th")


def describe_noise(probabilities: np.ndarray, classes: Sequence[str]) -> list[str]:
    """What the network makes of many images of noise.

    Args:
        probabilities: (N, 10).
    """
    predicted = probabilities.argmax(axis=1)
    counts = np.bincount(predicted, minlength=len(classes))
    confidence = probabilities.max(axis=1)
    most = int(counts.argmax())
    text = (
        f"Of {len(predicted):,} images of noise {counts[most]:,} are taken for {classes[most]}; "
        f"the highest output is {100 * np.median(confidence):.1f} % in the median"
    )
    sure = int((confidence >= 0.9).sum())
    text += f", and at least 90 % for {sure:,} of them. "
    if sure > len(predicted) / 2:
        text += "The network is sure of something that it never saw: softmax shares out 100 % among"
        text += " ten classes, and none of them is 'nothing of these'."
    elif sure:
        text += "So a high output is no proof that the input belongs to any of the classes."
    else:
        text += "So in this run the network at least is not sure of what it never saw."
    return [text]
