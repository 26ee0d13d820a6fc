"""CyclicLR: the rate goes up and down between two bounds."""

from __future__ import annotations

import copy
import math
import types
from collections.abc import Callable
from typing import Any, ClassVar

from nnlite.errors import ArgumentError
from nnlite.optim.checks import number
from nnlite.optim.lr_scheduler.base import LRScheduler, check_optimizer, numbers_per_group
from nnlite.optim.lr_scheduler.momentum import momentum_ranges, set_momentum
from nnlite.optim.optimizer import Optimizer

MODES = ("triangular", "triangular2", "exp_range")


class CyclicLR(LRScheduler):
    """``lr = base_lr + (max_lr - base_lr) * h * scale``, where h goes from 0 to 1 and back.

    ``step()`` is called after each batch. In cycle c = 1, 2, ... and after t batches, scale is 1
    ("triangular"), ``1 / 2**(c - 1)`` ("triangular2"), ``gamma**t`` ("exp_range"), or what scale_fn
    returns. The momentum moves the other way, from max_momentum down to base_momentum.

    Args:
        optimizer: see LRScheduler.
        base_lr: lowest rate, or one per group.
        max_lr: highest rate, or one per group.
        step_size_up: batches of the rising half.
        step_size_down: batches of the falling half; None for step_size_up.
        mode: "triangular", "triangular2" or "exp_range"; ignored with a scale_fn.
        gamma: base of "exp_range".
        scale_fn: a function of c or t, see scale_mode.
        scale_mode: "cycle" to call scale_fn with c, "iterations" with t.
        cycle_momentum: whether to move momentum, or betas[0], too.
        base_momentum: lowest momentum, or one per group.
        max_momentum: highest momentum, or one per group.
        last_epoch: see LRScheduler; counts batches.

    Raises:
        DtypeError, ArgumentError: a value outside its range, or an optimizer without momentum.

    Source: Smith, "Cyclical Learning Rates for Training Neural Networks" (2017).
    """

    _unsaved: ClassVar[tuple[str, ...]] = ("optimizer", "_scale_fn")

    def __init__(
        self,
        optimizer: Optimizer,
        base_lr: float | list[float],
        max_lr: float | list[float],
        step_size_up: float = 2000,
        step_size_down: float | None = None,
        mode: str = "triangular",
        gamma: float = 1.0,
        scale_fn: Callable[[float], float] | None = None,
        scale_mode: str = "cycle",
        cycle_momentum: bool = True,
        base_momentum: float | list[float] = 0.8,
        max_momentum: float | list[float] = 0.9,
        last_epoch: int = -1,
    ) -> None:
        op = "CyclicLR"
        check_optimizer(op, optimizer)
        if mode not in MODES and scale_fn is None:
            raise _unknown("mode", MODES, mode)
        if scale_mode not in ("cycle", "iterations"):
            raise _unknown("scale_mode", ("cycle", "iterations"), scale_mode)
        base_lrs = numbers_per_group(op, "base_lr", base_lr, optimizer)
        self.max_lrs = numbers_per_group(op, "max_lr", max_lr, optimizer)
        up = number(op, "step_size_up", step_size_up, 0, above=True)
        down = up
        if step_size_down is not None:
            down = number(op, "step_size_down", step_size_down, 0, above=True)
        self.total_size = up + down
        self.step_ratio = up / self.total_size
        self.mode = mode
        self.gamma = number(op, "gamma", gamma, 0)
        self._scale_fn = scale_fn
        self.scale_mode = scale_mode
        if scale_fn is None:
            self.scale_mode = "iterations" if mode == "exp_range" else "cycle"
        self.cycle_momentum = cycle_momentum
        if cycle_momentum:
            self.base_momentums, self.max_momentums = momentum_ranges(
                op, optimizer, base_momentum, max_momentum
            )
        if last_epoch == -1:
            for i, group in enumerate(optimizer.param_groups):
                group["lr"] = base_lrs[i]
                if cycle_momentum:
                    set_momentum(optimizer, group, self.max_momentums[i])
                    group["base_momentum"] = self.base_momentums[i]
                    group["max_momentum"] = self.max_momentums[i]
        super().__init__(optimizer, last_epoch)
        self.base_lrs = base_lrs

    def scale_fn(self, x: float) -> float:
        """The factor of the height of cycle x, or of batch x."""
        if self._scale_fn is not None:
            return self._scale_fn(x)
        if self.mode == "triangular":
            return 1.0
        return float(0.5 ** (x - 1) if self.mode == "triangular2" else self.gamma**x)

    def get_lr(self) -> list[float]:
        """See LRScheduler; also sets the momentum."""
        cycle = math.floor(1 + self.last_epoch / self.total_size)
        x = 1.0 + self.last_epoch / self.total_size - cycle
        height = x / self.step_ratio if x <= self.step_ratio else (x - 1) / (self.step_ratio - 1)
        height *= self.scale_fn(cycle if self.scale_mode == "cycle" else self.last_epoch)
        if self.cycle_momentum:
            for group, low, high in zip(
                self.optimizer.param_groups, self.base_momentums, self.max_momentums, strict=True
            ):
                set_momentum(self.optimizer, group, high - (high - low) * height)
        return [
            low + (high - low) * height
            for low, high in zip(self.base_lrs, self.max_lrs, strict=True)
        ]

    def state_dict(self) -> dict[str, Any]:
        """All but the optimizer; of scale_fn, the attributes if it is a callable object."""
        attributes = None
        if self._scale_fn is not None and not isinstance(self._scale_fn, types.FunctionType):
            attributes = copy.deepcopy(vars(self._scale_fn))
        return {**super().state_dict(), "scale_fn": attributes}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """As LRScheduler's; attributes of a callable scale_fn are loaded into this one's."""
        self._check_keys(state_dict, self.state_dict())
        rest = copy.deepcopy(dict(state_dict))
        attributes = rest.pop("scale_fn")
        if attributes is not None:
            vars(self._scale_fn).update(attributes)
        vars(self).update(rest)


def _unknown(argument: str, known: tuple[str, ...], got: object) -> ArgumentError:
    return ArgumentError(
        "CyclicLR",
        argument,
        expected="one of " + ", ".join(repr(name) for name in known),
        got=repr(got),
        hint=f"{argument}={known[0]!r} is the default",
    )
