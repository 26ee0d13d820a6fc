"""Indexing beyond the table of ops: memory, the graph, and random indices against PyTorch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nnlite.autograd import no_grad
from nnlite.errors import GraphError
from nnlite.ops import conversion as C
from nnlite.ops import creation as K
from nnlite.ops import folding as W
from nnlite.ops import gather_scatter as G
from nnlite.ops import indexing as X
from nnlite.ops import joining as J
from nnlite.ops import rearranging as R
from nnlite.ops import shape as S
from nnlite.ops import sorting as O
from nnlite.ops import viewing
from nnlite.ops.arithmetic import mul
from nnlite.ops.reduce import sum as total


def _items(size: int):
    start = st.one_of(st.none(), st.integers(-size - 1, size + 1))
    number = st.integers(-size, size - 1)
    return st.one_of(
        number,
        st.builds(slice, start, start, st.one_of(st.none(), st.integers(1, 3))),
        st.lists(number, min_size=2, max_size=2).map(np.array),
        st.lists(st.booleans(), min_size=size, max_size=size).map(np.array),
    )


@st.composite
def _shapes_and_indices(draw):
    shape = tuple(draw(st.lists(st.integers(1, 4), min_size=1, max_size=4)))
    taken = draw(st.integers(0, len(shape)))
    dots = draw(st.integers(0, taken)) if draw(st.booleans()) else taken
    first = [draw(_items(n)) for n in shape[:dots]]
    last = [draw(_items(n)) for n in shape[len(shape) - (taken - dots) :]] if taken > dots else []
    # several masks or lists must have lengths that broadcast: keep one of the masks at most
    masks = [
        i for i, v in enumerate(first + last) if isinstance(v, np.ndarray) and v.dtype.kind == "b"
    ]
    arrays = [i for i, v in enumerate(first + last) if isinstance(v, np.ndarray)]
    index = [
        slice(None) if i in masks and len(arrays) > 1 else v for i, v in enumerate(first + last)
    ]
    index[dots:dots] = [...] if draw(st.booleans()) or last else []
    for _ in range(draw(st.integers(0, 2))):
        index.insert(draw(st.integers(0, len(index))), None)
    return shape, tuple(index)


def _as(index, convert):
    return tuple(convert(v) if isinstance(v, np.ndarray) else v for v in index)


@settings(derandomize=True, deadline=None, max_examples=300)
@given(_shapes_and_indices())
def test_getitem_and_setitem_are_pytorchs(case):
    shape, index = case
    x = np.arange(np.prod(shape), dtype=np.float64).reshape(shape)
    ours, theirs = _as(index, K.from_numpy), _as(index, torch.from_numpy)
    expected = torch.from_numpy(x)[theirs]
    found = X.getitem(K.from_numpy(x), ours)
    assert found.shape == tuple(expected.shape)
    np.testing.assert_array_equal(found.array, expected.numpy())
    a, b = K.tensor(x), torch.tensor(x)
    X.setitem(a, ours, -1.0)
    b[theirs] = -1.0
    np.testing.assert_array_equal(a.array, b.numpy())


@settings(derandomize=True, deadline=None, max_examples=300)
@given(st.data())
def test_reshape_shares_memory_where_pytorch_does(data):
    shape = tuple(data.draw(st.lists(st.sampled_from([1, 2, 3, 4]), min_size=1, max_size=4)))
    order = data.draw(st.permutations(range(len(shape))))
    steps = [data.draw(st.sampled_from([1, 2])) for _ in shape]
    big = np.arange(np.prod(shape) * np.prod(steps), dtype=np.float64)
    big = big.reshape(tuple(n * s for n, s in zip(shape, steps, strict=True)))
    x = big[tuple(slice(None, None, s) for s in steps)].transpose(order)
    new = list(x.shape)
    for _ in range(data.draw(st.integers(0, 3))):
        i = data.draw(st.integers(0, len(new) - 1))
        if data.draw(st.booleans()) and len(new) > 1 and i:
            new[i - 1 : i + 1] = [new[i - 1] * new[i]]
        elif new[i] % 2 == 0:
            new[i : i + 1] = [2, new[i] // 2]
    theirs = torch.from_numpy(x)
    try:
        theirs.view(new)
        viewable = True
    except RuntimeError:
        viewable = False
    ours = K.from_numpy(x)
    out = S.reshape(ours, new)
    assert viewing.is_viewable(x, tuple(new)) == viewable
    assert np.shares_memory(out.array, x) == viewable
    np.testing.assert_array_equal(out.array, x.reshape(new))


VIEWS = [
    lambda x: X.getitem(x, 0), lambda x: X.getitem(x, (0, 1)), lambda x: X.getitem(x, (..., None)),
    lambda x: X.getitem(x, slice(1, None)), lambda x: S.t(x), lambda x: S.flatten(x),
    lambda x: S.view(x, 3, 2), lambda x: S.unsqueeze(x, 0), lambda x: S.squeeze(x),
    lambda x: S.expand(x, 2, 2, 3), lambda x: X.narrow(x, 1, 0, 2), lambda x: X.select(x, 1, 0),
    lambda x: J.split(x, 1)[1], lambda x: J.unbind(x, 1)[2], lambda x: R.diagonal(x),
    lambda x: W.unfold_dimension(x, 1, 2, 1),
    lambda x: S.movedim(x, 0, 1), lambda x: S.reshape(x, -1),
]  # fmt: skip
COPIES = [
    lambda x: X.getitem(x, [0, 1]), lambda x: X.getitem(x, K.ones(2, 3, dtype=bool)),
    lambda x: R.flip(x, 0), lambda x: R.roll(x, 1, 0), lambda x: J.cat([x]), C.clone,
    lambda x: S.repeat(x, 1, 1), lambda x: J.stack([x]), lambda x: R.tril(x),
    lambda x: S.reshape(S.t(x), 6), lambda x: G.index_select(x, 0, K.tensor([0])),
]  # fmt: skip


@pytest.mark.parametrize("view", VIEWS)
def test_views_share_memory_and_version(view):
    x = K.tensor(np.arange(6.0).reshape(2, 3))
    out = view(x)
    assert np.shares_memory(out.array, x.array)
    before = out.version().n
    X.setitem(x, 0, 9.0)
    assert out.version().n == before + 1


@pytest.mark.parametrize("make", COPIES)
def test_copies_do_not_share_memory(make):
    x = K.tensor(np.arange(6.0).reshape(2, 3))
    assert not np.shares_memory(make(x).array, x.array)


def test_a_saved_value_changed_through_a_view_is_noticed():
    leaf = K.ones(2, 3, requires_grad=True)
    x = K.ones(2, 3)
    y = mul(leaf, x)
    X.setitem(X.getitem(x, 0), 1, 5.0)
    with pytest.raises(GraphError, match="changed in place"):
        total(y).backward()


def test_setitem_is_recorded():
    def run(leaf, value, square, set_, take, sum_):
        y = square(leaf)
        set_(y, (slice(None), 1), value)
        set_(y, (0, [0, 2]), take(y, (1, [1, 2])))
        sum_(square(y)).backward()
        return leaf.grad, value.grad

    def torch_set(x, index, value):
        x[index] = value

    x, v = np.arange(6.0).reshape(2, 3), np.array([2.0, 3.0])
    ours = run(
        K.tensor(x, requires_grad=True), K.tensor(v, requires_grad=True),
        lambda t: mul(t, t), X.setitem, X.getitem, total,
    )  # fmt: skip
    theirs = run(
        torch.tensor(x, requires_grad=True), torch.tensor(v, requires_grad=True),
        lambda t: t * t, torch_set, lambda t, i: t[i], torch.sum,
    )  # fmt: skip
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a.array, b.numpy())


def test_a_constant_takes_the_graph_of_the_value_put_into_it():
    value = K.tensor([2.0], requires_grad=True)
    x = K.zeros(3)
    X.setitem(x, 1, X.getitem(value, 0))
    assert x.requires_grad
    total(mul(x, x)).backward()
    assert C.tolist(value.grad) == [4.0]


def test_parameters_are_written_under_no_grad():
    leaf = K.ones(3, requires_grad=True)
    with no_grad():
        X.setitem(leaf, 0, 5.0)
    assert C.tolist(leaf.detach()) == [5.0, 1.0, 1.0]
    assert leaf.is_leaf


def test_setitem_with_overlapping_memory():
    x, y = K.arange(5), torch.arange(5)
    X.setitem(x, slice(1, None), X.getitem(x, slice(0, -1)))
    assert C.tolist(x) == [0, *y[:-1].tolist()]


def test_setitem_casts_to_its_tensor():
    x = K.zeros(3, dtype=int)
    X.setitem(x, 0, 2.7)
    X.setitem(x, 1, K.tensor(3.9))
    X.setitem(x, slice(2, 3), [True])
    assert x.dtype == "int64"
    assert C.tolist(x) == [2, 3, 1]


def test_repeated_indices_add_up_in_the_gradient():
    x = K.zeros(3, requires_grad=True)
    total(X.getitem(x, [0, 0, 2, 0])).backward()
    assert C.tolist(x.grad) == [3.0, 0.0, 1.0]


def test_scatter_takes_the_part_of_src_that_index_covers():
    x, i, src = np.zeros((2, 3)), np.array([[2, 0]]), np.arange(8.0).reshape(2, 4)
    for ours, theirs in ((G.scatter, torch.scatter), (G.scatter_add, torch.scatter_add)):
        found = ours(K.tensor(x), 1, K.tensor(i), K.tensor(src))
        expected = theirs(torch.tensor(x), 1, torch.tensor(i), torch.tensor(src))
        np.testing.assert_array_equal(found.array, expected.numpy())


def test_nonzero_as_a_tuple_and_weighted_bincount():
    x = np.array([[0, 2, 0], [1, 0, 3]])
    for a, b in zip(
        O.nonzero(K.tensor(x), as_tuple=True),
        torch.nonzero(torch.tensor(x), as_tuple=True),
        strict=True,
    ):
        np.testing.assert_array_equal(a.array, b.numpy())
    i, w = np.array([1, 1, 3]), np.array([0.5, 0.25, 2.0])
    found = O.bincount(K.tensor(i), K.tensor(w), 6)
    np.testing.assert_array_equal(
        found.array, torch.bincount(torch.tensor(i), torch.tensor(w), 6).numpy()
    )


def test_unique_returns_what_is_asked_for():
    x = np.array([[3, 1], [1, 2]])
    assert C.tolist(O.unique(K.tensor(x))) == [1, 2, 3]
    for kwargs in ({"return_counts": True}, {"return_inverse": True}):
        for a, b in zip(
            O.unique(K.tensor(x), **kwargs), torch.unique(torch.tensor(x), **kwargs), strict=True
        ):
            np.testing.assert_array_equal(a.array, b.numpy())
