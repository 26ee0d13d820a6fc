"""What the CUDA backend computes by itself: sums by index, seeds, and arrays that come and go."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest
import torch

import nnlite
from nnlite.backend.cuda_proxy import OnDevice
from nnlite.backend.dtypes import SUPPORTED
from nnlite.errors import ArgumentError, DeviceError, DtypeError, GraphError
from nnlite.ops.interchange import (
    cuda_array_interface,
    from_dlpack,
    to_dlpack,
    to_dlpack_device,
)
from nnlite.ops.moving import is_pinned, pin_memory
from tests import fake_cupy
from tests.fake_cupy import Machine

KINDS = sorted(kind.name for kind in SUPPORTED)


# -- functions of one of several devices -----------------------------------------------------


def test_functions_run_on_their_device() -> None:
    seen: list[str] = []

    class Here:
        def __enter__(self) -> None:
            seen.append("in")

        def __exit__(self, *args: object) -> None:
            seen.append("out")

    there = OnDevice(np, Here)
    assert there.float32 is np.float32
    assert there.pi == np.pi
    assert there.zeros(2).tolist() == [0.0, 0.0]
    assert there.linalg.norm(np.array([3.0, 4.0])) == 5.0
    x = np.zeros(2)
    there.add.at(x, [0, 0], 1.0)
    assert x.tolist() == [2.0, 0.0]
    assert seen == ["in", "out"] * 3
    with pytest.raises(AttributeError):
        _ = there.no_such_function
    with pytest.raises(ValueError, match="negative"):
        there.zeros(-1)
    assert seen == ["in", "out"] * 4


# -- seeds for kernels -----------------------------------------------------------------------


def test_offsets_do_not_overlap() -> None:
    """Each counter value gives four numbers of 32 bits: no two calls may share one."""
    generator = nnlite.Generator().manual_seed(7)
    taken: set[int] = set()
    for n in (1, 4, 5, 1000, 3, 0, 8):
        seed, offset = generator.next_offset(n)
        counters = set(range(offset, offset + (n + 3) // 4))
        assert seed == 7
        assert not counters & taken
        taken |= counters
    assert taken == set(range(1 + 1 + 2 + 250 + 1 + 2))  # and none is left out


def test_seeds_make_the_same_pairs() -> None:
    def pairs(generator: nnlite.Generator) -> list[tuple[int, int]]:
        return [generator.next_offset(n) for n in (10, 20, 30)]

    one, two = (nnlite.Generator().manual_seed(5) for _ in range(2))
    assert pairs(one) == pairs(two)
    assert pairs(one) != pairs(nnlite.Generator().manual_seed(5))  # further on
    assert pairs(one.manual_seed(5)) == pairs(two.manual_seed(5))
    assert nnlite.Generator().manual_seed(-1).next_offset(1)[0] == 2**64 - 1
    assert nnlite.Generator().next_offset(1)[0] != nnlite.Generator().next_offset(1)[0]


def test_the_counter_is_part_of_the_state() -> None:
    generator = nnlite.Generator().manual_seed(1)
    generator.next_offset(100)
    state = generator.get_state()
    expected = generator.next_offset(8), generator.uniform((3,), nnlite.float32).tolist()
    other = nnlite.Generator().set_state(state)
    assert (other.next_offset(8), other.uniform((3,), nnlite.float32).tolist()) == expected
    del state["counter"]  # as saved before there was one
    assert nnlite.Generator().set_state(state).next_offset(8) == (1, 0)
    with pytest.raises(ArgumentError, match="what get_state"):
        generator.set_state({"counter": [0, 0]})


def test_cuda_seeds_leave_the_host_alone() -> None:
    nnlite.manual_seed(3)
    expected = nnlite.rand(4).tolist()
    nnlite.manual_seed(3)
    nnlite.cuda.manual_seed_all(9)
    assert nnlite.rand(4).tolist() == expected
    assert nnlite.default_generator().next_offset(4) == (9, 0)
    state = nnlite.cuda.get_rng_state()
    assert nnlite.default_generator().next_offset(4) == (9, 1)
    nnlite.cuda.set_rng_state(state)
    assert nnlite.default_generator().next_offset(4) == (9, 1)
    with pytest.raises(ArgumentError, match="a whole number"):
        nnlite.cuda.manual_seed(1.5)  # type: ignore[arg-type]


# -- DLPack ----------------------------------------------------------------------------------


class Exported:
    """A Tensor with the methods that other libraries ask for."""

    def __init__(self, x: nnlite.Tensor) -> None:
        self.x = x

    def __dlpack__(self, **options: Any) -> Any:
        return to_dlpack(self.x, **options)

    def __dlpack_device__(self) -> tuple[int, int]:
        return to_dlpack_device(self.x)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 3)])
def test_dlpack_from_torch_and_back(kind: str, shape: tuple[int, ...]) -> None:
    theirs = torch.ones(shape, dtype=getattr(torch, kind))
    ours = from_dlpack(theirs)
    assert (ours.dtype.name, ours.shape, str(ours.device)) == (kind, shape, "cpu")
    if theirs.numel():
        assert ours.data_ptr() == theirs.data_ptr()
        theirs.zero_()
        assert not ours.any().item()
    back = torch.from_dlpack(Exported(ours))
    assert (back.dtype, tuple(back.shape)) == (theirs.dtype, shape)
    if theirs.numel():
        assert back.data_ptr() == theirs.data_ptr()
        back.fill_(1)
        assert ours.all().item()


def test_dlpack_of_views() -> None:
    theirs = torch.arange(24.0).reshape(4, 6)[1:, ::2].T
    ours = from_dlpack(theirs)
    assert ours.tolist() == theirs.tolist()
    assert np.shares_memory(ours.numpy(), theirs.numpy())
    again = np.from_dlpack(Exported(ours))
    assert again.tolist() == theirs.tolist()
    assert np.shares_memory(again, theirs.numpy())


def test_dlpack_of_numpy() -> None:
    array = np.arange(4, dtype=np.int16)
    x = from_dlpack(array)
    assert np.shares_memory(x.numpy(), array)
    copied = np.from_dlpack(Exported(x), copy=True)
    assert not np.shares_memory(copied, array)


def test_dlpack_keeps_read_only_memory_safe() -> None:
    array = np.ones(3)
    array.flags.writeable = False
    x = from_dlpack(array)
    with pytest.raises(ArgumentError):
        x.add_(1.0)
    assert array.tolist() == [1.0] * 3


@pytest.mark.parametrize("data", [[1.0], 3, None, np.float32(1).item()])
def test_dlpack_of_what_is_no_array(data: Any) -> None:
    with pytest.raises(DtypeError, match="from_dlpack: ext_tensor"):
        from_dlpack(data)


def test_dlpack_refuses() -> None:
    with pytest.raises(DtypeError, match="float16"):
        from_dlpack(torch.ones(2, dtype=torch.float16))
    with pytest.raises(GraphError, match=r"x\.detach\(\)"):
        torch.from_dlpack(Exported(nnlite.ones(2, requires_grad=True)))

    class Metal:
        def __dlpack__(self, **options: Any) -> None: ...

        def __dlpack_device__(self) -> tuple[int, int]:
            return 8, 0

    with pytest.raises(DeviceError, match="DLPack's device type 8"):
        from_dlpack(Metal())


# -- on the (fake) device --------------------------------------------------------------------


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    cupy, machine = fake_cupy.make(2)
    fake_cupy.install(monkeypatch, cupy)
    return machine


class OnGpu:
    """Another library's array on a device."""

    def __init__(self, x: Any, device: int = 0) -> None:
        self.x, self.device = x, device

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        return dict(self.x.__array_interface__)

    def __dlpack__(self, **options: Any) -> None: ...

    def __dlpack_device__(self) -> tuple[int, int]:
        return 2, self.device


