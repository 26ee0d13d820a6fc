"""PyTorch's names for what is quickly said with other ops."""

from __future__ import annotations

from typing import Any

from nnlite.autograd.tape import refuse_reading
from nnlite.autograd.tensor import Tensor
from nnlite.backend import Dtype, Generator, array_module, as_dtype, backend_of
from nnlite.backend.dtypes import promote, scalar_dtype
from nnlite.errors import ArgumentError, DtypeError, ShapeError
from nnlite.ops.arithmetic import add, div, mul, sub
from nnlite.ops.common import (
    Number,
    Operand,
    as_tensor,
    check_broadcast,
    need_float,
    normalize_dim,
    wrap_result,
)
from nnlite.ops.comparison import lt
from nnlite.ops.conversion import to
from nnlite.ops.gather_scatter import index_select
from nnlite.ops.linalg import bmm, mv
from nnlite.ops.random import rand_like
from nnlite.ops.rearranging import diagonal, flip
from nnlite.ops.reduce import mean, norm, std, sum, var
from nnlite.ops.selection import clamp, where
from nnlite.ops.shape import broadcast_to, reshape

__all__ = [
    "addcdiv",
    "addcmul",
    "addmv",
    "as_type",
    "baddbmm",
    "bernoulli",
    "broadcast_shapes",
    "broadcast_tensors",
    "clamp_max",
    "clamp_min",
    "dist",
    "fliplr",
    "flipud",
    "is_tensor",
    "promote_types",
    "ravel",
    "repeat_interleave",
    "result_type",
    "std_mean",
    "trace",
    "var_mean",
    "where_self",
]


def addcmul(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: Number = 1) -> Tensor:
    """Input + value * tensor1 * tensor2, broadcast."""
    return add(input, mul(tensor1, tensor2), alpha=value)


def addcdiv(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: Number = 1) -> Tensor:
    """Input + value * tensor1 / tensor2, broadcast."""
    return add(input, div(tensor1, tensor2), alpha=value)


def addmv(
    input: Tensor, mat: Tensor, vec: Tensor, *, beta: Number = 1, alpha: Number = 1
) -> Tensor:
    """Beta * input + alpha * (mat @ vec). Raises what ``mv`` raises."""
    return add(mul(input, beta), mv(mat, vec), alpha=alpha)


def baddbmm(
    input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: Number = 1, alpha: Number = 1
) -> Tensor:
    """Beta * input + alpha * (batch1 @ batch2), for batches of matrices; see ``bmm``."""
    return add(mul(input, beta), bmm(batch1, batch2), alpha=alpha)


def clamp_min(input: Tensor, min: Operand) -> Tensor:
    """Input, but min where it is smaller; see ``clamp``."""
    return clamp(input, min=min)


def clamp_max(input: Tensor, max: Operand) -> Tensor:
    """Input, but max where it is larger; see ``clamp``."""
    return clamp(input, max=max)


def where_self(input: Tensor, condition: Tensor, other: Operand) -> Tensor:
    """The method ``input.where(condition, other)``: input where condition holds, else other."""
    return where(condition, input, other)


def dist(input: Tensor, other: Tensor, p: float = 2) -> Tensor:
    """The p-norm of input - other over all elements; see ``norm``."""
    return norm(sub(input, other), p)


def fliplr(input: Tensor) -> Tensor:
    """Dimension 1 in reverse order. Raises ShapeError below 2 dimensions."""
    return _flipped("fliplr", input, 1)


def flipud(input: Tensor) -> Tensor:
    """Dimension 0 in reverse order. Raises ShapeError for a 0-d tensor."""
    return _flipped("flipud", input, 0)


def _flipped(op: str, input: Tensor, dim: int) -> Tensor:
    x = as_tensor(op, input)
    if x.ndim <= dim:
        raise ShapeError(
            op,
            "input",
            expected=f"{dim + 1} or more dimensions",
            got=f"shape {x.shape}",
            hint="flip() takes any dimension",
        )
    return flip(x, dim)


def var_mean(
    input: Tensor, dim: Any = None, *, correction: Number = 1, keepdim: bool = False
) -> tuple[Tensor, Tensor]:
    """(variance, mean); see ``var``."""
    return var(input, dim, correction=correction, keepdim=keepdim), mean(input, dim, keepdim)


def std_mean(
    input: Tensor, dim: Any = None, *, correction: Number = 1, keepdim: bool = False
) -> tuple[Tensor, Tensor]:
    """(standard deviation, mean); see ``std``."""
    return std(input, dim, correction=correction, keepdim=keepdim), mean(input, dim, keepdim)


def broadcast_shapes(*shapes: Any) -> tuple[int, ...]:
    """The shape that these broadcast to; a number stands for a shape of one dimension.

    Raises:
        ShapeError: they do not broadcast.
    """
    given = [(s,) if isinstance(s, int) else tuple(s) for s in shapes]
    found: tuple[int, ...] = ()
    for shape in given:
        check_broadcast("broadcast_shapes: shapes", found, shape)
        longer, shorter = sorted((found, shape), key=len, reverse=True)
        shorter = (1,) * (len(longer) - len(shorter)) + shorter
        found = tuple(m if n == 1 else n for n, m in zip(longer, shorter, strict=True))
    return found


