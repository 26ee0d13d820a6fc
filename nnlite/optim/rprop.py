"""Rprop: resilient backpropagation."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, ClassVar, Unpack

from nnlite.backend import Array, array_module
from nnlite.optim.checks import Hints, check_hints, number, pair
from nnlite.optim.inplace import buffer, count, descent
from nnlite.optim.optimizer import Optimizer, Params


class Rprop(Optimizer):
    """Only the sign of the gradient counts; each element has a step size of its own.

    With the gradient g (negated under maximize) and that of the last step, p, per element::

        z = z * eta_plus  where g * p > 0,   z = z * eta_minus  where g * p < 0
        z = min(max(z, step_min), step_max)           z = lr at first
        g = 0 where g * p < 0
        x = x - sign(g) * z

    It is made for gradients of the whole data set, not of batches.

    Args:
        params: parameters or groups of them, see Optimizer.
        lr: first step size, >= 0.
        etas: (eta_minus, eta_plus), 0 < eta_minus < 1 < eta_plus.
        step_sizes: (step_min, step_max), 0 <= step_min <= step_max.
        maximize: go up instead of down.
        hints: foreach and fused are accepted and ignored, see checks.Hints.

    Raises:
        DtypeError, ArgumentError: see Optimizer.

    Source: Riedmiller and Braun, "A direct adaptive method for faster backpropagation learning:
    the RPROP algorithm" (1993), as in torch.optim.Rprop.
    """

    _elementwise: ClassVar[bool] = True
    _buffers: ClassVar[tuple[str, ...] | None] = ("prev", "step_size")

    def __init__(
        self,
        params: Params,
        lr: float = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50),
        *,
        maximize: bool = False,
        **hints: Unpack[Hints],
    ) -> None:
        check_hints("Rprop", hints)
        defaults = {"lr": lr, "etas": etas, "step_sizes": step_sizes, "maximize": maximize}
        super().__init__(params, defaults)

    def _check_group(self, group: dict[str, Any]) -> None:
        self._check_common(group)
        minus, plus = pair("Rprop", "etas", group["etas"])
        group["etas"] = (
            number("Rprop", "etas[0]", minus, 0, 1, above=True, below=True),
            number("Rprop", "etas[1]", plus, 1, above=True),
        )
        low, high = pair("Rprop", "step_sizes", group["step_sizes"])
        low = number("Rprop", "step_sizes[0]", low, 0)
        group["step_sizes"] = (low, number("Rprop", "step_sizes[1]", high, low))

    def _update(self, x: Array, g: Array, state: dict[str, Any], o: SimpleNamespace) -> None:
        xp = array_module(x)
        eta_minus, eta_plus = o.etas
        count(state)
        g = descent(x, g, o.maximize)
        p = buffer(state, "prev", x)
        z = buffer(state, "step_size", x, fill=o.lr)

        s = xp.empty_like(x)
        xp.multiply(g, p, out=s)
        same, turned = s > 0, s < 0
        xp.sign(s, out=s)
        xp.copyto(s, eta_plus, where=same)
        xp.copyto(s, eta_minus, where=turned)
        xp.copyto(s, 1.0, where=s == 0)
        z *= s
        xp.clip(z, *o.step_sizes, out=z)

        xp.copyto(p, g)
        xp.copyto(p, 0.0, where=turned)
        xp.sign(p, out=s)
        s *= z
        x -= s
