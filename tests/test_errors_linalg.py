"""What matmul and its relatives refuse, and how they say it."""

from __future__ import annotations

import numpy as np
import pytest

from nnlite.autograd import Tensor
from nnlite.errors import ArgumentError, DeviceError, DtypeError, ShapeError
from nnlite.ops import activation as A
from nnlite.ops import einsum as E
from nnlite.ops import linalg as L
from nnlite.ops import smooth_activation as S
from nnlite.ops import softmax as M
from tests.conftest import to_device


def t(*shape, dtype=np.float32):
    return Tensor(np.ones(shape, dtype))


ELSEWHERE = Tensor(to_device(np.ones((3, 2), np.float32), "strict"))

# (call, error, what the message must hold, from its start)
REFUSALS = [
    (lambda: L.matmul(t(2, 3), t(4, 5)), ShapeError, ["matmul", "(2, 3)", "(4, 5)"]),
    (lambda: L.matmul(t(3), t(4)), ShapeError, ["matmul", "(3,)", "(4,)"]),
    (lambda: L.matmul(t(), t(4)), ShapeError, ["matmul", "()", "(4,)"]),
    (lambda: L.matmul(t(2, 2, 3), t(3, 3, 2)), ShapeError, ["matmul", "(2,)", "(3,)"]),
    (lambda: L.matmul(t(2, 3), t(3, 2, dtype=float)), DtypeError, ["matmul", "float32", "float64"]),
    (lambda: L.matmul(t(2, 3), 2.0), DtypeError, ["matmul: other"]),
    (lambda: L.matmul(t(2, 3), ELSEWHERE), DeviceError, ["matmul", "cpu", "strict"]),
    (lambda: L.mm(t(2, 3), t(3)), ShapeError, ["mm", "(2, 3)", "(3,)"]),
    (lambda: L.mm(t(2, 3), t(2, 3)), ShapeError, ["mm", "(2, 3)"]),
    (lambda: L.bmm(t(2, 2, 3), t(4, 3, 2)), ShapeError, ["bmm: mat2", "(4, 3, 2)"]),
    (lambda: L.bmm(t(2, 3), t(3, 2)), ShapeError, ["bmm", "(2, 3)"]),
    (lambda: L.mv(t(2, 3), t(2)), ShapeError, ["mv", "(2, 3)", "(2,)"]),
    (lambda: L.dot(t(2, 3), t(2)), ShapeError, ["dot", "(2, 3)", "(2,)"]),
    (lambda: L.outer(t(2, 3), t(2)), ShapeError, ["outer", "(2, 3)"]),
    (lambda: L.addmm(t(3), t(2, 3), t(3, 2)), ShapeError, ["addmm", "(3,)", "(2, 2)"]),
    (lambda: L.linear(t(2, 3), t(5, 4)), ShapeError, ["linear: input", "(5, 4)", "(2, 3)"]),
    (lambda: L.linear(t(2, 3), t(3)), ShapeError, ["linear: weight", "(3,)", "(2, 3)"]),
    (lambda: L.linear(t(), t(5, 4)), ShapeError, ["linear: input", "(5, 4)", "()"]),
    (lambda: L.linear(t(2, 3), t(5, 3), t(3)), ShapeError, ["linear: bias", "(5, 3)", "(3,)"]),
    (lambda: L.linear(t(2, 3), t(5, 3), t(1)), ShapeError, ["linear: bias", "(5,)", "(1,)"]),
    (lambda: L.linear(t(2, 3, dtype=int), t(5, 3)), DtypeError, ["linear: input", "int64"]),
    (lambda: L.linear(t(2, 3, dtype=float), t(5, 3)), DtypeError, ["linear", "float64"]),
    (lambda: E.einsum("ij,jk", t(2, 3)), ArgumentError, ["einsum: equation"]),
    (lambda: E.einsum("ij->ik", t(2, 3)), ArgumentError, ["einsum: equation"]),
    (lambda: E.einsum("ij->ii", t(2, 3)), ArgumentError, ["einsum: equation"]),
    (lambda: E.einsum("i1", t(2, 3)), ArgumentError, ["einsum: equation"]),
    (lambda: E.einsum("ijk->i", t(2, 3)), ShapeError, ["einsum: operands[0]", "(2, 3)"]),
    (lambda: E.einsum("ii->i", t(2, 3)), ShapeError, ["einsum: operands[0]", "(2, 3)"]),
    (lambda: E.einsum("ij,jk", t(2, 3), t(4, 5)), ShapeError, ["einsum: operands[1]", "(4, 5)"]),
    (lambda: E.einsum("i,i", t(2), t(2, dtype=float)), DtypeError, ["einsum: operands"]),
    (lambda: M.softmax(t(2, 3)), ArgumentError, ["softmax: dim"]),
    (lambda: M.log_softmax(t(2, 3)), ArgumentError, ["log_softmax: dim"]),
    (lambda: M.softmax(t(2, 3, dtype=int), 1), DtypeError, ["softmax: input", "int64"]),
    (lambda: M.softmax(t(2, 3), 2), IndexError, ["softmax: dim"]),
    (lambda: A.prelu(t(2, 3), t(2)), ShapeError, ["prelu: weight", "(2, 3)", "(2,)"]),
    (lambda: A.hardtanh(t(3), 1.0, -1.0), ArgumentError, ["hardtanh: min_val"]),
    (lambda: S.gelu(t(3), "erf"), ArgumentError, ["gelu: approximate"]),
    (lambda: S.celu(t(3), 0.0), ArgumentError, ["celu: alpha"]),
    (lambda: S.softplus(t(3), 0.0), ArgumentError, ["softplus: beta"]),
    (lambda: A.leaky_relu(t(3, dtype=int)), DtypeError, ["leaky_relu: input", "int64"]),
]


@pytest.mark.parametrize(
    ("call", "error", "holds"), REFUSALS, ids=[" ".join(r[2]) for r in REFUSALS]
)
def test_refused(call, error, holds):
    with pytest.raises(error) as refusal:
        call()
    message = str(refusal.value)
    assert message.startswith(holds[0])
    for part in holds[1:]:
        assert part in message
    assert refusal.value.expected
    assert refusal.value.got
    assert refusal.value.hint


@pytest.mark.parametrize("name", ["relu", "leaky_relu", "hardtanh", "elu", "silu", "mish"])
def test_inplace_writes_into_the_tensor(name):
    fn = getattr(A, name, None) or getattr(S, name)
    values = np.array([-2.0, -0.5, 0.5, 2.0])
    x = Tensor(values.copy(), requires_grad=True)
    plain, y = fn(x), x * 1.0
    memory = y.array
    out = fn(y, inplace=True)
    assert out is y
    assert out.array is memory
    np.testing.assert_array_equal(out.array, plain.array)
    out.sum().backward()
    written = x.grad.array.copy()
    x.grad = None
    plain.sum().backward()
    np.testing.assert_array_equal(written, x.grad.array)
