"""The checks of a row on another device: as on the CPU, and as in PyTorch there.

Differences and complex steps have been measured on the CPU; on a device it is the agreement with
it that is to be shown, for results, gradients and gradients of gradients.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch

import nnlite
from nnlite.autograd import Tensor, grad
from nnlite.nn import functional
from tests.cases.base import OpCase, Sample
from tests.certify.kinks import KINKS
from tests.certify.record import Record
from tests.certify.values import filled, in_graph, mapped, tolerance
from tests.conftest import to_device
from tests.layouts import LAYOUTS
from tests.op_driver import (
    Call,
    cotangents,
    numbers,
    ours,
    samples_of,
    second,
    theirs,
    torch_vjp,
    vjp,
)

LIMITS = {"float64": 1e-10, "float32": 1e-5}
"""How near to the CPU; float32 times the row's headroom."""

REPEATED = {"scatter"}
"""Rows that write by index: where one stands twice, a device may store either value."""

SPECIAL = (np.nan, np.inf, -np.inf, 0.0, -0.0)


def certify_row(case: OpCase, device: str) -> Record:
    """All checks of a row on a device. A crash is a failure of that check."""
    record = Record(case.name, double=case.double if case.differentiable else None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for sample in samples_of(case):
            if case.random:
                check = partial(drawn, record, case, sample, device)
                _guarded(record, "random numbers", sample, check)
                continue
            for dtype in LIMITS:
                check = partial(against_the_cpu, record, case, sample, dtype, device)
                _guarded(record, f"CPU {dtype}", sample, check)
                check = partial(against_torch, record, case, sample, dtype, device)
                _guarded(record, f"PyTorch {dtype}", sample, check)
            for name in LAYOUTS:
                check = partial(layout, record, case, sample, name, device)
                _guarded(record, "layouts", sample, check)
            if case.differentiable and case.double:
                check = partial(second_order, record, case, sample, device)
                _guarded(record, "second order", sample, check)
            for special in SPECIAL if sample.smooth else ():
                check = partial(special_number, record, case, sample, special, device)
                _guarded(record, "special numbers", sample, check)
    return record


def _guarded(record: Record, kind: str, sample: Sample, check: Callable[[], None]) -> None:
    try:
        check()
    except Exception as error:  # a crash must not hide the other checks
        record.true(kind, False, f"{sample.id}: {type(error).__name__}: {error}")


def _limit(case: OpCase, dtype: str) -> float:
    return LIMITS[dtype] * (case.headroom if dtype == "float32" else 1.0)


def _results(call: Call, case: OpCase) -> tuple[list[Any], list[np.ndarray[Any, Any]]]:
    """The outputs, and then the gradients of a random combination of them."""
    outs = call.run(case.fn)
    graph = in_graph(outs)
    gradients = filled(vjp(call, graph, cotangents(graph)), call.leaves) if graph else []
    return outs, gradients


def against_the_cpu(record: Record, case: OpCase, sample: Sample, dtype: str, device: str) -> None:
    """Result and gradient on the device, and that they lie there."""
    call = ours(sample, dtype, device=device)
    before = [numbers(t).tobytes() for t in call.tensors]
    found, gradients = _results(call, case)
    wanted, expected = _results(ours(sample, dtype), case)
    kind, limit = f"CPU {dtype}", _limit(case, dtype)
    places = {out.device.type for out in found}
    record.true(kind, places == {device}, f"{sample.id}: results on {places}")
    for k, (a, b) in enumerate(zip(found, wanted, strict=True)):
        record.near(kind, numbers(a), numbers(b), limit, f"{sample.id}: output {k}")
    for i, (g, h) in enumerate(zip(gradients, expected, strict=True)):
        record.near(kind, g, h, limit, f"{sample.id}: gradient {i}")
    after = [numbers(t).tobytes() for t in call.tensors]
    record.true(kind, before == after, f"{sample.id}: inputs unchanged")


def against_torch(record: Record, case: OpCase, sample: Sample, dtype: str, device: str) -> None:
    """Result and gradient on the device; PyTorch computes on the CPU."""
    found, gradients = _results(ours(sample, dtype, device=device), case)
    reference = theirs(sample, dtype)
    wanted = reference.run(case.torch_fn)
    kind, limit = f"PyTorch {dtype}", tolerance(case, dtype)
    for k, (a, b) in enumerate(zip(found, wanted, strict=True)):
        record.near(kind, numbers(a), numbers(b), limit, f"{sample.id}: output {k}")
    graph = in_graph(wanted) if case.differentiable else []
    if graph and gradients:
        vs = cotangents(in_graph(found))
        expected = filled(torch_vjp(reference, graph, vs), reference.leaves)
        for i, (g, h) in enumerate(zip(gradients, expected, strict=True)):
            record.near(kind, g, h, limit, f"{sample.id}: gradient {i}")


def drawn(record: Record, case: OpCase, sample: Sample, device: str) -> None:
    """Dropout's numbers are the device's own: x times a mask of zeros and one other number."""
    for dtype, limit in LIMITS.items():
        call = ours(sample, dtype, device=device)
        found, gradients = _results(call, case)
        ones = mapped(sample, np.ones_like)
        mask = numbers(ours(ones, dtype, device=device).run(case.fn)[0])
        p = next(a for a in (*sample.args, *sample.kwargs.values()) if isinstance(a, float))
        kept = 0.0 if p == 1 else 1 / (1 - p)
        near = np.isclose(mask, 0) | np.isclose(mask, kept)
        record.true("random numbers", bool(near.all()), f"{sample.id}: neither 0 nor {kept}")
        v = cotangents(found)[0]
        what = f"{sample.id} {dtype}"
        record.near(
            "random numbers", numbers(found[0]), numbers(call.leaves[0]) * mask, limit, what
        )
        record.near("random numbers", gradients[0], v * mask, limit, f"{what}: gradient")


def layout(record: Record, case: OpCase, sample: Sample, name: str, device: str) -> None:
    """Inputs that lie in the device's memory in other ways than row by row."""
    if name == "stride 0" and (not sample.smooth or case.name in REPEATED):
        return
    change = LAYOUTS[name]
    given, gradients = _results(ours(sample, device=device, layout=change), case)
    plain = partial(_plain, change)
    wanted, expected = _results(ours(sample, layout=plain), case)
    pairs = [(numbers(a), numbers(b)) for a, b in zip(given, wanted, strict=True)]
    for n, (a, b) in enumerate([*pairs, *zip(gradients, expected, strict=True)]):
        record.near("layouts", a, b, LIMITS["float64"], f"{sample.id}: {name}: {n}")


def _plain(change: Any, x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return np.array(change(x), order="C")


def second_order(record: Record, case: OpCase, sample: Sample, device: str) -> None:
    """The derivative of the gradient."""
    found = []
    for place in (device, "cpu"):
        call = ours(sample, device=place)
        outs = in_graph(call.run(case.fn))
        if not outs or not call.leaves:
            return
        gradients = vjp(call, outs, cotangents(outs), create_graph=True)

        def there(x: np.ndarray[Any, Any], place: str = place) -> Tensor:
            return Tensor(to_device(x, place))

        found.append(filled(second(gradients, call.leaves, grad, there), call.leaves))
    for i, (g, h) in enumerate(zip(*found, strict=True)):
        record.near("second order", g, h, LIMITS["float64"], f"{sample.id}: gradient {i}")


def special_number(record: Record, case: OpCase, sample: Sample, value: float, device: str) -> None:
    """NaN, an infinity or a zero at the first place of the first array of numbers."""
    first = iter([True])

    def place(x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        x = x.copy()
        if x.dtype == np.float64 and x.size and next(first, False):
            x.flat[0] = value
        return x

    given = mapped(sample, place)
    try:
        wanted, expected = _results(ours(given), case)
    except nnlite.errors.NnliteError:  # refused there, as labels are: not compared
        return
    found, gradients = _results(ours(given, device=device), case)
    pairs = [(numbers(a), numbers(b)) for a, b in zip(found, wanted, strict=True)]
    for n, (a, b) in enumerate([*pairs, *zip(gradients, expected, strict=True)]):
        what = f"{value} {sample.id}: {n}"
        record.near("special numbers", a, b, LIMITS["float64"], what)


def ties_and_kinks(device: str) -> Record:
    """The table of kinks: the choice among several derivatives is PyTorch's, on the device too."""
    record = Record("ties and kinks")
    for name, fn, *inputs in KINKS:
        for dtype, limit in LIMITS.items():
            xs = [np.array(x, dtype) for x in inputs]
            mine = [Tensor(to_device(x, device)).requires_grad_() for x in xs]
            their = [torch.from_numpy(x.copy()).requires_grad_() for x in xs]
            label = f"{name} {dtype}"
            try:
                outs = in_graph(_listed(fn(nnlite, functional, *mine)))
                expected = in_graph(_listed(fn(torch, torch.nn.functional, *their)))
                ones = [np.ones(out.shape, dtype) for out in outs]
                gradients = grad(outs, mine, [Tensor(to_device(v, device)) for v in ones])
                wanted = torch.autograd.grad(expected, their, list(map(torch.from_numpy, ones)))
            except Exception as error:  # the other kinks are checked all the same
                record.true("ties and kinks", False, f"{label}: {type(error).__name__}: {error}")
                continue
            for a, b in zip([*outs, *gradients], [*expected, *wanted], strict=True):
                record.near("ties and kinks", numbers(a), numbers(b), limit, label)
    return record


def _listed(out: Any) -> list[Any]:
    return list(out) if isinstance(out, (tuple, list)) else [out]
