"""Where the images come from: the first of several sources that has them."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import NamedTuple

from nnlite.datasets.download import TIMEOUT, Progress, download
from nnlite.datasets.folder import Split, find_folder, idx_sha256, locate, read_split, user_path
from nnlite.datasets.idx import read_idx
from nnlite.datasets.specs import DatasetSpec, FileSpec
from nnlite.errors import DataError

SAMPLE_FOLDER = Path(__file__).parent / "sample"
SPLITS = ("train", "test")


class Options(NamedTuple):
    """How to look for a dataset.

    Attributes:
        data: a folder that must have it.
        root: a folder to look into first and to download to; it need not exist.
        download: whether the network may be used.
        progress: told how a download goes on.
        sample: whether the sample inside nnlite will do.
        mirrors: addresses instead of the known ones.
        timeout: seconds to wait for a mirror.
    """

    data: str | PathLike[str] | None = None
    root: str | PathLike[str] | None = None
    download: bool = True
    progress: Progress | None = None
    sample: bool = True
    mirrors: Sequence[str] | None = None
    timeout: float = TIMEOUT


class Loaded(NamedTuple):
    """The splits asked for, and where they came from.

    Attributes:
        splits: by name, "train" and "test".
        source: a sentence.
        is_sample: whether this is the sample inside nnlite.
        verified: whether it is the original set, or that sample, byte for byte.
        sha256: of the uncompressed IDX file of each part.
        fallback: whether the sample was taken because nothing else was to be had.
    """

    splits: dict[str, Split]
    source: str
    is_sample: bool
    verified: bool
    sha256: dict[str, str]
    fallback: bool = False


def cache_folder() -> Path | None:
    r"""nnlite's folder among the user's caches; None where the user has no home.

    ``$XDG_CACHE_HOME/nnlite`` if that is set, else by platform ``~/.cache/nnlite``,
    ``~/Library/Caches/nnlite`` or ``%LOCALAPPDATA%\nnlite``.
    """
    base = os.environ.get("XDG_CACHE_HOME", "")
    if not os.path.isabs(base):
        if sys.platform == "win32":
            base = os.environ.get("LOCALAPPDATA", "")
        else:
            caches = "Library/Caches" if sys.platform == "darwin" else ".cache"
            base = os.path.join(os.path.expanduser("~"), caches)
    return Path(base, "nnlite") if os.path.isabs(base) else None


def load(spec: DatasetSpec, options: Options, splits: Sequence[str] = SPLITS) -> Loaded:
    """The dataset from the first source that has it.

    In this order: the folder ``data``; the folder ``root``; the folder that the environment
    variable NNLITE_DATA names; the folder of a system package; nnlite's cache; a download into
    the cache (or root); the sample inside nnlite. All splits come from one source.

    Raises:
        DataError: a folder that the user names lacks the dataset; a file there is unsound; or no
            source has it.
    """
    here = options.data
    argument = "data"
    if here is None and options.root is not None:
        argument = "root"
        if not options.download or locate(user_path(options.root, "root"), spec):
            here = options.root
    if here is None:
        argument, here = "NNLITE_DATA", os.environ.get("NNLITE_DATA") or None
    if here is not None:
        return _from_folder(find_folder(here, spec, argument), spec, splits)
    if spec.system_folder and (folder := locate(Path(spec.system_folder), spec)):
        return _from_folder(folder, spec, splits)
    try:
        return _from_cache(spec, options, splits)
    except (DataError, OSError) as error:
        if spec.sample and options.sample:
            return _from_sample(spec, splits)
        raise DataError(
            f"load {spec.title}",
            expected="its files in NNLITE_DATA, in the cache or on a mirror",
            got=error.got if isinstance(error, DataError) else str(error),
            hint=spec.get_it,
        ) from error


def _from_folder(folder: Path, spec: DatasetSpec, splits: Sequence[str]) -> Loaded:
    read = {split: read_split(folder, spec, split) for split in splits}
    return _loaded(read, spec, f"{spec.title} from {folder}")


def _from_sample(spec: DatasetSpec, splits: Sequence[str]) -> Loaded:
    loaded = _from_folder(SAMPLE_FOLDER, spec, splits)
    if not loaded.is_sample:
        raise DataError(
            f"load {spec.title}",
            str(SAMPLE_FOLDER),
            expected="the sample as it was released (by SHA-256)",
            got="other content",
            hint="this installation is damaged; install nnlite again",
        )
    return loaded._replace(fallback=True)


def _loaded(read: dict[str, Split], spec: DatasetSpec, source: str) -> Loaded:
    sha256 = {part: value for split in read.values() for part, value in split.sha256.items()}
    is_sample = bool(spec.sample) and all(spec.sample[p].sha256 == h for p, h in sha256.items())
    verified = is_sample or all(spec.files[p].sha256 == h for p, h in sha256.items())
    if is_sample:
        source = (
            f"the sample of {spec.title} inside nnlite (6,000 + 1,000 images); "
            "its accuracy is not comparable with the full set's"
        )
    return Loaded(read, source, is_sample, verified, sha256)


def _from_cache(spec: DatasetSpec, options: Options, splits: Sequence[str]) -> Loaded:
    base = cache_folder() if options.root is None else user_path(options.root, "root")
    if base is None:
        raise OSError("no home folder to keep a cache in")
    folder = base / spec.folder
    fetched = False
    for part, file in spec.files.items():
        path = folder / file.name
        if _is_sound(path, file, whole=part.split("_")[0] in splits):
            continue
        if not options.download or os.environ.get("NNLITE_OFFLINE", "") not in ("", "0"):
            raise OSError(f"{path} is missing or unsound, and downloads are forbidden")
        mirrors = spec.mirrors if options.mirrors is None else options.mirrors
        download(file, path, mirrors, progress=options.progress, timeout=options.timeout)
        fetched = True
    how = "downloaded to" if fetched else "from the cache"
    read = {split: read_split(folder, spec, split) for split in splits}
    return _loaded(read, spec, f"{spec.title}, {how} {folder}")


def _is_sound(path: Path, file: FileSpec, whole: bool) -> bool:
    """Whether a cached file is the right one; where it is not needed now, by its size."""
    if not path.is_file() or path.stat().st_size != file.size:
        return False
    if not whole:
        return True
    try:
        return idx_sha256(read_idx(path)) == file.sha256
    except DataError:
        return False
