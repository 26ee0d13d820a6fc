"""The certificate's machinery: a seeded part of it passes, and planted faults make it fail."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from nnlite.autograd import Op, Tensor
from nnlite.ops import pointwise
from tests import certify
from tests.cases import collect
from tests.cases.base import OpCase, Sample
from tests.certify import __main__ as program
from tests.certify import exceptions, kinks, optimizers, run
from tests.certify.record import Record, largest_error
from tests.certify.report import KINDS, document
from tests.certify.run import certify_row, units


class WrongExp(Op):
    """exp with a gradient that is one in a million off."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_output()
        return np.exp(x)

    @staticmethod
    def backward(ctx, gy):
        return gy * ctx.output() * (1 + 1e-5)


def _row(**changes) -> OpCase:
    case = next(case for case in collect() if case.name == "exp")
    return dataclasses.replace(case, **changes)


def _failed(**changes) -> set[str]:
    record = certify_row(_row(**changes))
    return {failure.split(": ")[1] for failure in record.failures}


def test_the_quick_part_passes(capsys, tmp_path) -> None:
    out = tmp_path / "certificate.md"
    assert program.main(["--quick", "--jobs", "1", "--out", str(out)]) == 0
    assert "0 failures" in capsys.readouterr().out
    text = out.read_text(encoding="utf-8")
    assert "# Certificate" in text
    assert "## Failures" not in text
    assert "| ties and kinks |" in text
    assert "| optim.Adam |" in text


def test_a_right_row_fails_nowhere() -> None:
    assert _failed() == set()


def test_a_wrong_gradient_fails_every_kind_that_sees_it() -> None:
    failed = _failed(fn=lambda x: WrongExp.apply(x))
    assert {"vjp float64", "differences", "complex step", "second order"} <= failed
    assert "forward float64" not in failed


def test_a_wrong_value_fails() -> None:
    assert "forward float64" in _failed(fn=lambda x: pointwise.exp(x) * (1 + 1e-6))
    assert "forward float32" in _failed(fn=lambda x: pointwise.exp(x) * (1 + 1e-4))


def test_a_wrong_dtype_fails() -> None:
    assert "forward float32" in _failed(fn=lambda x: pointwise.exp(x).double())


def test_a_changed_input_fails() -> None:
    def fn(x):
        y = pointwise.exp(x.detach())
        x.array[...] = 0
        return y

    assert "forward float64" in _failed(fn=fn, differentiable=False)


def test_a_loss_of_layout_fails() -> None:
    def fn(x):  # takes the numbers as they lie in memory, whatever the strides say
        return Tensor(np.exp(x.array.ravel(order="K").reshape(x.shape)))

    record = Record("exp")
    sample = Sample((np.arange(6.0).reshape(2, 3),), id="2-d")
    case = _row(fn=fn, differentiable=False)
    certify.values.layouts(record, case, sample)
    assert any("Fortran" in failure for failure in record.failures)


def test_a_crash_is_a_failure_and_hides_nothing() -> None:
    def fn(x):
        if x.ndim == 2:
            raise ZeroDivisionError("planted")
        return pointwise.exp(x)

    record = certify_row(_row(fn=fn))
    assert any("planted" in failure for failure in record.failures)
    assert record.tallies["forward float64"].cases > 5


def test_a_refusal_where_pytorch_has_a_result_fails() -> None:
    def fn(x):
        if x.dtype.kind != "f":
            raise TypeError("integers")
        return pointwise.exp(x)

    assert _failed(fn=fn) == {"dtypes"}


def test_a_result_where_pytorch_refuses_fails() -> None:
    def torch_fn(x):
        if x.ndim == 5:
            raise RuntimeError("five dimensions")
        return torch.exp(x)

    assert _failed(torch_fn=torch_fn) == {"sizes"}


def test_the_exit_status_and_the_list_of_failures(monkeypatch, capsys, tmp_path) -> None:
    wrong = _row(fn=lambda x: WrongExp.apply(x))
    monkeypatch.setattr(program, "collect", lambda: [wrong])
    out = tmp_path / "certificate.md"
    monkeypatch.setattr(run, "units", lambda rows, quick: ["exp"])
    assert program.main(["--only", "exp", "--jobs", "1", "--out", str(out)]) == 1
    assert "FAILED exp: vjp float64" in capsys.readouterr().out
    assert "## Failures" in out.read_text(encoding="utf-8")


def test_a_wrong_kink_fails(monkeypatch) -> None:
    def half(m, f, x):
        return m.abs(x) + (x * 0.5 if m is not torch else 0 * x)

    monkeypatch.setattr(certify.special, "KINKS", (("half", half, [0.0]),))
    assert certify.special.ties_and_kinks().failures


def test_a_wrong_trajectory_fails(monkeypatch) -> None:
    right = optimizers.run_ours
    monkeypatch.setattr(
        optimizers, "run_ours", lambda name, options, dtype: right(name, {"lr": 0.5}, dtype)
    )
    assert optimizers.trajectories("Adagrad").failures


def test_every_kind_is_described() -> None:
    found = {kind for name in ("exp", "mul") for kind in certify_row(_row_named(name)).tallies}
    assert found <= set(KINDS)
    assert len(found) >= 12


def _row_named(name: str) -> OpCase:
    return next(case for case in collect() if case.name == name)


def test_the_document_is_deterministic() -> None:
    records = [certify_row(_row_named("neg")) for _ in range(2)]
    assert document(records[:1]) == document(records[1:])


def test_all_rows_kinks_and_optimizers_are_units() -> None:
    rows = collect()
    names = units(rows)
    assert set(names) > {case.name for case in rows}
    assert "ties and kinks" in names
    assert "optim.LBFGS" in names
    assert len(kinks.KINKS) >= 50


@pytest.mark.parametrize(
    ("a", "b", "error"),
    [
        ([1.0, np.nan], [1.0, np.nan], 0.0),
        ([np.inf], [np.inf], 0.0),
        ([np.inf], [1.0], np.finfo("f8").max),
        ([np.nan], [0.0], np.inf),
        ([0.0], [np.nan], np.inf),
        ([3.0], [1.0], 1.0),
    ],
)
def test_errors(a, b, error: float) -> None:
    assert largest_error(np.array(a), np.array(b)) == error


def test_differences_state_a_reason() -> None:
    for difference in exceptions.DIFFERENCES:
        assert difference.kind in KINDS
        assert len(difference.reason) > 20
    assert exceptions.known("exp", "vjp float64", "anything") is None


def test_a_difference_that_no_longer_shows_is_found() -> None:
    record = Record("topk")
    record.near("sizes", np.ones(2), np.zeros(2), 0.1, "5-D")
    assert not record.failures
    (topk,) = record.differences
    left = program.unused([record])
    assert topk not in left
    # one that shows on some processors only is never missed
    assert len(left) == sum(not d.varies for d in exceptions.DIFFERENCES) - 1
