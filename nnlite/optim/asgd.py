"""ASGD: averaged stochastic gradient descent."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, ClassVar, Unpack

from nnlite.backend import Array, array_module
from nnlite.optim.checks import Hints, check_hints, number
from nnlite.optim.inplace import buffer, count, descent
from nnlite.optim.optimizer import Optimizer, Params


class ASGD(Optimizer):
    """Gradient descent that also keeps an average of the parameters it passed.

    With the gradient g (negated under maximize), in step t = 1, 2, ...::

        g = g + weight_decay * x
        x = x * (1 - lambd * eta) - eta * g           eta = lr at first
        a = a + mu * (x - a)                          mu = 1 at first, so a = x
        eta = lr / (1 + lambd * lr * t)**alpha
        mu = 1 / max(1, t - t0)

    The average a is state entry "ax" of each parameter. eta and mu are kept in double precision
    (PyTorch: in the default dtype).

    Args:
        params: parameters or groups of them, see Optimizer.
        lr: learning rate, >= 0.
        lambd: decay term.
        alpha: power of the decay of eta.
        t0: step after which averaging begins.
        weight_decay: >= 0, the factor of an L2 penalty's gradient.
        maximize: go up instead of down.
        hints: foreach and fused are accepted and ignored, see checks.Hints.

    Raises:
        DtypeError, ArgumentError: see Optimizer.

    Source: Polyak and Juditsky, "Acceleration of stochastic approximation by averaging" (1992), as
    in torch.optim.ASGD.
    """

    _scalars: ClassVar[dict[str, type]] = {"step": int, "eta": float, "mu": float}
    _elementwise: ClassVar[bool] = True
    _buffers: ClassVar[tuple[str, ...] | None] = ("ax",)

    def __init__(
        self,
        params: Params,
        lr: float = 1e-2,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0,
        *,
        maximize: bool = False,
        **hints: Unpack[Hints],
    ) -> None:
        check_hints("ASGD", hints)
        defaults = {
            "lr": lr,
            "lambd": lambd,
            "alpha": alpha,
            "t0": t0,
            "weight_decay": weight_decay,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def _check_group(self, group: dict[str, Any]) -> None:
        self._check_common(group)
        group["lambd"] = number("ASGD", "lambd", group["lambd"], 0)
        group["alpha"] = number("ASGD", "alpha", group["alpha"])
        group["t0"] = number("ASGD", "t0", group["t0"])

    def _update(self, x: Array, g: Array, state: dict[str, Any], o: SimpleNamespace) -> None:
        xp = array_module(x)
        t = count(state)
        eta = state.get("eta", o.lr)
        mu = state.get("mu", 1.0)
        g = descent(x, g, o.maximize, o.weight_decay)
        s = xp.empty_like(x)
        x *= 1 - o.lambd * eta
        xp.multiply(g, eta, out=s)
        x -= s

        a = buffer(state, "ax", x)
        if mu == 1:
            xp.copyto(a, x)
        else:
            xp.subtract(x, a, out=s)
            s *= mu
            a += s

        state["eta"] = o.lr / (1 + o.lambd * o.lr * t) ** o.alpha
        state["mu"] = 1 / max(1, t - o.t0)
