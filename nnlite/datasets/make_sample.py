"""Make the sample that ships inside nnlite from the full Fashion-MNIST::

    python -m nnlite.datasets.make_sample --data DIR --out DIR

The rule: of each class the first 600 training and the first 100 test images in file order, kept
in the order of the full files. The gzip files carry no time, so that the same zlib writes the
same bytes again.
"""

from __future__ import annotations

import argparse
import gzip
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nnlite.datasets.fashion_mnist import load_fashion_mnist
from nnlite.datasets.idx import idx_header
from nnlite.datasets.specs import FASHION_MNIST
from nnlite.errors import DataError

PER_CLASS = {"train": 600, "test": 100}


def first_of_each_class(labels: np.ndarray[Any, Any], count: int) -> np.ndarray[Any, Any]:
    """Ascending indices of the first ``count`` occurrences of each label 0 to 9."""
    firsts = [np.flatnonzero(labels == k)[:count] for k in range(10)]
    return np.sort(np.concatenate(firsts))


def sample_files(data: str | Path) -> dict[str, bytes]:
    """The uncompressed content of the sample's four IDX files, by name.

    Raises:
        DataError: the folder does not hold the original Fashion-MNIST.
    """
    full = load_fashion_mnist(data)
    if full.is_sample or not full.verified:
        raise DataError(
            "make_sample",
            str(data),
            expected="the original Fashion-MNIST (by SHA-256)",
            got="other images",
            hint=FASHION_MNIST.get_it,
        )
    content = {}
    for split, count in PER_CLASS.items():
        images = getattr(full, f"{split}_images")
        labels = getattr(full, f"{split}_labels")
        chosen = first_of_each_class(labels, count)
        for part, x in (("images", images), ("labels", labels.astype(np.uint8))):
            picked = x[chosen]
            name = FASHION_MNIST.files[f"{split}_{part}"].name
            content[name] = idx_header(picked.shape) + picked.tobytes()
    return content


def main(argv: Sequence[str] | None = None) -> None:
    """Write the four files as ``NAME.gz`` into a folder."""
    parser = argparse.ArgumentParser(description="make nnlite's sample of Fashion-MNIST")
    parser.add_argument("--data", required=True, help="folder of the full Fashion-MNIST")
    parser.add_argument("--out", required=True, type=Path, help="folder to write to")
    options = parser.parse_args(argv)
    options.out.mkdir(parents=True, exist_ok=True)
    for name, content in sample_files(options.data).items():
        packed = gzip.compress(content, compresslevel=9, mtime=0)
        (options.out / f"{name}.gz").write_bytes(packed)
        print(f"{name}.gz  {len(packed):,} bytes")


if __name__ == "__main__":
    main()
