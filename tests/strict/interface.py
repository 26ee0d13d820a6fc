"""What CuPy offers: names and signatures, frozen from CuPy 14.2.0 into cupy_interface.txt.

The file is made from CuPy itself, which can be imported without a GPU::

    pip install cupy-cuda13x==14.2.0
    python -m tests.strict.interface > tests/strict/cupy_interface.txt

Its lines, by their first word:

* ``ufunc NAME NIN NOUT [at]``: an elementwise function; ``at`` where ``NAME.at`` works;
* ``function NAME(SIGNATURE)``, ``method NAME(SIGNATURE)``, ``attribute NAME``;
* ``numpy NAME``: NumPy's own object under the same name (dtypes, constants, ``iinfo`` ...).
"""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

FILE = Path(__file__).with_name("cupy_interface.txt")
NAMESPACES = ("", "linalg.", "lib.stride_tricks.")


@dataclass
class Interface:
    """The parsed file."""

    ufuncs: dict[str, tuple[int, int, bool]] = field(default_factory=dict)
    functions: dict[str, inspect.Signature] = field(default_factory=dict)
    methods: dict[str, inspect.Signature] = field(default_factory=dict)
    attributes: set[str] = field(default_factory=set)
    numpy: set[str] = field(default_factory=set)


def load() -> Interface:
    """Parse the frozen file."""
    found = Interface()
    for line in FILE.read_text(encoding="utf-8").splitlines():
        kind, _, rest = line.partition(" ")
        if kind == "ufunc":
            name, nin, nout, *at = rest.split()
            found.ufuncs[name] = int(nin), int(nout), bool(at)
        elif kind in ("function", "method"):
            name, _, parameters = rest.partition("(")
            signatures = found.functions if kind == "function" else found.methods
            signatures[name] = _parse(parameters.removesuffix(")"))
        elif kind == "attribute":
            found.attributes.add(rest)
        elif kind == "numpy":
            found.numpy.add(rest)
    return found


def _parse(parameters: str) -> inspect.Signature:
    scope: dict[str, Any] = {}
    exec(f"def function({parameters}): ...", scope)
    return inspect.signature(scope["function"])


def describe(cupy: Any) -> list[str]:
    """The lines of the file, from CuPy itself."""
    lines = [f"# CuPy {cupy.__version__}; made by tests/strict/interface.py"]
    for namespace in NAMESPACES:
        module = cupy
        for part in namespace.split(".")[:-1]:
            module = getattr(module, part)
        for name in sorted(vars(module)):
            if not name.startswith("_"):
                lines += _describe_one(cupy, namespace + name, getattr(module, name))
    for name in sorted(dir(cupy.ndarray)):
        if not name.startswith("_"):
            lines += _describe_member(name, getattr(cupy.ndarray, name))
    return lines


def _describe_one(cupy: Any, name: str, value: Any) -> list[str]:
    if isinstance(value, cupy.ufunc):
        at = " at" if value._scatter_op is not None else ""
        return [f"ufunc {name} {value.nin} {value.nout}{at}"]
    if value is getattr(np, name, cupy):
        return [f"numpy {name}"]
    if isinstance(value, type) or not callable(value):
        return []
    try:
        return [f"function {name}({_parameters(inspect.signature(value))})"]
    except ValueError:  # written in Cython
        return [f"function {name}({_documented(value)})"]


def _parameters(signature: inspect.Signature) -> str:
    plain = []
    for parameter in signature.parameters.values():
        default = parameter.default
        has_literal = isinstance(default, bool | int | float | str | tuple)
        if not has_literal and default is not inspect.Parameter.empty:
            default = None
        plain.append(parameter.replace(annotation=inspect.Parameter.empty, default=default))
    text = str(signature.replace(parameters=plain, return_annotation=inspect.Signature.empty))
    return text[1:-1]


def _documented(value: Any) -> str:
    """The parameters, from the signature that Cython puts into a docstring's first line."""
    line = value.__doc__.splitlines()[0]
    parameters = re.search(r"\((?:self(?:, )?)?(.*?)\)(?: ->.*)?$", line)
    assert parameters is not None, line
    return re.sub(r"\b(?:int|bool|Py_ssize_t|_ndarray_base) (?=\w)", "", parameters[1])


def _describe_member(name: str, value: Any) -> list[str]:
    if not callable(value):
        return [f"attribute {name}"]
    return [f"method {name}({_documented(value)})"]


if __name__ == "__main__":
    import cupy

    print("\n".join(describe(cupy)))
