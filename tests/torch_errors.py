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
from functools import partial
from typing import Any

import torch

import nnlite
import nnlite.nn.functional as F
from nnlite import nn, optim

DTYPES = {
    torch.bool: "bool", torch.uint8: "uint8", torch.int8: "int8", torch.int16: "int16",
    torch.int32: "int32", torch.int64: "int64", torch.float32: "float32", torch.float64: "float64",
}  # fmt: skip


class NotOursError(Exception):
    """The call needs a kind of value that nnlite does not have."""


@dataclass
class Refused:
    """A call that PyTorch refuses."""

    id: str
    torch_call: Callable[[], Any]
    call: Callable[[], Any]


def internal(name: str) -> Any:
    """A module of torch.testing._internal."""
    stand_in = types.ModuleType("expecttest")
    stand_in.TestCase = unittest.TestCase  # type: ignore[attr-defined]
    sys.modules.setdefault("expecttest", stand_in)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return __import__(f"torch.testing._internal.{name}", fromlist=["*"])


def converted(value: Any, known: dict[int, Any] | None = None) -> Any:
    """A value of PyTorch's as nnlite's; one tensor in two places becomes one tensor.

    Raises:
        NotOursError: a complex or half dtype, a sparse tensor or one that is not on the CPU.
    """
    known = {} if known is None else known
    if isinstance(value, torch.Tensor):
        if id(value) not in known:
            known[id(value)] = _tensor(value)
        return known[id(value)]
    if isinstance(value, torch.dtype):
        if value not in DTYPES:
            raise NotOursError(f"dtype {value}")
        return getattr(nnlite, DTYPES[value])
    if isinstance(value, complex):
        raise NotOursError("a complex number")
    if isinstance(value, torch.device):
        return str(value)
    if isinstance(value, torch.Generator):
        return nnlite.Generator()
    if isinstance(value, (list, tuple)):
        items = [converted(v, known) for v in value]
        return items if isinstance(value, list) else tuple(items)
    if isinstance(value, dict):
        return {k: converted(v, known) for k, v in value.items()}
    return value


def _tensor(value: torch.Tensor) -> nnlite.Tensor:
    if value.layout != torch.strided or value.device.type != "cpu":
        raise NotOursError(f"a tensor of layout {value.layout} on {value.device}")
    if value.dtype not in DTYPES:
        raise NotOursError(f"dtype {value.dtype}")
    if value.ndim > 64:
        raise NotOursError("more dimensions than an array of NumPy can have")
    return nnlite.Tensor(value.detach().numpy().copy(), requires_grad=value.requires_grad)


def _pair(name: str, theirs: Any, ours: Any, args: Any, kwargs: Any) -> Refused | str:
    """The call in both libraries, or the reason why there is none."""
    if "out" in kwargs:
        return "nnlite has no out="
    try:
        own_args, own_kwargs = converted((tuple(args), kwargs))
    except NotOursError as reason:
        return str(reason)
    return Refused(name, lambda: theirs(*args, **kwargs), lambda: ours(*own_args, **own_kwargs))


def _function(name: str) -> Callable[..., Any] | None:
    """nnlite's function or method of the name that PyTorch's table uses."""
    base = name.rpartition(".")[2]
    if name.startswith("nn.functional."):
        return getattr(F, base, None)
    if "." in name or name.startswith("__"):  # operators take numbers and tensors mixed
        return None
    return getattr(nnlite, base, None) or getattr(nnlite.Tensor, base, None)


def functions() -> Iterator[tuple[str, Refused | str]]:
    """(id, a Refused or the reason why there is none) for each refused call of op_db."""
    for op in internal("common_methods_invocations").op_db:
        fn = _function(op.name)
        if fn is None or op.error_inputs_func is None:
            continue
        # some of the functions expect the device, others its name
        device = "cpu" if op.name == "cat" else torch.device("cpu")
        for i, error in enumerate(op.error_inputs(device)):
            sample, name = error.sample_input, f"{op.full_name}-{i}"
            yield name, _pair(name, op.op, fn, (sample.input, *sample.args), sample.kwargs)


def modules() -> Iterator[tuple[str, Refused | str]]:
    """The same for nn's modules, made and called."""
    options = {"device": "cpu", "dtype": torch.float64, "requires_grad": False, "training": True}
    for info in internal("common_modules").module_db:
        cls = info.module_cls
        own = getattr(nn, cls.__name__, None)
        if own is None or info.module_error_inputs_func is None:
            continue
        for i, error in enumerate(info.module_error_inputs_func(info, **options)):
            make, forward = (
                error.module_error_input.constructor_input,
                error.module_error_input.forward_input,
            )
            inputs = (make.args, make.kwargs, *((forward.args, forward.kwargs) if forward else ()))

            def run(kind: Any, args: Any, kwargs: Any, *call: Any) -> None:
                module = kind(*args, **kwargs)
                if call:
                    module(*call[0], **call[1])

            name = f"{cls.__name__}-{i}"
            yield name, _pair(name, partial(run, cls), partial(run, own), inputs, {})


def optimizers() -> Iterator[tuple[str, Refused | str]]:
    """The same for optimizers, made with bad parameters or settings."""
    common = internal("common_optimizers")
    for info in common.optim_db:
        cls = info.optim_cls
        own = getattr(optim, cls.__name__, None)
        if own is None:
            continue
        for i, error in enumerate(info.optim_error_inputs_func(device="cpu", dtype=torch.float64)):
            given = error.optimizer_error_input
            name = f"{cls.__name__}-{i}"
            if error.error_on != common.OptimizerErrorEnum.CONSTRUCTION_ERROR:
                yield name, "refused by step(), which test_optim_optimizer.py covers"
                continue
            params = given.params
            if params is None:
                params = [torch.nn.Parameter(torch.zeros(1, 1, dtype=torch.float64))]
            yield name, _pair(name, cls, own, (params,), given.kwargs)
