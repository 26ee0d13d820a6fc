"""The calls that PyTorch's own test suite expects to be refused, converted for nnlite.

``torch.testing._internal`` lists for many functions, modules and optimizers the calls that must
raise. It imports ``expecttest``, of which only one class is named: a stand-in is enough.
"""

from __future__ import annotations

import sys
import types
import unittest
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch

import nnlite
import nnlite.nn.functional as F

DTYPES = {
    torch.bool: "bool", torch.uint8: "uint8", torch.int8: "int8", torch.int16: "int16",
    torch.int32: "int32", torch.int64: "int64", torch.float32: "float32", torch.float64: "float64",
}  # fmt: skip


class NotOurs(Exception):
    """The call needs a kind of value that nnlite does not have."""


@dataclass
class Refused:
    """A call that PyTorch refuses."""

    id: str
    torch_fn: Callable[..., Any]
    fn: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]


def internal(name: str) -> Any:
    """A module of torch.testing._internal."""
    stand_in = types.ModuleType("expecttest")
    stand_in.TestCase = unittest.TestCase  # type: ignore[attr-defined]
    sys.modules.setdefault("expecttest", stand_in)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return __import__(f"torch.testing._internal.{name}", fromlist=["*"])


def converted(value: Any) -> Any:
    """A value of PyTorch's as nnlite's.

    Raises:
        NotOurs: a complex or half dtype, a sparse tensor or one that is not on the CPU.
    """
    if isinstance(value, torch.Tensor):
        if value.layout != torch.strided or value.device.type != "cpu":
            raise NotOurs(f"a tensor of layout {value.layout} on {value.device}")
        if value.dtype not in DTYPES:
            raise NotOurs(f"dtype {value.dtype}")
        if value.ndim > 64:
            raise NotOurs("more dimensions than an array of NumPy can have")
        return nnlite.Tensor(value.detach().numpy().copy(), requires_grad=value.requires_grad)
    if isinstance(value, torch.dtype):
        if value not in DTYPES:
            raise NotOurs(f"dtype {value}")
        return getattr(nnlite, DTYPES[value])
    if isinstance(value, complex):
        raise NotOurs("a complex number")
    if isinstance(value, torch.device):
        if value.type != "cpu":
            raise NotOurs(f"device {value}")
        return "cpu"
    if isinstance(value, torch.Generator):
        return nnlite.Generator()
    if isinstance(value, (list, tuple)):
        return type(value)(map(converted, value)) if type(value) in (list, tuple) else tuple(value)
    if isinstance(value, dict):
        return {k: converted(v) for k, v in value.items()}
    return value


def counterpart(name: str) -> Callable[..., Any] | None:
    """nnlite's function or method of the name that PyTorch's table uses."""
    base = name.rpartition(".")[2]
    if name.startswith("__"):
        return None  # Python's operators, under which numbers and tensors mix
    if name.startswith("nn.functional."):
        return getattr(F, base, None)
    if "." in name:
        return None
    return getattr(nnlite, base, None) or getattr(nnlite.Tensor, base, None)


def functions() -> Iterator[tuple[str, Any]]:
    """(id, a Refused or the reason why there is none) for each refused call of op_db."""
    cpu = torch.device("cpu")
    for op in internal("common_methods_invocations").op_db:
        fn = counterpart(op.name)
        if fn is None or op.error_inputs_func is None:
            continue
        # two of the functions expect the device's name
        device = "cpu" if op.name in ("cat", "complex") else cpu
        for i, error in enumerate(op.error_inputs(device)):
            sample = error.sample_input
            name = f"{op.full_name}-{i}"
            if "out" in sample.kwargs:
                yield name, "nnlite has no out="
                continue
            try:
                args = tuple(map(converted, (sample.input, *sample.args)))
                kwargs = converted(sample.kwargs)
            except NotOurs as reason:
                yield name, str(reason)
                continue
            try:
                op.op(sample.input, *sample.args, **sample.kwargs)
            except Exception:
                yield name, Refused(name, op.op, fn, args, kwargs)
            else:
                yield name, "PyTorch does not refuse it on the CPU"
