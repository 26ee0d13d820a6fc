"""Steps in pieces and packs: bit by bit those of the plain loop, whatever happens in between.

Sizes are patched small, so that a dozen numbers are a large parameter and a few are a small one.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import nnlite
from nnlite import optim
from nnlite.autograd import Tensor
from nnlite.optim import chunks

STEPS = 20

RULES: list[tuple[str, dict[str, Any]]] = [
    ("SGD", {"lr": 0.07}),
    ("SGD", {"lr": 0.07, "momentum": 0.83, "dampening": 0.3, "weight_decay": 0.1}),
    ("SGD", {"lr": 0.07, "momentum": 0.7, "nesterov": True, "maximize": True}),
    ("Adam", {"lr": 0.03}),
    ("Adam", {"lr": 0.03, "amsgrad": True, "weight_decay": 0.1}),
    ("AdamW", {"lr": 0.03, "weight_decay": 0.3}),
    ("AdamW", {"lr": 0.03, "amsgrad": True, "maximize": True}),
    ("RMSprop", {"lr": 0.02}),
    ("RMSprop", {"lr": 0.02, "centered": True, "momentum": 0.6, "weight_decay": 0.03}),
    ("Adagrad", {"lr": 0.05, "lr_decay": 0.1, "initial_accumulator_value": 0.2}),
    ("Adadelta", {"weight_decay": 0.1}),
    ("Adamax", {"lr": 0.03, "weight_decay": 0.1}),
    ("NAdam", {"lr": 0.03, "momentum_decay": 0.05}),
    ("RAdam", {"lr": 0.03, "betas": (0.6, 0.8)}),
    ("ASGD", {"lr": 0.03, "lambd": 0.01, "t0": 7}),
    ("Rprop", {"lr": 0.03}),
]
IDS = [f"{name}-{'-'.join(k for k in options if k != 'lr')}" for name, options in RULES]
FEW = [RULES[k] for k in (1, 4, 12, 14)]
FEW_IDS = [IDS[k] for k in (1, 4, 12, 14)]

SHAPES = [(3, 7), (2,), (), (5,), (0,), (4, 3, 5), (1, 1), (8,), (9,), (6, 2), (3, 1)]
"""Above SMALL and below it, one of several pieces, one without numbers, several packs."""


@pytest.fixture(autouse=True, params=[1, 3])
def small_sizes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    before = nnlite.get_num_threads()
    nnlite.set_num_threads(request.param)
    monkeypatch.setattr(chunks, "SMALL", 8)
    monkeypatch.setattr(chunks, "CHUNK", 11)
    monkeypatch.setattr(chunks, "LARGE", 17)
    yield
    nnlite.set_num_threads(before)


class Training:
    """Some parameters and an optimizer; their gradients depend on step and position alone."""

    def __init__(
        self, rule: tuple[str, dict[str, Any]], dtypes: tuple[str, ...] = ("float32",)
    ) -> None:
        name, options = rule
        rng = np.random.default_rng(0)
        self.params = [
            nnlite.from_numpy(np.asarray(rng.standard_normal(s), dtype)).requires_grad_()
            for dtype in dtypes
            for s in SHAPES
        ]
        self.optimizer: Any = getattr(optim, name)(self.params, **options)
        self.t = 0

    def step(self, without: tuple[int, ...] = ()) -> None:
        self.t += 1
        for k, p in enumerate(self.params):
            g = np.random.default_rng([self.t, k]).standard_normal(p.shape)
            p.grad = None if k in without else nnlite.from_numpy(np.asarray(g, p.dtype))
        self.optimizer.step()

    def numbers(self) -> list[tuple[Any, ...]]:
        """All parameters and all state, as bytes and names."""
        found: list[tuple[Any, ...]] = [(p.array.dtype, p.array.tobytes()) for p in self.params]
        for k, entries in self.optimizer.state_dict()["state"].items():
            for name in sorted(entries):
                entry = entries[name]
                value = entry.array.tobytes() if isinstance(entry, Tensor) else entry
                found.append((k, name, value))
        return found


Events = dict[int, Callable[[Training], Any]]


def agree(
    rule: tuple[str, dict[str, Any]],
    events: Events | None = None,
    prepare: Callable[[], Training] | None = None,
    planned: bool = True,
) -> None:
    """Train twice, in pieces and by the plain loop; events happen before the steps they name."""
    found = []
    for plain in (False, True):
        with nnlite.plain_kernels(plain):
            training = prepare() if prepare else Training(rule)
            for t in range(STEPS):
                if events and t in events:
                    events[t](training)
                training.step()
            found.append(training.numbers())
            if not plain:
                assert bool(training.optimizer._plans) == planned, "which path was taken"
            else:
                assert not training.optimizer._plans
    fast, slow = found
    assert len(fast) == len(slow)
    for ours, theirs in zip(fast, slow, strict=True):
        assert ours == theirs


@pytest.mark.parametrize("rule", RULES, ids=IDS)
def test_every_rule(rule: tuple[str, dict[str, Any]]) -> None:
    agree(rule)


def test_the_rules_are_all_that_say_so() -> None:
    """A new rule that lets itself be cut belongs into the table above."""
    said = {name for name in optim.__all__ if getattr(getattr(optim, name), "_elementwise", False)}
    assert said == {name for name, _ in RULES}


@pytest.mark.parametrize("rule", RULES, ids=IDS)
def test_float64_beside_float32(rule: tuple[str, dict[str, Any]]) -> None:
    agree(rule, prepare=lambda: Training(rule, ("float32", "float64")))


@pytest.mark.parametrize("rule", FEW, ids=FEW_IDS)
def test_numbers_as_they_are(
    rule: tuple[str, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the sizes that are in use: one parameter of several pieces, one pack."""
    monkeypatch.undo()

    def prepare() -> Training:
        training = Training(rule)
        large = nnlite.full((chunks.LARGE + 5,), 0.5).requires_grad_()
        training.params.append(large)
        training.optimizer.add_param_group({"params": [large]})
        return training

    found = []
    for plain in (False, True):
        with nnlite.plain_kernels(plain):
            training = prepare()
            for _ in range(4):
                training.step()
            found.append(training.numbers())
    assert found[0] == found[1]


