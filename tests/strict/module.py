"""The stand-in for the module ``cupy``: CuPy's functions with CuPy's signatures, nothing else."""

from __future__ import annotations

import inspect
from types import SimpleNamespace
from typing import Any

import numpy as np

from tests.strict.array import INTERFACE, StrictArray, as_index, as_operand, wrap
from tests.strict.rules import (
    DeviceDiffersError,
    bindings,
    indices_in_bounds,
    no_numpy,
    refuse_repeated,
    transfers,
    uploads,
)

# answers about arrays that the host knows without a copy
ON_HOST = {
    "can_cast", "common_type", "iscomplexobj", "isfortran", "isrealobj", "isscalar",
    "may_share_memory", "min_scalar_type", "ndim", "result_type", "shape", "shares_memory", "size",
}  # fmt: skip
# these take arrays of the host: the way onto the device
UPLOADS = {"array", "asanyarray", "asarray"}
# the size of the result, or a check, is read back by the host
SYNCHRONISE = {
    "argwhere", "bincount", "compress", "extract", "flatnonzero", "nonzero", "unique",
    "lib.stride_tricks.sliding_window_view",
}  # fmt: skip
# these call cuBLAS or cuSOLVER by CuPy
BINDINGS = {"dot", "einsum", "inner", "matmul", "tensordot", "vdot"}
# parameters that must be arrays of the device, with the functions that are not so strict
ARRAYS = {"a", "arr", "array", "ary", "b", "condition", "dst", "m", "prototype", "x"}
SCALAR_ALLOWED = {"allclose", "isclose", "where"}
# parameters whose lists may hold arrays of the device
LISTS = {"args", "arys", "choicelist", "condlist", "keys", "obj", "operands", "tup", "xi"}


