"""Every op against PyTorch, finite differences and itself: the table tests/cases drives it all.

Tolerances. float64 against PyTorch: the row's rtol and atol (1e-7 unless it says otherwise).
float32 against PyTorch: 1e-5 * headroom, where a row's headroom is about the square root of the
length of its longest reduction. Gradcheck: rtol 1e-6, atol 1e-8. Complex steps: 1e-10.
"""

from __future__ import annotations

import importlib
import itertools
import pkgutil
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import nnlite
from nnlite.autograd import Op, Tensor, grad, gradcheck, gradgradcheck
from nnlite.autograd.op import Pick
from nnlite.errors import DoubleBackwardError, DtypeError
from nnlite.ops.creation import from_numpy, tensor
from tests.cases import collect
from tests.cases.base import OpCase, Sample
from tests.layouts import LAYOUTS, repeated
from tests.op_driver import (
    assert_near,
    cotangents,
    numbers,
    of_leaves,
    ours,
    samples_of,
    second,
    theirs,
    tolerance,
    torch_vjp,
    vjp,
)

CASES = collect()
by_row = pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
by_smooth_row = pytest.mark.parametrize(
    "case",
    [case for case in CASES if case.differentiable],
    ids=[case.name for case in CASES if case.differentiable],
)


def _label(sample: Sample, more: str = "") -> str:
    return f"sample {sample.id!r} {more}".strip()


def _float_outputs(outs: list[Any]) -> list[Any]:
    return [out for out in outs if out.requires_grad]


def _all_ops() -> set[type[Op]]:
    for module in pkgutil.walk_packages(nnlite.__path__, "nnlite."):
        importlib.import_module(module.name)
    found: set[type[Op]] = set()
    waiting: list[type[Op]] = [Op]
    while waiting:
        for op in waiting.pop().__subclasses__():
            waiting.append(op)
            if op.__module__.startswith("nnlite.") and hasattr(op, "forward") and op is not Pick:
                found.add(op)
    return found


def test_every_op_has_a_row() -> None:
    missing = _all_ops() - {op for case in CASES for op in case.ops + case.device_ops}
    names = sorted(f"{op.__module__}.{op.__name__}" for op in missing)
    assert not names, f"no row in tests/cases has: {', '.join(names)}"


def test_names_are_unique() -> None:
    names = [case.name for case in CASES]
    assert sorted(set(names)) == sorted(names)


@by_row
def test_a_row_reaches_its_ops(case: OpCase, monkeypatch: pytest.MonkeyPatch) -> None:
    reached: set[type[Op]] = set()
    for op in case.ops + case.device_ops:

        def forward(*args: Any, _op: type[Op] = op, _forward: Any = op.forward, **kw: Any) -> Any:
            reached.add(_op)
            return _forward(*args, **kw)

        monkeypatch.setattr(op, "forward", staticmethod(forward))
    devices = ("cpu", "strict") if case.device_ops else ("cpu",)
    for sample, device, plain in itertools.product(samples_of(case), devices, (False, True)):
        call = ours(sample, device=device)
        with nnlite.plain_kernels(plain):
            outs = _float_outputs(call.run(case.fn))
            if outs:
                vjp(call, outs, cotangents(outs), create_graph=case.double)
    assert {op.__name__ for op in case.ops + case.device_ops} == {op.__name__ for op in reached}


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@by_row
def test_forward_and_gradient_equal_torch(case: OpCase, dtype: str) -> None:
    for sample in samples_of(case):
        call, reference = ours(sample, dtype), theirs(sample, dtype)
        before = [numbers(t) for t in call.tensors]
        outs, expected = call.run(case.fn), reference.run(case.torch_fn)
        assert len(outs) == len(expected), _label(sample)
        for k, (out, wanted) in enumerate(zip(outs, expected, strict=True)):
            what = _label(sample, f"output {k}")
            assert_near(numbers(out), numbers(wanted), **tolerance(case, dtype), what=what)
            if case.differentiable:
                assert out.requires_grad == wanted.requires_grad, what
            else:
                assert not out.requires_grad, what
        if case.differentiable and _float_outputs(outs):
            outs, expected = _float_outputs(outs), _float_outputs(expected)
            vs = cotangents(outs)
            gradients = vjp(call, outs, [v.copy() for v in vs])
            wanted_gradients = torch_vjp(reference, expected, vs)
            for i, (g, w) in enumerate(zip(gradients, wanted_gradients, strict=True)):
                what = _label(sample, f"gradient {i}")
                x = numbers(call.leaves[i])
                g = np.zeros_like(x) if g is None else numbers(g)
                w = np.zeros_like(x) if w is None else numbers(w)
                assert_near(g, w, **tolerance(case, dtype), what=what)
        for a, t in zip(before, call.tensors, strict=True):
            assert a.tobytes() == numbers(t).tobytes(), _label(sample, "changed an input")


