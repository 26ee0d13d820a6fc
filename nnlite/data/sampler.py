"""Samplers: the order in which a DataLoader visits a dataset."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sized
from typing import Generic, TypeVar

import numpy as np

from nnlite.backend import Array, Generator, array_module, default_generator
from nnlite.errors import ArgumentError, DtypeError

T = TypeVar("T")


class Sampler(Generic[T]):
    """Base of samplers: ``__iter__`` yields indices, or lists of them for batch samplers."""

    def __iter__(self) -> Iterator[T]:
        raise NotImplementedError(f"{type(self).__name__} must define __iter__")


class SequentialSampler(Sampler[int]):
    """The indices in order."""

    def __init__(self, data_source: Sized) -> None:
        self.data_source = data_source

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self.data_source)))

    def order(self) -> Array:
        """The indices of a pass as an array, int64."""
        return np.arange(len(self.data_source))

    def __len__(self) -> int:
        return len(self.data_source)


class RandomSampler(Sampler[int]):
    """The indices in random order, or drawn with replacement.

    Args:
        data_source: the dataset.
        replacement: draw each index independently.
        num_samples: how many to draw; ``len(data_source)`` where None. Without replacement, more
            than that goes on with a fresh permutation.
        generator: the source of randomness; the context's default generator where None. The
            order is drawn when the iteration begins.

    Raises:
        ArgumentError: num_samples is not a whole number of at least 0.
        DtypeError: generator is none of nnlite's.
    """

    def __init__(
        self,
        data_source: Sized,
        replacement: bool = False,
        num_samples: int | None = None,
        generator: Generator | None = None,
    ) -> None:
        check_generator(generator, "RandomSampler")
        if num_samples is not None:
            check_whole(num_samples, "RandomSampler", "num_samples", least=0)
        self.data_source = data_source
        self.replacement = replacement
        self._num_samples = num_samples
        self.generator = generator

    @property
    def num_samples(self) -> int:
        """How many indices one pass yields."""
        return len(self.data_source) if self._num_samples is None else self._num_samples

    def __iter__(self) -> Iterator[int]:
        return iter(self.order().tolist())

    def order(self) -> Array:
        """The indices of a pass, drawn now: an int64 array where the generator's numbers lie."""
        size, wanted = len(self.data_source), self.num_samples
        if size == 0:
            return np.arange(0)
        generator = self.generator or default_generator()
        if self.replacement:
            return generator.integers(0, size, (wanted,))
        # a last permutation may be needed in part only
        drawn = [generator.permutation(size) for _ in range(-(-wanted // size))]
        if not drawn:
            return np.arange(0)
        return (
            drawn[0][:wanted]
            if len(drawn) == 1
            else array_module(drawn[0]).concatenate(drawn)[:wanted]
        )

    def __len__(self) -> int:
        return self.num_samples


class BatchSampler(Sampler[list[int]]):
    """Lists of ``batch_size`` indices of another sampler; the last may be shorter.

    Args:
        sampler: yields indices.
        batch_size: how many make a batch.
        drop_last: leave out a last batch that is not full.

    Raises:
        ArgumentError: batch_size is not a whole number of at least 1.
    """

    def __init__(self, sampler: Iterable[int], batch_size: int, drop_last: bool) -> None:
        check_whole(batch_size, "BatchSampler", "batch_size", least=1)
        self.sampler = sampler
        self.batch_size = batch_size
        self.drop_last = drop_last

    def __iter__(self) -> Iterator[list[int]]:
        return self._batches(iter(self.sampler))  # the order is drawn now, not at the first batch

    def _batches(self, indices: Iterator[int]) -> Iterator[list[int]]:
        batch: list[int] = []
        for index in indices:
            batch.append(index)
            if len(batch) == self.batch_size:
                yield batch
                batch = []
        if batch and not self.drop_last:
            yield batch

    def __len__(self) -> int:
        full, rest = divmod(len(self.sampler), self.batch_size)  # type: ignore[arg-type]
        return full + (rest > 0 and not self.drop_last)


def random_order(size: int, generator: Generator | None, op: str) -> list[int]:
    """The numbers 0 to size - 1 in random order.

    Raises:
        DtypeError: generator is none of nnlite's.
    """
    check_generator(generator, op)
    order: list[int] = (generator or default_generator()).permutation(size).tolist()
    return order


def check_generator(generator: object, op: str) -> None:
    """Raise DtypeError unless generator is None or nnlite's."""
    if generator is not None and not isinstance(generator, Generator):
        raise DtypeError(
            op,
            "generator",
            expected="a nnlite.Generator or None",
            got=f"{type(generator).__module__}.{type(generator).__name__}",
            hint="nnlite.Generator().manual_seed(0)",
        )


def check_whole(value: object, op: str, argument: str, least: int) -> None:
    """Raise ArgumentError unless value is a whole number of at least ``least``."""
    whole = isinstance(value, int) and not isinstance(value, bool)
    if not whole or value < least:  # type: ignore[operator]
        raise ArgumentError(
            op,
            argument,
            expected=f"a whole number of at least {least}",
            got=repr(value),
            hint=f"for example {argument}={max(least, 32)}",
        )
