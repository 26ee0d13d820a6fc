"""Each schedule against torch.optim.lr_scheduler: 60 epochs, two groups, resumed half way."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from torch.optim import lr_scheduler as torch_lr

import nnlite.optim.lr_scheduler as ours_lr
from nnlite import optim
from nnlite.autograd import Tensor
from nnlite.errors import ArgumentError, DtypeError, StateDictError

EPOCHS = 60


def half(epoch: int) -> float:
    return 0.93 ** (epoch % 11)


class Warmup:
    """A function of the epoch with a memory."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, epoch: int) -> float:
        self.calls += 1
        return min(1.0, (self.calls + 1) / 40)


# Each makes a scheduler with L, a module of schedulers, for an optimizer o.
CASES = {
    "lambda": lambda L, o: L.LambdaLR(o, half),
    "lambda per group": lambda L, o: L.LambdaLR(o, [half, lambda epoch: 0.9**epoch]),
    "lambda object": lambda L, o: L.LambdaLR(o, Warmup()),
    "multiplicative": lambda L, o: L.MultiplicativeLR(o, half),
    "step": lambda L, o: L.StepLR(o, 7, 0.31),
    "multistep": lambda L, o: L.MultiStepLR(o, [30, 4, 4, 17], gamma=0.7),
    "constant": lambda L, o: L.ConstantLR(o, 0.37, 13),
    "constant 0": lambda L, o: L.ConstantLR(o, 0.37, 0),
    "linear": lambda L, o: L.LinearLR(o, 0.21, 0.83, 17),
    "linear default": lambda L, o: L.LinearLR(o),
    "exponential": lambda L, o: L.ExponentialLR(o, 0.91),
    "polynomial": lambda L, o: L.PolynomialLR(o, 37, 1.7),
    "cosine": lambda L, o: L.CosineAnnealingLR(o, 13, 0.002),
    "cosine T_max=1": lambda L, o: L.CosineAnnealingLR(o, 1),
    "cosine long": lambda L, o: L.CosineAnnealingLR(o, 100),
    "restarts": lambda L, o: L.CosineAnnealingWarmRestarts(o, 7, eta_min=0.01),
    "restarts longer": lambda L, o: L.CosineAnnealingWarmRestarts(o, 5, 3),
    "cyclic": lambda L, o: L.CyclicLR(o, 0.01, 0.3, 7, 4),
    "cyclic 2": lambda L, o: L.CyclicLR(o, [0.01, 0.02], [0.3, 0.4], 6, mode="triangular2"),
    "cyclic exp": lambda L, o: L.CyclicLR(
        o, 0.01, 0.3, 5, mode="exp_range", gamma=0.97, base_momentum=0.4, max_momentum=0.7
    ),
    "cyclic own": lambda L, o: L.CyclicLR(
        o, 0.01, 0.3, 5, scale_fn=lambda x: 1 / (1 + x), scale_mode="iterations"
    ),
    "cyclic no momentum": lambda L, o: L.CyclicLR(o, 0.01, 0.3, 7, cycle_momentum=False),
    "one cycle": lambda L, o: L.OneCycleLR(o, 0.7, total_steps=EPOCHS),
    "one cycle epochs": lambda L, o: L.OneCycleLR(o, [0.7, 0.2], epochs=16, steps_per_epoch=4),
    "one cycle linear": lambda L, o: L.OneCycleLR(
        o, 0.7, EPOCHS, pct_start=0.21, anneal_strategy="linear", div_factor=7, final_div_factor=90
    ),
    "one cycle three": lambda L, o: L.OneCycleLR(
        o, 0.7, EPOCHS, three_phase=True, base_momentum=0.3, max_momentum=0.6
    ),
    "one cycle no momentum": lambda L, o: L.OneCycleLR(o, 0.7, EPOCHS, cycle_momentum=False),
    "chained": lambda L, o: L.ChainedScheduler(
        [L.LinearLR(o, 0.3, total_iters=9), L.ExponentialLR(o, 0.95), L.StepLR(o, 13)]
    ),
    "sequential": lambda L, o: L.SequentialLR(
        o, [L.ConstantLR(o, 0.1, 5), L.ExponentialLR(o, 0.9), L.StepLR(o, 4, 0.5)], [8, 31]
    ),
    "warm-up and cosine": lambda L, o: L.SequentialLR(
        o, [L.LinearLR(o, 0.1, total_iters=10), L.CosineAnnealingLR(o, 50)], [10]
    ),
    "warm-up and restarts": lambda L, o: L.SequentialLR(
        o, [L.LinearLR(o, 0.1, total_iters=4), L.CosineAnnealingWarmRestarts(o, 9, 2)], [4]
    ),
    "chained first": lambda L, o: L.SequentialLR(
        o,
        [
            L.ChainedScheduler([L.LinearLR(o, 0.2, total_iters=6), L.ExponentialLR(o, 0.97)]),
            L.PolynomialLR(o, 20),
            L.MultiStepLR(o, [3, 9]),
        ],
        [10, 35],
    ),
    "from the second": lambda L, o: L.SequentialLR(
        o, [L.ConstantLR(o), L.ExponentialLR(o, 0.9)], [0]
    ),
}


