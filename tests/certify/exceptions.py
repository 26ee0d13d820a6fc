"""Where nnlite differs from PyTorch on purpose, and why. Everything else that differs fails."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Difference:
    """One deliberate difference.

    Attributes:
        rows: the rows' names, a regular expression that fits the whole name.
        kind: the kind of the check.
        where: a regular expression found in the check's description.
        reason: printed in the certificate.
        varies: PyTorch's kernels for some processors differ, for others they do not.
    """

    rows: str
    kind: str
    where: str
    reason: str
    varies: bool = False


DIFFERENCES: tuple[Difference, ...] = (
    # -- dtypes --------------------------------------------------------------------------------
    Difference(
        ".*",
        "dtypes",
        r"PyTorch: a result; nnlite: DtypeError .*expected float32 or float64",
        "integers and booleans are refused where PyTorch computes a rounded or useless result",
    ),
    Difference(
        ".*",
        "dtypes",
        r"PyTorch: a result; nnlite: DtypeError .*(as input has, got|of one dtype)",
        "tensors of two dtypes are refused where PyTorch promotes, as it does in most of these "
        "functions' neighbours",
    ),
    Difference(
        ".*",
        "dtypes",
        r"PyTorch: a result; nnlite: ArgumentError .*expected a number that fits into",
        "a number that an integer dtype cannot hold is refused, PyTorch wraps it round",
    ),
    Difference(
        "addmm|index_add",
        "dtypes",
        r"int|uint8|bool",
        "a fractional factor of integers is refused or gives floats, PyTorch cuts it to a whole",
    ),
    Difference(
        "setitem",
        "dtypes",
        r"PyTorch: RuntimeError Index put requires",
        "an assignment casts to the dtype of the target with every index, PyTorch with some",
    ),
    Difference(
        "masked_fill",
        "dtypes",
        r"PyTorch: RuntimeError Autograd not support dtype",
        "a floating value may be filled into integers; it gets no gradient",
    ),
    Difference(
        "einsum",
        "dtypes",
        r"not implemented for 'Bool'",
        "booleans are multiplied by and, added by or; PyTorch does so in some equations only",
    ),
    Difference(
        "clamp",
        "dtypes",
        r"not implemented for 'Bool'",
        "booleans can be held between two tensors as they can below one; PyTorch does the latter",
    ),
    Difference(
        "pad from itself",
        "dtypes",
        r"not implemented for 'Bool'",
        "booleans can be padded in every mode",
    ),
    # -- sizes ---------------------------------------------------------------------------------
    Difference(
        ".*pool.*|F.unfold|pad from itself",
        "sizes",
        r"PyTorch: RuntimeError .*(optional 0 dim batch|possibly 0 batch|0 batch size); nnlite: a "
        "result|; nnlite: a result",
        "an empty dimension gives an empty result, and the mode of padding does not depend on the "
        "number of dimensions",
    ),
    Difference(
        "adaptive_avg_pool2d|batch_norm.*|interpolate area|cat|roll|getitem advanced|mT",
        "sizes",
        r"PyTorch: a result; nnlite: (ShapeError|NnliteIndexError)",
        "dimensions, sizes and indices are checked also where PyTorch does not look because the "
        "tensor is empty or has another path (the output size 1, no dimension at all)",
    ),
    Difference(
        "cross_entropy, probabilities",
        "sizes",
        r"expected at least one class",
        "scores of no class at all are refused, PyTorch gives 0 or NaN",
    ),
    Difference(
        "topk",
        "sizes",
        r"error",
        "with sorted=False the order is not defined; nnlite sorts all the same",
    ),
    # -- special numbers -------------------------------------------------------------------------
    Difference(
        "relu6|hardtanh",
        "special numbers",
        r"\(NaN\): float64 gradient",
        "the gradient at NaN is gy in both dtypes; in PyTorch's float64 kernel it is 0",
    ),
    Difference(
        "gelu",
        "special numbers",
        r"\((inf|largest)\): float32 output",
        "PyTorch's float32 kernel overflows: NaN at infinity, infinite at the largest number",
        varies=True,
    ),
    Difference(
        "elu|celu|selu|hardswish",
        "special numbers",
        r"\(NaN\): float64 gradient",
        "the gradient at NaN is that of one side in both dtypes; in PyTorch's float64 kernel for "
        "some processors it is NaN",
        varies=True,
    ),
    Difference(
        "mish",
        "special numbers",
        r"largest\): .* gradient",
        "made of two ops, whose product overflows before it meets the factor 0",
    ),
    Difference(
        "binary_cross_entropy",
        "special numbers",
        r"gradient 1",
        "the gradient of the target is that of the clamped logarithms, at most 100; PyTorch takes "
        "it of the logarithms, which is infinite",
    ),
    Difference(
        "binary_cross_entropy_with_logits",
        "special numbers",
        r"largest.* gradient|inf.* gradient",
        "another order of operations: targets near the largest number do not overflow, infinite "
        "ones give NaN",
    ),
    Difference(
        "prod",
        "special numbers",
        r"(nan|NaN|inf|subnormal|largest).* gradient 0",
        "the product of the other elements, as the formula says; PyTorch divides the result by "
        "the element, which fails for NaN, infinities and overflow",
    ),
    Difference(
        "std|var",
        "special numbers",
        r"largest .*float32",
        "squares of float32 are summed in float32 and overflow; PyTorch's sums are float64",
    ),
    Difference(
        "norm",
        "special numbers",
        r"(nan|NaN|largest).* gradient 0",
        "next to a NaN the gradient is NaN in all elements that count, and 0 at 0; PyTorch's "
        "choice depends on the order of the norm",
    ),
)


def known(row: str, kind: str, what: str) -> Difference | None:
    """The difference that a failed check falls under, if any."""
    for difference in DIFFERENCES:
        if (
            difference.kind == kind
            and re.fullmatch(difference.rows, row)
            and re.search(difference.where, what)
        ):
            return difference
    return None
