"""Running means and the progress bar."""

from __future__ import annotations

import io
import math

import pytest

from nnlite.train import EpochBar, Running


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_means_of_ragged_batches() -> None:
    running = Running()
    running.add(4, 1.0, 3)
    running.add(1, 6.0, 0)
    assert running.samples == 5
    assert running.loss == pytest.approx((4 * 1.0 + 1 * 6.0) / 5)
    assert running.accuracy == pytest.approx(3 / 5)


def test_before_the_first_batch() -> None:
    assert math.isnan(Running().loss)
    assert math.isnan(Running().accuracy)


def test_bar_on_a_terminal_shows_the_figures() -> None:
    out = _Terminal()
    with EpochBar(10, "epoch 1/2", stream=out) as bar:
        bar.add(5, 0.5, 4)
        bar._bar.refresh()
    text = out.getvalue()
    for part in ("epoch 1/2", "50 %", "loss 0.5000", "accuracy 80.0 %", "images/s", "left"):
        assert part in text


def test_bar_in_a_file_prints_nothing() -> None:
    out = io.StringIO()
    with EpochBar(10, "epoch 1/2", stream=out) as bar:
        bar.add(10, 0.5, 4)
    assert out.getvalue() == ""
    assert bar.running.samples == 10
    assert bar.seconds > 0