def make_ours(rule: str = "SGD"):
    x, y = (Tensor(np.zeros(1), requires_grad=True) for _ in range(2))
    options = {"momentum": 0.5} if rule == "SGD" else {}
    return getattr(optim, rule)([{"params": [x]}, {"params": [y], "lr": 0.31}], lr=0.17, **options)


def make_torch(rule: str = "SGD"):
    x, y = (torch.zeros(1, requires_grad=True) for _ in range(2))
    options = {"momentum": 0.5} if rule == "SGD" else {}
    return getattr(torch.optim, rule)(
        [{"params": [x]}, {"params": [y], "lr": 0.31}], lr=0.17, **options
    )


def settings(optimizer) -> list[float]:
    """Everything that a schedule may change."""
    out = []
    for group in optimizer.param_groups:
        out += [group["lr"], *group.get("betas", ()), group.get("momentum", 0.0)]
    return [float(value) for value in out]


def follow(optimizer, scheduler, epochs: int) -> list[list[float]]:
    series = [settings(optimizer)]
    for _ in range(epochs):
        optimizer.step()
        scheduler.step()
        assert scheduler.get_last_lr() == [group["lr"] for group in optimizer.param_groups]
        series.append(settings(optimizer))
    return series


@pytest.mark.filterwarnings("ignore:Detected call of:UserWarning")
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("rule", ["SGD", "Adam"])
def test_rates_are_those_of_torch(case: str, rule: str) -> None:
    theirs, ours = make_torch(rule), make_ours(rule)
    expected = follow(theirs, CASES[case](torch_lr, theirs), EPOCHS)
    got = follow(ours, CASES[case](ours_lr, ours), EPOCHS)
    np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-15)
    assert case == "constant 0" or len(np.unique(np.array(got)[:, 0])) > 1
    assert all(type(group["lr"]) is float for group in ours.param_groups)


@pytest.mark.parametrize("case", CASES)
def test_resume_half_way_is_equal(case: str) -> None:
    whole = make_ours("Adam")
    expected = follow(whole, CASES[case](ours_lr, whole), EPOCHS)

    first = make_ours("Adam")
    scheduler = CASES[case](ours_lr, first)
    follow(first, scheduler, 23)
    # The state is plain data: it goes through JSON.
    saved = json.loads(json.dumps(scheduler.state_dict()))
    saved_optimizer = first.state_dict()
    follow(first, scheduler, 3)

    second = make_ours("Adam")
    resumed = CASES[case](ours_lr, second)
    resumed.load_state_dict(saved)
    second.load_state_dict(saved_optimizer)
    assert follow(second, resumed, EPOCHS - 23) == expected[23:]


