"""What the ops of shape, joining, padding, creation and conversion refuse, and how they say it."""

from __future__ import annotations

import copy
import time

import numpy as np
import pytest

from nnlite.backend import device
from nnlite.errors import (
    ArgumentError,
    DeviceError,
    DtypeError,
    GraphError,
    NnliteIndexError,
    ShapeError,
)
from nnlite.ops import conversion as C
from nnlite.ops import creation as K
from nnlite.ops import inplace as I
from nnlite.ops import joining as J
from nnlite.ops import padding as P
from nnlite.ops import random as Q
from nnlite.ops import rearranging as R
from nnlite.ops import shape as S
from nnlite.ops.arithmetic import add, mul

X = K.ones(2, 3)
V = K.ones(4)
N = K.tensor(1.0)
LEAF = K.ones(2, requires_grad=True)

# (call, error, what the message must name)
REFUSALS = [
    (lambda: S.reshape(X, 4), ShapeError, "reshape: shape"),
    (lambda: S.reshape(X, -1, -1), ShapeError, "reshape: shape"),
    (lambda: S.reshape(X, -2, -3), ShapeError, "reshape: shape"),
    (lambda: S.reshape(K.zeros(0), -1, 0), ShapeError, "reshape: shape"),
    (lambda: S.reshape(X, 2.0, 3), DtypeError, "reshape: shape"),
    (lambda: S.reshape([1.0], 1), DtypeError, "reshape: input"),
    (lambda: S.view(S.t(X), 6), ShapeError, "view: shape"),
    (lambda: S.flatten(X, 1, 0), ArgumentError, "flatten: end_dim"),
    (lambda: S.flatten(X, 2), NnliteIndexError, "flatten: start_dim"),
    (lambda: S.unflatten(X, 1, (2, 2)), ShapeError, "unflatten: shape"),
    (lambda: S.unflatten(N, 0, (1,)), NnliteIndexError, "unflatten: dim"),
    (lambda: S.squeeze(X, 2), NnliteIndexError, "squeeze: dim"),
    (lambda: S.unsqueeze(X, 3), NnliteIndexError, "unsqueeze: dim"),
    (lambda: S.unsqueeze(X, True), DtypeError, "unsqueeze: dim"),
    (lambda: S.permute(X, 0), ArgumentError, "permute: dims"),
    (lambda: S.permute(X, 0, 0), ArgumentError, "permute: dims"),
    (lambda: S.transpose(X, 0, 2), NnliteIndexError, "transpose: dim1"),
    (lambda: S.movedim(X, (0, 1), 0), ArgumentError, "movedim: destination"),
    (lambda: S.movedim(X, (0, 0), (0, 1)), ArgumentError, "movedim: destination"),
    (lambda: S.t(K.zeros(1, 1, 1)), ShapeError, "t: input"),
    (lambda: S.matrix_transpose(V), ShapeError, "mT"),
    (lambda: S.expand(X, 2, 4), ShapeError, "expand: size"),
    (lambda: S.expand(X, 3), ShapeError, "expand: size"),
    (lambda: S.expand(V, -1, 4), ShapeError, "expand: size"),
    (lambda: S.expand(N, 2**62), ShapeError, "expand: size"),
    (lambda: S.repeat(X, 2), ShapeError, "repeat: repeats"),
    (lambda: S.repeat(X, 2, -1), ShapeError, "repeat: repeats"),
    (lambda: S.repeat(X, 2**20, 2**20), ShapeError, "repeat"),
    (lambda: J.cat([]), ShapeError, "cat: tensors"),
    (lambda: J.cat(X), DtypeError, "cat: tensors"),
    (lambda: J.cat([X, 1.0]), DtypeError, "cat: tensors[1]"),
    (lambda: J.cat([X, K.zeros(2, 4)]), ShapeError, "cat: tensors[1]"),
    (lambda: J.cat([X, V]), ShapeError, "cat: tensors[1]"),
    (lambda: J.cat([X], 2), NnliteIndexError, "cat: dim"),
    (lambda: J.cat([N]), ShapeError, "cat: tensors"),
    (lambda: J.stack([X, V]), ShapeError, "stack: tensors[1]"),
    (lambda: J.stack([]), ShapeError, "stack: tensors"),
    (lambda: J.split(V, 0), ArgumentError, "split: split_size_or_sections"),
    (lambda: J.split(V, [1, 1]), ArgumentError, "split: split_size_or_sections"),
    (lambda: J.split(V, [5, -1]), ShapeError, "split: split_size_or_sections"),
    (lambda: J.split(N, 1), NnliteIndexError, "split: input"),
    (lambda: J.chunk(V, 0), ArgumentError, "chunk: chunks"),
    (lambda: J.unbind(N), NnliteIndexError, "unbind: input"),
    (lambda: J.meshgrid(X), ShapeError, "meshgrid: tensors[0]"),
    (lambda: J.meshgrid(V, V, indexing="ab"), ArgumentError, "meshgrid: indexing"),
    (lambda: R.flip(X, 2), NnliteIndexError, "flip: dim"),
    (lambda: R.flip(X, (0, 0)), ArgumentError, "flip: dim"),
    (lambda: R.roll(X, (1, 2), 0), ArgumentError, "roll: shifts"),
    (lambda: R.roll(X, (1, 2)), ArgumentError, "roll: shifts"),
    (lambda: R.tril(V), ShapeError, "tril: input"),
    (lambda: R.triu(X, 1.5), DtypeError, "triu: diagonal"),
    (lambda: R.diagonal(X, 0, 1, -1), ArgumentError, "diagonal: dim2"),
    (lambda: R.diag(K.zeros(1, 1, 1)), ShapeError, "diag: input"),
    (lambda: R.diag(V, 2**62), ShapeError, "diag"),
    (lambda: P.pad(X, (1,)), ShapeError, "pad: pad"),
    (lambda: P.pad(X, (1,) * 6), ShapeError, "pad: pad"),
    (lambda: P.pad(X, (1.5, 0)), DtypeError, "pad: pad"),
    (lambda: P.pad(X, (2**62, 0)), ShapeError, "pad: the padded size"),
    (lambda: P.pad(X, (2**62, 0), "replicate"), ShapeError, "pad: the padded size"),
    (lambda: P.pad(X, (-2, -2)), ShapeError, "pad: pad"),
    (lambda: P.pad(X, (3, 0), "reflect"), ShapeError, "pad: pad"),
    (lambda: P.pad(X, (4, 0), "circular"), ShapeError, "pad: pad"),
    (lambda: P.pad(K.zeros(2, 0), (1, 0), "replicate"), ShapeError, "pad: pad"),
    (lambda: P.pad(X, (1, 0), "mirror"), ArgumentError, "pad: mode"),
    (lambda: P.pad(X, (1, 0), "reflect", 1.0), ArgumentError, "pad: value"),
    (lambda: P.pad(X, (1, 0), value="a"), DtypeError, "pad: data"),
    (lambda: C.item(X), ShapeError, "item"),
    (lambda: C.to_python_bool(X), ShapeError, "bool"),
    (lambda: C.to_python_index(N), DtypeError, "index"),
    (lambda: C.length(N), DtypeError, "len"),
    (lambda: C.iterate(N), DtypeError, "iter"),
    (lambda: C.size(X, 2), NnliteIndexError, "size: dim"),
    (lambda: C.stride(X, 2), NnliteIndexError, "stride: dim"),
    (lambda: C.numpy(LEAF), GraphError, "numpy"),
    (lambda: C.as_numpy(LEAF), GraphError, "numpy"),
    (lambda: C.to_half(X), DtypeError, "to: dtype"),
    (lambda: C.to(X, "nonsense"), DtypeError, "to: dtype"),
    (lambda: C.to(X, shape=1), ArgumentError, "to: shape"),
    (lambda: C.cuda(X), DeviceError, "device"),
    (lambda: C.to(X, "cuda:0"), DeviceError, "device"),
    (lambda: C.to(X, device("cuda")), DeviceError, "device"),
    (lambda: C.deep_copy(mul(LEAF, 2.0), {}), GraphError, "deepcopy"),
    (lambda: C.reduce_leaf(mul(LEAF, 2.0), 4), GraphError, "pickle"),
    (lambda: I.copy_(K.zeros(2), K.zeros(3)), ShapeError, "copy_"),
    (lambda: I.copy_(K.zeros(3), K.zeros(1, 3)), ShapeError, "copy_"),
    (lambda: I.copy_(LEAF, K.zeros(2)), GraphError, "copy_"),
    (lambda: I.fill_(K.zeros(2), V), ShapeError, "fill_: value"),
    (lambda: I.fill_(K.zeros(2, dtype="uint8"), 300), ArgumentError, "fill_"),
    (lambda: I.fill_(S.expand(N, 3), 0), ArgumentError, "fill_"),
    (lambda: I.normal_(K.zeros(2), std=-1), ArgumentError, "normal_: std"),
    (lambda: I.normal_(K.arange(2)), DtypeError, "normal_: input"),
    (lambda: I.uniform_(K.zeros(2), 1, 0), ArgumentError, "uniform_: b"),
    (lambda: I.in_place(add, "add_")(S.expand(N, 3), 1), ArgumentError, "add_"),
    (lambda: I.in_place(add, "add_")(K.zeros(1), V), ShapeError, "add_"),
    (lambda: Q.rand(2, dtype=int), DtypeError, "rand: dtype"),
    (lambda: Q.rand(2, generator=np.random.default_rng(0)), DtypeError, "rand: generator"),
    (lambda: Q.randint(5, 5, (2,)), ArgumentError, "randint: high"),
    (lambda: Q.randint((2,)), ArgumentError, "randint"),
    (lambda: Q.randperm(-1), ShapeError, "randperm: n"),
    (lambda: Q.normal(0, -1, (2,)), ArgumentError, "normal: std"),
]


