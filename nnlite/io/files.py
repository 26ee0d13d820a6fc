"""save and load by the file's ending."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from nnlite.backend import Device
from nnlite.errors import ArgumentError, DtypeError
from nnlite.files import PathType
from nnlite.io.npz import load_npz, save_npz
from nnlite.io.safetensors import load_safetensors, save_safetensors
from nnlite.io.weights import Weights, target_device

_FORMATS: dict[str, tuple[Callable[..., None], Callable[..., Weights]]] = {
    ".safetensors": (save_safetensors, load_safetensors),
    ".npz": (save_npz, load_npz),
}


def save(obj: Mapping[str, Any], f: PathType) -> None:
    """Write a state_dict to a ``.safetensors`` or ``.npz`` file, whole or not at all.

    In the place of torch.save, for weights only: ``nnlite.save(model.state_dict(), "net.npz")``.

    Raises:
        ArgumentError: another ending.
        DtypeError: obj is no mapping from names to tensors; a Module, say, would need pickle.
        MissingExtraError: ``.safetensors`` without the package safetensors.
        OSError: the file cannot be written; an older one is intact.
    """
    _format("save", f)[0](obj, f)


def load(f: PathType, map_location: Any = None, *, weights_only: bool = True) -> Weights:
    """Name -> Tensor from a ``.safetensors`` or ``.npz`` file: for ``Module.load_state_dict``.

    Args:
        map_location: the device to put the tensors on, the CPU by default; or a dict such as
            ``{"cpu": "cuda"}``. A file does not say where its tensors once lay.
        weights_only: there is nothing else to load; False is refused.

    Raises:
        ArgumentError: another ending, or weights_only=False.
        DataError: the file is missing, cut short, corrupt, or no such file. Nothing is loaded then.
        DeviceError: map_location is not there.
        DtypeError: map_location is no device.
        MissingExtraError: ``.safetensors`` without the package safetensors.
    """
    if not weights_only:
        raise ArgumentError(
            "load",
            "weights_only",
            expected="True",
            got=repr(weights_only),
            hint="objects would need pickle, which runs code from the file",
        )
    return _format("load", f)[1](f, target_device("load", "map_location", map_location))


def load_file(filename: PathType, device: str | Device = "cpu") -> Weights:
    """``load`` by the name and arguments of ``safetensors.torch.load_file``; npz files too.

    Raises:
        As ``load``.
    """
    return _format("load_file", filename)[1](filename, device)


def save_file(tensors: Mapping[str, Any], filename: PathType) -> None:
    """``save`` by the name and arguments of ``safetensors.torch.save_file``; npz files too.

    Raises:
        As ``save``.
    """
    save(tensors, filename)


def _format(op: str, f: Any) -> tuple[Callable[..., None], Callable[..., Weights]]:
    if not isinstance(f, (str, os.PathLike)):
        raise DtypeError(
            op,
            "f",
            expected="a path",
            got=type(f).__name__,
            hint="the file's ending says its format, so an open file will not do",
        )
    ending = os.path.splitext(os.fspath(f))[1].lower()
    if ending not in _FORMATS:
        raise ArgumentError(
            op,
            "f",
            expected="a path that ends in .safetensors or .npz",
            got=repr(os.fspath(f)),
            hint="PyTorch's .pt files are pickles, which run code when read; in PyTorch, save with "
            "safetensors.torch.save_file(model.state_dict(), path)",
        )
    return _FORMATS[ending]