@by_smooth_row
def test_gradcheck(case: OpCase) -> None:
    for sample in samples_of(case):
        fn, leaves = of_leaves(case, sample)
        if sample.smooth and leaves and all(x.dtype == np.float64 for x in leaves):
            try:
                gradcheck(fn, leaves)
            except Exception as error:
                error.add_note(_label(sample))
                raise


@by_smooth_row
def test_second_order(case: OpCase) -> None:
    for sample in samples_of(case):
        fn, leaves = of_leaves(case, sample)
        if not leaves or any(x.dtype != np.float64 for x in leaves):
            continue
        if not case.double:
            call = ours(sample)
            outs = _float_outputs(call.run(case.fn))
            with pytest.raises(DoubleBackwardError):
                vjp(call, outs, cotangents(outs), create_graph=True)
        elif sample.smooth:
            try:
                gradgradcheck(fn, leaves)
            except Exception as error:
                error.add_note(_label(sample))
                raise


@by_smooth_row
def test_second_order_equals_torch(case: OpCase) -> None:
    if not case.double:
        pytest.skip("the op claims no second derivative; test_second_order sees it refuse")
    for sample in samples_of(case):
        if not sample.smooth:
            continue
        call, reference = ours(sample), theirs(sample)
        outs = _float_outputs(call.run(case.fn))
        expected = _float_outputs(reference.run(case.torch_fn))
        vs = cotangents(outs)
        if not outs or not call.leaves:
            continue
        first = vjp(call, outs, vs, create_graph=True)
        wanted = torch_vjp(reference, expected, vs, create_graph=True)
        ours2 = second(first, call.leaves, grad, Tensor)
        try:
            theirs2 = second(wanted, reference.leaves, torch.autograd.grad, torch.from_numpy)
        except RuntimeError as error:
            if "is not implemented" not in str(error):
                raise
            pytest.skip(f"PyTorch itself: {error}")
        for i, (g, w) in enumerate(zip(ours2, theirs2, strict=True)):
            x = numbers(call.leaves[i])
            g = np.zeros_like(x) if g is None else numbers(g)
            w = np.zeros_like(x) if w is None else numbers(w)
            what = _label(sample, f"second derivative {i}")
            # PyTorch's formulas overflow to NaN far out (mish); there gradgradcheck is the judge
            g = np.where(np.isnan(w), w, g)
            assert_near(g, w, **tolerance(case, "float64"), what=what)


COMPLEX = [case for case in CASES if case.complex_fn is not None]


@pytest.mark.parametrize("case", COMPLEX, ids=[case.name for case in COMPLEX])
def test_complex_step(case: OpCase) -> None:
    """Im f(x + ih) / h has no cancellation: h = 1e-20 gives the derivative to the last digits."""
    assert case.complex_fn is not None
    step = 1e-20
    for sample in samples_of(case):
        if not sample.smooth or sample.kwargs:
            continue
        call = ours(sample)
        outs = _float_outputs(call.run(case.fn))
        if not outs:
            continue
        vs = cotangents(outs)
        gradients = vjp(call, outs, vs)
        places = [i for i, a in enumerate(call.args) if any(a is leaf for leaf in call.leaves)]
        for place, g in zip(places, gradients, strict=True):
            measured = np.zeros(call.args[place].shape)
            for at in np.ndindex(measured.shape):
                args = [a.astype(complex) if isinstance(a, np.ndarray) else a for a in sample.args]
                args[place] = np.array(args[place])
                args[place][at] += 1j * step
                measured[at] = (np.imag(case.complex_fn(*args)) / step * vs[0]).sum()
            np.testing.assert_allclose(
                numbers(g), measured, rtol=1e-10, atol=1e-10, err_msg=_label(sample)
            )


# -- layouts -----------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
@by_row
def test_layouts(case: OpCase, layout: Callable[[np.ndarray], np.ndarray]) -> None:
    for sample in samples_of(case):
        if layout is repeated and not sample.smooth:
            continue
        call = ours(sample, layout=layout)
        plain = ours(sample, layout=lambda x: np.array(layout(x), order="C"))
        outs, expected = call.run(case.fn), plain.run(case.fn)
        for k, (out, wanted) in enumerate(zip(outs, expected, strict=True)):
            what = _label(sample, f"output {k}")
            assert_near(numbers(out), numbers(wanted), rtol=1e-9, atol=1e-9, what=what)
        outs, expected = _float_outputs(outs), _float_outputs(expected)
        if not outs:
            continue
        vs = cotangents(outs)
        gradients = vjp(call, outs, [layout(v) if layout is not repeated else v for v in vs])
        for i, (g, w) in enumerate(zip(gradients, vjp(plain, expected, vs), strict=True)):
            what = _label(sample, f"gradient {i}")
            assert (g is None) == (w is None), what
            if g is not None:
                assert_near(numbers(g), numbers(w), rtol=1e-9, atol=1e-9, what=what)


