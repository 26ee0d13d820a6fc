"""The images of a run: which, from where, how many, and their hash."""

from __future__ import annotations

import hashlib
import sys
from dataclasses import replace
from typing import Any

import numpy as np

import nnlite
import nnlite.nn.functional as F
from nnlite.datasets import ImageData, load_fashion_mnist, load_mnist
from nnlite.datasets.sources import SAMPLE_FOLDER
from nnlite.errors import DataError
from nnlite.extras import require

PARTS = ("train_images", "train_labels", "test_images", "test_labels")
SIZES = (60_000, 10_000)  # of both sets
TITLES = {"fashion_mnist": "Fashion-MNIST", "mnist": "MNIST"}
DIGITS = (1_500, 297)  # how scikit-learn's 1,797 digits are parted


def load(dataset: str, folder: str | None, download: bool, sample: bool) -> ImageData:
    """The data set, or its stand-in where it cannot be had (``is_sample`` says so).

    Args:
        dataset: "fashion_mnist" or "mnist".
        folder: where the user says that it is, or None.
        download: whether the network may be used.
        sample: take the stand-in at once.

    Raises:
        DataError: the named folder lacks it, or it is not of the size that it should have.
        MissingExtraError: there is no MNIST and no scikit-learn for its stand-in.
    """
    if dataset == "mnist":
        data = _mnist(folder, download, sample)
    elif sample:
        data = load_fashion_mnist(SAMPLE_FOLDER)
    else:
        data = load_fashion_mnist(folder, download=download, progress=download_progress)
    found = (len(data.train_images), len(data.test_images))
    if not data.is_sample and found != SIZES:
        raise DataError(
            f"load {TITLES[dataset]}",
            expected="{:,} training and {:,} test images".format(*SIZES),
            got="{:,} and {:,} ({})".format(*found, data.source),
            hint="name the folder of the whole set; --limit N takes its first N images, and "
            "--sample the small set that needs no files",
        )
    return data


def _mnist(folder: str | None, download: bool, sample: bool) -> ImageData:
    import os

    if not sample:
        try:
            return load_mnist(folder, download=download, progress=download_progress)
        except DataError as error:
            if folder or os.environ.get("NNLITE_DATA"):  # a folder that is named must have it
                raise
            print(f"MNIST cannot be had here ({error.got}): scikit-learn's digits instead")
    return digits()


def digits() -> ImageData:
    """scikit-learn's 8 x 8 handwritten digits, enlarged to 28 x 28: MNIST's stand-in.

    1,797 digits: the first 1,500 for training, the last 297 for testing.

    Raises:
        MissingExtraError: scikit-learn is not installed.
    """
    loaded = require("sklearn.datasets", "digits", "the stand-in for MNIST").load_digits()
    small = nnlite.from_numpy(np.asarray(loaded.images, np.float32)).unsqueeze(1)  # (N, 1, 8, 8)
    large = F.interpolate(small, size=(28, 28), mode="bilinear").numpy()[:, 0]  # (N, 28, 28)
    images = np.rint(large * (255 / 16)).astype(np.uint8)
    labels = np.asarray(loaded.target, np.int64)
    n = DIGITS[0]
    return ImageData(
        images[:n],
        labels[:n],
        images[n:],
        labels[n:],
        tuple("0123456789"),
        "scikit-learn's handwritten digits enlarged to 28 x 28 (1,500 + 297 images); "
        "numbers are not comparable with MNIST's",
        is_sample=True,
        verified=False,
        sha256={},
    )


def first(data: ImageData, limit: int | None) -> ImageData:
    """The first ``limit`` training and as many test images; all where it is None."""
    if limit is None:
        return data
    return replace(data, **{part: getattr(data, part)[:limit] for part in PARTS})


def describe(data: ImageData) -> dict[str, Any]:
    """What results.json says of the data: source, and per part shape and SHA-256 of the numbers."""
    parts = {}
    for part in PARTS:
        array = np.ascontiguousarray(getattr(data, part))
        parts[part] = {
            "shape": list(array.shape),
            "dtype": array.dtype.name,
            "sha256": hashlib.sha256(array.data).hexdigest(),
        }
    return {
        "source": data.source,
        "is_sample": data.is_sample,
        "verified": data.verified,
        "parts": parts,
    }


def caveat(dataset: str, data: ImageData) -> str:
    """Why numbers on this data cannot be compared with published ones; "" where they can."""
    title = TITLES[dataset]
    if data.is_sample:
        return f"trained on {len(data.train_images):,} images of a stand-in for {title}"
    if len(data.train_images) < SIZES[0] or len(data.test_images) < SIZES[1]:
        train, test = len(data.train_images), len(data.test_images)
        return f"{train:,} training and {test:,} test images instead of {title}'s 60,000 and 10,000"
    return "" if data.verified else f"the images are not, by their hash, the original {title}"


def download_progress(name: str, done: int, total: int) -> None:
    """A bar for each file on a terminal; elsewhere a line when it is complete.

    Args:
        name: the file.
        done, total: bytes; total is 0 where the server does not say.
    """
    complete = done >= total > 0
    if sys.stderr.isatty():
        if total:
            filled = 20 * done // total
            state = f"|{'█' * filled}{' ' * (20 - filled)}| {100 * done // total:3d} %"
        else:
            state = f"{done / 1e6:.1f} MB"
        print(f"\rdownloading {name} {state}", end="\n" if complete else "", file=sys.stderr)
    elif complete:
        print(f"downloaded {name} ({total / 1e6:.1f} MB)", file=sys.stderr)
