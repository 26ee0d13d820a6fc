"""What the image datasets share: the arrays with their provenance, and the Dataset over them."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from os import PathLike
from typing import Any, ClassVar, TypeVar

import numpy as np

from nnlite.autograd.tensor import wrap
from nnlite.backend import CPU, Array, Device, is_array
from nnlite.backend import device as make_device
from nnlite.data.collate import default_collate
from nnlite.data.dataset import Dataset, overrides
from nnlite.data.resident import Gatherer, beside, take_rows, to_device
from nnlite.data.transforms import is_batched
from nnlite.datasets.download import Progress
from nnlite.datasets.sources import Options, load
from nnlite.datasets.specs import DatasetSpec

D = TypeVar("D", bound="ImageDataset")


@dataclass(frozen=True, eq=False)
class ImageData:
    """Training and test images with their labels, and where they came from.

    Attributes:
        train_images: uint8 (N, 28, 28).
        train_labels: int64 (N,).
        test_images: uint8 (M, 28, 28).
        test_labels: int64 (M,).
        classes: the names of the labels 0 to 9.
        source: a sentence that says where the images came from.
        is_sample: whether this is the small sample inside nnlite.
        verified: whether it is, by SHA-256, the original set (or that sample), byte for byte.
        sha256: hash of the uncompressed IDX file of each part ("train_images", ...).
    """

    train_images: np.ndarray[Any, Any]
    train_labels: np.ndarray[Any, Any]
    test_images: np.ndarray[Any, Any]
    test_labels: np.ndarray[Any, Any]
    classes: tuple[str, ...]
    source: str
    is_sample: bool
    verified: bool
    sha256: dict[str, str]


def load_images(spec: DatasetSpec, options: Options) -> ImageData:
    """Both splits of a dataset.

    Raises:
        DataError: as nnlite.datasets.sources.load.
    """
    found = load(spec, options)
    train, test = found.splits["train"], found.splits["test"]
    return ImageData(
        train.images,
        train.labels,
        test.images,
        test.labels,
        spec.classes,
        found.source,
        found.is_sample,
        found.verified,
        found.sha256,
    )


class ImageDataset(Dataset[tuple[Any, Any]]):
    """One split of an image dataset, in torchvision's manner: ``dataset[i]`` is (image, label).

    An image is a uint8 array (28, 28) and a label an int, before the transforms. There is no PIL:
    a transform gets the array. Where ``transform`` can work on many images at once (nnlite's can)
    a DataLoader transforms whole batches, with the same result.

    Args:
        root: a folder to look into first, and to download to. It need not exist, unless
            download is False. None: see the sources below.
        train: the training images, or else the test images.
        transform: called with each image.
        target_transform: called with each label.
        download: whether the network may be used.
        progress: called as ``progress(name, done_bytes, total_bytes)`` during a download.
        sample: whether the sample inside nnlite will do, with a warning, where nothing else is
            to be had.

    Attributes:
        data: uint8 array (N, 28, 28), of NumPy unless ``to`` moved it.
        targets: int64 array (N,), likewise.
        classes: names of the labels.
        source, is_sample, verified: as in ImageData.

    Sources, the first that has the dataset: root; the folder that the environment variable
    NNLITE_DATA names; the folder of a system package; nnlite's cache; a download into the cache
    (into root where given); the sample. NNLITE_OFFLINE=1 forbids the network.

    Raises:
        DataError: a folder that the user names lacks the dataset, a file in it is unsound, or no
            source has it.
    """

    spec: ClassVar[DatasetSpec]

    def __init__(
        self,
        root: str | PathLike[str] | None = None,
        train: bool = True,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        download: bool = True,
        *,
        progress: Progress | None = None,
        sample: bool = True,
    ) -> None:
        split = "train" if train else "test"
        options = Options(root=root, download=download, progress=progress, sample=sample)
        found = load(self.spec, options, (split,))
        self.data: Array
        self.targets: Array
        self.data, self.targets, _ = found.splits[split]
        self.root = root
        self.train = train
        self.transform = transform
        self.target_transform = target_transform
        self.classes = self.spec.classes
        self.class_to_idx = {name: label for label, name in enumerate(self.classes)}
        self.source = found.source
        self.is_sample = found.is_sample
        self.verified = found.verified
        if found.fallback:
            warnings.warn(f"{type(self).__name__}: {found.source}", UserWarning, stacklevel=2)

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        image = self.data[index].copy()  # a transform that writes must not change the dataset
        label = int(self.targets[index])
        return (
            image if self.transform is None else self.transform(image),
            label if self.target_transform is None else self.target_transform(label),
        )

    def __getbatch__(self, indices: Sequence[int]) -> Any:
        batched = self.transform is None or is_batched(self.transform)
        on_host = wrap(self.data).device == CPU
        if (on_host and not batched) or overrides(self, ImageDataset, "__getitem__"):
            return super().__getbatch__(indices)
        return self._take(beside(np.asarray(indices, np.int64), self.data))

    def __gatherer__(self) -> Gatherer | None:
        if wrap(self.data).device == CPU or any(
            overrides(self, ImageDataset, name) for name in ("__getitem__", "__getbatch__")
        ):
            return None
        return Gatherer(wrap(self.data).device, self._take)

    def _take(self, index: Array) -> list[Any]:
        """The batch of some sample numbers, given on the device of the images."""
        images: Any = take_rows(self.data, index)  # (B, 28, 28)
        labels = take_rows(self.targets, index)
        if is_batched(self.transform):
            images = self.transform.batch(images)  # type: ignore[union-attr]
        elif self.transform is not None:
            images = default_collate([self.transform(image) for image in images])
        return [
            wrap(images) if is_array(images) else images,
            wrap(labels)
            if self.target_transform is None
            else default_collate([self.target_transform(k) for k in labels.tolist()]),
        ]

    def to(self: D, device: str | Device, non_blocking: bool = False) -> D:
        """Move images and labels to a device as they are, uint8 and int64; returns self.

        ``data`` and ``targets`` are then arrays of that device, and a DataLoader makes its batches
        there: it gathers the images and has the transform work on them where they lie. A transform
        must then be one of nnlite's, or one that takes an array of the device. A target_transform
        gets ints, for which each batch of labels is copied to the host.

        Raises:
            DeviceError: a device that is not there; nothing has changed then.
        """
        where = make_device(device)
        moved = [to_device(x, where, non_blocking) for x in (self.data, self.targets)]
        self.data, self.targets = moved
        return self

    def __repr__(self) -> str:
        split = "train" if self.train else "test"
        return f"{type(self).__name__}({split}, {len(self):,} images, {self.source})"
