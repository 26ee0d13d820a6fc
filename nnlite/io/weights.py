"""What the formats share: a state_dict checked and turned into arrays, and the error of a file."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from nnlite.autograd.tensor import Tensor
from nnlite.backend import Device, backend_for, backend_of, is_array
from nnlite.backend import device as make_device
from nnlite.backend.dtypes import SUPPORTED
from nnlite.errors import DataError, DtypeError
from nnlite.files import PathType

Weights = OrderedDict[str, Tensor]

_USE_STATE_DICT = "save model.state_dict(): anything else would need pickle, which runs code"


def as_arrays(op: str, state_dict: Any) -> dict[str, np.ndarray[Any, Any]]:
    """Name -> NumPy array, contiguous and in the machine's byte order.

    Raises:
        DtypeError: no mapping from names to tensors or arrays; a dtype that nnlite lacks; a name
            that a file cannot hold.
    """
    if not isinstance(state_dict, Mapping):
        raise DtypeError(
            op,
            "state_dict",
            expected="a mapping from names to tensors",
            got=type(state_dict).__name__,
            hint=_USE_STATE_DICT,
        )
    arrays = {}
    for name, value in state_dict.items():
        if not isinstance(name, str) or not _is_storable(name):
            raise DtypeError(
                op,
                "state_dict",
                expected="names that are text",
                got=repr(name)[:80],
                hint="state_dict() gives names such as 'conv1.weight'",
            )
        array = value.array if isinstance(value, Tensor) else value
        if not is_array(array):
            raise DtypeError(
                op,
                name,
                expected="a Tensor or an array",
                got=type(value).__name__,
                hint=_USE_STATE_DICT,
            )
        numbers = np.asarray(backend_of(array).to_numpy(array), order="C")
        native = numbers.dtype.newbyteorder("=")
        if native not in SUPPORTED:
            raise DtypeError(
                op,
                name,
                expected="one of " + ", ".join(sorted(d.name for d in SUPPORTED)),
                got=numbers.dtype.name,
                hint="convert it before saving",
            )
        arrays[name] = numbers.astype(native, copy=False)
    return arrays


def _is_storable(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in name and name != "__metadata__"


def as_weights(arrays: Mapping[str, np.ndarray[Any, Any]], device: Device | None = None) -> Weights:
    """Name -> Tensor on a device, None being the CPU, as load_state_dict takes it."""
    tensors = ((name, Tensor(_sound(array))) for name, array in arrays.items())
    return OrderedDict((name, x if device is None else x.to(device=device)) for name, x in tensors)


def target_device(op: str, argument: str, device: Any) -> Device | None:
    """The device that tensors are to be loaded on, looked up before a file is read.

    Args:
        op, argument: for the error.
        device: a Device or its name; a dict from devices to devices, of which "cpu" counts, since
            that is where a file's numbers arrive; None for the CPU.

    Raises:
        DeviceError: a device that is not there.
        DtypeError: anything else, a function for one.
    """
    if isinstance(device, Mapping):
        device = {str(key): value for key, value in device.items()}.get("cpu")
    if device is None:
        return None
    if not isinstance(device, (str, Device)):
        raise DtypeError(
            op,
            argument,
            expected="a device, its name, or a dict such as {'cpu': 'cuda'}",
            got=type(device).__name__,
            hint=f"name the device: {argument}='cpu'",
        )
    found = make_device(device)
    backend_for(found)
    return found


def _sound(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    # a file may hold any byte for a boolean, and NumPy counts on 0 and 1
    return array.view(np.uint8) != 0 if array.dtype == np.bool_ else array


def size_of(op: str, path: PathType) -> int:
    """The size of an ordinary file.

    Raises:
        DataError: there is none, or it cannot be read.
    """
    try:
        size = os.stat(path).st_size
    except OSError as error:
        raise bad_file(op, path, "a file", error.strerror or str(error), "check the path") from None
    if not Path(path).is_file():
        raise bad_file(op, path, "a file", "a folder or a device", "check the path")
    return size


def bad_file(op: str, path: PathType, expected: str, got: str, hint: str = "") -> DataError:
    """The one error of a file that cannot be used."""
    return DataError(
        op, os.fspath(path), expected=expected, got=got, hint=hint or "nothing was loaded"
    )


def what_it_is(path: PathType) -> str:
    """What a file looks like that is not what was expected, as a hint; empty where unknown."""
    with open(path, "rb") as file:
        head = file.read(4096)
    if head.startswith(b"\x80") or (head.startswith(b"PK") and b"data.pkl" in head):
        return (
            "it looks like a pickle, which runs code when it is read; in PyTorch, save with "
            "safetensors.torch.save_file(model.state_dict(), path)"
        )
    if head.startswith(b"PK"):
        return "it looks like a zip or npz file"
    if head.startswith(b"\x93NUMPY"):
        return "it looks like a single array in an npy file: np.load reads it"
    if head[8:9] == b"{":
        return "it looks like a safetensors file"
    return ""
