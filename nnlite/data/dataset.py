"""Datasets: anything with ``len(dataset)`` and ``dataset[i]``, and ways to combine them."""

from __future__ import annotations

import bisect
import math
import warnings
from collections.abc import Iterable, Sequence
from typing import Any, Generic, TypeVar

import numpy as np

from nnlite.autograd.tensor import Tensor, wrap
from nnlite.backend import CPU, Array, Device, Generator, array_module
from nnlite.data.collate import default_collate
from nnlite.data.resident import Gatherer, beside, gatherer_of, take_rows, to_device
from nnlite.data.sampler import random_order
from nnlite.errors import ArgumentError, DtypeError, GraphError, NnliteIndexError, ShapeError

T_co = TypeVar("T_co", covariant=True)
D = TypeVar("D", bound="TensorDataset")


class Dataset(Generic[T_co]):
    """Base of datasets: define ``__getitem__`` and ``__len__``.

    Three more methods are optional. ``__getitems__(indices)``, as in PyTorch, returns a list of
    samples. ``__getbatch__(indices)`` returns them as one batch, equal to what default_collate
    makes of the samples; it lets a DataLoader gather a batch at once. ``__gatherer__()`` returns a
    ``nnlite.data.resident.Gatherer``, or None: it lets a DataLoader gather on the dataset's device.
    """

    def __getitem__(self, index: int) -> T_co:
        raise NotImplementedError(f"{type(self).__name__} must define __getitem__")

    def __getbatch__(self, indices: Sequence[int]) -> Any:
        """The samples at ``indices`` as one batch."""
        return default_collate(get_samples(self, indices))

    def __add__(self, other: Dataset[Any]) -> ConcatDataset:
        return ConcatDataset([self, other])


def get_samples(dataset: Any, indices: Sequence[int]) -> list[Any]:
    """The samples at ``indices``, by ``dataset.__getitems__`` where it has that."""
    at_once = getattr(dataset, "__getitems__", None)
    if at_once is not None:
        return list(at_once(indices))
    return [dataset[i] for i in indices]


def get_batch(dataset: Any, indices: Sequence[int]) -> Any:
    """The samples at ``indices`` as one batch, by ``dataset.__getbatch__`` where it has that."""
    at_once = getattr(dataset, "__getbatch__", None)
    if at_once is not None:
        return at_once(indices)
    return default_collate(get_samples(dataset, indices))


def overrides(dataset: object, base: type, name: str) -> bool:
    """Whether the class of dataset has a ``name`` of its own instead of base's.

    Who changes ``__getitem__`` in a subclass means batches too.
    """
    return getattr(type(dataset), name) is not getattr(base, name)


class TensorDataset(Dataset[tuple[Tensor, ...]]):
    """Samples are the rows of tensors: ``dataset[i]`` is ``(x[i], y[i], ...)``, copied.

    Args:
        tensors: Tensors of the same first dimension.

    Raises:
        DtypeError: an argument is no Tensor.
        GraphError: one requires a gradient; call requires_grad_() on the batch instead.
        ShapeError: a tensor is 0-d, or the first dimensions differ.
    """

    def __init__(self, *tensors: Tensor) -> None:
        if not tensors:
            raise ArgumentError(
                "TensorDataset",
                "tensors",
                expected="at least one Tensor",
                got="none",
                hint="TensorDataset(x, y)",
            )
        for k, x in enumerate(tensors):
            if not isinstance(x, Tensor):
                raise DtypeError(
                    "TensorDataset",
                    f"tensors[{k}]",
                    expected="a Tensor",
                    got=type(x).__name__,
                    hint="make one with nnlite.tensor(...) or nnlite.from_numpy(...)",
                )
            if x.ndim == 0 or x.shape[0] != tensors[0].shape[0]:
                raise ShapeError(
                    "TensorDataset",
                    f"tensors[{k}]",
                    expected=f"the first dimension of tensors[0], {tensors[0].shape}",
                    got=str(x.shape),
                    hint="row i of every tensor belongs to sample i",
                )
            if x.requires_grad:
                raise GraphError(
                    "TensorDataset",
                    f"tensors[{k}]",
                    expected="data outside the graph",
                    got="a tensor with requires_grad=True",
                    hint="detach() it, and call requires_grad_() on each batch",
                )
        self.tensors = tensors

    def __len__(self) -> int:
        return self.tensors[0].shape[0]

    def __getitem__(self, index: Any) -> tuple[Tensor, ...]:
        try:
            return tuple(_rows(x.array, index) for x in self.tensors)
        except IndexError as error:
            raise _outside("TensorDataset", index, len(self)) from error

    def __getbatch__(self, indices: Sequence[int]) -> Any:
        if overrides(self, TensorDataset, "__getitem__"):
            return super().__getbatch__(indices)
        return [wrap(_take(x.array, indices, len(self))) for x in self.tensors]

    def __gatherer__(self) -> Gatherer | None:
        devices = {x.device for x in self.tensors}
        own = overrides(self, TensorDataset, "__getitem__") or overrides(
            self, TensorDataset, "__getbatch__"
        )
        if own or len(devices) > 1 or CPU in devices:
            return None
        arrays = [x.array for x in self.tensors]
        return Gatherer(devices.pop(), lambda index: [wrap(take_rows(x, index)) for x in arrays])

    def to(self: D, device: str | Device, non_blocking: bool = False) -> D:
        """Move all tensors to a device, where a DataLoader then gathers the batches; returns self.

        Raises:
            DeviceError: a device that is not there; nothing has changed then.
        """
        self.tensors = tuple(x.to(device=device, non_blocking=non_blocking) for x in self.tensors)
        return self


