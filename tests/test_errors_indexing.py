"""What indexing, gathering, sorting and folding refuse, and how they say it."""

from __future__ import annotations

import numpy as np
import pytest

from nnlite.errors import ArgumentError, DtypeError, GraphError, NnliteIndexError, ShapeError
from nnlite.ops import creation as K
from nnlite.ops import folding as W
from nnlite.ops import gather_scatter as G
from nnlite.ops import indexing as X
from nnlite.ops import shape as S
from nnlite.ops import sorting as O
from nnlite.ops.arithmetic import mul

M = K.ones(2, 3)
V = K.ones(5)
N = K.tensor(1.0)
INDEX = K.tensor([0, 1])
LEAF = K.ones(3, requires_grad=True)

REFUSALS = [
    (lambda: X.getitem(V, 5), NnliteIndexError, "getitem: index"),
    (lambda: X.getitem(V, -6), NnliteIndexError, "getitem: index"),
    (lambda: X.getitem(M, (0, 3)), NnliteIndexError, "getitem: index"),
    (lambda: X.getitem(M, (0, 0, 0)), NnliteIndexError, "getitem: index"),
    (lambda: X.getitem(N, 0), NnliteIndexError, "getitem: index"),
    (lambda: X.getitem(M, (..., ...)), NnliteIndexError, "getitem: index"),
    (lambda: X.getitem(V, K.tensor([0, 5])), NnliteIndexError, "getitem: index"),
    (lambda: X.getitem(V, [-6]), NnliteIndexError, "getitem: index"),
    (lambda: X.getitem(M, (INDEX, K.tensor([0, 1, 2]))), NnliteIndexError, "getitem: index"),
    (lambda: X.getitem(M, K.tensor([True, False, True])), NnliteIndexError, "getitem: index"),
    (lambda: X.getitem(V, K.ones(5, 1, dtype=bool)), NnliteIndexError, "getitem: index"),
    (lambda: X.getitem(V, 1.0), DtypeError, "getitem: index"),
    (lambda: X.getitem(V, "a"), DtypeError, "getitem: index"),
    (lambda: X.getitem(V, K.tensor([1.0])), DtypeError, "getitem: index"),
    (lambda: X.getitem(V, K.tensor([1], dtype="uint8")), DtypeError, "getitem: index"),
    (lambda: X.getitem(V, slice(0, 1.5)), DtypeError, "getitem: slice"),
    (lambda: X.getitem(V, slice(None, None, -1)), ArgumentError, "getitem: step"),
    (lambda: X.getitem(V, slice(None, None, 0)), ArgumentError, "getitem: step"),
    (lambda: X.setitem(K.ones(3), 3, 1.0), NnliteIndexError, "setitem: index"),
    (lambda: X.setitem(K.ones(3), slice(None), K.ones(2)), ShapeError, "setitem: value"),
    (lambda: X.setitem(K.ones(3), 0, K.ones(2)), ShapeError, "setitem: value"),
    (lambda: X.setitem(K.ones(3), [0, 1], K.ones(3)), ShapeError, "setitem: value"),
    (lambda: X.setitem(K.ones(3), 0, "a"), DtypeError, "setitem: data"),
    (lambda: X.setitem(K.arange(3), 0, float("nan")), ArgumentError, "setitem: data"),
    (lambda: X.setitem(LEAF, 0, 1.0), GraphError, "setitem"),
    (lambda: X.setitem(S.expand(N, 3), 0, 1.0), ArgumentError, "setitem"),
    (lambda: X.setitem(X.getitem(mul(LEAF, 1.0), ...), 0, 1.0), GraphError, "setitem"),
    (lambda: X.select(M, 1, 3), NnliteIndexError, "select: index"),
    (lambda: X.select(N, 0, 0), NnliteIndexError, "select: input"),
    (lambda: X.narrow(V, 0, 3, 3), NnliteIndexError, "narrow: start, length"),
    (lambda: X.narrow(V, 0, 0, -1), NnliteIndexError, "narrow: start, length"),
    (lambda: G.gather(M, 1, K.tensor([[3]])), NnliteIndexError, "gather: index"),
    (lambda: G.gather(M, 2, K.tensor([[0]])), NnliteIndexError, "gather: dim"),
    (lambda: G.gather(M, 1, INDEX), ShapeError, "gather: index"),
    (lambda: G.gather(M, 1, K.zeros(3, 1, dtype=int)), ShapeError, "gather: index"),
    (lambda: G.gather(M, 1, K.tensor([[0.0]])), DtypeError, "gather: index"),
    (lambda: G.scatter(M, 1, K.tensor([[0]]), K.ones(1, 0)), ShapeError, "scatter: src"),
    (lambda: G.scatter(M, 1, K.tensor([[3]]), K.ones(1, 1)), NnliteIndexError, "scatter: index"),
    (
        lambda: G.scatter_add(M, 1, K.tensor([[0]]), K.ones(1, 1, dtype="float64")),
        DtypeError,
        "scatter_add: src",
    ),
    (lambda: G.index_select(M, 1, K.tensor([3])), NnliteIndexError, "index_select: index"),
    (lambda: G.index_select(M, 1, K.tensor([[0]])), ShapeError, "index_select: index"),
    (lambda: G.index_add(M, 0, INDEX, K.ones(2, 2)), ShapeError, "index_add: source"),
    (lambda: G.take_along_dim(M, INDEX, 0), ShapeError, "take_along_dim: indices"),
    (lambda: G.masked_fill(M, M, 0.0), DtypeError, "masked_fill: mask"),
    (lambda: G.masked_fill(M, K.ones(2, dtype=bool), 0.0), ShapeError, "masked_fill"),
    (lambda: G.masked_fill(M, K.ones(3, dtype=bool), V), ShapeError, "masked_fill: value"),
    (lambda: G.masked_select(M, K.ones(2, dtype=bool)), ShapeError, "masked_select"),
    (lambda: O.one_hot(K.tensor([0, 3]), 3), NnliteIndexError, "one_hot: index"),
    (lambda: O.one_hot(K.tensor([-1]), 3), NnliteIndexError, "one_hot: input"),
    (lambda: O.one_hot(K.tensor([0.0]), 3), DtypeError, "one_hot: tensor"),
    (lambda: O.one_hot(INDEX, 2**62), ShapeError, "one_hot: num_classes"),
    (lambda: O.one_hot(INDEX, 0), ShapeError, "one_hot: num_classes"),
    (lambda: O.one_hot(K.zeros(0, dtype=int)), ShapeError, "one_hot: num_classes"),
    (lambda: O.bincount(K.tensor([-1])), NnliteIndexError, "bincount: input"),
    (lambda: O.bincount(K.tensor([2**62])), ShapeError, "bincount: minlength"),
    (lambda: O.bincount(V), DtypeError, "bincount: input"),
    (lambda: O.bincount(K.zeros(2, 2, dtype=int)), ShapeError, "bincount: input"),
    (lambda: O.bincount(INDEX, V), ShapeError, "bincount: weights"),
    (lambda: O.topk(V, 6), ArgumentError, "topk: k"),
    (lambda: O.topk(V, -1), ArgumentError, "topk: k"),
    (lambda: O.sort(V, 1), NnliteIndexError, "argsort: dim"),
    (lambda: O.cumsum(V, 1), NnliteIndexError, "cumsum: dim"),
    (lambda: W.unfold_dimension(V, 0, 6, 1), ShapeError, "unfold: size"),
    (lambda: W.unfold_dimension(V, 0, 2, 0), ArgumentError, "unfold: size, step"),
    (lambda: W.unfold(M, 2), ShapeError, "unfold: input"),
    (lambda: W.unfold(K.ones(1, 1, 2, 2), 3), ShapeError, "unfold: input"),
    (lambda: W.unfold(K.ones(1, 1, 2, 2), 1, stride=0), ArgumentError, "unfold: stride"),
    (lambda: W.unfold(K.ones(1, 1, 2, 2), 1, padding=-1), ArgumentError, "unfold: padding"),
    (lambda: W.unfold(K.ones(1, 1, 2, 2), 1, padding=2**40), ShapeError, "unfold: padding"),
    (lambda: W.unfold(K.ones(1, 1, 2, 2, dtype=int), 1), DtypeError, "unfold: input"),
    (lambda: W.fold(K.ones(1, 3, 4), 3, 2), ShapeError, "fold: input"),
    (lambda: W.fold(K.ones(1, 4, 5), 3, 2), ShapeError, "fold: input"),
    (lambda: W.fold(K.ones(1, 4, 4), 1, 2), ShapeError, "fold: output_size"),
]


@pytest.mark.parametrize(("call", "error", "names"), REFUSALS)
def test_refused_with_op_and_argument(call, error, names):
    with pytest.raises(error) as caught:
        call()
    message = str(caught.value)
    assert message.startswith(names), message
    for part in ("expected ", "got ", "hint: "):
        assert part in message


def test_an_index_outside_names_dimension_index_and_size():
    with pytest.raises(IndexError, match=r"from -3 to 2 in dimension 1 of size 3, got 7"):
        X.getitem(M, (0, 7))


def test_a_refused_setitem_changes_nothing():
    x = K.zeros(3)
    with pytest.raises(NnliteIndexError):
        X.setitem(x, K.tensor([0, 3]), 1.0)
    np.testing.assert_array_equal(x.array, 0)
