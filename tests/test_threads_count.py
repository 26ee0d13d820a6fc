"""How many threads: the default from cores, quotas and BLAS, and counts that are refused."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import nnlite
from nnlite.backend import threads
from nnlite.errors import ArgumentError, DtypeError
from tests.fresh_python import fresh_python


@pytest.fixture(autouse=True)
def _three_threads() -> Iterator[None]:
    before = threads.get_num_threads()
    threads.set_num_threads(3)
    yield
    threads.set_num_threads(before)


@pytest.mark.parametrize("blas", ["1", "2"])
def test_by_default_no_more_threads_than_blas_was_given(blas: str) -> None:
    result = fresh_python(
        "import nnlite; print(nnlite.get_num_threads())",
        OPENBLAS_NUM_THREADS=blas,
        OMP_NUM_THREADS=blas,
    )
    assert int(result.stdout) == min(int(blas), threads.available_cores())


def test_affinity_limits_the_default() -> None:
    if not hasattr(os, "sched_setaffinity"):
        assert threads.available_cores() >= 1
        return
    result = fresh_python(
        "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
        "import nnlite; print(nnlite.get_num_threads())",
        OPENBLAS_NUM_THREADS="4",
        OMP_NUM_THREADS="4",
    )
    assert result.stdout == "1\n"


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({"cpu.max": "150000 100000\n"}, 1.5),
        ({"cpu.max": "max 100000\n"}, None),
        ({"cpu/cpu.cfs_quota_us": "200000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 2.0),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, None),
        ({"cpu.max": "nonsense"}, None),
        ({}, None),
    ],
)
def test_quota_of_the_control_group(
    tmp_path: Path, files: dict[str, str], cores: float | None
) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert threads._quota(tmp_path) == cores


@pytest.mark.parametrize("count", [0, -1, 1_000_000])
def test_thread_counts_out_of_range(count: int) -> None:
    with pytest.raises(ArgumentError, match="set_num_threads: n: expected 1 to 256"):
        nnlite.set_num_threads(count)
    assert nnlite.get_num_threads() == 3


@pytest.mark.parametrize("count", ["two", 2.0, None, True])
def test_thread_counts_that_are_none(count: Any) -> None:
    with pytest.raises(DtypeError, match="set_num_threads: n: expected a whole number"):
        nnlite.set_num_threads(count)
