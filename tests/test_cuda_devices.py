"""CUDA devices: by name and number, what is missing, what fails; on a fake CuPy of two devices."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import nnlite
from nnlite import nn
from nnlite.backend import backend_of, registry
from nnlite.errors import (
    DeviceError,
    MissingDeviceError,
    MissingExtraError,
    NnliteError,
)
from tests import fake_cupy
from tests.fake_cupy import CUDARuntimeError, Machine

CUDA = nnlite.cuda


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    """Two devices of 1 MiB."""
    cupy, machine = fake_cupy.make(2)
    fake_cupy.install(monkeypatch, cupy)
    return machine


# -- what is missing -------------------------------------------------------------------------


def test_importing_nnlite_does_not_look_for_cupy() -> None:
    program = (
        "import sys\n"
        "class Finder:\n"
        "    def find_spec(self, name, *rest):\n"
        "        assert name.partition('.')[0] not in ('cupy', 'cupyx'), name\n"
        "sys.meta_path.insert(0, Finder())\n"
        "import nnlite\n"
        "nnlite.manual_seed(0); nnlite.cuda.manual_seed_all(1); nnlite.cuda.empty_cache()\n"
        "assert nnlite.cuda.memory_allocated() == nnlite.cuda.max_memory_allocated() == 0\n"
        "(nnlite.ones(3, device='cpu') * 2).sum().item()\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_no_cupy(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_cupy.install(monkeypatch, None)
    assert (CUDA.is_available(), CUDA.device_count()) == (False, 0)
    for call in (
        lambda: nnlite.zeros(2, device="cuda"),
        lambda: nnlite.ones(2).cuda(),
        lambda: nnlite.Generator("cuda"),
        CUDA.synchronize,
        CUDA.current_device,
        CUDA.mem_get_info,
    ):
        with pytest.raises(MissingExtraError, match=r"nnlite\[cuda13\].*nnlite\[cuda12\]") as error:
            call()
        assert isinstance(error.value, DeviceError)
        assert isinstance(error.value, MissingDeviceError)


def test_cupy_of_another_cuda_version(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_cupy.forget(monkeypatch)
    monkeypatch.delitem(sys.modules, "cupy", raising=False)

    class Finder:
        def find_spec(self, name: str, *rest: object) -> None:
            if name == "cupy":
                raise ImportError("libcublas.so.12: cannot open shared object file")

    monkeypatch.setattr(sys, "meta_path", [Finder(), *sys.meta_path])
    assert not CUDA.is_available()
    with pytest.raises(DeviceError, match=r"libcublas\.so\.12.*nvidia-smi") as error:
        nnlite.zeros(2, device="cuda")
    assert not isinstance(error.value, MissingExtraError)  # it is installed


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (35, "no NVIDIA driver is installed, or an older one"),
        (100, "the driver sees none; CUDA_VISIBLE_DEVICES"),
        (803, "update the driver"),
        (3, "forked process"),
        (46, "exclusive mode"),
    ],
)
def test_no_driver_or_device(
    monkeypatch: pytest.MonkeyPatch, machine: Machine, status: int, said: str
) -> None:
    machine.fails = CUDARuntimeError(status, "cudaErrorOfSomeKind: it failed")
    assert (CUDA.is_available(), CUDA.device_count()) == (False, 0)
    with pytest.raises(DeviceError, match=said) as error:
        nnlite.zeros(2, device="cuda")
    assert "cudaErrorOfSomeKind" in str(error.value)
    assert isinstance(error.value.__cause__, CUDARuntimeError)
    machine.fails = None  # found as soon as it is there
    assert CUDA.device_count() == 2


def test_a_driver_without_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_cupy.install(monkeypatch, fake_cupy.make(0)[0])
    assert not CUDA.is_available()
    with pytest.raises(DeviceError, match="expected a CUDA device, got none"):
        nnlite.zeros(2, device="cuda")


def test_other_errors_of_cupy_stay_as_they_are(machine: Machine) -> None:
    machine.fails = RuntimeError("a bug")
    with pytest.raises(RuntimeError, match="a bug") as error:
        nnlite.zeros(2, device="cuda")
    assert not isinstance(error.value, NnliteError)


# -- by name and number ----------------------------------------------------------------------


def test_devices_by_name(machine: Machine) -> None:
    assert (CUDA.is_available(), CUDA.device_count(), CUDA.current_device()) == (True, 2, 0)
    assert str(nnlite.zeros(2, device="cuda").device) == "cuda:0"
    assert str(nnlite.zeros(2, device="cuda:1").device) == "cuda:1"
    assert str(nnlite.zeros(2, device=nnlite.device(1)).device) == "cuda:1"
    assert nnlite.zeros(2, device="cuda:1").is_cuda
    assert not nnlite.zeros(2).is_cuda
    assert machine.current == 0  # nothing changed it
    assert CUDA.get_device_name(1) == "Fake 1"
    assert CUDA.get_device_capability() == (9, 0)


@pytest.mark.parametrize("name", ["cuda:2", nnlite.device("cuda", 7)])
def test_an_index_out_of_range(machine: Machine, name: str) -> None:
    with pytest.raises(DeviceError, match=r"one of the 2 CUDA devices.*got 'cuda:[27]'"):
        nnlite.zeros(2, device=name)


def test_an_index_of_the_cpu() -> None:
    assert str(nnlite.zeros(1, device="cpu:0").device) == "cpu"
    with pytest.raises(DeviceError, match=r"index 0.*got 'cpu:1'"):
        nnlite.zeros(1, device="cpu:1")


@pytest.mark.parametrize("name", ["", "cuda:", "cuda:x", "cuda:-1", None, 1.5, True, -1])
def test_no_name_of_a_device(name: Any) -> None:
    with pytest.raises(DeviceError, match="expected 'cpu', 'cuda' or 'cuda:INDEX'"):
        nnlite.device(name)


def test_an_unknown_device() -> None:
    with pytest.raises(DeviceError, match=r"a device that nnlite knows.*got 'tpu'"):
        nnlite.zeros(1, device="tpu")
    with pytest.raises(DeviceError, match=r"a CUDA device.*got 'cpu'"):
        CUDA.synchronize("cpu")


def test_the_current_device(machine: Machine) -> None:
    with CUDA.device(1):
        assert CUDA.current_device() == 1
        assert str(nnlite.zeros(2, device="cuda").device) == "cuda:1"
        with CUDA.device("cuda:0"):
            assert CUDA.current_device() == 0
        assert CUDA.current_device() == 1
    assert CUDA.current_device() == 0
    CUDA.set_device("cuda:1")
    assert str(nnlite.ones(2).cuda().device) == "cuda:1"
    with pytest.raises(DeviceError), CUDA.device(5):
        pass
    assert CUDA.current_device() == 1


def test_synchronize_waits_for_the_device_named(machine: Machine) -> None:
    CUDA.synchronize()
    CUDA.synchronize(1)
    CUDA.synchronize(nnlite.device("cuda:1"))
    assert machine.waits == [0, 1, 1]
    assert machine.current == 0


# -- moving ----------------------------------------------------------------------------------


def test_moves_between_devices(machine: Machine) -> None:
    x = nnlite.arange(6.0).reshape(2, 3)
    there = x.to("cuda:1")
    assert str(there.device) == "cuda:1"
    assert there.to("cuda:1") is there
    assert there.cuda(1) is there
    other = there.cuda(0)
    assert str(other.device) == "cuda:0"
    assert other.array.x is not there.array.x
    assert str(there.cuda().device) == "cuda:0"  # "cuda" is the current one
    back = other.cpu()
    assert back.tolist() == x.tolist()
    assert type(back.array) is np.ndarray
    assert str(x.to(1, nnlite.float64).device) == "cuda:1"
    assert x.to("cuda", nnlite.float64).dtype == nnlite.float64
    assert x.to(other).device == other.device


def test_small_dtypes_travel_small(machine: Machine) -> None:
    images = nnlite.zeros(1000, dtype=nnlite.uint8)
    images.to("cuda", nnlite.float32)
    wide = nnlite.zeros(1000, dtype=nnlite.float64)
    before = machine.held[0]
    wide.to("cuda", nnlite.uint8)
    assert machine.held[0] - before == 1000


def test_gradients_move_back(machine: Machine) -> None:
    x = nnlite.ones(3, requires_grad=True)
    y = x.to("cuda:1")
    y.backward(nnlite.tensor([1.0, 2.0, 3.0], device="cuda:1"))
    assert x.grad is not None
    assert (str(x.grad.device), x.grad.tolist()) == ("cpu", [1.0, 2.0, 3.0])


def test_only_pinned_memory_makes_a_difference_to_non_blocking(machine: Machine) -> None:
    x = nnlite.ones(4)
    x.to("cuda")
    machine.pins[x.data_ptr()] = x
    x.to("cuda")
    x.to("cuda", non_blocking=True)
    x.to("cuda", nnlite.float32, True)
    assert machine.blocking == [False, True, False, False]


def test_positional_flags_of_to() -> None:
    x = nnlite.ones(2)
    assert x.to("cpu", nnlite.float32, False, True) is not x
    assert x.to("cpu", True) is x
    with pytest.raises(NnliteError, match="to: copy"):
        x.to("cpu", True, True, True)


def test_arrays_of_another_device_are_not_taken(machine: Machine) -> None:
    x = nnlite.ones(2, device="cuda:1")
    with pytest.raises(DeviceError, match=r"an array on cuda:0.*one on cuda:1"):
        registry.backend_for(nnlite.device("cuda:0")).asarray(x.array)


# -- arrays that are met ---------------------------------------------------------------------


def test_a_cupy_array_is_met(machine: Machine) -> None:
    array = sys.modules["cupy"].ones(3)
    x = nnlite.Tensor(array)
    assert x.array is array
    assert str(x.device) == "cuda:0"
    assert nnlite.as_tensor(array).array is array
    assert nnlite.as_tensor(array, device="cuda:0").array is array
    copied = nnlite.tensor(array)
    assert copied.array is not array
    assert str(copied.device) == "cuda:0"
    assert str(nnlite.tensor(array, device="cpu").device) == "cpu"


def test_numpy_says_cpu(machine: Machine) -> None:
    x = nnlite.ones(2, device="cuda")
    for call in (lambda: np.asarray(x), x.numpy, lambda: np.add(np.ones(2), x)):
        with pytest.raises((DeviceError, TypeError)) as error:
            call()
    for convert in (np.asarray, np.array, np.linalg.norm):
        with pytest.raises(DeviceError, match=r"one on cuda:0; hint: copy it with \.cpu\(\)"):
            convert(x)
    assert isinstance(error.value, TypeError)  # a ufunc asks the Tensor, which declines
    assert x.numpy(force=True).tolist() == [1.0, 1.0]


def test_lists_of_device_tensors_say_where_to(machine: Machine) -> None:
    x = nnlite.ones((), device="cuda")
    with pytest.raises(DeviceError, match=r"one on cuda:0; hint: nnlite\.stack"):
        nnlite.tensor([x, x])
    assert nnlite.tensor([x, x], device="cpu").tolist() == [1.0, 1.0]
    assert str(nnlite.tensor([x, x], device="cuda:1").device) == "cuda:1"


# -- everything that is made -----------------------------------------------------------------


def test_a_generator_knows_its_device(machine: Machine) -> None:
    assert str(nnlite.Generator().device) == "cpu"
    generator = nnlite.Generator(device="cuda").manual_seed(3)
    assert str(generator.device) == "cuda"
    drawn = nnlite.rand(4, generator=generator, device="cuda:1")
    assert str(drawn.device) == "cuda:1"
    same = nnlite.rand(4, generator=nnlite.Generator().manual_seed(3))
    assert drawn.tolist() == same.tolist()  # a network starts alike on all devices
    with pytest.raises(DeviceError, match="cuda:9"):
        nnlite.Generator("cuda:9")


@pytest.mark.parametrize(
    "make",
    [
        lambda d: nnlite.tensor([1.0, 2.0], device=d),
        lambda d: nnlite.as_tensor([1.0, 2.0], device=d),
        lambda d: nnlite.as_tensor(np.ones(2), device=d),
        lambda d: nnlite.zeros(2, device=d),
        lambda d: nnlite.ones(2, device=d),
        lambda d: nnlite.empty(2, device=d),
        lambda d: nnlite.full((2,), 3.0, device=d),
        lambda d: nnlite.zeros_like(nnlite.ones(2), device=d),
        lambda d: nnlite.rand(2, device=d),
        lambda d: nnlite.randn(2, device=d),
        lambda d: nnlite.normal(0.0, 1.0, (2,), device=d),
        lambda d: nnlite.randint(3, (2,), device=d),
        lambda d: nnlite.randperm(3, device=d),
        lambda d: nnlite.rand_like(nnlite.ones(2), device=d),
        lambda d: nnlite.ones(2).new_zeros(2, device=d),
        lambda d: nnlite.zeros(2, device=d).new_ones(3),
        lambda d: nn.Parameter(nnlite.zeros(2, device=d)),
    ],
)
@pytest.mark.parametrize("device", ["cpu", "cuda:0", "cuda:1"])
def test_every_constructor_takes_a_device(
    machine: Machine, make: Callable[[str], nnlite.Tensor], device: str
) -> None:
    x = make(device)
    assert str(x.device) == device
    assert backend_of(x.array) is registry.backend_for(nnlite.device(device))
