"""Steps in pieces and packs: whose memory it is. Odd layouts, shared memory, copies, the plan."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import nnlite
from nnlite import optim
from nnlite.autograd import Tensor
from nnlite.optim import chunks
from tests.test_optim_chunks import FEW, FEW_IDS, Training, agree, small_sizes

__all__ = ["small_sizes"]  # a fixture for each test here, too


def test_an_optimizer_with_memory_in_another_order() -> None:
    """Parameters and buffers by columns take the plain path, before and after they are renewed."""
    for rule in FEW:

        def prepare(rule: tuple[str, dict[str, Any]] = rule) -> Training:
            training = Training(rule)
            x = np.asfortranarray(np.arange(30, dtype="float32").reshape(5, 6))
            odd = nnlite.from_numpy(x).requires_grad_()
            training.params.append(odd)
            training.optimizer = getattr(optim, rule[0])(training.params, **rule[1])
            return training

        agree(rule, prepare=prepare, planned=False)

        def by_rows(training: Training) -> None:
            odd = training.params[-1]
            odd.data = nnlite.from_numpy(np.ascontiguousarray(odd.array))

        # the state's memory is by columns still, and has to be what is updated
        agree(rule, {6: by_rows}, prepare=prepare)


def test_parameters_that_share_memory() -> None:
    """One after the other, as PyTorch's loop does; in one pack each would be set back."""
    for rule in FEW:

        def prepare(rule: tuple[str, dict[str, Any]] = rule) -> Training:
            training = Training(rule)
            room = np.linspace(-1, 1, 12, dtype="float32")
            training.params = [
                nnlite.from_numpy(room[cut]).requires_grad_() for cut in (slice(8), slice(5, 12))
            ]
            training.optimizer = getattr(optim, rule[0])(training.params, **rule[1])
            return training

        agree(rule, prepare=prepare, planned=False)


def test_gradients_of_any_memory() -> None:
    found = []
    for plain in (False, True):
        with nnlite.plain_kernels(plain):
            p = nnlite.from_numpy(np.linspace(-1, 1, 30).reshape(5, 6)).requires_grad_()
            q = nnlite.from_numpy(np.linspace(-1, 1, 6).reshape(2, 3)).requires_grad_()
            optimizer = optim.Adam([p, q], lr=0.1)
            for t in range(5):
                for x in (p, q):
                    g = np.random.default_rng(t).standard_normal(x.shape)
                    x.grad = nnlite.from_numpy(np.asfortranarray(g))
                    if t % 2:
                        x.grad = nnlite.from_numpy(g[::-1])
                    before = x.grad.array.copy()
                    kept = x.grad
                optimizer.step()
                np.testing.assert_array_equal(kept.array, before)
            found.append((p.array.tobytes(), q.array.tobytes()))
    assert found[0] == found[1]


# -- copies ----------------------------------------------------------------------------------


def _pickled(pair: Any) -> Any:
    return pickle.loads(pickle.dumps(pair))


@pytest.mark.parametrize("rule", FEW, ids=FEW_IDS)
@pytest.mark.parametrize("how", [copy.deepcopy, _pickled])
def test_a_copy_trains_its_own(rule: tuple[str, dict[str, Any]], how: Callable[[Any], Any]) -> None:
    training = Training(rule)
    for _ in range(5):
        training.step()
    twin = Training(rule)
    twin.params, twin.optimizer = how((training.params, training.optimizer))
    twin.t = training.t
    before = training.numbers()
    assert twin.numbers() == before
    assert not twin.optimizer._plans
    for _ in range(5):
        twin.step()
    assert training.numbers() == before, "the copy trains the original"
    for _ in range(5):
        training.step()
    assert twin.numbers() == training.numbers()
    for ours, theirs in zip(_arrays(training), _arrays(twin), strict=True):
        assert not np.shares_memory(ours, theirs)


def _arrays(training: Training) -> list[np.ndarray]:
    state = training.optimizer.state
    entries = [e for p in training.params for e in state[p].values() if isinstance(e, Tensor)]
    return [t.array for t in (*training.params, *entries)]


def test_saved_state_is_a_copy() -> None:
    training = Training(FEW[1])
    for _ in range(3):
        training.step()
    saved = training.optimizer.state_dict()
    before = [
        e.array.copy() for s in saved["state"].values() for e in s.values() if isinstance(e, Tensor)
    ]
    training.step()
    after = [e.array for s in saved["state"].values() for e in s.values() if isinstance(e, Tensor)]
    for a, b in zip(before, after, strict=True):
        np.testing.assert_array_equal(a, b)


# -- the plan --------------------------------------------------------------------------------


def _plan(training: Training) -> chunks.Plan:
    plan: chunks.Plan = training.optimizer._plans[0]
    return plan


def test_a_plan_is_kept_from_step_to_step() -> None:
    """Also while the learning rate changes; else each step would be a plain one."""
    training = Training(FEW[1])
    training.step()
    plan = _plan(training)
    for k in range(4):
        training.optimizer.param_groups[0]["lr"] = 0.1 / (k + 1)
        training.step()
        assert _plan(training) is plan


def test_large_ones_are_cut_and_small_ones_packed() -> None:
    training = Training(FEW[1])
    training.step()
    pieces = _plan(training)._pieces
    packs = [piece for piece in pieces if isinstance(piece, chunks._Pack)]
    packed = [p for pack in packs for p in pack.members]
    cut = {id(piece.p): piece.p for piece in pieces if isinstance(piece, chunks._Piece)}
    assert {id(p) for p in training.params} == {*cut, *map(id, packed)}
    assert all(p.array.size <= chunks.SMALL for p in packed)
    assert all(p.array.size > chunks.SMALL for p in cut.values())
    assert sum(piece.x.size for piece in pieces) == sum(p.array.size for p in training.params)
    assert len(packed) > len(packs) > 1
    assert len(pieces) - len(packs) > len(cut)


def test_an_error_leaves_the_optimizer_usable(monkeypatch: pytest.MonkeyPatch) -> None:
    training = Training(FEW[1])
    for _ in range(3):
        training.step()
    before = training.numbers()

    def broken(*args: Any) -> None:
        raise MemoryError("no room")

    with monkeypatch.context() as patch:
        patch.setattr(training.optimizer, "_update", broken)
        with pytest.raises(MemoryError, match="no room"):
            training.step()
    assert training.numbers() == before
    training.step()
    assert training.numbers() != before


@pytest.mark.parametrize("rule", FEW, ids=FEW_IDS)
def test_a_step_counts_as_a_change(rule: tuple[str, dict[str, Any]]) -> None:
    """A graph from before a step is refused after it, on the fast path as on the plain one."""
    training = Training(rule)
    training.step()
    training.step()
    p = training.params[0]
    y = (p * p).sum()
    training.step()
    with pytest.raises(nnlite.errors.GraphError):
        y.backward()


def test_late_steps_meet_no_denormal_numbers() -> None:
    """Averages of a gradient that has become 0 decay, but never to 0 by themselves."""
    moved = []
    for plain in (False, True):
        p = nnlite.nn.Parameter(nnlite.ones(50))
        optimizer = optim.Adam([p])
        with nnlite.plain_kernels(plain):
            for k in range(1100):
                p.grad = nnlite.full((50,), 1e-3 if k < 3 else 0.0)
                optimizer.step()
        m = np.abs(optimizer.state[p]["exp_avg"].array)
        tiny = np.finfo("float32").tiny
        assert ((m > 0) & (m < tiny)).any() == plain
        moved.append(p.array)
    np.testing.assert_array_equal(*moved)
