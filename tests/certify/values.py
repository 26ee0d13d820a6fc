"""The checks of one sample that compare values: with PyTorch, and with nnlite itself."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from tests.cases.base import OpCase, Sample
from tests.certify.record import Record
from tests.layouts import LAYOUTS
from tests.op_driver import Call, cotangents, numbers, ours, theirs, torch_vjp, vjp

TOLERANCES = {"float64": 1e-7, "float32": 1e-5}
SELF = 1e-9  # the same formula on other memory: only the order of a sum may change


def tolerance(case: OpCase, dtype: str) -> float:
    """How near to PyTorch: the row's own in float64, 1e-5 * headroom in float32."""
    return max(case.rtol, case.atol) if dtype == "float64" else 1e-5 * case.headroom


def in_graph(outs: list[Any]) -> list[Any]:
    """The results that carry a gradient."""
    return [out for out in outs if out.requires_grad]


def filled(gradients: list[Any], leaves: list[Any]) -> list[np.ndarray]:
    """Gradients as numbers, with zeros where an input is not used."""
    return [
        np.zeros_like(numbers(x)) if g is None else numbers(g)
        for g, x in zip(gradients, leaves, strict=True)
    ]


def against_torch(record: Record, case: OpCase, sample: Sample, dtype: str) -> None:
    """The result, and the gradient of a random combination of the results."""
    call, reference = ours(sample, dtype), theirs(sample, dtype)
    before = [numbers(t).tobytes() for t in call.tensors]
    outs, expected = call.run(case.fn), reference.run(case.torch_fn)
    limit = tolerance(case, dtype)
    if not record.true(f"forward {dtype}", len(outs) == len(expected), f"{sample.id}: outputs"):
        return
    for k, (out, wanted) in enumerate(zip(outs, expected, strict=True)):
        what = f"{sample.id}: output {k}"
        record.near(f"forward {dtype}", numbers(out), numbers(wanted), limit, what)
        wants = case.differentiable and wanted.requires_grad
        if out.requires_grad != wants:
            record.true(f"vjp {dtype}", False, f"{what}: requires_grad {out.requires_grad}")
            return
    outs, expected = in_graph(outs), in_graph(expected) if case.differentiable else []
    if outs:
        vs = cotangents(outs)
        found = filled(vjp(call, outs, [v.copy() for v in vs]), call.leaves)
        wanted = filled(torch_vjp(reference, expected, vs), reference.leaves)
        for i, (g, w) in enumerate(zip(found, wanted, strict=True)):
            record.near(f"vjp {dtype}", g, w, limit, f"{sample.id}: gradient {i}")
    after = [numbers(t).tobytes() for t in call.tensors]
    record.true(f"forward {dtype}", before == after, f"{sample.id}: inputs unchanged")


def rounded(sample: Sample) -> Sample:
    """The sample with numbers that float32 holds exactly."""
    return mapped(sample, lambda x: x.astype("f4").astype("f8") if x.dtype == np.float64 else x)


def mapped(sample: Sample, change: Any) -> Sample:
    """The sample with each array in it changed."""

    def within(value: Any) -> Any:
        if isinstance(value, np.ndarray):
            return change(value)
        if isinstance(value, (list, tuple)) and any(isinstance(v, np.ndarray) for v in value):
            return type(value)(within(v) for v in value)
        return value

    args = tuple(within(a) for a in sample.args)
    kwargs = {name: within(a) for name, a in sample.kwargs.items()}
    return Sample(args, kwargs, sample.smooth, sample.id)


def _with_gradients(
    case: OpCase, call: Call, vs: list[np.ndarray]
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    outs = call.run(case.fn)
    results = [numbers(out) for out in outs]
    outs = in_graph(outs)
    if not outs:
        return results, []
    vs = [v.astype(out.dtype) for v, out in zip(vs, outs, strict=True)]
    return results, filled(vjp(call, outs, vs), call.leaves)


def single_against_double(record: Record, case: OpCase, sample: Sample) -> None:
    """float32 against nnlite's own float64 on the same numbers, forward and vjp."""
    sample = rounded(sample)
    call = ours(sample)
    if not any(t.dtype == np.float64 for t in call.tensors):
        return
    vs = cotangents(in_graph(ours(sample, "float32").run(case.fn)))
    results, gradients = _with_gradients(case, call, vs)
    single, single_gradients = _with_gradients(case, ours(sample, "float32"), vs)
    pairs = [*zip(single, results, strict=True), *zip(single_gradients, gradients, strict=True)]
    for n, (a, b) in enumerate(pairs):
        with np.errstate(over="ignore"):
            wide = b.astype(a.dtype)
        record.near("float32 itself", a, wide, tolerance(case, "float32"), f"{sample.id}: {n}")


def layouts(record: Record, case: OpCase, sample: Sample) -> None:
    """The same numbers in other memory: inputs and cotangents."""
    for name, layout in LAYOUTS.items():
        if name == "stride 0" and not sample.smooth:
            continue

        def plain(x: np.ndarray, layout: Any = layout) -> np.ndarray:
            return np.array(layout(x), order="C")

        call = ours(sample, layout=layout)
        vs = cotangents(in_graph(ours(sample, layout=plain).run(case.fn)))
        results, gradients = _with_gradients(case, ours(sample, layout=plain), vs)
        given = vs if name == "stride 0" else [layout(v) for v in vs]
        found, found_gradients = _with_gradients(case, call, given)
        pairs = [*zip(found, results, strict=True), *zip(found_gradients, gradients, strict=True)]
        for n, (a, b) in enumerate(pairs):
            record.near("layouts", a, b, SELF, f"{sample.id}: {name}: {n}")


def subsets(record: Record, case: OpCase, sample: Sample) -> None:
    """The gradient of some inputs is the same, whichever others need one."""
    full = ours(sample)
    everything = full.run(case.fn)
    places = [k for k, out in enumerate(everything) if out.requires_grad]
    n = len(full.leaves)
    if not places or n < 2:
        return
    vs = cotangents([everything[k] for k in places])
    expected = filled(vjp(full, [everything[k] for k in places], vs), full.leaves)
    sizes = range(1, n) if n <= 4 else {1, n - 1}
    for chosen in itertools.chain.from_iterable(
        itertools.combinations(range(n), size) for size in sizes
    ):
        call = ours(sample, needs_grad=False)
        call.leaves = [call.leaves[i].requires_grad_() for i in chosen]
        # outputs that do not depend on the chosen are now outside the graph
        outs = call.run(case.fn)
        found = [k for k, out in enumerate(outs) if out.requires_grad]
        cotangent = [vs[places.index(k)] for k in found]
        gradients = (
            vjp(call, [outs[k] for k in found], cotangent) if found else [None] * len(chosen)
        )
        for i, g in zip(chosen, filled(gradients, call.leaves), strict=True):
            record.near("subsets", g, expected[i], 1e-12, f"{sample.id}: {i} of {chosen}")
