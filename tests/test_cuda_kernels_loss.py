"""The CUDA sources of cross-entropy, dropout and gathering, run by the CPU."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import nnlite
import nnlite.nn.functional as F
from nnlite.backend.reports import raise_reports
from nnlite.errors import NnliteIndexError
from nnlite.ops.kernels.cuda import dropout as draws
from nnlite.ops.kernels.cuda.gather import gather_images, gather_labels
from nnlite.ops.kernels.cuda.launching import kernels
from nnlite.ops.kernels.philox import philox, threshold, words
from tests.cuda_shim.oracle import DTYPES, close, compare, launched, needs_compiler, order, there
from tests.strict import STRICT, forbid_transfers

pytestmark = needs_compiler
__all__ = ["launched", "order"]

# -- cross-entropy ---------------------------------------------------------------------------

# samples, classes, ignored class: a thread for a sample up to 64 classes, a block above
SIZES = [(300, 10, -100), (5, 3, 1), (4, 300, -100), (3, 65, 2), (1, 1, -100), (2, 64, 500)]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_cross_entropy(
    size: tuple[int, int, int], reduction: str, dtype: str, order: str, launched: list[str]
) -> None:
    N, C, ignored = size
    rng = np.random.default_rng(0)
    x, t = (rng.standard_normal((N, C)) * 30).astype(dtype), rng.integers(0, C, N)
    t[0] = ignored if ignored != -100 else t[0]
    options: dict[str, Any] = {"reduction": reduction, "ignore_index": ignored}
    compare(
        lambda x: F.cross_entropy(x, there(t), **options),
        lambda x: torch.nn.functional.cross_entropy(x, torch.tensor(t), **options),
        [x],
    )
    first = "few_classes" if C <= 64 else "many_classes"
    assert launched == [first, "reduce_loss", "loss_grad"]


@pytest.mark.parametrize("classes", [5, 100])
def test_scores_that_are_none(classes: int) -> None:
    x = np.zeros((4, classes))
    x[0, 1], x[1, 2], x[2, 3] = np.nan, np.inf, -np.inf
    t = np.array([0, 0, 0, 0])
    compare(
        lambda x: F.cross_entropy(x, there(t), reduction="sum"),
        lambda x: torch.nn.functional.cross_entropy(x, torch.tensor(t), reduction="sum"),
        [x],
    )
    compare(
        lambda x: F.cross_entropy(x, there(t)),
        lambda x: torch.nn.functional.cross_entropy(x, torch.tensor(t)),
        [np.where(np.isfinite(x), x, -np.inf)],
    )


@pytest.mark.parametrize("classes", [5, 100])
def test_scores_that_are_none_of_an_ignored_sample(classes: int) -> None:
    x = np.zeros((3, classes))
    x[0, 1] = np.nan
    t = np.array([2, 0, 1])
    compare(
        lambda x: F.cross_entropy(x, there(t), ignore_index=2),
        lambda x: torch.nn.functional.cross_entropy(x, torch.tensor(t), ignore_index=2),
        [x],
    )


def test_a_mean_over_no_sample_is_nan_with_gradient_0() -> None:
    x = there(np.ones((2, 3))).requires_grad_()
    loss = F.cross_entropy(x, there(np.array([7, 7])), ignore_index=7)
    loss.backward()
    assert np.isnan(loss.array.get())
    np.testing.assert_array_equal(x.grad.array.get(), np.zeros((2, 3)))


def test_the_second_derivative_of_cross_entropy() -> None:
    x = there(np.random.default_rng(0).standard_normal((4, 3))).requires_grad_()
    t = there(np.array([0, 2, 1, 1]))
    f = lambda x: F.cross_entropy(x, t, ignore_index=1)  # noqa: E731
    assert nnlite.autograd.gradgradcheck(f, (x,))


def test_labels_may_change_before_backward() -> None:
    x, t = there(np.zeros((2, 3))).requires_grad_(), there(np.array([0, 2]))
    loss = F.cross_entropy(x, t)
    t.array.fill(1)
    loss.backward()
    assert (x.grad.array.get()[:, 1] > 0).all()


@pytest.mark.parametrize("label", [-1, 3])
def test_a_label_outside_is_nan_now_and_an_error_at_the_next_synchronize(label: int) -> None:
    raise_reports(STRICT)
    x = there(np.zeros((2, 3))).requires_grad_()
    with forbid_transfers():
        loss = F.cross_entropy(x, there(np.array([0, label])))
        loss.backward()
    assert np.isnan(loss.array.get())
    assert np.isnan(x.grad.array.get()).any(axis=1).tolist() == [False, True]
    with pytest.raises(NnliteIndexError, match=f"label {label}"):
        raise_reports(STRICT)
    raise_reports(STRICT)  # once is enough


# -- embedding -------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(7,), (3, 100), (0,), ()])
def test_rows_of_a_table(
    shape: tuple[int, ...], dtype: str, order: str, launched: list[str]
) -> None:
    rng = np.random.default_rng(0)
    index = np.asarray(rng.integers(0, 5, shape))
    w = rng.standard_normal((3, 5)).astype(dtype).T  # by columns
    theirs = torch.nn.functional.embedding
    compare(
        lambda w: F.embedding(there(index), w, padding_idx=1),
        lambda w: theirs(torch.tensor(index), w, padding_idx=1),
        [w],
    )
    assert ("take_rows" in launched) == bool(index.size)
    raise_reports(STRICT)  # nothing was wrong


@pytest.mark.parametrize("number", [-1, 4, 2**33])
def test_a_number_outside_is_nan_now_and_an_error_at_the_next_synchronize(number: int) -> None:
    raise_reports(STRICT)
    w = there(np.ones((4, 3)))
    with forbid_transfers():
        y = F.embedding(there(np.array([[2, number], [0, 1]])), w)
    assert np.isnan(y.array.get()).all(axis=2).tolist() == [[False, True], [False, False]]
    assert np.nansum(y.array.get()) == 9
    with pytest.raises(NnliteIndexError, match=f"embedding: input.*number {number}"):
        raise_reports(STRICT)
    raise_reports(STRICT)  # once is enough


# -- random numbers --------------------------------------------------------------------------

# Random123's tests/kat_vectors, "philox4x32 10": counter, key, result
KNOWN = [
    ([0] * 4, [0] * 2, "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ([0xFFFFFFFF] * 4, [0xFFFFFFFF] * 2, "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    (
        [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
        [0xA4093822, 0x299F31D0],
        "d16cfe09 94fdcceb 5001e420 24126ea1",
    ),
]


@pytest.mark.parametrize("known", KNOWN)
def test_philox_gives_the_published_numbers(known: tuple[list[int], list[int], str]) -> None:
    counter, key, result = known
    found = philox(np.array(counter, dtype=np.uint64), key[0] | key[1] << 32)
    assert " ".join(f"{int(n):08x}" for n in found) == result


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [0, 1, 3, 4, 5, 1023, 1025, 3000])
@pytest.mark.parametrize("counter", [(0, 0), (2**64 - 1, 2**32 - 3), (12345 << 40, 2**64 - 2)])
def test_dropout_keeps_where_philox_says(counter: tuple[int, int], n: int, dtype: str) -> None:
    k = kernels("dropout", there(np.zeros(0, dtype)).array)
    assert k is not None
    x = np.random.default_rng(0).standard_normal(n).astype(dtype)
    found = draws.dropout(k, there(x).array, draws.Draw(*counter), 1, 0.7, 2.0).get()
    kept = words(*counter, n) < threshold(0.7)
    np.testing.assert_array_equal(found, np.where(kept, x * x.dtype.type(2), 0))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("dropout", [F.dropout, F.dropout2d])
def test_dropout_and_its_gradient(dropout: Any, dtype: str, order: str) -> None:
    x = there(np.ones((20, 30, 3, 5), dtype)).requires_grad_()
    generator = nnlite.Generator().manual_seed(3)
    with forbid_transfers():
        y = dropout(x, 0.25, generator=generator)
        y.sum().backward()
    found = y.array.get()
    np.testing.assert_array_equal(x.grad.array.get(), found)
    assert set(np.unique(found)) == {0, np.dtype(dtype).type(1 / 0.75)}
    per_channel = found.reshape(600, 15)
    if dropout is F.dropout2d:
        assert (per_channel == per_channel[:, :1]).all()
    share = (per_channel[:, 0] > 0).mean()
    # five standard deviations of 600 draws
    assert abs(share - 0.75) < 5 * (0.75 * 0.25 / 600) ** 0.5
    again = dropout(x, 0.25, generator=generator).array.get()
    assert (again != found).any()
    generator.manual_seed(3)
    np.testing.assert_array_equal(dropout(x, 0.25, generator=generator).array.get(), found)
    generator.manual_seed(3)
    with nnlite.backend.plain_kernels():
        np.testing.assert_array_equal(dropout(x, 0.25, generator=generator).array.get(), found)


def test_dropout_selects_and_does_not_multiply() -> None:
    x = there(np.full(1000, np.nan))
    found = F.dropout(x, 0.5).array.get()
    assert 0 < np.isnan(found).sum() < 1000
    assert (found[~np.isnan(found)] == 0).all()


def test_a_captured_step_draws_other_numbers_at_each_replay() -> None:
    x = there(np.ones(100)).requires_grad_()
    state = STRICT.asarray(np.array([7, 1000]))
    found = []
    for _ in range(2):
        counter = draws.Counter(state)
        with draws.counting(counter), forbid_transfers():
            a, b = F.dropout(x, 0.5), F.dropout(x.reshape(1, 10, 10), 0.5)
            x.grad = None
            a.sum().backward()
        np.testing.assert_array_equal(x.grad.array.get(), a.array.get())
        counter.advance()
        found += [a.array.get(), b.array.get().ravel()]
    for i, y in enumerate(found):
        np.testing.assert_array_equal(y, 2.0 * (words(7, 1000 + 25 * i, 100) < 2**31))


# -- gathering -------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("channels", [1, 3])
def test_batches_of_images(channels: int, dtype: str, order: str, launched: list[str]) -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (9, channels, 5, 4), dtype="uint8")
    labels, permutation = rng.integers(0, 10, 9), rng.permutation(9)
    mean, std = rng.random((2, channels)).astype(dtype) + np.dtype(dtype).type(0.5)
    on = [there(v).array for v in (images, permutation, np.array([3]), mean, std)]
    pixels, at, start, m, s = on
    for plain in (False, True):
        with nnlite.backend.plain_kernels(plain), forbid_transfers():
            x = gather_images(pixels, at, start, 4, 1 / 255, m, s)
            t = gather_labels(there(labels).array, at, start, 4)
        chosen = permutation[3:7]
        scaled = torch.tensor(images[chosen]).to(getattr(torch, dtype)) / 255
        expected = (scaled - torch.tensor(mean)[:, None, None]) / torch.tensor(std)[:, None, None]
        close(x, expected, dtype)
        np.testing.assert_array_equal(t.get(), labels[chosen])
    assert launched == ["gather_images", "gather_labels"]
