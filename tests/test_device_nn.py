"""Modules on a device: made there, moved there, with the same results, and nothing copied back."""

from __future__ import annotations

import inspect
from collections.abc import Callable

import numpy as np
import pytest

import nnlite
from nnlite import nn
from nnlite.autograd import Tensor
from nnlite.errors import DeviceError, DtypeError
from nnlite.nn.utils import clip_grad_norm_, clip_grad_value_, parameters_to_vector
from tests.conftest import to_device
from tests.strict import StrictBackend, forbid_transfers

FLOATS = np.random.default_rng(0).normal(size=(4, 6, 5, 5))
# each layer that takes device=: how it is made, and the shape of an input
LAYERS: dict[str, tuple[Callable[..., nn.Module], tuple[int, ...] | str]] = {
    "BatchNorm1d": (lambda **k: nn.BatchNorm1d(6, **k), (4, 6)),
    "BatchNorm2d": (lambda **k: nn.BatchNorm2d(6, **k), (4, 6, 5, 5)),
    "Bilinear": (lambda **k: nn.Bilinear(6, 6, 3, **k), (4, 6)),
    "Conv1d": (lambda **k: nn.Conv1d(6, 4, 3, **k), (4, 6, 5)),
    "Conv2d": (lambda **k: nn.Conv2d(6, 4, 3, **k), (4, 6, 5, 5)),
    "ConvTranspose1d": (lambda **k: nn.ConvTranspose1d(6, 4, 3, **k), (4, 6, 5)),
    "ConvTranspose2d": (lambda **k: nn.ConvTranspose2d(6, 4, 3, **k), (4, 6, 5, 5)),
    "Embedding": (lambda **k: nn.Embedding(10, 3, **k), "classes"),
    "GroupNorm": (lambda **k: nn.GroupNorm(3, 6, **k), (4, 6, 5)),
    "InstanceNorm1d": (
        lambda **k: nn.InstanceNorm1d(6, affine=True, track_running_stats=True, **k),
        (4, 6, 5),
    ),
    "InstanceNorm2d": (lambda **k: nn.InstanceNorm2d(6, affine=True, **k), (4, 6, 5, 5)),
    "LayerNorm": (lambda **k: nn.LayerNorm(6, **k), (4, 6)),
    "Linear": (lambda **k: nn.Linear(6, 3, **k), (4, 6)),
    "PReLU": (lambda **k: nn.PReLU(6, **k), (4, 6)),
}


def numbers(x: Tensor) -> np.ndarray:
    return x.detach().to(device="cpu").numpy()


def example(shape: tuple[int, ...] | str, device: str) -> Tensor:
    if shape == "classes":
        return Tensor(to_device(np.array([[1, 2], [3, 1]]), device))
    return Tensor(to_device(FLOATS.flat[: np.prod(shape)].reshape(shape), device))


def run(name: str, layer: nn.Module, x: Tensor) -> Tensor:
    return layer(x, x) if name == "Bilinear" else layer(x)


def small() -> nn.Sequential:
    nnlite.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))


def test_the_table_has_every_layer_with_a_device() -> None:
    found = {
        name
        for name, kind in vars(nn).items()
        if inspect.isclass(kind)
        and issubclass(kind, nn.Module)
        and "device" in inspect.signature(kind).parameters
    }
    assert found == set(LAYERS)


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_made_on_a_device_is_there_with_all_that_it_has(name: str) -> None:
    make, shape = LAYERS[name]
    nnlite.manual_seed(1)
    ours = make(device="strict", dtype="float64")
    nnlite.manual_seed(1)
    plain = make(dtype="float64")
    state = ours.state_dict()
    assert {str(x.device) for x in state.values()} == {"strict"}
    for key, value in plain.state_dict().items():  # a seed's network starts alike everywhere
        np.testing.assert_array_equal(numbers(state[key]), value.numpy())
    y, want = run(name, ours, example(shape, "strict")), run(name, plain, example(shape, "cpu"))
    assert str(y.device) == "strict"
    np.testing.assert_allclose(numbers(y), numbers(want), rtol=1e-10, atol=1e-12)
    y.sum().backward()
    assert {str(p.grad.device) for p in ours.parameters()} == {"strict"}


