"""SparseAdam: Adam on the rows that have a gradient."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, ClassVar

from nnlite.backend import Array, array_module
from nnlite.optim.checks import betas, number
from nnlite.optim.inplace import average_square, buffer, count, descent, lerp
from nnlite.optim.optimizer import Optimizer, Params


class SparseAdam(Optimizer):
    """Adam that leaves alone the rows whose gradient is zero, as those of unused embeddings.

    PyTorch takes sparse gradients here. nnlite has dense ones only: a row (an index of the first
    dimension) whose gradient is all zeros counts as absent, its averages and its parameters stay
    as they are. On the other rows, with g negated under maximize, in step t = 1, 2, ...::

        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        x = x - lr * sqrt(1 - beta2**t) / (1 - beta1**t) * m / (sqrt(v) + eps)

    eps stands inside the bias correction, unlike Adam's.

    Args:
        params: parameters or groups of them, see Optimizer.
        lr: learning rate, > 0.
        betas: decay rates of m and v, each in [0, 1).
        eps: > 0, added to the root.
        maximize: go up instead of down.

    Raises:
        DtypeError, ArgumentError: see Optimizer.

    Source: torch.optim.SparseAdam, "a masked version of the Adam algorithm".
    """

    _buffers: ClassVar[tuple[str, ...] | None] = ("exp_avg", "exp_avg_sq")

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        maximize: bool = False,
    ) -> None:
        defaults = {"lr": lr, "betas": betas, "eps": eps, "maximize": maximize}
        super().__init__(params, defaults)

    def _check_group(self, group: dict[str, Any]) -> None:
        self._check_common(group)
        group["betas"] = betas("SparseAdam", group["betas"])
        for name in ("lr", "eps"):
            number("SparseAdam", name, group[name], 0, above=True)

    def _update(self, x: Array, g: Array, state: dict[str, Any], o: SimpleNamespace) -> None:
        xp = array_module(x)
        beta1, beta2 = o.betas
        t = count(state)
        m = buffer(state, "exp_avg", x)
        v = buffer(state, "exp_avg_sq", x)
        rows = g != 0
        if g.ndim > 1:
            rows = rows.any(axis=tuple(range(1, g.ndim)), keepdims=True)  # (N, 1, ..., 1)
        g = descent(x, g, o.maximize)

        # Computed for all rows and kept for some: picking them out would stall a GPU.
        s = xp.empty_like(x)
        new = m.copy()
        lerp(new, g, 1 - beta1, s)
        xp.copyto(m, new, where=rows)
        xp.copyto(new, v)
        average_square(new, g, beta2, s)
        xp.copyto(v, new, where=rows)

        xp.sqrt(v, out=s)
        s += o.eps
        xp.divide(m, s, out=s)
        s *= o.lr * (1 - beta2**t) ** 0.5 / (1 - beta1**t)
        s *= rows
        x -= s
