"""The certificate of a device, shown on the stand-in: it passes, and planted faults fail it."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nnlite
from nnlite.autograd import Op, Tensor
from nnlite.backend import array_module
from nnlite.ops import pointwise
from tests.cases import collect
from tests.certify import __main__ as program
from tests.certify import device, kinks
from tests.certify.run import certify, units


class WrongThere(Op):
    """exp, whose result and gradient are off on every device but the CPU."""

    value = gradient = 0.0

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        xp = array_module(x)
        there = xp is not np
        ctx.save_output()
        ctx.off = 1 + WrongThere.gradient * there
        return xp.exp(x) * (1 + WrongThere.value * there)

    @staticmethod
    def backward(ctx: Any, gy: Any) -> Any:
        return gy * ctx.output() * ctx.off


def row(name: str, **changes: Any) -> Any:
    return dataclasses.replace(next(c for c in collect() if c.name == name), **changes)


def failed(case: Any) -> set[str]:
    return {f.split(": ")[1] for f in device.certify_row(case, "strict").failures}


@pytest.mark.parametrize("name", ["exp", "sum", "matmul", "dropout", "getitem advanced"])
def test_a_right_row_fails_nowhere(name: str) -> None:
    record = device.certify_row(row(name), "strict")
    assert record.failures == []
    assert record.cases > 20


@pytest.mark.parametrize(
    ("value", "gradient", "kinds"),
    [
        (1e-8, 0.0, {"CPU float64", "layouts"}),
        (0.0, 1e-8, {"CPU float64", "layouts"}),
        (1e-3, 0.0, {"CPU float32", "PyTorch float64", "PyTorch float32"}),
        (0.0, 1e-3, {"CPU float32", "PyTorch float32", "second order"}),
    ],
)
def test_a_small_error_on_the_device_fails(
    value: float, gradient: float, kinds: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(WrongThere, "value", value)
    monkeypatch.setattr(WrongThere, "gradient", gradient)
    assert kinds <= failed(row("exp", fn=lambda x: WrongThere.apply(x)))


def test_without_the_error_that_row_passes() -> None:
    assert failed(row("exp", fn=lambda x: WrongThere.apply(x))) == set()


def test_a_result_on_the_cpu_fails() -> None:
    assert "CPU float64" in failed(row("exp", fn=lambda x: pointwise.exp(x).cpu()))


def test_a_nan_that_is_not_there_fails() -> None:
    def fn(x: Tensor) -> Tensor:
        there = str(x.device) == "strict"
        return pointwise.exp(x.masked_fill(x != x, 0.0) if there else x)

    assert "special numbers" in failed(row("exp", fn=fn))
    assert failed(row("exp")) == set()


def test_a_crash_is_a_failure_of_its_check_alone() -> None:
    def fn(x: Tensor) -> Tensor:
        if x.dtype == np.float32 and str(x.device) == "strict":
            raise RuntimeError("no such kernel")
        return pointwise.exp(x)

    assert failed(row("exp", fn=fn)) == {"CPU float32", "PyTorch float32"}


def test_random_numbers_must_keep_or_drop() -> None:
    from nnlite.ops.dropout import dropout

    assert failed(row("dropout", fn=lambda x, p: dropout(x, p) * 0.9)) == {"random numbers"}
    assert failed(row("dropout")) == set()


def test_kinks(monkeypatch: pytest.MonkeyPatch) -> None:
    record = device.ties_and_kinks("strict")
    assert record.failures == []
    assert record.cases > 200
    wrong = ("wrong", lambda m, f, x: f.relu(x) if m is nnlite else f.leaky_relu(x, 0.5), [-1.0])
    monkeypatch.setattr(device, "KINKS", (*kinks.KINKS[:2], wrong))
    assert {f.split(": ")[2] for f in device.ties_and_kinks("strict").failures} == {
        "wrong float64",
        "wrong float32",
    }


def test_the_optimizers_are_left_to_their_tests() -> None:
    names = [record.name for record in certify([row("exp")], where="strict")]
    assert names == ["exp", "ties and kinks"]
    assert any(name.startswith("optim.") for name in units([row("exp")]))


def test_the_document(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "certificate_strict.md"
    command = ["--device", "strict", "--only", "softplus", "--jobs", "1", "--out", str(out)]
    assert program.main(command) == 0
    assert "written: certificate_strict.md" in capsys.readouterr().out
    text = out.read_text(encoding="utf-8")
    assert text.startswith("# Certificate of strict\n")
    assert "| softplus |" in text
    assert "no failure" in text
    out.unlink()
    monkeypatch.setitem(device.LIMITS, "float64", -1.0)
    assert program.main(command) == 1
    assert not out.exists(), "nothing is written on failure"


def test_a_device_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    if nnlite.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(SystemExit) as stopped:
        program.main(["--device", "cuda"])
    assert stopped.value.code == 2
    errors = capsys.readouterr().err
    assert errors.count("\n") == 1
    assert "cuda" in errors