# -- what may happen between steps -----------------------------------------------------------


def _schedule(training: Training) -> None:
    scheduler = optim.lr_scheduler.ExponentialLR(training.optimizer, 0.7)
    training.optimizer.register_step_post_hook(lambda *_: None)
    inner = training.step

    def step(without: tuple[int, ...] = ()) -> None:
        inner(without)
        scheduler.step()

    training.step = step  # type: ignore[method-assign]


def _skip(*missing: int) -> Callable[[Training], None]:
    def skip(training: Training) -> None:
        training.step(without=missing)

    return skip


def _add_group(training: Training) -> None:
    new = [nnlite.full(s, 0.5).requires_grad_() for s in ((4,), (5, 6))]
    training.params += new
    training.optimizer.add_param_group({"params": new, "lr": 0.011})


def _reload(training: Training) -> None:
    saved = copy.deepcopy(training.optimizer.state_dict())
    for _ in range(3):
        training.step()
    training.optimizer.load_state_dict(saved)


def _replace_data(training: Training) -> None:
    for k in (0, 1, 5):
        p = training.params[k]
        p.data = nnlite.from_numpy(np.full(p.shape, 0.25 * k, p.dtype))


def _change_data_in_place(training: Training) -> None:
    with nnlite.no_grad():
        for p in training.params:
            p.mul_(0.5)


def _decay(training: Training) -> None:
    for group in training.optimizer.param_groups:
        group["weight_decay"] = 0.2


def _clear_state(training: Training) -> None:
    training.optimizer.state.clear()


def _forget_one(training: Training) -> None:
    del training.optimizer.state[training.params[3]]


def _zero_buffers(training: Training) -> None:
    """The same entries, with other numbers in them, written in place."""
    for entries in training.optimizer.state.values():
        for entry in entries.values():
            if isinstance(entry, Tensor):
                entry.array[...] = 0.125


def _renew_buffers(training: Training) -> None:
    """The same entries with other memory."""
    for k in (1, 5):
        for entry in training.optimizer.state[training.params[k]].values():
            if isinstance(entry, Tensor):
                entry.data = nnlite.from_numpy(np.full(entry.shape, 0.125, entry.dtype))


def _note(training: Training) -> None:
    """Entries of the user's own, which no rule knows."""
    for k in (1, 5):
        training.optimizer.state[training.params[k]]["note"] = "kept"


def _restart_one(training: Training) -> None:
    """One parameter's count of steps, among others packed with it."""
    for k in (3, 5):
        entries = training.optimizer.state[training.params[k]]
        if "step" in entries:
            entries["step"] = 0


def _freeze(training: Training) -> None:
    """Frozen, and without a gradient from now on."""
    inner = training.step
    for k in (1, 5):
        training.params[k].requires_grad_(False)
    training.step = lambda without=(): inner((*without, 1, 5))  # type: ignore[method-assign]


def _threads(training: Training) -> None:
    nnlite.set_num_threads(2)


EVENTS: dict[str, Events] = {
    "a scheduler": {0: _schedule},
    "no gradient now and then": {k: _skip(k % 11, 1) for k in (0, 1, 4, 7, 8, 13)},
    "no gradient at all": {5: _skip(*range(len(SHAPES)))},
    "a new group": {6: _add_group},
    "loaded": {6: _reload},
    "data replaced": {6: _replace_data},
    "data changed in place": {6: _change_data_in_place, 9: _change_data_in_place},
    "weight_decay": {6: _decay},
    "state cleared": {6: _clear_state},
    "one forgotten": {6: _forget_one},
    "buffers changed in place": {6: _zero_buffers},
    "buffers replaced": {6: _renew_buffers},
    "a note in the state": {0: _note},
    "a note later": {6: _note},
    "one counts from 0": {6: _restart_one},
    "frozen": {6: _freeze},
    "threads": {6: _threads},
}


@pytest.mark.parametrize("rule", FEW, ids=FEW_IDS)
@pytest.mark.parametrize("event", EVENTS)
def test_between_steps(event: str, rule: tuple[str, dict[str, Any]]) -> None:
    agree(rule, EVENTS[event])


def test_momentum_switched_on_and_off() -> None:
    def momentum(value: float) -> Callable[[Training], None]:
        def change(training: Training) -> None:
            training.optimizer.param_groups[0]["momentum"] = value

        return change

    agree(RULES[0], {4: momentum(0.9), 8: momentum(0.5), 12: momentum(0.0), 16: momentum(0.9)})


@pytest.mark.parametrize("option", ["amsgrad", "maximize"])
def test_an_option_switched_on(option: str) -> None:
    def change(training: Training) -> None:
        training.optimizer.param_groups[0][option] = True

    agree(("Adam", {"lr": 0.03}), {6: change})


def test_plain_steps_between_fast_ones() -> None:
    def plain_step(training: Training) -> None:
        with nnlite.plain_kernels():
            training.step()

    for rule in FEW:
        agree(rule, {0: plain_step, 5: plain_step, 6: plain_step})
