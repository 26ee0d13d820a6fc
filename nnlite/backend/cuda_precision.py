"""How precisely float32 matrices are multiplied on CUDA: as float32, unless asked otherwise."""

from __future__ import annotations

from contextvars import ContextVar

from nnlite.errors import ArgumentError, DtypeError

__all__ = [
    "allow_tf32",
    "get_float32_matmul_precision",
    "is_tf32_allowed",
    "set_float32_matmul_precision",
]

_NAMES = ("highest", "high", "medium")
_precision: ContextVar[str] = ContextVar("nnlite_float32_matmul_precision", default="highest")


def set_float32_matmul_precision(precision: str) -> None:
    """How CUDA multiplies float32 matrices, as ``torch.set_float32_matmul_precision``.

    It holds in this context (thread, asyncio task). The CPU always computes in float32.

    Args:
        precision: "highest", the default: in float32, 24 bits of mantissa. "high" or "medium": the
            factors are rounded to TF32, 11 bits, where the device multiplies those faster; sums
            stay float32.

    Raises:
        ArgumentError: another word.
    """
    if precision not in _NAMES:
        raise ArgumentError(
            "set_float32_matmul_precision",
            "precision",
            expected=", ".join(map(repr, _NAMES)),
            got=repr(precision),
            hint="'highest' is float32 itself",
        )
    _precision.set(precision)


def get_float32_matmul_precision() -> str:
    """The word last set in this context."""
    return _precision.get()


def is_tf32_allowed() -> bool:
    """Whether float32 matrices may be multiplied as TF32."""
    return _precision.get() != "highest"


def allow_tf32(allowed: bool) -> None:
    """Allow TF32, or take that back, in this context.

    Raises:
        DtypeError: neither True nor False.
    """
    if not isinstance(allowed, bool):
        raise DtypeError(
            "allow_tf32",
            expected="True or False",
            got=repr(allowed),
            hint="nnlite.backends.cuda.matmul.allow_tf32 = True",
        )
    _precision.set("high" if allowed else "highest")
