"""Every op of the table in a captured step: replayed with other numbers, or refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import nnlite
from nnlite.autograd import Tensor
from nnlite.errors import CaptureError, NnliteError
from tests.cases import collect
from tests.cases.base import OpCase, Sample
from tests.op_driver import convert, samples_of

CASES = collect()

REPLAYED = {
    *("add", "sub", "mul", "div", "pow", "exp", "log", "matmul", "linear", "conv2d", "relu"),
    *("tanh", "sigmoid", "softmax", "log_softmax", "max_pool2d", "avg_pool2d", "cross_entropy"),
    *("nll_loss", "mse_loss", "sum", "mean", "reshape", "gather", "embedding", "eq", "argmax"),
    *("batch_norm training", "layer_norm"),
}
"""Rows of which some sample must be replayed, lest all be refused one day and nobody notice."""


class Trial:
    """A sample as a step of inputs, with a leaf that scales them, so that backward runs, too."""

    def __init__(self, case: OpCase, sample: Sample) -> None:
        self.case, self.sample = case, sample
        self.arrays: list[np.ndarray] = []
        for value in (*sample.args, *sample.kwargs.values()):
            convert(value, self.arrays.append)
        self.scale = nnlite.tensor(1.0, dtype=nnlite.float64, requires_grad=True)
        self.optimizer = nnlite.optim.SGD([self.scale], lr=0.0)
        self.captured = nnlite.capture(self.step)

    def inputs(self, k: int) -> list[Tensor]:
        """The sample's own numbers, moved on by k places: as valid for the op."""
        return [Tensor(np.roll(a.reshape(-1), k).reshape(a.shape).copy()) for a in self.arrays]

    def step(self, *inputs: Tensor) -> Any:
        self.optimizer.zero_grad()
        left = list(inputs)

        def take(x: np.ndarray) -> Tensor:
            tensor = left.pop(0)
            return tensor * self.scale if tensor.dtype == nnlite.float64 else tensor

        args = tuple(convert(a, take) for a in self.sample.args)
        kwargs = {name: convert(a, take) for name, a in self.sample.kwargs.items()}
        out = self.case.fn(*args, **kwargs)
        outs = list(out) if isinstance(out, (tuple, list)) else [out]
        losses = [(x * x).sum() for x in outs if isinstance(x, Tensor) and x.requires_grad]
        if losses:
            sum(losses[1:], start=losses[0]).backward()
        return outs, (self.scale.grad if losses else None)

    def run(self, step: Any, k: int) -> list[Any] | str:
        """The bits of all results, or the error's text; all NaN count as one."""
        nnlite.manual_seed(3)
        try:
            outs, gradient = step(*self.inputs(k))
        except CaptureError:
            raise
        except NnliteError as error:
            return str(error)
        found = [*outs] if gradient is None else [*outs, gradient]
        arrays = [np.asarray(x.array if isinstance(x, Tensor) else x) for x in found]
        return [(a.shape, a.dtype, np.where(a != a, np.nan, a).tobytes()) for a in arrays]


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_replays_compute_what_the_op_computes(case: OpCase) -> None:
    replayed = 0
    for sample in samples_of(case):
        trial = Trial(case, sample)
        try:
            for k in range(7):  # two recorded, one noted, one checked, three by the program
                wanted = trial.run(trial.step, k)
                got = trial.run(trial.captured, k)
                assert got == wanted, f"sample {sample.id!r}, call {k}"
        except CaptureError:
            continue  # refused, so that nobody is misled
        if isinstance(wanted, list):
            assert trial.captured.is_captured(*trial.inputs(0)), f"sample {sample.id!r}"
            replayed += 1
    assert replayed or case.name not in REPLAYED


def test_the_rows_that_must_be_replayed_are_in_the_table() -> None:
    assert {case.name for case in CASES} >= REPLAYED
