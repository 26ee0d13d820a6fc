"""Schedules of the learning rate, by PyTorch's names. Read base.py first, then decay.py."""

from nnlite.optim.lr_scheduler.base import LRScheduler
from nnlite.optim.lr_scheduler.combine import ChainedScheduler, SequentialLR
from nnlite.optim.lr_scheduler.cosine import CosineAnnealingLR, CosineAnnealingWarmRestarts
from nnlite.optim.lr_scheduler.cyclic import CyclicLR
from nnlite.optim.lr_scheduler.decay import (
    ConstantLR,
    ExponentialLR,
    LinearLR,
    MultiStepLR,
    PolynomialLR,
    StepLR,
)
from nnlite.optim.lr_scheduler.functional import LambdaLR, MultiplicativeLR
from nnlite.optim.lr_scheduler.one_cycle import OneCycleLR
from nnlite.optim.lr_scheduler.plateau import ReduceLROnPlateau

__all__ = [
    "ChainedScheduler",
    "ConstantLR",
    "CosineAnnealingLR",
    "CosineAnnealingWarmRestarts",
    "CyclicLR",
    "ExponentialLR",
    "LRScheduler",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
    "MultiplicativeLR",
    "OneCycleLR",
    "PolynomialLR",
    "ReduceLROnPlateau",
    "SequentialLR",
    "StepLR",
]