def broadcast_tensors(*tensors: Tensor) -> tuple[Tensor, ...]:
    """Each tensor expanded to the shape that they broadcast to, as views."""
    xs = [as_tensor("broadcast_tensors", x, "tensors") for x in tensors]
    shape = broadcast_shapes(*[x.shape for x in xs])
    return tuple(broadcast_to(x, shape) for x in xs)


def as_type(input: Tensor, dtype: object) -> Tensor:
    """The method ``x.type(dtype)``: ``x.to(dtype)``."""
    return to(input, as_dtype(dtype, "type"))


def promote_types(type1: object, type2: object) -> Dtype:
    """The dtype of a result of two dtypes; see nnlite.backend.dtypes for the rules."""
    return promote([as_dtype(type1, "promote_types"), as_dtype(type2, "promote_types")], [], [])


def result_type(tensor1: Operand, tensor2: Operand) -> Dtype:
    """The dtype of ``tensor1 + tensor2``, for tensors and Python numbers.

    Raises:
        DtypeError: neither.
    """
    groups: tuple[list[Dtype], list[Dtype], list[Dtype]] = ([], [], [])
    for i, x in enumerate((tensor1, tensor2), 1):
        number = scalar_dtype(x)
        if isinstance(x, Tensor):
            groups[0 if x.ndim else 1].append(x.dtype)
        elif number is not None:
            groups[2].append(number)
        else:
            raise DtypeError(
                "result_type",
                f"tensor{i}",
                expected="a Tensor or a number",
                got=type(x).__name__,
                hint="promote_types() takes dtypes",
            )
    return promote(*groups)


def trace(input: Tensor) -> Tensor:
    """The sum of a matrix's diagonal.  d/dx = gy on the diagonal, 0 elsewhere.

    Raises:
        ShapeError: no matrix.
    """
    x = as_tensor("trace", input)
    if x.ndim != 2:
        raise ShapeError(
            "trace",
            "input",
            expected="2 dimensions",
            got=f"shape {x.shape}",
            hint="of a batch of matrices: x.diagonal(dim1=-2, dim2=-1).sum(-1)",
        )
    return sum(diagonal(x))


def ravel(input: Tensor) -> Tensor:
    """All elements in one dimension; a view where memory allows."""
    return reshape(as_tensor("ravel", input), -1)


def repeat_interleave(input: Tensor, repeats: int | Tensor, dim: int | None = None) -> Tensor:
    """Each slice along dim several times in a row: [a, b] -> [a, a, b, b].

    Args:
        repeats: how often, one number for all slices or an integer tensor with one for each.
        dim: default: of the flattened input.

    Raises:
        DtypeError: repeats that are not whole.
        ArgumentError: negative repeats.
        ShapeError: not one for each slice.
    """
    op = "repeat_interleave"
    x = as_tensor(op, input)
    if dim is None:
        x, dim = reshape(x, -1), 0
    d = normalize_dim(op, dim, x.ndim)
    n = x.shape[d] if x.ndim else 1
    counts = repeats.array if isinstance(repeats, Tensor) else repeats
    backend = backend_of(x.array)
    counts = backend.asarray(counts)
    if counts.dtype.kind not in "iu":
        raise DtypeError(
            op, "repeats", expected="whole numbers", got=counts.dtype.name, hint="pass an int"
        )
    if counts.size not in (1, n) or counts.ndim > 1:
        raise ShapeError(
            op,
            "repeats",
            expected=f"one number, or {n} for dimension {d}",
            got=f"shape {counts.shape}",
            hint="repeats says for each slice how often it is taken",
        )
    refuse_reading("repeat_interleave")
    if counts.size and bool((counts < 0).any()):
        raise ArgumentError(op, "repeats", expected=">= 0", got="a negative number", hint="0 drops")
    xp = array_module(x.array)
    ends = xp.cumsum(xp.broadcast_to(counts.reshape(-1), (n,)))
    total = int(ends[-1]) if n else 0
    index = xp.searchsorted(ends, xp.arange(total), side="right")
    return index_select(x, d, wrap_result(index, x))


def bernoulli(input: Tensor, *, generator: Generator | None = None) -> Tensor:
    """1 with probability input, else 0, element by element; no gradient.

    Raises:
        DtypeError: probabilities that are no floats.
        ArgumentError: a probability outside [0, 1], or NaN.
    """
    p = need_float("bernoulli", input).detach()
    refuse_reading("bernoulli")
    xp = array_module(p.array)
    if not bool(xp.all((p.array >= 0) & (p.array <= 1))):
        raise ArgumentError(
            "bernoulli",
            "input",
            expected="probabilities from 0 to 1",
            got="a number outside, or NaN",
            hint="logits become probabilities by sigmoid()",
        )
    return to(lt(rand_like(p, generator=generator), p), p.dtype)


def is_tensor(obj: Any) -> bool:
    """Whether obj is a Tensor."""
    return isinstance(obj, Tensor)
