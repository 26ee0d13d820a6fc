"""Winograd's convolution against im2col, its plain twin, and PyTorch, both in float64."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import nnlite
import nnlite.nn.functional as F
from nnlite.ops.kernels import convolution, im2col, rows, winograd
from nnlite.ops.kernels.windows import Windows
from tests.layouts import IMAGE_LAYOUTS as LAYOUTS

NAMES = ("y", "gw", "gx", "gw with gx", "gx with gw")

TOLERANCE = 2e-5
"""Largest error, as a part of the largest result or of the largest sum of absolute products."""


@pytest.fixture(autouse=True)
def _threads_restored() -> Iterator[None]:
    before = nnlite.get_num_threads()
    yield
    nnlite.set_num_threads(before)


def _windows(size: tuple[int, int], padding: tuple[int, int]) -> Windows:
    out = tuple(n + 2 * p - 2 for n, p in zip(size, padding, strict=True))
    return Windows(size, (out[0], out[1]), (3, 3), padding=padding)


def _arrays(
    seed: int,
    N: int,
    C: int,
    O: int,  # noqa: E741
    windows: Windows,
) -> tuple[np.ndarray, ...]:
    """x, w, b and gy of normal numbers, float32."""
    rng = np.random.default_rng(seed)
    shapes = (N, C, *windows.size), (O, C, 3, 3), (O, 1, 1), (N, O, *windows.out)
    return tuple(rng.standard_normal(shape, dtype="float32") for shape in shapes)


def _kernels(
    module: Any, x: np.ndarray, w: np.ndarray, b: np.ndarray, gy: np.ndarray, windows: Windows
) -> list[np.ndarray]:
    """y, gw and gx of one module's kernels, and once more gw and gx, computed together."""
    groups = (1,) if module is im2col else ()
    y = module.convolve(x, w, b, windows, *groups)
    gw = module.weight_grad(x, gy, windows, *groups)
    gx = module.input_grad(gy, w, windows, *groups)
    both = module.gradients(x, gy, w, windows) if module is winograd else (gx, gw)
    return [y, gw, gx, both[1], both[0]]


def _plain(arrays: tuple[np.ndarray, ...], windows: Windows) -> list[np.ndarray]:
    return _kernels(im2col, *(a.astype("float64") for a in arrays), windows)


def _assert_close(found: np.ndarray, expected: np.ndarray, scale: float, name: str) -> None:
    assert found.shape == expected.shape, name
    assert found.dtype == "float32", name
    error = np.abs(found - expected).max()
    assert error <= TOLERANCE * scale, f"{name}: {error:.3g} of {scale:.3g}"


# -- the numbers -----------------------------------------------------------------------------


@pytest.mark.parametrize("m", sorted(winograd.POINTS))
def test_one_tile_is_a_correlation(m: int) -> None:
    """A^T [(G g) * (B^T d)], m outputs of m + 2 pixels and 3 weights."""
    rng = np.random.default_rng(m)
    A, B, G = winograd._one_tile(m)
    d, g = rng.standard_normal(m + 2), rng.standard_normal(3)
    y = A.T @ ((G @ g) * (B.T @ d))
    np.testing.assert_allclose(y, np.correlate(d, g, "valid"), rtol=0, atol=1e-13)


@st.composite
def _cases(draw: st.DrawFn) -> dict[str, Any]:
    padding = draw(st.tuples(st.integers(0, 4), st.integers(0, 4)))
    size = tuple(max(1, 3 - 2 * p) + draw(st.integers(0, 13)) for p in padding)
    return {
        "N": draw(st.sampled_from([1, 2, 7, 8, 16])),
        "C": draw(st.sampled_from([1, 2, 5])),
        "O": draw(st.sampled_from([1, 3, 8])),
        "size": size,
        "padding": padding,
        "bias": draw(st.booleans()),
        "layout": draw(st.sampled_from(sorted(LAYOUTS))),
        "gy_layout": draw(st.sampled_from(sorted(LAYOUTS))),
        "threads": draw(st.integers(1, 3)),
        "batch": draw(st.sampled_from([3, 192])),
        "seed": draw(st.integers(0, 2**16)),
    }


