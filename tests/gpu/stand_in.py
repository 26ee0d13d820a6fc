"""The real device in the stand-in's place: what the tests call "strict" is then CUDA by CuPy.

``install`` has to be called before the tests are imported, since these take the names of
tests.strict and tests.cuda_shim on import.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np

from nnlite.backend import Backend, Device, backend_for, load_cupy, registry
from nnlite.backend.cuda_backend import CudaBackend
from nnlite.backend.cuda_graph import CudaGraph
from nnlite.backend.kernels import CudaKernels
from tests.strict.rules import transfers

TOLERANCE = {"float64": 1e-10, "float32": 1e-5}
"""How near to the CPU's a device's numbers must be: its sums have another order, its exp and its
like other last digits. The stand-in, which computes by NumPy, is compared more closely."""

READING = ("get", "item", "tolist", "tobytes", "__bool__", "__int__", "__float__", "__complex__")
"""What makes the host wait for the device: cupy.ndarray's methods."""


class LoggedGraph(CudaGraph):
    """A graph that notes what was done with it, as the stand-in's does."""

    def __init__(self, cupy: Any, here: Callable[[], Any]) -> None:
        super().__init__(cupy, here)
        self.log: list[str] = []

    def warm(self, work: Callable[[], Any]) -> Any:
        self.log.append("warm")
        return super().warm(work)

    def record(self, work: Callable[[], Any]) -> Any:
        self.log.append("record")
        return super().record(work)

    def launch(self) -> None:
        self.log.append("launch")
        super().launch()


class RealBackend(CudaBackend):
    """The first CUDA device under the name "strict"."""

    def __init__(self) -> None:
        family: list[CudaBackend] = []
        super().__init__(load_cupy("tests"), 0, family)
        family.append(self)
        self.device = Device("strict")

    def at(self, index: int | None) -> Backend:
        return Backend.at(self, index)

    def graph(self) -> LoggedGraph:
        return LoggedGraph(self.cupy, self.here)


def count_transfers(array_type: Any) -> None:
    """Have each copy to the host be counted by tests.strict's ``transfers``, or refused there.

    One that another one makes (item calls get) counts once.
    """
    inside: list[str] = []

    def counted(name: str) -> Callable[..., Any]:
        original = getattr(array_type, name)

        def method(self: Any, *args: Any, **kwargs: Any) -> Any:
            if inside:
                return original(self, *args, **kwargs)
            transfers.add(name.strip("_"))
            inside.append(name)
            try:
                return original(self, *args, **kwargs)
            finally:
                inside.pop()

        return method

    for name in READING:
        setattr(array_type, name, counted(name))


def install() -> None:
    """Put the device in the stand-in's place, for the rest of this process.

    Raises:
        DeviceError: there is no CUDA device, or no CuPy.
    """
    backend_for(Device("cuda"))  # first: it is the one that explains what is missing
    strict, shim = (
        importlib.import_module("tests.strict"),
        importlib.import_module("tests.cuda_shim"),
    )
    real = RealBackend()
    count_transfers(real.array_type)
    registry.register(real)
    names = {
        "STRICT": real,
        "StrictBackend": RealBackend,
        "StrictArray": real.array_type,
        "xp": real.xp,
    }
    for name, value in names.items():
        setattr(strict, name, value)
    CudaKernels.backwards = False  # type: ignore[attr-defined]  # a device has its own order
    shim.ShimKernels = CudaKernels
    shim.COMPILER = shim.COMPILER or "NVRTC"
    if find_spec("torch"):  # both compare with PyTorch
        _in_the_oracles(real)


def _in_the_oracles(real: RealBackend) -> None:
    oracle = importlib.import_module("tests.cuda_shim.oracle")
    driver = importlib.import_module("tests.op_driver")
    wrap = importlib.import_module("nnlite.autograd.tensor").wrap
    near = driver.assert_near

    def there(x: np.ndarray[Any, Any]) -> Any:
        return wrap(real.asarray(x))

    def assert_near(a: Any, b: Any, *, rtol: float, atol: float, what: str) -> None:
        least = TOLERANCE.get(b.dtype.name, 0.0)
        near(a, b, rtol=max(rtol, least), atol=max(atol, least), what=what)

    oracle.there = there
    driver.assert_near = assert_near


def use(real: bool) -> None:
    """Whether arrays of CuPy say that they lie on "cuda" (True) or on "strict"."""
    backend = backend_for(Device("cuda" if real else "strict"))
    registry._BY_TYPE[backend.array_type] = backend
