"""What all optimizers share: groups, refusals, state, hooks."""

from __future__ import annotations

import math

import numpy as np
import pytest

from nnlite import optim
from nnlite.autograd import Tensor, is_grad_enabled, no_grad
from nnlite.errors import ArgumentError, DtypeError, NnliteError, ShapeError

RULES = [name for name in optim.__all__ if name not in ("Optimizer", "lr_scheduler")]
SIMPLE = [name for name in RULES if name != "LBFGS"]


def leaf(*shape: int, dtype: str = "float64") -> Tensor:
    return Tensor(np.ones(shape, dtype), requires_grad=True)


def with_grad(*shape: int) -> Tensor:
    x = leaf(*shape)
    x.grad = Tensor(np.full(shape, 0.5))
    return x


def assert_complete(error: NnliteError, op: str) -> None:
    """Each refusal names op, argument, expected, got and a hint."""
    assert error.op == op
    assert error.argument
    assert error.expected
    assert error.got
    assert error.hint


# -- what is refused -------------------------------------------------------------------------


BAD_PARAMS = {
    "a single tensor": (lambda: leaf(2), DtypeError),
    "none": (lambda: [], ArgumentError),
    "a used generator": (lambda: (x for x in ()), ArgumentError),
    "a set": (lambda: {leaf(2)}, DtypeError),
    "a dict": (lambda: {"params": [leaf(2)]}, DtypeError),
    "a number": (lambda: 3, DtypeError),
    "a string": (lambda: "weights", DtypeError),
    "arrays": (lambda: [np.ones(2)], DtypeError),
    "a group without params": (lambda: [{"lr": 0.1}], DtypeError),
    "a group with a set": (lambda: [{"params": {leaf(2)}}], DtypeError),
    "groups and tensors": (lambda: [{"params": [leaf(2)]}, leaf(2)], DtypeError),
    "tensors and groups": (lambda: [leaf(2), {"params": [leaf(2)]}], DtypeError),
    "names for some": (lambda: [("a", leaf(2)), leaf(2)], ArgumentError),
    "twice in a group": (lambda: [leaf(2)] * 2, ArgumentError),
    "twice in two groups": (lambda: [{"params": [x]} for x in [leaf(2)] * 2], ArgumentError),
}


@pytest.mark.parametrize("case", BAD_PARAMS)
@pytest.mark.parametrize("name", ["SGD", "Adam", "LBFGS"])
def test_bad_params(name: str, case: str) -> None:
    make, kind = BAD_PARAMS[case]
    with pytest.raises((DtypeError, ArgumentError)) as caught:
        getattr(optim, name)(make())
    assert_complete(caught.value, name)
    if name != "LBFGS":
        assert type(caught.value) is kind


def test_a_tensor_made_by_an_op_is_refused() -> None:
    x = leaf(2)
    y = Tensor(np.ones(2))
    y.node = type("Node", (), {"name": "mul"})()
    with pytest.raises(ArgumentError, match=r"params\[1\].*leaf.*mul"):
        optim.SGD([x, y])


NAN, INF = math.nan, math.inf
BAD_OPTIONS = [
    (RULES, {"lr": -0.1}),
    (RULES, {"lr": NAN}),
    (RULES, {"lr": INF}),
    (RULES, {"lr": "0.1"}),
    (RULES, {"lr": None}),
    (RULES, {"lr": Tensor(np.ones(2))}),
    (RULES, {"lr": np.float64(-1)}),
    (["SparseAdam"], {"lr": 0.0}),
    (["SparseAdam"], {"eps": 0.0}),
    (["Adam", "AdamW", "NAdam", "RAdam", "Adamax", "SparseAdam"], {"betas": (1.0, 0.9)}),
    (["Adam", "AdamW", "NAdam", "RAdam", "Adamax", "SparseAdam"], {"betas": (0.9, -0.1)}),
    (["Adam", "AdamW", "NAdam", "RAdam", "Adamax", "SparseAdam"], {"betas": (0.9, NAN)}),
    (["Adam", "AdamW", "NAdam", "RAdam", "Adamax", "SparseAdam"], {"betas": 0.9}),
    (["Adam", "AdamW", "NAdam", "RAdam", "Adamax", "SparseAdam"], {"betas": (0.9,)}),
    (["Adam", "AdamW", "RMSprop", "NAdam", "RAdam", "Adamax", "Adagrad"], {"eps": -1e-8}),
    (["Adadelta", "SparseAdam"], {"eps": -1e-8}),
    (["SGD", "Adam", "AdamW", "RMSprop", "NAdam", "RAdam"], {"weight_decay": -0.1}),
    (["Adamax", "Adagrad", "Adadelta", "ASGD"], {"weight_decay": NAN}),
    (SIMPLE, {"maximize": 1}),
    (["SGD"], {"momentum": -0.5}),
    (["SGD"], {"nesterov": True}),
    (["SGD"], {"nesterov": True, "momentum": 0.9, "dampening": 0.1}),
    (["SGD"], {"nesterov": 0.9, "momentum": 0.9}),
    (["SGD"], {"dampening": NAN}),
    (["Adam", "AdamW"], {"amsgrad": 0.1}),
    (["RMSprop"], {"alpha": 1.5}),
    (["RMSprop"], {"momentum": -1.0}),
    (["RMSprop"], {"centered": "yes"}),
    (["NAdam"], {"momentum_decay": -1.0}),
    (["Adagrad"], {"lr_decay": -1.0}),
    (["Adagrad"], {"initial_accumulator_value": -1.0}),
    (["Adadelta"], {"rho": 1.1}),
    (["Rprop"], {"etas": (0.5, 0.9)}),
    (["Rprop"], {"etas": (0.0, 1.2)}),
    (["Rprop"], {"step_sizes": (2.0, 1.0)}),
    (["ASGD"], {"lambd": -1.0}),
    (["ASGD"], {"t0": NAN}),
    ([n for n in SIMPLE if n != "SparseAdam"], {"differentiable": True}),
    ([n for n in SIMPLE if n != "SparseAdam"], {"capturable": True}),
    ([n for n in SIMPLE if n != "SparseAdam"], {"learning_rate": 0.1}),
]


