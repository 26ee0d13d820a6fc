"""Each computation on the device of its arrays, where there are several: as PyTorch has it.

CuPy computes on the current device. An array of another one it reads across, or refuses, and the
result lies on the current device. So the current device follows the arrays, for as long as one op
takes; what "cuda" means is the same before and after.
"""

from __future__ import annotations

from collections.abc import Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Any

from nnlite.backend.cuda import all_loaded

if TYPE_CHECKING:
    from nnlite.backend.cuda_backend import CudaBackend
    from nnlite.backend.registry import Backend

__all__ = ["follow", "following"]


def follow(arrays: Iterable[Any]) -> CudaBackend | None:
    """Make the device of the first CUDA array among them current.

    Returns:
        the backend to make current again (``make_current``) afterwards; None where nothing was
        changed: one device, no array of CUDA, or it is the current device already.
    """
    backends = all_loaded()
    if len(backends) < 2:
        return None
    kind = backends[0].array_type
    for x in arrays:
        if type(x) is kind:
            there, now = backends[0].of(x), backends[0].at(None)
            if there is now:
                return None
            there.make_current()  # type: ignore[attr-defined]
            return now  # type: ignore[return-value]
    return None


class following:  # noqa: N801  (reads as a function)
    """``with following(x):`` CuPy computes on x's device inside, whichever is the current one.

    What was the current device is it again afterwards, also where ``follow`` changed it inside.
    """

    def __init__(self, *arrays: Any) -> None:
        self._arrays = arrays
        self._before: Backend | None = None

    def __enter__(self) -> None:
        backends = all_loaded()
        if len(backends) > 1:
            self._before = backends[0].at(None)
            follow(self._arrays)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._before is not None:
            self._before.make_current()  # type: ignore[attr-defined]