class StrictUfunc:
    """An elementwise function: no ``where=``, ``order=``, ``subok=``; few have the methods."""

    def __init__(self, name: str, nin: int, nout: int, at: bool) -> None:
        self.name, self.nin, self.nout = name, nin, nout
        self._has_at = at
        self._function = getattr(np, name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        wrong = set(kwargs) - {"out", "dtype", "casting"}
        if wrong:
            raise TypeError(f"{self.name}: wrong arguments {sorted(wrong)}")
        outs = args[self.nin :] or kwargs.pop("out", ())
        outs = () if outs is None else outs if isinstance(outs, tuple) else (outs,)
        for out in outs:
            _need_array(out, self.name)
        if len(args) < self.nin or len(outs) > self.nout:
            raise TypeError(f"{self.name}: wrong number of arguments")
        operands = [as_operand(x, self.name) for x in args[: self.nin]]
        if outs:
            kwargs["out"] = outs[0]._x if len(outs) == 1 else tuple(out._x for out in outs)
        return wrap(self._function(*operands, **kwargs), *outs)

    def reduce(
        self, array: Any, axis: Any = 0, dtype: Any = None, out: Any = None, keepdims: bool = False
    ) -> Any:
        method = self._only({"add": "sum", "multiply": "prod"}, "reduce")
        return getattr(_need_array(array, self.name), method)(axis, dtype, out, keepdims)

    def accumulate(self, array: Any, axis: Any = 0, dtype: Any = None, out: Any = None) -> Any:
        method = self._only({"add": "cumsum", "multiply": "cumprod"}, "accumulate")
        return getattr(_need_array(array, self.name), method)(axis, dtype, out)

    def at(self, a: Any, indices: Any, b: Any = None) -> None:
        if not self._has_at:
            raise NotImplementedError(f"{self.name}.at is not supported")
        if _need_array(a, self.name).dtype.name not in (
            "int32", "uint32", "uint64", "float16", "float32", "float64"
        ):  # fmt: skip
            raise TypeError(f"{self.name}.at does not support {a.dtype}")
        scatter(self._function, a, indices, b)

    def _only(self, supported: dict[str, str], method: str) -> str:
        if self.name not in supported:
            raise NotImplementedError(f"`cupy_{self.name}.{method}` is not supported yet")
        return supported[self.name]


def scatter(ufunc: Any, a: StrictArray, indices: Any, b: Any) -> None:
    """``ufunc.at`` on arrays of the device."""
    index, _ = as_index(indices)
    with indices_in_bounds():
        ufunc.at(a._x, index, as_operand(b, "at"))


class StrictFunction:
    """Any other function: CuPy's signature, arrays of the device in and out."""

    def __init__(self, name: str, signature: inspect.Signature) -> None:
        self.name = name
        self._signature = signature
        self._function = _numpy(name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        bound = self._signature.bind(*args, **kwargs)
        self._check(bound.arguments)
        sources: list[StrictArray] = []
        values = [self._unwrap(x, sources, self._parameter(i)) for i, x in enumerate(args)]
        named = {key: self._unwrap(x, sources, key) for key, x in kwargs.items()}
        if self.name in SYNCHRONISE:
            transfers.add(self.name)
        if self.name in BINDINGS or self.name.startswith("linalg."):
            bindings.add(self.name)
        with indices_in_bounds():
            result = self._function(*values, **named)
        if self.name in ON_HOST:
            return result
        if self.name in UPLOADS and not sources:
            uploads.add(self.name)
            result = np.array(result)
        return wrap(result, *sources)

    def _check(self, arguments: dict[str, Any]) -> None:
        if self.name in ON_HOST | UPLOADS:
            return
        if arguments.get("out") is not None:
            _need_array(arguments["out"], self.name)
        if self.name not in SCALAR_ALLOWED:
            for parameter in ARRAYS & set(arguments):
                _need_array(arguments[parameter], self.name)
        elif "condition" in arguments:
            _need_array(arguments["condition"], self.name)
        if arguments.get("kind") not in (None, "stable"):
            raise DeviceDiffersError("CuPy sorts in a stable way only")
        if self.name == "einsum" and set(arguments.get("kwargs", ())) - {"dtype", "optimize"}:
            raise TypeError(f"einsum: did not understand {sorted(arguments['kwargs'])}")
        if self.name in ("matmul", "einsum"):
            for x in arguments["operands" if self.name == "einsum" else "args"]:
                if not isinstance(x, str):
                    _need_array(x, self.name)
        if arguments.get("writeable"):
            raise NotImplementedError("Writeable views are not supported.")
        if self.name in ("take_along_axis", "put_along_axis"):
            _need_array(arguments["indices"], self.name)
        if self.name == "put_along_axis" and np.size(_plain(arguments["values"])) > 1:
            x = arguments["arr"]._x
            positions = np.arange(x.size).reshape(x.shape)
            with indices_in_bounds():
                refuse_repeated(
                    np.take_along_axis(positions, arguments["indices"]._x, arguments["axis"])
                )

    def _parameter(self, i: int) -> str:
        names = list(self._signature.parameters.values())
        i = min(i, len(names) - 1)
        variadic = [p for p in names[: i + 1] if p.kind is p.VAR_POSITIONAL]
        return variadic[0].name if variadic else names[i].name

    def _unwrap(self, x: Any, sources: list[StrictArray], parameter: str) -> Any:
        if isinstance(x, StrictArray):
            sources.append(x)
            return x._x
        if isinstance(x, np.ndarray) and x.ndim and self.name not in UPLOADS:
            raise no_numpy(x, self.name)
        if isinstance(x, list | tuple):
            found: list[StrictArray] = []
            plain = type(x)(self._unwrap(item, found, parameter) for item in x)
            if found and parameter not in LISTS and self.name not in UPLOADS:
                raise no_numpy(x, f"{self.name}: {parameter}")
            if parameter == "tup" and len(found) != len(x):
                raise no_numpy(x, self.name)
            return plain
        return x


def _plain(x: Any) -> Any:
    return x._x if isinstance(x, StrictArray) else x


def _need_array(x: Any, what: str) -> StrictArray:
    if not isinstance(x, StrictArray):
        raise no_numpy(x, what)
    return x


def _numpy(name: str) -> Any:
    found: Any = np
    for part in name.split("."):
        found = getattr(found, part, None)
    return found


class StrictModule(SimpleNamespace):
    """What ``array_module`` returns for a StrictArray."""

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"CuPy has no {name}, or NumPy 2 has none")


def _build() -> StrictModule:
    module = StrictModule(linalg=StrictModule(), lib=StrictModule(stride_tricks=StrictModule()))
    for name in INTERFACE.numpy:
        setattr(module, name, getattr(np, name))
    for name, (nin, nout, at) in INTERFACE.ufuncs.items():
        if hasattr(np, name):
            setattr(module, name, StrictUfunc(name, nin, nout, at))
    for name, signature in INTERFACE.functions.items():
        if _numpy(name) is None:
            continue
        target = module
        for part in name.split(".")[:-1]:
            target = getattr(target, part)
        setattr(target, name.rpartition(".")[2], StrictFunction(name, signature))
    module.ndarray = StrictArray
    return module


xp = _build()
