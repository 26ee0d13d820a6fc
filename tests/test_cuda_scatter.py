"""Sums by index on the device: NumPy's results in every dtype, of floats NumPy's bits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import nnlite
from nnlite.backend import cuda_source
from nnlite.backend.cuda_scatter import TILE, scatter_add
from nnlite.backend.dtypes import SUPPORTED
from tests import strict
from tests.conftest import to_device
from tests.cuda_shim.oracle import launched, needs_compiler, order
from tests.strict.graph import WATCHED

__all__ = ["launched", "order"]

KINDS = sorted(kind.name for kind in SUPPORTED)


@pytest.mark.parametrize("kind", KINDS)
def test_scatter_add_in_every_dtype(kind: str) -> None:
    """NumPy's add.at on random numbers, many places hit often enough to overflow."""
    rng = np.random.default_rng(0)
    info = None if kind in ("bool", "float32", "float64") else np.iinfo(kind)
    index = rng.integers(-7, 7, 200)
    if info is None:
        numbers = rng.integers(0, 2 if kind == "bool" else 100, (2, 200)).astype(kind)
    else:
        numbers = rng.integers(info.min, info.max, (2, 200), dtype=kind, endpoint=True)
    source, start = numbers[0], numbers[1, :7].copy()
    expected = start.copy()
    np.add.at(expected, index, source)
    target = strict.xp.asarray(start)
    with strict.forbid_transfers():
        scatter_add(strict.STRICT, target, strict.xp.asarray(index), strict.xp.asarray(source))
    assert target.dtype == kind
    np.testing.assert_array_equal(target.get(), expected)


@pytest.mark.parametrize("kind", KINDS)
def test_scatter_add_broadcasts_and_takes_tuples(kind: str) -> None:
    rows = np.array([0, 2, 0])
    expected = np.zeros((3, 4), dtype=kind)
    row = np.array([1, 0, 1, 1], dtype=kind)
    np.add.at(expected, (rows, slice(None)), row)
    target = strict.xp.zeros((3, 4), dtype=kind)
    scatter_add(
        strict.STRICT, target, (strict.xp.asarray(rows), slice(None)), strict.xp.asarray(row)
    )
    np.testing.assert_array_equal(target.get(), expected)


def test_scatter_add_into_a_view() -> None:
    memory = np.zeros((4, 6), dtype=np.int64)
    target = strict.xp.asarray(memory)
    scatter_add(strict.STRICT, target[:, ::2], strict.xp.asarray([1, 1]), strict.xp.asarray([2]))
    np.add.at(memory[:, ::2], np.array([1, 1]), 2)
    np.testing.assert_array_equal(target.get(), memory)


def _of_many_sizes(shape: tuple[int, ...], kind: str, seed: int) -> Any:
    """Numbers whose sum depends in its last bits on the order in which they are added."""
    rng = np.random.default_rng(seed)
    return (rng.standard_normal(shape) * 10 ** rng.uniform(-4, 4, shape)).astype(kind)


WHOLE = slice(None)
ADDED = {
    # a table's rows, an index_add in the middle, single elements, and an index of two dimensions;
    # the index's shape, what stands before and behind it in the target, and the target's shape
    "rows": ((700,), (), (), (13, 5)),
    "one row only": ((600,), (), (), (1, 3)),
    "more rows than sources": ((40,), (), (), (3000, 2)),
    "several merges": ((2600,), (), (), (5,)),
    "a middle dimension": ((150,), (WHOLE,), (WHOLE,), (3, 7, 4)),
    "the last dimension": ((33,), (WHOLE,), (), (6, 9)),
    "an index of two dimensions": ((20, 30), (), (), (11, 3)),
}


@needs_compiler
@pytest.mark.parametrize("kind", ["float32", "float64"])
@pytest.mark.parametrize("name", ADDED)
def test_floats_are_added_in_numpys_order(
    name: str, kind: str, order: str, launched: list[str]
) -> None:
    """Bit for bit, whichever threads come first; nothing is left to atomic additions."""
    shape, before, behind, target_shape = ADDED[name]
    rows = target_shape[len(before)]
    index = np.random.default_rng(1).integers(-rows, rows, shape)
    start = _of_many_sizes(target_shape, kind, 2)
    source = _of_many_sizes(start[(*before, index, *behind)].shape, kind, 3)
    expected, reversed_order = start.copy(), start.copy()
    np.add.at(expected, (*before, index, *behind), source)
    back = (WHOLE,) * len(before) + (slice(None, None, -1),)
    np.add.at(reversed_order, (*before, index[::-1], *behind), source[back])
    if len(shape) == 1 and rows < shape[0]:
        assert (reversed_order != expected).any()  # the order can be seen
    target = strict.xp.asarray(start)
    there = strict.xp.asarray(index), strict.xp.asarray(source)
    with strict.forbid_transfers():
        scatter_add(strict.STRICT, target, (*before, there[0], *behind), there[1])
    assert target.get().tobytes() == expected.tobytes()
    assert launched[0] == "sort_tiles"
    assert launched[-1] == "add_in_order"
    merges = max(0, int(np.ceil(np.log2(index.size / TILE))))
    assert launched[1:-1] == ["merge_runs"] * merges


