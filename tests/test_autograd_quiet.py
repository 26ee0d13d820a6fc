"""What IEEE 754 defines comes without a warning, and NumPy's settings are left as they were."""

from __future__ import annotations

import sys
import warnings

import numpy as np
import pytest

from nnlite.autograd import Function, Op, Tensor, grad
from nnlite.backend import hush, quiet, unhush
from nnlite.ops import arithmetic, pointwise


def leaf(*values: float) -> Tensor:
    return Tensor(np.array(values), requires_grad=True)


BIG = 1e308
CALLS = {
    "1/0": lambda: arithmetic.div(leaf(1.0), leaf(0.0)),
    "0/0": lambda: arithmetic.div(leaf(0.0), leaf(0.0)),
    "log 0": lambda: pointwise.log(leaf(0.0, -1.0)),
    "sqrt -1": lambda: pointwise.sqrt(leaf(-1.0, 0.0)),
    "exp": lambda: pointwise.exp(leaf(1000.0, -1000.0)),
    "overflow +": lambda: leaf(BIG) + leaf(BIG),
    "overflow *": lambda: leaf(BIG) * leaf(BIG),
    "underflow": lambda: leaf(1e-300) * leaf(1e-300),
    "inf - inf": lambda: leaf(np.inf) - leaf(np.inf),
    "0 ** -1": lambda: arithmetic.pow(leaf(0.0), -1.0),
    "0-d": lambda: arithmetic.div(Tensor(np.array(1.0), True), Tensor(np.array(0.0), True)),
    "float32": lambda: Tensor(np.full(2, 1e38, np.float32), True) * 1e3,
    "not recorded": lambda: Tensor(np.ones(1)) / Tensor(np.zeros(1)),
}


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("create_graph", [False, True])
def test_no_warning_escapes(name: str, create_graph: bool) -> None:
    with warnings.catch_warnings(), np.errstate(all="warn"):
        warnings.simplefilter("error")
        y = CALLS[name]()
        if y.requires_grad:
            for _ in range(2):  # the second adds into .grad
                y.backward(
                    Tensor(np.ones_like(y.array)), retain_graph=True, create_graph=create_graph
                )


def test_sums_of_gradients_are_quiet() -> None:
    x = leaf(1.0)
    with warnings.catch_warnings(), np.errstate(all="warn"):
        warnings.simplefilter("error")
        (x * BIG + x * BIG + x * BIG).backward(Tensor(np.array([1.0])))
        x.backward(Tensor(np.array([BIG])))
    assert x.grad.array == [np.inf]


def _settings() -> dict[str, str]:
    return np.geterr()


def test_numpys_settings_return() -> None:
    class Bad(Op):
        @staticmethod
        def forward(ctx, x):
            raise RuntimeError("forward")

    class BadBackward(Function):
        @staticmethod
        def forward(ctx, x):
            return x * 1

        @staticmethod
        def backward(ctx, gy):
            assert _settings()["divide"] == "ignore"
            raise RuntimeError("backward")

    with np.errstate(divide="raise", over="warn", invalid="print"):
        before = _settings()
        CALLS["1/0"]()
        assert _settings() == before
        with pytest.raises(RuntimeError, match="forward"):
            Bad.apply(leaf(1.0))
        assert _settings() == before
        x = leaf(1.0)
        with pytest.raises(RuntimeError, match="backward"):
            BadBackward.apply(x).backward(Tensor(np.ones(1)))
        assert _settings() == before
        with pytest.raises(RuntimeError, match="backward"):
            grad(BadBackward.apply(x), x, Tensor(np.ones(1)))
        assert _settings() == before
        with pytest.raises(ZeroDivisionError), quiet():
            raise ZeroDivisionError
        assert _settings() == before


def test_nesting() -> None:
    with np.errstate(all="raise"):
        with quiet(), quiet():
            np.ones(1) / np.zeros(1)
        with pytest.raises(FloatingPointError):
            np.ones(1) / np.zeros(1)


def test_the_quick_way_and_the_slow_way_do_the_same() -> None:
    """The quick one relies on where NumPy 2 keeps its settings, the slow one on np.errstate."""
    module = sys.modules["nnlite.backend.quiet"]
    assert hush is not module._enter_errstate, "this NumPy keeps its settings elsewhere"
    for enter, leave in ((hush, unhush), (module._enter_errstate, module._leave_errstate)):
        with np.errstate(all="raise"):
            before = _settings()
            token = enter()
            assert set(_settings().values()) == {"ignore"}
            leave(token)
            assert _settings() == before