@settings(max_examples=200, deadline=None)
@given(case=_cases())
def test_every_shape_and_memory(case: dict[str, Any]) -> None:
    """Also those for which another kernel would be chosen."""
    windows = _windows(case["size"], case["padding"])
    x, w, b, gy = arrays = _arrays(case["seed"], case["N"], case["C"], case["O"], windows)
    expected = _plain(arrays, windows)
    scales = _plain(tuple(np.abs(a) for a in arrays), windows)
    if not case["bias"]:
        expected[0] = expected[0] - b

    nnlite.set_num_threads(case["threads"])
    x, gy = LAYOUTS[case["layout"]](x), LAYOUTS[case["gy_layout"]](gy)
    before = [a.copy() for a in (x, w, gy)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(winograd, "BATCH", case["batch"])
        for name in ("convolve", "weight_grad", "input_grad"):
            patch.delattr(rows, name)  # finite numbers need no other kernel
        found = _kernels(winograd, x, w, b if case["bias"] else None, gy, windows)
    for name, ours, theirs, scale in zip(NAMES, found, expected, scales, strict=True):
        _assert_close(ours, theirs, float(scale.max()), name)
    for now, then in zip((x, w, gy), before, strict=True):
        np.testing.assert_array_equal(now, then)
    assert not any(np.shares_memory(a, b) for a in found for b in (x, w, gy))


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("size", [26, 19, 8])
def test_rounding_stays_small(threads: int, size: int) -> None:
    """Of the layer for which it was made, with fewer images; more tiles than one, and odd sizes."""
    nnlite.set_num_threads(threads)
    windows = _windows((size, size), (0, 0))
    arrays = _arrays(threads, 16, 32, 64, windows)
    found = _kernels(winograd, *arrays, windows)
    for name, ours, plain in zip(NAMES, found, _plain(arrays, windows), strict=True):
        _assert_close(ours, plain, float(np.abs(plain).max()), name)


def test_without_weights_the_bias_is_exact() -> None:
    windows = _windows((7, 11), (1, 1))
    x, w, b, _ = _arrays(1, 8, 3, 5, windows)
    y = winograd.convolve(x, np.zeros_like(w), b, windows)
    np.testing.assert_array_equal(y, np.broadcast_to(b, y.shape))


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_the_same_bits_again(threads: int) -> None:
    nnlite.set_num_threads(threads)
    windows = _windows((14, 14), (1, 1))
    arrays = _arrays(2, 40, 9, 17, windows)
    first = _kernels(winograd, *arrays, windows)
    for _ in range(5):
        for now, then in zip(_kernels(winograd, *arrays, windows), first, strict=True):
            assert now.tobytes() == then.tobytes()


@pytest.mark.parametrize("layout", sorted(LAYOUTS))
def test_the_results_memory_has_the_batch_innermost(layout: str) -> None:
    windows = _windows((9, 8), (0, 1))
    x, w, b, gy = _arrays(3, 9, 4, 5, windows)
    y, *gradients = _kernels(winograd, LAYOUTS[layout](x), w, b, LAYOUTS[layout](gy), windows)
    assert y.transpose(2, 1, 3, 0).flags.c_contiguous
    for gw, gx in (gradients[:2], gradients[2:]):
        assert gx.transpose(2, 1, 3, 0).flags.c_contiguous
        assert gw.flags.c_contiguous


# -- numbers that are not finite -------------------------------------------------------------


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
@pytest.mark.parametrize("where", ["x", "w", "b", "gy"])
@pytest.mark.parametrize("threads", [1, 2])
def test_one_number_that_is_not_finite(where: str, value: float, threads: int) -> None:
    """It reaches the results that see it by the plain definition, and no others."""
    nnlite.set_num_threads(threads)
    windows = _windows((11, 13), (0, 1))
    arrays = _arrays(4, 9, 4, 16, windows)
    bad = arrays["xwby".index(where[-1])]
    bad[(*(n // 2 for n in bad.shape[:-1]), -1)] = value
    with np.errstate(invalid="ignore"):
        found, expected = _kernels(winograd, *arrays, windows), _plain(arrays, windows)
    hit = 0
    for name, ours, plain in zip(NAMES, found, expected, strict=True):
        finite = np.isfinite(plain)
        hit += not finite.all()
        np.testing.assert_array_equal(ours[~finite], plain[~finite], err_msg=name)
        if finite.any():
            scale = float(np.abs(plain[finite]).max())
            _assert_close(ours[finite], plain[finite], scale, name)
    assert hit == {"x": 3, "w": 3, "b": 1, "gy": 4}[where]


@pytest.mark.parametrize("place", ["first", "last"])
def test_no_pixel_is_overlooked(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of any row, column, channel and image of x and gy, in any piece."""
    nnlite.set_num_threads(2)
    monkeypatch.setattr(winograd, "BATCH", 3)
    windows = _windows((6, 9), (1, 0))
    clean = _arrays(5, 7, 3, 16, windows)
    at = 0 if place == "first" else -1
    for k, name in ((0, "x"), (3, "gy")):
        for axis in range(4):
            for i in range(clean[k].shape[axis]):
                arrays = [a.copy() for a in clean]
                index = [at] * 4
                index[axis] = i
                arrays[k][tuple(index)] = np.inf
                with np.errstate(invalid="ignore"):
                    found = _kernels(winograd, *arrays, windows)
                    plain = _kernels(im2col, *arrays, windows)
                for ours, theirs in zip(found, plain, strict=True):
                    same = np.isfinite(ours) == np.isfinite(theirs)
                    assert same.all(), (name, index)


def test_sums_that_only_the_maps_overflow() -> None:
    """The largest numbers, by weights that keep the result finite."""
    windows = _windows((8, 8), (0, 0))
    x, w, b, gy = _arrays(6, 8, 2, 16, windows)
    x, gy = (np.where(a > 0, 3e38, -3e38).astype("float32") for a in (x, gy))
    arrays = x, w * np.float32(1e-4), b, gy
    called = []
    with np.errstate(over="ignore", invalid="ignore"), pytest.MonkeyPatch.context() as patch:
        for name in ("convolve", "input_grad"):
            inner = getattr(rows, name)
            patch.setattr(rows, name, lambda *a, f=inner: (called.append(f.__name__), f(*a))[1])
        y, _, gx, *_ = _kernels(winograd, *arrays, windows)
        expected_y, _, expected_gx, *_ = _plain(arrays, windows)
    assert called == ["convolve", "input_grad", "input_grad"]  # else this tests nothing
    np.testing.assert_allclose(y, expected_y, rtol=1e-3, atol=1e31)
    np.testing.assert_allclose(gx, expected_gx, rtol=1e-3, atol=1e31)


# -- where it is used ------------------------------------------------------------------------


def _used(monkeypatch: pytest.MonkeyPatch, x: nnlite.Tensor, O: int, **how: Any) -> set[str]:  # noqa: E741
    """Which of Winograd's kernels run in conv2d's forward and backward."""
    seen: set[str] = set()
    for name in ("convolve", "weight_grad", "input_grad", "gradients"):
        inner = getattr(winograd, name)

        def spy(*args: Any, inner: Any = inner, name: str = name) -> Any:
            seen.add(name)
            return inner(*args)

        monkeypatch.setattr(winograd, name, spy)
    groups, kernel = how.get("groups", 1), how.pop("kernel", (3, 3))
    w = nnlite.rand(O, x.shape[1] // groups, *kernel, dtype=x.dtype).requires_grad_()
    F.conv2d(x.requires_grad_(), w, **how).sum().backward()
    return seen


ALL = {"convolve", "gradients"}


@pytest.mark.parametrize(
    ("shape", "O", "how", "used"),
    [
        ((64, 32, 14, 14), 32, {}, ALL),
        ((64, 32, 12, 12), 32, {"padding": 1}, ALL),
        ((63, 32, 14, 14), 32, {}, set()),
        ((64, 31, 14, 14), 32, {}, set()),
        ((64, 32, 14, 14), 31, {}, set()),
        ((64, 32, 13, 13), 32, {}, set()),  # too few windows
        ((64, 32, 6, 40), 32, {}, set()),  # too wide
        ((64, 32, 15, 15), 32, {}, set()),  # 13 columns leave .62 of the products
        ((64, 32, 14, 14), 32, {"kernel": (3, 2)}, set()),
        ((64, 32, 14, 14), 32, {"kernel": (5, 3)}, set()),
        ((64, 32, 26, 26), 32, {"stride": 2}, set()),
        ((64, 32, 18, 18), 32, {"dilation": 2}, set()),
        ((64, 64, 14, 14), 64, {"groups": 2}, set()),
    ],
)
def test_who_convolves(
    monkeypatch: pytest.MonkeyPatch,
    shape: tuple[int, ...],
    O: int,  # noqa: E741
    how: dict[str, Any],
    used: set[str],
) -> None:
    assert _used(monkeypatch, nnlite.rand(*shape), O, **how) == used


def test_float64_and_plain_kernels_do_not_use_it(monkeypatch: pytest.MonkeyPatch) -> None:
    shape = (convolution.WINOGRAD_BATCH, 32, 14, 14)
    assert _used(monkeypatch, nnlite.rand(*shape, dtype="float64"), 32) == set()
    with nnlite.plain_kernels():
        assert _used(monkeypatch, nnlite.rand(*shape), 32) == set()


@pytest.mark.parametrize(("columns", "part"), [(24, 8 / 18), (8, 6 / 12), (7, 12 / 21)])
def test_the_share_of_products_left(columns: int, part: float) -> None:
    """F(6, 3) takes 8 in place of 18, F(4, 3) takes 6 in place of 12; 7 columns fill two of 4."""
    assert winograd.share(_windows((9, columns + 2), (0, 0))) == pytest.approx(part)


@pytest.mark.parametrize("padding", [0, 1])
@pytest.mark.parametrize("threads", [1, 2])
def test_second_derivatives_are_pytorchs(
    monkeypatch: pytest.MonkeyPatch, padding: int, threads: int
) -> None:
    """Of the whole op, where Winograd's kernels are each other's derivatives."""
    nnlite.set_num_threads(threads)
    rng = np.random.default_rng(7)
    shapes = (64, 32, 14, 16), (32, 32, 3, 3), (32,)
    arrays = [rng.standard_normal(s, dtype="float32") for s in shapes]
    seen = _used(monkeypatch, nnlite.rand(*shapes[0]), 32, padding=padding)
    assert seen == ALL
    results = []
    for library, f, dtype in ((nnlite, F, "float32"), (torch, torch.nn.functional, "float64")):
        x, w, b = (library.from_numpy(a.astype(dtype)).requires_grad_() for a in arrays)
        y = f.conv2d(x, w, b, padding=padding)
        gx, gw = library.autograd.grad((y * y).sum(), (x, w), create_graph=True)
        ((gx * gx).sum() + (gw * gw).sum()).backward()
        results.append([np.asarray(t.detach()) for t in (y, gx, gw, x.grad, w.grad, b.grad)])
    for name, ours, theirs in zip(("y", "gx", "gw", "x", "w", "b"), *results, strict=True):
        _assert_close(ours, theirs, float(np.abs(theirs).max()), name)
