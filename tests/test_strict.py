"""The stand-in for CuPy allows what CuPy allows; what it refuses is in test_strict_refuses.py."""

from __future__ import annotations

import copy
import operator
import warnings
from importlib.util import find_spec

import numpy as np
import pytest

from nnlite.backend import array_module, backend_for, backend_of, is_array
from nnlite.backend import device as device_of
from tests.strict import (
    STRICT,
    DeviceDiffersError,
    StrictArray,
    TransferError,
    forbid_transfers,
    transfers,
    xp,
)
from tests.strict.interface import FILE, describe
from tests.strict.samples import IN_PLACE, NUMBERS, OPERATORS, same


@pytest.fixture
def x() -> StrictArray:
    return STRICT.asarray(NUMBERS)


# -- the backend -----------------------------------------------------------------------------


def test_is_found_by_type_and_by_name(x):
    assert is_array(x)
    assert backend_of(x) is STRICT
    assert array_module(x) is xp
    assert backend_for(device_of("strict")) is STRICT


def test_asarray_takes_lists_scalars_and_arrays(x):
    same(STRICT.asarray([[1, 2], [3, 4]]), [[1, 2], [3, 4]])
    same(STRICT.asarray(2.5, np.dtype("float32")), np.float32(2.5))
    same(STRICT.asarray([x[0], x[1]]), NUMBERS)
    assert STRICT.asarray(x) is x
    same(STRICT.asarray(x, np.dtype("float64")), NUMBERS.astype("float64"))


def test_asarray_copies_what_lies_on_the_host():
    host = NUMBERS.copy()
    there = STRICT.asarray(host)
    host[:] = -1
    same(there, NUMBERS)


def test_to_numpy_copies(x):
    host = STRICT.to_numpy(x)
    host[:] = -1
    same(x, NUMBERS)


def test_scatter_add_adds_at_each_repetition():
    target = xp.zeros(3, dtype=np.float32)
    STRICT.scatter_add(target, (xp.asarray([0, 2, 2]),), xp.asarray([1.0, 2.0, 3.0]))
    same(target, np.float32([1, 0, 5]))
    with pytest.raises(TypeError):
        STRICT.scatter_add(target, np.array([0]), 1.0)
    with pytest.raises(TypeError):
        STRICT.scatter_add(target, xp.asarray([0]), np.ones(1))
    with pytest.raises(DeviceDiffersError):
        STRICT.scatter_add(target, xp.asarray([3]), 1.0)


# -- allowed ---------------------------------------------------------------------------------


@pytest.mark.parametrize("op", OPERATORS)
@pytest.mark.parametrize("other", [2, 2.0, True, np.float32(2), np.float64(2), np.array(2.0)])
def test_scalars_on_either_side(x, op, other):
    x = x + 1
    same(op(x, other), op(NUMBERS + 1, other))
    if not isinstance(other, np.ndarray):
        same(op(other, x), op(other, NUMBERS + 1))


@pytest.mark.parametrize("op", OPERATORS)
def test_operators_between_two(x, op):
    with np.errstate(all="ignore"):
        same(op(x, x[0] + 1), op(NUMBERS, NUMBERS[0] + 1))


@pytest.mark.parametrize("op", IN_PLACE)
def test_in_place_operators_keep_the_memory(x, op):
    row, before = x[0], x
    y = op(x, x + 1)
    assert y is before
    same(y, op(NUMBERS.copy(), NUMBERS + 1))
    same(row, y[0].get())


def test_integer_operators():
    a, b = np.array([6, 3]), np.array([1, 2])
    x, y = STRICT.asarray(a), STRICT.asarray(b)
    for op in (operator.and_, operator.or_, operator.xor, operator.lshift, operator.rshift):
        same(op(x, y), op(a, b))
    same(~x, ~a)
    same(-x, -a)
    same(abs(-x), a)


def test_an_operator_is_left_to_a_tensor(x):
    class Tensor:
        __array_ufunc__ = None

        def __radd__(self, other):
            return "radd"

        def __rmatmul__(self, other):
            return "rmatmul"

        def __gt__(self, other):
            return "gt"

    assert x + Tensor() == "radd"
    assert x @ Tensor() == "rmatmul"
    assert (x < Tensor()) == "gt"


