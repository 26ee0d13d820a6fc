"""Weights on disk: round trips, with PyTorch too, and what is refused."""

from __future__ import annotations

import io
import os
import pickle
import sys
import time
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
import safetensors.torch
import torch

import nnlite
from nnlite import nn
from nnlite.errors import ArgumentError, DataError, DtypeError, MissingExtraError
from nnlite.io import load_npz, load_safetensors, save_npz, save_safetensors

FORMATS = [
    pytest.param(save_npz, load_npz, ".npz", id="npz"),
    pytest.param(save_safetensors, load_safetensors, ".safetensors", id="safetensors"),
]
RNG = np.random.default_rng(5)


def _state() -> dict[str, Any]:
    """Every dtype, and shapes of all kinds."""
    numbers = RNG.integers(0, 2, (2, 3))
    state: dict[str, Any] = {
        f"of.{name}": nnlite.tensor(numbers.astype(name))
        for name in ("float64", "float32", "int64", "int32", "int16", "int8", "uint8", "bool")
    }
    state["0-d"] = nnlite.tensor(3.5)
    state["count"] = nnlite.tensor(7)
    state["empty"] = nnlite.zeros(0, 4)
    state["transposed"] = nnlite.from_numpy(RNG.standard_normal((3, 5)).T)
    state["reversed"] = nnlite.from_numpy(RNG.standard_normal(6)[::-2])
    state["edges"] = nnlite.tensor([np.nan, np.inf, -np.inf, -0.0, 1e-45])
    state["an array"] = RNG.standard_normal(3).astype(">f4")
    state["file"] = state["ä/ö"] = nnlite.ones(1)
    state["parameter"] = nn.Parameter(nnlite.ones(2))
    return state


def _same(actual: Any, expected: Any) -> None:
    """Equal to the bit, and in the machine's byte order."""
    assert set(actual) == set(expected)
    for name, value in expected.items():
        x = np.asarray(value.detach().numpy() if hasattr(value, "detach") else value)
        y = actual[name].detach().numpy()
        assert y.dtype == x.dtype.newbyteorder("="), name
        assert y.shape == x.shape, name
        assert y.tobytes() == x.astype(y.dtype).tobytes(), name


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(2))
        self.head = nn.Linear(4, 10)

    def forward(self, x: Any) -> Any:
        return self.head(self.features(x).mean((2, 3)))


class TorchNet(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.features = torch.nn.Sequential(
            torch.nn.Conv2d(1, 4, 3), torch.nn.ReLU(), torch.nn.MaxPool2d(2)
        )
        self.head = torch.nn.Linear(4, 10)

    def forward(self, x: Any) -> Any:
        return self.head(self.features(x).mean((2, 3)))


# -- round trips -----------------------------------------------------------------------------


@pytest.mark.parametrize(("save", "load", "ending"), FORMATS)
def test_round_trip(save: Any, load: Any, ending: str, tmp_path: Path) -> None:
    state, path = _state(), tmp_path / f"weights{ending}"
    save(state, path)
    loaded = load(path)
    assert type(loaded) is OrderedDict
    _same(loaded, state)
    for tensor in loaded.values():
        assert type(tensor) is nnlite.Tensor
        assert not tensor.requires_grad
        assert tensor.array.flags.writeable
    assert os.listdir(tmp_path) == [path.name]
    save({}, path)
    assert load(path) == {}


@pytest.mark.parametrize(("save", "load", "ending"), FORMATS)
def test_same_weights_make_the_same_file(
    save: Any, load: Any, ending: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = _state()
    save(state, tmp_path / "a")
    monkeypatch.setattr(time, "localtime", lambda *_: time.gmtime(10**9))
    save(state, tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize("ending", [".npz", ".safetensors", ".NPZ"])
def test_save_and_load_by_ending(ending: str, tmp_path: Path) -> None:
    model, other = Net(), Net()
    nnlite.save(model.state_dict(), tmp_path / f"net{ending}")
    other.load_state_dict(nnlite.load(str(tmp_path / f"net{ending}"), map_location="cpu"))
    _same(other.state_dict(), model.state_dict())


def test_npz_from_numpy_and_back(tmp_path: Path) -> None:
    state = {"w": RNG.standard_normal((3, 2)), "b": np.asfortranarray(RNG.standard_normal((2, 3)))}
    for savez in (np.savez, np.savez_compressed):
        savez(tmp_path / "theirs.npz", **state)
        _same(load_npz(tmp_path / "theirs.npz"), state)
    save_npz(state, tmp_path / "ours.npz")
    with np.load(tmp_path / "ours.npz", allow_pickle=False) as archive:
        assert list(archive) == ["w", "b"]
        for name, x in state.items():
            assert (archive[name] == x).all()


# -- with PyTorch ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "make", [(Net, TorchNet), (lambda: nn.BatchNorm2d(3), lambda: torch.nn.BatchNorm2d(3))]
)
def test_weights_pass_both_ways(make: Any, tmp_path: Path) -> None:
    ours, theirs = make[0](), make[1]()
    for parameter in theirs.parameters():
        torch.nn.init.normal_(parameter, generator=torch.Generator().manual_seed(1))
    for buffer in theirs.buffers():
        buffer += 3
    numbers = {name: t.numpy() for name, t in theirs.state_dict().items()}
    ours.load_state_dict(numbers)
    _same(ours.state_dict(), theirs.state_dict())

    path = tmp_path / "theirs.safetensors"
    safetensors.torch.save_file(theirs.state_dict(), path, metadata={"format": "pt"})
    fresh = make[0]()
    fresh.load_state_dict(load_safetensors(path))
    _same(fresh.state_dict(), theirs.state_dict())

    path = tmp_path / "ours.safetensors"
    save_safetensors(ours.state_dict(), path)
    back = make[1]()
    back.load_state_dict(safetensors.torch.load_file(path))
    _same(back.state_dict(), theirs.state_dict())

    save_npz(ours.state_dict(), tmp_path / "ours.npz")
    with np.load(tmp_path / "ours.npz") as archive:
        back.load_state_dict({name: torch.from_numpy(archive[name]) for name in archive})
    _same(back.state_dict(), theirs.state_dict())


def test_loaded_weights_compute_the_same(tmp_path: Path) -> None:
    theirs, ours = TorchNet(), Net()
    safetensors.torch.save_file(theirs.state_dict(), tmp_path / "net.safetensors")
    ours.load_state_dict(nnlite.load(tmp_path / "net.safetensors"))
    x = RNG.standard_normal((2, 1, 8, 8)).astype(np.float32)
    expected = theirs(torch.from_numpy(x)).detach().numpy()
    np.testing.assert_allclose(ours(nnlite.from_numpy(x)).detach().numpy(), expected, atol=1e-6)


def test_half_precision_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "half.safetensors"
    for dtype, name in ((torch.bfloat16, "BF16"), (torch.float16, "F16")):
        safetensors.torch.save_file({"a": torch.ones(2), "b": torch.ones(2, dtype=dtype)}, path)
        with pytest.raises(DataError, match=f"got {name} in b"):
            load_safetensors(path)


# -- what is not weights ---------------------------------------------------------------------


@pytest.mark.parametrize(("save", "load", "ending"), FORMATS)
@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Net(), "expected a mapping from names to tensors, got Net"),
        (nnlite.ones(2), "expected a mapping from names to tensors, got Tensor"),
        ({"w": 1.0}, "w: expected a Tensor or an array, got float"),
        ({"model": {"w": nnlite.ones(2)}}, "model: expected a Tensor or an array, got dict"),
        ({1: nnlite.ones(2)}, "expected names that are text, got 1"),
        ({"a\0b": nnlite.ones(2)}, "expected names that are text"),
        ({"\ud800": nnlite.ones(2)}, "expected names that are text"),
        ({"__metadata__": nnlite.ones(2)}, "expected names that are text"),
        ({"w": np.array([None])}, "w: expected one of bool, .* got object"),
        ({"w": np.ones(2, np.float16)}, "w: expected one of bool, .* got float16"),
    ],
)
def test_other_objects_are_refused(
    save: Any, load: Any, ending: str, value: Any, text: str, tmp_path: Path
) -> None:
    with pytest.raises(DtypeError, match=text):
        save(value, tmp_path / f"x{ending}")
    assert os.listdir(tmp_path) == []


