"""Which tests take part under ``--device cuda``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[1]

WHOLE = (
    "test_cuda_capture.py",
    "test_cuda_kernels.py",
    "test_cuda_kernels_loss.py",
    "test_cuda_kernels_optim.py",
    "test_cuda_recording.py",
    "test_cuda_scatter.py",
    "test_device_data.py",
    "test_device_examples.py",
    "test_device_io.py",
    "test_device_metrics.py",
    "test_device_nn.py",
    "test_device_optim.py",
    "test_device_training.py",
)
"""Files whose tests run on the device "strict", unless named below."""

SINGLE = ("test_ops.py::test_strict_device",)
"""Tests that do so in files that mostly do not."""

OF_THE_STAND_IN = {
    "test_a_copy_from_the_host_is_refused_while_recording": "a made-up CuPy",
    "test_a_graph_that_finds_no_memory_says_so": "a made-up CuPy",
    "test_the_calls_of_a_graph": "a made-up CuPy",
    "test_what_cuda_refuses_to_record": "a made-up CuPy",
    "test_where_there_is_no_graph": "the CPU's refusal",
    "test_the_stand_in_refuses_wrong_launches": "CUDA does not check them",
    "test_the_stand_in_sees_a_barrier_that_some_threads_miss": "undefined on a device",
    "test_the_order_of_the_threads_shows_a_missing_barrier": "undefined on a device",
    "test_one_upload_per_pass": "watches the stand-in's module",
    "test_without_a_gpu_one_line_says_what_to_do": "there is one",
    "test_without_a_gpu_the_command_ends_with_status_2": "there is one",
    "test_pinning_without_a_gpu_warns_as_pytorch_does": "there is one",
    "test_pinning_goes_through_containers": "pins by a made-up driver",
    "test_batches_in_pinned_memory": "pins by a made-up driver",
}
"""Tests of those files that are about the stand-in itself, or about having no device."""

_FIXTURE = re.compile(r"def test_\w+\([^)]*\bdevice\b")
_ORACLE = re.compile(r"^(?:import torch\b|from tests\.(?:op_driver|cases|cuda_shim\.oracle))", re.M)


def files() -> list[Path]:
    """The test files that may have a test for the device."""
    found = []
    for path in sorted(FOLDER.glob("test_*.py")):
        text = path.read_text(encoding="utf-8")
        single = any(entry.startswith(f"{path.name}::") for entry in SINGLE)
        marked = "mark.gpu" in text
        if path.name in WHOLE or single or marked or _FIXTURE.search(text):
            found.append(path)
    return found


def needs_torch(path: Path) -> bool:
    """Whether a file compares with PyTorch, so that it cannot be imported without."""
    return bool(_ORACLE.search(path.read_text(encoding="utf-8")))


def takes_part(file: str, test: str, params: Mapping[str, Any], marked: bool) -> bool:
    """Whether a test is for the device.

    Args:
        file: "test_ops.py".
        test: the function's name.
        params: its parameters.
        marked: whether it has the mark gpu.
    """
    if marked:
        return True
    if test in OF_THE_STAND_IN:
        return False
    if "device" in params:
        return bool(params["device"] == "strict")
    return file in WHOLE or f"{file}::{test}" in SINGLE
