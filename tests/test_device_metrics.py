"""Losses and answers of a device: counted without waiting, read once, refused by name."""

from __future__ import annotations

import io

import numpy as np
import pytest

import nnlite
from nnlite.autograd import Tensor
from nnlite.errors import ArgumentError, DtypeError, NnliteIndexError, ShapeError
from nnlite.metrics import Tally, confusion_matrix, roc_auc
from nnlite.metrics import tally as tally_module
from nnlite.metrics.pending import fetch
from nnlite.train import EpochBar, Running
from nnlite.train import running as running_module
from nnlite.viz.inputs import as_tiles
from tests.conftest import to_device
from tests.strict import StrictArray, forbid_transfers, transfers

RNG = np.random.default_rng(0)
SCORES = RNG.normal(size=(37, 4)).astype(np.float32)
LABELS = RNG.integers(0, 4, 37)
LOSSES = RNG.random(8).astype(np.float32)


def there(x: object, device: str = "strict") -> Tensor:
    return Tensor(to_device(np.asarray(x), device))


def fill(tally: Tally, device: str) -> None:
    for k in range(8):  # the last batch is ragged
        part = slice(5 * k, 5 * k + 5)
        tally.update(
            there(SCORES[part], device), there(LABELS[part], device), there(LOSSES[k], device)
        )


def counted() -> int:
    return transfers.count


def test_a_tally_waits_for_nothing_until_it_is_read() -> None:
    plain, tally = Tally(4), Tally(4)
    fill(plain, "cpu")
    with forbid_transfers():
        fill(tally, "strict")
    before = counted()
    np.testing.assert_array_equal(tally.matrix, plain.matrix)
    # answers, labels and NaN counts are int64 and come together; the losses are float32
    assert counted() == before + 2
    assert (tally.loss, tally.accuracy, tally.samples) == (plain.loss, plain.accuracy, 37)
    assert counted() == before + 2
    fill(tally, "strict")
    fill(plain, "strict")
    assert tally.loss == plain.loss
    np.testing.assert_array_equal(tally.matrix, 2 * confusion_matrix(LABELS, SCORES.argmax(1), 4))


def test_a_tally_takes_what_lies_in_different_places() -> None:
    tally = Tally(4)
    answers = SCORES.argmax(1)
    tally.update(there(SCORES), LABELS, 1.5)
    tally.update(SCORES, there(LABELS), there(0.5))
    tally.update(there(answers), LABELS.tolist())
    tally.update(answers, LABELS)
    np.testing.assert_array_equal(tally.matrix, 4 * confusion_matrix(LABELS, answers, 4))
    assert tally.loss == 1.0


def test_a_tally_that_is_never_read_holds_little(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tally_module, "MOST_WAITING", 10)
    tally, before = Tally(4), counted()
    fill(tally, "strict")
    assert counted() == before + 6  # two copies for each ten images
    assert tally.samples == 37


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ((np.zeros((2, 4)), [0, 1]), ShapeError, r"\(N, 3\)"),
        ((np.zeros((2, 3)), [0]), ShapeError, "1 targets and 2 predictions"),
        ((np.zeros((1, 2, 3)), [0]), ShapeError, "argmax"),
        ((np.zeros(2), [0, 1]), DtypeError, "integers"),
        ((np.zeros((2, 3)), [0.0, 1.0]), DtypeError, "integers"),
        ((np.zeros((2, 3)), [0, 1], [0.5, 0.5]), ShapeError, "one number"),
    ],
)
def test_a_wrong_shape_is_refused_at_once_without_waiting(
    arguments: tuple, error: type[Exception], words: str
) -> None:
    tally = Tally(3)
    tally.update(there([0]), there([0]), there(1.0))
    with forbid_transfers(), pytest.raises(error, match=words):
        tally.update(*(there(x) for x in arguments))
    assert (tally.samples, tally.loss) == (1, 1.0)


@pytest.mark.parametrize(
    ("scores", "labels", "error", "words"),
    [
        ([[0, np.nan, 1], [0, 0, 0]], [0, 1], ArgumentError, "NaN in 1 of 2 rows"),
        ([[0, 1, 2], [0, 0, 0]], [0, 3], NnliteIndexError, "got 3"),
    ],
)
def test_a_wrong_value_is_refused_when_the_tally_is_read(
    scores: list, labels: list, error: type[Exception], words: str
) -> None:
    tally = Tally(3)
    tally.update(there([0]), there([0]), there(1.0))
    with forbid_transfers():
        tally.update(there(np.array(scores, np.float32)), there(labels), there(9.0))
        tally.update(there([1]), there([2]), there(3.0))
    with pytest.raises(error, match=words):
        _ = tally.accuracy
    assert (tally.samples, tally.loss, tally.accuracy) == (2, 2.0, 0.5)


def test_running_means_wait_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    plain, running = Running(), Running()
    for k, loss in enumerate(LOSSES):
        plain.add(5 + k, float(loss), k)
        with forbid_transfers():
            running.add(5 + k, there(loss), there(k))
    before = counted()
    assert (running.loss, running.correct, running.samples) == (plain.loss, 28, plain.samples)
    assert running.accuracy == plain.accuracy
    assert counted() == before + 2  # float32 losses, int64 counts
    running.add(1, there([2.0]))
    running.add(1, 2.0, 1)  # counted in the order in which they came
    plain.add(1, 2.0)
    plain.add(1, 2.0, 1)
    assert (running.loss, running.correct) == (plain.loss, plain.correct)
    monkeypatch.setattr(running_module, "MOST_WAITING", 2)
    before = counted()
    for _ in range(4):
        running.add(1, there(1.0))
    assert counted() == before + 2


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_the_bar_reads_a_device_only_when_it_is_drawn() -> None:
    out = _Terminal()
    with EpochBar(40, "epoch 1/1", stream=out) as bar:
        bar._bar.mininterval = 1e9
        with forbid_transfers():
            for _ in range(3):
                bar.add(10, there(0.5), there(8))
        bar._bar.mininterval, bar._bar.miniters, bar._bar.last_print_t = 0, 0, 0
        bar.add(10, there(0.5), there(8))
    assert "loss 0.5000, accuracy 80.0 %" in out.getvalue()
    out = io.StringIO()
    with forbid_transfers(), EpochBar(10, "epoch 1/1", stream=out) as bar:
        bar.add(10, there(0.5), there(8))
    assert bar.running.accuracy == 0.8
    assert out.getvalue() == ""


def test_fetch_copies_once_per_dtype_and_keeps_shapes() -> None:
    arrays = [np.arange(6.0).reshape(2, 3), np.array(5), np.zeros((0, 2)), np.arange(3)]
    mixed = [to_device(x, "strict") for x in arrays] + [np.ones(2), 7, None]
    before = counted()
    got = fetch(mixed)
    assert counted() == before + 2
    for x, want in zip(got, [*arrays, np.ones(2), 7, None], strict=True):
        np.testing.assert_array_equal(x, want)
        assert np.shape(x) == np.shape(want)
        assert type(x) is not StrictArray


def test_whole_sets_are_copied_by_the_metrics_and_pictures() -> None:
    answers = SCORES.argmax(1)
    np.testing.assert_array_equal(
        confusion_matrix(there(LABELS), there(answers), 4), confusion_matrix(LABELS, answers, 4)
    )
    p = np.exp(SCORES.astype(np.float64))
    assert roc_auc(there(LABELS), there(p)).macro_auc == roc_auc(LABELS, p).macro_auc
    tiles = as_tiles("test", "values", nnlite.ones(2, 9, device="strict"), None)
    assert tiles.shape == (2, 3, 3)
