"""Parameter groups from what the user gives: Tensors, named Tensors, or dicts of them."""

from __future__ import annotations

from typing import Any

from nnlite.autograd import Tensor
from nnlite.errors import ArgumentError, DtypeError


def make_groups(op: str, params: Any) -> list[dict[str, Any]]:
    """The ``params`` argument of an optimizer as a list of group dicts, not yet validated.

    Raises:
        DtypeError: a single Tensor, a dict or something that cannot be iterated.
        ArgumentError: nothing in it.
    """
    given = _as_list(op, params)
    if not given:
        raise ArgumentError(
            op,
            "params",
            expected="at least one parameter",
            got="none",
            hint="an iterator such as model.parameters() is empty once it was used",
        )
    if isinstance(given[0], dict):
        return given
    return [{"params": given}]


def named_group(op: str, group: Any, others: list[dict[str, Any]]) -> dict[str, Any]:
    """A copy of a group with ``params`` a list of Tensors, and ``param_names`` if they have names.

    Args:
        op: the optimizer's name, for errors.
        group: as the user gave it.
        others: the groups that the optimizer already has.

    Raises:
        DtypeError: not a dict with "params", or something in it is no Tensor.
        ArgumentError: a parameter twice, a non-leaf, names for some but not for others.
    """
    if not isinstance(group, dict) or "params" not in group:
        raise DtypeError(
            op,
            "param_group",
            expected="a dict with the key 'params'",
            got=f"a dict without ({sorted(group)})" if isinstance(group, dict) else _kind(group),
            hint="{'params': model.parameters(), 'lr': 0.1}; give groups or parameters, not both",
        )
    given = group["params"]
    given = [given] if isinstance(given, Tensor) else _as_list(op, given)
    # A group that was saved or copied brings its names in a list of their own.
    names: list[str] = list(group.get("param_names", ()))
    tensors: list[Tensor] = []
    for item in given:
        if isinstance(item, tuple) and len(item) == 2 and isinstance(item[0], str):
            names.append(item[0])
            item = item[1]
        tensors.append(item)

    out = {**group, "params": tensors}
    if names:
        out["param_names"] = names
    if (names and len(names) != len(tensors)) or any(
        ("param_names" in other) != bool(names) for other in others
    ):
        raise ArgumentError(
            op,
            "params",
            expected="names for all parameters or for none",
            got="names for some",
            hint="use model.named_parameters() for every group, or for none",
        )
    seen = {p for other in others for p in other["params"]}
    for i, p in enumerate(tensors):
        _check_parameter(op, f"params[{i}]", p, seen)
        seen.add(p)
    return out


def _check_parameter(op: str, argument: str, p: Any, seen: set[Tensor]) -> None:
    if not isinstance(p, Tensor):
        raise DtypeError(
            op, argument, expected="a Tensor", got=_kind(p), hint="pass model.parameters()"
        )
    if p.node is not None:
        raise ArgumentError(
            op,
            argument,
            expected="a leaf, made by the user and not by an op",
            got=f"the output of {p.node.name}",
            hint="call detach().requires_grad_() on it first, and use that in the model",
        )
    if p in seen:
        raise ArgumentError(
            op,
            argument,
            expected="each parameter once",
            got="one that was given before",
            hint="it would be updated twice in each step; shared layers count once",
        )


def _as_list(op: str, params: Any) -> list[Any]:
    problem = ""
    if isinstance(params, Tensor):
        problem = "a single Tensor"
    elif isinstance(params, (set, frozenset)):
        problem = "a set, whose order changes from run to run"
    elif isinstance(params, (dict, str)) or not hasattr(params, "__iter__"):
        problem = _kind(params)
    if problem:
        raise DtypeError(
            op,
            "params",
            expected="an iterable of Tensors, of dicts, or of (name, Tensor) pairs",
            got=problem,
            hint="pass model.parameters(), or put it in a list: [x]",
        )
    return list(params)


def _kind(value: object) -> str:
    return f"a {type(value).__name__}"
