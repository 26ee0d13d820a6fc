"""RMSprop."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, ClassVar, Unpack

from nnlite.backend import Array, array_module
from nnlite.optim.checks import Hints, check_hints, flag, number
from nnlite.optim.inplace import average_square, buffer, count, descent, lerp
from nnlite.optim.optimizer import Optimizer, Params


class RMSprop(Optimizer):
    """Steps divided by a running root mean square of the gradient.

    With the gradient g (negated under maximize), per step::

        g = g + weight_decay * x
        v = alpha * v + (1 - alpha) * g**2
        a = alpha * a + (1 - alpha) * g               centered: v - a**2 stands for v below
        b = momentum * b + g / (sqrt(v) + eps)        b = g / (sqrt(v) + eps) if momentum = 0
        x = x - lr * b

    v - a**2 is a variance, but rounding can make it negative where the gradient hardly changes,
    and PyTorch then writes NaN into the parameter. Here what lies below the rounding error of v
    is taken to be that error.

    Args:
        params: parameters or groups of them, see Optimizer.
        lr: learning rate, >= 0.
        alpha: decay rate of the averages, in [0, 1].
        eps: >= 0, added to the root.
        weight_decay: >= 0, the factor of an L2 penalty's gradient.
        momentum: >= 0.
        centered: divide by the deviation from the average gradient (Graves, 2013).
        maximize: go up instead of down.
        hints: foreach and fused are accepted and ignored, see checks.Hints.

    Raises:
        DtypeError, ArgumentError: see Optimizer.

    Source: Hinton, Coursera lecture 6e (2012), with eps outside the root as in torch.optim.RMSprop.
    """

    _elementwise: ClassVar[bool] = True
    _buffers: ClassVar[tuple[str, ...] | None] = ("square_avg", "grad_avg", "momentum_buffer")

    def __init__(
        self,
        params: Params,
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        *,
        maximize: bool = False,
        **hints: Unpack[Hints],
    ) -> None:
        check_hints("RMSprop", hints)
        defaults = {
            "lr": lr,
            "alpha": alpha,
            "eps": eps,
            "weight_decay": weight_decay,
            "momentum": momentum,
            "centered": centered,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def _check_group(self, group: dict[str, Any]) -> None:
        self._check_common(group)
        group["alpha"] = number("RMSprop", "alpha", group["alpha"], 0, 1)
        group["momentum"] = number("RMSprop", "momentum", group["momentum"], 0)
        group["centered"] = flag("RMSprop", "centered", group["centered"])

    def _update(self, x: Array, g: Array, state: dict[str, Any], o: SimpleNamespace) -> None:
        xp = array_module(x)
        count(state)
        g = descent(x, g, o.maximize, o.weight_decay)
        s = xp.empty_like(x)
        v = buffer(state, "square_avg", x)
        average_square(v, g, o.alpha, s)
        if o.centered:
            a = buffer(state, "grad_avg", x)
            lerp(a, g, 1 - o.alpha, s)
            xp.multiply(a, a, out=s)
            xp.subtract(v, s, out=s)
            xp.maximum(s, v * float(xp.finfo(x.dtype).eps), out=s)
            xp.sqrt(s, out=s)
        else:
            xp.sqrt(v, out=s)
        s += o.eps
        xp.divide(g, s, out=s)
        if o.momentum > 0:
            b = buffer(state, "momentum_buffer", x)
            b *= o.momentum
            b += s
            xp.multiply(b, o.lr, out=s)
        else:
            s *= o.lr
        x -= s
