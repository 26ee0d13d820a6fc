"""The CUDA sources on a CPU: compiled by g++ behind cuda_shim.h, called through ctypes.

Every launch is checked first as no GPU checks it: the number of arguments, the type of each, the
limits of grid and block, and that arrays have no gaps.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

HEADER = Path(__file__).with_name("cuda_shim.h")
FLAGS = ["-O1", "-U_FORTIFY_SOURCE", "-std=c++17", "-shared", "-fPIC", "-Wall", "-Werror"]
FLAGS.append("-Wno-unused-function")
# else the float and the double library share the static variables of their templates
FLAGS.append("-fvisibility=hidden")

COMPILER = shutil.which("g++")
"""None where there is none: then the stand-in device has no kernels, as the CPU has none."""

_KERNEL = re.compile(r"__global__\s+void\s+(?:__launch_bounds__\(.*?\)\s*)?(\w+)\s*\(")
_GRID = (2**31 - 1, 65535, 65535)
_BLOCK = (1024, 1024, 64)


class LaunchError(AssertionError):
    """A launch that CUDA refuses, or whose result it leaves undefined."""


def kernel_names(source: str) -> list[str]:
    """The functions that can be started: those that are extern "C" and __global__."""
    return _KERNEL.findall(re.sub(r"//.*", "", source))


@cache
def build(source: str) -> Path:
    """The library made of a source, kept in the temporary folder under the hash of all it is of."""
    assert COMPILER is not None, "there is no g++"
    tail = "".join(f"SHIM_KERNEL({name})\n" for name in kernel_names(source))
    text = f'#include "{HEADER}"\n{source}\n{tail}'
    key = hashlib.sha256((text + HEADER.read_text() + " ".join(FLAGS)).encode()).hexdigest()[:24]
    folder = Path(tempfile.gettempdir()) / f"nnlite-cuda-shim-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    library = folder / f"{key}.so"
    if not library.exists():
        with tempfile.TemporaryDirectory(dir=folder) as work:
            code, made = Path(work, "source.cpp"), Path(work, "made.so")
            code.write_text(text)
            run = subprocess.run(
                [COMPILER, *FLAGS, str(code), "-o", str(made)], capture_output=True, text=True
            )
            assert run.returncode == 0, f"g++ refuses a CUDA source:\n{run.stderr}"
            made.replace(library)  # at once, for other processes that build it too
    return library


class ShimKernels:
    """The functions of one source, on arrays of the stand-in device."""

    backwards = False
    """Run the threads of a block from the last to the first: results must be the same."""

    def __init__(self, family: str, source: str) -> None:
        self._family = family
        self._names = set(kernel_names(source))
        self._library = ctypes.CDLL(str(build(source)))
        self._types: dict[str, list[str]] = {}

    def types(self, name: str) -> list[str]:
        """The types of a function's arguments: "float32*", "int32"."""
        if name not in self._names:
            raise LaunchError(f"{self._family} has no kernel {name}")
        if name not in self._types:
            get = getattr(self._library, f"types_{name}")
            get.restype = ctypes.POINTER(ctypes.c_char_p)
            names, found = get(), []
            while names[len(found)] is not None:
                found.append(names[len(found)].decode())
            self._types[name] = found
        return self._types[name]

    def launch(
        self,
        name: str,
        grid: tuple[int, ...],
        block: tuple[int, ...],
        args: tuple[Any, ...],
        shared: int = 0,
    ) -> None:
        where = f"{self._family}: {name}"
        types = self.types(name)
        if shared:
            raise LaunchError(f"{where}: the shim has no dynamic shared memory")
        size = (*_three(where, grid, _GRID), *_three(where, block, _BLOCK))
        if size[3] * size[4] * size[5] > 1024:
            raise LaunchError(f"{where}: a block has 1024 threads at most, not {block}")
        if len(args) != len(types):
            raise LaunchError(f"{where}: {len(args)} arguments, not {len(types)}")
        values = [_value(f"{where}: argument {i}", x, types[i]) for i, x in enumerate(args)]
        pointers = (ctypes.c_void_p * len(values))(*[v.ctypes.data for v in values])
        status = getattr(self._library, f"launch_{name}")(
            pointers, (ctypes.c_uint * 6)(*size), int(self.backwards)
        )
        if status:
            raise LaunchError(f"{where}: not all threads of a block reach the same barrier")


def _three(where: str, size: tuple[int, ...], limits: tuple[int, ...]) -> tuple[int, ...]:
    if not 1 <= len(size) <= 3 or any(type(n) is not int for n in size):
        raise LaunchError(f"{where}: {size!r} is no tuple of one to three whole numbers")
    full = (*size, 1, 1)[:3]
    if not all(1 <= n <= limit for n, limit in zip(full, limits, strict=True)):
        raise LaunchError(f"{where}: {size} is not from 1 to {limits}")
    return full


def _value(where: str, x: Any, kind: str) -> np.ndarray[Any, Any]:
    """A NumPy array that holds the argument's value: a number, or an array's address."""
    if isinstance(x, np.generic):
        if x.dtype.name != kind:
            raise LaunchError(f"{where}: {x.dtype.name}, not {kind}")
        return np.asarray(x)
    data = getattr(x, "_x", None)  # the stand-in's own memory
    if data is None:
        raise LaunchError(f"{where}: {type(x).__name__} is no array of the device and no scalar")
    if f"{data.dtype.name}*" != kind:
        raise LaunchError(f"{where}: an array of {data.dtype.name}, not {kind}")
    if not data.flags.c_contiguous:
        raise LaunchError(f"{where}: an array with gaps, {data.shape} in strides {data.strides}")
    return np.array(data.ctypes.data, dtype=np.uint64)
