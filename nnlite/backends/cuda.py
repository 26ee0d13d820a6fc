"""Settings of CUDA: ``nnlite.backends.cuda.matmul.allow_tf32``."""

from __future__ import annotations

from nnlite.backend.cuda_precision import allow_tf32, is_tf32_allowed

__all__ = ["is_built", "matmul"]


class _Matmul:
    """How matrices are multiplied on CUDA."""

    __slots__ = ()

    @property
    def allow_tf32(self) -> bool:
        """Whether float32 factors may be rounded to TF32 (11 bits of mantissa); False by default.

        It holds in this context (thread, asyncio task). Setting it raises DtypeError for what is
        neither True nor False.
        """
        return is_tf32_allowed()

    @allow_tf32.setter
    def allow_tf32(self, allowed: bool) -> None:
        allow_tf32(allowed)


matmul = _Matmul()


def is_built() -> bool:
    """True: CUDA needs nothing to be built in, only CuPy; ask ``nnlite.cuda.is_available()``."""
    return True
