"""Where Fashion-MNIST and MNIST come from, the sample, and the Dataset classes."""

from __future__ import annotations

import gzip
import hashlib
import shutil
import socket
import struct
from pathlib import Path

import numpy as np
import pytest

from nnlite.datasets import FashionMNIST, load_fashion_mnist, load_mnist, sources
from nnlite.datasets import make_sample as make
from nnlite.datasets.sources import SAMPLE_FOLDER, Options, load
from nnlite.datasets.specs import FASHION_MNIST, PARTS, FileSpec
from nnlite.datasets.specs import MNIST as MNIST_SPEC
from nnlite.errors import DataError, DtypeError
from tests.test_datasets_download import Server, server  # noqa: F401

RNG = np.random.default_rng(0)
ARRAYS = {
    "train_images": RNG.integers(0, 256, (20, 28, 28), dtype=np.uint8),
    "train_labels": (np.arange(20) % 10).astype(np.uint8),
    "test_images": RNG.integers(0, 256, (10, 28, 28), dtype=np.uint8),
    "test_labels": np.arange(10, dtype=np.uint8),
}


def idx(x: np.ndarray) -> bytes:
    return bytes([0, 0, 8, x.ndim]) + struct.pack(f">{x.ndim}I", *x.shape) + x.tobytes()


def tiny(spec=FASHION_MNIST, **changes):
    """The dataset as if it were the 30 images above."""
    files = {}
    for part in PARTS:
        data = idx(ARRAYS[part])
        files[part] = FileSpec(spec.files[part].name, len(data), hashlib.sha256(data).hexdigest())
    return spec._replace(files=files, system_folder="", **changes)


def write(folder: Path, form: str = "gz", parts=PARTS) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for part in parts:
        data, name = idx(ARRAYS[part]), FASHION_MNIST.files[part].name
        if form == "gz":
            (folder / f"{name}.gz").write_bytes(gzip.compress(data))
        elif form == "dotted":
            (folder / name.replace("-idx", ".idx")).write_bytes(data)
        else:
            (folder / name).write_bytes(data)
    return folder


def write_csv(folder: Path, prefix: str = "fashion-mnist") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for split in ("train", "test"):
        images, labels = ARRAYS[f"{split}_images"], ARRAYS[f"{split}_labels"]
        rows = np.concatenate([labels[:, None], images.reshape(len(images), -1)], axis=1)
        np.savetxt(folder / f"{prefix}_{split}.csv", rows, fmt="%d", delimiter=",")
    return folder


