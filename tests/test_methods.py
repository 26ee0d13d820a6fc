"""Tensor's methods: what is declared for type checkers is what is attached."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path

import pytest

import nnlite
from nnlite.autograd import methods as named_methods
from nnlite.autograd import operators
from nnlite.autograd.tensor import Tensor
from nnlite.ops import methods


def _declared() -> dict[str, list[str]]:
    """Name -> parameter names, self left out, of the declarations."""
    sources = [
        ast.parse(Path(inspect.getsourcefile(module)).read_text(encoding="utf-8"))
        for module in (named_methods, operators)
    ]
    found = {}
    for node in (node for source in sources for node in ast.walk(source)):
        if isinstance(node, ast.FunctionDef):
            a = node.args
            names = [p.arg for p in a.posonlyargs + a.args][1:]
            names += [a.vararg.arg] if a.vararg else []
            names += [p.arg for p in a.kwonlyargs] + ([a.kwarg.arg] if a.kwarg else [])
            found[node.name] = names
    return found


def _attached() -> set[str]:
    same = {name for _, names in methods.SAME_NAME for name in names.split()}
    named = {*methods.OTHER_NAME, *methods.REFLECTED, *methods.IN_PLACE, *methods.PROPERTIES}
    return same | named | {"backward"}


def test_declared_is_attached() -> None:
    assert set(_declared()) == _attached()


@pytest.mark.parametrize(
    "name", sorted(n for n in _attached() if not n.startswith("__") and n not in methods.IN_PLACE)
)
def test_signatures_agree(name: str) -> None:
    attached = getattr(Tensor, name)
    if isinstance(attached, property):
        attached = attached.fget
    parameters = list(inspect.signature(attached).parameters)[1:]
    assert parameters == _declared()[name]


def test_no_name_is_listed_twice() -> None:
    same = [name for _, names in methods.SAME_NAME for name in names.split()]
    groups = [same, methods.OTHER_NAME, methods.REFLECTED, methods.IN_PLACE, methods.PROPERTIES]
    names = [name for group in groups for name in group]
    assert len(names) == len(set(names))


def test_in_place_methods_change_their_own_memory() -> None:
    for name, function in methods.IN_PLACE.items():
        if name.startswith("__") or len(inspect.signature(function).parameters) != 1:
            continue
        x = nnlite.tensor([[0.25, 0.5], [0.75, 1.0]])
        memory, expected = x.array, function(x).array.copy()
        assert getattr(x, name)() is x
        assert x.array is memory, name
        assert (memory == expected).all(), name


def test_reflected_operators_keep_the_order() -> None:
    x = nnlite.tensor([2.0, 4.0])
    assert (8 - x).tolist() == [6.0, 4.0]
    assert (8 / x).tolist() == [4.0, 2.0]
    assert (2**x).tolist() == [4.0, 16.0]
    assert (9 // x).tolist() == [4.0, 2.0]
    assert (9 % x).tolist() == [1.0, 1.0]


def test_all_public_names_exist() -> None:
    assert sorted(set(nnlite.__all__)) == sorted(nnlite.__all__)
    for name in nnlite.__all__:
        assert hasattr(nnlite, name), name
