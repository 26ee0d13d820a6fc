"""RAdam: rectified Adam."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, ClassVar, Unpack

from nnlite.backend import Array, array_module
from nnlite.optim.checks import Hints, betas, check_hints, flag
from nnlite.optim.inplace import average_square, buffer, count, descent, lerp
from nnlite.optim.optimizer import Optimizer, Params


class RAdam(Optimizer):
    """Adam that does not trust v until it has seen enough steps.

    With the gradient g (negated under maximize), in step t = 1, 2, ...::

        g = g + weight_decay * x                      x = x * (1 - lr * weight_decay) if decoupled
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        rho_inf = 2 / (1 - beta2) - 1,   rho = rho_inf - 2 * t * beta2**t / (1 - beta2**t)
        r = sqrt((rho - 4) * (rho - 2) * rho_inf / ((rho_inf - 4) * (rho_inf - 2) * rho))
        l = sqrt(1 - beta2**t) / (sqrt(v) + eps)
        x = x - lr / (1 - beta1**t) * m * r * l       r = l = 1 while rho <= 5

    Args:
        params: parameters or groups of them, see Optimizer.
        lr: learning rate, >= 0.
        betas: decay rates of m and v, each in [0, 1).
        eps: >= 0, added to the root, before the bias correction.
        weight_decay: >= 0, the factor of an L2 penalty's gradient.
        decoupled_weight_decay: shrink x itself instead of changing the gradient.
        maximize: go up instead of down.
        hints: foreach and fused are accepted and ignored, see checks.Hints.

    Raises:
        DtypeError, ArgumentError: see Optimizer.

    Source: Liu et al., "On the Variance of the Adaptive Learning Rate and Beyond" (2020), as in
    torch.optim.RAdam.
    """

    _elementwise: ClassVar[bool] = True
    _buffers: ClassVar[tuple[str, ...] | None] = ("exp_avg", "exp_avg_sq")

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        decoupled_weight_decay: bool = False,
        *,
        maximize: bool = False,
        **hints: Unpack[Hints],
    ) -> None:
        check_hints("RAdam", hints)
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "decoupled_weight_decay": decoupled_weight_decay,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def _check_group(self, group: dict[str, Any]) -> None:
        self._check_common(group)
        group["betas"] = betas("RAdam", group["betas"])
        name = "decoupled_weight_decay"
        group[name] = flag("RAdam", name, group[name])

    def _update(self, x: Array, g: Array, state: dict[str, Any], o: SimpleNamespace) -> None:
        xp = array_module(x)
        beta1, beta2 = o.betas
        t = count(state)
        if o.decoupled_weight_decay:
            x *= 1 - o.lr * o.weight_decay
            g = descent(x, g, o.maximize)
        else:
            g = descent(x, g, o.maximize, o.weight_decay)

        s = xp.empty_like(x)
        m = buffer(state, "exp_avg", x)
        v = buffer(state, "exp_avg_sq", x)
        lerp(m, g, 1 - beta1, s)
        average_square(v, g, beta2, s)

        step_size = o.lr / (1 - beta1**t)
        correction = 1 - beta2**t
        rho_inf = 2 / (1 - beta2) - 1
        rho = rho_inf - 2 * t * beta2**t / correction
        if rho > 5:
            r2 = (rho - 4) * (rho - 2) * rho_inf / ((rho_inf - 4) * (rho_inf - 2) * rho)
            xp.sqrt(v, out=s)
            s += o.eps
            xp.divide(m, s, out=s)
            s *= step_size * (r2 * correction) ** 0.5
        else:
            xp.multiply(m, step_size, out=s)
        x -= s
