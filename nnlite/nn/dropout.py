"""Dropout layers: active in training mode, the identity in evaluation mode."""

from __future__ import annotations

from typing import Any

from nnlite.autograd.tensor import Tensor
from nnlite.nn.module import Module
from nnlite.ops import dropout as ops

__all__ = ["Dropout", "Dropout2d"]


class Dropout(Module):
    """Sets elements to 0 with probability p while training; see ``nn.functional.dropout``.

    Raises:
        ArgumentError: p outside [0, 1].
    """

    drop: Any = staticmethod(ops.dropout)

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        ops.check_probability(type(self).__name__, p)
        self.p = p
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        out: Tensor = self.drop(input, self.p, self.training, self.inplace)
        return out

    def extra_repr(self) -> str:
        return f"p={self.p}, inplace={self.inplace}"


class Dropout2d(Dropout):
    """Sets whole channels to 0 with probability p while training; see ``dropout2d``."""

    drop = staticmethod(ops.dropout2d)
