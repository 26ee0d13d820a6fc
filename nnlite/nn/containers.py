"""Modules that hold modules or parameters: Sequential, lists and dictionaries."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from typing import Any, TypeVar

from nnlite.autograd.tensor import Tensor
from nnlite.errors import DtypeError, NnliteIndexError, NnliteKeyError
from nnlite.nn.module import Module, indented
from nnlite.nn.parameter import Parameter

__all__ = ["ModuleDict", "ModuleList", "ParameterDict", "ParameterList", "Sequential"]

L = TypeVar("L", bound="_Listed")


class _Listed(Module):
    """Members under the names "0", "1", ...; the base of the containers that are lists."""

    _kind: type = Module

    def _members(self) -> dict[str, Any]:
        return self._modules

    def _new(self: L, members: list[Any]) -> L:
        new: Any = type(self)
        made: L = new(members)
        return made

    def _key(self, index: Any) -> str:
        i, n = operator.index(index), len(self)
        if not -n <= i < n:
            raise NnliteIndexError(
                type(self).__name__,
                "index",
                expected=f"a number from {-n} to {n - 1}",
                got=str(i),
                hint=f"it has {n} members",
            )
        return list(self._members())[i]

    def _check(self, value: Any) -> Any:
        if not isinstance(value, self._kind):
            raise DtypeError(
                type(self).__name__,
                "member",
                expected=f"a {self._kind.__name__}",
                got=type(value).__name__
                + (", a class that was not called" if isinstance(value, type) else ""),
                hint="functions such as F.relu are called in forward()",
            )
        return value

    def _replace(self, members: list[Any]) -> None:
        store = self._members()
        store.clear()
        store.update((str(i), member) for i, member in enumerate(members))

    def __len__(self) -> int:
        return len(self._members())

    def __iter__(self) -> Iterator[Any]:
        return iter(list(self._members().values()))

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return self._new(list(self)[index])
        return self._members()[self._key(index)]

    def __setitem__(self, index: Any, value: Any) -> None:
        self._members()[self._key(index)] = self._check(value)

    def __delitem__(self, index: Any) -> None:
        members = list(self)
        if not isinstance(index, slice):
            self._key(index)
        del members[index]
        self._replace(members)

    def __iadd__(self: L, others: Iterable[Any]) -> L:
        return self.extend(others)

    def append(self: L, module: Any) -> L:
        """Add one at the end; returns self."""
        self._members()[str(len(self))] = self._check(module)
        return self

    def extend(self: L, modules: Iterable[Any]) -> L:
        """Add several at the end; returns self."""
        for module in list(modules):
            self.append(module)
        return self

    def insert(self: L, index: int, module: Any) -> L:
        """Put one before the member at index; returns self."""
        members = list(self)
        members.insert(operator.index(index), self._check(module))
        self._replace(members)
        return self

    def pop(self, index: int = -1) -> Any:
        """Take one out, and return it."""
        member = self[index]
        del self[index]
        return member


class Sequential(_Listed):
    """Modules that run one after the other, each on what the one before returned.

    ``Sequential(conv, relu)``, or with names, ``Sequential(OrderedDict(conv1=conv, relu1=relu))``.
    Members are reached by position (``net[0]``, ``net[1:]``) or by name (``net.conv1``).

    Raises:
        DtypeError: a member that is no Module.
    """

    def __init__(self, *args: Any) -> None:
        super().__init__()
        if len(args) == 1 and isinstance(args[0], Mapping):
            for name, module in args[0].items():
                self.add_module(name, self._check(module))
        else:
            self.extend(args)

    def forward(self, input: Any) -> Any:
        for module in self._modules.values():
            input = module(input)
        return input

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            # names are kept, as in PyTorch
            return type(self)(dict(list(self._modules.items())[index]))
        return super().__getitem__(index)

    def __add__(self, other: Sequential) -> Sequential:
        return Sequential(*self, *other)


class ModuleList(_Listed):
    """A list of modules whose parameters are found; it has no forward of its own.

    Raises:
        DtypeError: a member that is no Module.
    """

    def __init__(self, modules: Iterable[Module] | None = None) -> None:
        super().__init__()
        self.extend(() if modules is None else modules)

    def __add__(self, other: Iterable[Module]) -> ModuleList:
        return ModuleList([*self, *other])

    def __repr__(self) -> str:
        texts = [repr(module) for module in self]
        if not texts:
            return f"{self._get_name()}()"
        lines, start = [], 0
        for text, group in groupby(texts):
            count = len(list(group))
            label = f"({start})" if count == 1 else f"({start}-{start + count - 1})"
            times = "" if count == 1 else f"{count} x "
            lines.append(f"{label}: {times}{indented(text)}")
            start += count
        return f"{self._get_name()}(\n  " + "\n  ".join(lines) + "\n)"


class ParameterList(_Listed):
    """A list of parameters; Tensors become Parameters.

    Raises:
        DtypeError: a member that is neither.
    """

    _kind = Parameter

    def __init__(self, values: Iterable[Any] | None = None) -> None:
        super().__init__()
        self.extend(() if values is None else values)

    def _members(self) -> dict[str, Any]:
        return self._parameters

    def _check(self, value: Any) -> Any:
        return _as_parameter(type(self).__name__, value)

    def extra_repr(self) -> str:
        return "\n".join(f"({i}): {_described(p)}" for i, p in enumerate(self))

    def __repr__(self) -> str:
        return _block(self._get_name(), self.extra_repr())


class _Named(Module):
    """Members under names of the user's own; the base of the containers that are dictionaries."""

    def _members(self) -> dict[str, Any]:
        return self._modules

    def __getitem__(self, key: str) -> Any:
        if key not in self._members():
            raise NnliteKeyError(
                type(self).__name__,
                "key",
                expected=f"one of {list(self._members())}",
                got=repr(key),
                hint="`key in container` tells whether it is there",
            )
        return self._members()[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.add_module(key, value)

    def __delitem__(self, key: str) -> None:
        self.pop(key)

    def __len__(self) -> int:
        return len(self._members())

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._members()))

    def __contains__(self, key: object) -> bool:
        return key in self._members()

    def keys(self) -> Iterable[str]:
        """The names."""
        return self._members().keys()

    def values(self) -> Iterable[Any]:
        """The members."""
        return self._members().values()

    def items(self) -> Iterable[tuple[str, Any]]:
        """(name, member) pairs."""
        return self._members().items()

    def update(self, members: Mapping[str, Any] | Iterable[tuple[str, Any]]) -> None:
        """Add or replace several."""
        for key, value in dict(members).items():
            self[key] = value

    def pop(self, key: str) -> Any:
        """Take one out, and return it."""
        member = self[key]
        del self._members()[key]
        return member

    def clear(self) -> None:
        """Take all out."""
        self._members().clear()


