"""Bugs of random numbers and processes."""

from __future__ import annotations

import multiprocessing
import sys

import numpy as np
import pytest

import nnlite
import nnlite.nn.functional as F
from nnlite import nn
from nnlite.data import DataLoader, TensorDataset


def test_each_epoch_has_its_own_order_and_its_own_noise() -> None:
    """Lightning#20412, pytorch#5059: a seed set anew at each epoch repeats it."""
    nnlite.manual_seed(0)
    loader = DataLoader(TensorDataset(nnlite.arange(50)), 50, shuffle=True)
    orders = [tuple(batch[0].tolist()) for _ in range(5) for batch in loader]
    assert len(set(orders)) == 5
    masks = [tuple(F.dropout(nnlite.ones(50)).tolist()) for _ in range(5)]
    assert len(set(masks)) == 5


def test_numpys_global_generator_is_neither_read_nor_changed() -> None:
    """pytorch#5059, #41329, #3880; fairseq#1383: nothing in nnlite draws from it."""
    draws, found = [], np.random.get_state()
    for seed in (1, 2):
        np.random.seed(seed)
        before = np.random.get_state()[1].copy()  # type: ignore[index, union-attr]
        nnlite.manual_seed(5)
        layer = nn.Linear(3, 3)
        loader = DataLoader(TensorDataset(nnlite.arange(9)), 3, shuffle=True)
        order = [tuple(batch[0].tolist()) for batch in loader]
        draws.append((layer.weight.tolist(), order, nnlite.randn(3).tolist()))
        np.testing.assert_array_equal(np.random.get_state()[1], before)  # type: ignore[index]
    np.random.set_state(found)
    assert draws[0] == draws[1]


def _product(queue: object) -> None:
    a = nnlite.ones(512, 512)
    queue.put(float((a @ a)[0, 0].item()))  # type: ignore[attr-defined]


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no fork here")
@pytest.mark.skipif(sys.version_info >= (3, 12), reason="Python warns of fork beside threads")
def test_a_product_in_a_forked_child() -> None:
    """OpenBLAS#294, #5520; numpy#15973: the child hung after a product in the parent."""
    a = nnlite.ones(512, 512)
    assert (a @ a)[0, 0].item() == 512
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=_product, args=(queue,))
    child.start()
    try:
        assert queue.get(timeout=30) == 512
        child.join(30)
        assert child.exitcode == 0
    finally:
        child.kill()
        child.join()
