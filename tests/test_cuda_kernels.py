"""The CUDA sources of elementwise functions, pooling and convolution, run by the CPU.

Against PyTorch, with the threads of a block in both orders, and without a copy to the host.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import nnlite
import nnlite.nn.functional as F
from nnlite.ops.kernels import convolution, elementwise, im2col
from nnlite.ops.kernels.windows import Windows
from tests.cuda_shim import LaunchError, ShimKernels
from tests.cuda_shim.oracle import (
    DTYPES,
    close,
    compare,
    launched,
    needs_compiler,
    order,
    there,
)
from tests.strict import STRICT

pytestmark = needs_compiler
__all__ = ["launched", "order"]

SIZES = [0, 1, 255, 256, 257, 3000]
LAYOUTS: dict[str, Callable[[np.ndarray[Any, Any]], np.ndarray[Any, Any]]] = {
    "rows": np.ascontiguousarray,
    "columns": np.asfortranarray,
    "every other": lambda x: np.repeat(x, 2, axis=-1)[..., ::2],
    "backwards": lambda x: x[..., ::-1].copy()[..., ::-1],
}


def _numbers(seed: int, shape: Any, dtype: str) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


# -- elementwise -----------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("name", ["relu", "tanh", "sigmoid"])
def test_activations_and_their_gradients(
    name: str, n: int, dtype: str, order: str, launched: list[str]
) -> None:
    compare(getattr(F, name), getattr(torch, name), [_numbers(n, n, dtype) * 5])
    assert len(launched) == 2 * (n > 0)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_activations_of_any_layout(layout: str) -> None:
    compare(F.tanh, torch.tanh, [LAYOUTS[layout](_numbers(0, (3, 4, 5), "float64"))])


@pytest.mark.parametrize("name", ["relu", "tanh", "sigmoid"])
def test_activations_of_numbers_that_are_none(name: str) -> None:
    x = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1e4, -1e4, 1e-40], dtype="float32")
    compare(getattr(F, name), getattr(torch, name), [x])


def test_the_mask_selects_and_does_not_multiply(launched: list[str]) -> None:
    x = there(np.array([np.nan, np.inf, 1.0, 2.0])).array
    mask = STRICT.asarray(np.array([False, False, True, False]))
    np.testing.assert_array_equal(elementwise.keep(x, mask).get(), [0, 0, 1, 0])
    assert launched == ["keep"]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [1, 1023, 1025, 5000])
def test_squared_error(n: int, dtype: str, order: str, launched: list[str]) -> None:
    compare(F.mse_loss, torch.nn.functional.mse_loss, [_numbers(i, n, dtype) for i in (0, 1)])
    assert launched == ["total_square", "add_shares", "scaled_difference"]


def test_a_long_sum_of_squares_keeps_its_digits() -> None:
    x = np.full(300_000, 0.1, dtype="float32")
    found = elementwise.total_square(there(x).array, there(np.zeros_like(x)).array)
    assert abs(float(found.get()) / (300_000 * float(np.float32(0.1)) ** 2) - 1) < 1e-7


# -- pooling ---------------------------------------------------------------------------------

POOLS: list[dict[str, Any]] = [
    {"kernel_size": 2},
    {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True},
    {"kernel_size": (2, 3), "stride": (3, 1), "padding": (1, 1)},
    {"kernel_size": 17, "stride": 5, "padding": 8},
]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("options", [*POOLS, {"kernel_size": 3, "stride": 1, "dilation": 2}])
def test_max_pool(options: dict[str, Any], dtype: str, order: str, launched: list[str]) -> None:
    # few values, so that several of a window are its largest
    x = np.random.default_rng(0).integers(-2, 3, (2, 3, 19, 21)).astype(dtype)
    x[0, 1, 4:7, 4] = np.nan
    x[1, 0, :8, :8] = -np.inf
    theirs = torch.nn.functional.max_pool2d
    compare(lambda x: F.max_pool2d(x, **options), lambda x: theirs(x, **options), [x])
    with nnlite.no_grad():
        assert F.max_pool2d(there(x), **options).shape == theirs(torch.tensor(x), **options).shape
    places = "int64" if options["kernel_size"] == 17 else "uint8"
    assert launched == [f"max_and_place_{places}", f"put_at_places_{places}", "window_max"]
    _, ours = F.max_pool2d(there(x), **options, return_indices=True)
    _, indices = theirs(torch.tensor(x), **options, return_indices=True)
    np.testing.assert_array_equal(ours.array.get(), indices.numpy())


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("more", [{}, {"count_include_pad": False}, {"divisor_override": 3}])
@pytest.mark.parametrize("options", POOLS)
def test_avg_pool(
    options: dict[str, Any], more: dict[str, Any], dtype: str, launched: list[str]
) -> None:
    x = _numbers(0, (2, 3, 19, 21), dtype)
    compare(
        lambda x: F.avg_pool2d(x, **options, **more),
        lambda x: torch.nn.functional.avg_pool2d(x, **options, **more),
        [x],
    )
    assert launched == ["window_mean", "spread_mean"]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_pools_of_any_layout(layout: str) -> None:
    x = LAYOUTS[layout](_numbers(0, (2, 2, 5, 6), "float32"))
    compare(lambda x: F.max_pool2d(x, 2), lambda x: torch.nn.functional.max_pool2d(x, 2), [x])
    compare(lambda x: F.avg_pool2d(x, 2), lambda x: torch.nn.functional.avg_pool2d(x, 2), [x])


def test_the_gradient_of_max_pools_gradient(launched: list[str]) -> None:
    x = there(_numbers(0, (1, 2, 5, 5), "float64")).requires_grad_()
    assert nnlite.autograd.gradgradcheck(lambda x: F.max_pool2d(x, 3, 2), (x,))
    assert "take_at_places_uint8" in launched


# -- convolution -----------------------------------------------------------------------------

CONVOLUTIONS: dict[str, tuple[Any, Any, dict[str, Any]]] = {
    "LeNet 1": ((9, 1, 12, 13), (6, 1, 5, 5), {"padding": 2}),
    "LeNet 2": ((3, 6, 14, 14), (16, 6, 5, 5), {}),
    "3 x 3, 32 to 64": ((2, 32, 8, 9), (64, 32, 3, 3), {"padding": 1}),
    "more than a tile": ((2, 40, 6, 6), (70, 40, 3, 3), {}),
    "24 filters": ((1, 20, 5, 5), (24, 20, 2, 2), {}),
    "all options": (
        (2, 4, 11, 12),
        (6, 2, 3, 2),
        {"stride": (2, 3), "padding": (1, 2), "dilation": (2, 1), "groups": 2},
    ),
    "depthwise": ((3, 5, 7, 7), (5, 1, 3, 3), {"groups": 5, "stride": 2}),
    "1 x 1": ((2, 3, 5, 5), (20, 3, 1, 1), {}),
    "stride beyond the window": ((1, 2, 9, 9), (2, 2, 2, 2), {"stride": 4}),
    "long sums": ((16, 1, 40, 40), (2, 1, 2, 2), {}),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_convolution_and_its_gradients(
    name: str, dtype: str, order: str, launched: list[str]
) -> None:
    x, w, options = CONVOLUTIONS[name]
    # whole numbers: every sum is exact, in whatever order it is made
    rng = np.random.default_rng(0)
    inputs = [rng.integers(-4, 5, shape).astype(dtype) for shape in (x, w, w[:1])]
    a = [there(v).requires_grad_() for v in inputs]
    b = [torch.tensor(v, requires_grad=True) for v in inputs]
    expected = torch.nn.functional.conv2d(*b, **options)
    gy = rng.integers(-4, 5, tuple(expected.shape)).astype(dtype)
    found = F.conv2d(*a, **options)
    nnlite.autograd.backward([found], [there(gy)])
    expected.backward(torch.tensor(gy))
    np.testing.assert_array_equal(found.array.get(), expected.detach().numpy())
    for ours, theirs in zip(a, b, strict=True):
        np.testing.assert_array_equal(ours.grad.array.get(), theirs.grad.numpy())
    assert {n.rpartition("_")[0] for n in launched} >= {"forward", "input_grad", "weight_grad"}


@pytest.mark.parametrize("dtype", DTYPES)
def test_convolution_of_real_numbers_of_any_layout(dtype: str) -> None:
    inputs = [
        LAYOUTS["columns"](_numbers(0, (2, 3, 9, 8), dtype)),
        LAYOUTS["every other"](_numbers(1, (5, 3, 3, 3), dtype)),
        _numbers(2, 5, dtype),
    ]
    compare(
        lambda *a: F.conv2d(*a, padding=1),
        lambda *a: torch.nn.functional.conv2d(*a, padding=1),
        inputs,
    )


def test_convolution_of_no_images() -> None:
    inputs = [np.zeros((0, 2, 5, 5)), np.ones((3, 2, 2, 2)), np.ones(3)]
    compare(F.conv2d, torch.nn.functional.conv2d, inputs)


def test_the_kernels_and_their_twins_agree_for_many_windows(launched: list[str]) -> None:
    rng = np.random.default_rng(0)
    sizes = itertools.product((1, 2, 3), (1, 2), (0, 1, 2), (1, 2), (1, 2))
    for kernel, stride, padding, dilation, groups in sizes:
        H, W = 7, 6
        reach = dilation * (kernel - 1) + 1
        out = tuple((n + 2 * padding - reach) // stride + 1 for n in (H, W))
        pairs = [(n, n) for n in (kernel, stride, padding, dilation)]
        windows = Windows((H, W), out, *pairs)
        x = rng.integers(-4, 5, (2, 4, H, W)).astype("float32")
        w = rng.integers(-4, 5, (6, 4 // groups, kernel, kernel)).astype("float32")
        gy = rng.integers(-4, 5, (2, 6, *out)).astype("float32")
        X, V, GY = (STRICT.asarray(v) for v in (x, w, gy))
        for ours, twin in (
            (
                convolution.convolve(X, V, None, windows, groups),
                im2col.convolve(x, w, None, windows, groups),
            ),
            (
                convolution.input_grad(GY, V, windows, groups),
                im2col.input_grad(gy, w, windows, groups),
            ),
            (
                convolution.weight_grad(X, GY, windows, groups),
                im2col.weight_grad(x, gy, windows, groups),
            ),
        ):
            np.testing.assert_array_equal(ours.get(), twin)
    assert len(launched) >= 3 * 72


def test_the_same_bits_in_whatever_order_threads_run(monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for backwards in (False, True):
        monkeypatch.setattr(ShimKernels, "backwards", backwards)
        x = there(_numbers(0, (8, 3, 20, 20), "float32")).requires_grad_()
        w = there(_numbers(1, (4, 3, 3, 3), "float32")).requires_grad_()
        F.mse_loss(F.conv2d(x, w), there(_numbers(2, (8, 4, 18, 18), "float32"))).backward()
        found.append([v.grad.array.get().tobytes() for v in (x, w)])
    assert found[0] == found[1]


# -- which kernels, and the stand-in's checks ------------------------------------------------


def test_plain_kernels_switch_them_off(launched: list[str]) -> None:
    x = there(_numbers(0, (9, 2, 6, 6), "float32")).requires_grad_()
    w = there(_numbers(1, (3, 2, 3, 3), "float32")).requires_grad_()
    with nnlite.backend.plain_kernels():
        loss = F.mse_loss(
            F.relu(F.max_pool2d(F.conv2d(x, w), 2)), there(np.ones((9, 3, 2, 2), "f"))
        )
        F.dropout(x, 0.5)
        F.cross_entropy(x.reshape(9, -1), there(np.arange(9)))
        loss.backward()
    assert launched == []
    plain = x.grad.array.get()
    x.grad = None
    F.mse_loss(
        F.relu(F.max_pool2d(F.conv2d(x, w), 2)), there(np.ones((9, 3, 2, 2), "f"))
    ).backward()
    assert launched
    close(x.grad, plain, "float32")


def test_whole_numbers_are_left_to_the_array_library(launched: list[str]) -> None:
    np.testing.assert_array_equal(F.relu(there(np.arange(-2, 3))).array.get(), [0, 0, 0, 1, 2])
    assert launched == []


def test_the_stand_in_refuses_wrong_launches() -> None:
    k = ShimKernels("f", 'extern "C" __global__ void f(const float* x, int n) {}')
    x = STRICT.asarray(np.zeros((4, 4), "float32"))
    wrong: list[tuple[str, tuple[Any, ...], tuple[Any, ...]]] = [
        ("1 arguments, not 2", (1,), (x,)),
        ("not float32\\*", (1,), (STRICT.asarray(np.zeros(4)), np.int32(1))),
        ("int64, not int32", (1,), (x, np.int64(1))),
        ("gaps", (1,), (x.T, np.int32(1))),
        ("no array of the device", (1,), (np.zeros(4, "float32"), np.int32(1))),
        ("not from 1 to", (0,), (x, np.int32(1))),
        ("not from 1 to", (1, 65536), (x, np.int32(1))),
    ]
    for message, grid, args in wrong:
        with pytest.raises(LaunchError, match=message):
            k.launch("f", grid, (32,), args)
    with pytest.raises(LaunchError, match="1024 threads"):
        k.launch("f", (1,), (512, 4), (x, np.int32(1)))
    with pytest.raises(LaunchError, match="no kernel g"):
        k.launch("g", (1,), (32,), ())


def test_the_stand_in_sees_a_barrier_that_some_threads_miss() -> None:
    source = 'extern "C" __global__ void f(int n) { if ((int)threadIdx.x < n) __syncthreads(); }'
    k = ShimKernels("f", source)
    k.launch("f", (2,), (32,), (np.int32(32),))
    with pytest.raises(LaunchError, match="barrier"):
        k.launch("f", (2,), (32,), (np.int32(31),))


def test_the_order_of_the_threads_shows_a_missing_barrier(monkeypatch: pytest.MonkeyPatch) -> None:
    text = """extern "C" __global__ void f(int* y) {{
        __shared__ int s[32];
        s[threadIdx.x] = threadIdx.x;
        {barrier}
        y[threadIdx.x] = s[31 - threadIdx.x];
        __syncthreads();
        s[threadIdx.x] = -1;
    }}"""
    results = {}
    for barrier in ("", "__syncthreads();"):
        k = ShimKernels("f", text.format(barrier=barrier))
        y = STRICT.asarray(np.zeros(32, "int32"))
        k.launch("f", (1,), (32,), (y,))
        results[barrier] = y.get().tolist()
    assert results["__syncthreads();"] == list(range(31, -1, -1)) != results[""]


def test_division_by_multiplication_is_exact() -> None:
    source = """
    typedef int real_int;
    extern "C" __global__ void divide(const int* p, const int* d, int* q, int n) {
        const int i = thread_number();
        if (i < n) q[i] = Divisor(d[i]).quotient(p[i]);
    }"""
    from nnlite.backend.cuda_source import source as whole

    common = whole("gather", "float32").partition('#line 1 "gather.cu"')[0]
    k = ShimKernels("divide", common + source)
    rng = np.random.default_rng(0)
    edges = [0, 1, 2, 3, 7, 25, 255, 256, 783, 784, 2**16, 2**30, 2**31 - 2, 2**31 - 1]
    p, d = np.array([(a, b) for a in edges for b in edges if b], "int32").T
    p = np.concatenate([p, rng.integers(0, 2**31, 5000), rng.integers(0, 4000, 5000)])
    d = np.concatenate([d, rng.integers(1, 2**31, 5000), rng.integers(1, 60, 5000)])
    # and the numbers about each multiple, where a wrong rounding shows
    near = d.astype("int64") * (p // d)
    p = np.concatenate([p, near, np.maximum(near - 1, 0)]).astype("int32")
    d = np.concatenate([d, d, d]).astype("int32")
    q = STRICT.asarray(np.empty_like(p))
    grid = (-(-p.size // 256),)
    k.launch("divide", grid, (256,), (STRICT.asarray(p), STRICT.asarray(d), q, np.int32(p.size)))
    np.testing.assert_array_equal(q.get(), p // d)
