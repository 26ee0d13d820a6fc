"""Every CUDA source compiles for every supported GPU, without a warning; no GPU is needed for it.

By nvcc where it is installed, else by NVRTC where CuPy's wheel has brought it.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from nnlite.backend import kernels as compiled
from nnlite.backend.cuda_source import source
from nnlite.errors import DeviceError
from tests.cuda_shim import kernel_names

NVCC = shutil.which("nvcc")
CAPABILITIES = [75, 80, 86, 89, 90]
FAMILIES = sorted(
    entry.name.removesuffix(".cu")
    for entry in files("nnlite.ops.kernels.cuda").iterdir()
    if entry.name.endswith(".cu")
)


def test_there_are_sources() -> None:
    assert {
        "conv",
        "cross_entropy",
        "dropout",
        "elementwise",
        "embedding",
        "gather",
        "optim",
        "pool",
        "scatter",
    } == set(FAMILIES)
    for family in FAMILIES:
        assert kernel_names(source(family, "float32"))


def _nvcc(text: str, folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    assert NVCC is not None
    code = folder / "source.cu"
    code.write_text(text)
    command = [NVCC, "-std=c++17", "-Werror=all-warnings", *options, str(code)]
    return subprocess.run(
        [*command, "-o", str(folder / "made")], capture_output=True, text=True, timeout=600
    )


def _is_clean(made: subprocess.CompletedProcess[str], folder: Path) -> None:
    assert made.returncode == 0, made.stderr
    assert not made.stderr.strip(), made.stderr
    assert (folder / "made").stat().st_size > 0


@pytest.mark.skipif(NVCC is None, reason="there is no nvcc")
@pytest.mark.parametrize("family", FAMILIES)
def test_nvcc_compiles(family: str, tmp_path: Path) -> None:
    """To PTX for the oldest GPU: all of the compiler that looks at the source."""
    made = _nvcc(source(family, "float32"), tmp_path, "-ptx", f"-arch=compute_{CAPABILITIES[0]}")
    _is_clean(made, tmp_path)


@pytest.mark.slow
@pytest.mark.skipif(NVCC is None, reason="there is no nvcc")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("family", FAMILIES)
def test_nvcc_compiles_for_every_gpu(family: str, dtype: str, tmp_path: Path) -> None:
    """To machine code; also no registers are spilled to memory."""
    targets = [f"-gencode=arch=compute_{c},code=sm_{c}" for c in CAPABILITIES]
    _is_clean(
        _nvcc(source(family, dtype), tmp_path, "-fatbin", "-Xptxas=-warn-spills", *targets),
        tmp_path,
    )


@pytest.mark.skipif(NVCC is None, reason="there is no nvcc")
def test_nvcc_refuses_an_error_and_a_warning(tmp_path: Path) -> None:
    text = source("gather", "float32")
    assert "undefined" in _nvcc(text + "__global__ void f() { g(); }", tmp_path, "-ptx").stderr
    made = _nvcc(text + "__device__ int f() { int unused; return 0; }", tmp_path, "-ptx")
    assert made.returncode != 0
    assert "unused" in made.stderr


@pytest.mark.skipif(find_spec("cupy") is None, reason="there is no CuPy, and so no NVRTC")
def test_nvrtc_compiles() -> None:
    from cupy.cuda import compiler
    from cupy_backends.cuda.libs import nvrtc

    try:
        nvrtc.getVersion()
    except (RuntimeError, OSError, ImportError) as error:
        pytest.skip(f"CuPy is there, but NVRTC is not: {error}")
    for family in FAMILIES:
        for dtype in ("float32", "float64"):
            for capability in CAPABILITIES:
                program = compiler._NVRTCProgram(source(family, dtype), f"{family}.cu")
                program.compile(("-std=c++17", f"--gpu-architecture=compute_{capability}"))


# -- CuPy's side of it, with a CuPy that is not there ----------------------------------------------


class _CompileError(Exception):
    pass


class _RawModule:
    made: dict[str, Any] = {}  # noqa: RUF012  (what the last one was made of)
    fails: Exception | None = None

    def __init__(self, code: str, options: tuple[str, ...]) -> None:
        _RawModule.made = {"code": code, "options": options, "calls": []}

    def compile(self) -> None:
        if _RawModule.fails is not None:
            raise _RawModule.fails

    def get_function(self, name: str) -> Any:
        def function(grid: Any, block: Any, args: Any, shared_mem: int) -> None:
            if name == "broken":
                error = type("CUDADriverError", (RuntimeError,), {"status": 700})
                raise error("illegal address")
            _RawModule.made["calls"].append((name, grid, block, args, shared_mem))

        return function


@pytest.fixture
def cupy(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A CuPy of a few lines, to see what is asked of it."""
    fake: Any = ModuleType("cupy")
    fake.RawModule = _RawModule
    fake.cuda = SimpleNamespace(
        Device=lambda: None,
        runtime=SimpleNamespace(getDeviceCount=lambda: 1),
        compiler=SimpleNamespace(CompileException=_CompileError),
    )
    monkeypatch.setitem(sys.modules, "cupy", fake)
    monkeypatch.setattr(_RawModule, "fails", None)
    return fake


def test_a_source_is_compiled_once_and_its_functions_are_started(cupy: Any) -> None:
    k = compiled.CudaKernels("gather", "the source")
    k.launch("f", (2,), (32,), (np.int32(1),))
    k.launch("f", (3, 4), (8, 8), (), shared=16)
    made = _RawModule.made
    assert (made["code"], made["options"]) == ("the source", ("-std=c++17",))
    assert made["calls"] == [("f", (2,), (32,), (1,), 0), ("f", (3, 4), (8, 8), (), 16)]


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (_CompileError("pool.cu(7): error: expected a ;"), "pool.cu(7): error: expected a ;"),
        (OSError("libnvrtc.so.13: cannot open"), "libnvrtc.so.13"),
    ],
)
def test_what_does_not_compile_shows_the_log(
    error: Exception, words: str, cupy: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_RawModule, "fails", error)
    with pytest.raises(DeviceError) as caught:
        compiled.CudaKernels("pool", "the source")
    assert str(caught.value).startswith("pool: expected ")
    assert words in str(caught.value)


def test_an_earlier_kernels_fault_is_explained(cupy: Any) -> None:
    with pytest.raises(DeviceError, match=r"pool: broken: .*start a new process"):
        compiled.CudaKernels("pool", "the source").launch("broken", (1,), (1,), ())
