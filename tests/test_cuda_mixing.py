"""Operands on different devices: every op refuses them, and names both devices."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import nnlite
from nnlite import nn, optim
from nnlite.autograd import Tensor
from nnlite.errors import DeviceError
from tests import fake_cupy
from tests.cases import collect
from tests.cases.base import OpCase, Sample
from tests.conftest import to_device
from tests.op_driver import Call, in_dtype, samples_of

# rows of the table that call an Op itself: a public function checks its operands before
INSIDE = {"take_at", "put_at", "rows of a Jacobian", "matmul, transposed", "row product"}


def _tensors_in(sample: Sample) -> int:
    found: list[Any] = []
    Call(sample, lambda x: found.append(x) or x, lambda x: False)  # type: ignore[func-returns-value]
    return len(found)


def _call(case: OpCase, sample: Sample, odd: int) -> Any:
    """The sample's tensors on the CPU, but number odd on the stand-in."""
    made: list[Tensor] = []

    def to(x: np.ndarray) -> Tensor:
        x = in_dtype(x, "float32")
        made.append(Tensor(to_device(x, "strict") if len(made) == odd else x))
        return made[-1]

    return Call(sample, to, lambda x: False).run(case.fn)


CASES = [
    case
    for case in collect()
    if case.name not in INSIDE and any(_tensors_in(sample) > 1 for sample in samples_of(case))
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case.name))
def test_every_op_refuses_mixed_devices(case: OpCase) -> None:
    for sample in samples_of(case)[:3]:
        count = _tensors_in(sample)
        for odd in range(count if count > 1 else 0):
            with pytest.raises(DeviceError) as error:
                _call(case, sample, odd)
            assert "strict" in str(error.value), (sample.id, odd)
            assert "cpu" in str(error.value), (sample.id, odd)


def test_most_ops_of_several_tensors_are_here() -> None:
    assert len(CASES) > 60


def test_two_cuda_devices_are_two_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_cupy.install(monkeypatch, fake_cupy.make(2)[0])
    x, y = nnlite.ones(3, device="cuda:0"), nnlite.ones(3, device="cuda:1")
    mask = nnlite.ones(3, dtype=nnlite.bool, device="cuda:0")
    linear = nn.Linear(3, 2, device="cuda:1")
    for call in (
        lambda: x + y,
        lambda: x @ y,
        lambda: nnlite.cat([x, y]),
        lambda: nnlite.where(mask, y, y),
        lambda: nnlite.maximum(x, y),
        lambda: linear(x),
        lambda: nnlite.stack([x, y]),
        lambda: x.copy_(y),
        lambda: nn.functional.mse_loss(x, y),
    ):
        with pytest.raises(DeviceError, match=r"cuda:[01] and cuda:[01]"):
            call()


@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (lambda d: nn.Linear(3, 2, device=d), (4, 3)),
        (lambda d: nn.Conv1d(2, 4, 3, device=d), (1, 2, 5)),
        (lambda d: nn.Conv2d(2, 4, 3, device=d), (1, 2, 5, 5)),
        (lambda d: nn.ConvTranspose1d(2, 4, 3, device=d), (1, 2, 5)),
        (lambda d: nn.ConvTranspose2d(2, 4, 3, device=d), (1, 2, 5, 5)),
        (lambda d: nn.BatchNorm1d(4, device=d), (3, 4)),
        (lambda d: nn.BatchNorm2d(4, device=d), (3, 4, 2, 2)),
        (lambda d: nn.InstanceNorm1d(4, affine=True, track_running_stats=True, device=d), None),
        (lambda d: nn.InstanceNorm2d(4, affine=True, track_running_stats=True, device=d), None),
        (lambda d: nn.LayerNorm(4, device=d), (3, 4)),
        (lambda d: nn.GroupNorm(2, 4, device=d), (3, 4, 2)),
        (lambda d: nn.Embedding(5, 3, device=d), None),
        (lambda d: nn.Bilinear(2, 3, 4, device=d), None),
        (lambda d: nn.PReLU(device=d), (3,)),
    ],
)
def test_layers_are_made_on_a_device(make: Any, shape: tuple[int, ...] | None) -> None:
    nnlite.manual_seed(0)
    there = make(nnlite.device("strict"))
    nnlite.manual_seed(0)
    here = make("cpu")
    for (name, x), (_, y) in zip(
        there.state_dict().items(), here.state_dict().items(), strict=True
    ):
        assert str(x.device) == "strict", name
        np.testing.assert_array_equal(x.cpu().numpy(), y.numpy())  # the same start
    with pytest.raises(DeviceError, match="tpu"):
        make("tpu")
    if shape is not None:
        there(nnlite.ones(shape).to(nnlite.device("strict")))
        with pytest.raises(DeviceError, match="strict") as error:
            there(nnlite.ones(shape))
        assert "cpu" in str(error.value)


def test_every_layer_with_parameters_is_in_the_list_above() -> None:
    import inspect

    kinds = {
        name
        for name, kind in vars(nn).items()
        if isinstance(kind, type)
        and issubclass(kind, nn.Module)
        and "device" in inspect.signature(kind).parameters
    }
    listed = {
        "Linear", "Conv1d", "Conv2d", "ConvTranspose1d", "ConvTranspose2d", "BatchNorm1d",
        "BatchNorm2d", "InstanceNorm1d", "InstanceNorm2d", "LayerNorm", "GroupNorm", "Embedding",
        "Bilinear", "PReLU",
    }  # fmt: skip
    assert kinds == listed


def test_an_optimizer_refuses_a_gradient_of_another_device() -> None:
    p = nn.Parameter(nnlite.ones(3))
    optimizer = optim.SGD([p], lr=0.1)
    p.grad = nnlite.ones(3).to(nnlite.device("strict"))
    with pytest.raises(DeviceError, match="strict"):
        optimizer.step()


# -- what other libraries ask of a Tensor ----------------------------------------------------


def test_a_tensor_crosses_to_torch_and_numpy() -> None:
    import torch

    x = nnlite.arange(6.0).reshape(2, 3)
    theirs = torch.from_dlpack(x)
    theirs[0, 0] = 9
    assert x[0, 0].item() == 9
    assert np.shares_memory(np.from_dlpack(x), x.numpy())
    again = nnlite.from_dlpack(theirs)
    assert again.data_ptr() == x.data_ptr()
    assert not hasattr(x, "__cuda_array_interface__")
    assert not x.is_pinned()


def test_a_tensor_of_the_device_has_the_interface(monkeypatch: pytest.MonkeyPatch) -> None:
    cupy, machine = fake_cupy.make(2)
    fake_cupy.install(monkeypatch, cupy)
    x = nnlite.ones(3, device="cuda:1")
    assert x.__cuda_array_interface__["data"][0] == x.data_ptr()
    assert x.__dlpack_device__() == (2, 1)
    host = nnlite.ones(3)
    machine.pins[host.data_ptr()] = host
    machine.blocking.clear()
    host.cuda(1, non_blocking=True)
    host.cuda()
    assert host.is_pinned()
    assert host.pin_memory() is host
    assert machine.blocking == [False, True]
    nnlite.set_float32_matmul_precision("highest")
    assert nnlite.get_float32_matmul_precision() == "highest"
    assert nnlite.backends.cuda.matmul.allow_tf32 is False
