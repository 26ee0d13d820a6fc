"""How CUDA comes in: CuPy is imported when a CUDA device is first asked for, or its array met."""

from __future__ import annotations

import importlib
import threading
from typing import TYPE_CHECKING, Any

from nnlite.backend.registry import Backend, register_late
from nnlite.errors import DeviceError, MissingDeviceError

if TYPE_CHECKING:
    from nnlite.backend.cuda_backend import CudaBackend

__all__ = ["all_loaded", "load", "load_cupy"]


def load_cupy(op: str) -> Any:
    """The module ``cupy``, imported at the first call.

    Args:
        op: what needs it, for the error.

    Raises:
        MissingDeviceError: it is not installed.
        DeviceError: it is installed, but does not fit this machine's CUDA libraries.
    """
    try:
        return importlib.import_module("cupy")
    except ImportError as error:
        if isinstance(error, ModuleNotFoundError) and error.name == "cupy":
            raise MissingDeviceError(
                op,
                expected="the package cupy, which computes on CUDA devices",
                got="none installed",
                hint="pip install 'nnlite[cuda13]', or 'nnlite[cuda12]' for a driver of CUDA 12; "
                "or leave device= out",
            ) from None
        raise DeviceError(
            op,
            expected="a CuPy that fits the CUDA libraries of this machine",
            got=" ".join(str(error).split()) or type(error).__name__,
            hint="nvidia-smi shows the driver's CUDA version; install the one extra that fits it, "
            "nnlite[cuda12] or nnlite[cuda13], and no other CuPy beside it",
        ) from error


_backends: list[CudaBackend] = []
_lock = threading.Lock()


def all_loaded() -> list[CudaBackend]:
    """A backend for each CUDA device; empty as long as none was asked for."""
    return _backends


def load(op: str) -> Backend:
    """The first CUDA device's backend; CuPy is imported at the first call.

    Raises:
        MissingDeviceError, DeviceError: CuPy, a driver or a device is missing.
    """
    with _lock:
        if not _backends:
            cupy = load_cupy(op)
            # only now: most programs never come here
            from nnlite.backend.cuda_backend import CudaBackend
            from nnlite.backend.cuda_errors import explained

            with explained(op):
                count = int(cupy.cuda.runtime.getDeviceCount())
                if count:
                    found: list[CudaBackend] = []
                    found.extend(CudaBackend(cupy, i, found) for i in range(count))
                    found[0].memory.explain_failures()
                    _backends.extend(found)
            if not count:
                raise DeviceError(
                    op,
                    expected="a CUDA device",
                    got="none",
                    hint="CUDA_VISIBLE_DEVICES may hide it; or leave device= out",
                )
        return _backends[0]


register_late("cuda", "cupy", load)
