"""``python -m tests.certify``: run the certificate and write docs/certificate.md."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import nnlite
from nnlite.errors import NnliteError
from tests.cases import collect
from tests.certify import device_report
from tests.certify.exceptions import DIFFERENCES, Difference
from tests.certify.record import Record
from tests.certify.report import document
from tests.certify.run import certify

DOCS = Path(__file__).parents[2] / "docs"
CERTIFICATE = DOCS / "certificate.md"


def unused(records: Sequence[Record]) -> list[Difference]:
    """Differences from PyTorch that are stated, but do not show."""
    seen = {difference for record in records for difference in record.differences}
    return [d for d in DIFFERENCES if d not in seen and not d.varies]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, write, and return the exit status: 1 where a check failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.certify", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a seeded part; writes no document")
    parser.add_argument("--jobs", type=int, default=2, help="processes (default 2)")
    parser.add_argument("--only", default="", help="rows whose name contains this; no document")
    parser.add_argument("--out", type=Path, help=f"default docs/{CERTIFICATE.name}")
    parser.add_argument(
        "--device",
        default="cpu",
        help="certify this device's agreement with the CPU and with PyTorch there; writes "
        "docs/certificate_DEVICE.md, and nothing where a check failed",
    )
    options = parser.parse_args(arguments)
    try:
        nnlite.zeros(1, device=options.device)
    except NnliteError as error:
        parser.exit(2, f"{parser.prog}: --device: {' '.join(str(error).split())}\n")
    rows = [case for case in collect() if options.only in case.name] if options.only else None
    began = time.monotonic()

    def progress(record: Record) -> None:
        for failure in record.failures:
            print(f"FAILED {failure}", flush=True)

    where = options.device
    records = certify(rows, quick=options.quick, jobs=options.jobs, progress=progress, where=where)
    if not options.quick and rows is None and where == "cpu":
        for difference in unused(records):
            print(f"FAILED no longer needed: {difference}")
            records[-1].failures.append(f"no longer needed: {difference}")
    failed = sum(len(record.failures) for record in records)
    usual = CERTIFICATE if where == "cpu" else DOCS / f"certificate_{where}.md"
    out = options.out or (None if options.quick or options.only else usual)
    if out is not None and where != "cpu":
        if failed:
            out = None
        else:
            out.write_text(device_report.document(records, where), encoding="utf-8")
    elif out is not None:
        out.write_text(document(records), encoding="utf-8")
    if out is not None:
        print(f"written: {out.name}")
    cases = sum(record.cases for record in records)
    different = sum(record.different for record in records)
    print(f"{different:,} cases differ from PyTorch for a stated reason")
    print(f"{cases:,} cases, {failed} failures, {time.monotonic() - began:.0f} s")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
