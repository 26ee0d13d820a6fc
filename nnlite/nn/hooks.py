"""Calling a module, with the hooks that were registered on it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nnlite.autograd.hooks import RemovableHandle
from nnlite.autograd.modes import is_grad_enabled
from nnlite.autograd.op import Op
from nnlite.autograd.tensor import Tensor, wrap
from nnlite.ops.common import raw


class Hooks:
    """The hooks of one module; each entry is (hook, whether it takes keyword arguments)."""

    def __init__(self) -> None:
        self.before: dict[int, tuple[Callable[..., Any], bool]] = {}
        self.after: dict[int, tuple[Callable[..., Any], bool]] = {}
        self.backward_before: dict[int, Callable[..., Any]] = {}
        self.backward_after: dict[int, Callable[..., Any]] = {}


class Hooked:
    """The part of Module that is called, and that keeps hooks."""

    forward: Callable[..., Any]
    _hooks: Hooks | None  # made with the first hook: most modules have none

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """What forward returns, with the hooks run around it."""
        hooks = self._hooks
        if hooks is None:
            return self.forward(*args, **kwargs) if kwargs else self.forward(*args)
        for hook, with_kwargs in list(hooks.before.values()):
            changed = hook(self, args, kwargs) if with_kwargs else hook(self, args)
            if changed is None:
                continue
            if with_kwargs:
                args, kwargs = changed
            else:
                args = changed if isinstance(changed, tuple) else (changed,)
        watching = is_grad_enabled() and (hooks.backward_before or hooks.backward_after)
        call = _BackwardCall(self, hooks) if watching else None
        if call is not None:
            args = call.watch_inputs(args)
        result = self.forward(*args, **kwargs)
        for hook, with_kwargs in list(hooks.after.values()):
            changed = hook(self, args, kwargs, result) if with_kwargs else hook(self, args, result)
            result = result if changed is None else changed
        return result if call is None else call.watch_outputs(result)

    def register_forward_pre_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Call ``hook(module, args)`` before each forward.

        What it returns, unless None, replaces the arguments; a single value counts as one argument.

        Args:
            hook: the function.
            prepend: run before the hooks that are there already.
            with_kwargs: call ``hook(module, args, kwargs)``, which may return both anew.
        """
        return RemovableHandle(self._own_hooks().before, (hook, with_kwargs), prepend)

    def register_forward_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Call ``hook(module, args, output)`` after each forward.

        What it returns, unless None, replaces the output. Arguments: see
        ``register_forward_pre_hook``; with_kwargs makes it ``hook(module, args, kwargs, output)``.
        """
        return RemovableHandle(self._own_hooks().after, (hook, with_kwargs), prepend)

    def register_full_backward_pre_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Call ``hook(module, grad_output)`` when the gradients of the output are known.

        What it returns, unless None, replaces them. They are a tuple with one entry per output.
        """
        return RemovableHandle(self._own_hooks().backward_before, hook, prepend)

    def register_full_backward_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Call ``hook(module, grad_input, grad_output)`` when backward has passed the module.

        Both are tuples, with one entry per positional argument and per output, None where there is
        no gradient. What the hook returns, unless None, replaces grad_input.
        """
        return RemovableHandle(self._own_hooks().backward_after, hook, prepend)

    def _own_hooks(self) -> Hooks:
        if self._hooks is None:
            self._hooks = Hooks()
        return self._hooks


class Boundary(Op):
    """The inputs, unchanged.  Backward hands all their gradients, together, to a function."""

    fresh = False  # hooks may keep the gradients that they see

    @staticmethod
    def forward(ctx: Any, *xs: Any, notify: Callable[..., Any]) -> Any:
        return xs

    @staticmethod
    def backward(ctx: Any, gys: Any) -> Any:
        return ctx.notify(gys)


class _BackwardCall:
    """One call of a module with backward hooks: gathers the gradients on both of its sides."""

    def __init__(self, module: Any, hooks: Hooks) -> None:
        self.module = module
        self.hooks = hooks
        self.inputs: list[int] = []  # the positions of the arguments that have a gradient
        self.outputs: list[int] = []
        self.counts = [0, 0]
        self.grad_output: tuple[Any, ...] = ()

    def watch_inputs(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        self.counts[0] = len(args)
        return _watch(args, self.inputs, self._at_inputs)

    def watch_outputs(self, result: Any) -> Any:
        many = isinstance(result, (tuple, list))
        results = tuple(result) if many else (result,)
        self.counts[1] = len(results)
        watched = _watch(results, self.outputs, self._at_outputs)
        return type(result)(watched) if many else watched[0]

    def _at_outputs(self, gys: tuple[Any, ...]) -> tuple[Any, ...]:
        full = _spread(gys, self.outputs, self.counts[1])
        for hook in list(self.hooks.backward_before.values()):
            changed = hook(self.module, full)
            if changed is not None:
                full = changed if isinstance(changed, tuple) else (changed,)
        self.grad_output = full
        if not self.inputs:
            for hook in list(self.hooks.backward_after.values()):
                hook(self.module, (None,) * self.counts[0], full)
        return _gather(full, self.outputs, gys)

    def _at_inputs(self, gxs: tuple[Any, ...]) -> tuple[Any, ...]:
        full = _spread(gxs, self.inputs, self.counts[0])
        for hook in list(self.hooks.backward_after.values()):
            changed = hook(self.module, full, self.grad_output)
            if changed is not None:
                full = changed if isinstance(changed, tuple) else (changed,)
        return _gather(full, self.inputs, gxs)


def _watch(
    values: tuple[Any, ...], found: list[int], notify: Callable[..., Any]
) -> tuple[Any, ...]:
    """The values, with those that have a gradient passed through one Boundary."""
    found += [i for i, x in enumerate(values) if isinstance(x, Tensor) and x.requires_grad]
    if not found:
        return values
    passed = list(values)
    for i, out in zip(
        found, Boundary.apply(*(values[i] for i in found), notify=notify), strict=True
    ):
        out._version = values[i].version()  # the same memory
        passed[i] = out
    return tuple(passed)


def _spread(gradients: tuple[Any, ...], positions: list[int], count: int) -> tuple[Any, ...]:
    full: list[Any] = [None] * count
    for i, g in zip(positions, gradients, strict=True):
        full[i] = g if g is None or isinstance(g, Tensor) else wrap(g)
    return tuple(full)


def _gather(full: tuple[Any, ...], positions: list[int], like: tuple[Any, ...]) -> tuple[Any, ...]:
    """The gradients in the form in which the engine works: arrays, or Tensors in create_graph."""
    tensors = any(isinstance(g, Tensor) for g in like)
    return tuple(full[i] if tensors else raw(full[i]) for i in positions)
