"""Cosine schedules. lr0 is the initial rate, t the epoch."""

from __future__ import annotations

import math

from nnlite.autograd.tape import retraced
from nnlite.errors import ArgumentError
from nnlite.optim.checks import number, whole
from nnlite.optim.lr_scheduler.base import LRScheduler
from nnlite.optim.optimizer import Optimizer


class CosineAnnealingLR(LRScheduler):
    """``lr = eta_min + (lr0 - eta_min) * (1 + cos(pi * t / T_max)) / 2``.

    After epoch T_max the rate rises again, with period 2 * T_max.

    Args:
        optimizer: see LRScheduler.
        T_max: epoch of the lowest rate, >= 1.
        eta_min: lowest rate.
        last_epoch: see LRScheduler.

    Raises:
        DtypeError, ArgumentError: a value outside its range.

    Source: Loshchilov and Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts" (2017),
    without the restarts.
    """

    def __init__(
        self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1
    ) -> None:
        self.T_max = whole("CosineAnnealingLR", "T_max", T_max, 1)
        self.eta_min = number("CosineAnnealingLR", "eta_min", eta_min, 0)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """See LRScheduler."""
        t, T, low = self.last_epoch, self.T_max, self.eta_min
        if self._is_initial:
            return self._rates()
        if (t - 1 - T) % (2 * T) == 0:  # the last rate was eta_min, nothing to scale
            rise = (1 - math.cos(math.pi / T)) / 2
            return [
                lr + (base - low) * rise
                for lr, base in zip(self._rates(), self.base_lrs, strict=True)
            ]
        factor = (1 + math.cos(math.pi * t / T)) / (1 + math.cos(math.pi * (t - 1) / T))
        return [factor * (lr - low) + low for lr in self._rates()]

    def closed_form_lr(self) -> list[float]:
        """See LRScheduler."""
        half = (1 + math.cos(math.pi * self.last_epoch / self.T_max)) / 2
        return [self.eta_min + (base - self.eta_min) * half for base in self.base_lrs]


class CosineAnnealingWarmRestarts(LRScheduler):
    """A cosine from lr0 down to eta_min that starts anew, each time T_mult times longer.

    ``lr = eta_min + (lr0 - eta_min) * (1 + cos(pi * T_cur / T_i)) / 2``, where T_cur counts the
    epochs since the last restart and T_i is the length of the present cosine.

    Args:
        optimizer: see LRScheduler.
        T_0: length of the first cosine, >= 1.
        T_mult: factor of the lengths, >= 1.
        eta_min: lowest rate.
        last_epoch: see LRScheduler.

    Raises:
        DtypeError, ArgumentError: a value outside its range.

    Source: Loshchilov and Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts" (2017).
    """

    def __init__(
        self,
        optimizer: Optimizer,
        T_0: int,
        T_mult: int = 1,
        eta_min: float = 0.0,
        last_epoch: int = -1,
    ) -> None:
        op = "CosineAnnealingWarmRestarts"
        self.T_0 = self.T_i = whole(op, "T_0", T_0, 1)
        self.T_mult = whole(op, "T_mult", T_mult, 1)
        self.eta_min = number(op, "eta_min", eta_min, 0)
        self.T_cur: float = last_epoch
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """See LRScheduler."""
        half = (1 + math.cos(math.pi * self.T_cur / self.T_i)) / 2
        return [self.eta_min + (base - self.eta_min) * half for base in self.base_lrs]

    @retraced
    def step(self, epoch: float | None = None) -> None:
        """Go to the next epoch, or to a given one, which may be fractional: ``epoch + i / n``.

        Raises:
            ArgumentError: a negative epoch.
        """
        if epoch is None and self.last_epoch < 0:
            epoch = 0
        if epoch is None:
            epoch = self.last_epoch + 1
            self.T_cur += 1
            if self.T_cur >= self.T_i:
                self.T_cur %= self.T_i
                self.T_i *= self.T_mult
        else:
            self._restart_at(epoch)
        self.last_epoch = math.floor(epoch)
        self._set(self.get_lr())

    def _go_to(self, epoch: int | None = None) -> None:
        if epoch is None:
            self.step()
        else:
            super()._go_to(epoch)

    def _restart_at(self, epoch: float) -> None:
        """T_cur and T_i of an epoch: restart n comes at T_0 * (1 + T_mult + ... T_mult**(n-1))."""
        if not epoch >= 0:
            raise ArgumentError(
                "CosineAnnealingWarmRestarts",
                "epoch",
                expected="a number >= 0",
                got=repr(epoch),
                hint="leave it out to go to the next epoch",
            )
        if epoch < self.T_0:
            self.T_i = self.T_0
            self.T_cur = epoch
        elif self.T_mult == 1:
            self.T_cur = epoch % self.T_0
        else:
            n = int(math.log(epoch / self.T_0 * (self.T_mult - 1) + 1, self.T_mult))
            self.T_i = self.T_0 * self.T_mult**n
            self.T_cur = epoch - self.T_0 * (self.T_mult**n - 1) / (self.T_mult - 1)
