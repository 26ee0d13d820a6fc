"""state_dict and load_state_dict: a module's numbers by name."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, NamedTuple

from nnlite.autograd.tensor import Tensor, wrap
from nnlite.backend import is_array
from nnlite.errors import DtypeError, StateDictError
from nnlite.ops.conversion import to as move


class IncompatibleKeys(NamedTuple):
    """What load_state_dict found to differ; both are empty where all fitted."""

    missing_keys: list[str]
    unexpected_keys: list[str]

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return (
            f"IncompatibleKeys(missing_keys={self.missing_keys}, "
            f"unexpected_keys={self.unexpected_keys})"
        )


class Stateful:
    """The part of Module that saves and loads."""

    _parameters: dict[str, Any]
    _buffers: dict[str, Any]
    _modules: dict[str, Any]
    _non_persistent: set[str]

    def state_dict(
        self,
        *,
        destination: OrderedDict[str, Tensor] | None = None,
        prefix: str = "",
        keep_vars: bool = False,
    ) -> OrderedDict[str, Tensor]:
        """All parameters and persistent buffers, under names such as "conv1.weight".

        The tensors are detached but share their memory with the module: copy what is to be kept
        while training goes on.

        Args:
            destination: add to this dictionary, and return it.
            prefix: put before each name.
            keep_vars: give the parameters themselves.
        """
        out = OrderedDict() if destination is None else destination
        for name, tensor in self._own_state().items():
            out[prefix + name] = tensor if keep_vars else tensor.detach()
        for name, module in self._modules.items():
            if module is not None:
                module.state_dict(destination=out, prefix=f"{prefix}{name}.", keep_vars=keep_vars)
        return out

    def _own_state(self) -> dict[str, Tensor]:
        state = dict(self._parameters)
        state.update((k, v) for k, v in self._buffers.items() if k not in self._non_persistent)
        return {name: tensor for name, tensor in state.items() if tensor is not None}

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> IncompatibleKeys:
        """Copy numbers into the parameters and buffers of this module and its children.

        Args:
            state_dict: name -> Tensor or array, as state_dict() returns.
            strict: names and dtypes must agree exactly. If not, names may be missing or too many,
                and floating numbers are converted; shapes must agree in any case.
            assign: take over the memory of the given tensors instead of copying.

        Returns:
            (missing_keys, unexpected_keys).

        Raises:
            StateDictError: lists every mismatch; nothing is loaded then.
            DtypeError: state_dict is no mapping.
        """
        if not isinstance(state_dict, Mapping):
            raise DtypeError(
                "load_state_dict",
                "state_dict",
                expected="a mapping from names to tensors",
                got=type(state_dict).__name__,
                hint="pass what state_dict() returned",
            )
        own = self.state_dict(keep_vars=True)
        missing = [name for name in own if name not in state_dict]
        unexpected = [name for name in state_dict if name not in own]
        faults: list[str] = []
        if strict:
            faults += [f"{name} is missing" for name in missing]
            faults += [f"{name} is unexpected" for name in unexpected]
        shared = [name for name in own if name in state_dict]
        for name in shared:
            fault = _mismatch(own[name], state_dict[name], strict)
            if fault:
                faults.append(f"{name} {fault}")
        if faults:
            raise StateDictError(
                "load_state_dict",
                type(self).__name__,
                expected="names, shapes and dtypes as the module has",
                got="; ".join(faults),
                hint="nothing was loaded; strict=False allows missing and unexpected names",
            )
        # converted before the first is written, so that a failure here loads nothing either
        arrays = {name: _converted(own[name], state_dict[name]) for name in shared}
        for name, array in arrays.items():
            tensor = own[name]
            if assign:
                tensor.data = array
            else:
                tensor.array[...] = array
                tensor.bump_version()
        return IncompatibleKeys(missing, unexpected)


def _mismatch(tensor: Tensor, value: Any, strict: bool) -> str:
    """What is wrong with a value for tensor; empty where nothing is."""
    if not isinstance(value, Tensor) and not is_array(value):
        return f"is a {type(value).__name__}, not a Tensor or an array"
    if value.shape != tensor.shape:
        return f"has shape {tuple(value.shape)} instead of {tensor.shape}"
    same = value.dtype == tensor.dtype
    if not same and (strict or value.dtype.kind != tensor.dtype.kind):
        return f"has dtype {value.dtype} instead of {tensor.dtype}"
    return ""


def _converted(tensor: Tensor, value: Any) -> Any:
    """The value's array with tensor's dtype and on its device."""
    moved = move(value.detach() if isinstance(value, Tensor) else wrap(value), tensor.device)
    array = moved.array
    return array if array.dtype == tensor.dtype else array.astype(tensor.dtype)
