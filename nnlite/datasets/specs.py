"""What is known of each dataset: its files, their hashes, and where it can be had."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

PARTS = ("train_images", "train_labels", "test_images", "test_labels")


class FileSpec(NamedTuple):
    """A file by its name, the size and the SHA-256 of its uncompressed content."""

    name: str
    size: int
    sha256: str


class DatasetSpec(NamedTuple):
    """A dataset of 28 x 28 grey images in ten classes.

    Attributes:
        title: its name in sentences.
        folder: its subfolder in a folder of datasets and in the cache.
        aliases: further subfolders to look into (torchvision's).
        classes: the names of the labels 0 to 9.
        files: by part ("train_images", ...).
        csv: names of the CSV files, by split ("train", "test").
        mirrors: base addresses, each ending in "/"; the files lie there with ".gz" added.
        system_folder: where a Linux distribution's package puts it, or "".
        get_it: a sentence on how to get it by hand.
        sample: the files of the sample inside nnlite, by part; empty where there is none.
    """

    title: str
    folder: str
    aliases: tuple[str, ...]
    classes: tuple[str, ...]
    files: Mapping[str, FileSpec]
    csv: Mapping[str, str]
    mirrors: tuple[str, ...]
    system_folder: str
    get_it: str
    sample: Mapping[str, FileSpec]


def _files(sizes: tuple[int, ...], hashes: tuple[str, ...]) -> dict[str, FileSpec]:
    names = (
        "train-images-idx3-ubyte",
        "train-labels-idx1-ubyte",
        "t10k-images-idx3-ubyte",
        "t10k-labels-idx1-ubyte",
    )
    specs = (FileSpec(*each) for each in zip(names, sizes, hashes, strict=True))
    return dict(zip(PARTS, specs, strict=True))


_SIZES = (47_040_016, 60_008, 7_840_016, 10_008)

FASHION_MNIST = DatasetSpec(
    title="Fashion-MNIST",
    folder="fashion-mnist",
    aliases=("FashionMNIST/raw",),
    classes=(
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ),
    files=_files(
        _SIZES,
        (
            "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
            "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
            "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
            "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
        ),
    ),
    csv={"train": "fashion-mnist_train.csv", "test": "fashion-mnist_test.csv"},
    mirrors=(
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
    ),
    system_folder="/usr/share/datasets/fashion-mnist",
    get_it=(
        "download the four files from https://github.com/zalandoresearch/fashion-mnist (on Debian "
        "and Ubuntu: apt-get install dataset-fashion-mnist) and name their folder in NNLITE_DATA"
    ),
    sample=_files(
        (4_704_016, 6_008, 784_016, 1_008),
        (
            "cf313073c7eb485392848071d5c433571d7166043e971e3345b095cc30518084",
            "097b93fbcf9bd5bc648b1a457ddc55c9e4ab49afb33f9ecae8ce068399a75e3a",
            "7cee33c3c6414b1b86c25e665a6c4f41584269de3b7cc9768b1d351922845eef",
            "3128d790775889812b73c4f13923559c8b9e281d112c6ea7862acf60a206a909",
        ),
    ),
)

MNIST = DatasetSpec(
    title="MNIST",
    folder="mnist",
    aliases=("MNIST/raw",),
    classes=(
        "0 - zero",
        "1 - one",
        "2 - two",
        "3 - three",
        "4 - four",
        "5 - five",
        "6 - six",
        "7 - seven",
        "8 - eight",
        "9 - nine",
    ),
    files=_files(
        _SIZES,
        (
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        ),
    ),
    csv={"train": "mnist_train.csv", "test": "mnist_test.csv"},
    mirrors=(
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    ),
    system_folder="",
    get_it=(
        "download the four files from https://ossci-datasets.s3.amazonaws.com/mnist/ and name "
        "their folder in NNLITE_DATA"
    ),
    sample={},
)

ALL = (FASHION_MNIST, MNIST)