# Embedding is missing: its op reads the smallest and the largest index, to refuse wrong ones
@pytest.mark.parametrize("name", sorted(set(LAYERS) - {"Embedding"}))
def test_a_layer_in_training_copies_nothing_to_the_host(name: str) -> None:
    make, shape = LAYERS[name]
    layer, x = make(device="strict"), example(shape, "strict").float()
    with forbid_transfers():
        for _ in range(2):
            run(name, layer, x).square().mean().backward()
            clip_grad_norm_(layer.parameters(), 1.0)
            clip_grad_value_(layer.parameters(), 0.1)
            parameters_to_vector(layer.parameters())
            layer.zero_grad()


@pytest.mark.parametrize("move", [lambda m: m.to("strict"), lambda m: m.to(device="strict")])
def test_moving_takes_parameters_gradients_and_buffers_along(move: Callable) -> None:
    model = small()
    model(nnlite.ones(5, 3)).sum().backward()
    objects = list(model.parameters())
    state = {k: numbers(v) for k, v in model.state_dict().items()}
    grads = [numbers(p.grad) for p in objects]
    assert move(model) is model
    for p, q, grad in zip(model.parameters(), objects, grads, strict=True):
        assert p is q
        assert p.is_leaf
        assert p.requires_grad
        assert str(p.grad.device) == "strict"
        np.testing.assert_array_equal(numbers(p.grad), grad)
    for key, value in model.state_dict().items():
        assert str(value.device) == "strict"
        np.testing.assert_array_equal(numbers(value), state[key])
    assert {str(x.device) for x in model.cpu().state_dict().values()} == {"cpu"}


def test_device_and_dtype_together() -> None:
    model = small().to("strict", nnlite.float64)
    kinds = {(str(x.device), x.dtype.name) for x in model.state_dict().values()}
    assert kinds == {("strict", "float64"), ("strict", "int64")}  # the count of batches stays one
    model.to(nnlite.ones(1), non_blocking=True)
    assert {str(x.device) for x in model.state_dict().values()} == {"cpu"}
    with pytest.raises(DtypeError, match="strictly"):
        model.to("strictly")


def test_tied_parameters_and_buffers_stay_tied() -> None:
    a, b = nn.Linear(3, 3), nn.Linear(3, 3)
    b.weight = a.weight
    a.register_buffer("scale", nnlite.ones(3))
    b.register_buffer("scale", a.scale)
    model = nn.Sequential(a, b).to("strict")
    assert model[0].weight is model[1].weight
    assert model[0].scale is model[1].scale
    assert str(model[1].scale.device) == "strict"
    assert len(list(model.parameters())) == 3


def test_nothing_is_moved_where_the_device_runs_out_of_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model, calls = small(), []
    receive = StrictBackend.receive

    def full(self, *args):
        calls.append(args)
        if len(calls) > 3:
            raise DeviceError("device", got="no memory")
        return receive(self, *args)

    monkeypatch.setattr(StrictBackend, "receive", full)
    with pytest.raises(DeviceError, match="no memory"):
        model.to("strict")
    assert {str(x.device) for x in model.state_dict().values()} == {"cpu"}


def test_a_device_that_is_not_there() -> None:
    model = small()
    with pytest.raises(DeviceError, match="strict:3"):
        model.to("strict:3")
    with pytest.raises(DeviceError, match="tpu"):
        nn.Linear(2, 2, device="tpu")
    with pytest.raises(DeviceError, match=r"cpu.*strict|strict.*cpu"):
        model.to("strict")(nnlite.ones(5, 3))


@pytest.mark.parametrize(("theirs", "ours"), [("cpu", "strict"), ("strict", "cpu")])
@pytest.mark.parametrize("assign", [False, True])
def test_a_state_dict_of_another_device(theirs: str, ours: str, assign: bool) -> None:
    state = small().to(theirs).state_dict()
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2)).to(ours)
    model.load_state_dict(state, assign=assign)
    for key, value in model.state_dict().items():
        assert str(value.device) == ours
        np.testing.assert_array_equal(numbers(value), numbers(state[key]))
    model[0].weight.detach().fill_(7.0)
    assert not (numbers(state["0.weight"]) == 7).any()
