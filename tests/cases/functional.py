"""Cases of nnlite.autograd.functional."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from nnlite.autograd.functional import Rows
from tests.cases.base import OpCase, Sample


def _rows(rng: np.random.Generator) -> list[Sample]:
    def x(*shape: int) -> Any:
        return np.asarray(rng.standard_normal(shape))

    return [
        Sample((x(2, 3), x(2, 3)), id="two"),
        Sample((x(),), id="one, 0-d"),
        Sample((x(0, 2), x(0, 2), x(0, 2)), id="empty"),
    ]


CASES = [OpCase("rows of a Jacobian", (Rows,), Rows.apply, lambda *xs: torch.stack(xs), _rows)]