@pytest.mark.parametrize(
    ("name", "options"), [(name, options) for names, options in BAD_OPTIONS for name in names]
)
def test_bad_hyper_parameters(name: str, options: dict) -> None:
    rule = getattr(optim, name)
    with pytest.raises((DtypeError, ArgumentError)) as caught:
        rule([leaf(2)], **options)
    assert_complete(caught.value, name)
    hints = {"differentiable", "capturable", "learning_rate"}
    if name != "LBFGS" and not options.keys() & hints:
        with pytest.raises((DtypeError, ArgumentError)):  # in a group just as in the defaults
            rule([{"params": [leaf(2)], **options}])
        optimizer = rule([leaf(2)])
        with pytest.raises((DtypeError, ArgumentError)):
            optimizer.add_param_group({"params": [leaf(2)], **options})
        assert len(optimizer.param_groups) == 1


@pytest.mark.parametrize("name", [n for n in SIMPLE if n != "SparseAdam"])
def test_hints_of_torch_are_taken(name: str) -> None:
    getattr(optim, name)([leaf(2)], foreach=True, fused=None, differentiable=False)
    getattr(optim, name)([leaf(2)], foreach=False, capturable=False)


def test_a_gradient_that_does_not_fit_changes_nothing() -> None:
    for grad, error in (
        (np.ones(1), ShapeError),  # would broadcast
        (np.ones((3, 1)), ShapeError),
        (np.ones(3, np.float32), DtypeError),
    ):
        x, y = with_grad(2), leaf(3)
        y.grad = Tensor(grad)
        optimizer = optim.Adam([x, y])
        with pytest.raises(error, match=r"param_groups\[0\]\['params'\]\[1\].grad") as caught:
            optimizer.step()
        assert_complete(caught.value, "Adam")
        np.testing.assert_array_equal(x.array, 1)
        assert not optimizer.state_dict()["state"]


# -- how parameters and hyper-parameters are given -------------------------------------------


def test_ways_to_give_parameters() -> None:
    x, y = leaf(2), leaf(3)
    assert optim.SGD(p for p in (x, y)).param_groups[0]["params"] == [x, y]
    named = optim.SGD([("w", x), ("b", y)]).param_groups[0]
    assert named["params"] == [x, y]
    assert named["param_names"] == ["w", "b"]
    groups = optim.SGD([{"params": x}, {"params": iter([y]), "lr": 0.5}], lr=0.1).param_groups
    assert [group["params"] for group in groups] == [[x], [y]]
    assert [group["lr"] for group in groups] == [0.1, 0.5]
    given = {"params": [x]}
    optim.SGD([given])
    assert given == {"params": [x]}  # the user's dict is not written to


@pytest.mark.parametrize("value", [np.float32(0.25), np.float64(0.25), np.array(0.25), 0.25])
def test_numbers_of_any_kind(value) -> None:
    for lr in (value, Tensor(np.asarray(value)), Tensor(np.asarray(value).reshape(1))):
        x = Tensor(np.ones(2, np.float32), requires_grad=True)
        x.grad = Tensor(np.ones(2, np.float32))
        optimizer = optim.SGD([x], lr=lr)
        assert type(optimizer.param_groups[0]["lr"]) is float
        optimizer.step()
        assert x.dtype == np.float32
        np.testing.assert_array_equal(x.array, 0.75)
        optimizer.param_groups[0]["lr"] = lr  # and set between two steps
        optimizer.step()
        assert x.dtype == np.float32
        np.testing.assert_array_equal(x.array, 0.5)


