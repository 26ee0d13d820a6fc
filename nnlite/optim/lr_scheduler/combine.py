"""Several schedules on one optimizer: all at once, or one after the other."""

from __future__ import annotations

import copy
from bisect import bisect_right
from collections.abc import Sequence
from typing import Any, ClassVar

from nnlite.autograd.tape import retraced
from nnlite.errors import ArgumentError, DtypeError
from nnlite.optim.checks import whole
from nnlite.optim.lr_scheduler.base import LRScheduler, check_optimizer
from nnlite.optim.lr_scheduler.plateau import ReduceLROnPlateau
from nnlite.optim.optimizer import Optimizer


class _Combined(LRScheduler):
    _unsaved: ClassVar[tuple[str, ...]] = ("optimizer", "_schedulers")
    _schedulers: list[LRScheduler]

    def state_dict(self) -> dict[str, Any]:
        """The states of the schedulers, and where this one stands."""
        states = [scheduler.state_dict() for scheduler in self._schedulers]
        return {**super().state_dict(), "_schedulers": states}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """As LRScheduler's, for each of the schedulers."""
        self._check_keys(state_dict, self.state_dict())
        rest = dict(state_dict)
        pairs = list(zip(self._schedulers, rest.pop("_schedulers"), strict=True))
        for scheduler, state in pairs:
            scheduler._check_keys(state, scheduler.state_dict())
        for scheduler, state in pairs:
            scheduler.load_state_dict(state)
        vars(self).update(copy.deepcopy(rest))


class ChainedScheduler(_Combined):
    """Calls ``step()`` of each of its schedulers: the product of what they do.

    Args:
        schedulers: schedulers of one optimizer, at least one.
        optimizer: that optimizer; may be left out.

    Raises:
        DtypeError: something else than schedulers.
        ArgumentError: none, of different optimizers, or a ReduceLROnPlateau, whose step needs a
            value.
    """

    def __init__(
        self, schedulers: Sequence[LRScheduler], optimizer: Optimizer | None = None
    ) -> None:
        op = "ChainedScheduler"
        self._schedulers = _check_schedulers(op, schedulers, optimizer)
        self.optimizer = self._schedulers[0].optimizer
        self._last_lr = self._rates()

    def _initial_step(self) -> None:
        self._go_to()

    def _go_to(self, epoch: int | None = None) -> None:
        for scheduler in self._schedulers:
            scheduler._go_to(epoch)
        self._last_lr = self._rates()

    @retraced
    def step(self) -> None:  # type: ignore[override]
        """Step each of the schedulers."""
        for scheduler in self._schedulers:
            scheduler.step()
        self._last_lr = self._rates()


class SequentialLR(_Combined):
    """Runs one schedule after the other, each starting at its milestone.

    Args:
        optimizer: the optimizer of all of them.
        schedulers: the schedules, in order.
        milestones: epochs at which the second, third, ... begins.
        last_epoch: see LRScheduler.

    Raises:
        DtypeError: something else than schedulers.
        ArgumentError: as ChainedScheduler, or not one milestone fewer than schedulers, or
            milestones out of order.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        schedulers: Sequence[LRScheduler],
        milestones: Sequence[int],
        last_epoch: int = -1,
    ) -> None:
        op = "SequentialLR"
        self.optimizer = check_optimizer(op, optimizer)
        self._schedulers = _check_schedulers(op, schedulers, optimizer)
        self._milestones = [whole(op, "milestones", m, 0) for m in milestones]
        if len(self._milestones) != len(self._schedulers) - 1:
            raise ArgumentError(
                op,
                "milestones",
                expected=f"{len(self._schedulers) - 1}: one fewer than schedulers",
                got=str(len(self._milestones)),
                hint="the first schedule begins at once",
            )
        if sorted(self._milestones) != self._milestones:
            raise ArgumentError(
                op,
                "milestones",
                expected="rising epochs",
                got=str(self._milestones),
                hint="sort them, together with the schedulers",
            )
        if any(isinstance(scheduler, _Combined) for scheduler in self._schedulers[1:]):
            raise ArgumentError(
                op,
                "schedulers",
                expected="a ChainedScheduler or SequentialLR in the first place only",
                got="one that begins at a milestone",
                hint="it cannot be started anew; list its parts one by one",
            )
        self.last_epoch = last_epoch + 1
        # Each scheduler has set its own first rates when it was made: all that is taken back, and
        # only the one that begins sets them again.
        for group in optimizer.param_groups:
            group["lr"] = group["initial_lr"]
        self._undo(self)
        first = self._schedulers[bisect_right(self._milestones, 0)]
        first._initial_step()
        self._last_lr = first.get_last_lr()

    def _undo(self, scheduler: LRScheduler) -> None:
        if isinstance(scheduler, _Combined):
            for part in scheduler._schedulers:
                self._undo(part)
        else:
            scheduler.last_epoch -= 1

    @retraced
    def step(self) -> None:  # type: ignore[override]
        """Step the schedule whose turn it is."""
        self.last_epoch += 1
        i = bisect_right(self._milestones, self.last_epoch)
        scheduler = self._schedulers[i]
        if i > 0 and self._milestones[i - 1] == self.last_epoch:
            scheduler._go_to(0)
        else:
            scheduler.step()
        self._last_lr = scheduler.get_last_lr()


def _check_schedulers(
    op: str, schedulers: Sequence[LRScheduler], optimizer: Optimizer | None
) -> list[LRScheduler]:
    found = list(schedulers)
    problem = "" if found else "none"
    for i, scheduler in enumerate(found):
        if not isinstance(scheduler, LRScheduler):
            raise DtypeError(
                op,
                f"schedulers[{i}]",
                expected="a scheduler",
                got=type(scheduler).__name__,
                hint="make each of them first, with the same optimizer",
            )
        if isinstance(scheduler, ReduceLROnPlateau):
            problem = problem or f"a ReduceLROnPlateau, schedulers[{i}], whose step needs a value"
        elif scheduler.optimizer is not (optimizer or found[0].optimizer):
            problem = problem or f"one of another optimizer, schedulers[{i}]"
    if problem:
        raise ArgumentError(
            op,
            "schedulers",
            expected="schedulers of the same optimizer, at least one",
            got=problem,
            hint="step a ReduceLROnPlateau by itself",
        )
    return found
