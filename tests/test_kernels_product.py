"""Products of matrices in pieces, and the layers that keep the batch innermost in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import nnlite
import nnlite.nn.functional as F
from nnlite import nn
from nnlite.ops import linalg
from nnlite.ops.kernels import product as module
from nnlite.ops.kernels.layout import is_batch_innermost
from nnlite.ops.kernels.product import product
from tests.layouts import LAYOUTS as ALL_LAYOUTS

LAYOUTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "C": np.ascontiguousarray,
    **{name: ALL_LAYOUTS[name] for name in ("Fortran", "sliced", "negative strides", "read-only")},
}
SIZES = st.sampled_from([0, 1, 2, 3, 15, 16, 17, 33, 50, 65])


@pytest.fixture(autouse=True)
def _threads_restored() -> Iterator[None]:
    before = nnlite.get_num_threads()
    yield
    nnlite.set_num_threads(before)


@settings(max_examples=300, deadline=None)
@given(
    sizes=st.tuples(SIZES, SIZES, SIZES),
    layouts=st.tuples(st.sampled_from(sorted(LAYOUTS)), st.sampled_from(sorted(LAYOUTS))),
    dtype=st.sampled_from(["float32", "float64"]),
    transposed=st.booleans(),
    threads=st.sampled_from([1, 3, 7]),
    limits=st.sampled_from([(0, 0, 0), (0, 0, 5000), (0, 10**9, 0), (10**9, 10**9, 0)]),
    seed=st.integers(0, 999),
)
def test_whole_numbers_exactly(
    sizes: tuple[int, int, int],
    layouts: tuple[str, str],
    dtype: str,
    transposed: bool,
    threads: int,
    limits: tuple[int, int, int],
    seed: int,
) -> None:
    """In pieces, in one, or without a word to BLAS: the sums of whole numbers are exact."""
    rng = np.random.default_rng(seed)
    M, K, N = sizes
    a, b = rng.integers(-9, 10, (M, K)), rng.integers(-9, 10, (K, N))
    # NumPy's own loops, not BLAS
    expected = a @ b
    a, b = LAYOUTS[layouts[0]](a.astype(dtype)), LAYOUTS[layouts[1]](b.astype(dtype))
    nnlite.set_num_threads(threads)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in zip(("TINY", "LEAST", "HEAD_START"), limits, strict=True):
            patch.setattr(module, name, value)
        y = product(a, b, transposed)
    with nnlite.plain_kernels():
        plain = product(a, b, transposed)
    assert y.dtype == dtype
    assert y.shape == (M, N)
    np.testing.assert_array_equal(y, expected)
    np.testing.assert_array_equal(plain, expected)
    assert (y.T if transposed else y).flags.c_contiguous
    assert (plain.T if transposed else plain).flags.c_contiguous


def test_limits_as_they_are() -> None:
    """Just below and above the least work for threads: 229^3 and 230^3 multiplications."""
    rng = np.random.default_rng(0)
    for n in (63, 65, 228, 230):
        a = rng.integers(-3, 4, (n, n)).astype("float32")
        b = rng.integers(-3, 4, (n, n)).astype("float32")
        expected = a.astype(int) @ b.astype(int)
        for threads in (1, 2, 3):
            nnlite.set_num_threads(threads)
            np.testing.assert_array_equal(product(a, b), expected)


def test_cuts_cover_each_row_once() -> None:
    for threads in (1, 2, 3, 7, 64):
        nnlite.set_num_threads(threads)
        for size in (1, 15, 16, 17, 100, 1000):
            for work in (module.LEAST, 10**8, 10**10, 10**12):
                cuts = list(module._cuts(size, work))
                assert len(cuts) <= threads
                ends = [c.stop for c in cuts]
                assert [c.start for c in cuts] == [0, *ends[:-1]]
                assert ends[-1] == size
                assert all(c.start < c.stop for c in cuts)
                assert all(end % 16 == 0 for end in ends[:-1])


def test_work_for_all_threads() -> None:
    """A long product is shared evenly, the caller's piece being no smaller than the others."""
    for threads in (2, 3, 7):
        nnlite.set_num_threads(threads)
        sizes = [c.stop - c.start for c in module._cuts(4096, 10**11)]
        assert len(sizes) == threads
        assert max(sizes) == sizes[0]
        assert max(sizes) - min(sizes) <= 32


def test_nan_and_infinity_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TINY", "LEAST", "HEAD_START"):
        monkeypatch.setattr(module, name, 0)
    nnlite.set_num_threads(3)
    a, b = np.ones((40, 3)), np.ones((3, 20))
    a[33, 1], b[0, 5] = np.nan, np.inf
    with np.errstate(invalid="ignore"):
        y = product(a, b)
    expected = np.full((40, 20), 3.0)
    expected[:, 5] = np.inf
    expected[33] = np.nan
    np.testing.assert_array_equal(y, expected)


# -- layers on images whose batch lies innermost ---------------------------------------------


@pytest.fixture
def _in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TINY", "LEAST", "HEAD_START"):
        monkeypatch.setattr(module, name, 0)


