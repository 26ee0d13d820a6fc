"""Calls of the table of op cases with one argument replaced by something that may not fit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from tests.cases.base import OpCase, Sample
from tests.op_driver import samples_of

NUMBERS: dict[str, Any] = {
    "None": None, "'a'": "a", "1.5": 1.5, "-7": -7, "99": 99, "0": 0, "nan": float("nan"),
    "[]": [], "(1, 2, 3, 4, 5, 6)": (1, 2, 3, 4, 5, 6), "(0, 0)": (0, 0), "(1.5, 2)": (1.5, 2),
    "an object": object(), "a set": {1}, "b'a'": b"a",
}  # fmt: skip


def arrays(x: np.ndarray) -> dict[str, Any]:
    """Other arrays in the place of x: sizes and dtypes that may not fit."""
    found: dict[str, Any] = {"one more dimension": x[None], "0-d": np.zeros((), x.dtype)}
    if x.ndim:
        found["one dimension fewer"] = np.zeros(x.shape[1:], x.dtype)
        found["empty"] = x[:0]
        for i in range(x.ndim):
            longer = (*x.shape[:i], x.shape[i] + 1, *x.shape[i + 1 :])
            found[f"dimension {i} longer"] = np.zeros(longer, x.dtype)
    for dtype in ("float64", "float32", "int64", "bool"):
        if x.dtype != dtype:
            found[dtype] = np.zeros(x.shape, dtype)
    if x.dtype.kind == "i":
        found["too large"] = x + 50
        found["negative"] = x - 50
    return {**found, "None": None, "'a'": "a", "an object": object(), "a number": 2}


def replacements(value: Any) -> dict[str, Any]:
    """What is put in the place of one argument."""
    return arrays(value) if isinstance(value, np.ndarray) else NUMBERS


def mutated(case: OpCase, samples: int) -> Iterator[tuple[str, Sample]]:
    """(description, call) for each argument of the first samples, replaced in each way."""
    for sample in samples_of(case)[:samples]:
        args, kwargs = list(sample.args), dict(sample.kwargs)
        for i, value in enumerate(args):
            for what, other in replacements(value).items():
                changed = (*args[:i], other, *args[i + 1 :])
                yield f"{sample.id}: argument {i} {what}", Sample(changed, kwargs)
        for name, value in kwargs.items():
            for what, other in replacements(value).items():
                yield f"{sample.id}: {name} {what}", Sample(sample.args, {**kwargs, name: other})