class ModuleDict(_Named):
    """A dictionary of modules whose parameters are found.

    Raises:
        DtypeError: a member that is no Module.
        ArgumentError: a name with a dot, or that is an attribute of Module.
    """

    def __init__(
        self, modules: Mapping[str, Any] | Iterable[tuple[str, Any]] | None = None
    ) -> None:
        super().__init__()
        self.update({} if modules is None else modules)


class ParameterDict(_Named):
    """A dictionary of parameters; Tensors become Parameters.

    Raises:
        DtypeError, ArgumentError: as ``ModuleDict``.
    """

    def __init__(
        self, parameters: Mapping[str, Any] | Iterable[tuple[str, Any]] | None = None
    ) -> None:
        super().__init__()
        self.update({} if parameters is None else parameters)

    def _members(self) -> dict[str, Any]:
        return self._parameters

    def __setitem__(self, key: str, value: Any) -> None:
        self.register_parameter(key, _as_parameter(type(self).__name__, value))

    def __repr__(self) -> str:
        lines = "\n".join(f"({name}): {_described(p)}" for name, p in self.items())
        return _block(self._get_name(), lines)


def _as_parameter(op: str, value: Any) -> Parameter:
    if isinstance(value, Parameter):
        return value
    if not isinstance(value, Tensor):
        raise DtypeError(
            op,
            "member",
            expected="a Parameter or a Tensor",
            got=type(value).__name__,
            hint="nn.Parameter(nnlite.zeros(3))",
        )
    return Parameter(value)


def _described(p: Parameter) -> str:
    return f"Parameter containing: [{p.dtype.name} of size {'x'.join(map(str, p.shape))}]"


def _block(name: str, lines: str) -> str:
    return f"{name}(\n  {indented(lines)}\n)" if lines else f"{name}()"
