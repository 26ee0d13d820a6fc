"""Fashion-MNIST: 28 x 28 grey pictures of clothes in ten classes (MIT licence, Zalando SE).

Source: Xiao, Rasul, Vollgraf, "Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine
Learning Algorithms", arXiv:1708.07747.
"""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike

from nnlite.datasets.download import Progress
from nnlite.datasets.images import ImageData, ImageDataset, load_images
from nnlite.datasets.sources import Options
from nnlite.datasets.specs import FASHION_MNIST


class FashionMNIST(ImageDataset):
    """Fashion-MNIST: 60,000 training and 10,000 test images of clothes, or the small sample.

    Arguments, attributes, sources and errors are those of ImageDataset.
    """

    spec = FASHION_MNIST


def load_fashion_mnist(
    data: str | PathLike[str] | None = None,
    download: bool = True,
    progress: Progress | None = None,
    sample: bool = True,
    *,
    mirrors: Sequence[str] | None = None,
) -> ImageData:
    """Fashion-MNIST as arrays, from the first of these sources that has it.

    1. ``data``, a folder with the IDX files (plain or .gz) or CSV files, or with such a folder
       ``fashion-mnist/`` in it; 2. the folder that the environment variable NNLITE_DATA names, of
       the same form; 3. the folder of Debian's package dataset-fashion-mnist; 4. nnlite's cache;
       5. a download into the cache, unless ``download`` is False or NNLITE_OFFLINE is set; 6. the
       sample inside nnlite, 6,000 + 1,000 images, unless ``sample`` is False.

    Args:
        data: a folder that has the files.
        download: whether the network may be used.
        progress: called as ``progress(name, done_bytes, total_bytes)`` during a download.
        sample: whether the sample will do.
        mirrors: addresses to download from instead of the known ones, each ending in "/".

    Raises:
        DataError: a folder that the user names lacks the files, a file in it is unsound, or no
            source has them.
    """
    return load_images(
        FASHION_MNIST,
        Options(data, None, download, progress, sample, mirrors),
    )
