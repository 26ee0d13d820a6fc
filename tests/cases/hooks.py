"""Cases of the op that backward hooks are built on."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from nnlite import nn
from nnlite.nn.hooks import Boundary
from tests.cases.base import OpCase, Sample


def _hooked(base: Any) -> Any:
    class Product(base.Module):  # type: ignore[name-defined, misc]
        def forward(self, a: Any, b: Any) -> Any:
            return a * b, a

    module = Product()
    module.register_full_backward_hook(
        lambda module, gx, gy: tuple(None if g is None else g * 3 for g in gx)
    )
    return module


def _pairs(rng: np.random.Generator) -> list[Sample]:
    return [Sample((rng.normal(size=(2, 3)), rng.normal(size=(2, 3))), smooth=False, id="pair")]


CASES = [OpCase("backward hooks", (Boundary,), _hooked(nn), _hooked(torch.nn), _pairs)]
