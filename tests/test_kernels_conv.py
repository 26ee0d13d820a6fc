"""Convolution by rows against im2col, its plain twin, and PyTorch: all shapes, memory and threads.

Most images hold small whole numbers: then every sum is exact, in whatever order it is made, and
results must be equal, not close.
"""

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
from nnlite.autograd.checks.gradcheck import gradgradcheck
from nnlite.errors import GraphError
from nnlite.ops.kernels import convolution, im2col, rows
from nnlite.ops.kernels.windows import Windows
from tests.layouts import IMAGE_LAYOUTS as LAYOUTS


@pytest.fixture(autouse=True)
def _threads_restored() -> Iterator[None]:
    before = nnlite.get_num_threads()
    yield
    nnlite.set_num_threads(before)


def _whole(rng: np.random.Generator, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    return rng.integers(-4, 5, shape).astype(dtype)


def _nnlite(
    x: np.ndarray, w: np.ndarray, b: np.ndarray, gy: np.ndarray, padding: Any
) -> list[np.ndarray]:
    """y and the gradients of x, w and b."""
    tensors = [nnlite.from_numpy(a) for a in (x, w, b)]
    for t in tensors:
        t.requires_grad_()
    y = F.conv2d(*tensors, padding=padding)
    y.backward(nnlite.from_numpy(gy))
    return [y.array, *(t.grad.array for t in tensors)]


def _torch(
    x: np.ndarray, w: np.ndarray, b: np.ndarray, gy: np.ndarray, padding: Any
) -> list[np.ndarray]:
    """The same by PyTorch, in float64, where it does not take short cuts that round."""
    tensors = [torch.from_numpy(a.astype("float64")).requires_grad_() for a in (x, w, b)]
    y = torch.nn.functional.conv2d(*tensors, padding=padding)
    y.backward(torch.from_numpy(gy.astype("float64")))
    return [t.detach().numpy() for t in (y, *(t.grad for t in tensors))]


@st.composite
def _cases(draw: st.DrawFn) -> dict[str, Any]:
    kernel = draw(st.tuples(st.integers(1, 5), st.integers(1, 5)))
    padding = draw(st.tuples(st.integers(0, 6), st.integers(0, 6)))
    # from kernels as large as the padded image on
    size = [
        max(1, k - 2 * p) + draw(st.integers(0, 6)) for k, p in zip(kernel, padding, strict=True)
    ]
    return {
        "N": draw(st.sampled_from([1, 7, 8, 9, 16])),
        "C": draw(st.sampled_from([1, 2, 3, 7])),
        "O": draw(st.sampled_from([1, 2, 3, 5, 16, 19])),
        "kernel": kernel,
        "padding": padding,
        "size": tuple(size),
        "dtype": draw(st.sampled_from(["float32", "float64"])),
        "layout": draw(st.sampled_from(sorted(LAYOUTS))),
        "gy_layout": draw(st.sampled_from(sorted(LAYOUTS))),
        "threads": draw(st.integers(1, 3)),
        "block": draw(st.sampled_from([1, 300, 2**21])),
        "seed": draw(st.integers(0, 2**16)),
    }


@settings(max_examples=400, deadline=None)
@given(case=_cases())
def test_every_shape_and_memory(case: dict[str, Any]) -> None:
    rng = np.random.default_rng(case["seed"])
    N, C, O, dtype = case["N"], case["C"], case["O"], case["dtype"]  # noqa: E741
    x = _whole(rng, (N, C, *case["size"]), dtype)
    w = _whole(rng, (O, C, *case["kernel"]), dtype)
    b = _whole(rng, (O,), dtype)
    out = [
        n + 2 * p - k + 1
        for n, p, k in zip(case["size"], case["padding"], case["kernel"], strict=True)
    ]
    gy = _whole(rng, (N, O, *out), dtype)
    expected = _torch(x, w, b, gy, case["padding"])

    nnlite.set_num_threads(case["threads"])
    x, gy = LAYOUTS[case["layout"]](x), LAYOUTS[case["gy_layout"]](gy)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rows, "BLOCK", case["block"])
        found = _nnlite(x, w, b, gy, case["padding"])
    with nnlite.plain_kernels():
        plain = _nnlite(x, w, b, gy, case["padding"])
    for name, ours, twin, theirs in zip(
        ("y", "gx", "gw", "gb"), found, plain, expected, strict=True
    ):
        assert ours.dtype == dtype
        np.testing.assert_array_equal(ours, theirs, err_msg=name)
        np.testing.assert_array_equal(twin, theirs, err_msg=f"plain {name}")


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 2e-6), ("float64", 4e-15)])
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_rounding_stays_small(dtype: str, tolerance: float, threads: int) -> None:
    """Against PyTorch in float64, as a part of the sum of the products' absolute values."""
    nnlite.set_num_threads(threads)
    rng = np.random.default_rng(threads)
    x, w = rng.standard_normal((12, 6, 11, 9)), rng.standard_normal((5, 6, 3, 4))
    b, gy = rng.standard_normal(5), rng.standard_normal((12, 5, 13, 8))
    arrays = [a.astype(dtype) for a in (x, w, b, gy)]
    found, expected = _nnlite(*arrays, (2, 1)), _torch(*arrays, (2, 1))
    scales = _torch(*(np.abs(a) for a in arrays), (2, 1))
    for ours, theirs, scale in zip(found, expected, scales, strict=True):
        assert (np.abs(ours - theirs) <= tolerance * scale).all()


