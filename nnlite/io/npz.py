"""Npz: a zip file with one array in NumPy's npy format for each name. Needs nothing but NumPy.

Source: numpy.lib.format. Written without compression, which saves little on weights.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from nnlite.backend import Device
from nnlite.errors import DataError
from nnlite.files import PathType, atomic_write
from nnlite.io.weights import (
    Weights,
    as_arrays,
    as_weights,
    bad_file,
    size_of,
    target_device,
    what_it_is,
)

if TYPE_CHECKING:  # at run time imported where it is used: it would cost a tenth of `import nnlite`
    import zipfile

_MAX_RATIO = 1032  # deflate cannot make less of more; zlib's technical notes
_MAX_HEADER = 1 << 14
_HEADER = re.compile(
    r"\{'descr': *'(?P<order>[<>|=]?)(?P<kind>[^'<>|=]*)', *"
    r"'fortran_order': *(?P<fortran>True|False), *"
    r"'shape': *\((?P<shape>(\d{1,19}, *)*(\d{1,19})?)\),? *\}\s*"
)
_KINDS = {"f8", "f4", "i8", "i4", "i2", "i1", "u1", "b1"}
_OP = "load_npz"
_UNREADABLE = (  # beside the errors of zipfile and zlib
    ValueError,  # not npy inside; also a name or header that is no text
    EOFError,
    OSError,
    RuntimeError,  # encrypted, or packed in a way that Python lacks
)


def save_npz(state_dict: Mapping[str, Any], path: PathType) -> None:
    """Write a state_dict; the file appears whole or not at all. ``np.load`` reads it too.

    Args:
        state_dict: name -> Tensor or array, as ``Module.state_dict`` returns.

    Raises:
        DtypeError: anything else.
        OSError: the file cannot be written; an older one is intact.
    """
    import zipfile

    arrays = as_arrays("save_npz", state_dict)
    with atomic_write(path) as file, zipfile.ZipFile(file, "w") as archive:
        for name, array in arrays.items():
            # a fixed date: the same weights make the same file
            entry = zipfile.ZipInfo(f"{name}.npy")
            with archive.open(entry, "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)


def load_npz(path: PathType, device: str | Device | None = None) -> Weights:
    """Name -> Tensor on a device, the CPU by default, as ``Module.load_state_dict`` takes it.

    Reads what ``np.savez`` and ``np.savez_compressed`` write. Each header is checked against the
    size of its part before memory is taken.

    Raises:
        DataError: the file is missing, no npz file, cut short, corrupt, or holds objects (pickle)
            or numbers that nnlite does not compute in. Nothing is loaded then.
        DeviceError: device is not there.
    """
    import zipfile
    import zlib

    target = target_device(_OP, "device", device)
    size = size_of(_OP, path)
    try:
        with zipfile.ZipFile(path) as archive:
            arrays = _read_all(archive, path, size)
    except DataError:
        raise
    except (zipfile.BadZipFile, zlib.error, *_UNREADABLE) as error:
        raise bad_file(
            _OP, path, "a sound npz file", f"{error}"[:200] or "the end", what_it_is(path)
        ) from error
    return as_weights(arrays, target)


def _read_all(
    archive: zipfile.ZipFile, path: PathType, size: int
) -> dict[str, np.ndarray[Any, Any]]:
    entries = archive.infolist()
    names = [entry.filename.removesuffix(".npy") for entry in entries]
    if len(set(names)) != len(names):
        raise bad_file(_OP, path, "each name once", "one that stands there twice")
    packed, full = (sum(e.compress_size for e in entries), sum(e.file_size for e in entries))
    if packed > size or full > packed * _MAX_RATIO:
        raise bad_file(_OP, path, "parts that fit into the file", "sizes that cannot be true")
    return {name: _read(archive, entry, path) for name, entry in zip(names, entries, strict=True)}


def _read(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, path: PathType) -> np.ndarray[Any, Any]:
    if not entry.filename.endswith(".npy"):
        raise bad_file(
            _OP, path, "arrays (.npy) and nothing else", entry.filename[:80], what_it_is(path)
        )
    with archive.open(entry) as member:
        shape, is_fortran, dtype = _read_header(member, entry.filename, path)
        count = math.prod(shape) * dtype.itemsize
        if count > entry.file_size:
            raise bad_file(_OP, path, f"{count} bytes for {entry.filename}", "a smaller part")
        content = bytearray(count)
        done = 0
        while done < count and (piece := member.read(min(count - done, 1 << 24))):
            content[done : done + len(piece)] = piece
            done += len(piece)
        if done < count or member.read(1):
            more = "more" if done == count else f"{done}"
            raise bad_file(_OP, path, f"{count} bytes for {entry.filename}", more)
    array = np.frombuffer(content, dtype=dtype).reshape(shape, order="F" if is_fortran else "C")
    return np.asarray(array, dtype=dtype.newbyteorder("="), order="C")


def _read_header(
    member: IO[bytes], name: str, path: PathType
) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, whether the order is Fortran's, and dtype; NumPy's own reader evaluates the text."""
    start = member.read(8)
    long = start[6:] == b"\x02\x00"
    if start[:6] != b"\x93NUMPY" or (start[6:] != b"\x01\x00" and not long):
        raise bad_file(_OP, path, "npy format 1.0 or 2.0", f"{start[:8]!r} in {name}")
    size = member.read(4 if long else 2)
    text = member.read(min(int.from_bytes(size, "little"), _MAX_HEADER)).decode("latin1")
    found = _HEADER.fullmatch(text)
    if found is None:
        raise bad_file(_OP, path, "an npy header of plain numbers", f"{text[:80]!r} in {name}")
    kind = found["kind"]
    if kind not in _KINDS:
        got = "Python objects (a pickle)" if kind == "O" else kind
        raise bad_file(_OP, path, "plain numbers", f"{got} in {name}")
    shape = tuple(int(n) for n in found["shape"].replace(",", " ").split())
    order = found["order"].replace("|", "=")
    return shape, found["fortran"] == "True", np.dtype(order + kind)
