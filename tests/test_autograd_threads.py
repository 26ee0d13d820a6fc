"""Graphs of different threads do not meet."""

from __future__ import annotations

import threading

import numpy as np

from nnlite.autograd import Tensor, grad
from nnlite.ops import linalg, pointwise, reduce


def _train(seed: int) -> bytes:
    rng = np.random.default_rng(seed)
    w = Tensor(rng.standard_normal((5, 4)) * 0.1, True)
    x = Tensor(rng.standard_normal((8, 5)))
    for _ in range(50):
        y = pointwise.exp(linalg.matmul(x, w))
        loss = reduce.sum(y * y) / 100.0
        (g,) = grad(loss, w, create_graph=True)
        (loss + reduce.sum(g * g) * 1e-4).backward()
        w.array -= 1e-3 * w.grad.array
        w.grad = None
    return w.array.tobytes()


def test_eight_threads_equal_one() -> None:
    """burn#5573: a backward dropped another thread's graph."""
    expected = [_train(seed) for seed in range(8)]
    found: dict[int, bytes] = {}

    def work(seed: int) -> None:
        found[seed] = _train(seed)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [found[seed] for seed in range(8)] == expected
