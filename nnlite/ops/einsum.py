"""einsum: sums of products over named dimensions, by way of matmul."""

from __future__ import annotations

import string
from typing import Any

from nnlite.autograd.op import Op
from nnlite.autograd.tensor import Tensor
from nnlite.backend import Array, array_module, backend_of
from nnlite.errors import ArgumentError, DtypeError, ShapeError
from nnlite.ops.common import as_tensor, check_same_device
from nnlite.ops.reduce import sum
from nnlite.ops.shape import permute, squeeze, unsqueeze

__all__ = ["einsum"]


class Contract(Op):
    """The product of two tensors whose dimensions have names (letters), summed over those not kept.

    No letter stands twice in one operand, and each stands in the other operand or in the result.
    The gradients are of the same kind: d/da = gy and b contracted to a's letters, d/db likewise.
    """

    @staticmethod
    def forward(ctx: Any, a: Array, b: Array, *, left: str, right: str, out: str) -> Array:
        ctx.save_inputs(0, 1)
        batch = [c for c in left if c in right and c in out]
        inner = [c for c in left if c in right and c not in out]
        rows = [c for c in left if c not in right]
        columns = [c for c in right if c not in left]
        sizes = dict(zip(left + right, a.shape + b.shape, strict=True))
        a = _as_blocks(a, left, batch, rows, inner, sizes)  # (batch, rows, inner)
        b = _as_blocks(b, right, batch, inner, columns, sizes)  # (batch, inner, columns)
        order = [*batch, *rows, *columns]
        y = backend_of(a).matmul(a, b).reshape([sizes[c] for c in order])
        return y.transpose([order.index(c) for c in out])

    @staticmethod
    def backward(ctx: Any, gy: Any) -> Any:
        need_a, need_b = ctx.needs_input_grad
        left, right, out = ctx.left, ctx.right, ctx.out
        ga = gb = None
        if need_a:
            ga = Contract.call(gy, ctx.input(1), left=out, right=right, out=left)
        if need_b:
            gb = Contract.call(gy, ctx.input(0), left=out, right=left, out=right)
        return ga, gb


def _as_blocks(
    x: Array, letters: str, first: list[str], second: list[str], third: list[str], sizes: Any
) -> Array:
    """x in three dimensions, each of which holds the named ones."""
    shape = [1, 1, 1]
    for i, group in enumerate((first, second, third)):
        for c in group:
            shape[i] *= sizes[c]
    return x.transpose([letters.index(c) for c in first + second + third]).reshape(shape)


class Diagonal(Op):
    """The elements of x whose indices in dimensions i and j are equal, along i; j is dropped.

    d/dx = gy on the diagonal, 0 elsewhere.
    """

    @staticmethod
    def forward(ctx: Any, x: Array, *, i: int, j: int) -> Array:
        y = array_module(x).diagonal(x, axis1=i, axis2=j)  # the diagonal comes last
        return array_module(x).moveaxis(y, -1, i).copy()

    @staticmethod
    def backward(ctx: Any, gy: Any) -> Any:
        return OnDiagonal.call(gy, i=ctx.i, j=ctx.j)


class OnDiagonal(Op):
    """x put on the diagonal of dimensions i < j, 0 elsewhere.  d/dx = the diagonal of gy."""

    @staticmethod
    def forward(ctx: Any, x: Array, *, i: int, j: int) -> Array:
        xp, n = array_module(x), x.shape[i]
        places = xp.arange(n)
        rest = x.ndim - j  # dimensions of x that come after j in the result
        on = places.reshape((n,) + (1,) * (j - i + rest)) == places.reshape((n,) + (1,) * rest)
        return xp.where(on, x.reshape((*x.shape[:j], 1, *x.shape[j:])), 0.0)

    @staticmethod
    def backward(ctx: Any, gy: Any) -> Any:
        return Diagonal.call(gy, i=ctx.i, j=ctx.j)


# -- public ----------------------------------------------------------------------------------


def einsum(equation: str, *operands: Any) -> Tensor:
    """The sum of products that an equation describes, as ``torch.einsum``.

    ``einsum("bij,bjk->bik", a, b)`` is the batched matrix product. Each letter names a dimension;
    letters left out of the result are summed over; a letter twice in one operand takes the
    diagonal; ``...`` stands for dimensions that broadcast. Without ``->`` the result has the
    letters that stand once, in alphabetical order, after the dimensions of ``...``.

    Args:
        equation: operands' letters, separated by commas, then ``->`` and the result's.
        operands: Tensors, or one list of them; products are formed from left to right.

    Raises:
        ArgumentError: an equation that cannot be read, or for another number of operands.
        ShapeError: an operand with another number of dimensions, or one letter with two sizes.
        DtypeError: two dtypes.
    """
    if len(operands) == 1 and isinstance(operands[0], (list, tuple)):
        operands = tuple(operands[0])
    tensors = [as_tensor("einsum", x, f"operands[{i}]") for i, x in enumerate(operands)]
    terms, out = _parse(equation, tensors)
    check_same_device("einsum", *tensors)
    if len({t.dtype for t in tensors}) > 1:
        raise DtypeError(
            "einsum",
            "operands",
            expected="tensors of one dtype",
            got=", ".join(t.dtype.name for t in tensors),
            hint="convert them with .to(dtype)",
        )
    _check_sizes(equation, terms, tensors)
    pairs = [_simplified(t, term) for t, term in zip(tensors, terms, strict=True)]
    x, letters = pairs[0]
    for k, (other, right) in enumerate(pairs[1:], start=2):
        kept = out + "".join(term for _, term in pairs[k:])
        x, letters = _summed(x, letters, right + kept)
        other, right = _summed(other, right, letters + kept)
        product = "".join(c for c in dict.fromkeys(letters + right) if c in kept)
        x, letters = Contract.apply(x, other, left=letters, right=right, out=product), product
    x, letters = _summed(x, letters, out)
    for c in out:
        if c not in letters:  # of size 1, dropped before
            x, letters = unsqueeze(x, 0), c + letters
    return permute(x, [letters.index(c) for c in out]) if letters != out else x