# Schedules that can be made anew in the middle, by last_epoch.
AGAIN = {
    "lambda": lambda L, o, last: L.LambdaLR(o, half, last),
    "multiplicative": lambda L, o, last: L.MultiplicativeLR(o, half, last),
    "step": lambda L, o, last: L.StepLR(o, 7, 0.31, last),
    "multistep": lambda L, o, last: L.MultiStepLR(o, [4, 17, 30], 0.7, last),
    "constant": lambda L, o, last: L.ConstantLR(o, 0.37, 33, last),
    "linear": lambda L, o, last: L.LinearLR(o, 0.21, 0.83, 37, last),
    "exponential": lambda L, o, last: L.ExponentialLR(o, 0.91, last),
    "polynomial": lambda L, o, last: L.PolynomialLR(o, 37, 1.7, last),
    "cosine": lambda L, o, last: L.CosineAnnealingLR(o, 13, 0.002, last),
    "restarts": lambda L, o, last: L.CosineAnnealingWarmRestarts(o, 7, 1, 0.01, last),
    "cyclic": lambda L, o, last: L.CyclicLR(o, 0.01, 0.3, 7, last_epoch=last),
    "one cycle": lambda L, o, last: L.OneCycleLR(o, 0.7, EPOCHS, last_epoch=last),
}


@pytest.mark.filterwarnings("ignore:Detected call of:UserWarning")
@pytest.mark.parametrize("case", AGAIN)
def test_last_epoch_goes_on_as_in_torch(case: str) -> None:
    series = []
    for L, o in ((torch_lr, make_torch()), (ours_lr, make_ours())):
        follow(o, AGAIN[case](L, o, -1), 22)
        series.append(follow(o, AGAIN[case](L, o, 22), 30))
    np.testing.assert_allclose(series[1], series[0], rtol=1e-12, atol=1e-15)


def test_step_to_an_epoch() -> None:
    for case in ("step", "multistep", "constant", "linear", "exponential", "polynomial", "cosine"):
        ours, theirs = make_ours(), make_torch()
        a, b = AGAIN[case](ours_lr, ours, -1), AGAIN[case](torch_lr, theirs, -1)
        ours.step()
        theirs.step()
        for epoch in (3, 17, 40):
            a.step(epoch)
            with pytest.warns(UserWarning, match="epoch parameter"):
                b.step(epoch)
            np.testing.assert_allclose(a.get_last_lr(), b.get_last_lr(), rtol=1e-12, err_msg=case)


def test_restarts_at_fractional_epochs() -> None:
    for mult in (1, 2, 3):
        ours, theirs = make_ours(), make_torch()
        a = ours_lr.CosineAnnealingWarmRestarts(ours, 4, mult)
        b = torch_lr.CosineAnnealingWarmRestarts(theirs, 4, mult)
        for epoch in (0.5, 2.25, 4.0, 9.75, 21.5, 3.5, 30, None, None):
            a.step(epoch)
            b.step(epoch)
            np.testing.assert_allclose(a.get_last_lr(), b.get_last_lr(), rtol=1e-12)
    with pytest.raises(ArgumentError, match="epoch"):
        a.step(-1)


PLATEAU = [
    {},
    {"patience": 2, "factor": 0.31},
    {"patience": 1, "threshold": 0.3, "threshold_mode": "abs", "cooldown": 3},
    {"patience": 0, "mode": "max", "min_lr": [0.01, 0.2]},
    {"patience": 1, "mode": "max", "threshold": 0.1, "threshold_mode": "abs", "eps": 0.05},
    {"patience": 0, "factor": 0.01, "min_lr": 1e-7},
]


@pytest.mark.parametrize("options", PLATEAU, ids=str)
def test_plateau_is_that_of_torch(options: dict) -> None:
    rng = np.random.default_rng(0)
    values = np.concatenate([3 * 0.9 ** np.arange(20), 0.4 + 0.1 * rng.random(EPOCHS - 20)])
    values[30] = np.nan
    ours, theirs = make_ours(), make_torch()
    a = ours_lr.ReduceLROnPlateau(ours, **options)
    b = torch_lr.ReduceLROnPlateau(theirs, **options)
    for i, value in enumerate(values):
        if i == 33:
            saved, saved_optimizer = json.loads(json.dumps(a.state_dict())), ours.state_dict()
            ours = make_ours()
            a = ours_lr.ReduceLROnPlateau(ours, **options)
            a.load_state_dict(saved)
            ours.load_state_dict(saved_optimizer)
        a.step(Tensor(np.array(value)))
        b.step(value)
        np.testing.assert_allclose(settings(ours), settings(theirs), rtol=1e-12)
        assert a.get_last_lr() == [group["lr"] for group in ours.param_groups]
        assert (a.num_bad_epochs, a.in_cooldown) == (b.num_bad_epochs, b.in_cooldown)
    assert ours.param_groups[0]["lr"] < 0.17


