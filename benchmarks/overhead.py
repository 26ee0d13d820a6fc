"""What a call costs beside the arithmetic, against PyTorch: ``python -m benchmarks.overhead``.

Ops on 10 numbers, forward and both ways; a chain of 1,000 additions; the optimizer's step over the
parameters of LeNet; and the import against NumPy's.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks import pair, report, works
from benchmarks.report import Json

IMPORT_TARGET = 2.0  # at most so many times NumPy's import
ROOT = Path(__file__).resolve().parents[1]
CODE = "import time; t = time.perf_counter(); import {}; print(time.perf_counter() - t)"

Work = tuple[str, str, tuple[Any, ...]]


def listed(ops: list[str]) -> list[Work]:
    """Name, builder and arguments of what is timed in pairs."""
    found: list[Work] = []
    for name in ops:
        found.append((f"{name} forward", "op", (name, False)))
        found.append((f"{name} both ways", "op", (name, True)))
    return [*found, ("1,000 adds both ways", "chain", ()), ("LeNet's Adam step", *_STEP)]


_STEP: tuple[str, tuple[Any, ...]] = ("optimizer_step", ("lenet",))


def paired(sides: list[pair.Side], ops: list[str], rounds: int, seconds: float) -> Json:
    """By work what each side measured, and PyTorch's minimum over nnlite's."""
    results: Json = {}
    for name, builder, args in listed(ops):
        pair.measure(sides, builder, args, rounds, seconds)
        records = {side.name: report.record(side) for side in sides}
        results[name] = {
            "sides": records,
            "ratio": report.ratio(records["torch"], records["nnlite"]),
        }
    return results


def imports(modules: list[str], rounds: int) -> Json:
    """Seconds that each import takes in a fresh process, in turn, bytecode already written."""
    taken: dict[str, list[float]] = {module: [] for module in modules}
    errors: dict[str, str] = {}
    with pair.own_threads():
        environment = dict(os.environ)
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    for round_ in range(-1, rounds):  # the first one compiles, and is not counted
        for module in modules:
            if module in errors:
                continue
            done = subprocess.run(
                [sys.executable, "-c", CODE.format(module)],
                cwd=ROOT,
                env=environment,
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode:
                errors[module] = (done.stderr.strip().splitlines() or ["no message"])[-1]
            elif round_ >= 0:
                taken[module].append(float(done.stdout))
    sides = {module: _import_record(taken[module], errors.get(module)) for module in modules}
    value = report.ratio(sides.get("nnlite"), sides.get("numpy"))
    return {
        "sides": sides,
        "ratio": value,
        "target": IMPORT_TARGET,
        "reached": report.reached(value, IMPORT_TARGET, most=True),
    }


def _import_record(seconds: list[float], error: str | None) -> Json:
    side = pair.Side("", "eager", None, None, seconds, error or "")  # type: ignore[arg-type]
    return report.record(side)


def words(calls: Json, imported: Json) -> str:
    """Two tables."""
    rows = []
    for name, result in calls.items():
        ours, theirs = result["sides"]["nnlite"], result["sides"]["torch"]
        cells = [_us(record[key]) for record in (ours, theirs) for key in ("minimum", "median")]
        failed = "  ".join(record["error"] for record in (ours, theirs) if record["error"])
        rows.append([name, *cells, report.number(result["ratio"]), failed])
    header = ["per call, us", "nnlite min", "median", "torch min", "median", "torch/nnlite", ""]
    above = report.table(header, rows)
    rows = [
        [f"import {module}", report.ms(record["minimum"]), report.ms(record["median"])]
        for module, record in imported["sides"].items()
    ]
    below = report.table(["fresh process, ms", "min", "median"], rows)
    verdict = (
        f"import nnlite / import numpy: {report.number(imported['ratio'])}, "
        f"target at most {imported['target']:g}, "
        f"reached: {report.answer(imported['reached']) or '-'}"
    )
    return f"{above}\n\n{below}\n{verdict}"


def _us(seconds: float | None) -> str:
    return report.number(None if seconds is None else 1e6 * seconds)


def draw(calls: Json) -> Any:
    """The picture: PyTorch's time over nnlite's, work by work."""
    values = {name: result["ratio"] for name, result in calls.items()}
    return report.ratio_figure({"per call": values}, "PyTorch's time over nnlite's (CPU)")


def command(arguments: list[str] | None = None) -> None:
    """Measure, print, write."""
    parser = report.Parser("overhead", __doc__, rounds=9, seconds=0.05)
    parser.add_argument("--only", metavar="OP,...", help=f"ops among {', '.join(works.OPS)}")
    args = parser.parse_args(arguments)
    ops = list(works.OPS) if args.only is None else args.only.split(",")
    for name in ops:
        if name not in works.OPS:
            parser.error(f"argument --only: no op {name!r}; there are {', '.join(works.OPS)}")
    with pair.Team(args.threads) as team:
        sides = team.sides(("nnlite", "eager"), ("torch", "eager"))
        calls = paired(sides, ops, args.rounds, args.seconds)
    imported = imports(["numpy", "nnlite", "torch"], args.rounds)
    print(words(calls, imported))
    results = {"calls": calls, "import": imported}
    report.write("overhead", args, results, lambda: draw(calls), arguments)


def main(arguments: list[str] | None = None) -> int:
    """The command; returns the exit status."""
    return report.run(command, arguments)


if __name__ == "__main__":
    raise SystemExit(main())
