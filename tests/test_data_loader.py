"""Datasets, samplers, collate and DataLoader, beside torch's."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.utils.data as tud
from hypothesis import given, settings
from hypothesis import strategies as st

import nnlite.utils.data as facade
from nnlite import data as nd
from nnlite.autograd import Tensor
from nnlite.backend import Generator, manual_seed
from nnlite.data import (
    BatchSampler,
    DataLoader,
    Dataset,
    RandomSampler,
    SequentialSampler,
    Subset,
    TensorDataset,
)
from nnlite.errors import (
    ArgumentError,
    DtypeError,
    NnliteError,
)


def pair(n: int = 10):
    x = np.random.default_rng(0).normal(size=(n, 3)).astype(np.float32)
    y = np.arange(n)
    return x, y


def sets(n: int = 10):
    x, y = pair(n)
    ours = TensorDataset(Tensor(x), Tensor(y))
    return ours, tud.TensorDataset(torch.from_numpy(x), torch.from_numpy(y))


class Items(Dataset):
    """The same samples, without any fast path."""

    def __init__(self, n: int = 10) -> None:
        self.x, self.y = pair(n)

    def __len__(self):
        return len(self.x)

    def __getitem__(self, i):
        return self.x[i], int(self.y[i])


class Plain:
    """A dataset that derives from nothing."""

    def __len__(self):
        return 5

    def __getitem__(self, i):
        return i * 1.5


def same(ours, theirs) -> None:
    """Equal in structure, dtype and values."""
    if isinstance(theirs, torch.Tensor):
        assert isinstance(ours, Tensor)
        assert ours.dtype == theirs.numpy().dtype
        assert ours.shape == tuple(theirs.shape)
        np.testing.assert_array_equal(ours.array, theirs.numpy())
    elif isinstance(theirs, dict):
        assert list(ours) == list(theirs)
        for key in theirs:
            same(ours[key], theirs[key])
    elif isinstance(theirs, (tuple, list)):
        assert type(ours) is type(theirs)
        assert len(ours) == len(theirs)
        for a, b in zip(ours, theirs, strict=True):
            same(a, b)
    else:
        assert type(ours) is type(theirs)
        assert ours == theirs


def refused(error: type[NnliteError], call) -> NnliteError:
    with pytest.raises(error) as caught:
        call()
    it = caught.value
    assert it.op
    assert it.argument
    assert it.expected
    assert it.got
    assert it.hint
    return it


# -- DataLoader --------------------------------------------------------------------------------


@settings(max_examples=100, derandomize=True, deadline=None)
@given(
    n=st.integers(0, 23),
    batch_size=st.integers(1, 25),
    drop_last=st.booleans(),
    items=st.booleans(),
)
def test_batches_as_torch(n, batch_size, drop_last, items):
    ours, theirs = sets(n)
    if items:
        ours = theirs = Items(n)
    loader = DataLoader(ours, batch_size, drop_last=drop_last)
    want = tud.DataLoader(theirs, batch_size, drop_last=drop_last)
    assert len(loader) == len(want)
    got, want = list(loader), list(want)
    assert len(got) == len(want) == len(loader)
    for a, b in zip(got, want, strict=True):
        same(a, b)


@pytest.mark.parametrize("drop_last", [False, True])
def test_shuffle_is_a_fresh_permutation_each_epoch(drop_last):
    """Lightning#20412."""
    ours, _ = sets(23)
    loader = DataLoader(
        ours, 5, shuffle=True, drop_last=drop_last, generator=Generator().manual_seed(3)
    )
    epochs = []
    for _ in range(4):
        batches = [y.array.tolist() for _, y in loader]
        assert [len(b) for b in batches] == [5, 5, 5, 5] + ([] if drop_last else [3])
        epochs.append([i for b in batches for i in b])
    assert len({tuple(e) for e in epochs}) == 4
    for epoch in epochs:
        assert len(set(epoch)) == len(epoch)
        assert drop_last or sorted(epoch) == list(range(23))
        assert epoch != sorted(epoch)


def order(loader) -> list[int]:
    return [i for _, y in loader for i in y.array.tolist()]


def test_seeds():
    ours, _ = sets(30)

    def epochs(generator):
        loader = DataLoader(ours, 4, shuffle=True, generator=generator)
        return [order(loader), order(loader)]

    assert epochs(Generator().manual_seed(1)) == epochs(Generator().manual_seed(1))
    assert epochs(Generator().manual_seed(1)) != epochs(Generator().manual_seed(2))
    manual_seed(5)
    first = epochs(None)
    manual_seed(5)
    np.random.seed(0)
    assert epochs(None) == first
    assert np.random.get_state()[2] == 624


def test_two_iterators_at_once():
    ours, _ = sets(12)
    loader = DataLoader(ours, 5, shuffle=True, generator=Generator().manual_seed(0))
    both = list(zip(loader, loader, strict=True))
    for side in (0, 1):
        seen = [i for batches in both for i in batches[side][1].array.tolist()]
        assert sorted(seen) == list(range(12))
    plain = DataLoader(ours, 5)
    a, b = iter(plain), iter(plain)
    next(a)
    assert next(b)[1].array.tolist() == [0, 1, 2, 3, 4]
    assert next(a)[1].array.tolist() == [5, 6, 7, 8, 9]


