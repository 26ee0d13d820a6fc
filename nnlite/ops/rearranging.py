"""Elements in other places: reversed, rolled, triangles and diagonals."""

from __future__ import annotations

from typing import Any

from nnlite.autograd.op import Op
from nnlite.autograd.tensor import Tensor
from nnlite.backend import Array, array_module
from nnlite.errors import ArgumentError, NnliteIndexError, ShapeError
from nnlite.ops.common import as_index, as_tensor, normalize_dim, normalize_dims
from nnlite.ops.conversion import clone
from nnlite.ops.shape import movedim, reshape
from nnlite.ops.sizes import check_size, spread

__all__ = ["diag", "diagonal", "flip", "roll", "tril", "triu"]


class Flip(Op):
    """The order of some dimensions reversed.  d/dx = gy reversed alike."""

    @staticmethod
    def forward(ctx: Any, x: Array, *, dims: tuple[int, ...]) -> Array:
        return array_module(x).flip(x, dims).copy()

    @staticmethod
    def backward(ctx: Any, gy: Any) -> Any:
        return Flip.call(gy, dims=ctx.dims)


class Roll(Op):
    """Elements moved on by some places, around the end.  d/dx = gy moved back."""

    @staticmethod
    def forward(ctx: Any, x: Array, *, shifts: tuple[int, ...], dims: tuple[int, ...]) -> Array:
        return array_module(x).roll(x, shifts, dims)

    @staticmethod
    def backward(ctx: Any, gy: Any) -> Any:
        return Roll.call(gy, shifts=tuple(-n for n in ctx.shifts), dims=ctx.dims)


class Tril(Op):
    """0 above the k-th diagonal of the last two dimensions.  d/dx = gy with 0 there too."""

    @staticmethod
    def forward(ctx: Any, x: Array, *, k: int) -> Array:
        return array_module(x).tril(x, k)

    @staticmethod
    def backward(ctx: Any, gy: Any) -> Any:
        return Tril.call(gy, k=ctx.k)


class Triu(Op):
    """0 below the k-th diagonal of the last two dimensions.  d/dx = gy with 0 there too."""

    @staticmethod
    def forward(ctx: Any, x: Array, *, k: int) -> Array:
        return array_module(x).triu(x, k)

    @staticmethod
    def backward(ctx: Any, gy: Any) -> Any:
        return Triu.call(gy, k=ctx.k)


class Diagonal(Op):
    """The k-th diagonal of the last two dimensions, as a read-only view.

    d/dx = gy on that diagonal of zeros.
    """

    view = True

    @staticmethod
    def forward(ctx: Any, x: Array, *, k: int) -> Array:
        ctx.source = x.shape
        return x.diagonal(k, -2, -1)

    @staticmethod
    def backward(ctx: Any, gy: Any) -> Any:
        return Undiagonal.call(gy, shape=ctx.source, k=ctx.k)


class Undiagonal(Op):
    """Zeros of a shape with x on the k-th diagonal of the last two dimensions.

    d/dx = that diagonal of gy.
    """

    @staticmethod
    def forward(ctx: Any, x: Array, *, shape: tuple[int, ...], k: int) -> Array:
        xp = array_module(x)
        y = xp.zeros(shape, dtype=x.dtype)
        along = xp.arange(x.shape[-1])
        y[..., along + max(-k, 0), along + max(k, 0)] = x
        return y

    @staticmethod
    def backward(ctx: Any, gy: Any) -> Any:
        return Diagonal.call(gy, k=ctx.k)


# -- public ---------------------------------------------------------------------------------


def flip(input: Tensor, *dims: Any) -> Tensor:
    """A copy with the order of these dimensions reversed: ``flip(x, 0)``, ``flip(x, (0, 1))``."""
    x = as_tensor("flip", input)
    given = spread(dims)
    order = normalize_dims("flip", given, x.ndim) if given else ()
    out: Tensor = Flip.apply(x, dims=order if x.ndim else ())
    return out


