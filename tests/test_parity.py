"""A script written for PyTorch prints the same numbers under nnlite, to 1e-6 in float64."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
RTOL, ATOL = 1e-6, 1e-12


def _run(script: str, library: str) -> list[list[str]]:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", f"tests.parity.{script}"],
        cwd=ROOT,
        env={**os.environ, "LIBRARY": library, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, f"{script} under {library}:\n{done.stderr[-3000:]}"
    return [line.split("\t") for line in done.stdout.splitlines()]


def _differ(ours: str, theirs: str) -> bool:
    if ours == theirs:
        return False
    try:
        x, y = float(ours), float(theirs)
    except ValueError:
        return True
    return not abs(x - y) <= ATOL + RTOL * abs(y)


@pytest.mark.parametrize("script", ["user_modules", "user_training", "user_tensors"])
def test_same_numbers_under_both_imports(script: str) -> None:
    ours, theirs = _run(script, "nnlite"), _run(script, "torch")
    assert len(theirs) > 50
    assert sum(len(line) for line in theirs) > 1000
    faults = []
    for mine, line in zip(ours, theirs, strict=False):
        if len(mine) != len(line) or any(map(_differ, mine, line)):
            pairs = [f"{x} for {y}" for x, y in zip(mine, line, strict=False) if _differ(x, y)]
            faults.append(f"{line[0]} {line[1]}: {', '.join(pairs[:3]) or 'another length'}")
    assert not faults, "\n".join(faults)
    assert len(ours) == len(theirs)
