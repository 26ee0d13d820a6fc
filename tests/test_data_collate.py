"""Samplers and collate, beside torch's."""

from __future__ import annotations

from collections import namedtuple

import numpy as np
import pytest
import torch
import torch.utils.data as tud

from nnlite.autograd import Tensor
from nnlite.backend import Generator
from nnlite.data import BatchSampler, RandomSampler, default_collate, default_convert
from nnlite.errors import ArgumentError, DtypeError, GraphError, ShapeError
from tests.test_data_loader import refused, same

# -- samplers ----------------------------------------------------------------------------------


def test_random_sampler():
    gen = Generator().manual_seed(0)
    assert sorted(RandomSampler(range(7), generator=gen)) == list(range(7))
    some = list(RandomSampler(range(7), num_samples=17, generator=gen))
    assert len(some) == 17
    assert sorted(some[:7]) == sorted(some[7:14]) == list(range(7))
    drawn = list(RandomSampler(range(7), replacement=True, num_samples=700, generator=gen))
    counts = np.bincount(drawn, minlength=7)
    assert counts.sum() == 700
    assert counts.min() > 60
    assert len(RandomSampler(range(7))) == 7
    refused(ArgumentError, lambda: RandomSampler(range(7), num_samples=-1))
    refused(DtypeError, lambda: RandomSampler(range(7), generator=0))


@pytest.mark.parametrize("drop_last", [False, True])
def test_batch_sampler(drop_last):
    ours, theirs = BatchSampler(range(8), 3, drop_last), tud.BatchSampler(range(8), 3, drop_last)
    assert list(ours) == list(theirs)
    assert len(ours) == len(theirs)


# -- collate -----------------------------------------------------------------------------------

Point = namedtuple("Point", "x y")


@pytest.mark.parametrize(
    "batch",
    [
        [1.0, 2.0],
        [1, 2],
        [1, 2.5],
        [True, False],
        [True, 2],
        [np.float32(1), np.float32(2)],
        [np.int32(1), np.int32(2)],
        [np.uint8(1)],
        [np.zeros(2, "f4"), np.ones(2, "f4")],
        [np.array(1, "i2"), np.array(2, "i2")],
        [(1, 2.0), (3, 4.0)],
        [[1, 2], [3, 4]],
        ["a", "b"],
        [b"a", b"b"],
        [{"a": 1, "b": np.zeros(2)}, {"a": 2, "b": np.ones(2)}],
        [Point(1, 2.0), Point(3, 4.0)],
        [(np.zeros((2, 3)), {"k": (1, "s")})] * 3,
        [(), ()],
    ],
)
def test_collate_as_torch(batch):
    same(default_collate(batch), tud.default_collate(batch))


@pytest.mark.parametrize("dtypes", [("f4", "i8"), ("f4", "f8"), ("u1", "i2"), ("?", "f4")])
def test_collate_tensors(dtypes):
    arrays = [np.arange(3).astype(dtype) for dtype in dtypes]
    got = default_collate([Tensor(x) for x in arrays])
    same(got, torch.stack([torch.from_numpy(x) for x in arrays]))


@pytest.mark.parametrize(
    ("batch", "error", "where"),
    [
        ([np.zeros(2), np.zeros(2), np.zeros(3)], ShapeError, "sample 2"),
        ([Tensor(np.zeros(2)), Tensor(np.zeros((2, 1)))], ShapeError, "sample 1"),
        ([(1, 2), (1,)], ShapeError, "sample 1"),
        ([{"a": 1}, {"b": 1}], ShapeError, "sample 1"),
        ([1, None], DtypeError, "sample 1"),
        ([None, None], DtypeError, "sample 0"),
        ([np.array(["a"])], DtypeError, "sample 0"),
        ([np.zeros(2), "a"], DtypeError, "sample 1"),
        ([(1, 2), 3], DtypeError, "sample 1"),
        ([np.zeros(2, complex)], DtypeError, "sample 0"),
        ([Tensor(np.zeros(2)), Tensor(np.zeros(2), requires_grad=True)], GraphError, "sample 1"),
        ([], ArgumentError, "batch"),
        ([2**70, 1], ArgumentError, "batch"),
    ],
)
def test_collate_refuses(batch, error, where):
    assert refused(error, lambda: default_collate(batch)).argument == where


def test_collate_copies():
    x = np.zeros(3)
    assert not np.shares_memory(default_collate([x]).array, x)


def test_convert():
    sample = {"x": np.ones(2), "y": (1, "s", [np.float32(2)]), "p": Point(np.zeros(1), 2)}
    got, want = default_convert(sample), tud.default_convert(sample)
    same(got, want)
