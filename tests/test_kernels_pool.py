"""Pooling by tiles against the plain path and PyTorch."""

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
from nnlite.autograd.checks.gradcheck import gradgradcheck
from nnlite.ops.kernels import pooling, tiles
from nnlite.ops.kernels.windows import Windows
from tests.layouts import LAYOUTS as ALL_LAYOUTS

LAYOUTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "C": np.ascontiguousarray,
    "batch innermost": lambda x: np.moveaxis(np.moveaxis(x, 0, -1).copy(), -1, 0),
    "rows outermost": lambda x: x.swapaxes(0, -2).copy().swapaxes(0, -2),
    **{name: ALL_LAYOUTS[name] for name in ("Fortran", "sliced", "negative strides", "read-only")},
}
T = torch.nn.functional


@pytest.fixture(autouse=True)
def _threads_restored() -> Iterator[None]:
    before = nnlite.get_num_threads()
    yield
    nnlite.set_num_threads(before)


def _rows_innermost(x: np.ndarray) -> np.ndarray:
    """As convolution leaves images: (N, C, H, W) in the order H, C, W, N."""
    return x.transpose(2, 1, 3, 0).copy().transpose(3, 1, 0, 2)


@st.composite
def _cases(draw: st.DrawFn) -> dict[str, Any]:
    kernel = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    images = draw(st.sampled_from([(1,), (3,), (1, 1), (2, 3), (9, 2), (0, 2)]))
    return {
        "kernel": kernel,
        "shape": (*images, *(k + draw(st.integers(0, 9)) for k in kernel)),
        "dtype": draw(st.sampled_from(["float32", "float64"])),
        "layout": draw(st.sampled_from(sorted(LAYOUTS))),
        "gy_layout": draw(st.sampled_from(sorted(LAYOUTS))),
        "values": draw(st.sampled_from(["ties", "special", "all equal", "-inf", "normal"])),
        "threads": draw(st.integers(1, 3)),
        "piece": draw(st.sampled_from([1, 20, 2**20])),
        "seed": draw(st.integers(0, 2**16)),
    }


def _images(rng: np.random.Generator, case: dict[str, Any]) -> np.ndarray:
    shape = case["shape"]
    x = {
        "ties": lambda: rng.integers(-1, 2, shape),
        "special": lambda: rng.choice([np.nan, np.inf, -np.inf, 1.0, 2.0, -3.0], shape),
        "all equal": lambda: np.full(shape, -2.0),
        "-inf": lambda: rng.choice([-np.inf, -np.inf, -np.inf, 0.0], shape),
        "normal": lambda: rng.standard_normal(shape),
    }[case["values"]]()
    return x.astype(case["dtype"])


