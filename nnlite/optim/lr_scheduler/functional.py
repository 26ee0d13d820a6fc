"""Schedules given by functions of the user: LambdaLR, MultiplicativeLR."""

from __future__ import annotations

import copy
import types
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from nnlite.errors import DtypeError
from nnlite.optim.lr_scheduler.base import LRScheduler, check_optimizer, per_group
from nnlite.optim.optimizer import Optimizer

Factor = Callable[[int], float]


class _ByFunction(LRScheduler):
    _unsaved: ClassVar[tuple[str, ...]] = ("optimizer", "lr_lambdas")

    def __init__(
        self, optimizer: Optimizer, lr_lambda: Factor | Sequence[Factor], last_epoch: int = -1
    ) -> None:
        op = type(self).__name__
        functions = per_group(op, "lr_lambda", lr_lambda, check_optimizer(op, optimizer))
        for function in functions:
            if not callable(function):
                raise DtypeError(
                    op,
                    "lr_lambda",
                    expected="a function of the epoch, or one per group",
                    got=type(function).__name__,
                    hint="lr_lambda=lambda epoch: 0.95 ** epoch",
                )
        self.lr_lambdas: list[Factor] = functions
        super().__init__(optimizer, last_epoch)

    def state_dict(self) -> dict[str, Any]:
        """All but the optimizer; of the functions, only the attributes of callable objects."""
        attributes = [
            None
            if isinstance(function, (types.FunctionType, types.BuiltinFunctionType))
            else copy.deepcopy(vars(function))
            for function in self.lr_lambdas
        ]
        return {**super().state_dict(), "lr_lambdas": attributes}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """As LRScheduler's; attributes of callable objects are loaded into this one's."""
        self._check_keys(state_dict, self.state_dict())
        rest = copy.deepcopy(dict(state_dict))
        for function, attributes in zip(self.lr_lambdas, rest.pop("lr_lambdas"), strict=True):
            if attributes is not None:
                vars(function).update(attributes)
        vars(self).update(rest)


class LambdaLR(_ByFunction):
    """``lr = initial_lr * f(epoch)``.

    Args:
        optimizer: see LRScheduler.
        lr_lambda: f, or a list of one function per group.
        last_epoch: see LRScheduler.

    Raises:
        DtypeError: lr_lambda is no function.
        ArgumentError: a list of another length than the groups.
    """

    def get_lr(self) -> list[float]:
        """See LRScheduler."""
        return [
            base * f(self.last_epoch)
            for base, f in zip(self.base_lrs, self.lr_lambdas, strict=True)
        ]


class MultiplicativeLR(_ByFunction):
    """``lr = lr * f(epoch)`` from the second epoch on.

    Args and errors: as LambdaLR's.
    """

    def get_lr(self) -> list[float]:
        """See LRScheduler."""
        if self._is_initial:
            return self._rates()
        return [
            lr * f(self.last_epoch) for lr, f in zip(self._rates(), self.lr_lambdas, strict=True)
        ]