@needs_compiler
def test_floats_are_added_in_order_at_any_index(launched: list[str]) -> None:
    """Into views, by several arrays at once, by slices; broadcast sources, of other dtypes, too."""
    rng = np.random.default_rng(0)
    i, j = rng.integers(0, 4, (2, 50)), rng.integers(-6, 6, 50)
    for view, index, source in (
        ((), (i, j), _of_many_sizes((2, 50), "float32", 1)),
        ((), (i[:1].T, j), _of_many_sizes((50,), "float32", 2)),
        ((WHOLE, slice(None, None, 2)), (i[0],), _of_many_sizes((50, 3), "float32", 3)),
        ((), (slice(1, 3), j), _of_many_sizes((2, 1), "float64", 4)),
        ((), (j[:0] % 4,), _of_many_sizes((0, 6), "float32", 5)),
        ((), (i[1], 2), 0.1),
    ):
        expected = _of_many_sizes((4, 6), "float32", 6)
        target = strict.xp.asarray(expected)
        there = tuple(strict.xp.asarray(x) if isinstance(x, np.ndarray) else x for x in index)
        given = strict.xp.asarray(source) if isinstance(source, np.ndarray) else source
        scatter_add(strict.STRICT, target[view], there, given)
        # in float32, as the device adds: NumPy alone would add these doubles as doubles
        np.add.at(expected[view], index, np.float32(source))
        assert target.get().tobytes() == expected.tobytes()
    assert launched.count("add_in_order") == 5  # of nothing, nothing is started


@needs_compiler
@pytest.mark.parametrize("kind", ["float32", "float64"])
def test_gradients_of_lookups_have_the_cpus_bits(kind: str, launched: list[str]) -> None:
    """An embedding's gradient, index_add, gather's gradient: on the device as on the CPU."""
    table, index = _of_many_sizes((6, 3), kind, 0), np.random.default_rng(1).integers(0, 6, (9, 70))
    grown = _of_many_sizes((*index.shape, 3), kind, 2)
    found = {}
    for device in ("cpu", "strict"):
        w, i, gy = (nnlite.tensor(to_device(x, device)) for x in (table, index, grown))
        w.requires_grad_()
        nnlite.nn.functional.embedding(i, w, padding_idx=2).backward(gy)
        added = nnlite.index_add(w.detach(), 0, i.reshape(-1), gy.reshape(-1, 3))
        x = w.detach().requires_grad_()
        nnlite.gather(x, 0, i.reshape(-1, 3)).backward(gy.reshape(-1, 3)[:210])
        assert w.grad is not None
        assert x.grad is not None
        found[device] = [y.cpu().numpy().tobytes() for y in (w.grad, added, x.grad)]
    assert found["strict"] == found["cpu"]
    assert launched.count("add_in_order") == 3


@needs_compiler
def test_an_embedding_trains_in_a_captured_step() -> None:
    """Sorting by own kernels can be recorded, which CuPy's sort by Thrust does not promise."""
    index = nnlite.tensor(to_device(np.random.default_rng(0).integers(0, 5, 600), "strict"))
    start = _of_many_sizes((5, 3), "float64", 0) / 1e4

    def train(captured: bool) -> Any:
        w = nnlite.tensor(to_device(start, "strict")).requires_grad_()
        optimizer = nnlite.optim.SGD([w], lr=1e-3)
        WATCHED.append(w)

        def step(i: nnlite.Tensor) -> nnlite.Tensor:
            optimizer.zero_grad()
            loss = nnlite.nn.functional.embedding(i, w).square().mean()
            loss.backward()
            optimizer.step()
            return loss

        run = nnlite.cuda.capture(step, [index]) if captured else step
        losses = [run(index).item() for _ in range(6)]
        return losses, w.detach().cpu().numpy().tobytes()

    try:
        assert train(captured=True) == train(captured=False)
    finally:
        WATCHED.clear()


def test_without_a_compiler_and_with_plain_kernels_the_device_adds(launched: list[str]) -> None:
    target = strict.xp.zeros(3, dtype="float32")
    with nnlite.plain_kernels():
        scatter_add(strict.STRICT, target, strict.xp.asarray([1, 1]), strict.xp.asarray([2.0, 3.0]))
    assert target.tolist() == [0, 5, 0]
    assert launched == []


def test_the_tile_is_the_sources() -> None:
    assert f"#define TILE {TILE}\n" in cuda_source.source("scatter", "float32")
