"""Padding: more elements around a tensor, or with negative numbers fewer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nnlite.autograd.op import Op
from nnlite.autograd.tensor import Tensor
from nnlite.backend import Array, array_module
from nnlite.errors import ArgumentError, ShapeError
from nnlite.ops.common import as_index, as_tensor
from nnlite.ops.creation import scalar_like
from nnlite.ops.indexing import Slice, Take
from nnlite.ops.sizes import check_size

__all__ = ["pad"]


class Pad(Op):
    """x inside an array filled with value; (before, after) elements are added per dimension.

    d/dx = the part of gy where x lies.
    """

    @staticmethod
    def forward(ctx: Any, x: Array, *, widths: tuple[tuple[int, int], ...], value: Any) -> Array:
        ctx.inside = inside = (
            *(slice(low, low + n) for (low, _), n in zip(widths, x.shape, strict=True)),
            ...,
        )
        shape = tuple(low + n + high for (low, high), n in zip(widths, x.shape, strict=True))
        y = array_module(x).full(shape, value, dtype=x.dtype)
        y[inside] = x
        return y

    @staticmethod
    def backward(ctx: Any, gy: Any) -> Any:
        return Slice.call(gy, index=ctx.inside)


def pad(input: Tensor, pad: Any, mode: str = "constant", value: Any = None) -> Tensor:
    """Elements added at the ends of the last dimensions; negative numbers take some away.

    Args:
        pad: (before, after) of the last dimension, then of the one before it, and so on.
        mode: what is added: "constant", value; "reflect", the tensor mirrored at its edge element;
            "replicate", the edge element; "circular", the tensor from its other end.
        value: for "constant"; 0 by default.

    Raises:
        ShapeError: an odd number of paddings, too many, a negative size, an absurd one, or a
            reflection wider than the tensor.
        ArgumentError: another mode, or a value with a mode that has no use for it.
    """
    x = as_tensor("pad", input)
    widths = _widths(x, pad)
    shape = tuple(low + n + high for (low, high), n in zip(widths, x.shape, strict=True))
    check_size("pad", shape, "the padded size")
    if mode in ("constant", "circular"):  # a circle is closed after cropping
        x, widths = _crop(x, widths)
    if mode == "constant":
        fill = scalar_like("pad", 0 if value is None else value, x).array.item()
        out: Tensor = Pad.apply(x, widths=tuple(widths), value=fill)
        return out
    if not isinstance(mode, str) or mode not in _SOURCES:
        raise ArgumentError(
            "pad",
            "mode",
            expected="'constant', 'reflect', 'replicate' or 'circular'",
            got=repr(mode),
            hint="'constant' with value=0 is the default",
        )
    if value:
        raise ArgumentError(
            "pad", "value", expected="none with this mode", got=repr(value), hint="mode='constant'"
        )
    for d, (low, high) in enumerate(widths):
        if low or high:
            x = _pad_from_itself(x, mode, d, low, high)
    return x


def _widths(x: Tensor, pad: Any) -> list[tuple[int, int]]:
    """(before, after) for each dimension, from the first."""
    given = [as_index("pad", "pad", n) for n in (pad if isinstance(pad, (tuple, list)) else (pad,))]
    if len(given) % 2 or len(given) > 2 * x.ndim:
        raise ShapeError(
            "pad",
            "pad",
            expected=f"an even number of sizes, at most {2 * x.ndim} for shape {x.shape}",
            got=str(tuple(given)),
            hint="(left, right) of the last dimension first, then (top, bottom)",
        )
    pairs = [(given[i], given[i + 1]) for i in range(0, len(given), 2)]
    widths = [(0, 0)] * (x.ndim - len(pairs)) + pairs[::-1]
    for d, ((low, high), n) in enumerate(zip(widths, x.shape, strict=True)):
        if n + min(low, 0) + min(high, 0) < 0:
            raise ShapeError(
                "pad",
                "pad",
                expected=f"at most {n} elements taken off dimension {d}, as it has",
                got=f"({low}, {high})",
                hint="negative paddings crop",
            )
    return widths


def _crop(x: Tensor, widths: list[tuple[int, int]]) -> tuple[Tensor, list[tuple[int, int]]]:
    """X without what negative widths take away, and the other widths."""
    if all(low >= 0 and high >= 0 for low, high in widths):
        return x, widths
    kept = (
        slice(max(-low, 0), n - max(-high, 0))
        for (low, high), n in zip(widths, x.shape, strict=True)
    )
    inside: Tensor = Slice.apply(x, index=(*kept, ...))
    return inside, [(max(low, 0), max(high, 0)) for low, high in widths]


def _reflect(i: Any, n: int) -> Any:
    return n - 1 - abs(n - 1 - abs(i))


_SOURCES: dict[str, Callable[[Any, int], Any]] = {
    "reflect": _reflect,
    "replicate": lambda i, n: i.clip(0, n - 1),
    "circular": lambda i, n: i % n,
}
"""The place in the tensor, of size n, from which place i of the padded one is filled."""


def _pad_from_itself(x: Tensor, mode: str, dim: int, low: int, high: int) -> Tensor:
    n = x.shape[dim]
    widest = {"reflect": n - 1, "circular": n}.get(mode)
    if not n or (widest is not None and max(low, high) > widest):
        raise ShapeError(
            "pad",
            "pad",
            expected=f"at most {widest or 0} in mode {mode!r} for dimension {dim} of size {n}",
            got=f"({low}, {high})",
            hint="'replicate' and 'constant' go as far as wanted, from one element on",
        )
    xp = array_module(x.array)
    source = _SOURCES[mode](xp.arange(-low, n + high), n)
    index = (slice(None),) * dim + (source,)
    out: Tensor = Take.apply(x, index=index, repeats=True)
    return out
