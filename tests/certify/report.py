"""docs/certificate.md: what was checked, how near it came, and where nnlite differs on purpose."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

import nnlite
from tests.certify import derivatives, values
from tests.certify.optimizers import LBFGS, RULES
from tests.certify.record import Record

SINGLE = "1e-5; 4e-5 in convolutions and normalizations, 2e-5 in bilinear"
MEASURED = f"{derivatives.DIFFERENCES:.0e} + {derivatives.ROUNDING:.0e} \\|f\\|"

KINDS: dict[str, tuple[str, str, str]] = {
    "forward float64": ("f64", "result, float64, against PyTorch", "1e-7"),
    "forward float32": ("f32", "result, float32, against PyTorch", SINGLE),
    "vjp float64": ("vjp64", "gradient by a random cotangent, float64, against PyTorch", "1e-7"),
    "vjp float32": ("vjp32", "the same in float32", SINGLE),
    "float32 itself": (
        "32/64",
        "float32 against nnlite's own float64, result and gradient",
        SINGLE,
    ),
    "differences": (
        "diff",
        "gradient against central differences with the steps "
        + " and ".join(f"{s:.0e}" for s in derivatives.STEPS)
        + "; gradcheck",
        MEASURED,
    ),
    "complex step": (
        "complex",
        "gradient against Im f(x + ih) / h, where f is analytic",
        f"{derivatives.COMPLEX:.0e}",
    ),
    "second order": ("2nd", "second derivative against PyTorch's; gradgradcheck", "1e-7"),
    "second differences": (
        "2nd diff",
        "second derivative against differences of the gradient, both steps",
        MEASURED,
    ),
    "layouts": (
        "layouts",
        "Fortran, sliced, negative strides, transposed, read-only, stride 0, shared by "
        "from_numpy, byte-swapped: against contiguous memory",
        f"{values.SELF:.0e}",
    ),
    "subsets": ("subsets", "each choice of the inputs that require a gradient", "1e-12"),
    "dtypes": (
        "dtypes",
        "float32, float64, int64, int32, uint8, bool and pairs: PyTorch's result, dtype and "
        "gradient, or its refusal",
        "1e-7, with float32 1e-5, as above",
    ),
    "sizes": (
        "sizes",
        "0-d, empty, one element, odd, five dimensions: PyTorch's result or its refusal",
        "1e-7",
    ),
    "special numbers": (
        "special",
        "NaN, infinities, both zeros, subnormal and largest numbers, result and gradient",
        "1e-7, float32 1e-5",
    ),
    "ties and kinks": ("kinks", "points without a derivative, result and gradient", "0"),
    "trajectory float64": (
        "f64",
        "parameters after 50 steps of an optimizer against torch.optim (LBFGS: after each of 4 "
        "steps of up to 20 iterations)",
        f"{RULES['float64']:.0e}, LBFGS {LBFGS:.0e}",
    ),
    "trajectory float32": ("f32", "the same in float32", f"{RULES['float32']:.0e}"),
}
COLUMNS = [kind for kind in KINDS if not kind.startswith(("ties", "trajectory"))]


def document(records: Sequence[Record]) -> str:
    """The certificate as Markdown."""
    cases = sum(record.cases for record in records)
    failed = sum(len(record.failures) for record in records)
    different = sum(record.different for record in records)
    ops = [r for r in records if r.name != "ties and kinks" and not r.name.startswith("optim.")]
    lines = [
        "# Certificate",
        "",
        f"nnlite {nnlite.__version__}, checked with NumPy {np.__version__} and PyTorch "
        f"{torch.__version__.split('+')[0]}: {cases:,} cases, {failed} failures. Of these cases "
        f"{different:,} differ from PyTorch on purpose:",
        "they are listed at the end with the reason, and left out of the errors. Made by",
        "`make certify`; not edited by hand.",
        "",
        "A case is one comparison or check of one op on one input. The error of a against b is",
        "|a - b| / (1 + |b|), the largest over all elements; shapes and dtypes are equal in every",
        "case. NaN stands only for NaN, an infinity only for itself.",
        "",
        "| kind | column | cases | largest error | tolerance |",
        "|---|---|--:|--:|--:|",
        *(_kind_line(kind, records) for kind in KINDS),
        "",
        "## Op by op",
        "",
        "The largest error of each kind; 0 where all are equal to the bit, empty where the kind",
        "does not apply. Second order: whether create_graph=True is supported.",
        "",
        f"| op | cases | second order | {' | '.join(KINDS[kind][0] for kind in COLUMNS)} |",
        f"|---|--:|:-:|{'--:|' * len(COLUMNS)}",
        *(_op_line(record) for record in ops),
        "",
        "## Ties, kinks and optimizers",
        "",
        "| | cases | float64 | float32 |",
        "|---|--:|--:|--:|",
        *(_other_line(record) for record in records if record not in ops),
        "",
        "## Where nnlite differs from PyTorch",
        "",
        *_differences(records),
        "",
    ]
    failures = [failure for record in records for failure in record.failures]
    if failures:
        lines += ["## Failures", "", *(f"- {failure}" for failure in failures), ""]
    return "\n".join(lines)


def _number(record: Record, kind: str) -> str:
    tally = record.tallies.get(kind)
    return "" if tally is None else f"{tally.worst:.0e}" if tally.worst else "0"


def _kind_line(kind: str, records: Sequence[Record]) -> str:
    found = [record.tallies[kind] for record in records if kind in record.tallies]
    column, text, limit = KINDS[kind]
    worst = max((tally.worst for tally in found), default=0.0)
    cases = sum(tally.cases for tally in found)
    return f"| {text} | {column} | {cases:,} | {f'{worst:.0e}' if worst else '0'} | {limit} |"


def _op_line(record: Record) -> str:
    order = {None: "", True: "yes", False: "no"}[record.double]
    numbers = " | ".join(_number(record, kind) for kind in COLUMNS)
    return f"| {record.name} | {record.cases} | {order} | {numbers} |"


def _other_line(record: Record) -> str:
    if record.name == "ties and kinks":
        return f"| {record.name} | {record.cases} | 0 | 0 |"
    double, single = (_number(record, f"trajectory {d}") for d in ("float64", "float32"))
    return f"| {record.name} | {record.cases} | {double} | {single} |"


def _differences(records: Sequence[Record]) -> list[str]:
    reasons: dict[str, list[str]] = {}
    for record in records:
        for difference in record.differences:
            names = reasons.setdefault(difference.reason, [])
            if record.name not in names:
                names.append(record.name)
    return [f"- {', '.join(names)}: {reason}" for reason, names in reasons.items()] or ["Nowhere."]
