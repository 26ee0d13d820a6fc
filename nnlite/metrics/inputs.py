"""What metrics and pictures take: lists, arrays or Tensors, turned into NumPy arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnlite.autograd.tape import refuse_reading
from nnlite.autograd.tensor import Tensor
from nnlite.backend import backend_of, is_array
from nnlite.errors import DtypeError, NnliteIndexError, ShapeError

Counts = NDArray[np.int64]
Reals = NDArray[np.float64]


def as_numpy(op: str, argument: str, values: Any) -> NDArray[Any]:
    """The values as a NumPy array, from any device; no copy where none is needed.

    Raises:
        ShapeError: nested lists of different lengths.
    """
    refuse_reading(op)
    array = values.array if isinstance(values, Tensor) else values
    if is_array(array):
        return backend_of(array).to_numpy(array)
    try:
        return np.asarray(array)
    except ValueError as error:
        raise ShapeError(
            op,
            argument,
            expected="an array, or lists of equal lengths",
            got=f"a {type(values).__name__} that NumPy cannot stack",
            hint="pad or cut the inner lists to one length",
        ) from error


def as_reals(op: str, argument: str, values: Any) -> Reals:
    """The values in float64, whatever they were.

    Raises:
        ShapeError: nested lists of different lengths.
        DtypeError: they are no numbers.
    """
    array = as_numpy(op, argument, values)
    if array.dtype.kind not in "biuf":
        raise DtypeError(
            op,
            argument,
            expected="numbers",
            got=array.dtype.name,
            hint="pass an array, a Tensor or a list of numbers",
        )
    return array.astype(np.float64)


def as_labels(op: str, argument: str, values: Any, classes: int) -> Counts:
    """Class numbers, checked: integers in [0, classes), shape (N,).

    Raises:
        ShapeError: they are not 1-D.
        DtypeError: they are not integers.
        NnliteIndexError: one lies outside.
    """
    labels = as_numpy(op, argument, values)
    check_labels(op, argument, labels)
    outside = labels[(labels < 0) | (labels >= classes)]
    if outside.size:
        raise NnliteIndexError(
            op,
            argument,
            expected=f"classes from 0 to {classes - 1}",
            got=str(outside[0]),
            hint="labels count from 0",
        )
    return labels.astype(np.int64)


def check_labels(op: str, argument: str, labels: Any) -> None:
    """Refuse what cannot be class numbers, by shape and dtype alone; an array of any device.

    Raises:
        ShapeError: they are not 1-D.
        DtypeError: they are not integers.
    """
    if labels.ndim != 1:
        raise ShapeError(
            op,
            argument,
            expected="shape (N,)",
            got=str(labels.shape),
            hint="take the argmax over the classes first",
        )
    if labels.size and labels.dtype.kind not in "iu":
        raise DtypeError(
            op,
            argument,
            expected="integers",
            got=labels.dtype.name,
            hint="take the argmax over the classes first",
        )


def check_pairs(op: str, targets: int, predictions: int) -> None:
    """Refuse lists of different lengths."""
    if targets != predictions:
        raise ShapeError(
            op,
            expected="one prediction for each target",
            got=f"{targets} targets and {predictions} predictions",
            hint="pass all batches, the ragged last one included",
        )
