"""The thread pool: pieces shared, errors handed on, BLAS put back, forks and interruptions."""

from __future__ import annotations

import signal
import threading
import traceback
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import nnlite
from nnlite.backend import threads
from tests.fresh_python import fresh_python


@pytest.fixture(autouse=True)
def _three_threads() -> Iterator[None]:
    before = threads.get_num_threads()
    threads.set_num_threads(3)
    yield
    threads.set_num_threads(before)


# -- pieces ----------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [0, 1, 2, 7, 100])
def test_every_piece_runs_once(count: int) -> None:
    done = np.zeros(count, dtype=int)

    def piece(i: int) -> None:
        done[i] += 1

    threads.run([lambda i=i: piece(i) for i in range(count)])
    assert (done == 1).all()


def _meet(parties: int) -> list[str]:
    """The names of the threads that so many pieces, which wait for each other, ran in."""
    barrier, names = threading.Barrier(parties, timeout=30), []

    def piece() -> None:
        names.append(threading.current_thread().name)
        barrier.wait()

    threads.run([piece] * parties)
    return names


def test_pieces_run_in_several_threads_and_in_the_callers() -> None:
    names = _meet(3)
    assert len(set(names)) == 3
    assert threading.current_thread().name in names


def test_one_thread_is_the_callers() -> None:
    threads.set_num_threads(1)
    seen: list[threading.Thread] = []
    threads.run([lambda: seen.append(threading.current_thread())] * 5)
    assert seen == [threading.current_thread()] * 5


def test_pieces_of_pieces_run_in_the_same_thread() -> None:
    """A kernel inside a piece must not wait for workers that all wait for it."""
    inner: list[bool] = []
    barrier = threading.Barrier(3, timeout=30)

    def piece() -> None:
        barrier.wait()
        me = threading.current_thread()
        found: list[Any] = []
        threads.run([lambda: found.append(threading.current_thread())] * 4)
        inner.append(me is threading.main_thread() or found == [me] * 4)

    threads.run([piece] * 3)
    assert inner == [True] * 3


def test_several_callers_at_once() -> None:
    totals: dict[int, float] = {}

    def caller(k: int) -> None:
        x = np.full((200, 300), k, dtype="float32")
        for _ in range(30):
            out = np.zeros(200)
            threads.run(
                [
                    lambda a=a, out=out: np.sum(x[a : a + 20], axis=1, out=out[a : a + 20])
                    for a in range(0, 200, 20)
                ]
            )
            totals[k] = float(out.sum())

    callers = [threading.Thread(target=caller, args=(k,)) for k in range(6)]
    for t in callers:
        t.start()
    for t in callers:
        t.join(60)
    assert totals == {k: k * 200 * 300 for k in range(6)}


# -- errors ----------------------------------------------------------------------------------


def _fail_in_a_worker() -> None:
    barrier = threading.Barrier(2, timeout=30)

    def good() -> None:
        barrier.wait()

    def deep_inside() -> None:
        raise ZeroDivisionError("in the kernel")

    def bad() -> None:
        barrier.wait()
        if threading.current_thread() is not threading.main_thread():
            deep_inside()

    threads.run([good, bad])
    raise AssertionError("bad ran in the caller")


def test_a_workers_error_reaches_the_caller_with_its_traceback() -> None:
    for _ in range(50):  # whoever takes the second piece
        try:
            _fail_in_a_worker()
        except ZeroDivisionError as error:
            names = [frame.name for frame in traceback.extract_tb(error.__traceback__)]
            assert names[-1] == "deep_inside"
            break
        except AssertionError:
            continue
    else:
        raise AssertionError("no worker ever took a piece")
    assert len(set(_meet(3))) == 3, "the pool stays usable"


def test_after_an_error_the_other_pieces_are_dropped_and_awaited() -> None:
    running, ran = threading.Event(), []
    threads.set_num_threads(2)

    def slow() -> None:
        running.set()
        released.wait(30)
        ran.append("slow")

    def bad() -> None:
        running.wait(30)
        threading.Timer(0.05, released.set).start()
        raise ValueError("no")

    released = threading.Event()
    with pytest.raises(ValueError, match="no"):
        threads.run([slow, bad, lambda: ran.append("late")])
    assert ran in (["slow"], ["slow", "late"])  # late only where slow's thread took it first
    assert "slow" in ran, "run returned while a piece was under way"


def test_an_error_in_training_leaves_everything_usable(monkeypatch: pytest.MonkeyPatch) -> None:
    from nnlite.ops.kernels import rows

    model = nnlite.nn.Conv2d(1, 4, 3)
    x = nnlite.randn(16, 1, 8, 8)
    expected = model(x).array

    def broken(*args: Any) -> Any:
        raise MemoryError("no room for the rows")

    with monkeypatch.context() as patch:
        patch.setattr(rows, "_shifted", broken)
        with pytest.raises(MemoryError, match="no room"):
            model(x)
    np.testing.assert_array_equal(model(x).array, expected)


