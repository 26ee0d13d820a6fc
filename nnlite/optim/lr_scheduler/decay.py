"""Schedules that lower the rate by steps, lines and powers. lr0 is the initial rate, t the epoch.

Each computes the next rate from the present one (``get_lr``), which lets schedules be combined;
the docstrings give the rate as a function of t, as in ``closed_form_lr``.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable

from nnlite.optim.checks import number, whole
from nnlite.optim.lr_scheduler.base import LRScheduler
from nnlite.optim.optimizer import Optimizer


class StepLR(LRScheduler):
    """``lr = lr0 * gamma**(t // step_size)``.

    Args:
        optimizer: see LRScheduler.
        step_size: epochs between two drops, >= 1.
        gamma: factor of a drop, >= 0.
        last_epoch: see LRScheduler.

    Raises:
        DtypeError, ArgumentError: a value outside its range.
    """

    def __init__(
        self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        self.step_size = whole("StepLR", "step_size", step_size, 1)
        self.gamma = number("StepLR", "gamma", gamma, 0)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """See LRScheduler."""
        drop = self.last_epoch != 0 and self.last_epoch % self.step_size == 0
        return [lr * self.gamma if drop else lr for lr in self._rates()]

    def closed_form_lr(self) -> list[float]:
        """See LRScheduler."""
        factor = self.gamma ** (self.last_epoch // self.step_size)
        return [base * factor for base in self.base_lrs]


class MultiStepLR(LRScheduler):
    """``lr = lr0 * gamma**(number of milestones <= t)``.

    Args:
        optimizer: see LRScheduler.
        milestones: epochs of the drops, in any order; one given twice counts twice.
        gamma: factor of a drop, >= 0.
        last_epoch: see LRScheduler.

    Raises:
        DtypeError, ArgumentError: a value outside its range.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        milestones: Iterable[int],
        gamma: float = 0.1,
        last_epoch: int = -1,
    ) -> None:
        self.milestones = sorted(whole("MultiStepLR", "milestones", m, 0) for m in milestones)
        self.gamma = number("MultiStepLR", "gamma", gamma, 0)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """See LRScheduler."""
        factor = self.gamma ** self.milestones.count(self.last_epoch)
        return [lr * factor for lr in self._rates()]

    def closed_form_lr(self) -> list[float]:
        """See LRScheduler."""
        factor = self.gamma ** bisect_right(self.milestones, self.last_epoch)
        return [base * factor for base in self.base_lrs]


class ConstantLR(LRScheduler):
    """``lr = lr0 * factor`` before epoch total_iters, then ``lr0``.

    Args:
        optimizer: see LRScheduler.
        factor: in (0, 1].
        total_iters: epochs with the factor, >= 0.
        last_epoch: see LRScheduler.

    Raises:
        DtypeError, ArgumentError: a value outside its range.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        factor: float = 1 / 3,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        # PyTorch takes 0 too, and divides by it at the end.
        self.factor = number("ConstantLR", "factor", factor, 0, 1, above=True)
        self.total_iters = whole("ConstantLR", "total_iters", total_iters, 0)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """See LRScheduler."""
        if self.last_epoch == 0:
            return [lr * self.factor for lr in self._rates()]
        back = 1 / self.factor if self.last_epoch == self.total_iters else 1.0
        return [lr * back for lr in self._rates()]

    def closed_form_lr(self) -> list[float]:
        """See LRScheduler."""
        factor = 1.0 if self.last_epoch >= self.total_iters else self.factor
        return [base * factor for base in self.base_lrs]


class LinearLR(LRScheduler):
    """From ``lr0 * start_factor`` in a line to ``lr0 * end_factor`` at epoch total_iters.

    Args:
        optimizer: see LRScheduler.
        start_factor: in (0, 1].
        end_factor: in [0, 1].
        total_iters: length of the line, >= 1.
        last_epoch: see LRScheduler.

    Raises:
        DtypeError, ArgumentError: a value outside its range.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        start_factor: float = 1 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        self.start_factor = number("LinearLR", "start_factor", start_factor, 0, 1, above=True)
        self.end_factor = number("LinearLR", "end_factor", end_factor, 0, 1)
        self.total_iters = whole("LinearLR", "total_iters", total_iters, 1)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """See LRScheduler."""
        if self.last_epoch == 0:
            return [lr * self.start_factor for lr in self._rates()]
        if self._is_initial or self.last_epoch > self.total_iters:
            return self._rates()
        rise = self.end_factor - self.start_factor
        before = self.total_iters * self.start_factor + (self.last_epoch - 1) * rise
        return [lr * (1 + rise / before) for lr in self._rates()]

    def closed_form_lr(self) -> list[float]:
        """See LRScheduler."""
        done = min(self.total_iters, self.last_epoch) / self.total_iters
        factor = self.start_factor + (self.end_factor - self.start_factor) * done
        return [base * factor for base in self.base_lrs]


class ExponentialLR(LRScheduler):
    """``lr = lr0 * gamma**t``.

    Args:
        optimizer: see LRScheduler.
        gamma: factor of each epoch, >= 0.
        last_epoch: see LRScheduler.

    Raises:
        DtypeError, ArgumentError: a value outside its range.
    """

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1) -> None:
        self.gamma = number("ExponentialLR", "gamma", gamma, 0)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """See LRScheduler."""
        return [lr if self._is_initial else lr * self.gamma for lr in self._rates()]

    def closed_form_lr(self) -> list[float]:
        """See LRScheduler."""
        return [base * self.gamma**self.last_epoch for base in self.base_lrs]


class PolynomialLR(LRScheduler):
    """``lr = lr0 * (1 - t / total_iters)**power``, and 0 from epoch total_iters on.

    Args:
        optimizer: see LRScheduler.
        total_iters: length of the decay, >= 1.
        power: >= 0.
        last_epoch: see LRScheduler.

    Raises:
        DtypeError, ArgumentError: a value outside its range.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        total_iters: int = 5,
        power: float = 1.0,
        last_epoch: int = -1,
    ) -> None:
        self.total_iters = whole("PolynomialLR", "total_iters", total_iters, 1)
        self.power = number("PolynomialLR", "power", power, 0)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """See LRScheduler."""
        if self._is_initial or self.last_epoch > self.total_iters:
            return self._rates()
        left = 1 - self.last_epoch / self.total_iters
        before = 1 - (self.last_epoch - 1) / self.total_iters
        return [lr * (left / before) ** self.power for lr in self._rates()]

    def closed_form_lr(self) -> list[float]:
        """See LRScheduler."""
        left = 1 - min(self.total_iters, self.last_epoch) / self.total_iters
        return [base * left**self.power for base in self.base_lrs]
