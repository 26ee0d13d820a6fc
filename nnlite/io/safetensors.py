"""Safetensors: a JSON header with names, dtypes and shapes, then the numbers.

The format of most weights that are shared today; PyTorch users write it with
``safetensors.torch.save_file``. Needs the extra ``safetensors``.
Source: https://github.com/huggingface/safetensors
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from nnlite.backend import Device
from nnlite.extras import require
from nnlite.files import PathType, atomic_write
from nnlite.io.weights import (
    Weights,
    as_arrays,
    as_weights,
    bad_file,
    size_of,
    target_device,
    what_it_is,
)

_DTYPES = {
    "F64": "float64",
    "F32": "float32",
    "I64": "int64",
    "I32": "int32",
    "I16": "int16",
    "I8": "int8",
    "U8": "uint8",
    "BOOL": "bool",
}


def save_safetensors(state_dict: Mapping[str, Any], path: PathType) -> None:
    """Write a state_dict; the file appears whole or not at all.

    Args:
        state_dict: name -> Tensor or array, as ``Module.state_dict`` returns.

    Raises:
        DtypeError: anything else.
        MissingExtraError: the package safetensors is not installed.
        OSError: the file cannot be written; an older one is intact.
    """
    arrays = as_arrays("save_safetensors", state_dict)
    content = require("safetensors.numpy", "safetensors", "save_safetensors").save(arrays)
    with atomic_write(path) as file:
        file.write(content)


def load_safetensors(path: PathType, device: str | Device | None = None) -> Weights:
    """Name -> Tensor on a device, the CPU by default, as ``Module.load_state_dict`` takes it.

    The header is checked against the file before any number is read: names, dtypes, shapes and
    places in the file must fit together without gap, overlap or remainder.

    Raises:
        DataError: the file is missing, no safetensors file, cut short, corrupt, or has numbers that
            nnlite does not compute in (half precision). Nothing is loaded then.
        DeviceError: device is not there.
        MissingExtraError: the package safetensors is not installed.
    """
    op = "load_safetensors"
    package = require("safetensors", "safetensors", op)
    target = target_device(op, "device", device)
    size_of(op, path)
    arrays = {}
    try:
        with package.safe_open(path, framework="numpy") as file:
            for name in file.keys():  # noqa: SIM118  (no mapping)
                dtype = file.get_slice(name).get_dtype()
                if dtype not in _DTYPES:
                    raise bad_file(
                        op,
                        path,
                        "numbers of " + ", ".join(_DTYPES.values()),
                        f"{dtype} in {name}",
                        "convert it to float32 where it was made",
                    )
                array = file.get_tensor(name)
                arrays[name] = np.asarray(array, dtype=_DTYPES[dtype])
    except (package.SafetensorError, OSError) as error:
        raise bad_file(
            op, path, "a sound safetensors file", f"{error}"[:200], what_it_is(path)
        ) from error
    return as_weights(arrays, target)
