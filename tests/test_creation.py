"""Making tensors, random tensors, and what they become in Python and NumPy."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import torch

from nnlite.autograd import Tensor
from nnlite.backend import Generator, manual_seed
from nnlite.errors import ArgumentError, GraphError
from nnlite.ops import conversion as C
from nnlite.ops import creation as K
from nnlite.ops import inplace as I
from nnlite.ops import padding as P
from nnlite.ops import random as Q
from nnlite.ops import shape as S
from nnlite.ops.arithmetic import add, mul
from nnlite.ops.reduce import sum as total


def same(ours: Tensor, theirs: torch.Tensor, tolerance: float = 0.0) -> None:
    assert ours.shape == tuple(theirs.shape)
    assert f"torch.{ours.dtype.name}" == str(theirs.dtype)
    np.testing.assert_allclose(ours.array, theirs.numpy(), rtol=tolerance, atol=tolerance)


DATA = [
    1, 2.5, True, [], [[]], [[], []], [1, 2], [1, 2.5], [True, 2], [True, False], [True, 2.5],
    [[1, 2], [3, 4]], ((1, 2), [3, 4.0]), range(3), 2**63 - 1, [float("nan"), float("inf")],
    np.float64(1), np.float32(1), np.int32(3), np.bool_(True), [np.float64(1)],
    [np.float32(1), np.float64(2)], [np.int32(1), 2.5], [np.float32(1), 2],
    np.zeros((2, 3)), np.zeros(2, np.float32), np.arange(3, dtype=np.int8), np.array(5.0),
    [np.zeros(2, np.float32), np.ones(2, np.float32)], np.array([True]), np.zeros((0, 3)),
]  # fmt: skip


@pytest.mark.parametrize("data", DATA, ids=repr)
def test_tensor_has_pytorchs_dtype_and_values(data):
    same(K.tensor(data), torch.tensor(np.array(data) if _arrays(data) else data))


def _arrays(data):
    # PyTorch warns that a list of arrays is slow
    return isinstance(data, list) and bool(data) and isinstance(data[0], np.ndarray)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "int32", "uint8", "bool"])
@pytest.mark.parametrize(
    "data", [1, 2.5, [0, 1, 2], [0.0, 1.9], True, np.array([0.5, 3.0])], ids=repr
)
def test_tensor_converts_to_a_dtype_as_pytorch(data, dtype):
    same(K.tensor(data, dtype=dtype), torch.tensor(data, dtype=getattr(torch, dtype)))


def test_lists_of_tensors_are_copied():
    row = K.tensor([1.0, 2.0])
    same(K.tensor([row, [3, 4]]), torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
    same(K.tensor([K.tensor(1.0), K.tensor(2)]), torch.tensor([1.0, 2.0]))


def test_tensor_copies_and_as_tensor_shares():
    x = np.zeros(3)
    assert not np.shares_memory(K.tensor(x).array, x)
    assert np.shares_memory(K.as_tensor(x).array, x)
    assert not np.shares_memory(K.as_tensor(x, dtype="float32").array, x)
    t = K.tensor(x)
    assert K.as_tensor(t) is t
    assert not np.shares_memory(K.tensor(t).array, t.array)
    leaf = K.ones(2, requires_grad=True)
    assert K.as_tensor(leaf, dtype="float64").node is not None
    assert K.tensor(leaf).is_leaf
    assert not K.tensor(leaf).requires_grad


def test_foreign_byte_order_and_layout_are_made_native():
    x = np.arange(6, dtype=">f4").reshape(2, 3)
    out = K.tensor(x)
    assert out.dtype.isnative
    np.testing.assert_array_equal(out.array, x)
    np.testing.assert_array_equal(K.as_tensor(x).array, x)
    assert K.as_tensor(x).dtype.isnative
    for y in (np.arange(6.0).reshape(2, 3).T, np.arange(6.0)[::-2]):
        assert K.tensor(y).array.flags.c_contiguous
        np.testing.assert_array_equal(K.tensor(y).array, y)


def test_from_numpy_shares_memory_also_of_views():
    x = np.arange(6.0)
    t = K.from_numpy(x[::-2])
    x[5] = 50
    assert C.tolist(t) == [50, 3, 1]
    x.flags.writeable = False
    with pytest.raises(ArgumentError, match="read-only"):
        I.zero_(K.from_numpy(x))


MADE = [
    lambda p: p.zeros(2, 3), lambda p: p.zeros((2, 3)), lambda p: p.zeros([2, 3]),
    lambda p: p.zeros(()), lambda p: p.zeros(0, 2), lambda p: p.ones(4, dtype=p.int64),
    lambda p: p.full((2,), 3), lambda p: p.full((2,), 2.5), lambda p: p.full((2,), True),
    lambda p: p.full((), 3, dtype=p.float64), lambda p: p.eye(3), lambda p: p.eye(2, 4),
    lambda p: p.arange(5), lambda p: p.arange(2, 5), lambda p: p.arange(5, 0, -2),
    lambda p: p.arange(0), lambda p: p.arange(0, 1, 0.1), lambda p: p.arange(1.0, 2, 0.25),
    lambda p: p.arange(5, dtype=p.float64), lambda p: p.arange(1, 6, 2), lambda p: p.arange(2.5),
    lambda p: p.linspace(0, 1, 5), lambda p: p.linspace(3, -3, 7, dtype=p.float64),
    lambda p: p.linspace(1, 2, 1), lambda p: p.linspace(1, 2, 0),
    lambda p: p.zeros_like(p.ones(2, 1)), lambda p: p.ones_like(p.zeros(2, dtype=p.int64)),
    lambda p: p.full_like(p.zeros(2), 7), lambda p: p.zeros_like(p.ones(2), dtype=p.int64),
]  # fmt: skip


class _Ours:
    float64, int64 = np.dtype("float64"), np.dtype("int64")

    def __getattr__(self, name):
        return getattr(K, name)


@pytest.mark.parametrize("make", MADE)
def test_creation_is_pytorchs(make):
    same(make(_Ours()), make(torch), tolerance=1e-7)


def test_numbers_are_rounded_once():
    x = K.zeros(2, dtype="float64")
    I.fill_(x, 0.1)
    for number in (
        K.tensor(0.1, dtype="float64"), K.tensor([0.1], dtype="float64"),
        K.full((), 0.1, dtype="float64"), x, K.full_like(x, 0.1), P.pad(x, (0, 1), value=0.1),
    ):  # fmt: skip
        assert number.array.reshape(-1)[-1] == 0.1


def test_requires_grad_is_set_on_request():
    for make in (K.zeros, K.ones, K.empty, Q.rand, Q.randn):
        assert make(2, requires_grad=True).requires_grad
        assert not make(2).requires_grad
    assert K.empty_like(K.ones(3, dtype="float64")).dtype == "float64"


# -- random ----------------------------------------------------------------------------------


def test_random_numbers_follow_their_generator():
    draws = [
        lambda g: Q.rand(3, 2, generator=g), lambda g: Q.randn((4,), generator=g),
        lambda g: Q.randint(10, (5,), generator=g), lambda g: Q.randperm(6, generator=g),
        lambda g: Q.normal(1, 2, (3,), generator=g),
        lambda g: Q.rand_like(K.zeros(3, dtype="float64"), generator=g),
        lambda g: I.normal_(K.zeros(3), 1, 2, generator=g),
        lambda g: I.uniform_(K.zeros(3), -1, 1, generator=g),
    ]  # fmt: skip
    for draw in draws:
        one, two = (draw(Generator().manual_seed(3)) for _ in range(2))
        np.testing.assert_array_equal(one.array, two.array)
        manual_seed(3)
        np.testing.assert_array_equal(draw(None).array, one.array)


def test_the_global_numpy_state_is_left_alone():
    before = np.random.get_state()[1].copy()
    Q.randn(10)
    Q.randperm(10)
    np.testing.assert_array_equal(np.random.get_state()[1], before)


def test_random_numbers_have_their_distribution():
    g = Generator().manual_seed(0)
    n = 40_000
    uniform = Q.rand(n, generator=g).array
    assert uniform.min() >= 0
    assert uniform.max() < 1
    # five standard errors of the mean
    assert abs(uniform.mean() - 0.5) < 5 * (1 / 12 / n) ** 0.5
    normal = Q.normal(2.0, 3.0, (n,), generator=g).array
    assert abs(normal.mean() - 2) < 5 * 3 / n**0.5
    assert abs(normal.std() - 3) < 5 * 3 / (2 * n) ** 0.5
    whole = Q.randint(-2, 3, (n,), generator=g).array
    np.testing.assert_array_equal(np.unique(whole), [-2, -1, 0, 1, 2])
    np.testing.assert_array_equal(np.sort(Q.randperm(50, generator=g).array), np.arange(50))
    drawn = I.uniform_(K.zeros(n), 2, 4, generator=g).array
    assert drawn.min() >= 2
    assert drawn.max() <= 4
    assert abs(drawn.mean() - 3) < 5 * (4 / 12 / n) ** 0.5


# -- to Python, NumPy, other dtypes ----------------------------------------------------------


def test_values_in_python():
    assert C.item(K.tensor([[2.5]])) == 2.5
    assert C.tolist(K.tensor([[1, 2]])) == [[1, 2]]
    assert C.tolist(K.tensor(3)) == 3
    assert C.to_python_float(K.tensor(2)) == 2.0
    assert C.to_python_int(K.tensor([2.7])) == 2
    assert C.to_python_bool(K.tensor([0.0])) is False
    assert [10, 11][C.to_python_index(K.tensor(1))] == 11
    assert C.length(K.zeros(3, 2)) == 3
    assert [C.tolist(row) for row in C.iterate(K.tensor([[1, 2], [3, 4]]))] == [[1, 2], [3, 4]]
    assert C.contains(K.tensor([1, 2]), 2)
    assert not C.contains(K.tensor([1, 2]), 3)


def test_numpy_shares_memory_and_as_numpy_converts():
    x = K.zeros(3)
    C.numpy(x)[0] = 5
    assert C.tolist(x) == [5, 0, 0]
    assert C.as_numpy(x, dtype="float64").dtype == "float64"
    assert np.shares_memory(C.as_numpy(x), x.array)
    assert not np.shares_memory(C.as_numpy(x, copy=True), x.array)
    leaf = K.ones(2, requires_grad=True)
    assert np.shares_memory(C.numpy(leaf, force=True), leaf.array)


def test_what_a_tensor_is_like():
    x, y = K.zeros(2, 3, 4), torch.zeros(2, 3, 4)
    for ours, theirs in [(x, y), (S.permute(x, 2, 0, 1), y.permute(2, 0, 1))]:
        assert C.stride(ours) == theirs.stride()
        assert C.stride(ours, -1) == theirs.stride(-1)
        assert C.size(ours) == tuple(theirs.size())
        assert C.size(ours, 1) == theirs.size(1)
        assert C.numel(ours) == theirs.numel()
        assert C.dim(ours) == theirs.dim()
        assert C.element_size(ours) == theirs.element_size()
        assert C.is_contiguous(ours) == theirs.is_contiguous()
        assert C.is_contiguous(C.contiguous(ours))
    assert C.contiguous(x) is x
    assert C.is_floating_point(x)
    assert not C.is_floating_point(K.arange(2))
    assert C.data_ptr(x) == C.data_ptr(S.flatten(x)) != C.data_ptr(C.clone(x))


CONVERSIONS = [
    (C.to_float, "float"), (C.to_double, "double"), (C.to_long, "long"), (C.to_int, "int"),
    (C.to_short, "short"), (C.to_bool, "bool"), (C.to_uint8, "byte"), (C.to_int8, "char"),
    (C.cpu, "cpu"),
]  # fmt: skip


@pytest.mark.parametrize(("convert", "name"), CONVERSIONS)
def test_conversions_are_pytorchs(convert, name):
    for data in ([0.0, 1.9, 3.2], [0, 1, 100], [True, False]):
        same(convert(K.tensor(data)), getattr(torch.tensor(data), name)())


def test_a_move_shares_no_memory():
    x = K.ones(2)
    assert not np.shares_memory(C.Move.apply(x, device=x.device).array, x.array)


def test_to_returns_its_tensor_where_nothing_changes():
    x = K.zeros(2)
    for args in ((), ("cpu",), (np.float32,), ("float32",), (x,), ("cpu", np.float32)):
        assert C.to(x, *args) is x
    assert C.to(x, "cpu", copy=True) is not x
    assert C.to(x, "cpu", np.float64).dtype == "float64"
    assert C.to(x, dtype=int, device="cpu", non_blocking=True).dtype == "int64"
    assert C.to(x, other=K.arange(1)).dtype == "int64"
    assert C.type_as(x, K.zeros(1, dtype="float64")).dtype == "float64"


def test_deepcopy_and_pickle_of_leaves(monkeypatch):
    monkeypatch.setattr(Tensor, "__deepcopy__", C.deep_copy, raising=False)
    monkeypatch.setattr(Tensor, "__reduce_ex__", C.reduce_leaf)
    x = K.tensor([1.0, 2.0], requires_grad=True)
    x.grad = K.tensor([3.0, 4.0])
    for again in (copy.deepcopy(x), pickle.loads(pickle.dumps(x))):
        assert again.requires_grad
        assert again.is_leaf
        np.testing.assert_array_equal(again.array, x.array)
        np.testing.assert_array_equal(again.grad.array, x.grad.array)
        assert not np.shares_memory(again.array, x.array)
        assert not np.shares_memory(again.grad.array, x.grad.array)
    pair = copy.deepcopy([x, x])
    assert pair[0] is pair[1]


# -- in place --------------------------------------------------------------------------------


def test_in_place_methods_write_into_their_tensor():
    x = K.tensor([1.0, 2.0])
    view = S.view(x, 2, 1)
    assert I.in_place(add, "add_")(x, 1) is x
    assert C.tolist(view) == [[2.0], [3.0]]
    assert C.tolist(I.fill_(x, 7)) == [7.0, 7.0]
    assert C.tolist(I.zero_(x)) == [0.0, 0.0]
    assert C.tolist(I.copy_(x, K.arange(2))) == [0.0, 1.0]
    assert x.dtype == "float32"


def test_in_place_methods_take_part_in_the_graph():
    leaf = K.tensor([1.0, 2.0], requires_grad=True)
    ours = mul(leaf, 3.0)
    I.in_place(mul, "mul_")(ours, leaf)
    I.copy_(ours, mul(add(ours, 1.0), 2.0))
    total(ours).backward()
    other = torch.tensor([1.0, 2.0], requires_grad=True)
    theirs = other * 3.0
    theirs.mul_(other)
    theirs.copy_((theirs + 1.0) * 2.0)
    theirs.sum().backward()
    np.testing.assert_allclose(leaf.grad.array, other.grad.numpy())


@pytest.mark.parametrize(
    "change", [I.zero_, I.normal_, lambda x: I.copy_(x, K.zeros(2)), lambda x: I.fill_(x, 3)]
)
def test_a_saved_value_that_is_overwritten_is_noticed(change):
    leaf, x = K.ones(2, requires_grad=True), K.ones(2)
    y = mul(leaf, x)
    change(x)
    with pytest.raises(GraphError, match="changed in place"):
        total(y).backward()


def test_fill_cuts_the_gradient():
    leaf = K.ones(2, requires_grad=True)
    x = mul(leaf, 2.0)
    I.zero_(x)
    total(x).backward()
    assert C.tolist(leaf.grad) == [0.0, 0.0]
