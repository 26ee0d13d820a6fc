"""The machinery of ``make test-gpu``, as far as it can be seen without a GPU."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import nnlite
from tests.gpu import __main__ as program
from tests.gpu import selection

ROOT = Path(__file__).parents[1]

STAND_IN = """
import sys
import numpy as np
from tests import fake_cupy
cupy, machine = fake_cupy.make(1)
sys.modules["cupy"] = cupy
cupy.ndarray.tolist = lambda self: [self.item()]
for name in ("tobytes", "__bool__", "__int__", "__float__", "__complex__"):
    setattr(cupy.ndarray, name, lambda self: self.item())
from tests.gpu import stand_in
stand_in.install()
import nnlite, tests.strict
from nnlite.autograd import Tensor
from nnlite.backend import backend_for, backend_of
from tests.conftest import to_device
from tests.strict import STRICT, StrictArray, StrictBackend, forbid_transfers, transfers
x = to_device(np.ones(1), "strict")
assert type(x) is StrictArray is cupy.ndarray
assert str(Tensor(x).device) == "strict", Tensor(x).device
assert backend_of(x) is STRICT and isinstance(STRICT, StrictBackend)
stand_in.use(real=True)
assert str(Tensor(x).device) == "cuda:0", Tensor(x).device
stand_in.use(real=False)
assert str(Tensor(x).device) == "strict"
before = transfers.count
assert x.item() == 1 and transfers.count == before + 1
assert x.tolist() == [1] and transfers.count == before + 2, "what one way calls counts once"
try:
    with forbid_transfers():
        x.get()
except AssertionError as error:
    assert "get copies from the device" in str(error)
else:
    raise SystemExit("a copy was not seen")
try:
    nnlite.ones(2, device="strict:3")
except nnlite.errors.DeviceError as error:
    assert "strict:3" in str(error), error
else:
    raise SystemExit("there is one device")
from tests.cuda_shim import oracle
from tests.op_driver import assert_near
assert oracle.STRICT is STRICT and oracle.ShimKernels.__name__ == "CudaKernels"
assert type(oracle.there(np.ones(2)).array) is StrictArray
assert_near(np.ones(1), np.ones(1) + 1e-11, rtol=0.0, atol=0.0, what="x")
print("all right")
"""


def run(*command: str) -> Any:
    return subprocess.run(
        [sys.executable, *command], cwd=ROOT, capture_output=True, text=True, timeout=120
    )


def test_the_device_takes_the_stand_ins_place() -> None:
    done = run("-c", STAND_IN)
    assert done.stdout == "all right\n", done.stderr


@pytest.mark.parametrize("module", ["tests.gpu", "pytest"])
def test_without_a_device_one_line_says_so(module: str) -> None:
    if nnlite.cuda.is_available():
        pytest.skip("there is a GPU")
    options = ["--device", "cuda", "tests/test_gpu_device.py"] if module == "pytest" else []
    done = run("-m", module, *options)
    assert done.returncode in (2, 4)
    assert done.stdout.strip() == ""
    assert done.stderr.strip().count("\n") == 0
    assert "cuda" in done.stderr


# -- which tests -----------------------------------------------------------------------------


def test_tests_of_a_device_take_part() -> None:
    part = selection.takes_part
    assert part("test_ops.py", "test_strict_device", {"case": 1}, False)
    assert not part("test_ops.py", "test_equals_torch", {"case": 1}, False)
    assert part("test_shorthands.py", "test_on_a_device", {"device": "strict"}, False)
    assert not part("test_shorthands.py", "test_on_a_device", {"device": "cpu"}, False)
    assert not part("test_cuda_devices.py", "test_x", {"device": "cuda:1"}, False)
    assert part("test_cuda_kernels.py", "test_max_pool", {}, False)
    assert not part("test_cuda_capture.py", "test_the_calls_of_a_graph", {}, False)
    assert part("test_gpu_device.py", "test_x", {}, True)


def test_the_selection_names_what_there_is() -> None:
    names = {path.name for path in selection.files()}
    assert set(selection.WHOLE) <= names
    assert {"test_ops.py", "test_gpu_device.py", "test_shorthands.py"} <= names
    text = "".join((selection.FOLDER / name).read_text() for name in selection.WHOLE)
    missing = [name for name in selection.OF_THE_STAND_IN if f"def {name}(" not in text]
    assert missing == []
    for entry in selection.SINGLE:
        file, _, test = entry.partition("::")
        assert f"def {test}(" in (selection.FOLDER / file).read_text()


def test_without_pytorch_what_needs_it_is_left_out_and_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ran: list[list[str]] = []

    def started(command: list[str], **options: Any) -> Any:
        assert options["env"]["OMP_NUM_THREADS"] == "1"
        ran.append(command)
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(program, "missing", lambda: None)
    monkeypatch.setattr(nnlite.cuda, "get_device_name", lambda: "Made-up 1000")
    monkeypatch.setattr(subprocess, "run", started)
    assert program.main(["--jobs", "2", "-x"]) == 0
    tests, certify = ran
    assert {"--device", "cuda", "-x", str(selection.FOLDER / "test_ops.py")} <= set(tests)
    assert certify[2:] == ["tests.certify", "--device", "cuda", "--jobs", "2"]
    monkeypatch.setattr(program, "find_spec", lambda name: None)
    capsys.readouterr()
    assert program.main([]) == 1
    said = capsys.readouterr().out
    assert len(ran) == 3
    assert str(selection.FOLDER / "test_ops.py") not in ran[2]
    assert "incomplete: PyTorch is missing" in said


def test_a_failure_is_the_exit_status(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def started(command: list[str], **options: Any) -> Any:
        return subprocess.CompletedProcess(command, int("tests.certify" in command))

    monkeypatch.setattr(program, "missing", lambda: None)
    monkeypatch.setattr(nnlite.cuda, "get_device_name", lambda: "Made-up 1000")
    monkeypatch.setattr(subprocess, "run", started)
    assert program.main([]) == 1
    said = capsys.readouterr().out
    assert "tests: passed" in said
    assert "certificate: failed, exit status 1" in said
