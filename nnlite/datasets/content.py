"""The content of a data file, plain or gzip, read in small pieces and never beyond need."""

from __future__ import annotations

import os
import stat
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from os import PathLike
from typing import TypeAlias

from nnlite.errors import DataError

PathType: TypeAlias = "str | PathLike[str]"

CHUNK = 1 << 16
GZIP_MAGIC = b"\x1f\x8b"
_DEFLATE_MAX_RATIO = 1032  # one deflate bit stream cannot grow further; zlib's technical notes
_FETCH_AGAIN = "delete the file and get it anew"


class Content:
    """Uncompressed bytes from a source of raw bytes; gzip is recognised by its first two bytes.

    Args:
        read: returns up to n raw bytes, b"" at the end, as the ``read`` of a file.
        op: the function that reads, for errors.
        name: the file, for errors.

    Raises:
        DataError: by ``read``, where the gzip stream is cut short, corrupt (checksum included) or
            followed by anything, a second gzip member included.
    """

    def __init__(self, read: Callable[[int], bytes], op: str, name: str) -> None:
        self._read = read
        self.op = op
        self.name = name
        self._pending = read(CHUNK)
        while len(self._pending) == 1 and (more := read(CHUNK)):
            self._pending += more
        self.is_gzip = self._pending[:2] == GZIP_MAGIC
        self._inflate = zlib.decompressobj(wbits=31) if self.is_gzip else None

    def fail(self, expected: str, got: str, hint: str = _FETCH_AGAIN) -> DataError:
        """The error that says what is wrong with this file."""
        return DataError(self.op, self.name, expected=expected, got=got, hint=hint)

    def read(self, size: int) -> bytes:
        """Up to ``size`` (at least 1) bytes of content; b"" at its sound end only."""
        if self._inflate is None:
            if not self._pending:
                self._pending = self._read(CHUNK)
            out, self._pending = self._pending[:size], self._pending[size:]
            return out
        while not self._inflate.eof:
            if not self._pending:
                self._pending = self._read(CHUNK)
                if not self._pending:
                    raise self.fail("a whole gzip file", "one that is cut short")
            try:
                out = self._inflate.decompress(self._pending, size)
            except zlib.error as error:
                raise self.fail("sound gzip data", f"corrupt data ({error})") from error
            self._pending = self._inflate.unconsumed_tail
            if out:
                return out
        rest = self._inflate.unused_data or self._read(2)
        if rest:
            second = rest[:2] == GZIP_MAGIC
            got = "a second gzip member" if second else "further bytes after it"
            raise self.fail("one gzip member and nothing else", got)
        return b""

    def read_up_to(self, size: int) -> bytes:
        """``size`` bytes, or fewer where the content ends before."""
        parts = []
        while size > 0 and (part := self.read(size)):
            parts.append(part)
            size -= len(part)
        return b"".join(parts)


class FileContent(Content):
    """The content of an open file.

    Attributes:
        at_most: an upper bound of the content's length, known before anything is inflated.
    """

    def __init__(self, read: Callable[[int], bytes], op: str, name: str, file_size: int) -> None:
        super().__init__(read, op, name)
        self.at_most = file_size * (_DEFLATE_MAX_RATIO if self.is_gzip else 1)


@contextmanager
def open_content(path: PathType, op: str) -> Iterator[FileContent]:
    """Open a file for reading its content; the file is closed at the end of the with block.

    Raises:
        DataError: there is no such file, it is no regular file, or it cannot be read.
    """
    name = os.fspath(path)
    if "\0" in name:
        raise DataError(op, repr(name), expected="a path", got="a null byte", hint="check the path")
    try:
        info = os.stat(name)
        if not stat.S_ISREG(info.st_mode):  # a pipe would wait for ever
            kind = "a folder" if stat.S_ISDIR(info.st_mode) else "something else"
            raise DataError(op, name, expected="a file", got=kind, hint="name the data file itself")
        with open(name, "rb") as file:
            yield FileContent(file.read, op, name, info.st_size)
    except FileNotFoundError as error:
        raise DataError(
            op, name, expected="a file", got="nothing there", hint="check the path"
        ) from error
    except OSError as error:
        raise DataError(
            op, name, expected="a readable file", got=str(error), hint="check path and permissions"
        ) from error


def what_it_looks_like(head: bytes) -> tuple[str, str]:
    """A description of a file that is not what its name says, and what to do about it."""
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if not head:
        return "an empty file", _FETCH_AGAIN
    if start.startswith((b"<!doctype", b"<html", b"<?xml", b"<head", b"<error", b"<")):
        return (
            "an HTML or XML page",
            "a server sent its error page or a log-in page instead; " + _FETCH_AGAIN,
        )
    if start.startswith(b"version https://git-lfs"):
        return "a Git LFS pointer, not the file", "run `git lfs pull` in that repository"
    if head.startswith(b"PK\x03\x04"):
        return "a zip archive", "unpack it first"
    return f"a file that begins with {head[:4].hex(' ')}", _FETCH_AGAIN