def test_rate_really_reaches_the_parameters() -> None:
    x = Tensor(np.zeros(1), requires_grad=True)
    optimizer = optim.SGD([x], lr=1.0)
    scheduler = ours_lr.ExponentialLR(optimizer, 0.5)
    for expected in (-1.0, -1.5, -1.75):
        x.grad = Tensor(np.ones(1))
        optimizer.step()
        scheduler.step()
        assert x.array[0] == expected


def test_a_scheduler_before_the_optimizer_warns() -> None:
    scheduler = ours_lr.StepLR(make_ours(), 3)
    with pytest.warns(UserWarning, match="before optimizer.step"):
        scheduler.step()
    scheduler.step()  # once is enough


def test_module_path() -> None:
    assert optim.lr_scheduler is ours_lr
    assert optim.lr_scheduler.StepLR is ours_lr.StepLR
    theirs = {name for name in torch_lr.__all__ if name[0].isupper()}
    assert set(ours_lr.__all__) == theirs


BAD = [
    (lambda L, o: L.StepLR(o, 0), ArgumentError, "step_size"),
    (lambda L, o: L.StepLR(o, 2.5), DtypeError, "step_size"),
    (lambda L, o: L.StepLR(o, 5, float("nan")), ArgumentError, "gamma"),
    (lambda L, o: L.StepLR("sgd", 5), DtypeError, "optimizer"),
    (lambda L, o: L.StepLR(o, 5, last_epoch=3), ArgumentError, "initial_lr"),
    (lambda L, o: L.MultiStepLR(o, [3, -1]), ArgumentError, "milestones"),
    (lambda L, o: L.ConstantLR(o, 0), ArgumentError, "factor"),
    (lambda L, o: L.LinearLR(o, 0), ArgumentError, "start_factor"),
    (lambda L, o: L.LinearLR(o, 0.5, 1.5), ArgumentError, "end_factor"),
    (lambda L, o: L.LinearLR(o, total_iters=0), ArgumentError, "total_iters"),
    (lambda L, o: L.ExponentialLR(o, "0.9"), DtypeError, "gamma"),
    (lambda L, o: L.PolynomialLR(o, 0), ArgumentError, "total_iters"),
    (lambda L, o: L.CosineAnnealingLR(o, 0), ArgumentError, "T_max"),
    (lambda L, o: L.CosineAnnealingWarmRestarts(o, 0), ArgumentError, "T_0"),
    (lambda L, o: L.CosineAnnealingWarmRestarts(o, 5, 0), ArgumentError, "T_mult"),
    (lambda L, o: L.LambdaLR(o, 0.5), DtypeError, "lr_lambda"),
    (lambda L, o: L.MultiplicativeLR(o, [half]), ArgumentError, "lr_lambda"),
    (lambda L, o: L.CyclicLR(o, 0.1, 0.2, mode="saw"), ArgumentError, "mode"),
    (lambda L, o: L.CyclicLR(o, 0.1, [0.2]), ArgumentError, "max_lr"),
    (lambda L, o: L.CyclicLR(o, 0.1, 0.2, 0), ArgumentError, "step_size_up"),
    (lambda L, o: L.OneCycleLR(o, 0.1), ArgumentError, "total_steps"),
    (lambda L, o: L.OneCycleLR(o, 0.1, 0), ArgumentError, "total_steps"),
    (lambda L, o: L.OneCycleLR(o, 0.1, 9, pct_start=2), ArgumentError, "pct_start"),
    (lambda L, o: L.OneCycleLR(o, 0.1, 9, anneal_strategy="exp"), ArgumentError, "anneal"),
    (lambda L, o: L.ReduceLROnPlateau(o, "best"), ArgumentError, "mode"),
    (lambda L, o: L.ReduceLROnPlateau(o, factor=1.0), ArgumentError, "factor"),
    (lambda L, o: L.ReduceLROnPlateau(o, min_lr=[0.1]), ArgumentError, "min_lr"),
    (lambda L, o: L.ChainedScheduler([]), ArgumentError, "at least one"),
    (lambda L, o: L.ChainedScheduler([L.ReduceLROnPlateau(o)]), ArgumentError, "Plateau"),
    (lambda L, o: L.ChainedScheduler([o]), DtypeError, r"schedulers\[0\]"),
    (lambda L, o: L.SequentialLR(o, [L.StepLR(o, 3)], [3]), ArgumentError, "milestones"),
    (
        lambda L, o: L.SequentialLR(o, [L.StepLR(o, 3) for _ in range(3)], [5, 3]),
        ArgumentError,
        "milestones",
    ),
    (
        lambda L, o: L.SequentialLR(o, [L.StepLR(make_ours(), 3)], []),
        ArgumentError,
        "another optimizer",
    ),
    (
        lambda L, o: L.SequentialLR(o, [L.StepLR(o, 3), L.ChainedScheduler([L.StepLR(o, 3)])], [3]),
        ArgumentError,
        "first place",
    ),
]


