"""state_dict and load_state_dict of an optimizer: form, copies, refusals."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from nnlite import optim
from nnlite.autograd import Tensor
from nnlite.errors import ArgumentError, StateDictError


def leaf(*shape: int) -> Tensor:
    return Tensor(np.ones(shape), requires_grad=True)


def with_grad(*shape: int) -> Tensor:
    x = leaf(*shape)
    x.grad = Tensor(np.full(shape, 0.5))
    return x


def trained(name: str = "Adam", sizes: tuple[int, ...] = (2, 3), **options) -> optim.Optimizer:
    optimizer = getattr(optim, name)([with_grad(n) for n in sizes], lr=0.1, **options)
    optimizer.step()
    return optimizer


def test_state_is_that_of_torch_in_form() -> None:
    saved = trained(amsgrad=True).state_dict()
    x = [torch.ones(2, requires_grad=True), torch.ones(3, requires_grad=True)]
    theirs = torch.optim.Adam(x, lr=0.1, amsgrad=True)
    for p in x:
        p.grad = torch.full_like(p, 0.5)
    theirs.step()
    expected = theirs.state_dict()
    assert saved.keys() == expected.keys()
    assert saved["state"].keys() == expected["state"].keys()
    assert saved["state"][0].keys() == expected["state"][0].keys()
    ours, other = saved["param_groups"][0], expected["param_groups"][0]
    assert ours["params"] == other["params"] == [0, 1]
    assert all(ours[key] == other[key] for key in ours)


def test_state_is_copied_both_ways() -> None:
    first = trained("SGD", momentum=0.9)
    saved = first.state_dict()
    kept = saved["state"][0]["momentum_buffer"].array.copy()
    first.step()
    np.testing.assert_array_equal(saved["state"][0]["momentum_buffer"].array, kept)

    second = optim.SGD([with_grad(2), with_grad(3)], momentum=0.9)
    second.load_state_dict(saved)
    second.step()
    second.param_groups[0]["lr"] = 7.0
    np.testing.assert_array_equal(saved["state"][0]["momentum_buffer"].array, kept)
    assert saved["param_groups"][0]["lr"] == 0.1
    assert saved["param_groups"][0]["params"] == [0, 1]


def test_loaded_state_takes_the_dtype_but_not_the_step_counter() -> None:
    """2**24 + 1 is no float32. pytorch PR #75214."""
    first = trained(sizes=(2,))
    saved = first.state_dict()
    saved["state"][0]["step"] = 2**24 + 1
    x = Tensor(np.ones(2, np.float32), requires_grad=True)
    second = optim.Adam([x])
    second.load_state_dict(saved)
    assert second.state[x]["exp_avg"].dtype == np.float32
    x.grad = Tensor(np.ones(2, np.float32))
    second.step()
    assert second.state[x]["step"] == 2**24 + 2
    assert x.dtype == np.float32


def test_groups_stay_the_same_objects() -> None:
    """A scheduler holds on to them."""
    optimizer = trained()
    group = optimizer.param_groups[0]
    saved = optimizer.state_dict()
    saved["param_groups"][0]["lr"] = 0.7
    optimizer.load_state_dict(saved)
    assert optimizer.param_groups[0] is group
    assert group["lr"] == 0.7


def test_settings_missing_in_an_old_state_are_the_defaults() -> None:
    saved = trained().state_dict()
    del saved["param_groups"][0]["maximize"]
    optimizer = optim.Adam([leaf(2), leaf(3)])
    optimizer.load_state_dict(saved)
    assert optimizer.param_groups[0]["maximize"] is False
    optimizer.step()


def test_adamw_stays_decoupled() -> None:
    optimizer = optim.AdamW([leaf(2), leaf(3)])
    optimizer.load_state_dict(trained("Adam").state_dict())
    assert optimizer.param_groups[0]["decoupled_weight_decay"] is True


def edited(**changes) -> dict:
    saved = trained().state_dict()
    saved.update(changes)
    return saved


