"""Adagrad."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, ClassVar, Unpack

from nnlite.backend import Array, array_module
from nnlite.optim.checks import Hints, check_hints, number
from nnlite.optim.inplace import add_scaled_square, buffer, count, descent
from nnlite.optim.optimizer import Optimizer, Params


class Adagrad(Optimizer):
    """Steps divided by the root of the sum of all squared gradients.

    With the gradient g (negated under maximize), in step t = 1, 2, ...::

        g = g + weight_decay * x
        v = v + g**2                                  v = initial_accumulator_value at first
        x = x - lr / (1 + (t - 1) * lr_decay) * g / (sqrt(v) + eps)

    Args:
        params: parameters or groups of them, see Optimizer.
        lr: learning rate, >= 0.
        lr_decay: >= 0.
        weight_decay: >= 0, the factor of an L2 penalty's gradient.
        initial_accumulator_value: >= 0.
        eps: >= 0, added to the root.
        maximize: go up instead of down.
        hints: foreach and fused are accepted and ignored, see checks.Hints.

    Raises:
        DtypeError, ArgumentError: see Optimizer.

    Source: Duchi, Hazan and Singer, "Adaptive Subgradient Methods for Online Learning and
    Stochastic Optimization" (2011), as in torch.optim.Adagrad.
    """

    _elementwise: ClassVar[bool] = True
    _buffers: ClassVar[tuple[str, ...] | None] = ("sum",)

    def __init__(
        self,
        params: Params,
        lr: float = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        *,
        maximize: bool = False,
        **hints: Unpack[Hints],
    ) -> None:
        check_hints("Adagrad", hints)
        defaults = {
            "lr": lr,
            "lr_decay": lr_decay,
            "eps": eps,
            "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def _check_group(self, group: dict[str, Any]) -> None:
        self._check_common(group)
        for name in ("lr_decay", "initial_accumulator_value"):
            group[name] = number("Adagrad", name, group[name], 0)

    def _update(self, x: Array, g: Array, state: dict[str, Any], o: SimpleNamespace) -> None:
        xp = array_module(x)
        t = count(state)
        g = descent(x, g, o.maximize, o.weight_decay)
        s = xp.empty_like(x)
        v = buffer(state, "sum", x, fill=o.initial_accumulator_value)
        add_scaled_square(v, g, 1.0, s)
        xp.sqrt(v, out=s)
        s += o.eps
        xp.divide(g, s, out=s)
        s *= o.lr / (1 + (t - 1) * o.lr_decay)
        x -= s
