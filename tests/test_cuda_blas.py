"""The arithmetic of cuBLAS calls: a fake library does by columns what cuBLAS's manual says."""

from __future__ import annotations

import contextvars
import ctypes
import threading
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.lib.stride_tricks import as_strided

from nnlite.backend.cuda_blas import Blas, plan
from nnlite.backend.cuda_precision import allow_tf32
from nnlite.errors import DeviceError

INVALID_VALUE = 7


class Array(np.ndarray):
    """A NumPy array that has its address where CuPy's have it."""

    @property
    def data(self) -> Any:  # type: ignore[override]
        return SimpleNamespace(ptr=self.ctypes.data)


class Cupy:
    """What Blas asks of the module; counts what is left to CuPy itself."""

    def __init__(self) -> None:
        self.left, self.copies, self.stream = 0, 0, 0
        self.scratch: list[int] = []
        self.cuda = SimpleNamespace(
            get_current_stream=lambda: SimpleNamespace(ptr=self.stream), alloc=self.alloc
        )

    def alloc(self, size: int) -> Any:
        self.scratch.append(size)
        return SimpleNamespace(ptr=1000 + len(self.scratch))

    def empty(self, shape: Any, dtype: Any) -> Any:
        return np.full(shape, np.nan, dtype=dtype).view(Array)

    def broadcast_to(self, x: Any, shape: Any) -> Any:
        return np.broadcast_to(x, shape, subok=True)

    def ascontiguousarray(self, x: Any) -> Any:
        self.copies += not x.flags.c_contiguous
        return np.ascontiguousarray(x).view(Array)

    def matmul(self, a: Any, b: Any, out: Any = None) -> Any:
        self.left += 1
        return np.matmul(a, b, out=out)


