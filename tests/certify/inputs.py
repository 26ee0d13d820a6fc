"""Other dtypes and other shapes than the table's samples have: PyTorch's answer, or its refusal."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any

import numpy as np

from nnlite.errors import NnliteError
from tests.cases.base import OpCase, Sample
from tests.certify.record import Record
from tests.certify.values import filled, in_graph, mapped, tolerance
from tests.op_driver import Call, cotangents, numbers, ours, theirs, torch_vjp, vjp

UNIFORM = ("float32", "float64", "int64", "int32", "uint8", "bool")
MIXED = (("float32", "float64"), ("float64", "int64"), ("int64", "float32"), ("bool", "float32"))
SHAPES: tuple[tuple[int, ...], ...] = (
    (),
    (0,),
    (1,),
    (5,),
    (7, 3),
    (2, 0, 3),
    (4, 1, 5),
    (2, 1, 3, 1, 2),
)

# rows of Ops that stand behind public functions: what reaches them was checked there
INTERNAL = frozenset(
    {
        "backward hooks",
        "matmul, transposed",
        "move",
        "on diagonal",
        "put_at",
        "reshape of a transposed",
        "row product",
        "rows of a Jacobian",
        "shift",
        "spread",
        "take_at",
    }
)


def spread(samples: list[Sample], n: int) -> list[Sample]:
    """At most n samples, no two of which differ in numbers only."""

    def kind(value: Any) -> Any:
        if isinstance(value, np.ndarray):
            return value.dtype, value.ndim
        if isinstance(value, (list, tuple)):
            return tuple(kind(v) for v in value)
        return repr(value)

    distinct: dict[Any, Sample] = {}
    for sample in samples:
        if all(a.size for a in arrays(sample)):
            named = tuple((k, kind(v)) for k, v in sample.kwargs.items())
            distinct.setdefault((kind(sample.args), named), sample)
    found = list(distinct.values())
    return [found[i * len(found) // n] for i in range(n)] if len(found) > n else found


def arrays(sample: Sample) -> list[np.ndarray]:
    """The arrays of a sample, in order."""
    found: list[np.ndarray] = []
    mapped(sample, lambda x: found.append(x) or x)
    return found


def dtypes(record: Record, case: OpCase, sample: Sample) -> None:
    """The floating inputs in each dtype, and in pairs of dtypes: PyTorch's result and dtype."""
    floats = sum(a.dtype == np.float64 for a in arrays(sample))
    if not floats or case.name in INTERNAL:
        return
    for given in (*((d,) for d in UNIFORM), *(MIXED if floats > 1 else ())):
        order = iter(given)
        last = given[-1]

        def cast(x: np.ndarray, order: Any = order, last: str = last) -> np.ndarray:
            return to_dtype(x, next(order, last)) if x.dtype == np.float64 else x

        label = f"{'+'.join(given)}: {sample.id}"
        answer(record, "dtypes", case, mapped(sample, cast), label, "float32" in given)


def to_dtype(x: np.ndarray, dtype: str) -> np.ndarray:
    """The numbers in a dtype: rounded, or whether they are positive."""
    if dtype == "bool":
        return np.asarray(x > 0)
    if dtype.startswith("float"):
        return x.astype(dtype)
    whole = np.rint(np.clip(np.nan_to_num(2 * x), -100, 100))
    return np.asarray(abs(whole) if dtype == "uint8" else whole).astype(dtype)


def shapes(record: Record, case: OpCase, sample: Sample) -> None:
    """The same call on other sizes: 0-d, empty, one element, odd, five dimensions."""
    found = arrays(sample)
    if not found or any(a.dtype != np.float64 or a.shape != found[0].shape for a in found):
        return
    finite = np.concatenate([a[np.isfinite(a)].ravel() for a in found])
    if case.name in INTERNAL or not finite.size:
        return
    rng = np.random.default_rng(zlib.crc32(f"{case.name} {sample.id}".encode()))
    for shape in SHAPES:

        def other(x: np.ndarray, shape: tuple[int, ...] = shape) -> np.ndarray:
            return np.asarray(rng.uniform(finite.min(), finite.max(), shape))

        answer(record, "sizes", case, mapped(sample, other), f"{shape} {sample.id}", False)


def answer(
    record: Record, kind: str, case: OpCase, sample: Sample, label: str, single: bool
) -> None:
    """PyTorch's result and gradient, to the dtype; or, where it refuses, a refusal."""
    call, reference = ours(sample), theirs(sample)
    also = case.differentiable
    expected, refusal = _attempt(
        lambda: _run(reference, case.torch_fn, torch_vjp if also else None)
    )
    found, error = _attempt(lambda: _run(call, case.fn, vjp if also else None))
    if refusal is not None or error is not None:
        both = refusal is not None and isinstance(error, NnliteError)
        said = f"PyTorch: {_brief(refusal)}; nnlite: {_brief(error)}"
        record.true(kind, both, f"{label}: {said}")
        return
    assert found is not None
    assert expected is not None
    if not record.true(kind, len(found) == len(expected), f"{label}: outputs or gradients"):
        return
    limit = tolerance(case, "float32" if single else "float64")
    for n, (a, b) in enumerate(zip(found, expected, strict=True)):
        record.near(kind, a, b, limit, f"{label}: {n}")


def _run(call: Call, fn: Callable[..., Any], differentiate: Any) -> list[np.ndarray]:
    outs = call.run(fn)
    results = [numbers(out) for out in outs]
    outs = in_graph(outs)
    if not outs or differentiate is None:
        return results
    return results + filled(differentiate(call, outs, cotangents(outs)), call.leaves)


def _attempt(run: Callable[[], list[np.ndarray]]) -> tuple[list[np.ndarray] | None, Any]:
    try:
        return run(), None
    except Exception as error:  # whatever comes is what is to be compared
        return None, error


def _brief(error: BaseException | None) -> str:
    if error is None:
        return "a result"
    return f"{type(error).__name__} {str(error).splitlines()[0][:90] if str(error) else ''}"