def _network() -> nn.Module:
    nnlite.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 3, 3),
        nn.Tanh(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(3 * 4 * 4, 20),
        nn.ReLU(),
        nn.Linear(20, 5),
    ).to(dtype=nnlite.float64)


def _theirs(model: nn.Module) -> torch.nn.Module:
    theirs = torch.nn.Sequential(
        torch.nn.Conv2d(1, 3, 3),
        torch.nn.Tanh(),
        torch.nn.MaxPool2d(2),
        torch.nn.Flatten(),
        torch.nn.Linear(3 * 4 * 4, 20),
        torch.nn.ReLU(),
        torch.nn.Linear(20, 5),
    ).to(torch.float64)
    for p, q in zip(theirs.parameters(), model.parameters(), strict=True):
        p.data = torch.from_numpy(q.array.copy())
    return theirs


@pytest.mark.usefixtures("_in_pieces")
@pytest.mark.parametrize("threads", [1, 3])
def test_a_network_of_images_and_matrices(threads: int) -> None:
    """Gradients of everything, under the fast kernels, the plain ones, and PyTorch."""
    nnlite.set_num_threads(threads)
    x = np.random.default_rng(1).standard_normal((12, 1, 10, 10))
    labels = np.arange(12) % 5
    model = _network()
    results = []
    for plain in (False, True):
        model.zero_grad()
        t = nnlite.from_numpy(x).requires_grad_()
        with nnlite.plain_kernels(plain):
            F.cross_entropy(model(t), nnlite.from_numpy(labels)).backward()
        results.append([p.grad.array.copy() for p in (t, *model.parameters())])
    theirs, tx = _theirs(model), torch.from_numpy(x).requires_grad_()
    torch.nn.functional.cross_entropy(theirs(tx), torch.from_numpy(labels)).backward()
    results.append([p.grad.numpy() for p in (tx, *theirs.parameters())])
    for fast, plain_one, reference in zip(*results, strict=True):
        np.testing.assert_allclose(fast, reference, rtol=1e-11, atol=1e-14)
        np.testing.assert_allclose(plain_one, reference, rtol=1e-11, atol=1e-14)


def _flatten(x: Any) -> Any:
    return x.flatten(1)


def _reshape(x: Any) -> Any:
    return x.reshape(x.shape[0], -1)


@pytest.mark.parametrize("flatten", [_flatten, _reshape, nn.Flatten()])
def test_flatten_keeps_values_and_memory(flatten: Callable[[Any], Any]) -> None:
    rng = np.random.default_rng(2)
    x = nnlite.from_numpy(rng.standard_normal((9, 2, 6, 5)))
    w = nnlite.from_numpy(rng.standard_normal((3, 2, 2, 3))).requires_grad_()
    y = F.conv2d(x, w)
    flat = flatten(y)
    np.testing.assert_array_equal(flat.array, np.array(y.array, order="C").reshape(9, -1))
    assert is_batch_innermost(flat.array)
    # the gradient goes back to the right pixels
    c = rng.standard_normal(flat.shape)
    (flat * nnlite.from_numpy(c)).sum().backward()
    tw = torch.from_numpy(w.detach().array.copy()).requires_grad_()
    ty = torch.nn.functional.conv2d(torch.from_numpy(x.array), tw).flatten(1)
    (ty * torch.from_numpy(c)).sum().backward()
    np.testing.assert_allclose(w.grad.array, tw.grad.numpy(), rtol=1e-12)


@pytest.mark.usefixtures("_in_pieces")
def test_a_linear_layers_gradient_lies_as_its_input(monkeypatch: pytest.MonkeyPatch) -> None:
    """By columns where the batch lies innermost, else by rows; the values are the same."""
    rng = np.random.default_rng(3)
    layer = nn.Linear(24, 7).to(dtype=nnlite.float64)
    x, c = rng.standard_normal((10, 24)), rng.standard_normal((10, 7))
    expected = c @ layer.weight.detach().array
    seen: list[np.ndarray] = []

    def spy(*args: Any) -> np.ndarray:
        seen.append(product(*args))
        return seen[-1]

    monkeypatch.setattr(linalg, "product", spy)
    for lay in (np.ascontiguousarray, np.asfortranarray):
        seen.clear()
        leaf = nnlite.from_numpy(lay(x)).requires_grad_()
        (layer(leaf) * nnlite.from_numpy(c)).sum().backward()
        (gx,) = [y for y in seen if y.shape == x.shape]
        assert is_batch_innermost(gx) == (lay is np.asfortranarray)
        for found in (gx, leaf.grad.array):
            np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-14)


@pytest.mark.usefixtures("_in_pieces")
@pytest.mark.parametrize("shape", [(0, 4), (4,), (2, 0, 4), (1, 4), (2, 3, 4)])
def test_linear_on_rows_of_any_shape(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(4)
    arrays = [rng.standard_normal(s) for s in (shape, (3, 4), (3,))]
    results = []
    for library, f in ((nnlite, F), (torch, torch.nn.functional)):
        tensors = [library.from_numpy(a).requires_grad_() for a in arrays]
        y = f.linear(*tensors)
        (y * y).sum().backward()
        results.append([np.asarray(t.detach()) for t in (y, *(t.grad for t in tensors))])
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-14)
