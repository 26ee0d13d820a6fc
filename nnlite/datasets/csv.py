"""Images as CSV: one per line, the label first, then 784 pixels, all whole numbers 0 to 255."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnlite.datasets.content import FileContent, PathType, open_content, what_it_looks_like
from nnlite.datasets.idx import MAX_IMAGES
from nnlite.errors import DataError

_COLUMNS = 1 + 28 * 28
_LONGEST_LINE = 1 << 14
_BLOCK = 1 << 18
_COMMA, _NEWLINE, _ZERO = b",\n0"
_FORM = "a label and 784 pixels a line, whole numbers 0 to 255, separated by commas"
_HINT = "a header line is allowed, quotes and blanks in the numbers are not"


def read_csv(
    path: PathType, *, max_images: int = MAX_IMAGES
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Images (N, 28, 28) and labels (N,), both uint8, of a CSV file, plain or gzip.

    A first line that does not begin with a digit is a header. The format does not say how many
    lines there should be, so a file cut off between two lines is read as a shorter one.

    Raises:
        DataError: the file is missing, corrupt, not of this form (the line is named), or holds
            more than max_images.
    """
    pixels, labels = bytearray(), bytearray()
    with open_content(path, "read_csv") as content:
        rest, line = _skip_header(content)
        more = True
        while more:
            block = content.read(_BLOCK)
            more = bool(block)
            rest += block if more or not rest or rest.endswith(b"\n") else b"\n"
            cut = rest.rfind(b"\n") + 1
            if len(rest) - cut > _LONGEST_LINE:
                raise content.fail(_FORM, f"a line of over {_LONGEST_LINE:,} bytes", _HINT)
            if cut == 0:
                continue
            rows = _parse(content, rest[:cut].replace(b"\r\n", b"\n"), line)  # (n, 785)
            rest, line = rest[cut:], line + len(rows)
            labels += rows[:, 0].tobytes()
            pixels += rows[:, 1:].tobytes()
            if len(labels) > max_images:
                raise content.fail(
                    f"at most {max_images:,} images", "more", "if it is right, raise max_images"
                )
        if not labels:
            raise content.fail(_FORM, "no images", _HINT)
    return (
        np.frombuffer(pixels, np.uint8).reshape(-1, 28, 28),
        np.frombuffer(labels, np.uint8),
    )


def _skip_header(content: FileContent) -> tuple[bytes, int]:
    """What follows the header in the first piece read, and the number of its first line."""
    head = content.read_up_to(_LONGEST_LINE).removeprefix(b"\xef\xbb\xbf")
    if head[:1].isdigit():
        return head, 1
    first, newline, rest = head.partition(b"\n")
    if not newline or first.count(b",") != _COLUMNS - 1:
        got, hint = what_it_looks_like(head[:64])
        raise content.fail(_FORM, got, hint)
    return rest, 2


def _parse(content: FileContent, text: bytes, line: int) -> np.ndarray[Any, Any]:
    """Whole lines as uint8 (n, 785), without a Python loop over 47 million numbers."""
    x = np.frombuffer(text, np.uint8)
    digit = x - np.uint8(_ZERO)  # separators wrap round to above 9
    ends = np.flatnonzero(digit > 9)
    length = np.diff(ends, prepend=-1) - 1
    sound = len(ends) % _COLUMNS == 0 and bool(np.all((length >= 1) & (length <= 3)))
    if sound:
        separators = x[ends].reshape(-1, _COLUMNS)  # (n, 785)
        sound = bool(np.all(separators[:, :-1] == _COMMA) and np.all(separators[:, -1] == _NEWLINE))
    if sound:
        value = digit[ends - 1].astype(np.uint16)
        value += np.where(length > 1, digit[ends - 2], 0) * np.uint16(10)
        value += np.where(length > 2, digit[ends - 3], 0) * np.uint16(100)
        sound = not np.any(value > 255)
    if not sound:
        raise _first_fault(content, text, line)
    return value.astype(np.uint8).reshape(-1, _COLUMNS)


def _first_fault(content: FileContent, text: bytes, line: int) -> DataError:
    got = "something else"
    for number, row in enumerate(text.split(b"\n")[:-1], line):
        fields = row.split(b",")
        if len(fields) != _COLUMNS:
            got = f"{len(fields)} fields in line {number}"
            break
        bad = [f for f in fields if not (f.isdigit() and len(f) <= 3 and int(f) <= 255)]
        if bad:
            got = f"{bad[0][:20]!r} in line {number}"
            break
    return content.fail(_FORM, got, _HINT)
