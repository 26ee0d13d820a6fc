"""The L1 penalty as a layer."""

from __future__ import annotations

from nnlite.autograd.tensor import Tensor
from nnlite.nn.module import Module
from nnlite.ops.l1_penalty import check_l1_penalty, l1_penalty

__all__ = ["L1Penalty"]


class L1Penalty(Module):
    """The input unchanged; in training, backward adds weight * sign(input) to its gradient.

    Put it behind the layer whose outputs are to be sparse. In evaluation mode it does nothing, so
    that gradients taken there are those of the network alone. See ``nn.functional.l1_penalty``.

    Args:
        weight: strength of the penalty, at least 0.
        scale: "sum", "mean", "batch_mean" or a whole number: what weight is divided by.

    Raises:
        ArgumentError: a weight that is negative or not finite; another scale.
    """

    def __init__(self, weight: float, scale: str | int = "sum") -> None:
        super().__init__()
        check_l1_penalty("L1Penalty", weight, scale)
        self.weight = weight
        self.scale = scale

    def forward(self, input: Tensor) -> Tensor:
        return l1_penalty(input, self.weight, self.scale) if self.training else input

    def extra_repr(self) -> str:
        return f"weight={self.weight}, scale={self.scale!r}"