@pytest.fixture(autouse=True)
def _nowhere(monkeypatch, tmp_path):
    """No folder, no cache and no network, unless the test says so."""
    monkeypatch.delenv("NNLITE_DATA", raising=False)
    monkeypatch.delenv("NNLITE_OFFLINE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(sources, "download", _no_download)


def _no_download(*args, **kwargs):
    raise DataError("download", "x", expected="an answer", got="no network here", hint="none")


def same(splits) -> None:
    for split, got in splits.items():
        np.testing.assert_array_equal(got.images, ARRAYS[f"{split}_images"])
        np.testing.assert_array_equal(got.labels, ARRAYS[f"{split}_labels"])
        assert got.labels.dtype == np.int64


# -- folders -----------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["gz", "plain", "dotted", "csv"])
@pytest.mark.parametrize("below", ["", "fashion-mnist", "FashionMNIST/raw"])
@pytest.mark.parametrize("how", ["data", "root", "NNLITE_DATA"])
def test_folder_forms(tmp_path, monkeypatch, form, below, how):
    folder = tmp_path / "d" / below
    write_csv(folder) if form == "csv" else write(folder, form)
    if how == "NNLITE_DATA":
        monkeypatch.setenv(how, str(tmp_path / "d"))
        options = Options()
    else:
        options = Options(**{how: str(tmp_path / "d")})
    loaded = load(tiny(), options)
    same(loaded.splits)
    assert loaded.verified  # the CSV holds the same images, so it is the original as well
    assert not loaded.is_sample
    assert str(folder) in loaded.source
    assert load(FASHION_MNIST, options).verified is False


@pytest.mark.parametrize("how", ["data", "NNLITE_DATA"])
@pytest.mark.parametrize("what", ["missing", "empty", "a file", "other set"])
def test_named_folder_without_the_set(tmp_path, monkeypatch, how, what):
    folder = tmp_path / "d"
    if what == "empty":
        folder.mkdir()
    elif what == "a file":
        folder.write_text("x")
    elif what == "other set":
        write(folder / "mnist")
    options = Options(data=folder) if how == "data" else Options()
    if how == "NNLITE_DATA":
        monkeypatch.setenv(how, str(folder))
    with pytest.raises(DataError) as caught:
        load(FASHION_MNIST, options)
    assert str(folder) in caught.value.argument
    assert how in caught.value.argument
    assert "dataset-fashion-mnist" in caught.value.hint


def test_order_of_sources(tmp_path, monkeypatch):
    spec = tiny()
    a, b, c = (write(tmp_path / name) for name in "abc")
    cache = write(tmp_path / "cache" / "nnlite" / "fashion-mnist", "plain")
    debian = spec._replace(system_folder=str(c))
    monkeypatch.setenv("NNLITE_DATA", str(b))
    assert str(a) in load(debian, Options(data=a)).source
    assert str(b) in load(debian, Options()).source
    monkeypatch.delenv("NNLITE_DATA")
    assert str(c) in load(debian, Options()).source
    assert str(cache) in load(spec, Options()).source
    shutil.rmtree(cache)
    assert load(spec, Options()).is_sample


def test_one_split_does_not_read_the_other(tmp_path):
    folder = write(tmp_path / "d", parts=("test_images", "test_labels"))
    same(load(tiny(), Options(data=folder), ("test",)).splits)
    with pytest.raises(DataError, match="train-"):
        load(tiny(), Options(data=folder))


def test_partial_idx_beside_whole_csv(tmp_path):
    folder = write(tmp_path / "d", parts=("train_images",))
    write_csv(folder)
    same(load(tiny(), Options(data=folder)).splits)


@pytest.mark.parametrize("name", [FASHION_MNIST.files[part].name for part in PARTS])
@pytest.mark.parametrize("how", ["cut", "html", "lfs"])
def test_corrupt_file_in_named_folder(tmp_path, name, how):
    folder = write(tmp_path / "d")
    path = folder / f"{name}.gz"
    path.write_bytes(
        {"cut": path.read_bytes()[:-5], "html": b"<html>", "lfs": b"version https://git-lfs"}[how]
    )
    with pytest.raises(DataError, match=name):
        load(tiny(), Options(data=folder))


@pytest.mark.parametrize(
    ("part", "x", "got"),
    [
        ("train_labels", np.full(20, 10, np.uint8), "10 at index 0"),
        ("train_labels", np.arange(20, dtype=np.uint8), "10 at index 10"),
        ("train_labels", np.zeros(19, np.uint8), "19 labels"),
        ("train_labels", np.zeros((20, 1), np.uint8), "(20, 1)"),
        ("train_images", np.zeros((20, 28, 27), np.uint8), "(20, 28, 27)"),
        ("train_images", np.zeros((20, 784), np.uint8), "(20, 784)"),
        ("test_images", np.zeros((0, 28, 28), np.uint8), "10 labels"),
    ],
)
def test_unfit_content(tmp_path, part, x, got):
    folder = write(tmp_path / "d")
    (folder / f"{FASHION_MNIST.files[part].name}.gz").write_bytes(gzip.compress(idx(x)))
    with pytest.raises(DataError) as caught:
        load(tiny(), Options(data=folder))
    assert got in caught.value.got


def test_wrong_label_in_csv(tmp_path):
    folder = write_csv(tmp_path / "d")
    path = folder / "fashion-mnist_train.csv"
    path.write_text("11" + path.read_text()[1:])
    with pytest.raises(DataError, match="11 at index 0"):
        load(tiny(), Options(data=folder))


def test_data_is_no_path():
    with pytest.raises(DtypeError):
        load_fashion_mnist(5)


# -- cache and download ------------------------------------------------------------------------


def serve(server: Server, folder: Path):  # noqa: F811
    """Mirror the folder's files; returns the mirrors and the list of what was asked for."""
    handler = server.RequestHandlerClass

    class Files(handler):
        def do_GET(self):  # noqa: N802
            self.server.asked.append(self.path)
            data = (folder / self.path.strip("/")).read_bytes()
            self.answer(data, len(data))

    server.RequestHandlerClass = Files
    return [f"http://127.0.0.1:{server.server_port}/"], server.asked


@pytest.fixture
def mirror(server, tmp_path, monkeypatch):  # noqa: F811
    from nnlite.datasets.download import download

    monkeypatch.setattr(sources, "download", download)
    return serve(server, write(tmp_path / "www"))


def test_download_then_cache(tmp_path, mirror):
    mirrors, asked = mirror
    names = []
    options = Options(mirrors=mirrors, progress=lambda name, done, total: names.append(name))
    loaded = load(tiny(), options)
    same(loaded.splits)
    assert loaded.verified
    assert "downloaded" in loaded.source
    assert len(asked) == 4
    assert set(names) == {file.name for file in tiny().files.values()}
    loaded = load(tiny(), options)
    assert "cache" in loaded.source
    assert len(asked) == 4  # nothing asked for


@pytest.mark.parametrize("damage", ["cut", "flip", "remove", "grow"])
def test_corrupt_cache_is_fetched_again(tmp_path, mirror, damage):
    """datapythonista/mnist#17."""
    mirrors, asked = mirror
    load(tiny(), Options(mirrors=mirrors))
    path = tmp_path / "cache/nnlite/fashion-mnist/train-images-idx3-ubyte"
    data = path.read_bytes()
    path.unlink()
    if damage != "remove":
        changed = {"cut": data[:-1], "flip": data[:-1] + b"\0", "grow": data + b"\0"}[damage]
        assert changed != data
        path.write_bytes(changed)
    loaded = load(tiny(), Options(mirrors=mirrors))
    same(loaded.splits)
    assert loaded.verified
    assert len(asked) == 5
    assert path.read_bytes() == data


def test_offline_with_a_cache_asks_nobody(tmp_path, monkeypatch):
    write(tmp_path / "cache/nnlite/fashion-mnist", "plain")

    def refuse(*args, **kwargs):
        raise AssertionError("a network call")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(sources, "download", refuse)
    same(load(tiny(), Options()).splits)
    same(load(tiny(), Options(download=False)).splits)


@pytest.mark.parametrize("how", ["download=False", "NNLITE_OFFLINE"])
def test_network_forbidden(monkeypatch, how):
    def refuse(*args, **kwargs):
        raise AssertionError("a network call")

    monkeypatch.setattr(sources, "download", refuse)
    if how == "NNLITE_OFFLINE":
        monkeypatch.setenv("NNLITE_OFFLINE", "1")
    assert load_fashion_mnist(download=how != "download=False").is_sample
    with pytest.raises(DataError, match="forbidden"):
        load_mnist(download=how != "download=False")


def test_root_is_downloaded_to(tmp_path, mirror):
    mirrors, asked = mirror
    root = tmp_path / "new"
    same(load(tiny(), Options(root=root, mirrors=mirrors)).splits)
    assert len(list((root / "fashion-mnist").iterdir())) == 4
    same(load(tiny(), Options(root=root, download=False)).splits)
    assert len(asked) == 4
    with pytest.raises(DataError, match="no such folder"):
        load(tiny(), Options(root=tmp_path / "other", download=False))


@pytest.mark.parametrize("home", ["", "none"])
def test_no_place_for_a_cache(tmp_path, monkeypatch, home):
    (tmp_path / "none").write_text("a file, where a folder should be")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "none") if home else "relative")
    monkeypatch.setenv("HOME", str(tmp_path / "none"))
    assert load_fashion_mnist().is_sample


