"""LRScheduler: what all schedules share."""

from __future__ import annotations

import copy
import warnings
from typing import Any, ClassVar

from nnlite.autograd.tape import retraced
from nnlite.errors import ArgumentError, DtypeError, StateDictError
from nnlite.optim.checks import number, plain
from nnlite.optim.optimizer import Optimizer


class LRScheduler:
    """Sets ``group["lr"]`` of each parameter group; call ``step()`` after each epoch.

    A schedule is a subclass with ``get_lr``, the rates for ``self.last_epoch``. Most compute them
    from the present ones, so that several schedules can act on one optimizer.

    Args:
        optimizer: whose groups are scheduled. Each group's rate is remembered in it as
            ``group["initial_lr"]``.
        last_epoch: -1 to start; otherwise go on after that epoch, with groups that were loaded
            from a state_dict.

    Attributes:
        last_epoch: number of steps done since the start.
        base_lrs: the rates at the start, one per group.

    Raises:
        DtypeError: optimizer is no Optimizer.
        ArgumentError: last_epoch >= 0, but a group has no "initial_lr".
    """

    _unsaved: ClassVar[tuple[str, ...]] = ("optimizer",)

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        self.optimizer = check_optimizer(type(self).__name__, optimizer)
        for i, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", plain(group["lr"]))
            elif "initial_lr" not in group:
                raise ArgumentError(
                    type(self).__name__,
                    "last_epoch",
                    expected="-1, or groups that a scheduler has seen before",
                    got=f"{last_epoch}, but param_groups[{i}] has no 'initial_lr'",
                    hint="load the optimizer's state_dict first, or leave last_epoch out",
                )
        self.base_lrs: list[float] = [group["initial_lr"] for group in optimizer.param_groups]
        self.last_epoch = last_epoch
        self._initial_step()

    def _initial_step(self) -> None:
        """Set the rates of the first epoch."""
        self._step_count = 0
        self._is_initial = True
        self.step()
        self._is_initial = False

    def get_lr(self) -> list[float]:
        """The rates for ``last_epoch``, one per group; for subclasses, not for users."""
        raise NotImplementedError

    def closed_form_lr(self) -> list[float]:
        """The rates for ``last_epoch`` without reference to the present ones.

        ``get_lr`` where a schedule has no such form.
        """
        return self.get_lr()

    def get_last_lr(self) -> list[float]:
        """The rates set by the last step, one per group."""
        return list(self._last_lr)

    @retraced
    def step(self, epoch: int | None = None) -> None:
        """Go to the next epoch and set its rates.

        Args:
            epoch: go to this one instead (PyTorch's old form).

        Warns:
            UserWarning: on the first call, when the optimizer has made no step yet: the first rate
                of the schedule would be skipped.
        """
        started = self.optimizer._stepped or type(self.optimizer).step is not Optimizer.step
        if self._step_count == 1 and not started:
            warnings.warn(
                f"{type(self).__name__}.step() was called before optimizer.step(): the first "
                "learning rate of the schedule is skipped. Call optimizer.step() first.",
                UserWarning,
                stacklevel=2,
            )
        self._step_count += 1
        self._go_to(epoch)

    def _go_to(self, epoch: int | None = None) -> None:
        if epoch is None:
            self.last_epoch += 1
            rates = self.get_lr()
        else:
            self.last_epoch = epoch
            rates = self.closed_form_lr()
        self._set(rates)

    def _set(self, rates: list[float]) -> None:
        groups = self.optimizer.param_groups
        if len(rates) != len(groups):
            raise ArgumentError(
                type(self).__name__,
                "optimizer",
                expected=f"{len(rates)} parameter groups, as when the scheduler was made",
                got=str(len(groups)),
                hint="make a new scheduler after add_param_group",
            )
        for group, lr in zip(groups, rates, strict=True):
            group["lr"] = plain(lr)
        self._last_lr = self._rates()

    def _rates(self) -> list[float]:
        return [plain(group["lr"]) for group in self.optimizer.param_groups]

    def state_dict(self) -> dict[str, Any]:
        """All but the optimizer, as copies."""
        return {
            name: copy.deepcopy(value)
            for name, value in vars(self).items()
            if name not in self._unsaved
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over the state of a scheduler of the same class.

        The rates themselves are in the optimizer's state_dict.

        Raises:
            StateDictError: its entries are not those of this class; nothing is changed.
        """
        self._check_keys(state_dict, self.state_dict())
        vars(self).update(copy.deepcopy(dict(state_dict)))

    def _check_keys(self, state_dict: Any, own: dict[str, Any]) -> None:
        if not isinstance(state_dict, dict) or state_dict.keys() != own.keys():
            found = set(state_dict) if isinstance(state_dict, dict) else set()
            missing, unexpected = sorted(own.keys() - found), sorted(found - own.keys())
            raise StateDictError(
                type(self).__name__,
                "state_dict",
                expected=f"one saved by a {type(self).__name__}",
                got=f"missing {missing}, unexpected {unexpected}",
                hint="load it into a scheduler made with the same arguments",
            )


def check_optimizer(op: str, optimizer: Any) -> Optimizer:
    """The optimizer, if it is one.

    Raises:
        DtypeError: it is not.
    """
    if not isinstance(optimizer, Optimizer):
        raise DtypeError(
            op,
            "optimizer",
            expected="an nnlite optimizer",
            got=type(optimizer).__name__,
            hint="optimizer = nnlite.optim.SGD(model.parameters(), lr=0.1)",
        )
    return optimizer


def per_group(op: str, argument: str, value: Any, optimizer: Optimizer) -> list[Any]:
    """One value for each group, from a list of them or from a single one.

    Raises:
        ArgumentError: a list of another length.
    """
    groups = len(optimizer.param_groups)
    if not isinstance(value, (list, tuple)):
        return [value] * groups
    if len(value) != groups:
        raise ArgumentError(
            op,
            argument,
            expected=f"one value, or {groups}: one per parameter group",
            got=str(len(value)),
            hint="the order is that of optimizer.param_groups",
        )
    return list(value)


def numbers_per_group(
    op: str, argument: str, value: Any, optimizer: Optimizer, low: float = 0.0
) -> list[float]:
    """``per_group`` for finite numbers >= low.

    Raises:
        DtypeError, ArgumentError: not numbers, or too low.
    """
    return [number(op, argument, item, low) for item in per_group(op, argument, value, optimizer)]
