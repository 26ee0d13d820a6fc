"""docs/certificate_cuda.md: how near a device came to the CPU, op by op."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

import nnlite
from tests.certify.device import LIMITS
from tests.certify.record import Record

DOUBLE = f"{LIMITS['float64']:.0e}"
SINGLE = f"{LIMITS['float32']:.0e}, more after long sums"

KINDS: dict[str, tuple[str, str, str]] = {
    "CPU float64": ("f64", "result and gradient against nnlite on the CPU, float64", DOUBLE),
    "CPU float32": ("f32", "the same in float32", SINGLE),
    "PyTorch float64": ("torch64", "result and gradient against PyTorch, float64", "1e-7"),
    "PyTorch float32": ("torch32", "the same in float32", SINGLE),
    "second order": ("2nd", "gradient of the gradient against the CPU's", DOUBLE),
    "layouts": ("layouts", "inputs in other memory than row by row, against the CPU", DOUBLE),
    "special numbers": ("special", "NaN, infinities, both zeros, against the CPU", DOUBLE),
    "random numbers": ("random", "each element of a dropout is kept and scaled, or 0", SINGLE),
    "ties and kinks": ("kinks", "points without a derivative, against PyTorch", DOUBLE),
}


def document(records: Sequence[Record], device: str) -> str:
    """The certificate of a device as Markdown."""
    cases = sum(record.cases for record in records)
    name = nnlite.cuda.get_device_name() if device == "cuda" else device
    lines = [
        f"# Certificate of {device}",
        "",
        f"nnlite {nnlite.__version__} on {name}, with NumPy {np.__version__} and PyTorch "
        f"{torch.__version__} on the CPU: {cases:,} cases, no failure.",
        f"Made by `python -m tests.certify --device {device}`; not edited by hand. What a case and",
        "an error are is said in [certificate.md](certificate.md).",
        "",
        "| kind | column | cases | largest error | tolerance |",
        "|---|---|--:|--:|--:|",
        *(_kind_line(kind, records) for kind in KINDS),
        "",
        f"| op | cases | {' | '.join(column for column, *_ in KINDS.values())} |",
        f"|---|--:|{'--:|' * len(KINDS)}",
        *(_op_line(record) for record in records),
        "",
    ]
    return "\n".join(lines)


def _number(worst: float) -> str:
    return f"{worst:.0e}" if worst else "0"


def _kind_line(kind: str, records: Sequence[Record]) -> str:
    found = [record.tallies[kind] for record in records if kind in record.tallies]
    column, text, limit = KINDS[kind]
    worst = max((tally.worst for tally in found), default=0.0)
    cases = sum(tally.cases for tally in found)
    return f"| {text} | {column} | {cases:,} | {_number(worst)} | {limit} |"


def _op_line(record: Record) -> str:
    cells = [
        _number(record.tallies[kind].worst) if kind in record.tallies else "" for kind in KINDS
    ]
    return f"| {record.name} | {record.cases} | {' | '.join(cells)} |"
