"""Matrix products on CUDA: cuBLAS called directly.

``cupy.matmul`` copies operands of more than two dimensions, costs 0.1 ms of the host's time, and
refuses to be captured into a CUDA graph (cupy/cupy#6290); so do all of CuPy's bindings of cuBLAS.
cuBLAS itself can be captured where its workspace is the caller's, so here each pair of thread and
stream has one, and the library's own functions are called through ctypes.

cuBLAS counts matrices by columns. In memory an (M, N) array by rows is an (N, M) matrix by columns,
so ``c = a @ b`` is computed as ``c^T = b^T a^T``: the operands swap places, and nothing is copied.
"""

from __future__ import annotations

import ctypes
import os
import threading
from typing import Any, NamedTuple

import numpy as np

from nnlite.backend.cuda_precision import is_tf32_allowed
from nnlite.backend.registry import Array
from nnlite.errors import DeviceError

__all__ = ["Blas", "Gemm", "plan"]

_DEFAULT_MATH = 0  # CUBLAS_DEFAULT_MATH: float32 in float32
_TF32_MATH = 3  # CUBLAS_TF32_TENSOR_OP_MATH
_LARGEST = 2**31 - 1  # sizes are C ints

_int, _long, _pointer = ctypes.c_int, ctypes.c_longlong, ctypes.c_void_p
_ONE = {"float32": ctypes.c_float(1), "float64": ctypes.c_double(1)}
_ZERO = {"float32": ctypes.c_float(0), "float64": ctypes.c_double(0)}
_LETTER = {"float32": "S", "float64": "D"}


class Gemm(NamedTuple):
    """The whole numbers of one call: c = op(a) @ op(b), for each of ``batch`` matrices.

    All are as seen by rows; ``ld`` is the distance of rows (of columns where transposed), ``step``
    that of the matrices of a batch; both count elements.
    """

    m: int
    n: int
    k: int
    a_transposed: bool
    a_ld: int
    a_step: int
    b_transposed: bool
    b_ld: int
    b_step: int
    c_ld: int
    c_step: int
    batch: int


def matrix(shape: tuple[int, ...], strides: tuple[int, ...]) -> tuple[bool, int] | None:
    """How the last two dimensions lie in memory: (by columns?, distance of rows or columns).

    Args:
        shape: of the array.
        strides: in elements.

    Returns:
        None where neither rows nor columns are without gaps: cuBLAS needs a copy.
    """
    (rows, columns), (down, right) = shape[-2:], strides[-2:]
    if (right == 1 or columns == 1) and (down >= columns or rows == 1):
        return False, max(down if rows > 1 else columns, 1)
    if (down == 1 or rows == 1) and (right >= rows or columns == 1):
        return True, max(right if columns > 1 else rows, 1)
    return None


def batch_step(shape: tuple[int, ...], strides: tuple[int, ...]) -> int | None:
    """The one distance between the matrices of an array of shape (..., rows, columns), or None."""
    step, expected = 0, None
    for size, stride in zip(reversed(shape[:-2]), reversed(strides[:-2]), strict=True):
        if size == 1:
            continue
        if expected is None:
            step = stride
        elif stride != expected:
            return None
        expected = stride * size
    return step