def test_frozen_parameters_are_left_alone() -> None:
    x = Tensor(np.ones(2))
    optimizer = optim.AdamW([x, with_grad(2)], weight_decay=0.5)
    optimizer.step()
    np.testing.assert_array_equal(x.array, 1)


def test_group_added_later() -> None:
    x, y = with_grad(2), with_grad(2)
    optimizer = optim.Adam([x], lr=0.1)
    optimizer.step()
    optimizer.add_param_group({"params": y, "lr": 0.3})
    optimizer.step()
    assert optimizer.state[x]["step"] == 2
    assert optimizer.state[y]["step"] == 1
    assert optimizer.param_groups[1]["betas"] == (0.9, 0.999)


def test_repr_lists_the_settings_of_each_group() -> None:
    text = repr(optim.SGD([{"params": [leaf(2)]}, {"params": [leaf(2)], "lr": 0.5}], lr=0.1))
    assert text.startswith("SGD (")
    assert "lr: 0.1" in text
    assert "lr: 0.5" in text


# -- a step ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SIMPLE)
def test_closure_records_and_its_loss_is_returned(name: str) -> None:
    x = leaf(2)
    optimizer = getattr(optim, name)([x], lr=0.1)

    def closure() -> str:
        assert is_grad_enabled()
        x.grad = Tensor(np.ones(2))
        return "loss"

    with no_grad():
        assert optimizer.step(closure) == "loss"
        assert not is_grad_enabled()
    assert is_grad_enabled()
    assert (x.array < 1).all()
    assert optimizer.step() is None


def test_an_error_in_the_closure_leaves_everything() -> None:
    x = with_grad(2)
    optimizer = optim.SGD([x])

    def closure() -> None:
        raise KeyError("inside")

    with pytest.raises(KeyError):
        optimizer.step(closure)
    assert is_grad_enabled()
    np.testing.assert_array_equal(x.array, 1)


@pytest.mark.parametrize("name", SIMPLE)
def test_step_tells_the_graph(name: str) -> None:
    """A backward through the old values must be refused, so the version goes up."""
    x, y = with_grad(2), leaf(2)
    before = x.version().n, y.version().n
    getattr(optim, name)([x, y], lr=0.1).step()
    assert x.version().n > before[0]
    assert y.version().n == before[1]


def test_lbfgs_tells_the_graph() -> None:
    x = leaf(2)
    before = x.version().n

    def closure() -> float:
        x.grad = Tensor(2 * x.array)
        return float((x.array**2).sum())

    optim.LBFGS([x]).step(closure)
    assert x.version().n > before


def test_zero_grad() -> None:
    x, y = with_grad(2), leaf(2)
    optimizer = optim.SGD([x, y])
    grad = x.grad
    optimizer.zero_grad(set_to_none=False)
    assert x.grad is grad
    np.testing.assert_array_equal(grad.array, 0)
    assert y.grad is None
    optimizer.zero_grad()
    assert x.grad is None


def test_zero_grad_of_a_recorded_gradient_keeps_its_values() -> None:
    x = leaf(2)
    recorded = Tensor(np.ones(2))
    recorded.node = object()
    x.grad = recorded
    optim.SGD([x]).zero_grad(set_to_none=False)
    np.testing.assert_array_equal(recorded.array, 1)
    np.testing.assert_array_equal(x.grad.array, 0)
    assert x.grad.node is None


def test_hooks() -> None:
    x = with_grad(2)
    optimizer = optim.SGD([x], lr=1.0)
    seen = []
    before = optimizer.register_step_pre_hook(
        lambda o, args, kwargs: seen.append(("before", o is optimizer, x.array[0]))
    )
    optimizer.register_step_post_hook(
        lambda o, args, kwargs: seen.append(("after", o is optimizer, x.array[0]))
    )
    optimizer.step()
    before.remove()
    optimizer.step()
    assert seen == [("before", True, 1.0), ("after", True, 0.5), ("after", True, 0.0)]


def test_a_rule_of_your_own() -> None:
    class Sign(optim.Optimizer):
        def __init__(self, params, lr: float) -> None:
            super().__init__(params, {"lr": lr})

        def step(self, closure=None):
            for group in self.param_groups:
                for p in group["params"]:
                    p.array -= group["lr"] * np.sign(p.grad.array)
                    self.state[p]["seen"] = self.state[p].get("seen", 0) + 1

    x = with_grad(2)
    optimizer = Sign([x], lr=0.25)
    optim.lr_scheduler.StepLR(optimizer, 1).step()
    optimizer.param_groups[0]["lr"] = 0.25
    optimizer.step()
    np.testing.assert_array_equal(x.array, 0.75)
    other = Sign([leaf(2)], lr=1.0)
    other.load_state_dict(optimizer.state_dict())
    assert other.state[other.param_groups[0]["params"][0]] == {"seen": 1}
