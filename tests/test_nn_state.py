"""state_dict and load_state_dict."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from nnlite import nn
from nnlite.autograd import Tensor
from nnlite.errors import DtypeError, GraphError, StateDictError


def _net(nn: Any) -> Any:
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Linear(4, 3))


def test_keys_and_shapes_equal_torch_and_load_from_it() -> None:
    ours, theirs = _net(nn), _net(torch.nn)
    state = {k: v.numpy() for k, v in theirs.state_dict().items()}
    shapes = {k: v.shape for k, v in ours.state_dict().items()}
    assert shapes == {k: v.shape for k, v in state.items()}
    result = ours.load_state_dict(state)
    assert repr(result) == "<All keys matched successfully>"
    for name, tensor in ours.state_dict().items():
        np.testing.assert_array_equal(tensor.array, state[name])
        assert not np.shares_memory(tensor.array, state[name])


def test_state_shares_memory_and_is_detached() -> None:
    net = _net(nn)
    state = net.state_dict()
    assert not any(t.requires_grad for t in state.values())
    assert state["2.bias"].array is net[2].bias.array
    assert net.state_dict(keep_vars=True)["2.bias"] is net[2].bias
    assert next(iter(net.state_dict(prefix="net."))) == "net.0.weight"


def test_all_mismatches_are_told_and_nothing_is_loaded() -> None:
    net = _net(nn)
    before = {k: v.array.copy() for k, v in net.state_dict().items()}
    state: dict[str, Any] = {k: v.array + 1 for k, v in net.state_dict().items()}
    del state["0.bias"]
    state["extra"] = np.zeros(1, "float32")
    state["2.weight"] = np.zeros((3, 5), "float32")
    state["2.bias"] = np.zeros(3, "float64")
    with pytest.raises(StateDictError) as caught:
        net.load_state_dict(state)
    text = str(caught.value)
    for part in (
        "0.bias is missing",
        "extra is unexpected",
        "2.weight has shape (3, 5) instead of (3, 4)",
        "2.bias has dtype float64 instead of float32",
    ):
        assert part in text
    for name, tensor in net.state_dict().items():
        np.testing.assert_array_equal(tensor.array, before[name])


def test_not_strict() -> None:
    net = _net(nn)
    missing, unexpected = net.load_state_dict(
        {"2.bias": np.ones(3), "other": np.zeros(1)}, strict=False
    )
    assert missing == ["0.weight", "0.bias", "2.weight"]
    assert unexpected == ["other"]
    np.testing.assert_array_equal(net[2].bias.array, np.ones(3, "float32"))
    assert net[2].bias.dtype == np.float32
    with pytest.raises(StateDictError, match=r"2\.bias has shape"):
        net.load_state_dict({"2.bias": np.ones(4)}, strict=False)


@pytest.mark.parametrize("value", [[1.0, 2.0, 3.0], "text", None])
def test_what_is_no_array_is_refused(value: Any) -> None:
    net = _net(nn)
    with pytest.raises(StateDictError, match=r"2\.bias is a "):
        net.load_state_dict({**net.state_dict(), "2.bias": value})
    with pytest.raises(DtypeError, match="load_state_dict: state_dict"):
        net.load_state_dict([("2.bias", value)])


def test_loading_between_forward_and_backward_is_noticed() -> None:
    net = _net(nn)[2:]
    y = net(nn.Linear(4, 4)(Tensor(np.ones((2, 4), "float32"))))
    net.load_state_dict({k: v.array + 1 for k, v in net.state_dict().items()})
    with pytest.raises(GraphError):
        y.sum().backward()


def test_buffers() -> None:
    net = nn.Module()
    net.register_buffer("mean", Tensor(np.zeros(2)))
    net.register_buffer("cache", Tensor(np.zeros(2)), persistent=False)
    net.register_buffer("nothing", None)
    assert list(net.state_dict()) == ["mean"]
    assert [name for name, _ in net.named_buffers()] == ["mean", "cache"]
    net.load_state_dict({"mean": Tensor(np.ones(2))})
    np.testing.assert_array_equal(net.mean.array, np.ones(2))


def test_assign_takes_the_memory_over() -> None:
    net = nn.Linear(2, 2)
    state = {"weight": np.ones((2, 2), "float32"), "bias": np.ones(2, "float32")}
    weight = net.weight
    net.load_state_dict(state, assign=True)
    assert net.weight is weight
    assert np.shares_memory(net.weight.array, state["weight"])


def test_a_state_moves_between_devices() -> None:
    net, other = nn.Linear(2, 2), nn.Linear(2, 2).to(device="strict")
    other.load_state_dict(net.state_dict())
    assert str(other.weight.device) == "strict"
    net.load_state_dict(other.state_dict())
    assert str(net.weight.device) == "cpu"
