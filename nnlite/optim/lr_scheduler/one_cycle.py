"""OneCycleLR: one rise and one long fall of the rate, with the momentum the other way."""

from __future__ import annotations

import math

from nnlite.errors import ArgumentError
from nnlite.optim.checks import number, whole
from nnlite.optim.lr_scheduler.base import LRScheduler, check_optimizer, numbers_per_group
from nnlite.optim.lr_scheduler.momentum import momentum_ranges, set_momentum
from nnlite.optim.optimizer import Optimizer

# (rate at the start, rate at the end, momentum at the start, momentum at the end), by the names
# under which they stand in the optimizer's groups.
RISE = ("initial_lr", "max_lr", "max_momentum", "base_momentum")
FALL = ("max_lr", "min_lr", "base_momentum", "max_momentum")
BACK = ("max_lr", "initial_lr", "base_momentum", "max_momentum")
OUT = ("initial_lr", "min_lr", "max_momentum", "max_momentum")


class OneCycleLR(LRScheduler):
    """From max_lr / div_factor up to max_lr, then down to that / final_div_factor.

    ``step()`` is called after each batch, total_steps times at most. Between the ends a and b of a
    phase, of which the part p has passed, the rate is ``b + (a - b) / 2 * (1 + cos(pi * p))``
    ("cos") or ``a + (b - a) * p`` ("linear").

    Args:
        optimizer: see LRScheduler.
        max_lr: highest rate, or one per group.
        total_steps: number of batches; None for epochs * steps_per_epoch.
        epochs: number of epochs.
        steps_per_epoch: batches of an epoch.
        pct_start: part of the steps in which the rate rises, in [0, 1].
        anneal_strategy: "cos" or "linear".
        cycle_momentum: whether to move momentum, or betas[0], the other way.
        base_momentum: lowest momentum, or one per group.
        max_momentum: highest momentum, or one per group.
        div_factor: max_lr / first rate.
        final_div_factor: first rate / last rate.
        three_phase: fall back to the first rate as fast as it rose, then to the last one.
        last_epoch: see LRScheduler; counts batches.

    Raises:
        DtypeError, ArgumentError: a value outside its range, an optimizer without momentum, or, in
            step, more than total_steps steps.

    Source: Smith and Topin, "Super-Convergence: Very Fast Training of Neural Networks Using Large
    Learning Rates" (2018).
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | list[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: float | list[float] = 0.85,
        max_momentum: float | list[float] = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ) -> None:
        op = "OneCycleLR"
        check_optimizer(op, optimizer)
        self.total_steps = _total_steps(total_steps, epochs, steps_per_epoch)
        pct_start = number(op, "pct_start", pct_start, 0, 1)
        div_factor = number(op, "div_factor", div_factor, 0, above=True)
        final_div_factor = number(op, "final_div_factor", final_div_factor, 0, above=True)
        if anneal_strategy not in ("cos", "linear"):
            raise ArgumentError(
                op,
                "anneal_strategy",
                expected="'cos' or 'linear'",
                got=repr(anneal_strategy),
                hint="'cos' is the default",
            )
        self.anneal_strategy = anneal_strategy
        self.cycle_momentum = cycle_momentum
        self.three_phase = three_phase
        rise = pct_start * self.total_steps
        self.phase_ends = [rise - 1, self.total_steps - 1]
        if three_phase:
            self.phase_ends.insert(1, 2 * rise - 2)

        max_lrs = numbers_per_group(op, "max_lr", max_lr, optimizer)
        if cycle_momentum:
            lows, highs = momentum_ranges(op, optimizer, base_momentum, max_momentum)
        if last_epoch == -1:
            for i, group in enumerate(optimizer.param_groups):
                group["initial_lr"] = max_lrs[i] / div_factor
                group["max_lr"] = max_lrs[i]
                group["min_lr"] = group["initial_lr"] / final_div_factor
                if cycle_momentum:
                    set_momentum(optimizer, group, highs[i])
                    group["base_momentum"] = lows[i]
                    group["max_momentum"] = highs[i]
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """See LRScheduler; also sets the momentum."""
        t = self.last_epoch
        if t > self.total_steps:
            raise ArgumentError(
                "OneCycleLR",
                "total_steps",
                expected=f"at most {self.total_steps} calls of step()",
                got=f"call {t}",
                hint="total_steps counts batches, not epochs",
            )
        start = 0.0
        i = 0
        while t > self.phase_ends[i] and i < len(self.phase_ends) - 1:
            start = self.phase_ends[i]
            i += 1
        part = _part(t, start, self.phase_ends[i])
        phases = (RISE, BACK, OUT) if self.three_phase else (RISE, FALL)
        lr0, lr1, momentum0, momentum1 = phases[i]

        rates = []
        for group in self.optimizer.param_groups:
            rates.append(self._between(group[lr0], group[lr1], part))
            if self.cycle_momentum:
                momentum = self._between(group[momentum0], group[momentum1], part)
                set_momentum(self.optimizer, group, momentum)
        return rates

    def _between(self, a: float, b: float, part: float) -> float:
        if self.anneal_strategy == "linear":
            return (b - a) * part + a
        return b + (a - b) / 2 * (math.cos(math.pi * part) + 1)


def _part(t: float, start: float, end: float) -> float:
    """How much of a phase has passed; a phase without length is over."""
    return (t - start) / (end - start) if end != start else 1.0


def _total_steps(total: int | None, epochs: int | None, steps_per_epoch: int | None) -> int:
    op = "OneCycleLR"
    if total is not None:
        return whole(op, "total_steps", total, 1)
    if epochs is None or steps_per_epoch is None:
        raise ArgumentError(
            op,
            "total_steps",
            expected="total_steps, or both epochs and steps_per_epoch",
            got=f"epochs={epochs}, steps_per_epoch={steps_per_epoch}",
            hint="steps_per_epoch=len(loader)",
        )
    return whole(op, "epochs", epochs, 1) * whole(op, "steps_per_epoch", steps_per_epoch, 1)
