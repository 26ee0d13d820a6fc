"""``target[index] += source`` where a repeated index adds each time, in the dtypes CuPy lacks."""

from __future__ import annotations

from typing import Any

from nnlite.backend.registry import Array

# what CuPy's add.at knows of nnlite's dtypes: those of the device's atomic addition
_ATOMIC = frozenset({"float32", "float64", "int32"})


def scatter_add(xp: Any, target: Array, index: Any, source: Array) -> None:
    """NumPy's ``add.at(target, index, source)``, with its results in every dtype of nnlite.

    Whole numbers wrap around as they do in NumPy, so int64 may be added as uint64, and narrow ones
    in int32; of booleans the sum is "any". The order of the additions, and with it the last bit of
    a float32 sum, is left to the device.

    Args:
        xp: the array module, cupy or one with its interface.
        target: changed in place.
        index: whatever may stand in target[...].
        source: an array or number that broadcasts to target[index].
    """
    kind = target.dtype
    if kind.name in _ATOMIC:
        xp.add.at(target, index, source)
    elif kind.name == "int64":
        unsigned = xp.asarray(source).astype(kind, copy=False).view("uint64")
        xp.add.at(target.view("uint64"), index, unsigned)
    else:
        sums = xp.zeros(target.shape, dtype="int32")
        xp.add.at(sums, index, xp.asarray(source).astype(kind, copy=False).astype("int32"))
        target += sums.astype(kind)  # of booleans: "or"
