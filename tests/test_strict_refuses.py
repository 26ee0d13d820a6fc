"""The stand-in for CuPy refuses what CuPy refuses."""

from __future__ import annotations

import operator

import numpy as np
import pytest

from tests.strict import STRICT, DeviceDiffersError, StrictArray, xp
from tests.strict.samples import IN_PLACE, NUMBERS, OPERATORS, same


@pytest.fixture
def x() -> StrictArray:
    return STRICT.asarray(NUMBERS)


@pytest.mark.parametrize(
    "use",
    [
        np.asarray,
        np.array,
        np.exp,
        np.sum,
        np.max,
        np.transpose,
        np.zeros_like,
        lambda x: np.add(x, 1),
        lambda x: np.add(NUMBERS, x),
        lambda x: np.where(x, 1, 2),
        lambda x: np.concatenate([x, x]),
        lambda x: np.einsum("ij->i", x),
        lambda x: np.add.at(np.zeros(6), x, 1),
        lambda x: np.copyto(NUMBERS.copy(), x),
    ],
)
def test_numpy_functions_refuse_it(x, use):
    with pytest.raises(TypeError):
        use(x)


@pytest.mark.parametrize("op", [*OPERATORS, operator.matmul, *IN_PLACE])
@pytest.mark.parametrize("other", [NUMBERS, [1.0, 2.0, 3.0], None, "1"])
def test_operators_refuse_what_is_not_on_the_device(x, op, other):
    with pytest.raises(TypeError):
        op(x, other)
    same(x, NUMBERS)


@pytest.mark.parametrize("op", [*OPERATORS, operator.matmul, *IN_PLACE])
def test_numpy_operators_refuse_it(x, op):
    with pytest.raises(TypeError):
        op(NUMBERS.copy(), x)


@pytest.mark.parametrize(
    "use",
    [
        lambda x: xp.add(x, NUMBERS),
        lambda x: xp.exp(NUMBERS),
        lambda x: xp.exp([1.0, 2.0]),
        lambda x: xp.sum(NUMBERS),
        lambda x: xp.sum(2.0),
        lambda x: xp.sum([1.0, 2.0]),
        lambda x: xp.where(x > 0, x, NUMBERS),
        lambda x: xp.where(NUMBERS > 0, x, x),
        lambda x: xp.where(True, x, x),
        lambda x: xp.concatenate([x, NUMBERS]),
        lambda x: xp.stack([NUMBERS, NUMBERS]),
        lambda x: xp.matmul(x, NUMBERS.T),
        lambda x: xp.tensordot(x, NUMBERS, 2),
        lambda x: xp.einsum("ij,ij->i", x, NUMBERS),
        lambda x: xp.take(x, np.array([0])),
        lambda x: xp.take_along_axis(x, np.array([[0]]), 1),
        lambda x: xp.clip(x, 0, NUMBERS),
        lambda x: xp.copyto(x, NUMBERS),
        lambda x: xp.pad(NUMBERS, 1),
        lambda x: xp.broadcast_to(NUMBERS, (1, 2, 3)),
        lambda x: xp.exp(x, out=NUMBERS.copy()),
        lambda x: xp.sum(x, axis=0, out=np.zeros(3)),
        lambda x: xp.reshape(x, [xp.asarray(3), 2]),
        lambda x: xp.take_along_axis(x, [[0], [0]], 1),
        lambda x: xp.concatenate([x, [[1.0, 2.0, 3.0]]]),
        lambda x: xp.matmul(x, [1.0, 2.0, 3.0]),
        lambda x: xp.einsum("ij,j->i", x, [1.0, 2.0, 3.0]),
        lambda x: x.dot(NUMBERS.T),
        lambda x: x.clip(0, NUMBERS),
        lambda x: x.take(np.array([0])),
        lambda x: x.sum(out=np.zeros(())),
    ],
)
def test_functions_refuse_what_is_not_on_the_device(x, use):
    with pytest.raises(TypeError):
        use(x)


@pytest.mark.parametrize(
    "use",
    [
        lambda x: xp.add(x, x, where=x > 0),
        lambda x: xp.exp(x, order="C"),
        lambda x: xp.exp(x, subok=True),
        lambda x: xp.sum(x, where=x > 0),
        lambda x: xp.sum(x, initial=0),
        lambda x: xp.max(x, initial=0),
        lambda x: xp.mean(x, where=x > 0),
        lambda x: xp.take(x, 0, mode="clip"),
        lambda x: xp.clip(x, min=0, max=1),
        lambda x: xp.clip(x),
        lambda x: xp.count_nonzero(x, keepdims=True),
        lambda x: xp.einsum("ij->i", x, out=x),
        lambda x: xp.add.reduce(x, initial=0),
        lambda x: x.sum(where=x > 0),
        lambda x: x.max(initial=0),
        lambda x: x.item(0),
        lambda x: x.take(xp.asarray([0]), mode="clip"),
        lambda x: x.astype("float64", casting="unsafe"),
        lambda x: xp.add.at(xp.zeros(2, dtype=np.int64), xp.asarray([0]), 1),
    ],
)
def test_arguments_that_cupy_refuses(x, use):
    with pytest.raises(TypeError):
        use(x)


