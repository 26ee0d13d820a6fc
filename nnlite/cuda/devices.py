"""Which CUDA devices there are, which is the current one, and waiting for them."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, TypeAlias, cast

from nnlite.backend import Device, backend_for
from nnlite.backend import device as make_device
from nnlite.backend.cuda import all_loaded
from nnlite.errors import DeviceError

if TYPE_CHECKING:
    from nnlite.backend.cuda_backend import CudaBackend

DeviceLike: TypeAlias = Device | str | int | None
"""A CUDA device: ``device("cuda:1")``, "cuda:1", 1, or None for the current one."""


def find(op: str, device: DeviceLike) -> CudaBackend:
    """The backend of a CUDA device.

    Raises:
        DeviceError: a device of another type, or one that is not there.
    """
    wanted = make_device("cuda" if device is None else device)
    if wanted.type != "cuda":
        raise DeviceError(
            op,
            "device",
            expected="a CUDA device: 'cuda', 'cuda:1' or 1",
            got=repr(str(wanted)),
            hint="the CPU needs no such call",
        )
    return cast("CudaBackend", backend_for(wanted))


def is_available() -> bool:
    """Whether tensors can be put on the device "cuda": never raises."""
    return device_count() > 0


def device_count() -> int:
    """How many CUDA devices can be used; 0 where CuPy or a driver is missing."""
    try:
        backend_for(Device("cuda"))
    except DeviceError:
        return 0
    return len(all_loaded())


def current_device() -> int:
    """The index of the device that "cuda" without an index means, in this thread.

    Raises:
        DeviceError: there is none.
    """
    return find("current_device", None).index


def set_device(device: DeviceLike) -> None:
    """Have "cuda" mean this device, in this thread.

    Raises:
        DeviceError: it is not there.
    """
    find("set_device", device).make_current()


class device:  # noqa: N801  (PyTorch's name)
    """``with nnlite.cuda.device(1):`` this device is the current one inside.

    CuPy computes on the current device, so work with tensors of another belongs into such a block.

    Raises:
        DeviceError: on entering, the device is not there.
    """

    def __init__(self, device: DeviceLike) -> None:
        self._wanted = device
        self._previous: list[CudaBackend] = []

    def __enter__(self) -> None:
        target = find("cuda.device", self._wanted)
        self._previous.append(find("cuda.device", None))
        target.make_current()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._previous.pop().make_current()


def get_device_name(device: DeviceLike = None) -> str:
    """As its maker calls it. Raises DeviceError where it is not there."""
    return find("get_device_name", device).name()


def get_device_capability(device: DeviceLike = None) -> tuple[int, int]:
    """Its compute capability, (9, 0). Raises DeviceError where it is not there."""
    return find("get_device_capability", device).capability()


def synchronize(device: DeviceLike = None) -> None:
    """Wait until all work given to a device is done.

    Raises:
        DeviceError: it is not there, was reset, or a kernel failed on it.
        NnliteIndexError: cross_entropy or embedding met a number outside its range since the last
            call.
    """
    find("synchronize", device).synchronize()