def test_order_is_drawn_when_the_pass_begins():
    ours, _ = sets(20)
    generator = Generator().manual_seed(0)
    loader = DataLoader(ours, 4, shuffle=True, generator=generator)
    begun = iter(loader)
    generator.manual_seed(0)
    assert order(begun) == order(loader)


@pytest.mark.parametrize("batch_size", [0, -1, 2.5, True, "3", np.float64(2)])
def test_batch_size_refused(batch_size):
    ours, _ = sets()
    error = refused(ArgumentError, lambda: DataLoader(ours, batch_size))
    assert error.argument == "batch_size"
    refused(ArgumentError, lambda: BatchSampler(range(3), batch_size, False))


def test_options_that_exclude_each_other():
    ours, _ = sets()
    sampler = SequentialSampler(ours)
    batches = BatchSampler(sampler, 2, False)
    for options in (
        {"sampler": sampler, "shuffle": True},
        {"batch_sampler": batches, "shuffle": True},
        {"batch_sampler": batches, "batch_size": 2},
        {"batch_sampler": batches, "drop_last": True},
        {"batch_sampler": batches, "sampler": sampler},
        {"batch_size": None, "drop_last": True},
        {"num_workers": -1},
        {"num_workers": 1.5},
    ):
        with pytest.raises(ValueError):  # noqa: PT011  (both libraries: a kind of ValueError)
            tud.DataLoader([1], **options) if "num_workers" not in options else _raise()
        refused(ArgumentError, lambda options=options: DataLoader(ours, **options))
    refused(DtypeError, lambda: DataLoader(ours, generator=np.random.default_rng(0)))
    refused(DtypeError, lambda: DataLoader(ours, generator=torch.Generator()))
    refused(DtypeError, lambda: DataLoader(iter([1])))


def _raise():
    raise ValueError


def test_samplers_in_the_loader():
    ours, theirs = sets()
    sampler = [7, 1, 1, 9]
    same(
        list(DataLoader(ours, 3, sampler=sampler)), list(tud.DataLoader(theirs, 3, sampler=sampler))
    )
    batches = [[1, 2], [3], [9, 9, 9]]
    loader = DataLoader(ours, batch_sampler=batches)
    assert len(loader) == 3
    same(list(loader), list(tud.DataLoader(theirs, batch_sampler=batches)))


def test_workers_are_announced_as_missing():
    ours, _ = sets()
    with pytest.warns(UserWarning, match="without workers"):
        loader = DataLoader(ours, 3, num_workers=2, persistent_workers=True, prefetch_factor=2)
    assert len(list(loader)) == 4


def test_torch_argument_order():
    import inspect

    def names(cls):
        return list(inspect.signature(cls.__init__).parameters)

    assert names(DataLoader) == names(tud.DataLoader)
    assert names(RandomSampler) == names(tud.RandomSampler)
    assert names(BatchSampler) == names(tud.BatchSampler)


def test_no_batches():
    same(list(DataLoader(Items(4), None)), list(tud.DataLoader(Items(4), None)))
    assert len(DataLoader(Items(4), None)) == 4
    loader = DataLoader(Items(4), None, shuffle=True, generator=Generator().manual_seed(1))
    assert sorted(y for _, y in loader) == [0, 1, 2, 3]


def test_collate_fn():
    ours, _ = sets()
    batches = list(DataLoader(ours, 4, collate_fn=lambda samples: samples))
    assert [len(b) for b in batches] == [4, 4, 2]
    assert isinstance(batches[0][0], tuple)
    assert batches[2][1][1].array == 9


@pytest.mark.parametrize("shuffle", [False, True])
def test_empty_dataset(shuffle):
    ours, _ = sets(0)
    loader = DataLoader(ours, 4, shuffle=shuffle)
    assert len(loader) == 0
    assert list(loader) == []
    assert list(DataLoader([], 4, shuffle=shuffle)) == []


def test_any_object_with_length_and_items():
    same(list(DataLoader(Plain(), 2)), list(tud.DataLoader(Plain(), 2)))
    same(list(DataLoader([1, 2, 3], 2)), list(tud.DataLoader([1, 2, 3], 2)))


def test_torch_getitems_is_used():
    class Many(Items):
        asked = 0

        def __getitems__(self, indices):
            self.asked += 1
            return [(self.x[i] + 1, int(self.y[i])) for i in indices]

    ours = Many()
    same(list(DataLoader(ours, 4)), list(tud.DataLoader(Many(), 4)))
    assert ours.asked == 3
    same(
        list(DataLoader(Subset(ours, [1, 2, 5]), 2)),
        list(tud.DataLoader(tud.Subset(Many(), [1, 2, 5]), 2)),
    )


# -- the facade --------------------------------------------------------------------------------


def test_utils_data_is_the_same():
    for name in facade.__all__:
        assert getattr(facade, name) is getattr(nd, name)
    import nnlite.utils

    assert nnlite.utils.data.DataLoader is DataLoader
    assert set(facade.__all__) == set(nd.__all__) - {"transforms"}
