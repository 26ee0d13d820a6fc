"""Probes of what happens to images on their way into the network."""

from __future__ import annotations

import numpy as np

import nnlite
from examples.exercises.bughunt.probes.common import BugRemainsError, Script, random_images


def channels(script: Script) -> str:
    """prepare() keeps one channel, and applies one line y = a x + b to all pixels."""
    pixels = np.arange(3 * 784) % 256
    images = pixels.astype(np.uint8).reshape(3, 28, 28)
    out = script.prepare(images)
    if tuple(out.shape) != (3, 1, 28, 28):
        raise BugRemainsError(
            f"prepare() makes {tuple(out.shape)} of three grey images; they have one channel each: "
            "(3, 1, 28, 28)."
        )
    y = out.numpy().reshape(-1)
    low, high = float(y[0]), float(y[255])  # black and white
    line = low + (high - low) * pixels / 255
    if not np.allclose(y, line, atol=1e-4) or high <= low:
        raise BugRemainsError("prepare() does more to the pixels than to shift and scale them.")
    if not low < 0 < high:
        raise BugRemainsError(
            f"The pixels go from {low:.2f} to {high:.2f}: they are not centred at 0 any more."
        )
    return f"Grey images keep their one channel, and their pixels go from {low:.2f} to {high:.2f}."


def view(script: Script) -> str:
    """Each row of the answers depends on its own image: alone it gets the same answer."""
    model = script.Net().eval()
    images = random_images(7).tensors[0]
    with nnlite.no_grad():
        together = model(images)
        alone = nnlite.cat([model(images[i : i + 1]) for i in range(len(images))])
    if tuple(together.shape) != (7, 10):
        raise BugRemainsError(
            f"For 7 images the network gives {tuple(together.shape)}; a row of ten for each image "
            "is (7, 10)."
        )
    if not np.allclose(together.numpy(), alone.numpy(), atol=1e-4):
        raise BugRemainsError(
            "An image in a batch of 7 gets another answer than the same image alone: the rows that "
            "go into the first layer are no images."
        )
    return "Each image gets the same answer in a batch as alone: a row is an image."


def shuffle(script: Script) -> str:
    """shuffled() moves pairs, loses none, and does change the order."""
    n = 100
    labels = nnlite.arange(n)
    images = labels.float().reshape(n, 1, 1, 1).expand(n, 1, 28, 28).contiguous()
    x, y = (part.numpy() for part in script.shuffled(images, labels))
    if x.shape != (n, 1, 28, 28) or sorted(y) != list(range(n)):
        raise BugRemainsError("shuffled() loses images or labels, or changes their shape.")
    kept = int((x[:, 0, 0, 0] == y).sum())
    if kept < n:
        raise BugRemainsError(f"Of {n} images, {kept} come out with the label they went in with.")
    if (y == np.arange(n)).all():
        raise BugRemainsError("Images and labels stay together, but they are not shuffled at all.")
    return f"All {n} images come out in another order, each with its own label."