def plan(a: Array, b: Array, c: Array) -> Gemm | None:
    """The call that computes c = a @ b, or None where no single call does.

    Args:
        a, b, c: of shapes (*batch, M, K), (*batch, K, N), (*batch, M, N), of one dtype.
    """
    parts = []
    for x in (a, b, c):
        strides = tuple(s // x.itemsize for s in x.strides)
        layout, step = matrix(x.shape, strides), batch_step(x.shape, strides)
        if layout is None or step is None or step < 0 or layout[1] > _LARGEST:
            return None
        parts.append((*layout, step))
    (m, k), n = a.shape[-2:], b.shape[-1]
    batch = 1
    for size in c.shape[:-2]:
        batch *= size
    if parts[2][0] or max(m, n, k, batch) > _LARGEST:
        return None
    return Gemm(m, n, k, *parts[0], *parts[1], *parts[2][1:], batch)


class Blas:
    """cuBLAS on one device.

    Args:
        library: its functions, by their C names.
        workspace: bytes of scratch memory for each stream.
    """

    def __init__(self, library: Any, workspace: int) -> None:
        self._library = library
        self._workspace = workspace
        self._local = threading.local()  # a handle has one stream at a time
        for letter in "SD":
            getattr(library, f"cublas{letter}gemm_v2").argtypes = [
                _pointer, _int, _int, _int, _int, _int,
                _pointer, _pointer, _int, _pointer, _int, _pointer, _pointer, _int,
            ]  # fmt: skip
            getattr(library, f"cublas{letter}gemmStridedBatched").argtypes = [
                _pointer, _int, _int, _int, _int, _int,
                _pointer, _pointer, _int, _long, _pointer, _int, _long,
                _pointer, _pointer, _int, _long, _int,
            ]  # fmt: skip

    @classmethod
    def load(cls, cupy: Any, capability: tuple[int, int]) -> Blas:
        """The library that CuPy itself uses.

        Raises:
            DeviceError: it is not there.
        """
        major = cupy.cuda.runtime.runtimeGetVersion() // 1000
        name = f"cublas64_{major}.dll" if os.name == "nt" else f"libcublas.so.{major}"
        try:
            # CuPy finds and loads it, wherever it was installed; then its name is enough
            __import__("cupy_backends.cuda.libs", fromlist=["cublas"])
            library = ctypes.CDLL(name)
        except (ImportError, OSError, RuntimeError) as error:
            raise DeviceError(
                "matmul",
                expected=f"the library {name}",
                got=" ".join(str(error).split()),
                hint="install the CUDA toolkit, or the extra nnlite[cuda12] or nnlite[cuda13], "
                "which brings it",
            ) from error
        # sizes that cuBLAS's documentation recommends for Hopper and for older devices
        return cls(library, 2**25 if capability >= (9, 0) else 2**22)

    def matmul(self, cupy: Any, a: Array, b: Array, out: Array | None = None) -> Array:
        """``a @ b`` as NumPy's matmul defines it; what cuBLAS does not do is left to CuPy.

        Args:
            cupy: the module.
            a, b: arrays of the current device.
            out: written where given; it shares no memory with a and b.
        """
        if (
            a.dtype != b.dtype
            or a.dtype.kind != "f"
            or min(a.ndim, b.ndim) < 2
            or a.shape[-1] != b.shape[-2]
        ):
            return cupy.matmul(a, b, out=out)
        if b.ndim == 2 and a.ndim > 2 and a.flags.c_contiguous and out is None:
            y = self.matmul(cupy, a.reshape(-1, a.shape[-1]), b)  # one large product
            return y.reshape(*a.shape[:-1], b.shape[-1])
        batch = a.shape[:-2]
        if b.shape[:-2] != batch:
            batch = np.broadcast_shapes(batch, b.shape[:-2])
            a = cupy.broadcast_to(a, batch + a.shape[-2:])
            b = cupy.broadcast_to(b, batch + b.shape[-2:])
        shape = (*batch, a.shape[-2], b.shape[-1])
        c = out if out is not None else cupy.empty(shape, dtype=a.dtype)
        if c.shape != shape or c.dtype != a.dtype:
            return cupy.matmul(a, b, out=out)
        self._multiply(cupy, a, b, c)
        return c

    def _multiply(self, cupy: Any, a: Array, b: Array, c: Array) -> None:
        if not c.size:
            return
        if not a.shape[-1]:
            c.fill(0)
            return
        layout = matrix(c.shape, tuple(s // c.itemsize for s in c.strides))
        if layout is not None and layout[0]:
            a, b, c = b.swapaxes(-1, -2), a.swapaxes(-1, -2), c.swapaxes(-1, -2)
        elif layout is None:
            y = cupy.empty(c.shape, dtype=c.dtype)
            self._multiply(cupy, a, b, y)
            c[...] = y
            return
        gemm = plan(a, b, c)
        if gemm is None:
            gemm = plan(a := cupy.ascontiguousarray(a), b := cupy.ascontiguousarray(b), c)
        if gemm is None:
            c[...] = cupy.matmul(a, b)
            return
        self._call(cupy, gemm, a, b, c)

    def _call(self, cupy: Any, g: Gemm, a: Array, b: Array, c: Array) -> None:
        kind = a.dtype.name
        one, zero = ctypes.byref(_ONE[kind]), ctypes.byref(_ZERO[kind])
        swapped = (int(g.b_transposed), int(g.a_transposed), g.n, g.m, g.k, one)
        handle = self._handle(cupy)
        name = f"cublas{_LETTER[kind]}gemm"
        if g.batch == 1:
            status = getattr(self._library, f"{name}_v2")(
                handle, *swapped, b.data.ptr, g.b_ld, a.data.ptr, g.a_ld, zero, c.data.ptr, g.c_ld
            )
        else:
            status = getattr(self._library, f"{name}StridedBatched")(
                handle, *swapped, b.data.ptr, g.b_ld, g.b_step, a.data.ptr, g.a_ld, g.a_step,
                zero, c.data.ptr, g.c_ld, g.c_step, g.batch,
            )  # fmt: skip
        _check(name, status)

    def _handle(self, cupy: Any) -> Any:
        """This thread's handle, set to the current stream, its workspace and the precision."""
        local = self._local
        if not hasattr(local, "handle"):
            local.handle = _pointer()
            _check("cublasCreate", self._library.cublasCreate_v2(ctypes.byref(local.handle)))
            local.workspaces, local.stream, local.math = {}, None, _DEFAULT_MATH
        stream = cupy.cuda.get_current_stream().ptr
        if stream != local.stream:
            if stream not in local.workspaces:
                local.workspaces[stream] = cupy.cuda.alloc(self._workspace)
            memory = local.workspaces[stream].ptr
            set_stream, set_memory = (
                self._library.cublasSetStream_v2,
                self._library.cublasSetWorkspace_v2,
            )
            _check("cublasSetStream", set_stream(local.handle, _pointer(stream)))
            # after the stream, which takes the workspace away
            size = ctypes.c_size_t(self._workspace)
            _check("cublasSetWorkspace", set_memory(local.handle, _pointer(memory), size))
            local.stream = stream
        math = _TF32_MATH if is_tf32_allowed() else _DEFAULT_MATH
        if math != local.math:
            _check("cublasSetMathMode", self._library.cublasSetMathMode(local.handle, math))
            local.math = math
        return local.handle


def _check(function: str, status: int) -> None:
    if status:
        raise DeviceError(
            "matmul",
            expected=f"{function} to succeed",
            got=f"cublasStatus_t {status}",
            hint="13 and 14: an earlier kernel failed, or the device was reset; 1 and 3: cuBLAS "
            "found no device, or no memory",
        )
