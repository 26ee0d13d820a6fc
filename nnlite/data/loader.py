"""DataLoader: batches of a dataset, in order or shuffled."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, cast

from nnlite.backend import Generator
from nnlite.data.collate import default_convert
from nnlite.data.dataset import get_batch, get_samples
from nnlite.data.pinning import find_pin, pinned
from nnlite.data.resident import gatherer_of, to_device
from nnlite.data.sampler import (
    BatchSampler,
    RandomSampler,
    SequentialSampler,
    check_generator,
    check_whole,
)
from nnlite.errors import ArgumentError, DtypeError


class DataLoader:
    """Iterates over a dataset in batches; PyTorch's interface.

    Each ``iter(loader)`` is a pass of its own, with its own order, drawn when it begins. Samples
    are loaded in this process, batch by batch as they are asked for.

    A dataset that was moved to a device (``dataset.to("cuda")``) is gathered there: the order of a
    pass is put on the device once, the same order as on the CPU for the same seed, and no batch is
    copied to the host or from it. That needs no collate_fn, batch_sampler or sampler of your own;
    with one of these the indices of each batch are copied to the device.

    Args:
        dataset: has ``len(dataset)`` and ``dataset[i]``.
        batch_size: samples per batch; the last batch may be smaller. None: no batches, single
            samples with their NumPy arrays as Tensors.
        shuffle: visit the samples in random order, anew in each pass.
        sampler: yields the indices, instead of shuffle.
        batch_sampler: yields lists of indices, instead of batch_size, shuffle, sampler, drop_last.
        num_workers: accepted for PyTorch's sake; above 0 it warns that there are no workers.
        collate_fn: makes a batch of a list of samples. None: default_collate, or the dataset's
            ``__getbatch__``, which gives the same at once.
        pin_memory: put the batches into page-locked host memory, from which
            ``x.to("cuda", non_blocking=True)`` does not wait. Without a GPU it warns, as PyTorch.
        pin_memory_device: the device to pin for, where there are several kinds.
        timeout, worker_init_fn, multiprocessing_context, prefetch_factor, persistent_workers,
            in_order: accepted for PyTorch's sake; without workers they mean nothing.
        drop_last: leave out a last batch that is not full.
        generator: the source of randomness of shuffle; the context's default generator where None.

    Raises:
        ArgumentError: batch_size is not a whole number of at least 1, num_workers not one of at
            least 0, or options exclude each other.
        DtypeError: dataset has no length or no items, or generator is none of nnlite's.
        DeviceError: pin_memory_device names a device that is not there.
    """

    def __init__(
        self,
        dataset: Any,
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Iterable[int] | None = None,
        batch_sampler: Iterable[Sequence[int]] | None = None,
        num_workers: int = 0,
        collate_fn: Callable[[list[Any]], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], None] | None = None,
        multiprocessing_context: object = None,
        generator: Generator | None = None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
        pin_memory_device: str = "",
        in_order: bool = True,
    ) -> None:
        if not hasattr(dataset, "__getitem__") or not hasattr(dataset, "__len__"):
            raise DtypeError(
                "DataLoader",
                "dataset",
                expected="something with len(dataset) and dataset[i]",
                got=type(dataset).__name__,
                hint="derive it from nnlite.data.Dataset",
            )
        check_generator(generator, "DataLoader")
        check_whole(num_workers, "DataLoader", "num_workers", least=0)
        if num_workers > 0:
            warnings.warn(
                f"DataLoader: num_workers={num_workers}: nnlite loads in this process, without "
                "workers",
                UserWarning,
                stacklevel=2,
            )
        if sampler is not None and shuffle:
            raise _excluded("shuffle", "no shuffle beside a sampler", "let the sampler shuffle")
        if batch_sampler is not None and (
            batch_size != 1 or shuffle or sampler is not None or drop_last
        ):
            raise _excluded(
                "batch_sampler",
                "no batch_size, shuffle, sampler or drop_last beside a batch_sampler",
                "the batch_sampler alone decides on the batches",
            )
        if batch_size is None and drop_last:
            raise _excluded("drop_last", "no drop_last with batch_size=None", "name a batch_size")
        if sampler is None:
            sampler = (
                RandomSampler(dataset, generator=generator)
                if shuffle
                else SequentialSampler(dataset)
            )
        if batch_sampler is not None:
            batch_size = None
        elif batch_size is not None:
            check_whole(batch_size, "DataLoader", "batch_size", least=1)
            batch_sampler = BatchSampler(sampler, batch_size, bool(drop_last))
        self.dataset = dataset
        self.batch_size = batch_size
        self.sampler = sampler
        self.batch_sampler = batch_sampler
        self.num_workers = num_workers
        self.collate_fn = collate_fn
        self.pin_memory = pin_memory
        self.drop_last = bool(drop_last)
        self.timeout = timeout
        self.worker_init_fn = worker_init_fn
        self.multiprocessing_context = multiprocessing_context
        self.generator = generator
        self.prefetch_factor = prefetch_factor
        self.persistent_workers = persistent_workers
        self.pin_memory_device = pin_memory_device
        self.in_order = in_order
        self._pin = find_pin(pin_memory_device) if pin_memory else None

    def __len__(self) -> int:
        """The number of batches, or of samples where batch_size is None."""
        counted: Any = self.sampler if self.batch_sampler is None else self.batch_sampler
        return len(counted)

    def __iter__(self) -> Iterator[Any]:
        batches: Iterator[Any]
        if self.batch_sampler is None:
            batches = map(self._sample, iter(self.sampler))
        else:
            batches = self._gathered() or map(self._batch, iter(self.batch_sampler))
        return batches if self._pin is None else map(partial(pinned, pin=self._pin), batches)

    def _gathered(self) -> Iterator[Any] | None:
        """The batches of a pass, made on the dataset's device; None where that cannot be."""
        sampler: Any = self.sampler
        batched = type(self.batch_sampler) is BatchSampler and self.batch_sampler.sampler is sampler
        known = type(sampler) in (RandomSampler, SequentialSampler)
        if self.collate_fn is not None or not batched or not known:
            return None
        gatherer = gatherer_of(self.dataset)
        if gatherer is None or len(sampler.data_source) > len(self.dataset):
            return None
        order = to_device(sampler.order(), gatherer.device)
        size, count = cast(int, self.batch_size), len(self)
        return (gatherer.take(order[k * size : (k + 1) * size]) for k in range(count))

    def _sample(self, index: int) -> Any:
        convert = self.collate_fn or default_convert
        return convert(self.dataset[index])

    def _batch(self, indices: Sequence[int]) -> Any:
        if self.collate_fn is None:
            return get_batch(self.dataset, indices)
        return self.collate_fn(get_samples(self.dataset, indices))


def _excluded(argument: str, expected: str, hint: str) -> ArgumentError:
    return ArgumentError("DataLoader", argument, expected=expected, got="both", hint=hint)
