"""TensorDataset, Subset, ConcatDataset and random_split, beside torch's."""

from __future__ import annotations

import numpy as np
import pytest
import torch.utils.data as tud

from nnlite.autograd import Tensor
from nnlite.backend import Generator, backend_of
from nnlite.data import (
    ConcatDataset,
    DataLoader,
    Subset,
    TensorDataset,
    default_collate,
    random_split,
)
from nnlite.errors import ArgumentError, DtypeError, GraphError, NnliteIndexError, ShapeError
from tests.conftest import to_device
from tests.test_data_loader import pair, refused, same, sets


def test_tensor_dataset_gathers_without_items(device, monkeypatch):
    x, y = pair()
    ours = TensorDataset(Tensor(to_device(x, device)), Tensor(to_device(y, device)))
    sample = ours[-1]
    assert isinstance(sample, tuple)
    assert sample[0].shape == (3,)
    assert sample[1].shape == ()
    loader = DataLoader(Subset(ours, [4, 2, 9]), 2)
    batches = list(loader)
    for batch, chosen in zip(batches, ([4, 2], [9]), strict=True):
        want = default_collate([ours[i] for i in chosen])
        for got, expected, source in zip(batch, want, (x, y), strict=True):
            assert backend_of(got.array) is backend_of(ours.tensors[0].array)
            back = backend_of(got.array).to_numpy
            np.testing.assert_array_equal(back(got.array), back(expected.array))
            np.testing.assert_array_equal(back(got.array), source[chosen])
            assert got.dtype == expected.dtype == source.dtype


def test_one_gather_per_batch(monkeypatch):
    ours, _ = sets()

    def never(self, index):
        raise AssertionError("item by item")

    monkeypatch.setattr(TensorDataset, "__getitem__", never)
    assert len(list(DataLoader(ours, 4))) == 3
    assert len(list(DataLoader(Subset(ours, range(5)), 4))) == 2


def test_subclass_with_its_own_items_is_respected():
    class Doubled(TensorDataset):
        def __getitem__(self, index):
            x, y = super().__getitem__(index)
            return Tensor(x.array * 2), y

    class Tripled(Subset):
        def __getitem__(self, index):
            x, y = super().__getitem__(index)
            return Tensor(x.array * 3), y

    x, _ = pair()
    ours = Doubled(*sets()[0].tensors)
    np.testing.assert_array_equal(next(iter(DataLoader(ours, 4)))[0].array, x[:4] * 2)
    part = Tripled(sets()[0], [5, 6])
    np.testing.assert_array_equal(next(iter(DataLoader(part, 4)))[0].array, x[5:7] * 3)


def test_samples_do_not_alias_the_data():
    ours, _ = sets()
    for sample in (ours[0][0], next(iter(DataLoader(ours, 2)))[0], ours[1:3][0]):
        assert not np.shares_memory(sample.array, ours.tensors[0].array)


def test_tensor_dataset_refuses():
    x = Tensor(np.zeros((3, 2)))
    refused(ArgumentError, TensorDataset)
    refused(DtypeError, lambda: TensorDataset(np.zeros(3)))
    refused(ShapeError, lambda: TensorDataset(x, Tensor(np.zeros(4))))
    refused(ShapeError, lambda: TensorDataset(Tensor(np.array(1.0))))
    refused(GraphError, lambda: TensorDataset(x, Tensor(np.zeros(3), requires_grad=True)))
    ours = TensorDataset(x)
    for index in (3, -4):
        refused(NnliteIndexError, lambda index=index: ours[index])
        loader = DataLoader(ours, 2, sampler=[0, index])
        refused(NnliteIndexError, lambda loader=loader: list(loader))
    assert [len(sample) for sample in ours] == [1, 1, 1]  # ends by IndexError


def test_concat_and_add():
    ours, theirs = sets()
    a, b = ours + Subset(ours, [3, 1]), theirs + tud.Subset(theirs, [3, 1])
    assert len(a) == len(b) == 12
    for i in range(-12, 12):
        same(a[i], b[i])
    same(list(DataLoader(a, 5)), list(tud.DataLoader(b, 5)))
    refused(NnliteIndexError, lambda: a[12])
    refused(NnliteIndexError, lambda: a[-13])
    refused(ArgumentError, lambda: ConcatDataset([]))


@pytest.mark.parametrize(
    "lengths", [[7, 3], [10], [0.5, 0.5], [0.33, 0.33, 0.34], [0.75, 0.25], [0.1] * 10, [3, 3, 4]]
)
def test_random_split(lengths):
    ours, theirs = sets()
    parts = random_split(ours, lengths, generator=Generator().manual_seed(0))
    want = tud.random_split(theirs, lengths)
    assert [len(p) for p in parts] == [len(p) for p in want]
    chosen = [i for part in parts for i in part.indices]
    assert sorted(chosen) == list(range(10))
    again = random_split(ours, lengths, generator=Generator().manual_seed(0))
    other = random_split(ours, lengths, generator=Generator().manual_seed(1))
    assert [p.indices for p in again] == [p.indices for p in parts]
    assert [p.indices for p in other] != [p.indices for p in parts]


@pytest.mark.parametrize(
    "lengths", [[7, 4], [0.5, 0.4], [-1, 11], [2.5, 7.5], [float("nan")], [], [True, 9], ["7", 3]]
)
def test_random_split_refuses(lengths):
    refused(ArgumentError, lambda: random_split(sets()[0], lengths))


def test_random_split_warns_of_an_empty_part():
    with pytest.warns(UserWarning, match="part 1 is empty"):
        random_split(sets()[0], [10, 0])