@pytest.mark.parametrize(
    "use",
    [
        lambda m, x: x.sum(),
        lambda m, x: x.sum(axis=1, keepdims=True),
        lambda m, x: x.max(axis=0),
        lambda m, x: x.argmax(1),
        lambda m, x: x.mean(),
        lambda m, x: x.var(axis=0, ddof=1),
        lambda m, x: x.any(),
        lambda m, x: x.dot(x.T),
        lambda m, x: x.astype("float64"),
        lambda m, x: x.reshape(3, 2),
        lambda m, x: x.reshape((6,)),
        lambda m, x: x.transpose(1, 0),
        lambda m, x: x.swapaxes(0, 1).copy(),
        lambda m, x: x[0, 0] + x[0, 1],
        lambda m, x: x[0, 1],
        lambda m, x: x[:, ::-1],
        lambda m, x: x[None, ..., 1:],
        lambda m, x: x[[1, 0]],
        lambda m, x: x[m.asarray([[1, 0], [0, 0]])],
        lambda m, x: x[m.asarray(1)],
        lambda m, x: x[x > 2],
        lambda m, x: x[[]],
        lambda m, x: x[np.int64(1)],
        lambda m, x: m.sum(x, axis=(0, 1)),
        lambda m, x: m.exp(x[0, 0]),
        lambda m, x: m.maximum(x, 2),
        lambda m, x: m.clip(x, 1, None),
        lambda m, x: m.where(x > 2, x, 0.0),
        lambda m, x: m.where(x > 2, 1.0, 0.0),
        lambda m, x: m.tensordot(x, x, axes=((0, 1), (0, 1))),
        lambda m, x: m.einsum("ij,kj->ik", x, x),
        lambda m, x: m.concatenate([x, x], axis=1),
        lambda m, x: m.stack((x, x)),
        lambda m, x: m.pad(x, ((0, 0), (1, 2)), constant_values=-1.0),
        lambda m, x: m.take_along_axis(x, m.argsort(-x, axis=1), 1),
        lambda m, x: m.bincount(m.asarray([0, 2, 2]), minlength=4),
        lambda m, x: m.count_nonzero(x),
        lambda m, x: m.linalg.norm(x),
        lambda m, x: m.add.reduce(x, axis=1),
        lambda m, x: m.zeros((2, 2), dtype=np.float32),
        lambda m, x: m.full_like(x, 3.0),
        lambda m, x: m.arange(3, dtype=m.float32),
        lambda m, x: m.array_equal(x, x),
        lambda m, x: m.lib.stride_tricks.sliding_window_view(x, 2, axis=1),
        lambda m, x: m.lib.stride_tricks.as_strided(x, (2, 2), x.strides),
    ],
)
def test_results_are_those_of_numpy_and_never_scalars(x, use):
    same(use(xp, x), use(np, NUMBERS))


def test_several_results(x):
    first, second = xp.split(x, 2)
    same(first, NUMBERS[:1])
    assert second.base is x
    rows, columns = xp.nonzero(x > 3)
    same(rows, [1, 1])
    same(columns, [1, 2])
    values, counts = xp.unique(xp.asarray([2, 1, 2]), return_counts=True)
    same(values, [1, 2])
    same(counts, [1, 2])


def test_out_is_returned(x):
    out = xp.empty_like(x)
    assert xp.exp(x, out=out) is out
    assert xp.sum(x, axis=0, out=out[0]).shape == (3,)
    same(out, np.stack([NUMBERS.sum(0), np.exp(NUMBERS)[1]]))


def test_host_answers_cost_no_copy(x):
    with forbid_transfers():
        assert (x.shape, x.ndim, x.size, len(x)) == ((2, 3), 2, 6, 2)
        assert (x.dtype, x.itemsize, x.nbytes, x.strides) == (np.float32, 4, 24, (12, 4))
        assert xp.result_type(x, np.float64) == np.float64
        assert xp.finfo(x.dtype).bits == 32
        assert xp.shares_memory(x, x.T)
        assert [row.shape for row in x] == [(3,), (3,)]


