"""From a list of samples to one batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeGuard

import numpy as np

from nnlite.autograd.tensor import Tensor, wrap
from nnlite.backend import Array, array_module, as_dtype, backend_of, is_array
from nnlite.backend.dtypes import promote
from nnlite.errors import ArgumentError, DeviceError, DtypeError, GraphError, ShapeError

_OP = "default_collate"


def default_collate(batch: Sequence[Any]) -> Any:
    """One batch of a list of samples, by PyTorch's rules.

    Tensors and NumPy arrays are stacked along a new first dimension; whole numbers become an
    int64 Tensor, floats a float64 Tensor, bools a bool Tensor; strings and bytes stay as they are.
    Mappings, named tuples, tuples and lists are taken apart and collated item by item (a tuple
    becomes a list).

    Raises:
        ArgumentError: the batch is empty.
        ShapeError: a sample has another shape or number of items than the first; names it.
        DtypeError: a sample is of a type that makes no batch, or not of the first one's.
        GraphError: a sample requires a gradient.
    """
    if len(batch) == 0:
        raise ArgumentError(
            _OP, "batch", expected="at least one sample", got="none", hint="skip empty batches"
        )
    first = batch[0]
    if isinstance(first, Tensor):
        return _stack(batch)
    if isinstance(first, (np.ndarray, np.generic)) or is_array(first):
        return _stack([_tensor(x, k) for k, x in enumerate(batch)])
    if isinstance(first, (bool, int, float)):
        return _numbers(batch)
    if isinstance(first, (str, bytes)):
        return batch
    if isinstance(first, Mapping):
        return _mapping(batch)
    if isinstance(first, (tuple, list)):
        return _items(batch)
    raise _unfit(first, 0)


def default_convert(sample: Any) -> Any:
    """A sample with its NumPy arrays as Tensors, at any depth; the rest stays as it is."""
    if _is_numbers(sample):
        return _tensor(sample, 0)
    if isinstance(sample, Mapping):
        return {key: default_convert(value) for key, value in sample.items()}
    if isinstance(sample, tuple) and hasattr(sample, "_fields"):
        return type(sample)(*(default_convert(value) for value in sample))
    if isinstance(sample, (tuple, list)):
        return [default_convert(value) for value in sample]
    return sample


def _tensor(x: object, k: int) -> Tensor:
    if isinstance(x, Tensor):
        return x
    if not _is_numbers(x):
        raise _unfit(x, k)
    return wrap(array_module(x).asarray(x, dtype=as_dtype(x.dtype, _OP)))


def _is_numbers(x: Any) -> TypeGuard[Array]:
    """Whether x is an array, or a NumPy scalar, that a Tensor can hold."""
    found = isinstance(x, (np.ndarray, np.generic)) or is_array(x)
    return found and x.dtype.kind in "biuf"


def _stack(samples: Sequence[Any]) -> Tensor:
    arrays: list[Array] = []
    for k, x in enumerate(samples):
        if not isinstance(x, Tensor) and not _is_numbers(x):
            raise _unfit(x, k)
        x = _tensor(x, k)
        if x.requires_grad:
            raise GraphError(
                _OP,
                f"sample {k}",
                expected="data outside the graph",
                got="a tensor with requires_grad=True",
                hint="detach() it, and call requires_grad_() on the batch",
            )
        arrays.append(x.array)
    first = arrays[0]
    for k, array in enumerate(arrays):
        if array.shape != first.shape:
            raise ShapeError(
                _OP,
                f"sample {k}",
                expected=f"shape {first.shape}, as sample 0",
                got=str(array.shape),
                hint="bring the samples to one size, or give the DataLoader a collate_fn",
            )
        if backend_of(array) is not backend_of(first):
            raise DeviceError(
                _OP,
                f"sample {k}",
                expected=f"a tensor on {backend_of(first).device}, as sample 0",
                got=str(backend_of(array).device),
                hint="keep a dataset on one device",
            )
    dtype = first.dtype
    if any(array.dtype != dtype for array in arrays):
        dtype = promote([array.dtype for array in arrays], [], [])
    return wrap(array_module(first).stack(arrays).astype(dtype, copy=False))


def _numbers(batch: Sequence[Any]) -> Tensor:
    for k, value in enumerate(batch):
        if not isinstance(value, (bool, int, float, np.bool_, np.integer, np.floating)):
            raise _unfit(value, k)
    if isinstance(batch[0], float):
        return wrap(np.array(batch, dtype=np.float64))
    kinds = {type(value) for value in batch}
    dtype = np.bool_ if kinds == {bool} else np.int64
    if any(issubclass(kind, (float, np.floating)) for kind in kinds):
        dtype = np.float32  # as torch.tensor([1, 2.5]), which the first sample's type selects
    try:
        return wrap(np.array(batch, dtype=dtype))
    except OverflowError as error:
        raise ArgumentError(
            _OP,
            "batch",
            expected="whole numbers that fit into int64",
            got=str(max(batch, key=abs)),
            hint="use floats for larger numbers",
        ) from error


def _mapping(batch: Sequence[Any]) -> dict[Any, Any]:
    keys = list(batch[0])
    for k, sample in enumerate(batch):
        if not isinstance(sample, Mapping):
            raise _unfit(sample, k)
        missing = [key for key in keys if key not in sample]
        if missing:
            raise ShapeError(
                _OP,
                f"sample {k}",
                expected=f"the keys of sample 0, {keys}",
                got=f"no {missing[0]!r}",
                hint="give every sample the same keys",
            )
    return {key: default_collate([sample[key] for sample in batch]) for key in keys}


def _items(batch: Sequence[Any]) -> Any:
    first = batch[0]
    for k, sample in enumerate(batch):
        if not isinstance(sample, (tuple, list)):
            raise _unfit(sample, k)
        if len(sample) != len(first):
            raise ShapeError(
                _OP,
                f"sample {k}",
                expected=f"{len(first)} items, as sample 0",
                got=str(len(sample)),
                hint="give every sample the same items",
            )
    columns = [default_collate(column) for column in zip(*batch, strict=True)]
    return type(first)(*columns) if hasattr(first, "_fields") else columns


def _unfit(value: object, k: int) -> DtypeError:
    got = type(value).__name__
    if isinstance(value, (np.ndarray, np.generic)):
        got = f"an array of dtype {value.dtype}"
    return DtypeError(
        _OP,
        f"sample {k}",
        expected="tensors, arrays, numbers, strings, or tuples, lists or dicts of them, alike",
        got=got,
        hint="give the DataLoader a collate_fn of your own",
    )