def test_arrays_of_the_device_come_without_a_copy(machine: Machine) -> None:
    memory = np.arange(3.0)
    held = list(machine.held)
    for x in (from_dlpack(OnGpu(memory)), nnlite.as_tensor(OnGpu(memory))):
        assert str(x.device) == "cuda:0"
        assert np.shares_memory(x.array.x, memory)
    assert str(from_dlpack(OnGpu(memory, 1)).device) == "cuda:1"
    assert machine.held == held  # nothing was allocated
    assert to_dlpack_device(from_dlpack(OnGpu(memory, 1))) == (2, 1)
    copied = nnlite.tensor(OnGpu(memory))
    assert str(copied.device) == "cuda:0"
    assert not np.shares_memory(copied.array.x, memory)
    assert nnlite.tensor(OnGpu(memory), device="cpu").tolist() == memory.tolist()


def test_dtypes_of_the_device_are_checked(machine: Machine) -> None:
    half = OnGpu(np.ones(2, dtype=np.float16))
    for take in (from_dlpack, nnlite.as_tensor, nnlite.tensor):
        with pytest.raises(DtypeError, match="float16"):
            take(half)


def test_arrays_of_the_device_need_cupy(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_cupy.install(monkeypatch, None)
    for take in (from_dlpack, nnlite.as_tensor, nnlite.tensor):
        with pytest.raises(DeviceError, match="the package cupy"):
            take(OnGpu(np.ones(2)))


def test_the_interface_is_there_on_cuda_only(machine: Machine) -> None:
    x = nnlite.ones(2, device="cuda")
    assert cuda_array_interface(x)["data"][0] == x.array.x.ctypes.data
    with pytest.raises(AttributeError, match="the tensor is on cpu"):
        cuda_array_interface(nnlite.ones(2))
    with pytest.raises(GraphError, match="requires no gradient"):
        cuda_array_interface(nnlite.ones(2, device="cuda", requires_grad=True))


def test_pinned_memory(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Any] = []

    class Cupyx:
        @staticmethod
        def empty_like_pinned(x: Any) -> Any:
            out = np.empty_like(x)
            machine.pins[out.ctypes.data] = out
            made.append(out)
            return out

    monkeypatch.setitem(sys.modules, "cupyx", Cupyx)  # type: ignore[arg-type]
    from nnlite.backend.cuda import load

    backend: Any = load("test")
    x = np.arange(4.0)
    pinned = backend.pin(x)
    assert pinned is made[0]
    assert pinned.tolist() == x.tolist()
    assert backend.pin(pinned) is pinned
    assert (backend.is_pinned(pinned), backend.is_pinned(x)) == (True, False)
    tensor = nnlite.tensor([1.0, 2.0])
    assert not is_pinned(tensor)
    locked = pin_memory(tensor)
    assert is_pinned(locked)
    assert pin_memory(locked) is locked
    assert locked.tolist() == tensor.tolist()
    there = tensor.cuda()
    assert not is_pinned(there)
    with pytest.raises(DeviceError, match="one on cuda:0"):
        pin_memory(there)