@settings(max_examples=300, deadline=None)
@given(case=_cases())
def test_max_pool(case: dict[str, Any]) -> None:
    """Results, indices and gradients: equal, bit by bit, to PyTorch's and the plain twin's."""
    rng = np.random.default_rng(case["seed"])
    x = _images(rng, case)
    kernel = case["kernel"]
    out = [n // k for n, k in zip(case["shape"][-2:], kernel, strict=True)]
    gy = rng.choice([1.0, -2.0, 3.5, np.inf], (*case["shape"][:-2], *out)).astype(x.dtype)

    tx = torch.from_numpy(x).requires_grad_()
    ty, places = T.max_pool2d(tx, kernel, return_indices=True)
    ty.backward(torch.from_numpy(gy))
    expected = [t.detach().numpy() for t in (ty, places, tx.grad)]

    nnlite.set_num_threads(case["threads"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tiles, "PIECE", case["piece"])
        for plain in (False, True):
            images = LAYOUTS[case["layout"]](x)
            cotangent = nnlite.from_numpy(LAYOUTS[case["gy_layout"]](gy))
            for indices in (False, True):
                t = nnlite.from_numpy(images).requires_grad_()
                with nnlite.plain_kernels(plain):
                    found = F.max_pool2d(t, kernel, return_indices=indices)
                    y, i = found if indices else (found, None)
                    y.backward(cotangent)
                    np.testing.assert_array_equal(y.array, expected[0])
                    np.testing.assert_array_equal(t.grad.array, expected[2])
                    if i is not None:
                        np.testing.assert_array_equal(i.array, expected[1])
                    # without a gradient, by another kernel
                    silent = F.max_pool2d(nnlite.from_numpy(images), kernel)
                    np.testing.assert_array_equal(silent.array, expected[0])
            np.testing.assert_array_equal(images, x)


@settings(max_examples=200, deadline=None)
@given(case=_cases(), divisor=st.sampled_from([None, 3, -2]))
def test_avg_pool(case: dict[str, Any], divisor: int | None) -> None:
    rng = np.random.default_rng(case["seed"])
    x = _images(rng, case)
    kernel = case["kernel"]
    out = [n // k for n, k in zip(case["shape"][-2:], kernel, strict=True)]
    gy = rng.integers(-4, 5, (*case["shape"][:-2], *out)).astype(x.dtype)

    tx = torch.from_numpy(x).requires_grad_()
    ty = T.avg_pool2d(tx, kernel, divisor_override=divisor)
    ty.backward(torch.from_numpy(gy))

    nnlite.set_num_threads(case["threads"])
    gap = 16 * np.finfo(x.dtype).eps
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tiles, "PIECE", case["piece"])
        for plain in (False, True):
            t = nnlite.from_numpy(LAYOUTS[case["layout"]](x)).requires_grad_()
            with nnlite.plain_kernels(plain):
                y = F.avg_pool2d(t, kernel, divisor_override=divisor)
                y.backward(nnlite.from_numpy(LAYOUTS[case["gy_layout"]](gy)))
            np.testing.assert_allclose(y.array, ty.detach().numpy(), rtol=gap, atol=gap)
            np.testing.assert_allclose(t.grad.array, tx.grad.numpy(), rtol=gap, atol=gap)


@pytest.mark.parametrize("pool", ["max", "avg"])
@pytest.mark.parametrize("threads", [1, 3])
def test_signals(pool: str, threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    nnlite.set_num_threads(threads)
    monkeypatch.setattr(tiles, "PIECE", 4)
    x = np.random.default_rng(0).integers(-3, 4, (4, 3, 11)).astype("float64")
    results = []
    for library, f in ((nnlite, F), (torch, T)):
        t = library.from_numpy(x).requires_grad_()
        y = getattr(f, f"{pool}_pool1d")(t, 4)
        (y * y).sum().backward()
        results.append([np.asarray(a.detach()) for a in (y, t.grad)])
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_array_equal(ours, theirs)


# -- which kernel ----------------------------------------------------------------------------


def _windows(**how: Any) -> Windows:
    kernel = how.get("kernel", (2, 2))
    size = how.get("size", (6, 7))
    out = tuple(n // k for n, k in zip(size, kernel, strict=True))
    return Windows(**{"size": size, "out": out, "kernel": kernel, "stride": kernel, **how})


@pytest.mark.parametrize(
    ("how", "applies"),
    [
        ({}, True),
        ({"kernel": (3, 2)}, True),
        ({"kernel": (1, 1)}, True),
        ({"size": (16, 16), "kernel": (16, 16)}, True),
        ({"size": (17, 17), "kernel": (16, 17)}, False),  # a place would not fit one byte
        ({"stride": (1, 1)}, False),
        ({"stride": (3, 3)}, False),
        ({"padding": (1, 0)}, False),
        ({"dilation": (1, 2)}, False),
        ({"out": (3, 4)}, False),  # a window over the edge, by ceil_mode
    ],
)
def test_who_pools(how: dict[str, Any], applies: bool) -> None:
    w = _windows(**how)
    x = np.zeros((2, 2, *w.size), "float32")
    assert tiles.applies(x, w) is applies
    with nnlite.plain_kernels():
        assert not tiles.applies(x, w)
    assert not tiles.applies(x.astype("int64"), w)


@pytest.mark.parametrize("kernel", [(16, 16), (16, 17)])
def test_places_of_large_windows(kernel: tuple[int, int]) -> None:
    """The last of 256 places is number 255; of more, places take more than a byte."""
    x = np.zeros((2, *kernel))
    x[0, -1, -1] = x[1, 0, 0] = 1
    for plain in (False, True):
        with nnlite.plain_kernels(plain):
            t = nnlite.from_numpy(x).requires_grad_()
            y, i = F.max_pool2d(t, kernel, return_indices=True)
            y.sum().backward()
        assert i.array.reshape(-1).tolist() == [kernel[0] * kernel[1] - 1, 0]
        np.testing.assert_array_equal(t.grad.array, x)


@pytest.mark.parametrize("forward", [False, True])
def test_forward_and_backward_may_use_different_kernels(forward: bool) -> None:
    rng = np.random.default_rng(1)
    x = rng.integers(-2, 3, (3, 2, 7, 5)).astype("float32")
    tx = torch.from_numpy(x).requires_grad_()
    T.max_pool2d(tx, 2).sum().backward()
    t = nnlite.from_numpy(_rows_innermost(x)).requires_grad_()
    with nnlite.plain_kernels(forward):
        y = F.max_pool2d(t, 2)
    with nnlite.plain_kernels(not forward):
        y.sum().backward()
    np.testing.assert_array_equal(t.grad.array, tx.grad.numpy())


def test_the_batch_stays_innermost() -> None:
    rng = np.random.default_rng(2)
    x = _rows_innermost(rng.standard_normal((9, 2, 6, 7)))
    w = _windows(size=(6, 7))
    gy = _rows_innermost(rng.standard_normal((9, 2, 3, 3)))
    y, place = pooling.max_and_place(x, w)
    for images in (
        y,
        place,
        pooling.window_max(x, w),
        pooling.window_mean(x, 4, w),
        pooling.put_at_places(gy, place, w),
        pooling.spread_mean(gy, 4, w),
    ):
        assert images.transpose(2, 1, 3, 0).flags.c_contiguous


def test_every_row_of_windows_is_in_one_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []

    def run(pieces: Any) -> None:
        for piece in pieces:
            seen.append(piece.args[1].shape[-2])
            piece()

    monkeypatch.setattr(tiles, "run", run)
    monkeypatch.setattr(tiles, "PIECE", 100)
    tiles.window_max(np.zeros((2, 2, 14, 10)), _windows(size=(14, 10)))
    assert sum(seen) == 7
    assert len(seen) == 5


@pytest.mark.parametrize("pool", [F.max_pool2d, F.avg_pool2d])
def test_second_derivatives(pool: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiles, "PIECE", 4)
    nnlite.set_num_threads(2)
    x = np.random.default_rng(3).permutation(2 * 5 * 4).reshape(2, 1, 5, 4) / 7.0
    t = nnlite.from_numpy(_rows_innermost(x)).requires_grad_()
    assert gradgradcheck(lambda x: pool(x * x, (2, 3)), [t])