@pytest.mark.parametrize(("call", "error", "names"), REFUSALS)
def test_refused_with_op_and_argument(call, error, names):
    with pytest.raises(error) as caught:
        call()
    message = str(caught.value)
    assert message.startswith(names), message
    for part in ("expected ", "got ", "hint: "):
        assert part in message


SIZES = [
    ((2**40,), ShapeError), ((2**31, 2**31), ShapeError), ((2**62, 4), ShapeError),
    ((2**62, 0), ShapeError), ((-1,), ShapeError), ((2, -3), ShapeError), ((True,), DtypeError),
    ((2.0,), DtypeError), (("2",), DtypeError), ((None,), DtypeError), ((1,) * 65, ShapeError),
]  # fmt: skip


@pytest.mark.parametrize(
    "make",
    [
        K.zeros, K.ones, K.empty, lambda size: K.full(size, 1.0), Q.rand, Q.randn,
        lambda size: Q.randint(2, size),
    ],
)  # fmt: skip
@pytest.mark.parametrize(("size", "error"), SIZES)
def test_absurd_sizes_are_refused_at_once(make, size, error):
    start = time.perf_counter()
    with pytest.raises(error):
        make(size)
    assert time.perf_counter() - start < 0.01


@pytest.mark.parametrize(
    ("data", "error"),
    [
        ("abc", DtypeError), (None, DtypeError), ([None], DtypeError), ({1}, DtypeError),
        ([[1], [1, 2]], ShapeError), ([[1], 2], ShapeError), (1j, DtypeError), ([1j], DtypeError),
        (["a"], DtypeError), ([1, "a"], DtypeError), (object(), DtypeError), (2**70, ArgumentError),
        ([2**63], ArgumentError), (np.zeros(2, np.float16), DtypeError),
        (np.zeros(2, complex), DtypeError), (np.array([1, "a"], object), DtypeError),
        (np.array(["a"]), DtypeError), (np.zeros(2, np.uint16), DtypeError),
        (np.ma.masked_array([1.0], [True]), DtypeError),
        ([np.zeros(2), np.zeros(3)], ShapeError), ([np.float16(1)], DtypeError),
    ],
)  # fmt: skip
def test_data_that_is_no_tensor_is_refused(data, error):
    with pytest.raises(error, match=r"^tensor: "):
        K.tensor(data)


def test_a_list_that_contains_itself_is_refused():
    data = []
    data.append(data)
    with pytest.raises(ShapeError, match="64 dimensions"):
        K.tensor(data)


@pytest.mark.parametrize("value", [300, -1, float("nan"), float("inf"), np.array([256])])
def test_values_that_do_not_fit_are_refused(value):
    with pytest.raises(ArgumentError, match="uint8"):
        K.tensor(value, dtype="uint8")


def test_a_deep_copy_of_a_non_leaf_is_refused_through_the_copy_module(monkeypatch):
    monkeypatch.setattr(type(LEAF), "__deepcopy__", C.deep_copy, raising=False)
    with pytest.raises(GraphError, match=r"detach\(\)"):
        copy.deepcopy(mul(LEAF, 2.0))
