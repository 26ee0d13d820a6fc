"""Compiled CUDA sources, as the ops see them, and CuPy's way to compile and start them."""

from __future__ import annotations

from typing import Any, Protocol

from nnlite.backend.cuda import load_cupy
from nnlite.backend.cuda_errors import explain, explained
from nnlite.errors import DeviceError

__all__ = ["CudaKernels", "Kernels"]


class Kernels(Protocol):
    """The functions of one compiled CUDA source, on one device."""

    def launch(
        self,
        name: str,
        grid: tuple[int, ...],
        block: tuple[int, ...],
        args: tuple[Any, ...],
        shared: int = 0,
    ) -> None:
        """Start one function on the device's current stream, and do not wait for it.

        Args:
            name: the function, as the source names it.
            grid: blocks along x, y, z; none of them 0.
            block: threads of a block along x, y, z.
            args: arrays of the backend without gaps, or NumPy scalars, whose dtype fixes the C
                type.
            shared: bytes of dynamic shared memory of a block.
        """
        ...


class CudaKernels:
    """A source compiled by NVRTC for the device that is current now.

    CuPy keeps what was compiled in its own cache on disk, so that only the first process waits.

    Args:
        family: the source's name, for messages.
        source: its text.

    Raises:
        DeviceError: it does not compile (the message has the compiler's log), or the compiler
            itself, NVRTC, is missing.
    """

    def __init__(self, family: str, source: str) -> None:
        cupy = load_cupy(family)
        self._family = family
        self._functions: dict[str, Any] = {}
        self._device = cupy.cuda.Device()
        self._several = cupy.cuda.runtime.getDeviceCount() > 1
        # -std first: CuPy 13 has another default than CuPy 14
        self._module = cupy.RawModule(code=source, options=("-std=c++17",))
        try:
            with explained(family):
                self._module.compile()
        except cupy.cuda.compiler.CompileException as error:
            raise DeviceError(
                family,
                expected="a CUDA source that the installed NVRTC compiles",
                got=f"its log:\n{error}\n",
                hint="with nnlite.plain_kernels(): the ops do without it",
            ) from error
        except (ImportError, OSError) as error:
            raise DeviceError(
                family,
                expected="NVRTC, NVIDIA's run-time compiler",
                got=str(error),
                hint="pip install 'nnlite[cuda13]' or 'nnlite[cuda12]' brings it, as the driver's "
                "CUDA version asks",
            ) from error

    def launch(
        self,
        name: str,
        grid: tuple[int, ...],
        block: tuple[int, ...],
        args: tuple[Any, ...],
        shared: int = 0,
    ) -> None:
        """See Kernels.

        Raises:
            DeviceError: CUDA refuses, or an earlier kernel failed.
        """
        function = self._functions.get(name)
        if function is None:
            function = self._functions[name] = self._module.get_function(name)
        try:
            if not self._several:
                function(grid, block, args, shared_mem=shared)
                return
            with self._device:
                function(grid, block, args, shared_mem=shared)
        except RuntimeError as error:
            found = explain(f"{self._family}: {name}", error)
            if found is None:
                raise
            raise found from error
