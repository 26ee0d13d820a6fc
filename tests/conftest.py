"""Fixtures for all tests."""

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


@pytest.fixture(params=["cpu", "strict"])
def device(request: pytest.FixtureRequest) -> str:
    """The device's name: NumPy, and the stand-in for CuPy."""
    name: str = request.param
    return name


def to_device(x: Any, device: str) -> Any:
    """The array (of NumPy or of the stand-in) that holds x's numbers on a device."""
    return backend_for(device_of(device)).asarray(x)


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
