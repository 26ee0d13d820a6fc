"""The state of an optimizer as a dict of plain containers, and back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from nnlite.autograd import Tensor
from nnlite.autograd.tensor import wrap
from nnlite.backend import is_array
from nnlite.errors import StateDictError
from nnlite.ops.conversion import to
from nnlite.optim.checks import plain

Groups = list[dict[str, Any]]


def pack(groups: Groups, state: Mapping[Tensor, dict[str, Any]]) -> dict[str, Any]:
    """PyTorch's form: state by the parameters' positions, groups with those in "params"."""
    index = {p: i for i, p in enumerate(_parameters(groups))}
    return {
        "state": {index[p]: _copy(entries) for p, entries in state.items() if entries},
        "param_groups": [
            {
                **{name: _copy(value) for name, value in group.items() if name != "params"},
                "params": [index[p] for p in group["params"]],
            }
            for group in groups
        ],
    }


def unpack(
    op: str,
    state_dict: Any,
    groups: Groups,
    *,
    scalars: Mapping[str, type],
    buffers: tuple[str, ...] | None,
) -> tuple[Groups, dict[Tensor, dict[str, Any]]]:
    """New groups and state from a packed form; neither shares memory with it.

    Args:
        op: the optimizer's name, for errors.
        state_dict: what ``pack`` made.
        groups: the optimizer's present groups, whose parameters are kept.
        scalars: entries that are plain numbers, and their type.
        buffers: entries that have the parameter's shape; None to take any.

    Raises:
        StateDictError: something does not fit; lists every mismatch.
    """
    problems = list(_form_problems(state_dict))
    if not problems:
        problems = list(_group_problems(state_dict["param_groups"], groups))
    if problems:
        raise _refusal(op, problems)

    saved_groups = state_dict["param_groups"]
    positions = [i for group in saved_groups for i in group["params"]]
    parameter = dict(zip(positions, _parameters(groups), strict=True))
    if len(parameter) != len(positions):
        raise _refusal(op, ["a parameter stands in two places of param_groups"])

    state: dict[Tensor, dict[str, Any]] = {}
    for i, entries in state_dict["state"].items():
        if i not in parameter:
            problems.append(f"state[{i!r}] belongs to no parameter of param_groups")
            continue
        p = parameter[i]
        state[p] = {}
        for name, value in entries.items():
            try:
                state[p][name] = _restore(name, value, p, scalars, buffers)
            except ValueError as error:
                problems.append(f"state[{i!r}][{name!r}]: {error}")
    if problems:
        raise _refusal(op, problems)

    new_groups = []
    for saved, group in zip(saved_groups, groups, strict=True):
        new = {name: _copy(value) for name, value in saved.items()}
        new["params"] = group["params"]
        if "param_names" in group:
            new.setdefault("param_names", group["param_names"])
        new_groups.append(new)
    return new_groups, state


def _parameters(groups: Groups) -> Iterator[Tensor]:
    return (p for group in groups for p in group["params"])


def _copy(value: Any) -> Any:
    if isinstance(value, Tensor):
        return wrap(value.array.copy())
    if isinstance(value, dict):
        return {name: _copy(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_copy(item) for item in value)
    return value


def _form_problems(state_dict: Any) -> Iterator[str]:
    if not isinstance(state_dict, Mapping):
        yield f"a {type(state_dict).__name__} instead of a dict"
        return
    missing = [key for key in ("state", "param_groups") if key not in state_dict]
    if missing:
        yield f"no {' and no '.join(missing)} in it (keys: {list(state_dict)[:6]})"
        return
    if not isinstance(state_dict["state"], Mapping):
        yield "'state' is no dict"
    elif any(not isinstance(entries, Mapping) for entries in state_dict["state"].values()):
        yield "'state' holds something else than dicts"
    if not isinstance(state_dict["param_groups"], (list, tuple)):
        yield "'param_groups' is no list"
        return
    for i, group in enumerate(state_dict["param_groups"]):
        if not isinstance(group, Mapping) or not isinstance(group.get("params"), (list, tuple)):
            yield f"param_groups[{i}] is no dict with a list 'params'"


def _group_problems(saved: Groups, groups: Groups) -> Iterator[str]:
    if len(saved) != len(groups):
        yield f"{len(saved)} parameter groups, but the optimizer has {len(groups)}"
        return
    for i, (theirs, ours) in enumerate(zip(saved, groups, strict=True)):
        if len(theirs["params"]) != len(ours["params"]):
            yield (
                f"param_groups[{i}] has {len(theirs['params'])} parameters, "
                f"but the optimizer's has {len(ours['params'])}"
            )
        # Other names may be a renamed model; the same names in another order never are.
        names, our_names = theirs.get("param_names"), ours.get("param_names")
        if names and our_names and names != our_names and sorted(names) == sorted(our_names):
            yield f"param_groups[{i}] has its parameters in another order: {list(names)[:6]}"


def _restore(
    name: str,
    value: Any,
    p: Tensor,
    scalars: Mapping[str, type],
    buffers: tuple[str, ...] | None,
) -> Any:
    """A saved entry on p's device and in p's dtype; ValueError says what is wrong with it."""
    if name in scalars:
        value = plain(value)
        if not isinstance(value, float) or scalars[name](value) != value:
            raise ValueError(f"expected a number ({scalars[name].__name__}), got {value!r}")
        return scalars[name](value)
    if buffers is None:
        return _move(value, p)
    if name not in buffers:
        raise ValueError(f"this rule has no such entry, only {', '.join((*scalars, *buffers))}")
    shape = getattr(value, "shape", None)
    if shape != p.shape:
        raise ValueError(f"expected the parameter's shape {p.shape}, got {shape}")
    return _move(value, p)


def _move(value: Any, p: Tensor) -> Any:
    """A copy on p's device, floating numbers in p's dtype."""
    if isinstance(value, Tensor):
        value = value.array
    if is_array(value):
        dtype = p.dtype if value.dtype.kind == "f" else value.dtype
        moved = to(wrap(value), p.device).array
        # a copy in any case: two optimizers that load one dict must not share memory
        return wrap(moved.astype(dtype, copy=moved is value))
    if isinstance(value, Mapping):
        return {name: _move(item, p) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_move(item, p) for item in value)
    return value


def follow(p: Tensor, entries: dict[str, Any]) -> None:
    """Bring what a rule remembers of p to p's device and dtype, after p was moved or converted."""
    for name, value in entries.items():
        if not _is_at_home(value, p):
            entries[name] = _move(value, p)


def _is_at_home(value: Any, p: Tensor) -> bool:
    if isinstance(value, Mapping):
        return all(_is_at_home(item, p) for item in value.values())
    if isinstance(value, (list, tuple)):
        return all(_is_at_home(item, p) for item in value)
    if not isinstance(value, Tensor):
        return True
    return value.device == p.device and (value.dtype == p.dtype or value.dtype.kind != "f")


def _refusal(op: str, problems: list[str]) -> StateDictError:
    return StateDictError(
        op,
        "state_dict",
        expected="one saved by an optimizer of the same rule, groups and parameters",
        got="; ".join(problems),
        hint="make the optimizer with the parameters in the order in which it was saved",
    )
