"""What CUDA's error numbers mean for somebody who called nnlite."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from nnlite.errors import DeviceError

__all__ = ["explain", "explained"]

_DRIVER = (
    "a driver that knows this CuPy's CUDA version",
    "no NVIDIA driver is installed, or an older one: see nvidia-smi, update the driver, or install "
    "the extra for its CUDA version (nnlite[cuda12], nnlite[cuda13]); or leave device= out",
)
_NO_DEVICE = (
    "a CUDA device",
    "the driver sees none; CUDA_VISIBLE_DEVICES may hide it; or leave device= out",
)
_RESET = (
    "a device in the state in which its tensors were made",
    "the device was reset: its tensors are lost, those on the CPU are not; start a new process and "
    "load a checkpoint",
)
_BROKEN = (
    "kernels that end well",
    "a kernel failed earlier, and CUDA refuses further work: tensors on the CPU are intact; start "
    "a new process; CUDA_LAUNCH_BLOCKING=1 shows which call it was",
)
_FORKED = (
    "CUDA as this process started it",
    "a forked process cannot use its parent's CUDA: start workers by 'spawn', and keep tensors of "
    "the device out of them",
)
_BUILD = (
    "code for this device",
    "the device is newer or older than the installed CUDA libraries support; take the newest "
    "CuPy, or an older one for an old device",
)

# cudaError_t and CUresult share these numbers; source: CUDA runtime API, "Error handling"
_MEANING: dict[int, tuple[str, str]] = {
    3: _FORKED,
    4: _RESET,
    35: _DRIVER,
    46: (
        "a free device",
        "another process holds it in exclusive mode, or it is not ready: see nvidia-smi",
    ),
    100: _NO_DEVICE,
    101: ("the index of a device", "nnlite.cuda.device_count() says how many there are"),
    201: _RESET,
    209: _BUILD,
    218: _BUILD,
    222: _DRIVER,
    400: _RESET,
    700: _BROKEN,
    702: _BROKEN,
    709: _RESET,
    710: _BROKEN,
    719: _BROKEN,
    803: _DRIVER,
    804: _DRIVER,
}


def explain(op: str, error: Exception) -> DeviceError | None:
    """The error for a user of nnlite, or None where error is none of CUDA's known ones.

    Args:
        op: what was being done.
        error: CuPy's CUDARuntimeError or CUDADriverError, which carry CUDA's number as ``status``.
    """
    status = getattr(error, "status", None)
    if type(error).__name__ not in ("CUDARuntimeError", "CUDADriverError") or status is None:
        return None
    meaning = _MEANING.get(int(status))
    if meaning is None:
        return None
    expected, hint = meaning
    return DeviceError(op, expected=expected, got=str(error), hint=hint)


@contextmanager
def explained(op: str) -> Iterator[None]:
    """Have CUDA's errors inside the block leave it as DeviceErrors that say what to do.

    Raises:
        DeviceError: in place of CuPy's error, which is its cause.
    """
    try:
        yield
    except RuntimeError as error:
        found = explain(op, error)
        if found is None:
            raise
        raise found from error
