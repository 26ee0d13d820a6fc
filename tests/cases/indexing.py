# ruff: noqa: E501
"""Cases of nnlite.ops.indexing."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from nnlite.ops import conversion, creation
from nnlite.ops import indexing as X
from tests.cases.base import OpCase, Sample
from tests.cases.shape import _of


class Index:
    """An index with NumPy arrays in it, which become each library's own tensors."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def of(self, convert: Any) -> Any:
        if isinstance(self.value, tuple):
            return tuple(Index(v).of(convert) for v in self.value)
        return convert(self.value) if isinstance(self.value, np.ndarray) else self.value

    def __repr__(self) -> str:
        return repr(self.value).replace("\n", "")


a = np.array
BASIC = [
    ((5,), 2), ((5,), -1), ((5,), slice(1, 4)), ((5,), slice(None, None, 2)), ((5,), ...),
    ((5,), None), ((5,), slice(4, 1)), ((5,), slice(-9, 99)), ((2, 3), (1, 2)), ((2, 3), (slice(None), 1)),
    ((2, 3), (..., -1)), ((2, 3), (None, 0, ..., None)), ((4, 1, 3), (slice(1, 3), 0, slice(0, 3, 2))),
    ((4, 1, 3), ()), ((), ...), ((), None), ((), ()), ((0, 3), slice(None)), ((0, 3), (slice(None), 1)),
    ((5,), np.int64(3)), ((5,), a(2)),
]  # fmt: skip
ADVANCED = [
    ((5,), a([0, 3])), ((5,), [0, 0, 0, 1]), ((5,), a([[0, -1], [2, 2]])), ((5,), a([], np.int64)),
    ((2, 3), (a([0, 1, 0, 0]), a([0, 2, 0, -3]))), ((2, 3), (slice(None), a([2, 0, 2]))),
    ((2, 3), (a([[1], [0]]), a([[0, 2]]))), ((2, 3), (0, a([1, 1]))), ((2, 3, 4), (0, slice(None), a([1, 3]))),
    ((2, 3, 4), (a([0, 1]), slice(None), a([1, 3]))), ((2, 3, 4), (slice(None), a([0, 1]), a([1, 3]))),
    ((2, 3, 4), (a([0, 1]), 1, a([1, 3]))), ((2, 3, 4), (a([0, 1]), None, a([1, 2]))),
    ((2, 3, 4), (..., a([1, 1, 0]), slice(1, 4, 2))), ((2, 3, 4), (None, a([1, 0]), slice(1, 2))),
    ((5,), a([True, False, True, False, False])), ((2, 3), a([[True, False, True], [False, False, True]])),
    ((2, 3), (slice(None), a([True, False, True]))), ((2, 3), (a([True, False]), a([0, 2]))),
    ((2, 3), a([False, False])), ((2, 3), True), ((2, 3), False), ((), True), ((), False), ((), a(True)),
    ((2, 3), (a([1, 0], np.int32),)), ((2, 3), []), ((0, 3), a([], np.int64)), ((0, 3), (slice(None), a([2, 2]))),
    ((5,), [True, False, True, True, False]), ((2, 3), (a([True, False]), None, [0, 2])),
]  # fmt: skip


def _samples(pairs):
    return lambda rng: [
        Sample((rng.standard_normal(shape), Index(index)), id=f"{shape}[{Index(index)}]")
        for shape, index in pairs
    ]


def _set_samples(rng):
    places = [
        ((5,), 2, ()), ((5,), slice(1, 4), (3,)), ((5,), slice(1, 4), (1, 1, 3)), ((2, 3), (slice(None), 1), (2,)),
        ((2, 3), ..., (3,)), ((2, 3), 0, (1,)), ((2, 3), (a([1, 0]), a([0, 2])), (2,)), ((), ..., ()),
        ((2, 3), a([[True, False, True], [False, False, True]]), ()),
        ((2, 3), a([[True, False, True], [False, False, True]]), (3,)),
        ((2, 3, 4), (0, slice(None), a([1, 3])), (3, 2)), ((2, 3, 4), (a([0, 1]), slice(None), a([1, 3])), (2, 3)),
        ((0, 3), slice(None), (3,)), ((5,), a([], np.int64), (1,)), ((2, 3), True, (2, 3)),
    ]  # fmt: skip
    return [
        Sample(
            (rng.standard_normal(shape), Index(index), rng.standard_normal(value)),
            id=f"{shape}[{Index(index)}]={value}",
        )
        for shape, index, value in places
    ] + [Sample((rng.standard_normal((2, 3)), Index((0, 1)), 2.5), id="number")]


def _set(x, index, value):
    y = conversion.clone(x)
    X.setitem(y, index.of(lambda i: creation.tensor(i, device=x.device)), value)
    return y


def _torch_set(x, index, value):
    y = x.clone()
    y[index.of(torch.from_numpy)] = value
    return y


def _get(x, index):
    return X.getitem(x, index.of(lambda i: creation.tensor(i, device=x.device)))


def _torch_get(x, index):
    return x[index.of(torch.from_numpy)]


CASES = [
    OpCase("getitem basic", (X.Slice, X.Unslice), _get, _torch_get, _samples(BASIC)),
    OpCase("getitem advanced", (X.Take, X.Untake), _get, _torch_get, _samples(ADVANCED)),
    OpCase("setitem", (X.Put,), _set, _torch_set, _set_samples),
    OpCase(
        "select",
        (X.Slice,),
        X.select,
        torch.select,
        _of(((2, 3), 1, -1), ((5,), 0, 4), ((2, 0), 0, 1)),
    ),
    OpCase(
        "narrow",
        (X.Slice,),
        X.narrow,
        torch.narrow,
        _of(((5,), 0, 1, 3), ((2, 3), -1, 0, 2), ((2, 3), 1, -2, 2), ((5,), 0, 5, 0)),
    ),
]
