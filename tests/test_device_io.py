"""Weights of a device to disk, and from disk to a device."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nnlite
from nnlite import io, nn
from nnlite.errors import DeviceError, DtypeError
from tests.strict import transfers

ENDINGS = [".npz", ".safetensors"]
LOADERS: list[Callable[..., Any]] = [
    lambda f, device: nnlite.load(f, map_location=device),
    lambda f, device: io.load_file(f, device=device),
    lambda f, device: (io.load_npz if f.suffix == ".npz" else io.load_safetensors)(f, device),
]


def model() -> nn.Sequential:
    nnlite.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))


def same(loaded: Any, device: str) -> None:
    expected = model().state_dict()
    assert sorted(loaded) == sorted(expected)
    for name, tensor in loaded.items():
        assert str(tensor.device) == device
        np.testing.assert_array_equal(tensor.to(device="cpu").numpy(), expected[name].numpy())
        assert tensor.dtype == expected[name].dtype


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("saved", ["cpu", "strict"])
def test_a_file_does_not_know_the_device(ending: str, saved: str, tmp_path: Path) -> None:
    path, reference = tmp_path / f"a{ending}", tmp_path / f"b{ending}"
    state = model().to(saved).state_dict()
    before = transfers.count
    io.save_file(state, path)
    assert transfers.count - before == (len(state) if saved == "strict" else 0)
    nnlite.save(model().state_dict(), reference)
    assert path.read_bytes() == reference.read_bytes()
    same(nnlite.load(path), "cpu")


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("load", LOADERS)
def test_loading_to_a_device(ending: str, load: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / f"net{ending}"
    nnlite.save(model().state_dict(), path)
    for device in ("strict", "cpu", nnlite.device("strict")):
        same(load(path, device), str(device))
    with pytest.raises(DeviceError, match="tpu"):
        load(path, "tpu")
    with pytest.raises(DtypeError, match="expected a device"):
        load(path, nnlite.float64)


def test_map_location_as_a_dict_names_the_place_of_the_cpu(tmp_path: Path) -> None:
    path = tmp_path / "net.npz"
    nnlite.save(model().state_dict(), path)
    same(nnlite.load(path, {"cpu": "strict"}), "strict")
    same(nnlite.load(path, {"cuda:0": "strict"}), "cpu")
    with pytest.raises(DtypeError, match=r"function.*map_location='cpu'"):
        nnlite.load(path, lambda storage, location: storage)


def test_a_missing_device_is_named_before_the_file_is_read(tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match="tpu"):
        nnlite.load(tmp_path / "missing.npz", map_location="tpu")


def test_from_disk_into_a_model_on_a_device(tmp_path: Path) -> None:
    path = tmp_path / "net.npz"
    nnlite.save(model().state_dict(), path)
    nnlite.manual_seed(5)
    other = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4)).to("strict")
    other.load_state_dict(nnlite.load(path))
    same(other.state_dict(), "strict")
