"""Adamax: Adam with the infinity norm."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, ClassVar, Unpack

from nnlite.backend import Array, array_module
from nnlite.optim.checks import Hints, betas, check_hints
from nnlite.optim.inplace import buffer, count, descent, lerp
from nnlite.optim.optimizer import Optimizer, Params


class Adamax(Optimizer):
    """Adam that divides by the largest recent gradient instead of a root mean square.

    With the gradient g (negated under maximize), in step t = 1, 2, ...::

        g = g + weight_decay * x
        m = beta1 * m + (1 - beta1) * g
        u = max(beta2 * u, abs(g) + eps)
        x = x - lr / (1 - beta1**t) * m / u

    Args:
        params: parameters or groups of them, see Optimizer.
        lr: learning rate, >= 0.
        betas: decay rates of m and u, each in [0, 1).
        eps: >= 0, added to abs(g).
        weight_decay: >= 0, the factor of an L2 penalty's gradient.
        maximize: go up instead of down.
        hints: foreach and fused are accepted and ignored, see checks.Hints.

    Raises:
        DtypeError, ArgumentError: see Optimizer.

    Source: Kingma and Ba, "Adam: A Method for Stochastic Optimization" (2015), section 7.1, as in
    torch.optim.Adamax.
    """

    _elementwise: ClassVar[bool] = True
    _buffers: ClassVar[tuple[str, ...] | None] = ("exp_avg", "exp_inf")

    def __init__(
        self,
        params: Params,
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        *,
        maximize: bool = False,
        **hints: Unpack[Hints],
    ) -> None:
        check_hints("Adamax", hints)
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def _check_group(self, group: dict[str, Any]) -> None:
        self._check_common(group)
        group["betas"] = betas("Adamax", group["betas"])

    def _update(self, x: Array, g: Array, state: dict[str, Any], o: SimpleNamespace) -> None:
        xp = array_module(x)
        beta1, beta2 = o.betas
        t = count(state)
        g = descent(x, g, o.maximize, o.weight_decay)
        s = xp.empty_like(x)
        m = buffer(state, "exp_avg", x)
        u = buffer(state, "exp_inf", x)
        lerp(m, g, 1 - beta1, s)
        xp.absolute(g, out=s)
        s += o.eps
        u *= beta2
        xp.maximum(u, s, out=u)
        xp.divide(m, u, out=s)
        s *= o.lr / (1 - beta1**t)
        x -= s
