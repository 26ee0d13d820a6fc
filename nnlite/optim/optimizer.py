"""Optimizer: parameter groups, state, and the loop of a step. Each rule has its own file.

A rule is a class with two methods: ``_check_group`` validates hyper-parameters, ``_update``
changes one parameter's array in place.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from types import SimpleNamespace
from typing import Any, ClassVar, TypeAlias

from nnlite.autograd import Tensor, enable_grad, no_grad
from nnlite.autograd.hooks import RemovableHandle
from nnlite.autograd.tape import refuse_capture, retraced, traced
from nnlite.autograd.tensor import wrap
from nnlite.backend import Array, Device, Dtype, array_module, is_plain
from nnlite.errors import DeviceError, DtypeError, ShapeError
from nnlite.optim import state as saved
from nnlite.optim.checks import flag, number, plain
from nnlite.optim.chunks import Plan
from nnlite.optim.fused import refuse_in_recording
from nnlite.optim.groups import make_groups, named_group

Params: TypeAlias = Iterable[Tensor] | Iterable[dict[str, Any]] | Iterable[tuple[str, Tensor]]
Closure: TypeAlias = Callable[[], Any]


class Optimizer:
    """Base of all optimizers.

    Args:
        params: Tensors, (name, Tensor) pairs, or dicts of the form ``{"params": [...], "lr": ...}``
            that override the defaults for their parameters (parameter groups). In an order that is
            the same in each run: state is saved by position.
        defaults: the hyper-parameters of groups that do not set their own.

    Attributes:
        param_groups: the groups, a list of dicts; changing ``group["lr"]`` acts from the next step.
        state: what the rule remembers, a dict per parameter, keyed by the parameter itself.
        defaults: as given.

    A rule of your own may override ``step`` alone, as in PyTorch. A module may be moved or
    converted at any time: its parameters stay the same objects, and at the next step what is
    remembered of them follows.

    Raises:
        DtypeError: params is a single Tensor, a set, or holds something that is no Tensor.
        ArgumentError: no parameters, one given twice, a non-leaf, or a hyper-parameter outside
            its range.
    """

    _scalars: ClassVar[dict[str, type]] = {"step": int}
    """State entries that are plain numbers, kept out of the parameter's dtype."""
    _buffers: ClassVar[tuple[str, ...] | None] = None
    """State entries of the parameter's shape; None where a rule does not say."""

    _elementwise: ClassVar[bool] = False
    """Whether _update treats each element for itself, so that it may get parts of a parameter."""

    def __init__(self, params: Params, defaults: dict[str, Any]) -> None:
        self.defaults = defaults
        self.state: defaultdict[Tensor, dict[str, Any]] = defaultdict(dict)
        self.param_groups: list[dict[str, Any]] = []
        self._pre_hooks: dict[int, Callable[..., Any]] = {}
        self._post_hooks: dict[int, Callable[..., Any]] = {}
        self._stepped = False
        self._plans: dict[int, Plan] = {}
        self._homes: dict[Tensor, tuple[Device, Dtype]] = {}
        for group in make_groups(type(self).__name__, params):
            self.add_param_group(group)

    def __getstate__(self) -> dict[str, Any]:
        """For copies: without the plans, which hold views of memory that a copy does not share."""
        return {**self.__dict__, "_plans": {}, "_homes": {}}

    def __repr__(self) -> str:
        lines = [f"{type(self).__name__} ("]
        for i, group in enumerate(self.param_groups):
            lines.append(f"Parameter Group {i}")
            lines += [f"    {key}: {group[key]}" for key in sorted(group) if key != "params"]
        return "\n".join([*lines, ")"])

    # -- what a rule defines ---------------------------------------------------------------

    def _check_group(self, group: dict[str, Any]) -> None:
        """Validate the hyper-parameters of a group and make them plain numbers, in place."""

    def _check_common(self, group: dict[str, Any]) -> None:
        """The checks of lr, eps, weight_decay and maximize, for the rules that have them."""
        op = type(self).__name__
        for name in ("lr", "eps", "weight_decay"):
            if name in self.defaults:
                group[name] = number(op, name, group[name], 0)
        if "maximize" in self.defaults:
            group["maximize"] = flag(op, "maximize", group["maximize"])

    def _update(self, x: Array, g: Array, state: dict[str, Any], o: SimpleNamespace) -> None:
        """Change the parameter x in place.

        Args:
            x: the parameter's array.
            g: its gradient; not to be modified.
            state: what the rule remembers about x.
            o: the hyper-parameters of its group as attributes, plain Python numbers.
        """
        raise NotImplementedError

    # -- a step ----------------------------------------------------------------------------

    def step(self, closure: Closure | None = None) -> Any:
        """Update every parameter that has a gradient.

        Parameters whose grad is None are left alone: no decay, no change of their state.

        Args:
            closure: clears the gradients, computes the loss, calls backward, returns the loss.

        Returns:
            What closure returned, or None.

        Raises:
            ShapeError, DtypeError, DeviceError: a gradient that does not fit its parameter; then
                no parameter has been changed.
        """
        if closure is None:
            return traced(self._hooked_step, None)
        refuse_capture(
            type(self).__name__,
            "a closure, which would go on with the inputs of the recording",
            "call zero_grad, backward and step() in the captured step itself",
        )
        return self._hooked_step(closure)

    def _hooked_step(self, closure: Closure | None) -> Any:
        for hook in list(self._pre_hooks.values()):
            hook(self, (closure,), {})
        result = self._step(closure)
        self._stepped = True
        for hook in list(self._post_hooks.values()):
            hook(self, (closure,), {})
        return result

    def _step(self, closure: Closure | None) -> Any:
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        with no_grad():
            self._check_gradients()
            for k, group in enumerate(self.param_groups):
                options = {name: plain(group[name]) for name in self.defaults}
                params = [p for p in group["params"] if p._grad is not None]
                self._update_all(k, params, options)
                for p in params:
                    p.bump_version()
        return loss

    def _update_all(self, k: int, params: list[Tensor], options: dict[str, Any]) -> None:
        """Update the parameters of group k: one by one, or by a plan that does it faster."""
        o = SimpleNamespace(**options, group=self.param_groups[k], state=self.state)
        plan = self._plans.get(k)
        if plan is not None and not is_plain() and plan.fits(params, self.state, options):
            plan.step(self._update, o)
            return
        refuse_in_recording(type(self).__name__)
        self._follow(params)
        for p in params:
            self._update(p.array, p.grad.array, self.state[p], o)  # type: ignore[union-attr]
        # now the state is made, and the next step can go by a plan
        self._plans.pop(k, None)
        if self._elementwise and not is_plain() and params and Plan.is_possible(params):
            self._plans[k] = Plan(params, self.state, set(self._scalars), options)

    def _follow(self, params: list[Tensor]) -> None:
        """Bring the state to where its parameters are, if ``Module.to`` moved them since."""
        for p in params:
            home = (p.device, p.dtype)
            if self._homes.get(p) != home:
                self._homes[p] = home
                saved.follow(p, self.state[p])

    def _check_gradients(self) -> None:
        for i, group in enumerate(self.param_groups):
            for j, p in enumerate(group["params"]):
                if p._grad is not None:
                    x, g = p.array, p._grad.array
                    if g.shape != x.shape or g.dtype != x.dtype or type(g) is not type(x):
                        self._refuse_gradient(f"param_groups[{i}]['params'][{j}].grad", x, g)

    def _refuse_gradient(self, argument: str, x: Array, g: Array) -> None:
        op, hint = type(self).__name__, "a gradient is like its parameter in all but value"
        if g.shape != x.shape:
            raise ShapeError(op, argument, expected=str(x.shape), got=str(g.shape), hint=hint)
        if g.dtype != x.dtype:
            raise DtypeError(op, argument, expected=x.dtype.name, got=g.dtype.name, hint=hint)
        ours, theirs = wrap(x).device, wrap(g).device
        if ours != theirs:
            raise DeviceError(op, argument, expected=str(ours), got=str(theirs), hint=hint)

    @retraced
    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all parameters.

        Args:
            set_to_none: set them to None; else fill them with zeros, and then a step does move
                parameters by momentum and decay.
        """
        for group in self.param_groups:
            for p in group["params"]:
                if set_to_none or p._grad is None:
                    p._grad = None
                elif p.grad.node is not None:  # part of a graph, whose values must stay
                    p.grad = wrap(array_module(p.array).zeros_like(p.array))
                else:
                    p.grad.array.fill(0)
                    p.grad.bump_version()

    # -- groups, hooks and saved state -----------------------------------------------------

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add parameters with hyper-parameters of their own, as when layers are unfrozen.

        Args:
            param_group: ``{"params": ..., "lr": ...}``; what it leaves out is taken from defaults.

        Raises:
            DtypeError, ArgumentError: as the constructor.
        """
        group = named_group(type(self).__name__, param_group, self.param_groups)
        for name, value in self.defaults.items():
            group.setdefault(name, value)
        self._check_group(group)
        self.param_groups.append(group)

    def register_step_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(optimizer, args, kwargs)`` before each step; returns a handle."""
        return RemovableHandle(self._pre_hooks, hook)

    def register_step_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(optimizer, args, kwargs)`` after each step; returns a handle."""
        return RemovableHandle(self._post_hooks, hook)

    def state_dict(self) -> dict[str, Any]:
        """All that is needed to go on: ``{"state": {index: {...}}, "param_groups": [...]}``.

        Parameters are numbered through all groups in order. The arrays are copies, so that
        training on does not change what was saved.
        """
        return saved.pack(self.param_groups, self.state)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over groups and state from ``state_dict()`` of an optimizer of the same rule.

        Arrays are copied, in the dtype and on the device of their parameter. Nothing is changed
        when anything does not fit.

        Raises:
            StateDictError: groups, sizes, shapes or entries differ; lists every mismatch.
            DtypeError, ArgumentError: a saved hyper-parameter outside its range.
        """
        op = type(self).__name__
        groups, state = saved.unpack(
            op, state_dict, self.param_groups, scalars=self._scalars, buffers=self._buffers
        )
        for group in groups:
            for name, value in self.defaults.items():
                group.setdefault(name, value)
            self._check_group(group)
        # Schedulers and users hold on to these objects: they are filled, not replaced.
        for group, new in zip(self.param_groups, groups, strict=True):
            group.clear()
            group.update(new)
        self.state.clear()
        self.state.update(state)