# -- the sample --------------------------------------------------------------------------------


def test_sample():
    data = load_fashion_mnist()
    assert data.is_sample
    assert data.verified
    assert "not comparable" in data.source
    assert data.train_images.shape == (6000, 28, 28)
    assert data.test_images.shape == (1000, 28, 28)
    assert data.train_images.dtype == np.uint8
    assert data.train_labels.dtype == data.test_labels.dtype == np.int64
    assert np.bincount(data.train_labels).tolist() == [600] * 10
    assert np.bincount(data.test_labels).tolist() == [100] * 10
    assert data.classes[9] == "Ankle boot"
    assert set(data.sha256) == set(PARTS)
    with pytest.raises(AttributeError):
        data.source = "elsewhere"
    assert sum(path.stat().st_size for path in SAMPLE_FOLDER.iterdir()) < 3_200_000


def test_sample_forbidden():
    with pytest.raises(DataError) as caught:
        load_fashion_mnist(sample=False)
    assert "no network here" in caught.value.got
    assert "NNLITE_DATA" in caught.value.hint
    with pytest.raises(DataError):
        FashionMNIST(sample=False)


def test_mnist_has_no_sample():
    with pytest.raises(DataError) as caught:
        load_mnist()
    assert "NNLITE_DATA" in caught.value.hint


def test_damaged_sample_is_not_taken_for_it(tmp_path, monkeypatch):
    shutil.copytree(SAMPLE_FOLDER, tmp_path / "s")
    write(tmp_path / "s")
    monkeypatch.setattr(sources, "SAMPLE_FOLDER", tmp_path / "s")
    with pytest.raises(DataError, match="installation"):
        load_fashion_mnist()


def test_sample_regenerated_from_the_full_set(data_dir, tmp_path):
    make.main(["--data", str(data_dir), "--out", str(tmp_path)])
    for part in PARTS:
        name = f"{FASHION_MNIST.files[part].name}.gz"
        shipped = gzip.decompress((SAMPLE_FOLDER / name).read_bytes())
        assert gzip.decompress((tmp_path / name).read_bytes()) == shipped


def test_sample_is_not_made_of_anything_else(tmp_path):
    for folder in (write(tmp_path / "d"), SAMPLE_FOLDER):
        with pytest.raises(DataError, match="original"):
            make.sample_files(folder)


def test_full_sets(data_dir):
    for load_it, spec in ((load_fashion_mnist, FASHION_MNIST), (load_mnist, MNIST_SPEC)):
        data = load_it(data_dir)
        assert data.verified
        assert not data.is_sample
        assert data.train_images.shape == (60_000, 28, 28)
        assert np.bincount(data.test_labels).sum() == 10_000
        assert data.sha256 == {part: spec.files[part].sha256 for part in PARTS}
    with pytest.raises(DataError, match="the images of MNIST"):
        load_fashion_mnist(data_dir / "mnist")
    with pytest.raises(DataError, match="the images of Fashion-MNIST"):
        load_mnist(data_dir / "fashion-mnist")
