"""nnlite.autograd.functional against torch.autograd.functional."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import nnlite
from nnlite.autograd import functional as ours
from nnlite.errors import ArgumentError, DtypeError, GraphError, ShapeError

theirs = torch.autograd.functional
RNG = np.random.default_rng(11)
A = RNG.standard_normal((2, 3))
B = RNG.standard_normal(3)
C = RNG.standard_normal(())


def _tensors(lib: Any, value: Any, *, requires_grad: bool = False) -> Any:
    """The same numbers in either library; a tuple stays a tuple."""
    if isinstance(value, tuple):
        return tuple(_tensors(lib, v, requires_grad=requires_grad) for v in value)
    return lib.tensor(value, dtype=lib.float64, requires_grad=requires_grad)


def _numbers(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(_numbers(v) for v in value)
    return value.detach().numpy()


def _same(actual: Any, expected: Any) -> None:
    assert type(actual) is type(expected)
    if isinstance(expected, tuple):
        assert len(actual) == len(expected)
        for a, e in zip(actual, expected, strict=True):
            _same(a, e)
    else:
        np.testing.assert_allclose(actual, expected, rtol=1e-12, atol=1e-14, strict=True)


def _compare(name: str, func: Callable[..., Any], inputs: Any, *args: Any, **options: Any) -> None:
    results = []
    for lib, functions in ((nnlite, ours), (torch, theirs)):
        given = [_tensors(lib, a) for a in args]
        result = getattr(functions, name)(func, _tensors(lib, inputs), *given, **options)
        results.append(_numbers(result))
    _same(*results)


def vector_of_matrix(x: Any) -> Any:
    return (x * x).sum(0) + x.prod(0).exp()


def two_of_two(x: Any, y: Any) -> Any:
    return (x * y).tanh(), (x @ y).sum() * y.exp()


def number(x: Any) -> Any:
    return (x * x * x).sum() + x.prod()


def number_of_two(x: Any, y: Any) -> Any:
    return ((x * y).sin().sum() + (x @ y).square().sum()) * y.norm()


def linear_in_one(x: Any, y: Any) -> Any:
    return x.square().sum()


JACOBIANS = [(vector_of_matrix, A), (two_of_two, (A, B)), (number, B), (number, C), (number, (B,))]


@pytest.mark.parametrize("create_graph", [False, True])
@pytest.mark.parametrize(("func", "inputs"), JACOBIANS)
def test_jacobian(func: Any, inputs: Any, create_graph: bool) -> None:
    _compare("jacobian", func, inputs, create_graph=create_graph)


@pytest.mark.parametrize("create_graph", [False, True])
@pytest.mark.parametrize(
    ("func", "inputs"),
    [(number, A), (number, C), (number_of_two, (A, B)), (linear_in_one, (A, B)), (number, (B,))],
)
def test_hessian(func: Any, inputs: Any, create_graph: bool) -> None:
    _compare("hessian", func, inputs, create_graph=create_graph)


def test_vjp() -> None:
    _compare("vjp", vector_of_matrix, A, B)
    _compare("vjp", two_of_two, (A, B), (A + 1, B - 1))
    _compare("vjp", number, A)
    _compare("vjp", linear_in_one, (A, B))


def test_jvp() -> None:
    _compare("jvp", vector_of_matrix, A, A + 1)
    _compare("jvp", two_of_two, (A, B), (A + 1, B - 1))
    _compare("jvp", number, C)
    _compare("jvp", linear_in_one, (A, B), (A, B))


@pytest.mark.parametrize("name", ["vhp", "hvp"])
def test_products_with_the_hessian(name: str) -> None:
    _compare(name, number, A, A + 1)
    _compare(name, number_of_two, (A, B), (A + 1, B - 1))
    _compare(name, linear_in_one, (A, B), (A, B))
    _compare(name, lambda x: x.sum(), B, B)
    _compare(name, number, C)


def test_products_agree_with_the_matrices() -> None:
    x, v = _tensors(nnlite, A), _tensors(nnlite, A + 1)
    matrix = ours.hessian(number, x).numpy().reshape(6, 6)
    expected = (matrix @ v.numpy().reshape(6)).reshape(2, 3)
    np.testing.assert_allclose(ours.hvp(number, x, v)[1].numpy(), expected, rtol=1e-12)


@pytest.mark.parametrize("name", ["jacobian", "hessian", "vjp", "jvp", "vhp", "hvp"])
def test_create_graph_gives_the_next_derivative(name: str) -> None:
    """The result, summed, is differentiated once more, and by v too."""
    func = vector_of_matrix if name in ("jacobian", "vjp", "jvp") else number
    vector = {"vjp": B, "jvp": A + 1, "vhp": A + 1, "hvp": A + 1}.get(name)
    found = []
    for lib, functions in ((nnlite, ours), (torch, theirs)):
        x = _tensors(lib, A, requires_grad=True)
        vs = [] if vector is None else [_tensors(lib, vector, requires_grad=True)]
        result = getattr(functions, name)(func, x, *vs, create_graph=True)
        matrix = result[1] if isinstance(result, tuple) else result
        weights = _tensors(lib, np.cos(np.arange(matrix.numel())).reshape(matrix.shape))
        found.append(_numbers(tuple(lib.autograd.grad((matrix * weights).sum(), [x, *vs]))))
        assert x.grad is None
    _same(*found)


def test_create_graph_under_no_grad() -> None:
    x = _tensors(nnlite, B, requires_grad=True)
    with nnlite.no_grad():
        matrix = ours.jacobian(lambda t: t * t, x, create_graph=True)
    (gradient,) = nnlite.autograd.grad(matrix.sum(), [x])
    assert gradient.tolist() == [2.0, 2.0, 2.0]


def test_without_create_graph_nothing_is_recorded() -> None:
    x = _tensors(nnlite, B, requires_grad=True)
    y = (x * 2).sum()
    output, product = ours.vjp(lambda t: (t * y).exp(), x, _tensors(nnlite, B))
    assert not output.requires_grad
    assert not product.requires_grad
    assert not ours.hessian(number, x).requires_grad
    assert x.grad is None


def test_empty_output() -> None:
    """PyTorch cannot put no rows together; the shape follows from the definition."""
    matrix = ours.jacobian(lambda x: x[:0], _tensors(nnlite, B))
    assert (matrix.shape, matrix.dtype) == ((0, 3), nnlite.float64)


def test_vectorize_and_strategy_change_nothing() -> None:
    x = _tensors(nnlite, A)
    plain = ours.jacobian(vector_of_matrix, x).numpy()
    other = ours.jacobian(vector_of_matrix, x, vectorize=True, strategy="forward-mode").numpy()
    assert (plain == other).all()


@pytest.mark.parametrize("functions", [ours, theirs], ids=["ours", "theirs"])
@pytest.mark.parametrize("name", ["jacobian", "hessian", "vjp", "jvp", "vhp", "hvp"])
def test_strict_refuses_what_is_independent(name: str, functions: Any) -> None:
    lib = nnlite if functions is ours else torch
    x, y = _tensors(lib, (A, B))
    vs = [] if name in ("jacobian", "hessian", "vjp") else [(x, y)]
    with pytest.raises(RuntimeError, match=r"independent|depend"):
        getattr(functions, name)(linear_in_one, (x, y), *vs, strict=True)
    constant = lib.ones(1)
    with pytest.raises(RuntimeError, match=r"depend|does not require gradients"):
        getattr(functions, name)(lambda *_: constant, (x, y), *vs, strict=True)


def test_strict_lets_pass_what_depends() -> None:
    for name in ("jacobian", "hessian"):
        _compare(name, number_of_two, (A, B), strict=True)


def test_constant_output_has_zeros() -> None:
    _compare("vjp", lambda x: x.detach() * 2, B, B)
    _compare("jacobian", lambda x: x.detach() * 2, B)


def test_refusals() -> None:
    x = _tensors(nnlite, B)
    with pytest.raises(DtypeError, match=r"jacobian: inputs: expected a Tensor, got ndarray"):
        ours.jacobian(number, B)
    with pytest.raises(DtypeError, match=r"vjp: inputs\[1\]: expected a Tensor, got float"):
        ours.vjp(number, (x, 2.0))
    with pytest.raises(DtypeError, match=r"jvp: func's output: expected a Tensor, got float"):
        ours.jvp(lambda t: 1.0, x, x)
    with pytest.raises(DtypeError, match="only floating numbers have a gradient"):
        ours.jacobian(number, nnlite.tensor([1, 2]))
    with pytest.raises(ShapeError, match=r"hessian: func's output: expected one number, got shape"):
        ours.hessian(lambda t: t * t, x)
    with pytest.raises(ShapeError, match=r"vhp: func's output: expected one number, got 2 outputs"):
        ours.vhp(lambda t: (t.sum(), t.sum()), x, x)
    with pytest.raises(ShapeError, match=r"vjp: v: expected .* got None"):
        ours.vjp(lambda t: t * t, x)
    with pytest.raises(ShapeError, match=r"jvp: v: expected the shape of inputs, \[\(3,\)\]"):
        ours.jvp(lambda t: t * t, x, nnlite.ones(2, dtype=nnlite.float64))
    with pytest.raises(ArgumentError, match="strategy"):
        ours.jacobian(number, x, strategy="sideways")
    with pytest.raises(GraphError, match=r"strict"):
        ours.jacobian(lambda t: t.detach(), x, strict=True)


def test_on_a_device(device: str) -> None:
    """Also on the stand-in for a GPU, which refuses what CuPy refuses."""
    x, v = (
        _tensors(nnlite, A).to(nnlite.device(device)),
        _tensors(nnlite, A + 1).to(nnlite.device(device)),
    )
    for result in (
        ours.jacobian(vector_of_matrix, x, create_graph=True),
        ours.hessian(number, x),
        ours.vjp(number, x)[1],
        ours.jvp(vector_of_matrix, x, v)[1],
        ours.hvp(number, x, v)[1],
        ours.vhp(number, x, v)[1],
    ):
        assert str(result.device) == device
