"""Stochastic gradient descent."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, ClassVar, Unpack

from nnlite.autograd.tensor import wrap
from nnlite.backend import Array, array_module
from nnlite.errors import ArgumentError
from nnlite.optim.checks import Hints, check_hints, flag, number
from nnlite.optim.inplace import descent
from nnlite.optim.optimizer import Optimizer, Params


class SGD(Optimizer):
    """Gradient descent, with momentum where asked for.

    With the gradient g (negated under maximize), per step::

        g = g + weight_decay * x
        b = momentum * b + (1 - dampening) * g        b = g in the first step
        x = x - lr * b                                momentum
        x = x - lr * (g + momentum * b)               nesterov
        x = x - lr * g                                momentum = 0

    Args:
        params: parameters or groups of them, see Optimizer.
        lr: learning rate, >= 0.
        momentum: >= 0.
        dampening: part of the gradient that does not enter the momentum; not in the first step.
        weight_decay: >= 0, the factor of an L2 penalty's gradient.
        nesterov: look ahead; needs momentum > 0 and dampening = 0.
        maximize: go up instead of down.
        hints: foreach and fused are accepted and ignored, see checks.Hints.

    Raises:
        DtypeError, ArgumentError: see Optimizer.

    Source: Sutskever et al., "On the importance of initialization and momentum in deep learning"
    (2013), with lr outside the momentum, as in torch.optim.SGD.
    """

    _scalars: ClassVar[dict[str, type]] = {}
    _elementwise: ClassVar[bool] = True
    _buffers: ClassVar[tuple[str, ...] | None] = ("momentum_buffer",)

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        **hints: Unpack[Hints],
    ) -> None:
        check_hints("SGD", hints)
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "dampening": dampening,
            "weight_decay": weight_decay,
            "nesterov": nesterov,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def _check_group(self, group: dict[str, Any]) -> None:
        self._check_common(group)
        group["momentum"] = number("SGD", "momentum", group["momentum"], 0)
        group["dampening"] = number("SGD", "dampening", group["dampening"])
        group["nesterov"] = flag("SGD", "nesterov", group["nesterov"])
        if group["nesterov"] and (group["momentum"] == 0 or group["dampening"] != 0):
            raise ArgumentError(
                "SGD",
                "nesterov",
                expected="momentum > 0 and dampening = 0 with nesterov=True",
                got=f"momentum={group['momentum']}, dampening={group['dampening']}",
                hint="momentum=0.9, for example",
            )

    def _update(self, x: Array, g: Array, state: dict[str, Any], o: SimpleNamespace) -> None:
        xp = array_module(x)
        g = descent(x, g, o.maximize, o.weight_decay)
        s = xp.empty_like(x)
        if o.momentum != 0:
            g = self._with_momentum(g, s, state, o)
        xp.multiply(g, o.lr, out=s)
        x -= s

    def _with_momentum(
        self, g: Array, s: Array, state: dict[str, Any], o: SimpleNamespace
    ) -> Array:
        xp = array_module(g)
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = wrap(g.copy())
            b = state["momentum_buffer"].array
        else:
            b = state["momentum_buffer"].array
            xp.multiply(g, 1 - o.dampening, out=s)
            b *= o.momentum
            b += s
        if not o.nesterov:
            return b
        xp.multiply(b, o.momentum, out=s)
        return xp.add(s, g, out=s)
