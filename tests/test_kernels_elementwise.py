"""The elementwise kernels against their plain twins and PyTorch: every memory, size and number."""

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
from nnlite.ops.kernels import elementwise
from nnlite.ops.kernels.layout import as_vector, flattened, is_batch_innermost
from tests.layouts import LAYOUTS as ALL_LAYOUTS

PIECE = 64  # in place of the real one, so that small arrays are several pieces

LAYOUTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "C": np.array,
    **{
        name: ALL_LAYOUTS[name]
        for name in ("Fortran", "sliced", "negative strides", "transposed", "read-only")
    },
}
SHAPES = [
    (),
    (0,),
    (1,),
    (PIECE - 1,),
    (PIECE,),
    (PIECE + 1,),
    (3 * PIECE + 5,),
    (8, 8),
    (5, 13),
    (3, 1, 50),
    (2, 0, 3),
    (4, 3, 5, 6),
]
SPECIAL = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-42, -1e-42, 1e-320, 3e38, -3e38, 88.8, -104.0]


@pytest.fixture(autouse=True)
def _threads_restored() -> Iterator[None]:
    before = nnlite.get_num_threads()
    yield
    nnlite.set_num_threads(before)


@pytest.fixture(params=[1, 2, 3])
def _small_pieces(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    nnlite.set_num_threads(request.param)
    monkeypatch.setattr(elementwise, "PIECE", PIECE)


def _numbers(rng: np.random.Generator, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    """Normal numbers with the special ones spread among them."""
    x = np.asarray(rng.standard_normal(shape) * 4)
    special = rng.random(shape) < 0.3
    with np.errstate(all="ignore"):
        return np.where(special, rng.choice(SPECIAL, shape), x).astype(dtype)


def _both(f: Callable[..., np.ndarray], *args: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    with np.errstate(all="ignore"):  # as ops have it
        fast = f(*args)
        with nnlite.plain_kernels():
            return fast, f(*args)


def _assert_same_bits(x: np.ndarray, y: np.ndarray, message: str = "") -> None:
    """Equal, NaN to NaN, and zeros of one sign; whatever else a NaN may carry."""
    assert x.dtype == y.dtype, message
    np.testing.assert_array_equal(x, y, err_msg=message)
    there = ~np.isnan(x)
    np.testing.assert_array_equal(np.signbit(x)[there], np.signbit(y)[there], err_msg=message)


# -- against the plain twins -----------------------------------------------------------------

EXACT: dict[str, Callable[..., np.ndarray]] = {
    "relu": elementwise.relu,
    "relu_grad": elementwise.relu_grad,
    "tanh_grad": elementwise.tanh_grad,
    "sigmoid_grad": elementwise.sigmoid_grad,
}
ROUNDED = {"tanh": elementwise.tanh, "sigmoid": elementwise.sigmoid}


@pytest.mark.usefixtures("_small_pieces")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", [*EXACT, *ROUNDED])
def test_every_layout_and_size(name: str, dtype: str) -> None:
    rng = np.random.default_rng(0)
    function = (EXACT | ROUNDED)[name]
    for shape in SHAPES:
        # the gradient and the output in memories of their own
        for first, one in LAYOUTS.items():
            x = one(_numbers(rng, shape, dtype))
            if not name.endswith("grad"):
                calls = [(x,)]
            else:
                calls = [(x, other(_numbers(rng, shape, dtype))) for other in LAYOUTS.values()]
            for args in calls:
                before = [a.copy() for a in args]
                fast, plain = _both(function, *args)
                assert fast.shape == shape
                message = f"{name} {shape} {first}"
                if name in EXACT:
                    _assert_same_bits(fast, plain, message)
                else:
                    np.testing.assert_array_max_ulp(fast[~np.isnan(fast)], plain[~np.isnan(plain)])
                    np.testing.assert_array_equal(np.isnan(fast), np.isnan(plain), message)
                for now, then in zip(args, before, strict=True):
                    _assert_same_bits(now, then, "an input was changed")
                    assert not np.shares_memory(fast, now)


@pytest.mark.usefixtures("_small_pieces")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_keep_selects(dtype: str) -> None:
    """An infinity or NaN that is dropped leaves 0, not NaN; masks of any memory and any share."""
    rng = np.random.default_rng(1)
    for shape in SHAPES:
        for first, one in LAYOUTS.items():
            for other in LAYOUTS.values():
                x = one(_numbers(rng, shape, dtype))
                mask = other(np.asarray(rng.random(shape) < 0.5))
                with np.errstate(all="raise"):
                    fast = elementwise.keep(x, mask)
                expected = np.zeros(shape, dtype)
                np.copyto(expected, x, where=mask)
                _assert_same_bits(fast, expected, f"{shape} {first}")


def test_keep_broadcasts_its_mask() -> None:
    x = np.array([[1.0, np.inf], [np.nan, 2.0]])
    mask = np.array([[True], [False]])
    _assert_same_bits(elementwise.keep(x, mask), np.array([[1.0, np.inf], [0.0, 0.0]]))


@settings(max_examples=150, deadline=None)
@given(
    shape=st.lists(st.integers(0, 7), max_size=4).map(tuple),
    order=st.permutations(range(4)),
    gy_order=st.permutations(range(4)),
    steps=st.lists(st.sampled_from([1, 2, -1]), min_size=4, max_size=4),
    threads=st.integers(1, 3),
    seed=st.integers(0, 999),
)
def test_any_strides(
    shape: tuple[int, ...],
    order: list[int],
    gy_order: list[int],
    steps: list[int],
    threads: int,
    seed: int,
) -> None:
    rng = np.random.default_rng(seed)

    def lay(x: np.ndarray, order: list[int]) -> np.ndarray:
        dims = [d for d in order if d < x.ndim]
        room = np.zeros([2 * x.shape[d] for d in dims], x.dtype)
        view = room.transpose(np.argsort(dims))
        view = view[tuple(slice(None, None, s) for s in steps[: x.ndim])]
        view = view[(..., *(slice(n) for n in x.shape))]
        view[...] = x
        return view

    y = lay(_numbers(rng, shape, "float32"), order)
    gy = lay(_numbers(rng, shape, "float32"), gy_order)
    nnlite.set_num_threads(threads)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(elementwise, "PIECE", 16)
        for f, args in (
            (elementwise.relu, (y,)),
            (elementwise.relu_grad, (gy, y)),
            (elementwise.tanh_grad, (gy, y)),
        ):
            _assert_same_bits(*_both(f, *args))


@pytest.mark.usefixtures("_small_pieces")
def test_the_result_lies_as_the_first_argument_does() -> None:
    x = np.zeros((5, 3, 4, 9), "float32").transpose(3, 1, 0, 2)  # (N, C, H, W), N innermost
    for y in (
        elementwise.relu(x),
        elementwise.sigmoid(x),
        elementwise.relu_grad(x, np.ascontiguousarray(x)),
        elementwise.keep(x, np.ones(x.shape, bool)),
    ):
        assert y.strides == x.strides


def test_real_pieces() -> None:
    """Sizes around the piece as it is: the zeros that relu compares with are as long."""
    for n in (elementwise.PIECE - 1, elementwise.PIECE, elementwise.PIECE + 1):
        for dtype in ("float32", "float64"):
            x = np.linspace(-1, 1, n, dtype=dtype)
            for threads in (1, 2):
                nnlite.set_num_threads(threads)
                np.testing.assert_array_equal(elementwise.relu(x), np.where(x > 0, x, 0))


@pytest.mark.parametrize("dtype", ["int8", "int64", "uint8", "bool"])
def test_numbers_that_are_not_floating(dtype: str) -> None:
    x = np.array([[0, 1, 0], [1, 1, 0]]).astype(dtype)
    mask = np.array([[True, False, True], [False, True, True]])
    kept = elementwise.keep(x, mask)
    assert kept.dtype == x.dtype
    np.testing.assert_array_equal(kept, x * mask)


# -- against PyTorch -------------------------------------------------------------------------


@pytest.mark.usefixtures("_small_pieces")
@pytest.mark.parametrize("name", ["relu", "sigmoid", "tanh"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_values_and_gradients(name: str, dtype: str) -> None:
    """PyTorch in float64, rounded once. Sigmoid of -104 is a denormal, of -750 it is 0."""
    x = np.array(
        [-750, -104, -20, -3, -1.5, -1e-3, -0.0, 0, 1e-3, 0.7, 4, 20, 750, np.inf, -np.inf]
    )
    x = np.concatenate([x, np.random.default_rng(2).standard_normal(500) * 5]).astype(dtype)
    ours = nnlite.from_numpy(x).requires_grad_()
    theirs = torch.from_numpy(x.astype("float64")).requires_grad_()
    y, expected = getattr(nnlite, name)(ours), getattr(torch, name)(theirs)
    y.sum().backward()
    expected.sum().backward()
    with np.errstate(all="ignore"):
        np.testing.assert_array_max_ulp(y.array, expected.detach().numpy().astype(dtype), 3)
    # 1 - y^2 and y (1 - y) cancel: the error is that of y
    gap = 4 * np.finfo(dtype).eps
    np.testing.assert_allclose(ours.grad.array, theirs.grad.numpy(), rtol=gap, atol=gap)


@pytest.mark.parametrize("name", ["relu", "sigmoid", "tanh"])
@pytest.mark.parametrize("shape", [(), (1,), (0,), (3, 2)])
def test_nan_and_small_shapes(name: str, shape: tuple[int, ...]) -> None:
    """NaN stays, and its gradient is PyTorch's; a single number without dimensions works."""
    for value in (np.nan, 0.5, -0.5, 0.0):
        grads = []
        for library in (nnlite, torch):
            x = library.full(shape, value).requires_grad_()
            y = getattr(library, name)(x)
            y.sum().backward()
            grads.append([np.asarray(t.detach()) for t in (y, x.grad)])
        for ours, theirs in zip(*grads, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-6)


def test_relus_gradient_at_nan_passes() -> None:
    y = np.array([np.nan, -1, 0, -0.0, 2, np.inf, -np.inf], "float32")
    gy = np.array([1, np.nan, np.inf, 3, np.inf, 5, np.nan], "float32")
    expected = [1, 0, 0, 0, np.inf, 5, 0]
    np.testing.assert_array_equal(elementwise.relu_grad(gy, y), expected)
    np.testing.assert_array_equal(elementwise.relu_grad(gy[::-1], y[::-1]), expected[::-1])


# -- memory ----------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(), (0,), (6,), (2, 3), (3, 1, 4), (2, 3, 4, 5), (2, 0)])
def test_a_vector_is_a_view_of_all_elements_or_none(shape: tuple[int, ...]) -> None:
    x = np.arange(np.prod(shape, dtype=int), dtype=float).reshape(shape)
    for name, lay in LAYOUTS.items():
        laid = lay(x)
        v = as_vector(laid)
        if v is None:
            assert name in ("sliced", "negative strides")
            continue
        assert v.ndim == 1
        assert sorted(v) == list(range(x.size))
        assert np.shares_memory(v, laid) or not x.size


def test_flattened_keeps_the_batch_innermost() -> None:
    x = np.arange(120.0).reshape(3, 2, 4, 5).transpose(3, 1, 0, 2)  # (5, 2, 3, 4), N innermost
    for shape in ((5, 24), (5, 6, 4), (5, 2, 2, 6), (5, 1, 24), (10, 12), (120,), (1, 5, 24)):
        y = flattened(x, shape)
        np.testing.assert_array_equal(y, np.ascontiguousarray(x).reshape(shape))
        assert not np.shares_memory(x, y)
        assert is_batch_innermost(y) == (shape[0] == 5)


# -- chances and dropout ---------------------------------------------------------------------


@pytest.mark.parametrize("p", [0.5, 0.1, 1e-3, 1 / 256, 255 / 256, 0.999])
def test_chances_have_their_share(p: float) -> None:
    n = 400_001
    for seed in range(3):
        drawn = nnlite.Generator().manual_seed(seed).chances(p, n)
        assert drawn.shape == (n,)
        assert drawn.dtype == bool
        assert abs(drawn.mean() - p) < 5 * (p * (1 - p) / n) ** 0.5
        # neighbours, which come of one draw, know nothing of each other
        both = (drawn[1:] & drawn[:-1]).mean()
        assert abs(both - p * p) < 5 * (p * p * (1 - p * p) * 2 / n) ** 0.5


@pytest.mark.parametrize("n", [0, 1, 2, 3, 7, 8, 9, 63, 65])
@pytest.mark.parametrize("p", [0.5, 0.3])
def test_chances_of_any_length(n: int, p: float) -> None:
    assert nnlite.Generator().manual_seed(0).chances(p, n).shape == (n,)


def test_certain_chances() -> None:
    g = nnlite.Generator().manual_seed(0)
    assert not g.chances(0.0, 100_003).any()
    assert g.chances(1.0, 100_003).all()
    assert g.chances(1 - 1e-13, 100_003).all()  # rounds to 1
    assert not g.chances(1e-13, 100_003).any()


@pytest.mark.parametrize("p", [0.5, 0.1])
def test_chances_repeat_with_the_seed(p: float) -> None:
    a, b = (nnlite.Generator().manual_seed(s).chances(p, 999) for s in (7, 7))
    np.testing.assert_array_equal(a, b)
    assert (a != nnlite.Generator().manual_seed(8).chances(p, 999)).any()
    g = nnlite.Generator().manual_seed(7)
    assert (g.chances(p, 999) != g.chances(p, 999)).any(), "the stream goes on"


@pytest.mark.parametrize("shape", [(50,), (7, 9), (4, 3, 5), (9, 2, 4, 3)])
@pytest.mark.parametrize("function", [F.dropout, F.dropout2d])
def test_what_dropout_drops_depends_on_the_seed_alone(
    shape: tuple[int, ...], function: Callable[..., Any]
) -> None:
    """Not on the memory of its input, on threads, or on the kernels."""
    if function is F.dropout2d and len(shape) < 3:
        shape = (6, 4, *shape)
    x = np.random.default_rng(3).random(shape) + 1
    seen = []
    for lay in LAYOUTS.values():
        for threads in (1, 3):
            for plain in (False, True):
                nnlite.set_num_threads(threads)
                t = nnlite.from_numpy(lay(x)).requires_grad_()
                with nnlite.plain_kernels(plain):
                    g = nnlite.Generator().manual_seed(5)
                    y = function(t, 0.4, generator=g)
                    y.backward(nnlite.ones_like(y.detach()))
                np.testing.assert_array_equal(y.array != 0, t.grad.array != 0)
                np.testing.assert_allclose(t.grad.array[y.array != 0], 1 / 0.6)
                seen.append(y.array)
    for y in seen:
        np.testing.assert_array_equal(y, seen[0])
    assert 0 < (seen[0] == 0).mean() < 1
    np.testing.assert_allclose(seen[0][seen[0] != 0], (x / 0.6)[seen[0] != 0])


# -- mse_loss --------------------------------------------------------------------------------


@pytest.mark.usefixtures("_small_pieces")
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_squared_differences_of_any_memory(reduction: str) -> None:
    """Value and gradients against PyTorch in float64: a sum over pieces on several threads."""
    rng = np.random.default_rng(6)
    for shape in SHAPES:
        if 0 in shape:
            continue
        a, b = rng.standard_normal(shape), rng.standard_normal(shape)
        ta, tb = (torch.from_numpy(np.array(x)).requires_grad_() for x in (a, b))
        torch.nn.functional.mse_loss(ta, tb, reduction=reduction).backward()
        expected = ((a - b) ** 2).sum() / (a.size if reduction == "mean" else 1)
        for name, lay in LAYOUTS.items():
            for dtype, gap in (("float32", 3e-6), ("float64", 1e-13)):
                x = nnlite.from_numpy(lay(np.asarray(a, dtype))).requires_grad_()
                y = nnlite.from_numpy(np.array(b, dtype)).requires_grad_()
                loss = F.mse_loss(x, y, reduction=reduction)
                loss.backward()
                assert loss.array.dtype == dtype
                for ours, theirs in (
                    (loss.array, expected),
                    (x.grad.array, ta.grad.numpy()),
                    (y.grad.array, tb.grad.numpy()),
                ):
                    np.testing.assert_allclose(ours, theirs, rtol=gap, atol=gap, err_msg=name)
