"""Optimizers against torch.optim: 50 steps with every option, by the tests' own drivers."""

from __future__ import annotations

import numpy as np
import torch

from nnlite import optim
from nnlite.autograd import Tensor
from tests.certify.record import Record
from tests.test_optim_lbfgs import (
    FUNCTIONS,
    OPTIONS,
    STARTS,
    closure_for_torch,
    closure_for_us,
)
from tests.test_optim_rules import CASES, STEPS, run_ours, run_torch

# RMSprop's centered variance and Adadelta's ratios lose digits in float32
RULES = {"float64": 1e-12, "float32": 2e-5}
LBFGS = 1e-7
NAMES = (*dict.fromkeys(name for name, _ in CASES), "LBFGS")


def trajectories(name: str) -> Record:
    """Every case of an optimizer: the parameters after 50 steps (LBFGS: in each of 4 steps)."""
    record = Record(f"optim.{name}")
    if name == "LBFGS":
        _lbfgs(record)
        return record
    for options in (options for found, options in CASES if found == name):
        for dtype, limit in RULES.items():
            expected = run_torch(name, options, dtype)
            for i, (p, x) in enumerate(zip(run_ours(name, options, dtype), expected, strict=True)):
                if name == "SparseAdam" and not p.ndim:
                    continue  # PyTorch's sparse gradients have a dimension
                what = f"{options}: parameter {i} after {STEPS} steps"
                record.near(f"trajectory {dtype}", p.array, x, limit, what)
    return record


def _lbfgs(record: Record) -> None:
    for function in FUNCTIONS:
        for given in OPTIONS:
            options = dict(given)
            if function == "rosenbrock" and "line_search_fn" not in options:
                options["lr"] = 1e-3  # whole steps diverge there, in PyTorch too
            theirs = [torch.tensor(x, requires_grad=True) for x in STARTS]
            ours = [Tensor(x.copy(), requires_grad=True) for x in STARTS]
            a, b = torch.optim.LBFGS(theirs, **options), optim.LBFGS(ours, **options)
            for step in range(4):
                a.step(closure_for_torch(FUNCTIONS[function], theirs))
                b.step(closure_for_us(FUNCTIONS[function], ours))
                for i, (p, q) in enumerate(zip(ours, theirs, strict=True)):
                    what = f"{function} {options}: parameter {i} in step {step}"
                    x = np.asarray(q.detach().numpy())
                    record.near("trajectory float64", p.array, x, LBFGS, what)
