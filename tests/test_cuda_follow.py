"""Several CUDA devices in one process: work runs on the device of its arrays. On a fake CuPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import nnlite
from nnlite.backend.cuda_follow import follow, following
from tests import fake_cupy
from tests.fake_cupy import Machine


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    cupy, machine = fake_cupy.make(2)
    fake_cupy.install(monkeypatch, cupy)
    return machine


def test_the_fake_computes_on_the_current_device_as_cupy_does(machine: Machine) -> None:
    x: Any = nnlite.ones(3, device="cuda:1").array
    with pytest.raises(ValueError, match="different from the current device"):
        _ = x + x
    with nnlite.cuda.device(1):
        assert (x + x).data.device_id == 1


def test_the_current_device_follows_an_array_and_comes_back(machine: Machine) -> None:
    here, there = (nnlite.ones(3, device=f"cuda:{k}").array for k in (0, 1))
    with following(there):
        assert machine.current == 1
        assert (there + there).data.device_id == 1
        with following(2, np.ones(3), here):
            assert machine.current == 0
        assert machine.current == 1
        follow((here,))
        assert machine.current == 0
    assert machine.current == 0
    with pytest.raises(KeyError), following(there):
        raise KeyError
    assert machine.current == 0
    before = follow((None, 1.5, there))
    assert before is not None
    assert (machine.current, before.index) == (1, 0)
    assert follow((there, here)) is None  # the first one counts, and is current already
    before.make_current()
    assert follow((here,)) is follow(()) is follow((np.ones(2),)) is None


def test_one_device_needs_no_following(monkeypatch: pytest.MonkeyPatch) -> None:
    cupy, machine = fake_cupy.make(1)
    fake_cupy.install(monkeypatch, cupy)
    assert follow((np.ones(2),)) is None  # and imports nothing
    x = nnlite.ones(3, device="cuda").array
    monkeypatch.setattr(cupy.cuda.runtime, "setDevice", None)  # would fail
    assert follow((x,)) is None
    with following(x):
        assert machine.current == 0