@pytest.mark.filterwarnings("ignore:Using padding='same':UserWarning")  # PyTorch's, of a copy
@pytest.mark.parametrize("kernel", [(2, 2), (4, 3), (1, 6), (5, 2)])
def test_same_padding_of_even_kernels(kernel: tuple[int, int]) -> None:
    """More zeros at the end than at the beginning."""
    rng = np.random.default_rng(5)
    x, gy = _whole(rng, (9, 2, 6, 7), "float32"), _whole(rng, (9, 3, 6, 7), "float32")
    w, b = _whole(rng, (3, 2, *kernel), "float32"), _whole(rng, (3,), "float32")
    expected = _torch(x, w, b, gy, "same")
    for ours, theirs in zip(_nnlite(x, w, b, gy, "same"), expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("padding", [0, 1, (2, 0)])
@pytest.mark.parametrize("threads", [1, 3])
def test_transposed_convolution(padding: Any, threads: int) -> None:
    nnlite.set_num_threads(threads)
    rng = np.random.default_rng(6)
    x, w = _whole(rng, (10, 4, 5, 6), "float64"), _whole(rng, (4, 3, 3, 2), "float64")
    results = []
    for library, f in ((nnlite, F), (torch, torch.nn.functional)):
        tensors = [library.from_numpy(a).requires_grad_() for a in (x, w)]
        y = f.conv_transpose2d(*tensors, padding=padding)
        (y * y).sum().backward()
        results.append([np.asarray(t.detach()) for t in (y, *(t.grad for t in tensors))])
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("threads", [1, 3])
def test_signals(threads: int) -> None:
    """conv1d: images of one row."""
    nnlite.set_num_threads(threads)
    rng = np.random.default_rng(7)
    x, w = _whole(rng, (8, 2, 9), "float64"), _whole(rng, (3, 2, 4), "float64")
    results = []
    for library, f in ((nnlite, F), (torch, torch.nn.functional)):
        tensors = [library.from_numpy(a).requires_grad_() for a in (x, w)]
        y = f.conv1d(*tensors, padding=2)
        (y * y).sum().backward()
        results.append([np.asarray(t.detach()) for t in (y, *(t.grad for t in tensors))])
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_array_equal(ours, theirs)


# -- which kernel, and the memory ------------------------------------------------------------


def _called(monkeypatch: pytest.MonkeyPatch, N: int, **how: Any) -> list[str]:
    """Which modules convolve such a batch."""
    seen: list[str] = []
    for module in (rows, im2col):
        inner = module.convolve

        def spy(*args: Any, inner: Any = inner, name: str = module.__name__) -> Any:
            seen.append(name.rpartition(".")[2])
            return inner(*args)

        monkeypatch.setattr(module, "convolve", spy)
    groups = how.get("groups", 1)
    F.conv2d(nnlite.rand(N, 2, 6, 6), nnlite.rand(4, 2 // groups, 3, 3), **how)
    return seen


@pytest.mark.parametrize(
    ("N", "how", "kernel"),
    [
        (convolution.LEAST_BATCH, {}, "rows"),
        (convolution.LEAST_BATCH, {"padding": 1}, "rows"),
        (convolution.LEAST_BATCH - 1, {}, "im2col"),
        (16, {"stride": 2}, "im2col"),
        (16, {"dilation": (1, 2)}, "im2col"),
        (16, {"groups": 2}, "im2col"),
    ],
)
def test_who_convolves(
    monkeypatch: pytest.MonkeyPatch, N: int, how: dict[str, Any], kernel: str
) -> None:
    assert _called(monkeypatch, N, **how) == [kernel]


def test_plain_kernels_choose_im2col(monkeypatch: pytest.MonkeyPatch) -> None:
    with nnlite.plain_kernels():
        assert _called(monkeypatch, 16) == ["im2col"]


@pytest.mark.parametrize("layout", sorted(LAYOUTS))
def test_the_results_memory_has_the_batch_innermost(layout: str) -> None:
    rng = np.random.default_rng(1)
    x = LAYOUTS[layout](rng.standard_normal((9, 2, 6, 5)))
    gy = LAYOUTS[layout](rng.standard_normal((9, 3, 5, 3)))
    w = rng.standard_normal((3, 2, 2, 3))
    windows = Windows((6, 5), (5, 3), (2, 3))
    y = F.conv2d(nnlite.from_numpy(x), nnlite.from_numpy(w)).array
    gx = convolution.input_grad(gy, w, windows, 1)
    for images in (y, gx, convolution.laid_out(x, windows, 1)):
        assert images.transpose(2, 1, 3, 0).flags.c_contiguous
    assert convolution.weight_grad(x, gy, windows, 1).flags.c_contiguous


def test_arguments_are_left_as_they_were() -> None:
    rng = np.random.default_rng(2)
    for layout in LAYOUTS.values():
        x, w = layout(rng.standard_normal((8, 2, 5, 5))), rng.standard_normal((3, 2, 3, 3))
        gy = layout(rng.standard_normal((8, 3, 5, 5)))
        before = [a.copy() for a in (x, w, gy)]
        y, gx, _, _ = _nnlite(x, w, np.zeros(3), gy, 1)
        assert not any(np.shares_memory(a, b) for a in (y, gx) for b in (x, w, gy))
        for now, then in zip((x, w, gy), before, strict=True):
            np.testing.assert_array_equal(now, then)


@pytest.mark.parametrize("size", [(1, 1), (1, 4), (4, 1)])
def test_a_channel_without_a_stride(size: tuple[int, int]) -> None:
    """A dimension of size 1 may have any stride: it must never be used as a step."""
    rng = np.random.default_rng(3)
    images = _whole(rng, (*size, 8), "float64")  # (H, W, N)
    x = images[:, None].transpose(3, 1, 0, 2)  # (N, 1, H, W), stride 0 for the channel
    odd = np.lib.stride_tricks.as_strided(x, x.shape, (x.strides[0], 56, *x.strides[2:]))
    w, b = _whole(rng, (1, 1, *size), "float64"), np.zeros(1)
    for padding in ((0, 0), (1, 2)):
        out = [2 * p + 1 for p in padding]
        gy = _whole(rng, (1, *out, 8), "float64").transpose(3, 0, 1, 2)
        expected = _torch(x, w, b, gy, padding)
        for like in (x, odd):
            for ours, theirs in zip(_nnlite(like, w, b, gy, padding), expected, strict=True):
                np.testing.assert_array_equal(ours, theirs)


def test_pieces_cover_all_rows_once() -> None:
    """For any number of rows, threads and rows at once; whole groups but for the last."""
    for threads in (1, 2, 3, 7):
        nnlite.set_num_threads(threads)
        for count in range(1, 15):
            for R in (1, 2, 3, 5):
                for per_row in (1, rows.BLOCK // 2, rows.BLOCK * 3):
                    cuts = [p.args for p in rows._pieces(lambda a, b: None, count, per_row, R)]
                    assert [start for start, _ in cuts] == [0, *(stop for _, stop in cuts[:-1])]
                    assert cuts[-1][1] == count
                    assert all(start < stop and start % R == 0 for start, stop in cuts)


def test_the_kernels_alone() -> None:
    """<gy, conv(x, w)> = <input_grad, x> = <weight_grad, w>, exactly, for whole numbers."""
    rng = np.random.default_rng(4)
    windows = Windows((6, 5), (7, 8), (4, 2), padding=(2, 2))
    x, w = _whole(rng, (8, 3, 6, 5), "float64"), _whole(rng, (2, 3, 4, 2), "float64")
    gy = _whole(rng, (8, 2, 7, 8), "float64")
    y = rows.convolve(x, w, None, windows)
    total = (gy * y).sum()
    assert total == (rows.input_grad(gy, w, windows) * x).sum()
    assert total == (rows.weight_grad(x, gy, windows) * w).sum()
    np.testing.assert_array_equal(y, im2col.convolve(x, w, None, windows, 1))


# -- in the graph ----------------------------------------------------------------------------


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("padding", [0, 1])
def test_second_derivatives(threads: int, padding: int) -> None:
    nnlite.set_num_threads(threads)
    rng = np.random.default_rng(8)
    shapes = ((8, 1, 3, 3), (2, 1, 2, 2), (2,))
    inputs = [nnlite.from_numpy(rng.standard_normal(s)).requires_grad_() for s in shapes]
    assert gradgradcheck(lambda x, w, b: F.conv2d(x, w, b, padding=padding), inputs)


def test_second_derivatives_are_pytorchs() -> None:
    rng = np.random.default_rng(9)
    arrays = _whole(rng, (9, 2, 6, 5), "float64"), _whole(rng, (3, 2, 3, 2), "float64")
    results = []
    for library, f in ((nnlite, F), (torch, torch.nn.functional)):
        x, w = (library.from_numpy(a).requires_grad_() for a in arrays)
        y = f.conv2d(x, w, padding=1)
        gx, gw = library.autograd.grad((y * y).sum(), (x, w), create_graph=True)
        ((gx * gx).sum() + (gw * gw).sum()).backward()
        results.append([np.asarray(t.grad) for t in (x, w)])
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("layout", ["C", "batch innermost"])
@pytest.mark.parametrize("create_graph", [False, True])
@pytest.mark.parametrize("changed", ["x", "w"])
def test_an_input_changed_in_place_is_refused(
    layout: str, create_graph: bool, changed: str
) -> None:
    """Although backward would use a copy of its own, laid out anew."""
    rng = np.random.default_rng(10)
    x = nnlite.from_numpy(LAYOUTS[layout](rng.standard_normal((8, 2, 5, 5))))
    w = nnlite.from_numpy(rng.standard_normal((3, 2, 3, 3)))
    leaves = [nnlite.zeros_like(t).requires_grad_() for t in (x, w)]
    x, w = leaves[0] + x, leaves[1] + w
    y = F.conv2d(x, w)
    {"x": x, "w": w}[changed].add_(1.0)
    with pytest.raises(GraphError, match=r"Conv2d.*in place"):
        y.sum().backward(create_graph=create_graph)


@pytest.mark.parametrize("layout", ["C", "batch innermost"])
def test_a_constant_input_changed_in_place_is_refused(layout: str) -> None:
    rng = np.random.default_rng(11)
    x = nnlite.from_numpy(LAYOUTS[layout](rng.standard_normal((8, 2, 5, 5))))
    w = nnlite.from_numpy(rng.standard_normal((3, 2, 3, 3))).requires_grad_()
    y = F.conv2d(x, w)
    x.zero_()
    with pytest.raises(GraphError, match=r"Conv2d.*in place"):
        y.sum().backward()


def test_backward_twice_over_a_kept_graph() -> None:
    rng = np.random.default_rng(12)
    x = nnlite.from_numpy(rng.standard_normal((8, 2, 5, 5)))
    w = nnlite.from_numpy(rng.standard_normal((3, 2, 3, 3))).requires_grad_()
    y = F.conv2d(x, w).sum()
    y.backward(retain_graph=True)
    once = w.grad.array.copy()
    y.backward()
    np.testing.assert_array_equal(w.grad.array, 2 * once)
    with pytest.raises(GraphError):
        y.backward()
