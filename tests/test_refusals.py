"""Everything that PyTorch refuses is refused, by an error of nnlite's that says what to do.

The calls are PyTorch's own: what its test suite expects to fail, and the calls of the op table with
one argument replaced, wherever PyTorch itself refuses them.
"""

from __future__ import annotations

import subprocess
import sys
import time
import warnings
from pathlib import Path

import pytest

import nnlite
from nnlite import nn
from nnlite.errors import ArgumentError, DtypeError, ShapeError
from tests.refusals import ABSURD, ACCEPTED, absurd, faults, listed, replaced


def test_what_pytorch_refuses_is_refused() -> None:
    """What its own tests expect to fail, and every argument replaced by what does not fit."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Using padding='same' with even kernel lengths")
        wrong, counts, used = faults(listed())
    assert not wrong, "\n".join(wrong)
    assert counts["refused"] >= 350
    # calls without a counterpart: PyTorch's kinds of values that nnlite has not
    assert sum(n for what, n in counts.items() if what.startswith("left out")) <= 35

    wrong, counts, more = faults(replaced())
    assert not wrong, "\n".join(wrong)
    assert counts["refused"] >= 12_000
    assert set(ACCEPTED) == used | more, "an exception that nothing needs"


@pytest.mark.parametrize("name", ABSURD)
def test_absurd_sizes_are_refused_before_memory_is_asked_for(name: str) -> None:
    start = time.perf_counter()
    assert absurd(name) == ""
    assert time.perf_counter() - start < 1


SIZES = {
    "zeros": nnlite.zeros,
    "ones": nnlite.ones,
    "empty": nnlite.empty,
    "full": lambda size: nnlite.full((size,), 0.5),
    "rand": nnlite.rand,
    "randn": nnlite.randn,
    "randint": lambda size: nnlite.randint(3, (size,)),
    "randperm": nnlite.randperm,
    "eye": nnlite.eye,
    "linspace": lambda size: nnlite.linspace(0, 1, size),
    "expand": lambda size: nnlite.ones(1).expand(size, 2),
    "repeat": lambda size: nnlite.ones(1).repeat(size),
    "one_hot": lambda size: nn.functional.one_hot(nnlite.tensor([0]), size),
    "Linear": lambda size: nn.Linear(size, 1),
    "Conv2d": lambda size: nn.Conv2d(1, size, 3),
    "Embedding": lambda size: nn.Embedding(size, 2),
    "BatchNorm1d": nn.BatchNorm1d,
}


@pytest.mark.parametrize("size", [-2, True, 2.0, "2", None, float("nan")], ids=repr)
@pytest.mark.parametrize("name", SIZES)
def test_sizes_are_whole_numbers(name: str, size: object) -> None:
    with pytest.raises((ArgumentError, DtypeError, ShapeError)) as caught:
        SIZES[name](size)
    for part in ("expected ", "got ", "; hint: "):
        assert part in str(caught.value)


def test_nothing_is_validated_by_assert() -> None:
    """The same under ``python -O``, which drops every assert."""
    done = subprocess.run(
        [sys.executable, "-O", "-m", "tests.refusals"],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parent.parent,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    last = done.stdout.splitlines()[-1]
    assert last.endswith(" 0 faults, optimize=1"), done.stdout
    assert int(last.split()[0]) >= 3_000
