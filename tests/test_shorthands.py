"""Names of PyTorch that are quickly said with other ops, against PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import nnlite
from nnlite.errors import ArgumentError, DtypeError, ShapeError

RNG = np.random.default_rng(8)
X, Y, Z = (RNG.standard_normal((3, 4)) for _ in range(3))
V = RNG.standard_normal(4)
B1, B2 = RNG.standard_normal((2, 3, 4)), RNG.standard_normal((2, 4, 5))
COUNTS = np.array([2, 0, 3])

CALLS: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "addcmul": (lambda lib, x, y, z: lib.addcmul(x, y, z, value=0.3), (X, Y, Z)),
    "addcmul, broadcast": (lambda lib, x, y, z: x.addcmul(y, z), (X, V, Z)),
    "addcdiv": (lambda lib, x, y, z: lib.addcdiv(x, y, z, value=-2), (X, Y, Z)),
    "addcdiv_": (lambda lib, x, y, z: (x * 1).addcdiv_(y, z, value=2), (X, Y, Z)),
    "addmv": (lambda lib, v, x, w: lib.addmv(v, x, w, beta=2, alpha=0.5), (V[:3], X, V)),
    "baddbmm": (
        lambda lib, x, a, b: lib.baddbmm(x, a, b, beta=0.5, alpha=2),
        (RNG.standard_normal((2, 3, 5)), B1, B2),
    ),
    "clamp_min": (lambda lib, x: lib.clamp_min(x, 0.1) + x.clamp_min(0.2), (X,)),
    "clamp_max": (lambda lib, x: lib.clamp_max(x, 0.1) + (x * 1).clamp_max_(0.2), (X,)),
    "where": (lambda lib, x, y: x.where(y > 0, y * y) + x.where(x > 0, 3.0), (X, Y)),
    "trace": (lambda lib, x: lib.trace(x) * x.trace(), (X,)),
    "ravel": (lambda lib, x: lib.ravel(x.T) * x.ravel().sum(), (X,)),
    "ravel, 0-d": (lambda lib, x: lib.ravel(x.sum()), (X,)),
    "repeat_interleave": (lambda lib, x: lib.repeat_interleave(x, 2), (X,)),
    "repeat_interleave, dim": (lambda lib, x: x.repeat_interleave(3, dim=-1), (X,)),
    "repeat_interleave, counts": (
        lambda lib, x: lib.repeat_interleave(x, lib.tensor(COUNTS), dim=0),
        (X,),
    ),
    "repeat_interleave, none": (lambda lib, x: x.repeat_interleave(0, 1), (X,)),
    "dist": (lambda lib, x, y: lib.dist(x, y) + x.dist(y, p=1), (X, Y)),
    "flips": (lambda lib, x: lib.fliplr(x) + x.flipud(), (X,)),
    "var_mean": (lambda lib, x: lib.stack(lib.var_mean(x, dim=1)), (X,)),
    "std_mean": (lambda lib, x: lib.stack(lib.std_mean(x, 0, correction=0, keepdim=True)), (X,)),
    "std_mean of all": (lambda lib, x: lib.stack(lib.std_mean(x)), (X,)),
    "broadcast_tensors": (
        lambda lib, x, v: lib.stack(list(lib.broadcast_tensors(x, v, v[:1]))),
        (X, V),
    ),
    "type": (lambda lib, x: x.type(lib.float32).type(lib.float64), (X,)),
    "newaxis": (lambda lib, x: x[:, lib.newaxis] * lib.e, (X,)),
    "aliases": (
        lambda lib, x, y: lib.absolute(x) + lib.multiply(x, y) - lib.divide(x, lib.negative(y)),
        (X, Y),
    ),
    "more aliases": (
        lambda lib, x, y: lib.concatenate([lib.subtract(x, y), lib.clip(x, 0, 1)]).moveaxis(0, 1),
        (X, Y),
    ),
}


@pytest.mark.parametrize("name", CALLS)
def test_value_and_gradients(name: str) -> None:
    call, arrays = CALLS[name]
    found = []
    for lib in (nnlite, torch):
        leaves = [lib.tensor(a, requires_grad=True) for a in arrays]
        out = call(lib, *leaves)
        gradients = lib.autograd.grad((out * out).sum(), leaves, allow_unused=True)
        found.append([out.detach().numpy(), *(g if g is None else g.numpy() for g in gradients)])
    for ours, theirs in zip(*found, strict=True):
        assert (ours is None) == (theirs is None)
        if theirs is not None:
            np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-14, strict=True)


def test_logical_operators_in_place() -> None:
    for lib in (nnlite, torch):
        mask = lib.tensor([True, False, True])
        same = mask
        mask &= lib.tensor([True, True, False])
        mask |= lib.tensor([False, True, False])
        mask ^= lib.tensor([True, True, True])
        assert same is mask
        assert mask.tolist() == [False, False, True]


@pytest.mark.parametrize("lib", [nnlite, torch])
def test_new_tensors_take_after_the_old(lib: Any) -> None:
    x = lib.ones(2, dtype=lib.float64)
    assert x.new_zeros(2, 3).dtype == lib.float64
    assert x.new_zeros((2, 3)).tolist() == [[0.0] * 3] * 2
    assert x.new_ones(2, dtype=lib.int64).tolist() == [1, 1]
    assert x.new_full((2,), 3).tolist() == [3.0, 3.0]
    assert tuple(x.new_empty(4, 1).shape) == (4, 1)
    y = x.new_tensor([1, 2], requires_grad=True)
    assert (y.dtype == lib.float64, y.requires_grad) == (True, True)


@pytest.mark.parametrize("lib", [nnlite, torch])
def test_what_a_script_asks_for(lib: Any) -> None:
    x = lib.zeros(2, 3)
    assert lib.is_tensor(x)
    assert not lib.is_tensor(X)
    assert isinstance(x.dtype, lib.dtype)
    assert isinstance(x.shape, lib.Size)
    assert (x.itemsize, x.nbytes, x.is_cuda) == (4, 24, False)
    assert lib.finfo(lib.float32).eps == np.finfo(np.float32).eps
    assert lib.iinfo(lib.int64).max == 2**63 - 1
    assert lib.get_default_dtype() == lib.float32
    lib.set_default_dtype(lib.float32)
    assert lib.inf > 1e308
    assert (lib.nan != lib.nan, round(lib.pi, 5)) == (True, 3.14159)
    device = lib.device("cuda" if lib.cuda.is_available() else "cpu")
    assert x.to(device).device.type == device.type
    assert isinstance(lib.cuda.device_count(), int)


@pytest.mark.parametrize("lib", [nnlite, torch])
def test_inference_mode(lib: Any) -> None:
    x = lib.ones(2, requires_grad=True)

    @lib.inference_mode()
    def double(t: Any) -> Any:
        return t * 2

    @lib.inference_mode
    def triple(t: Any) -> Any:
        return t * 3

    with lib.inference_mode():
        assert not (x * 2).requires_grad
    with lib.inference_mode(False):
        assert (x * 2).requires_grad
    assert not double(x).requires_grad
    assert not triple(x).requires_grad
    with lib.no_grad(), lib.inference_mode(False):
        assert lib.is_grad_enabled()


@pytest.mark.parametrize("a", ["float32", "float64", "int64", "uint8", "int8", "bool"])
@pytest.mark.parametrize("b", ["float32", "int32", "uint8", "bool"])
def test_promotion(a: str, b: str) -> None:
    name = str(torch.promote_types(getattr(torch, a), getattr(torch, b))).removeprefix("torch.")
    assert nnlite.promote_types(getattr(nnlite, a), b).name == name
    for shapes in (((2,), (2,)), ((), (2,)), ((2,), ())):
        theirs = [
            torch.zeros(s, dtype=getattr(torch, d)) for s, d in zip(shapes, (a, b), strict=True)
        ]
        ours = [nnlite.zeros(s, dtype=d) for s, d in zip(shapes, (a, b), strict=True)]
        assert f"torch.{nnlite.result_type(*ours)}" == str(torch.result_type(*theirs))
        expected = str(torch.result_type(theirs[0], 2.5))
        assert f"torch.{nnlite.result_type(ours[0], 2.5)}" == expected


def test_bernoulli() -> None:
    p = nnlite.tensor([0.0, 1.0, 0.25] * 4000)
    draws = nnlite.bernoulli(p, generator=nnlite.Generator().manual_seed(1)).numpy()
    assert draws.dtype == np.float32
    assert (draws[0::3] == 0).all()
    assert (draws[1::3] == 1).all()
    assert abs(draws[2::3].mean() - 0.25) < 4 * (0.25 * 0.75 / 4000) ** 0.5
    for bad in (1.5, -0.1, float("nan")):
        with pytest.raises(ArgumentError, match="bernoulli: input: expected probabilities"):
            nnlite.bernoulli(nnlite.tensor([bad]))
    with pytest.raises(DtypeError, match="bernoulli"):
        nnlite.bernoulli(nnlite.tensor([1, 0]))


def test_broadcast_shapes() -> None:
    assert nnlite.broadcast_shapes((2, 1), (3,), (1, 1, 1)) == (1, 2, 3)
    assert nnlite.broadcast_shapes() == ()
    assert nnlite.broadcast_shapes(3, (2, 1)) == (2, 3)


def test_refusals() -> None:
    x = nnlite.tensor(X)
    with pytest.raises(ShapeError, match="broadcast_shapes: shapes: expected shapes that broadc"):
        nnlite.broadcast_shapes((2,), (3,))
    with pytest.raises(ShapeError, match="fliplr: input: expected 2 or more dimensions"):
        nnlite.fliplr(nnlite.ones(3))
    with pytest.raises(DtypeError, match="result_type: tensor1: expected a Tensor or a number"):
        nnlite.result_type("a", 1)
    with pytest.raises(DtypeError, match="set_default_dtype: d: expected float32, got float64"):
        nnlite.set_default_dtype(nnlite.float64)
    with pytest.raises(ShapeError, match="trace: input: expected 2 dimensions"):
        nnlite.trace(nnlite.ones(3))
    with pytest.raises(DtypeError, match="repeats: expected whole numbers, got float64"):
        nnlite.repeat_interleave(x, 1.5)
    with pytest.raises(ArgumentError, match="repeats: expected >= 0"):
        nnlite.repeat_interleave(x, -1)
    with pytest.raises(ShapeError, match="repeats: expected one number, or 3 for dimension 0"):
        nnlite.repeat_interleave(x, nnlite.tensor([1, 2]), dim=0)


def test_on_a_device(device: str) -> None:
    """Also on the stand-in for a GPU, which refuses what CuPy refuses."""
    x = nnlite.tensor(X).to(nnlite.device(device)).requires_grad_()
    counts = nnlite.tensor(COUNTS).to(nnlite.device(device))
    y = x.repeat_interleave(counts, dim=0).addcmul(x.trace(), x.dist(x * 2))
    y.sum().backward()
    assert str(y.device) == str(x.grad.device) == device
    draws = nnlite.bernoulli(x.detach().sigmoid())
    assert str(draws.device) == device
    assert nnlite.broadcast_tensors(x, counts[:1])[1].shape == (3, 4)
    assert x.new_zeros(2).device == x.device
