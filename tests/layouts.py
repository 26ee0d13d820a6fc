"""The same numbers in other memory: every layout in which an array can reach an op."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from nnlite.ops.creation import from_numpy, tensor


def _fortran(x: np.ndarray) -> np.ndarray:
    return np.array(x, order="F")


def _sliced(x: np.ndarray) -> np.ndarray:
    """Every second element of a larger array, in each dimension."""
    room = np.zeros(tuple(2 * n + 1 for n in x.shape), x.dtype)
    view = room[(..., *(slice(1, None, 2) for _ in x.shape))]
    view[...] = x
    return view


def _backwards(x: np.ndarray) -> np.ndarray:
    """Negative strides in each dimension."""
    turn = tuple(slice(None, None, -1) for _ in x.shape)
    return x[turn].copy()[turn] if x.ndim else x


def _transposed(x: np.ndarray) -> np.ndarray:
    """The first and the last dimension exchanged in memory."""
    return x.swapaxes(0, -1).copy().swapaxes(0, -1) if x.ndim else x


def _read_only(x: np.ndarray) -> np.ndarray:
    x = x.copy()
    x.flags.writeable = False
    return x


def repeated(x: np.ndarray) -> np.ndarray:
    """Stride 0: the first row in place of all."""
    return np.broadcast_to(x[:1], x.shape) if x.ndim and x.shape[0] else x


def _shared(x: np.ndarray) -> np.ndarray:
    """Through from_numpy, on the same memory."""
    array: np.ndarray = from_numpy(x).array
    assert np.shares_memory(array, x) or not x.size
    return array


def _swapped(x: np.ndarray) -> np.ndarray:
    """Through tensor, from bytes in the other order."""
    array: np.ndarray = tensor(x.astype(x.dtype.newbyteorder()), dtype=x.dtype).array
    return array


LAYOUTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "Fortran": _fortran,
    "sliced": _sliced,
    "negative strides": _backwards,
    "transposed": _transposed,
    "read-only": _read_only,
    "stride 0": repeated,
    "from_numpy": _shared,
    "byte-swapped": _swapped,
}


def _batch_innermost(x: np.ndarray) -> np.ndarray:
    return x.transpose(2, 1, 3, 0).copy().transpose(3, 1, 0, 2)


IMAGE_LAYOUTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "C": np.ascontiguousarray,
    "batch innermost": _batch_innermost,
    **{
        name: LAYOUTS[name]
        for name in ("Fortran", "sliced", "negative strides", "transposed", "read-only")
    },
}
"""Of images (N, C, H, W), whose batch convolution has innermost."""
