"""IDX files: the format of MNIST and Fashion-MNIST.

Two zero bytes, a type code, the number of dimensions, the dimensions as big-endian uint32, then
the numbers, big-endian. Source: "The IDX file format", http://yann.lecun.com/exdb/mnist/
"""

from __future__ import annotations

import math
import struct
from typing import Any

import numpy as np

from nnlite.datasets.content import FileContent, PathType, open_content, what_it_looks_like

MAX_IMAGES = 70_000
MAX_BYTES = MAX_IMAGES * 28 * 28
_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_MAX_DIMS = 32
_PIECE = 1 << 18


def read_idx(path: PathType, *, max_bytes: int = MAX_BYTES) -> np.ndarray[Any, Any]:
    """The array in an IDX file, plain or gzip, in this machine's byte order.

    Type codes: 8 uint8, 9 int8, B int16, C int32, D float32, E float64. The header is checked
    against ``max_bytes`` and the file's size before memory is taken for the numbers, and no more
    is inflated than the header announces.

    Args:
        path: the file; gzip is recognised by its content, not by its name.
        max_bytes: the most that the numbers may take up; room for 70,000 images of 28 x 28.

    Raises:
        DataError: the file is missing, no IDX file, cut short, corrupt, larger than max_bytes, or
            followed by further bytes.
    """
    with open_content(path, "read_idx") as content:
        dtype, shape = _read_header(content, max_bytes)
        return _read_numbers(content, dtype, shape)


def idx_header(shape: tuple[int, ...]) -> bytes:
    """The header of an IDX file of uint8 numbers of that shape."""
    return struct.pack(f">HBB{len(shape)}I", 0, 0x08, len(shape), *shape)


def _read_header(content: FileContent, max_bytes: int) -> tuple[np.dtype[Any], tuple[int, ...]]:
    magic = content.read_up_to(4)
    code = _TYPES.get(magic[2]) if len(magic) == 4 and magic[:2] == b"\0\0" else None
    if code is None or not 1 <= magic[3] <= _MAX_DIMS:
        got, hint = what_it_looks_like(magic + content.read_up_to(60))
        raise content.fail("an IDX file (0, 0, type code, number of dimensions)", got, hint)
    dtype, ndim = np.dtype(code), magic[3]
    sizes = content.read_up_to(4 * ndim)
    if len(sizes) < 4 * ndim:
        raise content.fail(
            f"an IDX header of {4 + 4 * ndim} bytes", f"a file that ends after {4 + len(sizes)}"
        )
    shape = struct.unpack(f">{ndim}I", sizes)
    # A zero dimension must not hide that the others are absurd. Python's integers do not overflow.
    if dtype.itemsize * math.prod(max(size, 1) for size in shape) > max_bytes:
        raise content.fail(
            f"at most {max_bytes:,} bytes of numbers",
            f"a header that announces {dtype.name} of shape {shape}",
            "if the file is right, raise max_bytes of read_idx",
        )
    return dtype, shape


def _read_numbers(
    content: FileContent, dtype: np.dtype[Any], shape: tuple[int, ...]
) -> np.ndarray[Any, Any]:
    nbytes = dtype.itemsize * math.prod(shape)
    announced = f"{nbytes:,} bytes of numbers, as its header announces for {shape}"
    if nbytes > content.at_most:
        raise content.fail(announced, "a file too short for that")
    buffer = np.empty(nbytes, np.uint8)
    view = buffer.data
    done = 0
    while done < nbytes:
        part = content.read(min(nbytes - done, _PIECE))
        if not part:
            raise content.fail(announced, f"{done:,} bytes: the file is cut short")
        view[done : done + len(part)] = part
        done += len(part)
    if content.read(1):
        raise content.fail(announced, "further bytes after them")
    x = buffer.view(dtype).reshape(shape)
    if not dtype.isnative:
        x = x.byteswap(inplace=True).view(dtype.newbyteorder())
    return x
