"""Module: a part of a network, with parameters, buffers and other modules inside."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

from nnlite.autograd.modes import no_grad
from nnlite.autograd.tensor import Tensor
from nnlite.backend import Device, as_dtype, is_float, names_device
from nnlite.errors import ArgumentError, DtypeError, ModuleAttributeError
from nnlite.nn.hooks import Hooked
from nnlite.nn.parameter import Parameter
from nnlite.nn.state import Stateful
from nnlite.nn.tree import Tree
from nnlite.ops.conversion import to as convert
from nnlite.ops.creation import zeros_like

__all__ = ["Module"]

M = TypeVar("M", bound="Module")


class Module(Hooked, Stateful, Tree):
    """Base of all layers and networks, as ``torch.nn.Module``::

        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.fc = nn.Linear(784, 10)

            def forward(self, x):
                return self.fc(x.flatten(1))

    Parameters and Modules become part of it by being set as attributes, in that order.

    Attributes:
        training: whether it is in training mode; dropout, for one, asks for it.
    """

    training: bool

    def __init__(self) -> None:
        self.__dict__.update(
            training=True,
            _parameters={},
            _buffers={},
            _non_persistent=set(),
            _modules={},
            _hooks=None,
        )

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the module computes; every module defines its own."""
        raise NotImplementedError(f"{type(self).__name__} does not define forward()")

    def extra_repr(self) -> str:
        """What stands in the brackets of repr: the settings of a layer."""
        return ""

    # -- attributes ------------------------------------------------------------------------

    def __setattr__(self, name: str, value: Any) -> None:
        own = self.__dict__
        if "_parameters" not in own:
            if isinstance(value, (Parameter, Module)):
                self._refuse(name)
            object.__setattr__(self, name, value)
        elif isinstance(value, Parameter):
            self._forget(name, self._parameters)
            self.register_parameter(name, value)
        elif isinstance(value, Module):
            self._forget(name, self._modules)
            self.add_module(name, value)
        elif (store := self._store_of(name)) is not None:
            allowed = Tensor if store is own["_buffers"] else ()
            if value is not None and not isinstance(value, allowed):
                kind = "Parameter" if store is own["_parameters"] else "Module"
                raise DtypeError(
                    type(self).__name__,
                    name,
                    expected=f"a {'Tensor' if allowed else kind} or None, as it was one",
                    got=type(value).__name__,
                    hint=f"del module.{name} first to use the name for something else",
                )
            store[name] = value
        else:
            _warn_of_hidden(self, name, value)
            object.__setattr__(self, name, value)

    def __getattr__(self, name: str) -> Any:
        # only called where the usual look-up found nothing; _store_of, without the call
        own = self.__dict__
        for kind in ("_parameters", "_buffers", "_modules"):
            if kind in own and name in own[kind]:
                return own[kind][name]
        self._refuse(name)

    def __delattr__(self, name: str) -> None:
        store = self._store_of(name)
        if store is None:
            object.__delattr__(self, name)
        else:
            del store[name]
            self._non_persistent.discard(name)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self._parameters, *self._buffers, *self._modules})

    def _store_of(self, name: str) -> dict[str, Any] | None:
        own = self.__dict__
        for kind in ("_parameters", "_buffers", "_modules"):
            if kind in own and name in own[kind]:
                store: dict[str, Any] = own[kind]
                return store
        return None

    def _forget(self, name: str, kind: dict[str, Any]) -> None:
        """Free a name that another kind of member has; one of the same kind keeps its place."""
        self.__dict__.pop(name, None)
        for store in (self._parameters, self._buffers, self._modules):
            if store is not kind:
                store.pop(name, None)

    def _refuse(self, name: str) -> NoReturn:
        cls = type(self).__name__
        if "_parameters" not in self.__dict__:
            raise ModuleAttributeError(
                cls,
                name,
                expected="super().__init__() as the first line of __init__",
                got="a module that was not initialised",
                hint="nothing can be registered on it before that",
            )
        from difflib import get_close_matches  # only a typo needs it

        near = get_close_matches(name, dir(self), n=1)
        raise ModuleAttributeError(
            cls,
            expected="an attribute, parameter, buffer or module of it",
            got=repr(name),
            hint=f"did you mean {near[0]!r}?" if near else "dir(module) lists what there is",
        )

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Add a parameter; None keeps the name for one that is left out, such as a bias.

        Raises:
            ArgumentError: a name that is taken, empty or has a dot.
            DtypeError: no Parameter.
        """
        self._check_name("register_parameter", name, self._parameters)
        if param is not None and not isinstance(param, Parameter):
            raise _wrong_type("register_parameter", name, "a Parameter or None", param)
        self._parameters[name] = param

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Add a tensor that is part of the module's state but not trained, such as a running mean.

        Args:
            name: under which it is an attribute.
            tensor: the buffer, or None.
            persistent: whether state_dict has it.

        Raises:
            ArgumentError, DtypeError: as ``register_parameter``.
        """
        self._check_name("register_buffer", name, self._buffers)
        if tensor is not None and not isinstance(tensor, Tensor):
            raise _wrong_type("register_buffer", name, "a Tensor or None", tensor)
        self._buffers[name] = tensor
        (self._non_persistent.discard if persistent else self._non_persistent.add)(name)

    def add_module(self, name: str, module: Module | None) -> None:
        """Add a module as a child.

        Raises:
            ArgumentError, DtypeError: as ``register_parameter``.
        """
        self._check_name("add_module", name, self._modules)
        if module is not None and not isinstance(module, Module):
            raise _wrong_type("add_module", name, "a Module or None", module)
        self._modules[name] = module

    register_module = add_module

    def _check_name(self, op: str, name: Any, store: dict[str, Any]) -> None:
        if "_parameters" not in self.__dict__:
            self._refuse(str(name))
        if not isinstance(name, str) or not name or "." in name:
            problem = "a non-empty string without dots"
        elif name not in store and (name in self.__dict__ or hasattr(type(self), name)):
            problem = "a name that is not an attribute already"
        elif name not in store and self._store_of(name) is not None:
            problem = "a name that is not a parameter, buffer or module already"
        else:
            return
        raise ArgumentError(
            op, "name", expected=problem, got=repr(name), hint="choose another name"
        )

    # -- changing all of it ----------------------------------------------------------------

    def apply(self: M, fn: Callable[[Module], Any]) -> M:
        """Call fn with each module below, children first, and with this one; returns self."""
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self

    def train(self: M, mode: bool = True) -> M:
        """Set training mode for this module and all below; returns self."""
        if not isinstance(mode, bool):
            raise _wrong_type("train", "mode", "True or False", mode)
        for module in self.modules():
            module.training = mode
        return self

    def eval(self: M) -> M:
        """Set evaluation mode; returns self."""
        return self.train(False)

    def requires_grad_(self: M, requires_grad: bool = True) -> M:
        """Set requires_grad of all parameters: False freezes them. Returns self."""
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drop the gradients of all parameters, or set them to zero."""
        for parameter in self.parameters():
            if set_to_none:
                parameter.grad = None
            elif parameter.grad is not None:
                parameter.grad = zeros_like(parameter.grad)

    def to(self: M, *args: Any, **kwargs: Any) -> M:
        """Convert the floating parameters and buffers, or move all of them; returns self.

        ``to(dtype)``, ``to(device)``, ``to(device, dtype)`` or ``to(tensor)``. The Parameters stay
        the same objects, so an optimizer that holds them sees the change.

        Tied parameters and buffers stay tied, and gradients move along; where anything fails,
        nothing has changed. ``non_blocking`` is as in ``Tensor.to``.

        Raises:
            DtypeError: a dtype that is not floating.
            DeviceError: a device that is not there, or without the memory for it.
        """
        non_blocking = bool(kwargs.pop("non_blocking", False))
        device, dtype = _target(args, kwargs)
        return self._convert(
            lambda t: convert(
                t,
                device=device,
                dtype=dtype if is_float(t.dtype) else None,
                non_blocking=non_blocking,
            )
        )

    def float(self: M) -> M:
        """Convert the floating parameters and buffers to float32; returns self."""
        return self.to(dtype="float32")

    def double(self: M) -> M:
        """Convert the floating parameters and buffers to float64; returns self."""
        return self.to(dtype="float64")

    def cpu(self: M) -> M:
        """Move all parameters and buffers to the CPU; returns self."""
        return self.to(device="cpu")

    def cuda(self: M, device: int | str | Device | None = None) -> M:
        """Move all parameters and buffers to the GPU; returns self.

        Raises:
            DeviceError: there is none.
        """
        name = f"cuda:{device}" if isinstance(device, int) else device
        return self.to(device="cuda" if name is None else name)

    def _convert(self: M, fn: Callable[[Tensor], Tensor]) -> M:
        # all of it before the first is changed: where memory runs out, everything is as it was
        changed: list[tuple[Tensor, Tensor, Tensor | None]] = []
        buffers: dict[int, Tensor] = {}  # by identity, so that one buffer of two modules stays one
        with no_grad():
            for parameter in self.parameters():
                grad = None if parameter.grad is None else fn(parameter.grad.detach())
                changed.append((parameter, fn(parameter.detach()), grad))
            for buffer in self.buffers():
                buffers[id(buffer)] = fn(buffer)
            for tensor, data, grad in changed:
                tensor.data = data
                tensor.grad = grad
            for module in self.modules():
                for name, buffer in module._buffers.items():
                    module._buffers[name] = None if buffer is None else buffers[id(buffer)]
        return self

    def __repr__(self) -> str:
        extra = self.extra_repr()
        lines = extra.split("\n") if extra else []
        children = [f"({name}): {indented(repr(m))}" for name, m in self._modules.items()]
        if not children and len(lines) < 2:
            return f"{self._get_name()}({extra})"
        return f"{self._get_name()}(\n  " + "\n  ".join(lines + children) + "\n)"

    def _get_name(self) -> str:
        return type(self).__name__


def indented(text: str) -> str:
    """A text of several lines with all but the first moved in."""
    return text.replace("\n", "\n  ")


def _target(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Any]:
    """Device and dtype (or None) from the arguments of Module.to."""
    device, dtype = kwargs.pop("device", None), kwargs.pop("dtype", None)
    if kwargs:
        raise ArgumentError(
            "Module.to",
            next(iter(kwargs)),
            expected="device, dtype or non_blocking",
            got=repr(next(iter(kwargs.values()))),
            hint="module.to('cpu', nnlite.float64)",
        )
    for given in args:
        if isinstance(given, Tensor):
            device, dtype = given.device, given.dtype
        elif names_device(given):
            device = given
        elif given is not None:
            dtype = given
    if dtype is not None:
        dtype = as_dtype(dtype, "Module.to")
        if not is_float(dtype):
            raise DtypeError(
                "Module.to",
                "dtype",
                expected="float32 or float64",
                got=dtype.name,
                hint="parameters need a gradient",
            )
    return device, dtype


def _warn_of_hidden(module: Module, name: str, value: Any) -> None:
    """Say so when modules or parameters are put where the module does not find them."""
    if isinstance(value, (list, tuple)):
        members = list(value)
    elif isinstance(value, dict):
        members = list(value.values())
    else:
        return
    for kind, base in (("Module", Module), ("Parameter", Parameter)):
        if any(isinstance(member, base) for member in members):
            container = f"{kind}Dict" if isinstance(value, dict) else f"{kind}List"
            warnings.warn(
                f"{type(module).__name__}.{name}: a {type(value).__name__} that holds {kind}s: "
                f"parameters() and state_dict() do not look inside; use nn.{container}",
                UserWarning,
                stacklevel=3,
            )


def _wrong_type(op: str, argument: str, expected: str, value: Any) -> DtypeError:
    return DtypeError(
        op, argument, expected=expected, got=type(value).__name__, hint="see nn.Module"
    )