# -- BLAS ------------------------------------------------------------------------------------


def test_blas_has_one_thread_inside_and_its_own_again_outside() -> None:
    result = fresh_python(
        """
import numpy as np, nnlite
from threadpoolctl import threadpool_info
from nnlite.backend import threads
count = lambda: [l["num_threads"] for l in threadpool_info() if l["user_api"] == "blas"]
before = count()
inside = []
threads.set_num_threads(2)
threads.run([lambda: inside.append(count())] * 2)
threads.set_num_threads(1)
threads.run([lambda: threads.run([lambda: inside.append(count())])])
try:
    threads.run([lambda: 1 / 0] * 2)
except ZeroDivisionError:
    pass
print(before == [2], inside == [[1]] * 3, count() == before)
""",
        OPENBLAS_NUM_THREADS="2",
        OMP_NUM_THREADS="2",
    )
    assert result.stdout.split() == ["True"] * 3, result.stderr


# -- forks and interruptions -----------------------------------------------------------------

TRAIN = """
import os, sys, numpy as np, nnlite, threading
from nnlite import nn, optim
import nnlite.nn.functional as F
from nnlite.backend import threads
nnlite.set_num_threads(2)
nnlite.manual_seed(0)
model = nn.Sequential(nn.Conv2d(1, 6, 5), nn.ReLU(), nn.Flatten(), nn.Linear(6 * 24 * 24, 10))
optimizer = optim.Adam(model.parameters())
x, y = nnlite.rand(64, 1, 28, 28), nnlite.arange(64) % 10
from threadpoolctl import threadpool_info
def blas():
    return [l["num_threads"] for l in threadpool_info() if l["user_api"] == "blas"]
before = blas()
def step():
    optimizer.zero_grad()
    loss = F.cross_entropy(model(x), y)
    loss.backward()
    optimizer.step()
    return loss.item()
"""


def test_a_fork_in_the_middle_of_training() -> None:
    """The child has the parent's memory but none of its threads: it makes its own."""
    result = fresh_python(
        TRAIN
        + """
step()
for inside in (False, True):
    def fork():
        child = os.fork()
        if not child:
            losses = [step() for _ in range(2)]
            os._exit(0 if losses[1] < losses[0] and blas() == ([1] if inside else before) else 3)
        assert os.waitpid(child, 0)[1] == 0
    threads.run([fork]) if inside else fork()
    assert blas() == before
step()
print("trained on")
""",
        OPENBLAS_NUM_THREADS="2",
        OMP_NUM_THREADS="2",
    )
    assert result.stdout == "trained on\n", result.stderr


def test_ctrl_c_during_steps() -> None:
    result = fresh_python(
        TRAIN
        + """
import signal
interrupted = 0
for i in range(30):
    timer = threading.Timer(0.001 + 0.0007 * i, os.kill, [os.getpid(), signal.SIGINT])
    try:
        timer.start()
        for _ in range(1000):
            step()
    except KeyboardInterrupt:
        interrupted += 1
    timer.join()
first = step()
print(interrupted, step() < first or first < 1e-3)
print(threads._inside, blas() == before)
""",
        OPENBLAS_NUM_THREADS="2",
        OMP_NUM_THREADS="2",
    )
    assert result.stdout.split() == ["30", "True", "[]", "True"], result.stderr


def test_an_interruption_waits_for_the_pieces_under_way() -> None:
    finished = threading.Event()
    threads.set_num_threads(2)
    began = threading.Event()

    def worker_piece() -> None:
        began.set()
        threading.Event().wait(0.1)
        finished.set()

    def own_piece() -> None:
        if threading.current_thread() is threading.main_thread():
            began.wait(30)
            signal.raise_signal(signal.SIGINT)
        else:
            worker_piece()

    with pytest.raises(KeyboardInterrupt):
        threads.run([own_piece, own_piece])
    assert finished.is_set()


# -- results ---------------------------------------------------------------------------------


def _trained(count: int, steps: int = 3) -> list[bytes]:
    nnlite.set_num_threads(count)
    nnlite.manual_seed(1)
    nn = nnlite.nn
    model = nn.Sequential(
        nn.Conv2d(1, 6, 5),
        nn.ReLU(),
        nn.AvgPool2d(2),
        nn.Conv2d(6, 16, 3),
        nn.Tanh(),
        nn.MaxPool2d(2),
        nn.Dropout(0.3),
        nn.Flatten(),
        nn.Linear(400, 200),
        nn.Sigmoid(),
        nn.Linear(200, 10),
    )
    optimizer = nnlite.optim.Adam(model.parameters())
    x, y = nnlite.rand(100, 1, 28, 28), nnlite.arange(100) % 10
    for _ in range(steps):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
    return [p.array.tobytes() for p in model.parameters()]


@pytest.mark.parametrize("count", [1, 2, 3])
def test_the_same_bits_each_time(count: int) -> None:
    assert _trained(count) == _trained(count)