class Subset(Dataset[T_co]):
    """The samples of a dataset at the given indices, in that order."""

    def __init__(self, dataset: Dataset[T_co], indices: Sequence[int]) -> None:
        self.dataset = dataset
        self.indices = indices

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: Any) -> T_co:
        if isinstance(index, list):
            return self.dataset[[self.indices[i] for i in index]]  # type: ignore[index]
        return self.dataset[self.indices[index]]

    def __getitems__(self, indices: Sequence[int]) -> list[T_co]:
        if overrides(self, Subset, "__getitem__"):
            return [self[i] for i in indices]
        return get_samples(self.dataset, [self.indices[i] for i in indices])

    def __getbatch__(self, indices: Sequence[int]) -> Any:
        if overrides(self, Subset, "__getitem__") or overrides(self, Subset, "__getitems__"):
            return super().__getbatch__(indices)
        return get_batch(self.dataset, [self.indices[i] for i in indices])

    def __gatherer__(self) -> Gatherer | None:
        if any(overrides(self, Subset, f"__get{what}__") for what in ("item", "items", "batch")):
            return None
        whole = gatherer_of(self.dataset)
        if whole is None:
            return None
        size = len(self.dataset)  # type: ignore[arg-type]
        numbers = _checked("Subset", self.indices, size) % max(size, 1)
        chosen = to_device(numbers, whole.device)
        return Gatherer(whole.device, lambda index: whole.take(take_rows(chosen, index)))


class ConcatDataset(Dataset[Any]):
    """Several datasets, one after the other.

    Raises:
        ArgumentError: there are none.
    """

    def __init__(self, datasets: Iterable[Dataset[Any]]) -> None:
        self.datasets = list(datasets)
        if not self.datasets:
            raise ArgumentError(
                "ConcatDataset",
                "datasets",
                expected="at least one dataset",
                got="none",
                hint="ConcatDataset([a, b])",
            )
        self.cumulative_sizes: list[int] = []
        for dataset in self.datasets:
            before = self.cumulative_sizes[-1] if self.cumulative_sizes else 0
            self.cumulative_sizes.append(before + len(dataset))  # type: ignore[arg-type]

    def __len__(self) -> int:
        return self.cumulative_sizes[-1]

    def __getitem__(self, index: int) -> Any:
        if not -len(self) <= index < len(self):
            raise _outside("ConcatDataset", index, len(self))
        index %= len(self)
        which = bisect.bisect_right(self.cumulative_sizes, index)
        before = self.cumulative_sizes[which - 1] if which else 0
        return self.datasets[which][index - before]


def random_split(
    dataset: Dataset[T_co], lengths: Sequence[float], generator: Generator | None = None
) -> list[Subset[T_co]]:
    """Split a dataset at random into parts that do not overlap.

    Args:
        dataset: what to split.
        lengths: how many samples each part gets, adding up to ``len(dataset)``; or fractions
            that add up to 1: each part gets floor(fraction * len) and the rest goes one by one
            to the first parts, as in PyTorch.
        generator: the source of randomness; the default generator where None.

    Raises:
        ArgumentError: the lengths are negative or do not add up.
    """
    size = len(dataset)  # type: ignore[arg-type]
    counts = _counts(lengths, size)
    for k, count in enumerate(counts):
        if count == 0:
            warnings.warn(f"random_split: part {k} is empty", UserWarning, stacklevel=2)
    order = random_order(size, generator, "random_split")
    parts, start = [], 0
    for count in counts:
        parts.append(Subset(dataset, order[start : start + count]))
        start += count
    return parts


def _counts(lengths: Sequence[float], size: int) -> list[int]:
    numbers = all(
        isinstance(n, (int, float)) and not isinstance(n, bool) and 0 <= n < math.inf
        for n in lengths
    )
    if numbers and math.isclose(sum(lengths), 1.0) and all(n <= 1 for n in lengths):
        counts = [math.floor(fraction * size) for fraction in lengths]
        for k in range(size - sum(counts)):
            counts[k % len(counts)] += 1
        return counts
    if not numbers or any(n != int(n) for n in lengths) or sum(lengths) != size:
        raise ArgumentError(
            "random_split",
            "lengths",
            expected=f"whole numbers that add up to {size}, or fractions that add up to 1",
            got=str(list(lengths)),
            hint="random_split(dataset, [0.9, 0.1])",
        )
    return [int(n) for n in lengths]


def _rows(x: Array, index: Any) -> Tensor:
    rows = x[index, ...] if isinstance(index, int) else x[index]
    return wrap(array_module(x).array(rows))


def _take(x: Array, indices: Sequence[int], size: int) -> Array:
    return take_rows(x, beside(_checked("TensorDataset", indices, size), x))


def _checked(op: str, indices: Sequence[int], size: int) -> np.ndarray[Any, Any]:
    chosen = np.asarray(indices, dtype=np.int64)
    outside = (chosen < -size) | (chosen >= size)
    if outside.any():
        raise _outside(op, chosen[outside][0], size)
    return chosen


def _outside(op: str, index: object, size: int) -> NnliteIndexError:
    return NnliteIndexError(
        op,
        "index",
        expected=f"{-size} to {size - 1}" if size else "nothing: the dataset is empty",
        got=str(index),
        hint="len(dataset) says how many samples there are",
    )
