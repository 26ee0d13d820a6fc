"""Adam and AdamW."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, ClassVar, Unpack

from nnlite.backend import Array, array_module
from nnlite.optim.checks import Hints, betas, check_hints, flag
from nnlite.optim.inplace import average_square, buffer, count, descent, lerp
from nnlite.optim.optimizer import Optimizer, Params


class Adam(Optimizer):
    """Steps scaled by running averages of the gradient and of its square.

    With the gradient g (negated under maximize), in step t = 1, 2, ...::

        g = g + weight_decay * x                      x = x * (1 - lr * weight_decay) if decoupled
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2            amsgrad: v below is the largest v so far
        x = x - lr / (1 - beta1**t) * m / (sqrt(v / (1 - beta2**t)) + eps)

    Args:
        params: parameters or groups of them, see Optimizer.
        lr: learning rate, >= 0.
        betas: decay rates of m and v, each in [0, 1).
        eps: >= 0, added to the root, after the bias correction.
        weight_decay: >= 0, the factor of an L2 penalty's gradient.
        amsgrad: divide by the largest v so far (Reddi et al., 2018).
        maximize: go up instead of down.
        decoupled_weight_decay: shrink x itself instead of changing the gradient: AdamW.
        hints: foreach and fused are accepted and ignored, see checks.Hints.

    Raises:
        DtypeError, ArgumentError: see Optimizer.

    Source: Kingma and Ba, "Adam: A Method for Stochastic Optimization" (2015), as in
    torch.optim.Adam.
    """

    _elementwise: ClassVar[bool] = True
    _buffers: ClassVar[tuple[str, ...] | None] = ("exp_avg", "exp_avg_sq", "max_exp_avg_sq")

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        decoupled_weight_decay: bool = False,
        **hints: Unpack[Hints],
    ) -> None:
        check_hints(type(self).__name__, hints)
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "amsgrad": amsgrad,
            "maximize": maximize,
            "decoupled_weight_decay": decoupled_weight_decay,
        }
        super().__init__(params, defaults)

    def _check_group(self, group: dict[str, Any]) -> None:
        op = type(self).__name__
        self._check_common(group)
        group["betas"] = betas(op, group["betas"])
        for name in ("amsgrad", "decoupled_weight_decay"):
            group[name] = flag(op, name, group[name])

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
        if o.amsgrad:
            largest = buffer(state, "max_exp_avg_sq", x)
            v = xp.maximum(largest, v, out=largest)

        # m / (sqrt(v) / c + eps) as m * c / (sqrt(v) + eps * c): one pass over the array less
        c = (1 - beta2**t) ** 0.5
        xp.sqrt(v, out=s)
        s += o.eps * c
        xp.divide(m, s, out=s)
        s *= o.lr * c / (1 - beta1**t)
        x -= s


class AdamW(Adam):
    """Adam with decoupled weight decay: ``x = x * (1 - lr * weight_decay)`` before each step.

    The decay does not pass through the averages of Adam; its default is 0.01.

    Args: as Adam's.

    Source: Loshchilov and Hutter, "Decoupled Weight Decay Regularization" (2019), as in
    torch.optim.AdamW.
    """

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        **hints: Unpack[Hints],
    ) -> None:
        super().__init__(
            params,
            lr,
            betas,
            eps,
            weight_decay,
            amsgrad,
            maximize=maximize,
            decoupled_weight_decay=True,
            **hints,
        )

    def _check_group(self, group: dict[str, Any]) -> None:
        super()._check_group(group)
        group["decoupled_weight_decay"] = True  # also after loading the state of an Adam
