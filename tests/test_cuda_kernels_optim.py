"""The fused steps of SGD, Adam and RMSprop, run by the CPU, against PyTorch."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

import nnlite
from nnlite import optim
from nnlite.optim import fused
from tests.cuda_shim.oracle import DTYPES, close, launched, needs_compiler, order, there
from tests.strict import STRICT, forbid_transfers

pytestmark = needs_compiler
__all__ = ["launched", "order"]

# more than the ten slots of one kernel, more than a block, a single number and none
SHAPES = [(3, 4), (5,), (300,), (0,), (1,), (7, 3, 3, 3), (257,), (2, 2), (4,), (6,), (9,), (600,)]

RULES: dict[str, tuple[str, dict[str, Any]]] = {
    "sgd": ("SGD", {"lr": 0.1}),
    "sgd momentum decay": ("SGD", {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.01}),
    "sgd nesterov up": ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True, "maximize": True}),
    "sgd dampening": ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.3}),
    "adam": ("Adam", {"lr": 0.01}),
    "adam amsgrad": (
        "Adam",
        {"lr": 0.01, "weight_decay": 0.1, "amsgrad": True, "maximize": True, "betas": (0.3, 0.5)},
    ),
    "adamw": ("AdamW", {"lr": 0.01, "betas": (0.5, 0.9)}),
    "rmsprop": ("RMSprop", {"lr": 0.01}),
    "rmsprop all": (
        "RMSprop",
        {"lr": 0.01, "momentum": 0.5, "centered": True, "weight_decay": 0.1},
    ),
}


def _pair(name: str, options: dict[str, Any], dtype: str) -> tuple[Any, Any, list[Any], list[Any]]:
    rng = np.random.default_rng(0)
    values = [rng.standard_normal(shape).astype(dtype) for shape in SHAPES]
    a = [nnlite.nn.Parameter(there(v.copy())) for v in values]
    b = [torch.tensor(v, requires_grad=True) for v in values]
    return getattr(optim, name)(a, **options), getattr(torch.optim, name)(b, **options), a, b


def _gradients(rng: np.random.Generator, ours: list[Any], theirs: list[Any], dtype: str) -> None:
    for a, b in zip(ours, theirs, strict=True):
        g = rng.standard_normal(a.shape).astype(dtype)
        a.grad = there(np.asfortranarray(g))
        b.grad = torch.tensor(g)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("rule", RULES)
def test_steps(rule: str, dtype: str, order: str, launched: list[str]) -> None:
    ours, theirs, a, b = _pair(*RULES[rule], dtype)
    rng = np.random.default_rng(1)
    for step in range(5):
        _gradients(rng, a, b, dtype)
        if step == 3:
            for optimizer in (ours, theirs):
                optimizer.param_groups[0]["lr"] *= 0.5
        with forbid_transfers():
            ours.step()
        theirs.step()
    for x, y in zip(a, b, strict=True):
        close(x, y, dtype)
    # the first step makes the state; each later one takes two kernels, of ten slots and of two
    assert launched == [rule.split()[0].replace("adamw", "adam")] * 8
    assert ours.state[a[0]].get("step", 5) == 5


@pytest.mark.parametrize("rule", ["sgd momentum decay", "adam amsgrad", "adamw", "rmsprop all"])
def test_lr_and_step_in_device_memory(rule: str, launched: list[str]) -> None:
    ours, theirs, a, b = _pair(*RULES[rule], "float64")
    rng = np.random.default_rng(1)
    captured: dict[fused.Fused, fused.Captured] = {}
    for step in range(4):
        _gradients(rng, a, b, "float64")
        theirs.step()
        if step < 2:
            ours.step()
            continue
        with fused.recording(captured):
            ours.step()
        (numbers,) = captured.values()
        numbers.count()
        assert float(numbers.numbers.get()[0]) == ours.param_groups[0]["lr"]
    for x, y in zip(a, b, strict=True):
        close(x, y, "float64")
    assert sum(name.endswith("_captured") for name in launched) == 4


def test_a_replay_counts_and_takes_a_new_lr() -> None:
    """The same launches again, as a CUDA graph does it."""
    ours, theirs, a, b = _pair("AdamW", {"lr": 0.01}, "float64")
    rng = np.random.default_rng(1)
    for _ in range(2):
        _gradients(rng, a, b, "float64")
        ours.step()
        theirs.step()
    calls: list[tuple[Any, ...]] = []
    with pytest.MonkeyPatch.context() as patch:
        from tests.cuda_shim import ShimKernels

        launch = ShimKernels.launch
        patch.setattr(
            ShimKernels, "launch", lambda self, *args: calls.append((launch, self, *args))
        )
        captured: dict[fused.Fused, fused.Captured] = {}
        with fused.recording(captured):
            ours.step()
    (numbers,) = captured.values()
    before = ours.state[a[0]]["step"]
    theirs.param_groups[0]["lr"] = 0.02
    ours.param_groups[0]["lr"] = 0.02
    assert numbers.follow()
    held = [p.grad.array for p in a]
    for replay in range(3):
        for p, q, g in zip(a, b, held, strict=True):
            value = np.asarray(np.random.default_rng(replay).standard_normal(p.shape))
            g[...] = STRICT.asarray(value)
            q.grad = torch.tensor(value)
        # gradients that were copied, since they had gaps, would stay the same
        assert all(g.flags.c_contiguous for g in held if g.ndim < 2)
        theirs.step()
        for function, *args in calls:
            function(*args)
        numbers.count()
    assert ours.state[a[0]]["step"] == before + 3 == 5
    ours.param_groups[0]["weight_decay"] = 0.5
    assert not numbers.follow()
    for x, y in zip(a, b, strict=True):
        if x.ndim < 2:
            close(x, y, "float64")


def test_a_rule_of_ones_own_is_left_alone(launched: list[str]) -> None:
    class Twice(optim.SGD):
        def _update(self, x: Any, g: Any, state: dict[str, Any], o: SimpleNamespace) -> None:
            x -= g * (2 * o.lr)

    p = nnlite.nn.Parameter(there(np.ones(3)))
    optimizer = Twice([p], lr=0.5)
    for _ in range(3):
        p.grad = there(np.ones(3))
        optimizer.step()
    np.testing.assert_array_equal(p.array.get(), [-2.0] * 3)
    assert launched == []


def test_parameters_that_share_memory_are_updated_one_by_one(launched: list[str]) -> None:
    whole = there(np.zeros(4)).array
    params = [nnlite.nn.Parameter(nnlite.autograd.tensor.wrap(v)) for v in (whole[:3], whole[1:])]
    optimizer = optim.SGD(params, lr=1.0)
    for _ in range(2):
        for p in params:
            p.grad = there(np.ones(3))
        optimizer.step()
    np.testing.assert_array_equal(whole.get(), [-2.0, -4.0, -4.0, -2.0])
    assert launched == []


def test_state_loaded_into_another_optimizer_goes_on_alike(launched: list[str]) -> None:
    ours, theirs, a, b = _pair("Adam", {"lr": 0.01}, "float64")
    rng = np.random.default_rng(1)
    for _ in range(2):
        _gradients(rng, a, b, "float64")
        ours.step()
        theirs.step()
    other = optim.Adam(a, lr=0.5)
    other.load_state_dict(ours.state_dict())
    for _ in range(3):
        _gradients(rng, a, b, "float64")
        other.step()
        theirs.step()
    for x, y in zip(a, b, strict=True):
        close(x, y, "float64")
    assert launched.count("adam") == 2 + 4