def test_foreign_byte_order_stays_outside() -> None:
    """No op sees byte-swapped numbers: tensors are not made of them without a conversion."""
    swapped = np.arange(3.0).astype(">f8" if sys.byteorder == "little" else "<f8")
    with pytest.raises(DtypeError, match="byte order"):
        from_numpy(swapped)
    x = tensor(swapped, dtype="float64")
    assert x.array.dtype.isnative
    np.testing.assert_array_equal(x.array, [0, 1, 2])


@by_smooth_row
def test_each_input_alone(case: OpCase) -> None:
    """The gradient of some inputs is the same, whichever others need one."""
    for sample in samples_of(case):
        full = ours(sample)
        everything = full.run(case.fn)
        places = [k for k, out in enumerate(everything) if out.requires_grad]
        outs = [everything[k] for k in places]
        if len(full.leaves) < 2 or not outs:
            continue
        vs = cotangents(outs)
        expected = vjp(full, outs, vs)
        everyone = range(len(full.leaves))
        for chosen in itertools.chain.from_iterable(
            itertools.combinations(everyone, n) for n in {1, len(everyone) - 1}
        ):
            call = ours(sample, needs_grad=False)
            call.leaves = [call.leaves[i].requires_grad_() for i in chosen]
            # outputs that do not depend on the chosen are now outside the graph
            alone = call.run(case.fn)
            found = [k for k, out in enumerate(alone) if out.requires_grad]
            if not found:
                assert all(expected[i] is None for i in chosen), _label(sample)
                continue
            gradients = vjp(call, [alone[k] for k in found], [vs[places.index(k)] for k in found])
            for i, g in zip(chosen, gradients, strict=True):
                what = _label(sample, f"gradient {i} where only {chosen} need one")
                assert (g is None) == (expected[i] is None), what
                if g is not None:
                    assert_near(numbers(g), numbers(expected[i]), rtol=1e-12, atol=1e-12, what=what)


@by_row
def test_strict_device(case: OpCase) -> None:
    """The stand-in for CuPy gives the same, and nothing leaves it unasked."""
    for sample in samples_of(case):
        call = ours(sample, device="strict")
        plain = ours(sample, device="strict" if case.random else "cpu")
        try:
            outs = call.run(case.fn)
            with nnlite.plain_kernels(case.random):
                expected = plain.run(case.fn)
            kinds = {str(out.device) for out in outs}
            assert kinds == {"strict"}, _label(sample)
            results, wanted = list(outs), list(expected)
            outs, expected = _float_outputs(outs), _float_outputs(expected)
            if outs:
                vs = cotangents(expected)
                results += vjp(call, outs, vs, create_graph=case.double)
                wanted += vjp(plain, expected, vs)
        except Exception as error:
            error.add_note(_label(sample))
            raise
        for k, (a, b) in enumerate(zip(results, wanted, strict=True)):
            what = _label(sample, f"result {k}")
            assert (a is None) == (b is None), what
            if a is not None:
                assert str(a.device) == "strict", what
                assert_near(numbers(a), numbers(b), rtol=1e-12, atol=1e-12, what=what)


# -- special numbers ---------------------------------------------------------------------------

ELEMENTWISE = {"arithmetic", "pointwise", "selection", "activation"}
POINTWISE_ROWS = [
    case
    for case in CASES
    if case.ops and all(op.__module__.rsplit(".", 1)[1] in ELEMENTWISE for op in case.ops)
]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("case", POINTWISE_ROWS, ids=[case.name for case in POINTWISE_ROWS])
def test_special_numbers_equal_torch(case: OpCase, dtype: str) -> None:
    """NaN, infinities, signed zeros, subnormal and largest numbers; in pairs each with each."""
    info = np.finfo(dtype)
    special = [
        np.nan,
        np.inf,
        -np.inf,
        0.0,
        -0.0,
        info.smallest_subnormal,
        info.max,
        -info.max,
        1.0,
    ]
    for sample in samples_of(case):
        floats = [i for i, a in enumerate(sample.args) if isinstance(a, np.ndarray)]
        if any(sample.args[i].dtype != np.float64 for i in floats) or sample.kwargs:
            continue
        args = list(sample.args)
        for n, i in enumerate(floats):
            if len(floats) == 1 or case.ops[0].__module__.endswith(("arithmetic", "selection")):
                shape = [1] * len(floats)
                shape[n] = len(special)
                args[i] = np.array(special).reshape(shape)
            else:
                args[i] = np.resize(np.roll(special, n), sample.args[i].shape)
        call, reference = ours(Sample(tuple(args)), dtype), theirs(Sample(tuple(args)), dtype)
        for out, wanted in zip(call.run(case.fn), reference.run(case.torch_fn), strict=True):
            assert_near(
                numbers(out), numbers(wanted), rtol=1e-5, atol=info.tiny, what=f"{case.name}{args}"
            )
