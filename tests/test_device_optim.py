"""Optimizers on a device: the same steps, no copy to the host, and state that follows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import nnlite
from nnlite import nn, optim
from nnlite.autograd import Tensor
from nnlite.optim import lr_scheduler as schedulers
from tests.strict import forbid_transfers

# hyper-parameters that make each rule keep all that it can keep
RULES: dict[str, Callable[..., optim.Optimizer]] = {
    "Adadelta": lambda p: optim.Adadelta(p, lr=0.5),
    "Adagrad": lambda p: optim.Adagrad(p, lr=0.1, lr_decay=0.1),
    "Adam": lambda p: optim.Adam(p, lr=0.1, amsgrad=True),
    "AdamW": lambda p: optim.AdamW(p, lr=0.1),
    "Adamax": lambda p: optim.Adamax(p, lr=0.1),
    "ASGD": lambda p: optim.ASGD(p, lr=0.1, t0=1),
    "NAdam": lambda p: optim.NAdam(p, lr=0.1),
    "RAdam": lambda p: optim.RAdam(p, lr=0.1),
    "RMSprop": lambda p: optim.RMSprop(p, lr=0.1, momentum=0.9, centered=True),
    "Rprop": lambda p: optim.Rprop(p, lr=0.1),
    "SGD": lambda p: optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.1),
    "SparseAdam": lambda p: optim.SparseAdam(p, lr=0.1),
}
SCHEDULES: dict[str, Callable[..., schedulers.LRScheduler]] = {
    "StepLR": lambda o: schedulers.StepLR(o, 2, 0.5),
    "ExponentialLR": lambda o: schedulers.ExponentialLR(o, 0.9),
    "CosineAnnealingLR": lambda o: schedulers.CosineAnnealingLR(o, 5),
    "OneCycleLR": lambda o: schedulers.OneCycleLR(o, 0.3, total_steps=8),
    "CyclicLR": lambda o: schedulers.CyclicLR(o, 0.01, 0.3, cycle_momentum=False),
}


def network(device: str = "cpu") -> nn.Sequential:
    nnlite.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 2)).double()
    return model.to(device)


def data(device: str) -> Tensor:
    nnlite.manual_seed(1)
    return nnlite.randn(8, 5, dtype=nnlite.float64).to(device=device)


def steps(model: nn.Module, optimizer: optim.Optimizer, x: Tensor, n: int) -> None:
    for _ in range(n):
        optimizer.zero_grad()
        model(x).square().mean().backward()
        optimizer.step()


def numbers(model: nn.Module) -> list[np.ndarray]:
    return [p.detach().to(device="cpu").numpy().copy() for p in model.parameters()]


def close(a: list[np.ndarray], b: list[np.ndarray]) -> None:
    for x, y in zip(a, b, strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-10, atol=1e-13)


def homes(optimizer: optim.Optimizer) -> set[str]:
    tensors = [v for e in optimizer.state.values() for v in e.values() if isinstance(v, Tensor)]
    assert tensors
    return {str(x.device) for x in tensors}


def test_the_table_has_every_rule() -> None:
    rules = {
        name
        for name, kind in vars(optim).items()
        if isinstance(kind, type) and issubclass(kind, optim.Optimizer)
    }
    assert rules - {"Optimizer", "LBFGS"} == set(RULES)  # LBFGS decides by the loss, on the host


@pytest.mark.parametrize("rule", RULES)
def test_the_same_steps_without_a_copy_to_the_host(rule: str) -> None:
    results = []
    for device in ("cpu", "strict"):
        model = network(device)
        optimizer = RULES[rule](model.parameters())
        x = data(device)
        if device == "strict":
            with forbid_transfers():
                steps(model, optimizer, x, 5)
            assert homes(optimizer) == {"strict"}
        else:
            steps(model, optimizer, x, 5)
        results.append(numbers(model))
    close(*results)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(("first", "then"), [("cpu", "strict"), ("strict", "cpu")])
def test_a_module_moved_between_steps_takes_the_state_along(
    rule: str, first: str, then: str
) -> None:
    stayed, moved = network(), network(first)
    ours, theirs = RULES[rule](moved.parameters()), RULES[rule](stayed.parameters())
    steps(stayed, theirs, data("cpu"), 3)
    steps(moved, ours, data(first), 3)
    moved.to(then)
    for model, optimizer, device in ((stayed, theirs, "cpu"), (moved, ours, then)):
        steps(model, optimizer, data(device), 3)
    assert homes(ours) == {then}
    close(numbers(moved), numbers(stayed))


def test_a_module_moved_before_the_first_step() -> None:
    model = network()
    optimizer = optim.Adam(model.parameters(), lr=0.1)
    model.to("strict")
    steps(model, optimizer, data("strict"), 2)
    assert homes(optimizer) == {"strict"}
    assert {str(p.device) for p in model.parameters()} == {"strict"}


def test_a_module_converted_between_steps_takes_the_state_along() -> None:
    model = network()
    optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    steps(model, optimizer, data("cpu"), 2)
    model.float()
    steps(model, optimizer, data("cpu").float(), 1)
    kinds = {e["momentum_buffer"].dtype.name for e in optimizer.state.values()}
    assert kinds == {"float32"}


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(("saved", "loaded"), [("cpu", "strict"), ("strict", "cpu")])
def test_loaded_state_lies_beside_its_parameter(rule: str, saved: str, loaded: str) -> None:
    model, x = network(saved), data(saved)
    optimizer = RULES[rule](model.parameters())
    steps(model, optimizer, x, 3)
    other = network(loaded)
    other.load_state_dict(model.state_dict())
    resumed = RULES[rule](other.parameters())
    resumed.load_state_dict(optimizer.state_dict())
    assert homes(resumed) == {loaded}
    steps(model, optimizer, x, 3)
    steps(other, resumed, data(loaded), 3)
    close(numbers(other), numbers(model))


def test_loaded_state_is_a_copy() -> None:
    model, x = network("strict"), data("strict")
    optimizer = optim.Adam(model.parameters())
    steps(model, optimizer, x, 1)
    saved = optimizer.state_dict()
    optimizer.load_state_dict(saved)
    before = saved["state"][0]["exp_avg"].to(device="cpu").numpy().copy()
    steps(model, optimizer, x, 1)
    np.testing.assert_array_equal(saved["state"][0]["exp_avg"].to(device="cpu").numpy(), before)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_schedules_copy_nothing_to_the_host(schedule: str) -> None:
    rates = []
    for device in ("cpu", "strict"):
        model, x = network(device), data(device)
        optimizer = optim.SGD(model.parameters(), lr=0.1)
        scheduler = SCHEDULES[schedule](optimizer)
        seen = []
        for _ in range(5):
            if device == "strict":
                with forbid_transfers():
                    steps(model, optimizer, x, 1)
                    scheduler.step()
            else:
                steps(model, optimizer, x, 1)
                scheduler.step()
            seen.append(optimizer.param_groups[0]["lr"])
        rates.append(seen)
    assert rates[0] == rates[1]
    assert len(set(rates[0])) > 1
