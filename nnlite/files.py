"""Writing a file so that it is at each moment either the old one or the new one, whole."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from os import PathLike
from pathlib import Path
from typing import BinaryIO, TypeAlias

PathType: TypeAlias = "str | PathLike[str]"


@contextmanager
def atomic_write(path: PathType) -> Iterator[BinaryIO]:
    """A file that takes path's name when the with block ends well, and vanishes otherwise.

    It is written beside its target, flushed to the disk, and renamed. Where path is a symbolic link
    the file that it points to is replaced; an existing file's permissions are kept. What a killed
    process left behind is removed by the next one that writes to the same path.

    Raises:
        OSError: the folder cannot be written to, or the disk is full; the old file is intact.
    """
    target = Path(os.path.realpath(path))
    _remove_litter(target)
    temporary, file = _create(target)
    try:
        with file:
            with suppress(FileNotFoundError):
                os.chmod(temporary, stat.S_IMODE(target.stat().st_mode))
            yield file
            file.flush()
            os.fsync(file.fileno())
            if (
                os.name == "posix"
            ):  # still marked: nobody takes it for litter before it has its name
                os.replace(temporary, target)
        if os.name != "posix":  # there an open file cannot be renamed, and litter stays
            os.replace(temporary, target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    with suppress(OSError):  # some systems cannot open a folder; the content is safe already
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _create(target: Path) -> tuple[Path, BinaryIO]:
    """A new file beside target, marked as being written."""
    for last in (False, False, False, True):
        path = target.with_name(f".{target.name}.{os.getpid()}-{os.urandom(4).hex()}.part")
        file = open(path, "xb")  # noqa: SIM115  (closed by atomic_write)
        # another process may have taken it for litter before it was marked
        if (_lock(file) and path.exists()) or last:
            break
        file.close()
        path.unlink(missing_ok=True)
    return path, file


def _lock(file: BinaryIO) -> bool:
    """Mark a file as being written; a process that dies lets go of the mark."""
    try:
        import fcntl
    except ImportError:  # Windows: litter stays where it is
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _remove_litter(target: Path) -> None:
    """Remove the temporary files of dead processes, but not one that is being written."""
    start, end = f".{target.name}.", ".part"
    with suppress(OSError):
        for entry in os.scandir(target.parent):
            if entry.name.startswith(start) and entry.name.endswith(end):
                with suppress(OSError), open(entry.path, "rb+") as file:
                    if _lock(file):
                        os.unlink(entry.path)