def _summed(x: Tensor, letters: str, needed: str) -> tuple[Tensor, str]:
    """x summed over the dimensions that nothing else needs."""
    dims = tuple(i for i, c in enumerate(letters) if c not in needed)
    return (sum(x, dims) if dims else x), "".join(c for c in letters if c in needed)


def _simplified(x: Tensor, term: str) -> tuple[Tensor, str]:
    """x without repeated letters (diagonals) and without dimensions of size 1."""
    j = 0
    while j < len(term):
        i = term.index(term[j])
        if i < j:
            x = Diagonal.apply(x, i=i, j=j)
            term = term[:j] + term[j + 1 :]
        else:
            j += 1
    ones = tuple(i for i, n in enumerate(x.shape) if n == 1)
    return (squeeze(x, ones) if ones else x), "".join(
        c for i, c in enumerate(term) if i not in ones
    )


def _parse(equation: str, tensors: list[Tensor]) -> tuple[list[str], str]:
    """The letters of each operand and of the result, with ``...`` turned into free letters."""
    text = equation.replace(" ", "") if isinstance(equation, str) else ""
    left, arrow, out = text.partition("->")
    terms = left.split(",")
    if not text or len(terms) != len(tensors):
        raise ArgumentError(
            "einsum",
            "equation",
            expected=f"letters for {len(tensors)} operands, separated by commas",
            got=repr(equation),
            hint="for example einsum('ij,jk->ik', a, b)",
        )
    named = [term.replace("...", "", 1) for term in [*terms, out]]
    if not all(c in string.ascii_letters for term in named for c in term):
        raise _unreadable(equation, "letters and ... only, once per operand")
    most = 0
    for k, (term, letters, x) in enumerate(zip(terms, named[:-1], tensors, strict=True)):
        more = x.ndim - len(letters)
        if more < 0 or (more and "..." not in term):
            raise ShapeError(
                "einsum",
                f"operands[{k}]",
                expected=f"{len(letters)} dimensions, as {term!r} says",
                got=f"shape {x.shape}",
                hint="... stands for dimensions without a letter",
            )
        most = max(most, more)
    used = set("".join(named))
    free = "".join([c for c in string.ascii_letters if c not in used][:most])
    full = []
    for term, letters, x in zip(terms, named[:-1], tensors, strict=True):
        full.append(term.replace("...", free[most - (x.ndim - len(letters)) :]))
    if not arrow:
        joined = "".join(named[:-1])
        return full, free + "".join(sorted(c for c in used if joined.count(c) == 1))
    if len(set(named[-1])) != len(named[-1]) or not set(named[-1]) <= set("".join(named[:-1])):
        raise _unreadable(equation, "a result whose letters stand in the operands, each once")
    return full, out.replace("...", free)


def _unreadable(equation: str, expected: str) -> ArgumentError:
    return ArgumentError(
        "einsum",
        "equation",
        expected=expected,
        got=repr(equation),
        hint="for example einsum('bij,bjk->bik', a, b)",
    )


def _check_sizes(equation: str, terms: list[str], tensors: list[Tensor]) -> None:
    """Refuse a letter with two sizes; 1 gives way to any other."""
    sizes: dict[str, int] = {}
    for k, (term, x) in enumerate(zip(terms, tensors, strict=True)):
        for c, n in zip(term, x.shape, strict=True):
            if sizes.setdefault(c, n) == 1:
                sizes[c] = n
            if n not in (1, sizes[c]):
                raise ShapeError(
                    "einsum",
                    f"operands[{k}]",
                    expected=f"size {sizes[c]} for {c!r} in {equation!r}, as before",
                    got=f"{n} in {x.shape}",
                    hint="a letter has one size everywhere",
                )
        repeated = {c for c in term if term.count(c) > 1}
        for c in repeated:
            own = {n for d, n in zip(term, x.shape, strict=True) if d == c}
            if len(own) > 1:
                raise ShapeError(
                    "einsum",
                    f"operands[{k}]",
                    expected=f"one size for the repeated {c!r}",
                    got=f"shape {x.shape}",
                    hint="a diagonal needs equal sizes",
                )
