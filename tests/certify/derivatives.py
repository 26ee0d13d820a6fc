"""The checks of one sample that measure derivatives: differences, complex steps, second order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from nnlite.autograd import Tensor, grad, gradcheck, gradgradcheck
from nnlite.autograd.checks.numeric import difference, refined
from nnlite.errors import DoubleBackwardError, GradcheckError
from tests.cases.base import OpCase, Sample
from tests.certify.record import Record, largest_error
from tests.certify.values import filled, in_graph, tolerance
from tests.op_driver import cotangents, numbers, of_leaves, ours, second, theirs, torch_vjp, vjp

STEPS = (1e-5, 1e-6)
DIFFERENCES = 1e-6
COMPLEX = 1e-10
ROUNDING = 1e-13

Scalar = Callable[[np.ndarray], np.ndarray]


def _measured(record: Record, kind: str, what: str, f: Scalar, x: np.ndarray, g: Any) -> None:
    """The gradient g of f at x against central differences with two steps, each a case.

    Where they are not near enough, f is too curved or too large there for them, and the
    extrapolated difference of nnlite.autograd.checks.numeric counts. The rounding of a large f
    remains in that one too.
    """
    limit = DIFFERENCES + ROUNDING * float(np.abs(f(x)))
    columns = [e.reshape(x.shape) for e in np.eye(x.size)]
    found = [
        np.array([difference(f, x, e, step)[0].sum() for e in columns]).reshape(x.shape)
        for step in STEPS
    ]
    for step, numeric in zip(STEPS, found, strict=True):
        if largest_error(g, numeric) > DIFFERENCES:
            numeric = np.array([refined(f, x, e).sum() for e in columns]).reshape(x.shape)
        record.near(kind, g, numeric, limit, f"{what}, step {step}")


def _at(leaves: list[Tensor], i: int, x: np.ndarray) -> list[Tensor]:
    """The leaves anew, the i-th with other numbers."""
    values = [np.asarray(x) if k == i else numbers(leaf) for k, leaf in enumerate(leaves)]
    return [Tensor(v, requires_grad=True) for v in values]


def differences(record: Record, case: OpCase, sample: Sample) -> None:
    """The gradient against differences of the function, and gradcheck's further conditions."""
    fn, leaves = of_leaves(case, sample)
    outs = _graph_outputs(fn, leaves)
    if not leaves or not outs:
        return
    vs = cotangents(outs)

    def value(*xs: Tensor) -> np.ndarray:
        parts = [
            (numbers(out) * v).sum() for out, v in zip(_graph_outputs(fn, xs), vs, strict=True)
        ]
        return np.array(sum(parts))

    call = ours(sample)
    gradients = filled(vjp(call, in_graph(call.run(case.fn)), vs), leaves)
    for i, (x, g) in enumerate(zip(leaves, gradients, strict=True)):

        def f(at: np.ndarray, i: int = i) -> np.ndarray:
            return value(*_at(leaves, i, at))

        _measured(record, "differences", f"{sample.id}: input {i}", f, numbers(x), g)
    _passes(record, "differences", sample, lambda: gradcheck(fn, leaves))


def _graph_outputs(fn: Callable[..., Any], leaves: Any) -> list[Any]:
    out = fn(*leaves)
    return in_graph(list(out) if isinstance(out, (tuple, list)) else [out])


def _passes(record: Record, kind: str, sample: Sample, check: Callable[[], bool]) -> None:
    try:
        check()
    except GradcheckError as error:
        record.true(kind, False, f"{sample.id}: {error}")
    else:
        record.true(kind, True, "")


def complex_steps(record: Record, case: OpCase, sample: Sample) -> None:
    """Im f(x + ih) / h has no cancellation: h = 1e-20 gives the derivative to the last digits."""
    if case.complex_fn is None or sample.kwargs:
        return
    call = ours(sample)
    outs = in_graph(call.run(case.fn))
    vs = cotangents(outs)
    places = [i for i, a in enumerate(call.args) if any(a is leaf for leaf in call.leaves)]
    for place, g in zip(places, filled(vjp(call, outs, vs), call.leaves), strict=True):
        measured = np.zeros(call.args[place].shape)
        for at in np.ndindex(measured.shape):
            args = [a.astype(complex) if isinstance(a, np.ndarray) else a for a in sample.args]
            args[place] = np.array(args[place])
            args[place][at] += 1e-20j
            measured[at] = (np.imag(case.complex_fn(*args)) / 1e-20 * vs[0]).sum()
        record.near("complex step", g, measured, COMPLEX, f"{sample.id}: input {place}")


def second_order(record: Record, case: OpCase, sample: Sample) -> None:
    """The derivative of the gradient: against differences, gradgradcheck and PyTorch's."""
    call = ours(sample)
    outs = in_graph(call.run(case.fn))
    if not outs or not call.leaves:
        return
    if not case.double:
        try:
            vjp(call, outs, cotangents(outs), create_graph=True)
        except DoubleBackwardError:
            record.true("second order", True, "")
        else:
            record.true("second order", False, f"{sample.id}: no DoubleBackwardError")
        return
    fn, leaves = of_leaves(case, sample)
    found = _second_differences(record, sample, fn, leaves)
    _passes(record, "second order", sample, lambda: gradgradcheck(fn, leaves))
    _second_of_torch(record, case, sample, found)


def _second_differences(
    record: Record, sample: Sample, fn: Callable[..., Any], leaves: list[Tensor]
) -> list[np.ndarray]:
    vs = cotangents(_graph_outputs(fn, leaves))
    ws = cotangents(leaves)

    def gradients(xs: list[Tensor], create_graph: bool) -> list[Any]:
        outs = _graph_outputs(fn, xs)
        given = [Tensor(v) for v in vs]
        return list(grad(outs, xs, given, create_graph=create_graph, allow_unused=True))

    xs = [Tensor(numbers(x), requires_grad=True) for x in leaves]
    result = filled(second(gradients(xs, True), xs, grad, Tensor), xs)
    for i, x in enumerate(leaves):

        def f(at: np.ndarray, i: int = i) -> np.ndarray:
            found = filled(gradients(_at(leaves, i, at), False), leaves)
            return np.array(sum((g * w).sum() for g, w in zip(found, ws, strict=True)))

        what = f"{sample.id}: input {i}"
        _measured(record, "second differences", what, f, numbers(x), result[i])
    return result


def _second_of_torch(record: Record, case: OpCase, sample: Sample, found: list[np.ndarray]) -> None:
    reference = theirs(sample)
    outs = in_graph(reference.run(case.torch_fn))
    try:
        first = torch_vjp(reference, outs, cotangents(outs), create_graph=True)
        wanted = second(first, reference.leaves, torch.autograd.grad, torch.from_numpy)
    except RuntimeError as error:
        if "is not implemented" not in str(error):
            raise
        return
    limit = tolerance(case, "float64")
    for i, (g, w) in enumerate(zip(found, filled(wanted, reference.leaves), strict=True)):
        # PyTorch's formulas overflow to NaN far out (mish); there the differences are the judge
        record.near(
            "second order", np.where(np.isnan(w), w, g), w, limit, f"{sample.id}: gradient {i}"
        )
