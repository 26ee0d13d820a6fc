"""How a row of the table of op cases is called: in nnlite and in PyTorch, with the same numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from nnlite.autograd import Tensor, grad
from nnlite.backend import backend_of
from tests.cases.base import OpCase, Sample
from tests.conftest import to_device

Convert = Callable[[np.ndarray], Any]

rng_of = np.random.default_rng


def samples_of(case: OpCase) -> list[Sample]:
    """The row's samples from a fixed seed."""
    return case.samples(rng_of(2024))


def convert(value: Any, to: Convert) -> Any:
    """value with each NumPy array in it converted; lists and tuples are searched."""
    if isinstance(value, np.ndarray):
        return to(value)
    if isinstance(value, (list, tuple)) and any(isinstance(v, np.ndarray) for v in value):
        return type(value)(convert(v, to) for v in value)
    return value


class Call:
    """A sample, made ready: ``leaves`` are the tensors with a gradient, in order of appearance."""

    def __init__(self, sample: Sample, to: Convert, is_leaf: Callable[[Any], bool]) -> None:
        self.leaves: list[Any] = []
        self.tensors: list[Any] = []

        def make(x: np.ndarray) -> Any:
            tensor = to(x)
            self.tensors.append(tensor)
            if is_leaf(tensor):
                self.leaves.append(tensor)
            return tensor

        self.args = tuple(convert(a, make) for a in sample.args)
        self.kwargs = {name: convert(a, make) for name, a in sample.kwargs.items()}

    def run(self, fn: Callable[..., Any]) -> list[Any]:
        out = fn(*self.args, **self.kwargs)
        return list(out) if isinstance(out, (tuple, list)) else [out]


def in_dtype(x: np.ndarray, dtype: str) -> np.ndarray:
    """A copy of a sample's array; float64 becomes dtype."""
    return x.astype(dtype) if x.dtype == np.float64 else x.copy()


def ours(
    sample: Sample,
    dtype: str = "float64",
    *,
    device: str = "cpu",
    layout: Convert | None = None,
    needs_grad: bool = True,
) -> Call:
    """The sample as nnlite's Tensors."""

    def to(x: np.ndarray) -> Tensor:
        x = in_dtype(x, dtype)
        x = x if layout is None else layout(x)
        tensor = Tensor(x if device == "cpu" else to_device(x, device))
        return tensor.requires_grad_() if needs_grad and x.dtype.kind == "f" else tensor

    return Call(sample, to, lambda t: t.dtype.kind == "f")


def theirs(sample: Sample, dtype: str = "float64") -> Call:
    """The sample as PyTorch's tensors."""

    def to(x: np.ndarray) -> torch.Tensor:
        tensor = torch.from_numpy(in_dtype(x, dtype))
        return tensor.requires_grad_() if x.dtype.kind == "f" else tensor

    return Call(sample, to, lambda t: t.is_floating_point())


def of_leaves(case: OpCase, sample: Sample) -> tuple[Callable[..., Any], list[Tensor]]:
    """A function of the sample's leaves alone, and these."""
    call = ours(sample)

    def fn(*leaves: Tensor) -> Any:
        again = iter(leaves)
        originals = {id(leaf) for leaf in call.leaves}

        def swap(value: Any) -> Any:
            if isinstance(value, (list, tuple)):
                if any(isinstance(v, Tensor) for v in value):
                    return type(value)(swap(v) for v in value)
                return value
            return next(again) if id(value) in originals else value

        args = [swap(a) for a in call.args]
        kwargs = {name: swap(a) for name, a in call.kwargs.items()}
        return case.fn(*args, **kwargs)

    fn.__name__ = case.name
    return fn, call.leaves


def numbers(t: Any) -> np.ndarray:
    """A tensor's numbers, be it nnlite's, on any device, or PyTorch's."""
    if isinstance(t, torch.Tensor):
        return t.numpy(force=True)
    return np.array(backend_of(t.array).to_numpy(t.array))


def cotangents(outs: list[Any]) -> list[np.ndarray]:
    """Random numbers, not uniform and of both signs, in the outputs' shapes and dtypes."""
    rng = rng_of(7)
    values = [rng.uniform(0.5, 1.5, out.shape) * rng.choice([-1, 1], out.shape) for out in outs]
    return [np.asarray(v, numbers(out).dtype) for v, out in zip(values, outs, strict=True)]


def vjp(call: Call, outs: list[Any], vs: list[np.ndarray], **options: Any) -> list[Any]:
    """nnlite's gradients of the leaves; None where an input is not used."""
    like = [Tensor(backend_of(out.array).asarray(v)) for out, v in zip(outs, vs, strict=True)]
    return list(grad(outs, call.leaves, like, allow_unused=True, **options))


def torch_vjp(call: Call, outs: list[Any], vs: list[np.ndarray], **options: Any) -> list[Any]:
    """PyTorch's gradients of the leaves."""
    like = [torch.from_numpy(v) for v in vs]
    return list(torch.autograd.grad(outs, call.leaves, like, allow_unused=True, **options))


def second(gradients: list[Any], leaves: list[Any], differentiate: Any, wrap: Any) -> list[Any]:
    """Gradients of the gradients, by a second random cotangent.

    A gradient outside the graph is a constant. nnlite and PyTorch may differ in what they know to
    be constant; the sum over all gradients is the same.
    """
    places = [i for i, g in enumerate(gradients) if g is not None and g.requires_grad]
    if not places:
        return [None] * len(leaves)
    vs = cotangents(leaves)
    found = [gradients[i] for i in places]
    return list(differentiate(found, leaves, [wrap(vs[i]) for i in places], allow_unused=True))


def assert_near(
    actual: np.ndarray, expected: np.ndarray, *, rtol: float, atol: float, what: str
) -> None:
    """Equal shape and dtype; |actual - expected| <= atol + rtol * |expected|; NaN equals NaN."""
    assert actual.shape == expected.shape, f"{what}: shape {actual.shape} for {expected.shape}"
    assert actual.dtype == expected.dtype, f"{what}: dtype {actual.dtype} for {expected.dtype}"
    np.testing.assert_allclose(
        actual, expected, rtol=rtol, atol=atol, equal_nan=True, err_msg=what, strict=True
    )


def tolerance(case: OpCase, dtype: str) -> dict[str, float]:
    """float64: the row's own. float32: 1e-5 * headroom, relative and absolute."""
    if dtype == "float64":
        return {"rtol": case.rtol, "atol": case.atol}
    return {"rtol": 1e-5 * case.headroom, "atol": 1e-5 * case.headroom}