def test_other_endings_and_files_are_refused(tmp_path: Path) -> None:
    for name in ("net.pt", "net.pth", "net", "net.pkl", ".npz"):
        with pytest.raises(ArgumentError, match=r"save: f: expected a path that ends in"):
            nnlite.save({}, tmp_path / name)
        with pytest.raises(ArgumentError, match=r"load: f: expected a path .*pickles, which run"):
            nnlite.load(tmp_path / name)
    with pytest.raises(DtypeError, match="f: expected a path, got BytesIO"):
        nnlite.load(io.BytesIO())
    with pytest.raises(ArgumentError, match="weights_only: expected True"):
        nnlite.load(tmp_path / "net.npz", weights_only=False)


class _Canary:
    """Leaves a file where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return (Path.touch, (self.path,))


@pytest.mark.parametrize("load", [load_npz, load_safetensors])
@pytest.mark.parametrize("kind", ["object array", "raw pickle", "pt", "npy"])
def test_pickles_are_refused_unread(load: Any, kind: str, tmp_path: Path) -> None:
    """huntr PR #1504."""
    sung, path = tmp_path / "sung", tmp_path / "weights"
    canary = _Canary(sung)
    with open(path, "wb") as file:
        if kind == "object array":
            np.savez(file, w=np.array([canary], dtype=object))
        elif kind == "npy":
            np.save(file, np.array([canary], dtype=object), allow_pickle=True)
        elif kind == "pt":
            torch.save({"w": canary}, file)
        else:
            pickle.dump({"w": canary}, file)
    with pytest.raises(DataError):
        load(path)
    assert not sung.exists()
    pickle.loads(pickle.dumps(canary))
    assert sung.exists(), "the canary does sing"


def test_the_hint_says_what_it_is(tmp_path: Path) -> None:
    path = tmp_path / "weights"
    torch.save({"w": torch.ones(2)}, path)
    with pytest.raises(DataError, match=r"looks like a pickle.*safetensors\.torch\.save_file"):
        load_npz(path)
    save_npz({"w": nnlite.ones(2)}, path)
    with pytest.raises(DataError, match="looks like a zip or npz"):
        load_safetensors(path)
    save_safetensors({"w": nnlite.ones(2)}, path)
    with pytest.raises(DataError, match="looks like a safetensors file"):
        load_npz(path)


@pytest.mark.parametrize("load", [load_npz, load_safetensors])
def test_missing_files(load: Any, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"gone: expected a file, got No such file"):
        load(tmp_path / "gone")
    with pytest.raises(DataError, match="got a folder or a device"):
        load(tmp_path)
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(DataError, match="got a folder or a device"):
            load(tmp_path / "pipe")


def test_without_the_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [n for n in sys.modules if n.split(".")[0] == "safetensors"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [_Missing(), *sys.meta_path])
    for call in (
        lambda: save_safetensors({}, tmp_path / "x"),
        lambda: load_safetensors(tmp_path / "x"),
    ):
        with pytest.raises(MissingExtraError, match=r"pip install 'nnlite\[safetensors\]'"):
            call()


class _Missing:
    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        if name.split(".")[0] == "safetensors":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
