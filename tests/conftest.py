"""Fixtures for all tests, and the option --device."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import tests.strict  # noqa: F401  (registers the device "strict")
from nnlite.autograd import is_grad_enabled, set_grad_enabled
from nnlite.backend import backend_for
from nnlite.backend import device as device_of
from nnlite.errors import NnliteError
from tests.gpu import selection

CUDA = pytest.StashKey[bool]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--device",
        choices=["strict", "cuda"],
        default=os.environ.get("NNLITE_TEST_DEVICE", "strict"),
        help="cuda: the tests for a device, on the first CUDA device (see tests/gpu); "
        "strict, or what NNLITE_TEST_DEVICE says: all others, on the stand-in for it",
    )


def pytest_configure(config: pytest.Config) -> None:
    wanted = config.getoption("--device")
    config.stash[CUDA] = wanted == "cuda"
    if wanted not in ("strict", "cuda"):  # pytest does not check a default
        raise pytest.UsageError(f"NNLITE_TEST_DEVICE: expected strict or cuda, got {wanted!r}")
    if config.stash[CUDA]:
        from tests.gpu import stand_in

        try:
            stand_in.install()
        except NnliteError as error:
            raise pytest.UsageError(f"--device cuda: {' '.join(str(error).split())}") from None
        # what CuPy has to say of its own caches and libraries is no fault of nnlite
        config.addinivalue_line("filterwarnings", "default:::cupy")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    kept, dropped = [], []
    for item in items:
        marked = item.get_closest_marker("gpu") is not None
        wanted = not marked
        if config.stash[CUDA]:
            call = getattr(item, "callspec", None)
            wanted = selection.takes_part(
                item.path.name,
                getattr(item, "originalname", item.name),
                {} if call is None else call.params,
                marked,
            )
        (kept if wanted else dropped).append(item)
    if dropped:
        config.hook.pytest_deselected(items=dropped)
        items[:] = kept


@pytest.fixture(params=["cpu", "strict"])
def device(request: pytest.FixtureRequest) -> str:
    """The device's name: NumPy, and the stand-in for CuPy, or CuPy under the stand-in's name."""
    name: str = request.param
    return name


def to_device(x: Any, device: str) -> Any:
    """The array (of NumPy, of the stand-in or of CuPy) that holds x's numbers on a device."""
    return backend_for(device_of(device)).asarray(x)


@pytest.fixture(autouse=True)
def _its_own_name(request: pytest.FixtureRequest) -> None:
    """On the device, tests marked gpu call it "cuda", all others "strict"."""
    if request.config.stash[CUDA]:
        from tests.gpu import stand_in

        stand_in.use(real=request.node.get_closest_marker("gpu") is not None)


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder with the full data sets; tests that take it are skipped where none is named."""
    folder = os.environ.get("NNLITE_DATA")
    if not folder:
        pytest.skip("NNLITE_DATA names no folder with the full data sets")
    path = Path(folder)
    assert path.is_dir(), f"NNLITE_DATA={folder} is no folder"
    return path


@pytest.fixture(autouse=True)
def _same_grad_mode() -> Iterator[None]:
    before = is_grad_enabled()
    yield
    after = is_grad_enabled()
    set_grad_enabled(before)
    assert after == before, "the test left the grad mode changed"
