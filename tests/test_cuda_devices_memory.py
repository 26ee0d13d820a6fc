"""Memory that runs out, devices that fail, and the precision asked for; on a fake CuPy."""

from __future__ import annotations

import contextvars
import sys
from collections.abc import Callable
from typing import Any

import pytest

import nnlite
from nnlite.backend import cuda_precision
from nnlite.backends.cuda import matmul
from nnlite.errors import DeviceError, DeviceMemoryError, NnliteError
from tests import fake_cupy
from tests.fake_cupy import CUDARuntimeError, Machine

CUDA = nnlite.cuda


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    """Two devices of 1 MiB."""
    cupy, machine = fake_cupy.make(2)
    fake_cupy.install(monkeypatch, cupy)
    return machine


# -- memory ----------------------------------------------------------------------------------


def test_out_of_memory(machine: Machine) -> None:
    kept = nnlite.ones(1000, device="cuda")
    with pytest.raises(
        DeviceMemoryError,
        match=r"cuda:0: expected 4\.00 MiB in one piece, got 1020\.09 KiB free of 1\.00 MiB.*3\.91",
    ) as error:
        nnlite.zeros(1024, 1024, device="cuda")
    assert isinstance(error.value, MemoryError)
    assert isinstance(error.value, DeviceError)
    assert error.value.__cause__ is None
    assert nnlite.zeros(10, device="cuda").array.x.sum() == 0  # the process goes on
    assert kept.tolist() == [1.0] * 1000
    with pytest.raises(DeviceMemoryError, match=r"cuda:1: expected 4.00 MiB"):
        nnlite.zeros(1024, 1024).to("cuda:1")


def test_a_users_allocator_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    cupy, machine = fake_cupy.make(1)
    asked: list[int] = []
    machine.allocator = lambda size: asked.append(size) or size  # type: ignore[func-returns-value]
    fake_cupy.install(monkeypatch, cupy)
    nnlite.zeros(3, device="cuda")
    assert asked == [12]


def test_figures_of_memory(machine: Machine) -> None:
    assert CUDA.memory_allocated() == 0
    nnlite.zeros(256, device="cuda:1")
    assert (CUDA.memory_allocated(), CUDA.memory_allocated(1)) == (0, 1024)
    assert CUDA.memory_reserved("cuda:1") == 2048
    assert CUDA.mem_get_info(1) == (2**20 - 1024, 2**20)
    CUDA.reset_peak_memory_stats(1)
    nnlite.zeros(256, device="cuda:1")
    machine.held[1] = 0  # freed
    assert (CUDA.memory_allocated(1), CUDA.max_memory_allocated(1)) == (0, 2048)
    CUDA.reset_peak_memory_stats(1)
    assert CUDA.max_memory_allocated(1) == 0
    CUDA.empty_cache()
    assert sys.modules["cupy"].get_default_memory_pool().freed == 4  # two pools of two devices


# -- failures later on -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (709, "the device was reset: its tensors are lost, those on the CPU are not"),
        (400, "the device was reset"),
        (700, "a kernel failed earlier.*tensors on the CPU are intact"),
        (719, "CUDA_LAUNCH_BLOCKING"),
    ],
)
@pytest.mark.parametrize(
    "use",
    [lambda x: x.cpu(), lambda x: x.tolist(), lambda x: repr(x), lambda x: CUDA.synchronize()],
    ids=["cpu", "tolist", "repr", "synchronize"],
)
def test_a_device_that_was_reset(
    machine: Machine, status: int, said: str, use: Callable[[nnlite.Tensor], Any]
) -> None:
    x = nnlite.ones(2, device="cuda")
    machine.fails = CUDARuntimeError(status, "cudaError: gone")
    with pytest.raises(DeviceError, match=said):
        use(x)


# -- precision ---------------------------------------------------------------------------------


def test_tf32_only_when_asked_for() -> None:
    def switch() -> None:
        assert (matmul.allow_tf32, cuda_precision.get_float32_matmul_precision()) == (
            False,
            "highest",
        )
        matmul.allow_tf32 = True
        assert cuda_precision.get_float32_matmul_precision() == "high"
        cuda_precision.set_float32_matmul_precision("medium")
        assert matmul.allow_tf32
        cuda_precision.set_float32_matmul_precision("highest")
        assert matmul.allow_tf32 is False
        matmul.allow_tf32 = True

    contextvars.copy_context().run(switch)
    assert matmul.allow_tf32 is False  # another context
    with pytest.raises(NnliteError, match="'highest', 'high', 'medium'"):
        cuda_precision.set_float32_matmul_precision("tf32")
    with pytest.raises(NnliteError, match="True or False"):
        matmul.allow_tf32 = 1  # type: ignore[assignment]
