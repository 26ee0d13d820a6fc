"""What the tests of the kernels share: tensors on the stand-in device, and PyTorch beside it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import nnlite
from nnlite.autograd.tensor import wrap
from tests.cuda_shim import COMPILER, ShimKernels
from tests.strict import STRICT, forbid_transfers

needs_compiler = pytest.mark.skipif(
    COMPILER is None, reason="there is no g++: no CUDA source is run in these tests"
)
DTYPES = ["float32", "float64"]


@pytest.fixture(params=["forwards", "backwards"])
def order(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """In which order the threads of a block run: no result may depend on it."""
    monkeypatch.setattr(ShimKernels, "backwards", request.param == "backwards")
    return str(request.param)


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the kernels that ran: a test of a kernel must not run its twin by mistake."""
    names: list[str] = []
    launch = ShimKernels.launch

    def noted(self: ShimKernels, name: str, *args: Any, **kwargs: Any) -> None:
        names.append(name)
        launch(self, name, *args, **kwargs)

    monkeypatch.setattr(ShimKernels, "launch", noted)
    return names


def there(x: np.ndarray[Any, Any]) -> Any:
    """A leaf on the stand-in device, in x's own memory layout."""
    array = STRICT.asarray(np.zeros(0))
    array = STRICT.xp.asarray(array)  # an array of the device, whose memory is then x itself
    array._x = x
    return wrap(array)


def close(ours: Any, theirs: Any, dtype: str, scale: float = 1.0) -> None:
    """Equal up to 1e-5 in float32 and 1e-10 in float64."""
    x = ours.array if hasattr(ours, "array") else ours
    x = x.get() if hasattr(x, "get") else x
    y = theirs.detach().numpy() if isinstance(theirs, torch.Tensor) else theirs
    tolerance = 1e-5 if dtype == "float32" else 1e-10
    assert x.dtype == np.dtype(dtype)
    np.testing.assert_allclose(x, y, rtol=tolerance, atol=tolerance * scale)


def compare(
    ours: Callable[..., Any],
    theirs: Callable[..., Any],
    inputs: list[np.ndarray[Any, Any]],
    seed: int = 0,
) -> None:
    """The result and all gradients of an op on the device, without a host copy, and of PyTorch."""
    dtype = inputs[0].dtype.name
    a = [there(x).requires_grad_() for x in inputs]
    b = [torch.tensor(np.ascontiguousarray(x), requires_grad=True) for x in inputs]
    expected = theirs(*b)
    gy = np.random.default_rng(seed).standard_normal(tuple(expected.shape)).astype(dtype)
    with forbid_transfers():
        found = ours(*a)
        nnlite.autograd.backward([found], [there(gy)])
    expected.backward(torch.tensor(gy))
    close(found, expected, dtype, scale=10)
    for x, y in zip(a, b, strict=True):
        close(x.grad, y.grad, dtype, scale=10)