def with_entry(name: str, value: object) -> dict:
    saved = trained().state_dict()
    saved["state"][1][name] = value
    return saved


BAD_STATES = {
    "more groups": (lambda: edited(param_groups=trained().state_dict()["param_groups"] * 2), "2 "),
    "more parameters": (lambda: trained(sizes=(2, 3, 4)).state_dict(), "3 parameters"),
    "reordered parameters": (
        lambda: trained(sizes=(3, 2)).state_dict(),
        r"state\[0\]\['exp_avg'\].*state\[1\]\['exp_avg_sq'\]",
    ),
    "another rule": (lambda: trained("SGD", momentum=0.9).state_dict(), "momentum_buffer"),
    "no state": (lambda: {"param_groups": []}, "no state"),
    "no dict": (lambda: [1], "list"),
    "state no dict": (lambda: edited(state=[1]), "'state'"),
    "state of numbers": (lambda: edited(state={0: 3}), "'state'"),
    "groups no list": (lambda: edited(param_groups=3), "'param_groups'"),
    "group no dict": (lambda: edited(param_groups=[3]), r"param_groups\[0\]"),
    "parameter twice": (
        lambda: edited(param_groups=[{**edited()["param_groups"][0], "params": [0, 0]}]),
        "two places",
    ),
    "unknown parameter": (lambda: edited(state={7: {}}), r"state\[7\]"),
    "step no number": (lambda: with_entry("step", "many"), "step"),
    "step a fraction": (lambda: with_entry("step", 2.5), "step"),
    "step NaN": (lambda: with_entry("step", math.nan), "step"),
    "no array": (lambda: with_entry("exp_avg", None), "exp_avg"),
}


@pytest.mark.parametrize("case", BAD_STATES)
def test_bad_states(case: str) -> None:
    make, text = BAD_STATES[case]
    optimizer = trained()
    before = optimizer.state_dict()
    with pytest.raises(StateDictError, match=text) as caught:
        optimizer.load_state_dict(make())
    assert caught.value.argument == "state_dict"
    assert caught.value.expected
    assert caught.value.hint
    after = optimizer.state_dict()
    assert after["param_groups"] == before["param_groups"]
    assert after["state"].keys() == before["state"].keys()
    for i, entries in before["state"].items():
        for name, value in entries.items():
            if isinstance(value, Tensor):
                np.testing.assert_array_equal(after["state"][i][name].array, value.array)
            else:
                assert after["state"][i][name] == value


def test_bad_settings_in_a_state() -> None:
    optimizer = trained()
    saved = optimizer.state_dict()
    saved["param_groups"][0]["lr"] = math.nan
    saved["state"][0]["step"] = 77
    with pytest.raises(ArgumentError, match="lr"):
        optimizer.load_state_dict(saved)
    assert optimizer.param_groups[0]["lr"] == 0.1
    assert optimizer.state_dict()["state"][0]["step"] == 1


def test_names_in_another_order_are_refused() -> None:
    """Same shapes, so that nothing else would notice. text2sql-lgesql#18."""
    first = optim.Adam([("a", with_grad(2)), ("b", with_grad(2))])
    first.step()
    second = optim.Adam([("b", leaf(2)), ("a", leaf(2))])
    with pytest.raises(StateDictError, match="another order"):
        second.load_state_dict(first.state_dict())
    renamed = optim.Adam([("module.a", leaf(2)), ("module.b", leaf(2))])
    renamed.load_state_dict(first.state_dict())
    unnamed = trained(sizes=(2, 2)).state_dict()
    renamed.load_state_dict(unnamed)
    assert renamed.param_groups[0]["param_names"] == ["a", "b"]


def test_state_is_kept_by_the_parameter_itself() -> None:
    """Never by id(), which a new object may have again."""
    optimizer = trained()
    assert all(isinstance(key, Tensor) for key in optimizer.state)
    assert set(optimizer.state) == set(optimizer.param_groups[0]["params"])
