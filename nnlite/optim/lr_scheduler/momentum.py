"""Momentum that is scheduled along with the rate: ``momentum``, or Adam's ``betas[0]``."""

from __future__ import annotations

from typing import Any

from nnlite.errors import ArgumentError
from nnlite.optim.lr_scheduler.base import numbers_per_group
from nnlite.optim.optimizer import Optimizer


def momentum_ranges(
    op: str, optimizer: Optimizer, base_momentum: Any, max_momentum: Any
) -> tuple[list[float], list[float]]:
    """The lowest and the highest momentum of each group.

    Raises:
        ArgumentError: the optimizer has neither momentum nor betas.
        DtypeError, ArgumentError: the values are no numbers >= 0, one or one per group.
    """
    if "momentum" not in optimizer.defaults and "betas" not in optimizer.defaults:
        raise ArgumentError(
            op,
            "cycle_momentum",
            expected="an optimizer with momentum or betas",
            got=type(optimizer).__name__,
            hint="pass cycle_momentum=False",
        )
    return (
        numbers_per_group(op, "base_momentum", base_momentum, optimizer),
        numbers_per_group(op, "max_momentum", max_momentum, optimizer),
    )


def set_momentum(optimizer: Optimizer, group: dict[str, Any], momentum: float) -> None:
    """Set the momentum of a group of this optimizer."""
    if "betas" in optimizer.defaults:
        group["betas"] = (momentum, *group["betas"][1:])
    else:
        group["momentum"] = momentum
