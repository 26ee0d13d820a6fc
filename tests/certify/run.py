"""A row from beginning to end, and all rows in several processes."""

from __future__ import annotations

import multiprocessing
import traceback
import warnings
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from tests.cases import collect
from tests.cases.base import OpCase, Sample
from tests.certify import derivatives, device, inputs, special, values
from tests.certify.optimizers import NAMES, trajectories
from tests.certify.record import Record
from tests.op_driver import samples_of

KINKS = "ties and kinks"
QUICK_ROWS, QUICK_SAMPLES = 24, 2


def certify_row(case: OpCase, *, quick: bool = False) -> Record:
    """All checks of a row. A crash is a failure of that check."""
    record = Record(case.name, double=case.double if case.differentiable else None)
    samples = samples_of(case)
    if quick:
        chosen = np.random.default_rng(3).permutation(len(samples))[:QUICK_SAMPLES]
        samples = [samples[i] for i in sorted(chosen)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", RuntimeWarning)  # NumPy's: no op may let one escape
        for sample in samples:
            for kind, check in _checks(case, sample):
                _guarded(record, kind, sample, check)
        for sample in inputs.spread(samples, 6):
            _guarded(record, "dtypes", sample, partial(inputs.dtypes, record, case, sample))
            _guarded(record, "sizes", sample, partial(inputs.shapes, record, case, sample))
        for sample in special.chosen(case, inputs.spread(samples, 6)):
            for dtype in values.TOLERANCES:
                check = partial(special.special_numbers, record, case, sample, dtype)
                _guarded(record, "special numbers", sample, check)
    return record


def _checks(case: OpCase, sample: Sample) -> list[tuple[str, Callable[[Record], None]]]:
    found: list[tuple[str, Callable[[Record], None]]] = [
        (f"forward {d}", lambda r, d=d: values.against_torch(r, case, sample, d))
        for d in values.TOLERANCES
    ]
    found.append(("layouts", lambda r: values.layouts(r, case, sample)))
    if case.differentiable:
        found.append(("subsets", lambda r: values.subsets(r, case, sample)))
    if not sample.smooth:
        return found
    found.append(("float32 itself", lambda r: values.single_against_double(r, case, sample)))
    if case.differentiable and all(a.dtype != np.float32 for a in inputs.arrays(sample)):
        found += [
            ("differences", lambda r: derivatives.differences(r, case, sample)),
            ("complex step", lambda r: derivatives.complex_steps(r, case, sample)),
            ("second order", lambda r: derivatives.second_order(r, case, sample)),
        ]
    return found


def _guarded(record: Record, kind: str, sample: Sample, check: Callable[..., None]) -> None:
    try:
        check(record) if not isinstance(check, partial) else check()
    except Exception as error:  # a crash must not hide the other checks
        line = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{line.filename.rsplit('/', 1)[-1]}:{line.lineno}"
        record.true(kind, False, f"{sample.id}: {type(error).__name__} at {place}: {error}")


def certify_unit(
    name: str, *, quick: bool = False, rows: Sequence[OpCase] | None = None, where: str = "cpu"
) -> Record:
    """A row, an optimizer or the table of kinks, by name, on a device."""
    if where != "cpu":
        if name == KINKS:
            return device.ties_and_kinks(where)
        return device.certify_row(next(c for c in rows or collect() if c.name == name), where)
    if name == KINKS:
        return special.ties_and_kinks()
    if name.startswith("optim."):
        return trajectories(name.removeprefix("optim."))
    return certify_row(next(c for c in rows or collect() if c.name == name), quick=quick)


def units(rows: Sequence[OpCase], *, quick: bool = False) -> list[str]:
    """What is to be certified, in the order of the document."""
    names = [case.name for case in rows]
    if quick:
        chosen = np.random.default_rng(5).permutation(len(names))[:QUICK_ROWS]
        return [*(names[i] for i in sorted(chosen)), KINKS, "optim.Adam"]
    return [*names, KINKS, *(f"optim.{name}" for name in NAMES)]


def certify(
    rows: Sequence[OpCase] | None = None,
    *,
    quick: bool = False,
    jobs: int = 1,
    progress: Callable[[Record], None] = lambda record: None,
    where: str = "cpu",
) -> list[Record]:
    """The records of all units. Rows other than the table's own are run in this process.

    Optimizers are left out on another device than the CPU: their tests run there.
    """
    names = units(collect() if rows is None else rows, quick=quick)
    if where != "cpu":
        names = [name for name in names if not name.startswith("optim.")]
    found: dict[str, Record] = {}
    if jobs < 2 or rows is not None:
        for name in names:
            found[name] = certify_unit(name, quick=quick, rows=rows, where=where)
            progress(found[name])
        return [found[name] for name in names]
    with multiprocessing.get_context("spawn").Pool(jobs) as pool:
        work = partial(certify_unit, quick=quick, where=where)
        for record in pool.imap_unordered(work, names):
            found[record.name] = record
            progress(record)
    return [found[name] for name in names]
