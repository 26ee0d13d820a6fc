"""Adadelta."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, ClassVar, Unpack

from nnlite.backend import Array, array_module
from nnlite.optim.checks import Hints, check_hints, number
from nnlite.optim.inplace import average_square, buffer, count, descent
from nnlite.optim.optimizer import Optimizer, Params


class Adadelta(Optimizer):
    """Steps in the units of the parameter: a root mean square of steps over one of gradients.

    With the gradient g (negated under maximize), per step::

        g = g + weight_decay * x
        v = rho * v + (1 - rho) * g**2
        d = sqrt(u + eps) / sqrt(v + eps) * g
        u = rho * u + (1 - rho) * d**2
        x = x - lr * d

    Args:
        params: parameters or groups of them, see Optimizer.
        lr: factor of the step, >= 0.
        rho: decay rate of u and v, in [0, 1].
        eps: >= 0, added inside the roots.
        weight_decay: >= 0, the factor of an L2 penalty's gradient.
        maximize: go up instead of down.
        hints: foreach and fused are accepted and ignored, see checks.Hints.

    Raises:
        DtypeError, ArgumentError: see Optimizer.

    Source: Zeiler, "ADADELTA: An Adaptive Learning Rate Method" (2012), as in torch.optim.Adadelta.
    """

    _elementwise: ClassVar[bool] = True
    _buffers: ClassVar[tuple[str, ...] | None] = ("square_avg", "acc_delta")

    def __init__(
        self,
        params: Params,
        lr: float = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        *,
        maximize: bool = False,
        **hints: Unpack[Hints],
    ) -> None:
        check_hints("Adadelta", hints)
        defaults = {
            "lr": lr,
            "rho": rho,
            "eps": eps,
            "weight_decay": weight_decay,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def _check_group(self, group: dict[str, Any]) -> None:
        self._check_common(group)
        group["rho"] = number("Adadelta", "rho", group["rho"], 0, 1)

    def _update(self, x: Array, g: Array, state: dict[str, Any], o: SimpleNamespace) -> None:
        xp = array_module(x)
        count(state)
        g = descent(x, g, o.maximize, o.weight_decay)
        s = xp.empty_like(x)
        d = xp.empty_like(x)
        v = buffer(state, "square_avg", x)
        u = buffer(state, "acc_delta", x)
        average_square(v, g, o.rho, s)
        xp.add(v, o.eps, out=s)
        xp.add(u, o.eps, out=d)
        xp.sqrt(s, out=s)
        xp.sqrt(d, out=d)
        d /= s
        d *= g
        average_square(u, d, o.rho, s)
        d *= o.lr
        x -= d