# -- memory ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "view",
    [
        lambda x: x[0],
        lambda x: x[0, 0],
        lambda x: x[:, 1:],
        lambda x: x.T,
        lambda x: x.reshape(3, 2),
        lambda x: x.reshape(6)[1:][1:],
        lambda x: x.ravel(),
        lambda x: x.view(),
        lambda x: x.swapaxes(0, 1),
        lambda x: x[None].squeeze(0),
        lambda x: xp.transpose(x),
        lambda x: xp.moveaxis(x, 0, 1),
        lambda x: xp.broadcast_to(x, (2, 2, 3)),
        lambda x: xp.flip(x),
        lambda x: next(iter(x)),
    ],
)
def test_views_share_memory_and_know_their_base(x, view):
    y = view(x)
    assert y.base is x
    x[...] = 9.0
    assert (y == 9.0).all()


@pytest.mark.parametrize(
    "make",
    [
        lambda x: x + 1,
        lambda x: x.copy(),
        lambda x: x.astype("float32"),
        lambda x: x.sum(),
        lambda x: x[[0]],
        lambda x: x[:, [0, 2]],
        lambda x: x[xp.asarray(0)],
        lambda x: x[x > 1],
        lambda x: xp.exp(x),
        lambda x: xp.where(x > 1, x, x),
        lambda x: xp.concatenate([x]),
        lambda x: xp.asarray([x, x]),
        copy.copy,
        copy.deepcopy,
    ],
)
def test_new_arrays_share_nothing(x, make):
    y = make(x)
    assert y.base is None
    before = y.get()
    x[...] = 99.0
    np.testing.assert_array_equal(y.get(), before)


def test_as_strided_forgets_its_base(x):
    # CuPy makes the view of a bare pointer: base is no proof that memory is not shared
    y = xp.lib.stride_tricks.as_strided(x, (2, 2), x.strides)
    assert y.base is None
    x[...] = 9.0
    assert (y == 9.0).all()


def test_what_changes_nothing_returns_the_same_object(x):
    assert xp.asarray(x) is x
    assert xp.ascontiguousarray(x) is x
    assert x.astype("float32", copy=False) is x
    assert x[0].T.shape == (3,)
    row = x[0]
    assert row.T is row


# -- transfers -------------------------------------------------------------------------------

READS = [
    lambda x: x.get(),
    STRICT.to_numpy,
    lambda x: x.tolist(),
    lambda x: x[0, 0].item(),
    lambda x: float(x[0, 0]),
    lambda x: int(x[0, 0]),
    lambda x: complex(x[0, 0]),
    lambda x: bool(x[0, 0]),
    lambda x: bool(x.any()),
    lambda x: x[x > 1],
    lambda x: x.nonzero(),
    lambda x: xp.nonzero(x),
    lambda x: xp.unique(x),
    lambda x: xp.bincount(xp.asarray([0, 1])),
    lambda x: xp.lib.stride_tricks.sliding_window_view(x, 2, axis=1),
]


@pytest.mark.parametrize("read", READS)
def test_reads_are_counted_and_can_be_forbidden(x, read):
    before = transfers.count
    read(x)
    assert transfers.count == before + 1
    with forbid_transfers(), pytest.raises(TransferError):
        read(x)
    assert transfers.count == before + 1
    read(x)


def test_computing_reads_nothing(x):
    before = transfers.count
    with forbid_transfers():
        y = xp.maximum(x @ x.T, 0).sum(axis=0)
        y /= y.max()
        y[xp.asarray([0])] = 2.0
        x[x > 1] = 0.0
        STRICT.scatter_add(y, xp.asarray([0, 0]), 1.0)
    assert transfers.count == before


# -- where the names come from ---------------------------------------------------------------


@pytest.mark.skipif(find_spec("cupy") is None, reason="CuPy is not installed")
def test_the_frozen_names_are_cupys():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # CuPy says that there is no GPU
        import cupy

        lines = describe(cupy)
    frozen = FILE.read_text(encoding="utf-8").splitlines()
    if lines[0] != frozen[0]:
        pytest.skip(f"another CuPy is installed: {cupy.__version__}")
    assert lines == frozen