@pytest.mark.parametrize(("make", "error", "text"), BAD)
def test_bad_arguments(make, error, text: str) -> None:
    with pytest.raises(error, match=text) as caught:
        make(ours_lr, make_ours())
    assert caught.value.op
    assert caught.value.expected
    assert caught.value.got
    assert caught.value.hint


def test_momentum_of_an_optimizer_without() -> None:
    x = [Tensor(np.zeros(1), requires_grad=True)]
    for make in (
        lambda o: ours_lr.CyclicLR(o, 0.1, 0.2),
        lambda o: ours_lr.OneCycleLR(o, 0.1, 10),
    ):
        with pytest.raises(ArgumentError, match="cycle_momentum"):
            make(optim.Adagrad(x))


def test_one_cycle_without_a_rise_begins_at_the_top() -> None:
    """A phase of no length divides by zero in PyTorch."""
    optimizer = make_ours()
    scheduler = ours_lr.OneCycleLR(optimizer, 0.5, total_steps=10, pct_start=0.1)
    assert scheduler.get_last_lr() == [0.5, 0.5]


def test_state_is_copied_both_ways() -> None:
    first, second = ours_lr.StepLR(make_ours(), 3), ours_lr.StepLR(make_ours(), 3)
    saved = first.state_dict()
    second.load_state_dict(saved)
    saved["base_lrs"][0] = 99.0
    assert first.base_lrs == second.base_lrs == [0.17, 0.31]


def test_one_cycle_ends() -> None:
    optimizer = make_ours()
    scheduler = ours_lr.OneCycleLR(optimizer, 0.1, 3)
    optimizer.step()
    for _ in range(3):
        scheduler.step()
    with pytest.raises(ArgumentError, match="at most 3"):
        scheduler.step()


def test_group_added_later() -> None:
    optimizer = make_ours()
    scheduler = ours_lr.LambdaLR(optimizer, half)
    optimizer.add_param_group({"params": [Tensor(np.zeros(1), requires_grad=True)]})
    optimizer.step()
    with pytest.raises(ArgumentError, match="parameter groups"):
        scheduler.step()


def test_state_of_another_scheduler_is_refused() -> None:
    scheduler = ours_lr.StepLR(make_ours(), 3)
    before = scheduler.state_dict()
    with pytest.raises(StateDictError, match="T_max"):
        scheduler.load_state_dict(ours_lr.CosineAnnealingLR(make_ours(), 3).state_dict())
    with pytest.raises(StateDictError):
        scheduler.load_state_dict([1, 2])
    assert scheduler.state_dict() == before
