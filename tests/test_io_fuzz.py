"""Damaged files of weights: one documented error, never a part of the weights, never a crash."""

from __future__ import annotations

import json
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import nnlite
from nnlite.errors import DataError
from nnlite.io import load_npz, load_safetensors, save_npz, save_safetensors

FAST = settings(
    max_examples=300,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
STATE = {
    "w": nnlite.from_numpy(np.arange(6.0).reshape(2, 3)),
    "flags": nnlite.tensor([True, False, True]),
    "n": nnlite.tensor(7),
}


def _whole(save: Callable[..., None], folder: Path) -> bytes:
    save(STATE, folder / "whole")
    return (folder / "whole").read_bytes()


def _is_complete(loaded: Any) -> None:
    """What a loader may return instead of refusing: sound tensors, each readable to its end."""
    for name, tensor in loaded.items():
        assert isinstance(name, str)
        assert tensor.array.nbytes == tensor.numel() * tensor.dtype.itemsize
        assert len(tensor.array.tobytes()) == tensor.array.nbytes


def _refused(load: Callable[..., Any], path: Path, content: bytes) -> str:
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        load(path)
    assert str(path) in str(caught.value)
    assert caught.value.expected
    assert caught.value.got
    assert caught.value.hint
    return str(caught.value)


@pytest.mark.parametrize(
    ("save", "load"), [(save_safetensors, load_safetensors), (save_npz, load_npz)]
)
def test_truncated_anywhere(save: Any, load: Any, tmp_path: Path) -> None:
    whole = _whole(save, tmp_path)
    for n in range(len(whole)):
        _refused(load, tmp_path / "cut", whole[:n])


# -- safetensors -----------------------------------------------------------------------------


def _file(header: Any, data: bytes = b"", length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def _f32(shape: list[Any], start: int, end: int) -> dict[str, Any]:
    return {"dtype": "F32", "shape": shape, "data_offsets": [start, end]}


MALFORMED = {
    "header length beyond the file": _file({"a": _f32([1], 0, 4)}, bytes(4), length=10_000),
    "header length of 2^64 - 1": _file({"a": _f32([1], 0, 4)}, bytes(4), length=2**64 - 1),
    "header length of 0": _file({"a": _f32([1], 0, 4)}, bytes(4), length=0),
    "no JSON": _file(b"{'a': 1}    ", bytes(4)),
    "JSON that is no object": _file([1, 2], bytes(4)),
    "JSON nested too deep": _file(b"[" * 200_000, bytes(4)),
    "text that is no UTF-8": _file(b'{"\xff\xfe": 1}', bytes(4)),
    "overlapping offsets": _file({"a": _f32([2], 0, 8), "b": _f32([2], 4, 12)}, bytes(12)),
    "the same bytes twice": _file({"a": _f32([2], 0, 8), "b": _f32([2], 0, 8)}, bytes(8)),
    "reversed offsets": _file({"a": _f32([1], 4, 0)}, bytes(4)),
    "negative offsets": _file({"a": _f32([1], -4, 0)}, bytes(4)),
    "a hole at the start": _file({"a": _f32([1], 4, 8)}, bytes(8)),
    "a hole between": _file({"a": _f32([1], 0, 4), "b": _f32([1], 8, 12)}, bytes(12)),
    "shape larger than the bytes": _file({"a": _f32([3], 0, 4)}, bytes(4)),
    "shape smaller than the bytes": _file({"a": _f32([1], 0, 8)}, bytes(8)),
    "a product of sizes that overflows": _file({"a": _f32([2**62, 4], 0, 0)}),
    "one that overflows to the right count": _file({"a": _f32([2**32, 2**32, 4], 0, 0)}),
    "a product times the item size": _file({"a": _f32([2**62], 0, 0)}),
    "a negative size": _file({"a": _f32([-1, -1], 0, 4)}, bytes(4)),
    "a broken size": _file({"a": _f32([1.5], 0, 6)}, bytes(6)),
    "a size beyond 64 bits": _file({"a": _f32([2**70, 0], 0, 0)}),
    "offsets beyond the file": _file({"a": _f32([4], 0, 16)}, bytes(4)),
    "trailing bytes": _file({"a": _f32([1], 0, 4)}, bytes(5)),
    "an unknown dtype": _file(
        {"a": {"dtype": "F33", "shape": [1], "data_offsets": [0, 4]}}, bytes(4)
    ),
    "no dtype": _file({"a": {"shape": [1], "data_offsets": [0, 4]}}, bytes(4)),
    "metadata that is no text": _file({"__metadata__": {"a": 1}, "a": _f32([1], 0, 4)}, bytes(4)),
    "a name twice": _file(
        b'{"a":' + json.dumps(_f32([1], 0, 4)).encode() + b',"a":'
        + json.dumps(_f32([1], 4, 8)).encode() + b"}", bytes(8)
    ),
    "an empty file": b"",
    "a file of text": b"<!DOCTYPE html><html>not found</html>",
}  # fmt: skip


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_safetensors(name: str, tmp_path: Path) -> None:
    """mlx#3365."""
    _refused(load_safetensors, tmp_path / "x.safetensors", MALFORMED[name])


def test_the_builder_of_these_files_builds_sound_ones_too(tmp_path: Path) -> None:
    path = tmp_path / "sound.safetensors"
    path.write_bytes(_file({"a": _f32([1], 0, 4), "b": _f32([2, 1], 4, 12)}, bytes(12)))
    loaded = load_safetensors(path)
    assert {name: tensor.shape for name, tensor in loaded.items()} == {"a": (1,), "b": (2, 1)}


def test_booleans_of_any_byte_are_sound(tmp_path: Path) -> None:
    path = tmp_path / "flags.safetensors"
    header = {"a": {"dtype": "BOOL", "shape": [3], "data_offsets": [0, 3]}}
    path.write_bytes(_file(header, b"\x00\x02\xff"))
    flags = load_safetensors(path)["a"]
    assert flags.array.tobytes() == b"\x00\x01\x01"


SIZES = st.one_of(st.integers(0, 5), st.integers(-2, 2**65), st.none(), st.floats())
HEADERS = st.dictionaries(
    st.text(max_size=3),
    st.fixed_dictionaries(
        {
            "dtype": st.sampled_from(["F32", "F64", "I8", "BOOL", "BF16", "F8_E4M3", "x"]),
            "shape": st.lists(SIZES, max_size=3),
            "data_offsets": st.lists(st.integers(-1, 20), min_size=1, max_size=3),
        }
    ),
    max_size=3,
)


@FAST
@given(header=HEADERS, data=st.binary(max_size=24))
def test_random_headers(header: Any, data: bytes, tmp_path: Path) -> None:
    _loads_or_refuses(load_safetensors, tmp_path / "x", _file(header, data))


def _loads_or_refuses(load: Callable[..., Any], path: Path, content: bytes) -> None:
    path.write_bytes(content)
    try:
        loaded = load(path)
    except DataError:
        return
    _is_complete(loaded)


CHANGES = st.lists(
    st.tuples(
        st.sampled_from(["set", "delete", "insert"]), st.integers(0, 10_000), st.integers(0, 255)
    ),
    min_size=1,
    max_size=4,
)


def _changed(whole: bytes, changes: list[tuple[str, int, int]]) -> bytes:
    content = bytearray(whole)
    for kind, at, byte in changes:
        at %= len(content)
        if kind == "set":
            content[at] = byte
        elif kind == "insert":
            content.insert(at, byte)
        elif len(content) > 1:
            del content[at]
    return bytes(content)


@FAST
@given(changes=CHANGES)
def test_changed_safetensors(changes: Any, tmp_path: Path) -> None:
    whole = _whole(save_safetensors, tmp_path)
    _loads_or_refuses(load_safetensors, tmp_path / "x", _changed(whole, changes))


# -- npz -------------------------------------------------------------------------------------


@FAST
@given(changes=CHANGES)
def test_changed_npz(changes: Any, tmp_path: Path) -> None:
    whole = _whole(save_npz, tmp_path)
    _loads_or_refuses(load_npz, tmp_path / "x", _changed(whole, changes))


def test_every_byte_of_an_npz(tmp_path: Path) -> None:
    """Numbers are under a checksum: no change of one byte passes for other weights."""
    whole, path = _whole(save_npz, tmp_path), tmp_path / "x"
    for i in range(len(whole)):
        path.write_bytes(whole[:i] + bytes([whole[i] ^ 0xFF]) + whole[i + 1 :])
        try:
            loaded = load_npz(path)
        except DataError:
            continue
        for name, tensor in loaded.items():
            if name in STATE:
                assert tensor.tolist() == STATE[name].tolist()


def _npz(members: list[tuple[str, bytes]], path: Path, compression: int = 0) -> bytes:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return path.read_bytes()


def _npy(header: str, data: bytes = b"", version: bytes = b"\x01\x00") -> bytes:
    text = header.encode("latin1") + b"\n"
    return b"\x93NUMPY" + version + struct.pack("<H", len(text)) + text + data


GOOD = "{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}"
BAD_NPY = {
    "too few bytes": _npy(GOOD, bytes(7)),
    "too many bytes": _npy(GOOD, bytes(9)),
    "absurd shape": _npy(GOOD.replace("(2,)", "(4611686018427387904,)"), bytes(8)),
    "product that overflows": _npy(GOOD.replace("(2,)", "(4294967296, 4294967296)"), bytes(8)),
    "negative size": _npy(GOOD.replace("(2,)", "(-2,)"), bytes(8)),
    "two negative sizes": _npy(GOOD.replace("(2,)", "(-1, -2)"), bytes(8)),
    "structured": _npy(GOOD.replace("'<f4'", "[('a', '<f4')]"), bytes(8)),
    "text": _npy(GOOD.replace("<f4", "<U1"), bytes(8)),
    "complex": _npy(GOOD.replace("<f4", "<c8"), bytes(16)),
    "half": _npy(GOOD.replace("<f4", "<f2"), bytes(4)),
    "dates": _npy(GOOD.replace("<f4", "<M8[s]"), bytes(16)),
    "objects": _npy(GOOD.replace("<f4", "|O"), bytes(16)),
    "code in the header": _npy("__import__('os').abort()", bytes(8)),
    "version 9": _npy(GOOD, bytes(8), version=b"\x09\x00"),
    "no npy": b"hello",
    "nothing": b"",
    "a shape that is no tuple": _npy(GOOD.replace("(2,)", "'2'"), bytes(8)),
    "a header that opens brackets": _npy("(" * 5000, bytes(8)),
}


@pytest.mark.parametrize("name", BAD_NPY)
def test_malformed_npz(name: str, tmp_path: Path) -> None:
    """libnpy#44, cnpy#106, llama.cpp#25378."""
    good = _npz([("w.npy", _npy(GOOD, bytes(8)))], tmp_path / "good")
    assert list(load_npz(tmp_path / "good")) == ["w"]
    assert good
    bad = _npz([("v.npy", _npy(GOOD, bytes(8))), ("w.npy", BAD_NPY[name])], tmp_path / "bad")
    _refused(load_npz, tmp_path / "x.npz", bad)


def test_npz_with_other_members(tmp_path: Path) -> None:
    content = _npz([("w.npy", _npy(GOOD, bytes(8))), ("readme.txt", b"hi")], tmp_path / "a")
    assert "readme.txt" in _refused(load_npz, tmp_path / "x", content)
    with pytest.warns(UserWarning, match="Duplicate name"):
        content = _npz([("w.npy", _npy(GOOD, bytes(8)))] * 2, tmp_path / "b")
    assert "stands there twice" in _refused(load_npz, tmp_path / "x", content)


@pytest.mark.parametrize(("field", "value"), [(8, 1), (10, 99)], ids=["encrypted", "compression"])
def test_npz_that_python_cannot_unpack(field: int, value: int, tmp_path: Path) -> None:
    content = bytearray(_npz([("w.npy", _npy(GOOD, bytes(8)))], tmp_path / "a"))
    content[content.rindex(b"PK\x01\x02") + field] = value  # in the table at the end
    content[field - 2] = value  # and before the part
    _refused(load_npz, tmp_path / "x", bytes(content))


def test_a_bomb_takes_no_memory(tmp_path: Path) -> None:
    """A part that says it holds 2^40 bytes is refused by its header alone."""
    header = _npy(GOOD.replace("(2,)", "(274877906944,)"))
    content = bytearray(_npz([("w.npy", header)], tmp_path / "a", zipfile.ZIP_DEFLATED))
    central = content.rindex(b"PK\x01\x02")
    struct.pack_into("<I", content, central + 24, 0xFFFFFFF0)  # the uncompressed size
    assert "sizes that cannot be true" in _refused(load_npz, tmp_path / "x", bytes(content))
