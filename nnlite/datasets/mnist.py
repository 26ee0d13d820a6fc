"""MNIST: 28 x 28 grey pictures of handwritten digits.

Source: LeCun, Cortes, Burges, "The MNIST database of handwritten digits", 1998.
"""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike

from nnlite.datasets.download import Progress
from nnlite.datasets.images import ImageData, ImageDataset, load_images
from nnlite.datasets.sources import Options
from nnlite.datasets.specs import MNIST as _SPEC


class MNIST(ImageDataset):
    """MNIST: 60,000 training and 10,000 test images of digits.

    Arguments, attributes, sources and errors are those of ImageDataset; there is no sample.
    """

    spec = _SPEC


def load_mnist(
    data: str | PathLike[str] | None = None,
    download: bool = True,
    progress: Progress | None = None,
    *,
    mirrors: Sequence[str] | None = None,
) -> ImageData:
    """MNIST as arrays; sources and arguments as load_fashion_mnist, but there is no sample.

    Raises:
        DataError: a folder that the user names lacks the files, a file in it is unsound, or no
            source has them.
    """
    return load_images(
        _SPEC,
        Options(data, None, download, progress, False, mirrors),
    )
