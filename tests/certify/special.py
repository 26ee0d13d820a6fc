"""IEEE's special numbers in elementwise ops and reductions; ties and kinks, exactly."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import torch

import nnlite
from nnlite.autograd import Tensor
from nnlite.nn import functional
from tests.cases.base import OpCase, Sample
from tests.certify.inputs import arrays
from tests.certify.kinks import KINKS
from tests.certify.record import Record
from tests.certify.values import filled, in_graph, mapped, tolerance
from tests.op_driver import cotangents, numbers, ours, theirs, torch_vjp, vjp

ELEMENTWISE = {
    "arithmetic",
    "pointwise",
    "trigonometry",
    "erf",
    "fractions",
    "selection",
    "activation",
    "smooth_activation",
}
REDUCING = {"reduce", "spread", "extremum", "softmax", "sorting"}
LOSSES = {"regression_loss", "probability_loss", "cross_entropy"}
PLACES = (np.nan, np.inf, -np.inf, 0.0, -0.0)


def _modules(case: OpCase) -> set[str]:
    return {op.__module__.rsplit(".", 1)[1] for op in case.ops}


def is_elementwise(case: OpCase) -> bool:
    """Whether each element of the result depends on one element of each input."""
    return bool(case.ops) and _modules(case) <= ELEMENTWISE


def is_reduction(case: OpCase) -> bool:
    """Whether the row reduces, or is a loss."""
    return case.differentiable and bool(_modules(case) & (REDUCING | LOSSES))


def chosen(case: OpCase, samples: list[Sample]) -> list[Sample]:
    """For elementwise rows one sample of each choice of options: their shapes do not matter."""
    if not is_elementwise(case):
        return samples

    def options(sample: Sample) -> str:
        return str([(k, "array" if isinstance(v, np.ndarray) else v) for k, v in _named(sample)])

    return list({options(sample): sample for sample in samples}.values())


def _named(sample: Sample) -> list[tuple[str, Any]]:
    return [*((str(i), a) for i, a in enumerate(sample.args)), *sample.kwargs.items()]


def numbers_of(dtype: str) -> dict[str, float]:
    """The special numbers of a dtype, by name."""
    info = np.finfo(dtype)
    return {
        "NaN": np.nan,
        "inf": np.inf,
        "-inf": -np.inf,
        "0": 0.0,
        "-0": -0.0,
        "subnormal": float(info.smallest_subnormal),
        "-subnormal": -float(info.smallest_subnormal),
        "largest": float(info.max),
        "-largest": -float(info.max),
        "1": 1.0,
    }


def special_numbers(record: Record, case: OpCase, sample: Sample, dtype: str) -> None:
    """Forward and gradient as PyTorch has them, element by element."""
    found = arrays(sample)
    if not found or any(a.dtype != np.float64 for a in found):
        return
    special = numbers_of(dtype)
    if is_elementwise(case) and len(found) <= 2 and len(found) == len(sample.args[: len(found)]):
        _grid(record, case, sample, dtype, special, len(found))
    elif is_reduction(case) and all(a.size for a in found):
        for name, value in special.items():
            _compare(record, case, _placed(sample, [value]), dtype, f"{name} {sample.id}")
        for pair in itertools.product(PLACES, repeat=2):
            label = f"{pair[0]} and {pair[1]} {sample.id}"
            _compare(record, case, _placed(sample, list(pair)), dtype, label)


def _placed(sample: Sample, values: list[float]) -> Sample:
    """Special numbers at the first and the last place of the first array."""
    first = iter([True])

    def place(x: np.ndarray) -> np.ndarray:
        x = x.copy()
        if next(first, False):
            for i, value in zip((0, -1), values, strict=False):
                x.flat[i] = value
        return x

    return mapped(sample, place)


def _grid(
    record: Record, case: OpCase, sample: Sample, dtype: str, special: dict[str, float], n: int
) -> None:
    """Each special number, or each pair of them, in one call."""
    values = np.array(list(special.values()))
    if n == 1:
        given, labels = [values], list(special)
    else:
        a, b = np.meshgrid(values, values, indexing="ij")
        given = [a.ravel(), b.ravel()]
        labels = [f"{p}, {q}" for p in special for q in special]
    order = iter(given)
    sample = mapped(sample, lambda _: next(order))
    _compare(record, case, sample, dtype, sample.id, labels)


def _compare(
    record: Record,
    case: OpCase,
    sample: Sample,
    dtype: str,
    label: str,
    elements: list[str] | None = None,
) -> None:
    call, reference = ours(sample, dtype), theirs(sample, dtype)
    try:
        expected = reference.run(case.torch_fn)
    except (RuntimeError, ValueError):  # a loss that takes no such number
        return
    outs = call.run(case.fn)
    found = [numbers(out) for out in outs]
    wanted = [numbers(out) for out in expected]
    what = [f"output {k}" for k in range(len(outs))]
    outs, expected = in_graph(outs), in_graph(expected)
    if outs:
        vs = cotangents(outs)
        found += filled(vjp(call, outs, vs), call.leaves)
        wanted += filled(torch_vjp(reference, expected, vs), reference.leaves)
        what += [f"gradient {i}" for i in range(len(call.leaves))]
    limit = tolerance(case, dtype)
    for name, a, b in zip(what, found, wanted, strict=True):
        if elements is None or a.size != len(elements):
            record.near("special numbers", a, b, limit, f"{label}: {dtype} {name}")
            continue
        for element, p, q in zip(elements, a.ravel(), b.ravel(), strict=True):
            record.near("special numbers", p, q, limit, f"({element}): {dtype} {name} {label}")


def ties_and_kinks() -> Record:
    """The table of kinks: result and gradient equal PyTorch's to the bit."""
    record = Record("ties and kinks")
    for name, fn, *inputs in KINKS:
        for dtype in ("float64", "float32"):
            xs = [np.array(x, dtype) for x in inputs]
            mine = [Tensor(x.copy(), requires_grad=True) for x in xs]
            their = [torch.from_numpy(x.copy()).requires_grad_() for x in xs]
            outs = _float_results(fn(nnlite, functional, *mine))
            expected = _float_results(fn(torch, torch.nn.functional, *their))
            vs = [np.ones(out.shape, dtype) for out in outs]
            gradients = nnlite.autograd.grad(outs, mine, [Tensor(v) for v in vs])
            wanted = torch.autograd.grad(expected, their, [torch.from_numpy(v) for v in vs])
            for a, b in zip([*outs, *gradients], [*expected, *wanted], strict=True):
                label = f"{name} {dtype}"
                record.near("ties and kinks", numbers(a), numbers(b), 0.0, label)
    return record


def _float_results(out: Any) -> list[Any]:
    return in_graph(list(out) if isinstance(out, (tuple, list)) else [out])
