"""IDX and CSV files: right ones are read, wrong ones give one DataError, soon, in little memory."""

from __future__ import annotations

import gzip
import os
import struct
import time
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nnlite.datasets import read_csv, read_idx
from nnlite.errors import DataError

CODES = {8: ">u1", 9: ">i1", 0xB: ">i2", 0xC: ">i4", 0xD: ">f4", 0xE: ">f8"}


def idx(x: np.ndarray, code: int = 8) -> bytes:
    sizes = struct.pack(f">{x.ndim}I", *x.shape)
    return bytes([0, 0, code, x.ndim]) + sizes + x.astype(CODES[code]).tobytes()


IMAGES = np.random.default_rng(0).integers(0, 256, (3, 4, 5), dtype=np.uint8)
SOUND = idx(IMAGES)


def header(*sizes: int, code: int = 8) -> bytes:
    return bytes([0, 0, code, len(sizes)]) + struct.pack(f">{len(sizes)}I", *sizes)


def refused(path: Path, read=read_idx, within: float = 1.0) -> DataError:
    """The DataError that reading gives, within a second and 64 MiB, leaving no file open."""
    tracemalloc.start()
    start = time.process_time()  # not the clock: other processes may have the cores
    try:
        with pytest.raises(DataError) as caught:
            read(path)
        assert time.process_time() - start < within
        assert tracemalloc.get_traced_memory()[1] < 64 * 2**20
        opened = {os.path.realpath(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd")}
        assert os.path.realpath(path) not in opened
    finally:
        tracemalloc.stop()
    error = caught.value
    assert str(path) in error.argument
    assert error.op
    assert error.expected
    assert error.got
    assert error.hint
    return error


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize("shape", [(7,), (2, 3), (0, 28, 28), (2, 1, 3, 2)])
def test_every_type_code(tmp_path, code, pack, shape):
    dtype = np.dtype(CODES[code])
    rng = np.random.default_rng(code)
    x = (rng.normal(size=shape) * 100).astype(dtype)
    path = tmp_path / "x"
    path.write_bytes(pack(idx(x, code)))
    got = read_idx(path)
    assert got.dtype == dtype.newbyteorder("=")
    assert got.dtype.isnative
    assert got.shape == shape
    np.testing.assert_array_equal(got, x)
    got[...] = 0  # ours to write to


def test_truncated_anywhere(tmp_path):
    """deeplearning4j#3670, #4588, #4792; tensorflow#15668."""
    path = tmp_path / "x"
    for whole in (SOUND, gzip.compress(SOUND)):
        for end in range(len(whole)):
            path.write_bytes(whole[:end])
            refused(path)


def test_truncated_inside_a_large_file(tmp_path):
    path = tmp_path / "x"
    big = idx(np.random.default_rng(0).integers(0, 256, (1000, 28, 28), dtype=np.uint8))
    path.write_bytes(big[:-1])
    assert "short" in refused(path).got
    path.write_bytes(gzip.compress(big)[:-9])
    assert "cut short" in refused(path).got


BAD = {
    "trailing byte": SOUND + b"\0",
    "trailing byte inside gzip": gzip.compress(SOUND + b"\0"),
    "trailing byte after gzip": gzip.compress(SOUND) + b"\0",
    "second member": gzip.compress(SOUND) + gzip.compress(b"more"),
    "second empty member": gzip.compress(SOUND) + gzip.compress(b""),
    "wrong checksum": gzip.compress(SOUND)[:-8] + b"\1\2\3\4" + gzip.compress(SOUND)[-4:],
    "wrong length field": gzip.compress(SOUND)[:-4] + b"\1\2\3\4",
    "first bytes not zero": b"\1" + SOUND[1:],
    "unknown type code": header(3, code=0x0A) + b"abc",
    "no dimensions": bytes([0, 0, 8, 0]),
    "255 dimensions": header(*[1] * 255) + b"a",
    "product overflows to 0": header(2**30, 2**30, 16),
    "product overflows, hidden by 0": header(0, 2**32 - 1, 2**32 - 1),
    "oversized": header(70_001, 28, 28),
    "announced but not there": header(60_000, 28, 28),
    "announced but not there, gzip": gzip.compress(header(60_000, 28, 28)),
    "HTML": b"<!DOCTYPE html>\n<html><body>404 Not Found</body></html>",
    "HTML, gzip": gzip.compress(b"<html>log in</html>"),
    "Git LFS": b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n",
    "zip": b"PK\x03\x04" + bytes(40),
    "empty": b"",
    "text": b"hello, world",
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_files(tmp_path, kind):
    """datapythonista/mnist#17, #19; libnpy#44; DALI PR #6443."""
    path = tmp_path / "train-images-idx3-ubyte.gz"
    path.write_bytes(BAD[kind])
    error = refused(path)
    words = {
        "HTML": "HTML", "HTML, gzip": "HTML", "Git LFS": "Git LFS", "zip": "zip",
        "empty": "empty", "second member": "second", "wrong checksum": "corrupt",
        "oversized": "70001",
    }  # fmt: skip
    assert words.get(kind, "") in error.got


def _bomb(head: bytes, zeros: int = 256 * 2**20) -> bytes:
    packer = zlib.compressobj(9, wbits=31)
    block = bytes(2**20)
    parts = [packer.compress(head)]
    parts += [packer.compress(block) for _ in range(zeros // 2**20)]
    return b"".join([*parts, packer.flush()])


@pytest.mark.parametrize(
    "head", [header(1), header(60_000, 28, 28), header(70_000, 28, 28), header(2**28)]
)
def test_gzip_bomb(tmp_path, head):
    """keras PR #21880, #22975; CVE-2026-0897."""
    path = tmp_path / "x.gz"
    path.write_bytes(_bomb(head))
    assert path.stat().st_size < 2**20
    refused(path)


def test_csv_bomb(tmp_path):
    path = tmp_path / "x.csv"
    path.write_bytes(_bomb(b"1"))
    refused(path, read_csv)
    path.write_bytes(gzip.compress((b"1" + b",0" * 784 + b"\n") * 70_001, 1))
    assert "more" in refused(path, read_csv, within=4).got  # tracing makes it slow


def test_no_such_file_folder_and_pipe(tmp_path):
    assert "nothing there" in refused(tmp_path / "none").got
    assert "folder" in refused(tmp_path).got
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    refused(pipe)
    with pytest.raises(DataError):
        read_idx("a\0b")


def test_max_bytes(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(SOUND)
    assert read_idx(path, max_bytes=60).shape == (3, 4, 5)
    with pytest.raises(DataError, match="at most 59 bytes"):
        read_idx(path, max_bytes=59)


mutation = st.one_of(
    st.tuples(st.just("cut"), st.integers(0, 200), st.just(0)),
    st.tuples(st.just("set"), st.integers(0, 200), st.integers(0, 255)),
    st.tuples(st.just("add"), st.integers(0, 200), st.integers(0, 255)),
)


@settings(
    max_examples=400,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],  # the file is written anew
)
@given(packed=st.booleans(), mutations=st.lists(mutation, min_size=1, max_size=4))
def test_fuzz(tmp_path, packed, mutations):
    data = bytearray(gzip.compress(SOUND, mtime=0) if packed else SOUND)
    for kind, where, value in mutations:
        where = min(where, len(data))
        if kind == "cut":
            del data[where:]
        elif kind == "add":
            data.insert(where, value)
        elif where < len(data):
            data[where] = value
    path = tmp_path / "x"
    path.write_bytes(data)
    try:
        got = read_idx(path)
    except DataError:
        return
    if packed:  # the checksum leaves only the header fields of gzip free
        np.testing.assert_array_equal(got, IMAGES)
    else:
        assert len(data) == 4 + 4 * got.ndim + got.nbytes
        assert got.tobytes() == bytes(data[4 + 4 * got.ndim :]) or got.dtype.itemsize > 1


# -- CSV ---------------------------------------------------------------------------------------

PIXELS = np.random.default_rng(1).integers(0, 256, (500, 28, 28), dtype=np.uint8)
LABELS = (np.arange(500) % 10).astype(np.uint8)


def csv_text(newline: str = "\n", last: bool = True) -> str:
    rows = np.concatenate([LABELS[:, None], PIXELS.reshape(500, 784)], axis=1)
    text = newline.join(",".join(map(str, row)) for row in rows.tolist())
    return text + newline if last else text


NAMES = "label," + ",".join(f"pixel{i}" for i in range(1, 785))


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("last", [True, False])
@pytest.mark.parametrize("names", ["", NAMES, '"' + NAMES.replace(",", '","') + '"', "\ufeff"])
@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_csv(tmp_path, newline, last, names, pack):
    text = names + (newline if names.strip("\ufeff") else "") + csv_text(newline, last)
    path = tmp_path / "x.csv"
    path.write_bytes(pack(text.encode()))
    images, labels = read_csv(path)
    assert images.dtype == labels.dtype == np.uint8
    np.testing.assert_array_equal(images, PIXELS)
    np.testing.assert_array_equal(labels, LABELS)


ROW = "3" + ",0" * 784 + "\n"


@pytest.mark.parametrize(
    ("text", "got"),
    [
        (ROW + ROW[:-3] + "\n" + ROW, "784 fields in line 2"),
        (NAMES + "\n" + ROW + ROW[:-1] + ",7\n", "786 fields in line 3"),
        (ROW + ROW.replace("3,0", "3,256"), "'256' in line 2"),
        (ROW + ROW.replace("3,0", "3,-1"), "'-1' in line 2"),
        (ROW + ROW.replace("3,0", "3,1.5"), "'1.5' in line 2"),
        (ROW + ROW.replace("3,0", "3,"), "'' in line 2"),
        (ROW + ROW.replace("3,0", "3, 0"), "' 0' in line 2"),
        (ROW + ROW.replace("3,0", "3,0000"), "'0000' in line 2"),
        (ROW + "\n" + ROW, "1 fields in line 2"),
        (ROW[:-1].replace(",", ";") + "\n", "1 fields"),
        (ROW + ROW[:700], "in line 2"),
        ("label,pixel1\n" + ROW, "begins with"),
        (NAMES + "\n", "no images"),
        (NAMES, "begins with"),
        ("", "empty"),
        ("<html></html>", "HTML"),
        ("1" * 100_000, "over"),
    ],
)
def test_bad_csv(tmp_path, text, got):
    path = tmp_path / "x.csv"
    path.write_text(text)
    assert got in refused(path, read_csv).got


def test_bad_line_far_down_is_named(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text(ROW * 2999 + ROW.replace("3,0", "3,x") + ROW * 10)
    assert "line 3000" in refused(path, read_csv).got
