"""One split of a dataset from a folder of IDX or CSV files, checked."""

from __future__ import annotations

import os
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from nnlite.datasets.content import PathType
from nnlite.datasets.csv import read_csv
from nnlite.datasets.idx import idx_header, read_idx
from nnlite.datasets.specs import ALL, DatasetSpec
from nnlite.errors import DataError, DtypeError


class Split(NamedTuple):
    """Images (N, 28, 28) uint8, labels (N,) int64, and the SHA-256 of their IDX files by part."""

    images: np.ndarray[Any, Any]
    labels: np.ndarray[Any, Any]
    sha256: dict[str, str]


def idx_sha256(x: np.ndarray[Any, Any]) -> str:
    """SHA-256 of the uncompressed IDX file that a uint8 array makes."""
    import hashlib

    digest = hashlib.sha256(idx_header(x.shape))
    digest.update(np.ascontiguousarray(x).data)
    return digest.hexdigest()


def find_folder(base: str | PathLike[str], spec: DatasetSpec, argument: str) -> Path:
    """The folder at or below ``base`` with files of this dataset; subfolders come first.

    Raises:
        DataError: there is no such folder, or none of its files is there.
        DtypeError: base is no path.
    """
    named = user_path(base, argument)
    found = locate(named, spec)
    if found is not None:
        return found
    raise DataError(
        f"load {spec.title}",
        f"{argument}={str(base)!r}",
        expected=(
            f"a folder with {spec.files['train_images'].name}[.gz] and so on, or with "
            f"{spec.csv['train']}, or with such a folder {spec.folder}/ in it"
        ),
        got="a folder without them" if _is_dir(named) else "no such folder",
        hint=spec.get_it,
    )


def user_path(base: str | PathLike[str], argument: str) -> Path:
    """A path that the user names, with ``~`` resolved.

    Raises:
        DtypeError: base is no path.
    """
    if not isinstance(base, (str, PathLike)):
        raise DtypeError(
            "load images",
            argument,
            expected="a path (str or os.PathLike)",
            got=type(base).__name__,
            hint='for example "~/data"',
        )
    return Path(os.path.expanduser(base))


def locate(base: Path, spec: DatasetSpec) -> Path | None:
    """As find_folder, with None instead of an error."""
    for folder in (*(base / name for name in (spec.folder, *spec.aliases)), base):
        if _is_dir(folder) and any(
            _idx_path(folder, spec, part) or _csv_path(folder, spec, part.split("_")[0])
            for part in spec.files
        ):
            return folder
    return None


def read_split(folder: Path, spec: DatasetSpec, split: str) -> Split:
    """The split "train" or "test", from IDX files or else from CSV.

    Raises:
        DataError: a file is missing or unsound, holds no 28 x 28 images or labels outside 0 to 9,
            is another dataset's, or images and labels differ in number.
    """
    images_path = _idx_path(folder, spec, f"{split}_images")
    labels_path = _idx_path(folder, spec, f"{split}_labels")
    csv_path = _csv_path(folder, spec, split)
    if csv_path is not None and not (images_path and labels_path):
        images, labels = read_csv(csv_path)
        images_path = labels_path = csv_path
    else:
        images_path = images_path or folder / spec.files[f"{split}_images"].name
        labels_path = labels_path or folder / spec.files[f"{split}_labels"].name
        labels = read_idx(labels_path)
        images = read_idx(images_path)
    check(spec, images, labels, images_path, labels_path)
    sha256 = {f"{split}_images": idx_sha256(images), f"{split}_labels": idx_sha256(labels)}
    for other in ALL:
        part = f"{split}_images"
        if other.title != spec.title and other.files[part].sha256 == sha256[part]:
            raise _fault(images_path, spec.title, f"the images of {other.title}", spec.get_it)
    return Split(images, labels.astype(np.int64), sha256)


def check(
    spec: DatasetSpec,
    images: np.ndarray[Any, Any],
    labels: np.ndarray[Any, Any],
    images_path: PathType,
    labels_path: PathType,
) -> None:
    """Whether these are images with their labels.

    Raises:
        DataError: they are not; names the file.
    """
    if images.dtype != np.uint8 or images.ndim != 3 or images.shape[1:] != (28, 28):
        got = f"{images.dtype.name} of shape {images.shape}"
        raise _fault(images_path, "uint8 images of shape (N, 28, 28)", got)
    if labels.dtype != np.uint8 or labels.ndim != 1:
        got = f"{labels.dtype.name} of shape {labels.shape}"
        raise _fault(labels_path, "uint8 labels of shape (N,)", got)
    if len(images) != len(labels):
        raise _fault(
            labels_path,
            f"as many labels as there are images, {len(images):,}",
            f"{len(labels):,} labels",
            "images and labels are of different sets; get both anew",
        )
    if len(labels) == 0:
        raise _fault(images_path, "at least one image", "none")
    wrong = np.flatnonzero(labels >= len(spec.classes))
    if len(wrong):
        first = int(wrong[0])
        raise _fault(
            labels_path,
            f"labels from 0 to {len(spec.classes) - 1}",
            f"{int(labels[first])} at index {first}",
        )


def _fault(
    path: PathType, expected: str, got: str, hint: str = "delete the file and get it anew"
) -> DataError:
    return DataError("read images", str(path), expected=expected, got=got, hint=hint)


def _is_dir(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def _idx_path(folder: Path, spec: DatasetSpec, part: str) -> Path | None:
    name = spec.files[part].name
    return _first(folder, name, f"{name}.gz", *_dotted(name))


def _csv_path(folder: Path, spec: DatasetSpec, split: str) -> Path | None:
    return _first(folder, spec.csv[split], f"{spec.csv[split]}.gz")


def _dotted(name: str) -> tuple[str, str]:
    # Some collections write train-images.idx3-ubyte.
    dotted = name.replace("-idx", ".idx")
    return dotted, f"{dotted}.gz"


def _first(folder: Path, *names: str) -> Path | None:
    return next((folder / name for name in names if (folder / name).exists()), None)