class Library:
    """cuBLAS on the host. Each function notes its call, and takes ``argtypes`` as ctypes' do."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.status = 0
        names = "cublasCreate_v2 cublasSetStream_v2 cublasSetWorkspace_v2 cublasSetMathMode"
        for name in names.split():
            setattr(self, name, self._noting(name))
        for letter, kind in (("S", np.float32), ("D", np.float64)):
            single, batched = f"cublas{letter}gemm_v2", f"cublas{letter}gemmStridedBatched"
            setattr(self, single, self._gemm(single, kind, batched=False))
            setattr(self, batched, self._gemm(batched, kind, batched=True))

    def _noting(self, name: str) -> Any:
        def function(*args: Any) -> int:
            self.calls.append((name, *(getattr(a, "value", a) for a in args[1:])))
            return self.status

        return function

    def _gemm(self, name: str, kind: Any, batched: bool) -> Any:
        def function(handle: Any, ta: int, tb: int, m: int, n: int, k: int, *rest: Any) -> int:
            count = len(function.argtypes)  # type: ignore[attr-defined]
            assert count == 6 + len(rest)
            self.calls.append((name,))
            if batched:
                alpha, a, lda, sa, b, ldb, sb, beta, c, ldc, sc, batch = rest
            else:
                alpha, a, lda, b, ldb, beta, c, ldc = rest
                sa = sb = sc = 0
                batch = 1
            if self.status:
                return self.status
            if min(m, n, k, batch) <= 0 or lda < max(1, k if ta else m) or ldc < m:
                return INVALID_VALUE
            if ldb < max(1, n if tb else k):
                return INVALID_VALUE
            assert _value(alpha, kind) == 1
            assert _value(beta, kind) == 0
            for i in range(batch):
                x = _columns(a, (k, m) if ta else (m, k), lda, sa * i, kind)
                y = _columns(b, (n, k) if tb else (k, n), ldb, sb * i, kind)
                z = _columns(c, (m, n), ldc, sc * i, kind)
                z[...] = (x.T if ta else x) @ (y.T if tb else y)
            return 0

        return function


def _value(pointer: Any, kind: Any) -> float:
    found: float = pointer._obj.value
    assert isinstance(pointer._obj, ctypes.c_float if kind is np.float32 else ctypes.c_double)
    return found


def _columns(address: int, shape: tuple[int, int], ld: int, offset: int, kind: Any) -> Any:
    """The matrix by columns at an address: column j starts ld elements after column j - 1."""
    size = np.dtype(kind).itemsize
    count = (shape[1] - 1) * ld + shape[0]
    memory = (ctypes.c_char * (count * size)).from_address(address + offset * size)
    flat = np.frombuffer(memory, dtype=kind)
    return as_strided(flat, shape, (size, ld * size))


@pytest.fixture
def blas() -> tuple[Blas, Library, Cupy]:
    library = Library()
    return Blas(library, 4096), library, Cupy()


def _numbers(shape: tuple[int, ...], kind: str = "float64") -> Any:
    rng = np.random.default_rng(len(shape) * 97 + sum(shape))
    # small whole numbers: products are exact, so results must be equal
    return rng.integers(-9, 10, shape).astype(kind).view(Array)


LAYOUTS = {
    "rows": lambda x: x.copy(),
    "columns": lambda x: x.swapaxes(-1, -2).copy().swapaxes(-1, -2),
    "rows with gaps": lambda x: np.concatenate([x, x[..., :3] * 0], -1).view(Array)[
        ..., : x.shape[-1]
    ],
    "columns with gaps": lambda x: LAYOUTS["rows with gaps"](x.swapaxes(-1, -2)).swapaxes(-1, -2),
    "every second": lambda x: np.repeat(x, 2, -1).view(Array)[..., ::2],
    "one row for all": lambda x: np.broadcast_to(x[..., :1, :], x.shape, subok=True),
    "one column for all": lambda x: np.broadcast_to(x[..., :1], x.shape, subok=True),
    "backwards": lambda x: x[..., ::-1, :].copy()[..., ::-1, :],
}
COPIED = {"every second", "backwards", "one row for all", "one column for all"}
WRITABLE = [name for name in LAYOUTS if "for all" not in name]
SIZES = [(3, 4, 5), (1, 4, 5), (3, 1, 5), (3, 4, 1), (1, 1, 4), (1, 4, 1), (4, 1, 1), (1, 1, 1)]


@pytest.mark.parametrize("kind", ["float32", "float64"])
@pytest.mark.parametrize("b_layout", LAYOUTS)
@pytest.mark.parametrize("a_layout", LAYOUTS)
def test_matrices_of_every_layout(
    blas: tuple[Blas, Library, Cupy], a_layout: str, b_layout: str, kind: str
) -> None:
    ours, library, cupy = blas
    for m, k, n in SIZES:
        a, b = LAYOUTS[a_layout](_numbers((m, k), kind)), LAYOUTS[b_layout](_numbers((k, n), kind))
        y = ours.matmul(cupy, a, b)
        np.testing.assert_array_equal(y, np.asarray(a) @ np.asarray(b))
        assert (y.shape, y.dtype, y.flags.c_contiguous) == ((m, n), kind, True)
    assert cupy.left == 0
    assert {call[0] for call in library.calls if "gemm" in call[0]} == {
        f"cublas{'S' if kind == 'float32' else 'D'}gemm_v2"
    }
    if not {a_layout, b_layout} & COPIED:
        assert cupy.copies == 0


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(
    ("a_shape", "b_shape"),
    [
        ((5, 3, 4), (5, 4, 2)),
        ((5, 3, 4), (4, 2)),
        ((3, 4), (5, 4, 2)),
        ((5, 1, 3, 4), (6, 4, 2)),
        ((5, 6, 3, 4), (5, 6, 4, 2)),
        ((1, 3, 4), (5, 4, 2)),
        ((1, 1, 3, 4), (1, 4, 2)),
        ((2, 1, 3, 4), (2, 6, 4, 2)),
    ],
)
def test_batches(
    blas: tuple[Blas, Library, Cupy],
    a_shape: tuple[int, ...],
    b_shape: tuple[int, ...],
    layout: str,
) -> None:
    ours, _, cupy = blas
    a, b = LAYOUTS[layout](_numbers(a_shape)), LAYOUTS[layout](_numbers(b_shape))
    y = ours.matmul(cupy, a, b)
    expected = np.matmul(np.asarray(a), np.asarray(b))
    assert y.shape == expected.shape
    np.testing.assert_array_equal(y, expected)
    assert cupy.left == 0


def test_a_batch_is_one_call_without_copies(blas: tuple[Blas, Library, Cupy]) -> None:
    ours, library, cupy = blas
    ours.matmul(cupy, _numbers((2, 5, 3, 4)), _numbers((2, 5, 2, 4)).swapaxes(-1, -2))
    ours.matmul(cupy, _numbers((2, 5, 3, 4)), _numbers((4, 6)))
    ours.matmul(cupy, _numbers((3, 4)), _numbers((5, 4, 6)))
    gemms = [call[0] for call in library.calls if "gemm" in call[0]]
    assert gemms == ["cublasDgemmStridedBatched", "cublasDgemm_v2", "cublasDgemmStridedBatched"]
    assert cupy.copies == 0


@pytest.mark.parametrize("layout", WRITABLE)
def test_into_out(blas: tuple[Blas, Library, Cupy], layout: str) -> None:
    ours, _, cupy = blas
    a, b = _numbers((3, 4)), _numbers((4, 5))
    out = LAYOUTS[layout](_numbers((3, 5)))
    memory = out.base
    y = ours.matmul(cupy, a, b, out)
    assert y is out
    assert out.base is memory
    np.testing.assert_array_equal(out, np.asarray(a) @ np.asarray(b))
    assert cupy.left == 0


def test_gaps_of_out_stay(blas: tuple[Blas, Library, Cupy]) -> None:
    ours, _, cupy = blas
    memory = np.full((3, 8), 7.0).view(Array)
    ours.matmul(cupy, _numbers((3, 4)), _numbers((4, 5)), memory[:, :5])
    assert (memory[:, 5:] == 7).all()


@pytest.mark.parametrize(
    ("a_shape", "b_shape"),
    [((0, 4), (4, 5)), ((3, 0), (0, 5)), ((3, 4), (4, 0)), ((0, 3, 4), (0, 4, 5))],
)
def test_nothing_to_multiply(
    blas: tuple[Blas, Library, Cupy], a_shape: tuple[int, ...], b_shape: tuple[int, ...]
) -> None:
    ours, library, cupy = blas
    y = ours.matmul(cupy, np.zeros(a_shape).view(Array), np.zeros(b_shape).view(Array))
    expected = np.zeros(a_shape) @ np.zeros(b_shape)
    np.testing.assert_array_equal(y, expected)
    assert y.shape == expected.shape
    assert cupy.left == 0
    assert not any("gemm" in call[0] for call in library.calls)  # cuBLAS refuses such sizes


def test_what_is_left_to_cupy(blas: tuple[Blas, Library, Cupy]) -> None:
    ours, library, cupy = blas
    whole = np.arange(6).reshape(2, 3).view(Array)
    np.testing.assert_array_equal(ours.matmul(cupy, whole, whole.T), whole @ whole.T)
    ours.matmul(cupy, _numbers((3,)), _numbers((3, 2)))
    ours.matmul(cupy, _numbers((2, 3), "float32"), _numbers((3, 2)))
    with pytest.raises(ValueError, match="matmul"):
        ours.matmul(cupy, _numbers((2, 3)), _numbers((4, 2)))
    assert cupy.left == 4
    assert library.calls == []


def test_sizes_beyond_a_c_int_have_no_plan() -> None:
    memory = np.zeros(1)
    wide = as_strided(memory, (2, 2**31), (2**34, 8))
    tall = as_strided(memory, (2**31, 1), (8, 8))
    assert plan(wide, tall, as_strided(memory, (2, 1), (8, 8))) is None


def test_workspaces_belong_to_streams(blas: tuple[Blas, Library, Cupy]) -> None:
    """A stream takes the workspace away, and two streams must not share one."""
    ours, library, cupy = blas
    a = _numbers((2, 2))
    for stream in (0, 0, 64, 0):
        cupy.stream = stream
        ours.matmul(cupy, a, a)
    settings = [call for call in library.calls if "gemm" not in call[0]]
    assert settings == [
        ("cublasCreate_v2",),
        ("cublasSetStream_v2", None),
        ("cublasSetWorkspace_v2", 1001, 4096),
        ("cublasSetStream_v2", 64),
        ("cublasSetWorkspace_v2", 1002, 4096),
        ("cublasSetStream_v2", None),
        ("cublasSetWorkspace_v2", 1001, 4096),
    ]
    assert cupy.scratch == [4096, 4096]
    thread = threading.Thread(target=lambda: ours.matmul(cupy, a, a))
    thread.start()
    thread.join()
    assert len(cupy.scratch) == 3  # and a handle of its own
    assert [call[0] for call in library.calls].count("cublasCreate_v2") == 2


def test_float32_means_float32(blas: tuple[Blas, Library, Cupy]) -> None:
    ours, library, cupy = blas
    a = _numbers((2, 2), "float32")

    def modes() -> list[Any]:
        return [call[1] for call in library.calls if call[0] == "cublasSetMathMode"]

    ours.matmul(cupy, a, a)
    assert modes() == []  # as a handle begins: CUBLAS_DEFAULT_MATH

    def fast() -> None:
        allow_tf32(True)
        ours.matmul(cupy, a, a)
        ours.matmul(cupy, a, a)
        assert modes() == [3]  # CUBLAS_TF32_TENSOR_OP_MATH

    contextvars.copy_context().run(fast)
    ours.matmul(cupy, a, a)
    assert modes() == [3, 0]


def test_a_status_is_an_error(blas: tuple[Blas, Library, Cupy]) -> None:
    ours, library, cupy = blas
    a = _numbers((2, 2))
    ours.matmul(cupy, a, a)
    library.status = 13
    with pytest.raises(DeviceError, match=r"matmul: expected cublasDgemm.* got cublasStatus_t 13"):
        ours.matmul(cupy, a, a)


def test_the_library_is_missing() -> None:
    cupy: Any = SimpleNamespace(
        cuda=SimpleNamespace(runtime=SimpleNamespace(runtimeGetVersion=lambda: 13020))
    )
    with pytest.raises(DeviceError, match=r"matmul: expected the library .*13.*nnlite\[cuda13\]"):
        Blas.load(cupy, (9, 0))