@pytest.mark.parametrize(
    "use",
    [
        lambda x: xp.maximum.reduce(x),
        lambda x: xp.logical_and.reduce(x),
        lambda x: xp.maximum.accumulate(x),
        lambda x: xp.multiply.at(x, xp.asarray([0]), 1.0),
        lambda x: xp.lib.stride_tricks.sliding_window_view(x, (1, 1), writeable=True),
        lambda x: x[xp.asarray([True, False]), xp.asarray([True, False, False])],
    ],
)
def test_what_cupy_does_not_implement(x, use):
    with pytest.raises(NotImplementedError):
        use(x)


@pytest.mark.parametrize("kind", ["quicksort", "mergesort"])
def test_other_sorts_are_refused(x, kind):
    with pytest.raises(DeviceDiffersError):
        xp.argsort(x, kind=kind)
    with pytest.raises(DeviceDiffersError):
        x.argsort(kind=kind)


# Taken from the comparison table in CuPy's reference ("-" in its column), not from our file.
@pytest.mark.parametrize(
    "name",
    [
        "block",
        "einsum_path",
        "errstate",
        "geomspace",
        "histogram_bin_edges",
        "insert",
        "longdouble",
        "matvec",
        "nanquantile",
        "ndenumerate",
        "nditer",
        "object_",
        "polydiv",
        "seterr",
        "spacing",
        "unstack",
        "vecdot",
        "linalg.multi_dot",
        "linalg.vector_norm",
        "lib.stride_tricks.broadcast_shapes",
    ],
)
def test_functions_that_cupy_lacks(name):
    with pytest.raises(AttributeError):
        operator.attrgetter(name)(xp)


@pytest.mark.parametrize(
    "name", ["setflags", "ctypes", "__array_interface__", "resize", "getfield"]
)
def test_attributes_that_cupy_lacks(x, name):
    assert hasattr(NUMBERS, name)
    assert not hasattr(x, name)


def test_flags_have_no_writeable(x):
    assert x.flags.c_contiguous
    assert not x.T.flags.c_contiguous
    assert x.T.flags["F_CONTIGUOUS"]
    assert x.flags.owndata
    assert not x.T.flags.owndata
    with pytest.raises(AttributeError):
        _ = x.flags.writeable


def test_it_is_no_index(x):
    with pytest.raises(TypeError):
        range(STRICT.asarray(3))
    with pytest.raises(TypeError):
        [1, 2][STRICT.asarray(0)]
    with pytest.raises(TypeError):
        hash(x)


@pytest.mark.parametrize(
    "key", [np.array([0]), np.array(0), (slice(None), np.array([0])), [np.array([0])], NUMBERS > 2]
)
def test_numpy_arrays_are_no_indices(x, key):
    with pytest.raises(TypeError):
        x[key]
    with pytest.raises(TypeError):
        x[key] = 1.0


@pytest.mark.parametrize("value", [NUMBERS, NUMBERS[0], [1.0, 2.0, 3.0]])
def test_assignment_refuses_what_is_not_on_the_device(x, value):
    with pytest.raises(TypeError):
        x[...] = value


def test_index_arrays_out_of_bounds_are_flagged(x):
    far = xp.asarray([0, 5])
    for use in (
        lambda: x[far],
        lambda: x[[0, 5]],
        lambda: x[:, xp.asarray([-4])],
        lambda: x.take(far, axis=0),
        lambda: xp.take(x, far, axis=0),
        lambda: xp.take_along_axis(x, xp.asarray([[7]]), 1),
        lambda: xp.put_along_axis(x, xp.asarray([[7]]), 1.0, 1),
        lambda: operator.setitem(x, far, 1.0),
    ):
        with pytest.raises(DeviceDiffersError):
            use()
    with pytest.raises(IndexError):
        x[5]  # a plain number is checked by CuPy too


def test_repeated_indices_in_an_assignment_are_flagged(x):
    twice = xp.asarray([1, 1])
    with pytest.raises(DeviceDiffersError):
        x[twice] = x
    with pytest.raises(DeviceDiffersError):
        xp.put_along_axis(x, xp.asarray([[0, 0], [1, 1]]), x[:, :2], 1)
    x[twice] = 7.0  # the same value twice is well defined
    same(x, np.float32([[0, 1, 2], [7, 7, 7]]))