def roll(input: Tensor, shifts: Any, dims: Any = None) -> Tensor:
    """Elements moved on by shifts places along dims, and from the end to the front.

    Without dims the tensor is rolled as if it were flat.

    Raises:
        ArgumentError: shifts and dims differ in number.
    """
    x = as_tensor("roll", input)
    steps = [as_index("roll", "shifts", s) for s in spread((shifts,))]
    if dims is None:
        if len(steps) != 1:
            raise _uneven_roll(shifts, dims)
        return reshape(roll(reshape(x, -1), steps, (0,)), x.shape)
    if not x.ndim:
        raise NnliteIndexError(
            "roll",
            "dims",
            expected="none, for a tensor without dimensions",
            got=repr(dims),
            hint="there is nothing to roll",
        )
    axes = [normalize_dim("roll", d, x.ndim) for d in spread((dims,))]
    if len(axes) != len(steps):
        raise _uneven_roll(shifts, dims)
    out: Tensor = Roll.apply(x, shifts=tuple(steps), dims=tuple(axes))
    return out


def _uneven_roll(shifts: Any, dims: Any) -> ArgumentError:
    return ArgumentError(
        "roll",
        "shifts",
        expected="one number per dimension of dims",
        got=f"shifts {shifts}, dims {dims}",
        hint="without dims there is one shift",
    )


def tril(input: Tensor, diagonal: int = 0) -> Tensor:
    """The lower triangle of the last two dimensions, 0 above the given diagonal.

    Raises:
        ShapeError: fewer than two dimensions.
    """
    x, k = _matrix("tril", input, diagonal)
    out: Tensor = Tril.apply(x, k=k)
    return out


def triu(input: Tensor, diagonal: int = 0) -> Tensor:
    """The upper triangle of the last two dimensions, 0 below the given diagonal.

    Raises:
        ShapeError: fewer than two dimensions.
    """
    x, k = _matrix("triu", input, diagonal)
    out: Tensor = Triu.apply(x, k=k)
    return out


def diagonal(input: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """The diagonal of dimensions dim1 and dim2, as the last dimension of a read-only view.

    Args:
        offset: > 0 above the main diagonal, < 0 below.

    Raises:
        ShapeError: fewer than two dimensions.
        ArgumentError: dim1 and dim2 are the same.
    """
    x, k = _matrix("diagonal", input, offset)
    a = normalize_dim("diagonal", dim1, x.ndim, "dim1")
    b = normalize_dim("diagonal", dim2, x.ndim, "dim2")
    if a == b:
        raise ArgumentError(
            "diagonal", "dim2", expected="another dimension than dim1", got=str(dim2), hint="try -1"
        )
    out: Tensor = Diagonal.apply(movedim(x, (a, b), (-2, -1)), k=k)
    return out


def diag(input: Tensor, diagonal: int = 0) -> Tensor:
    """The diagonal of a matrix, or a matrix with a vector on its diagonal and 0 elsewhere.

    Raises:
        ShapeError: neither a vector nor a matrix.
    """
    x = as_tensor("diag", input)
    if x.ndim == 2:
        return clone(Diagonal.apply(x, k=as_index("diag", "diagonal", diagonal)))
    if x.ndim != 1:
        raise ShapeError(
            "diag", "input", expected="1 or 2 dimensions", got=str(x.shape), hint="see diagonal()"
        )
    k = as_index("diag", "diagonal", diagonal)
    (n,) = check_size("diag", (x.shape[0] + abs(k),))
    out: Tensor = Undiagonal.apply(x, shape=check_size("diag", (n, n)), k=k)
    return out


def _matrix(op: str, input: Any, diagonal: Any) -> tuple[Tensor, int]:
    x = as_tensor(op, input)
    if x.ndim < 2:
        raise ShapeError(
            op,
            "input",
            expected="at least 2 dimensions",
            got=str(x.shape),
            hint="unsqueeze() a vector first",
        )
    return x, as_index(op, "diagonal", diagonal)
