"""Bugs that other libraries' engines and gradient checkers have had."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import nnlite
from nnlite.autograd import Function, gradcheck
from nnlite.errors import GradcheckError


def test_a_node_used_again_later() -> None:
    """b = a + a; c = b + b: depth-first order by recursion got this wrong. micrograd#2, PR #64."""
    a = nnlite.tensor(3.0, requires_grad=True)
    b = a + a
    c = b + b
    (c * b + b).backward()
    # 8 a^2 + 2 a
    assert a.grad.item() == 16 * 3 + 2


@pytest.mark.parametrize("n", [1_001, 20_000])
def test_a_chain_longer_than_the_recursion_limit(n: int) -> None:
    """micrograd PR #90, pytorch#115506, tinygrad PR #9979; see also test_autograd_deep.py."""
    a = nnlite.tensor(1.0, requires_grad=True)
    y = a
    for _ in range(n):
        y = y + 1.0
    y.backward()
    assert a.grad.item() == 1
    del y


def test_one_gradient_for_two_parents_is_not_changed() -> None:
    """pytorch#46168, PR #119334; oneflow PR #9497: x gets a second share, y must not see it."""
    x, y = (nnlite.ones(3, requires_grad=True) for _ in range(2))
    ((x + y) + x * 2).sum().backward()
    assert x.grad.tolist() == [3.0] * 3
    assert y.grad.tolist() == [1.0] * 3
    x.grad.add_(1.0)
    assert y.grad.tolist() == [1.0] * 3


@pytest.mark.parametrize("uses", range(1, 33))
def test_any_number_of_uses(uses: int) -> None:
    """mxnet#17989: wrong for 5, 6, ... and right for 12 and 24."""
    x = nnlite.tensor([1.0, 2.0], requires_grad=True)
    y = x * 1.0
    for k in range(1, uses):
        y = y + x * float(k + 1)
    y.sum().backward()
    assert x.grad.tolist() == [uses * (uses + 1) / 2] * 2


class _Keeps(Function):
    """Keeps its output, and its input, as attributes: the cycle that leaks elsewhere."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        y = x * 2.0
        ctx.y = y
        ctx.save_for_backward(x, y)
        return y

    @staticmethod
    def backward(ctx: Any, gy: Any) -> Any:
        return gy * 2.0


def test_a_function_that_keeps_its_output_does_not_leak() -> None:
    """pytorch#25340, #5569, #52140; cpp-micrograd#3; HIPS/autograd#103."""
    gc.collect()
    gc.disable()
    try:
        alive = []
        for _ in range(10):
            x = nnlite.ones(5, requires_grad=True)
            y = _Keeps.apply(x)
            z = y.sum()
            z.backward()
            alive += [weakref.ref(y), weakref.ref(z)]
            del x, y, z
        assert not [ref for ref in alive if ref() is not None]
    finally:
        gc.enable()


def test_no_grad_in_a_generator_stays_there() -> None:
    """pytorch PR #49017, #48713: the caller would have computed without a graph."""

    @nnlite.no_grad()
    def numbers() -> Iterator[bool]:
        yield nnlite.is_grad_enabled()
        yield nnlite.is_grad_enabled()

    modes = []
    for inside in numbers():
        modes.append((inside, nnlite.is_grad_enabled()))
    assert modes == [(False, True), (False, True)]


def test_worker_threads_start_with_gradients_on() -> None:
    """pytorch#20528, PR #31792: each thread has its own mode, as documented."""
    with nnlite.no_grad(), ThreadPoolExecutor(1) as pool:
        assert pool.submit(nnlite.is_grad_enabled).result()
        assert not nnlite.is_grad_enabled()


# -- the checker itself ----------------------------------------------------------------------------


def _wrong(forward: Any, backward: Any) -> Any:
    cls = type("Wrong", (Function,), {})
    cls.forward, cls.backward = staticmethod(forward), staticmethod(backward)
    return cls.apply


def test_the_checker_fails_on_a_wrong_gradient() -> None:
    """chainer#3541: its checker passed everything. caffe#6814."""
    x = nnlite.tensor(np.array([1.0, 2.0]), requires_grad=True)
    wrong = _wrong(lambda ctx, x: x * 3.0, lambda ctx, gy: gy * 3.01)
    with pytest.raises(GradcheckError):
        gradcheck(wrong, (x,))


def test_the_cotangent_is_not_uniform() -> None:
    """Mnemosyne PR #987, Odyssey#2018: ones hide what sums to zero, as in normalization.

    y = x - mean(x) has the gradient gy - mean(gy), which is 0 for a cotangent of ones.
    """

    def forward(ctx: Any, x: Any) -> Any:
        return x - x.mean()

    x = nnlite.tensor(np.array([1.0, 2.0, 4.0]), requires_grad=True)
    assert gradcheck(_wrong(forward, lambda ctx, gy: gy - gy.mean()), (x,))
    with pytest.raises(GradcheckError):
        gradcheck(_wrong(forward, lambda ctx, gy: gy * 0.0), (x,))
