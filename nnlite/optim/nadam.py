"""NAdam: Adam with Nesterov momentum."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, ClassVar, Unpack

from nnlite.backend import Array, array_module
from nnlite.optim.checks import Hints, betas, check_hints, flag, number
from nnlite.optim.inplace import average_square, buffer, count, descent, lerp
from nnlite.optim.optimizer import Optimizer, Params


class NAdam(Optimizer):
    """Adam whose average of the gradient looks one step ahead.

    With the gradient g (negated under maximize), in step t = 1, 2, ...::

        g = g + weight_decay * x                      x = x * (1 - lr * weight_decay) if decoupled
        mu(t) = beta1 * (1 - 0.5 * 0.96**(t * momentum_decay)),   P(t) = mu(1) * ... * mu(t)
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        d = sqrt(v / (1 - beta2**t)) + eps
        x = x - lr * (1 - mu(t)) / (1 - P(t)) * g / d - lr * mu(t+1) / (1 - P(t+1)) * m / d

    P is kept in double precision, as state entry "mu_product" (PyTorch: in the default dtype).

    Args:
        params: parameters or groups of them, see Optimizer.
        lr: learning rate, >= 0.
        betas: decay rates of m and v, each in [0, 1).
        eps: >= 0, added to the root.
        weight_decay: >= 0, the factor of an L2 penalty's gradient.
        momentum_decay: >= 0, how fast mu rises to beta1.
        decoupled_weight_decay: shrink x itself instead of changing the gradient.
        maximize: go up instead of down.
        hints: foreach and fused are accepted and ignored, see checks.Hints.

    Raises:
        DtypeError, ArgumentError: see Optimizer.

    Source: Dozat, "Incorporating Nesterov Momentum into Adam" (2016), as in torch.optim.NAdam.
    """

    _scalars: ClassVar[dict[str, type]] = {"step": int, "mu_product": float}
    _elementwise: ClassVar[bool] = True
    _buffers: ClassVar[tuple[str, ...] | None] = ("exp_avg", "exp_avg_sq")

    def __init__(
        self,
        params: Params,
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False,
        *,
        maximize: bool = False,
        **hints: Unpack[Hints],
    ) -> None:
        check_hints("NAdam", hints)
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "momentum_decay": momentum_decay,
            "decoupled_weight_decay": decoupled_weight_decay,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def _check_group(self, group: dict[str, Any]) -> None:
        self._check_common(group)
        group["betas"] = betas("NAdam", group["betas"])
        group["momentum_decay"] = number("NAdam", "momentum_decay", group["momentum_decay"], 0)
        name = "decoupled_weight_decay"
        group[name] = flag("NAdam", name, group[name])

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

        mu = beta1 * (1 - 0.5 * 0.96 ** (t * o.momentum_decay))
        mu_next = beta1 * (1 - 0.5 * 0.96 ** ((t + 1) * o.momentum_decay))
        product = state["mu_product"] = state.get("mu_product", 1.0) * mu
        of_g = o.lr * (1 - mu) / (1 - product)
        of_m = o.lr * mu_next / (1 - product * mu_next)

        numerator = g * of_g
        numerator += xp.multiply(m, of_m, out=s)
        xp.divide(v, 1 - beta2**t, out=s)
        xp.sqrt(s, out=s)
        s += o.eps
        xp.divide(numerator, s, out=s)
        x -= s
