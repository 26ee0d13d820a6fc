"""ReduceLROnPlateau: lower the rate when a measured value stops improving."""

from __future__ import annotations

import math
from typing import Any

from nnlite.autograd.tape import refuse_reading
from nnlite.errors import ArgumentError
from nnlite.optim.checks import number, plain, whole
from nnlite.optim.lr_scheduler.base import (
    LRScheduler,
    check_optimizer,
    numbers_per_group,
)
from nnlite.optim.optimizer import Optimizer


class ReduceLROnPlateau(LRScheduler):
    """``lr = max(lr * factor, min_lr)`` after more than patience epochs without improvement.

    Args:
        optimizer: whose groups are scheduled.
        mode: "min" where lower values are better (a loss), "max" where higher ones are.
        factor: of the rate, in [0, 1).
        patience: epochs without improvement that are still tolerated.
        threshold: smallest improvement that counts.
        threshold_mode: "rel" for a fraction of the best value, "abs" for a difference.
        cooldown: epochs after a drop in which nothing is counted.
        min_lr: lowest rate, or one per group.
        eps: a smaller drop than this is not made.

    Raises:
        DtypeError, ArgumentError: a value outside its range.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: float | list[float] = 0,
        eps: float = 1e-8,
    ) -> None:
        op = "ReduceLROnPlateau"
        self.optimizer = check_optimizer(op, optimizer)
        for argument, value, known in (
            ("mode", mode, ("min", "max")),
            ("threshold_mode", threshold_mode, ("rel", "abs")),
        ):
            if value not in known:
                raise ArgumentError(
                    op,
                    argument,
                    expected=f"{known[0]!r} or {known[1]!r}",
                    got=repr(value),
                    hint=f"{known[0]!r} is the default",
                )
        self.mode = mode
        self.factor = number(op, "factor", factor, 0, 1, below=True)
        self.patience = whole(op, "patience", patience, 0)
        self.threshold = number(op, "threshold", threshold, 0)
        self.threshold_mode = threshold_mode
        self.cooldown = whole(op, "cooldown", cooldown, 0)
        self.min_lrs = numbers_per_group(op, "min_lr", min_lr, optimizer)
        self.eps = number(op, "eps", eps, 0)

        self.last_epoch = 0
        self.best = math.inf if mode == "min" else -math.inf
        self.num_bad_epochs = 0
        self.cooldown_counter = 0
        self._last_lr = self._rates()

    @property
    def in_cooldown(self) -> bool:
        """Whether the last drop is too recent to count bad epochs."""
        return self.cooldown_counter > 0

    def is_better(self, value: float) -> bool:
        """Whether a value improves on the best one; NaN never does."""
        sign = 1.0 if self.mode == "max" else -1.0
        if self.threshold_mode == "rel":
            bound = self.best * (1 + sign * self.threshold)
        else:
            bound = self.best + sign * self.threshold
        return value > bound if self.mode == "max" else value < bound

    def step(self, metrics: Any, epoch: int | None = None) -> None:  # type: ignore[override]
        """Count an epoch with the value that it reached.

        Args:
            metrics: a number, or a one-element Tensor.
            epoch: the number of this epoch, instead of the next.
        """
        refuse_reading("ReduceLROnPlateau.step")
        value = float(plain(metrics))
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        if self.is_better(value):
            self.best = value
            self.num_bad_epochs = 0
        else:
            self.num_bad_epochs += 1
        if self.in_cooldown:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        rates = self._rates()
        if self.num_bad_epochs > self.patience:
            rates = self._reduced(rates)
            self.cooldown_counter = self.cooldown
            self.num_bad_epochs = 0
        self._set(rates)

    def _reduced(self, rates: list[float]) -> list[float]:
        if len(self.min_lrs) != len(rates) and len(set(self.min_lrs)) == 1:
            self.min_lrs = self.min_lrs[:1] * len(rates)  # a group was added since
        lower = numbers_per_group(type(self).__name__, "min_lr", self.min_lrs, self.optimizer)
        reduced = [max(lr * self.factor, low) for lr, low in zip(rates, lower, strict=True)]
        return [
            new if old - new > self.eps else old for old, new in zip(rates, reduced, strict=True)
        ]
