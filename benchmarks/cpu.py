"""nnlite against PyTorch on the CPU, taking turns: ``python -m benchmarks.cpu --only lenet,cnn``.

Ratios are PyTorch's minimum over nnlite's: above 1, nnlite is faster. The first target is for
PyTorch as a script is usually written, the second for the fastest of its variants.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from importlib.util import find_spec
from typing import Any

from benchmarks import pair, report, works
from benchmarks.report import Json

Who = tuple[str, str]
NNLITE, CAPTURED = ("nnlite", "eager"), ("nnlite", "captured")
EAGER, FUSED = ("torch", "eager"), ("torch", "fused")
CHANNELS_LAST, COMPILE, JAX = ("torch", "channels_last"), ("torch", "compile"), ("jax", "eager")


@dataclass(frozen=True)
class Row:
    """A line of the table.

    Attributes:
        name: what --only takes.
        builder, args: the work, a function of works.py and its arguments after the library.
        written: target for PyTorch as written.
        best: target for its best variant; None: only the former is measured.
        variants: PyTorch's further ones.
        captured: whether nnlite runs it as a captured step, too.
        jax: whether works_jax.py has it, too.
        one: one call per turn, however short a turn is meant to be.
    """

    name: str
    builder: str
    args: tuple[Any, ...]
    written: float
    best: float | None = None
    variants: tuple[Who, ...] = ()
    captured: bool = True
    jax: bool = False
    one: bool = False

    def sides(self, compile_: bool, jax: bool) -> list[Who]:
        """The processes that measure it."""
        compiled = [COMPILE] if compile_ and self.best is not None else []
        captured = [CAPTURED] if self.captured else []
        peers = [*self.variants, *compiled, *([JAX] if jax and self.jax else [])]
        return [NNLITE, *captured, EAGER, *peers]


def rows(images: int) -> list[Row]:
    """All works, with what the project wants to reach."""
    dense, conv = (FUSED,), (FUSED, CHANNELS_LAST)
    trained = [
        Row("mlp-small", "training", ("mlp-small",), 2.5, 1.2, dense, jax=True),
        Row("mlp-large", "training", ("mlp-large",), 2.5, 1.1, dense, jax=True),
        Row("autoencoder", "training", ("autoencoder",), 1.15, 1.0, dense),
        Row("autoencoder-float64", "training", ("autoencoder", "float64"), 1.15, 1.0, dense),
        Row("lenet", "training", ("lenet",), 1.3, 1.0, conv),
        Row("cnn", "training", ("cnn",), 1.6, 1.05, conv),
        Row("lenet-epoch", "epoch", ("lenet", images), 2.0, one=True),
    ]
    inferred = [
        Row(f"{name}-infer-{batch}", "inference", (name, batch), target)
        for name in works.NETWORKS
        for batch, target in ((1, 1.0), (1000, 1.2))
    ]
    return [*trained, *inferred, Row("chain", "chain", (), 1.0, captured=False)]


def choose(everything: Sequence[Row], only: str | None) -> list[Row]:
    """The rows that a list of names and patterns (``*-infer-1``) selects; None: all.

    Raises:
        ValueError: a name that fits no row.
    """
    if only is None:
        return list(everything)
    wanted = [pattern for pattern in only.split(",") if pattern]
    for pattern in wanted:
        if not any(fnmatchcase(row.name, pattern) for row in everything):
            names = ", ".join(row.name for row in everything)
            raise ValueError(f"argument --only: no row {pattern!r}; there are {names}")
    if not wanted:
        raise ValueError("argument --only: expected names of rows, got none")
    return [row for row in everything if any(fnmatchcase(row.name, p) for p in wanted)]


def judge(row: Row, sides: Iterable[pair.Side]) -> Json:
    """A row's result: what each side measured, the two ratios, and whether they reach the targets.

    PyTorch as written counts among its variants: the best is the fastest of all that worked. A
    target may be reached by nnlite as written or captured.
    """
    sides = list(sides)
    records = {side.name: report.record(side) for side in sides}
    others = [side.name for side in sides if side.library != "nnlite"]
    ratios, captured = (
        {name: report.ratio(records[name], records.get(ours)) for name in others}
        for ours in ("nnlite", "nnlite captured")
    )
    torch = {side.name for side in sides if side.library == "torch"}
    known = {name: ratios[name] for name in torch if ratios[name] is not None}
    fastest = min(known, key=lambda name: known[name], default=None)

    def judged(side: str | None, target: float) -> Json:
        values = [found.get(side) for found in (ratios, captured)] if side else [None, None]
        most = max((value for value in values if value is not None), default=None)
        reached = report.reached(most, target)
        return {"ratio": values[0], "captured": values[1], "target": target, "reached": reached}

    return {
        "sides": records,
        "ratios": ratios,
        "captured": captured,
        "written": judged("torch", row.written),
        "best": {"side": fastest, **judged(fastest, row.best)} if row.best is not None else None,
    }


HEADER = (
    "work", f"{'side':<20}", "min ms", "median ms", "ratio", "captured", "target", "reached"
)  # fmt: skip
WIDTHS = (20, 20, 9, 9, 7, 8, 11, 8)


def lines(name: str, result: Json) -> list[str]:
    """A row of the report: a line for each side, targets beside the sides that they are for."""
    found = []
    for side, record in result["sides"].items():
        written, best = result["written"], result["best"]
        mine = [written] if side == "torch" else []
        mine += [best] if best and side == best["side"] else []
        cells = [
            "" if found else name,
            f"{side:<{WIDTHS[1]}}",
            report.ms(record["minimum"]),
            report.ms(record["median"]),
            *_ratios(result, side),
            " / ".join(f"{target['target']:g}" for target in mine),
            " / ".join(report.answer(target["reached"]) for target in mine),
        ]
        text = report.line(cells, WIDTHS)
        found.append(f"{text}  failed: {record['error']}" if record["error"] else text)
    return found


def _ratios(result: Json, side: str) -> list[str]:
    found = [result[kind].get(side) for kind in ("ratios", "captured")]
    return ["" if value is None else report.number(value) for value in found]


def draw(results: dict[str, Json]) -> Any:
    """The picture: both ratios of each row, for nnlite's faster side, and their targets."""
    series: dict[str, dict[str, float | None]] = {"as written": {}, "best variant": {}}
    targets: dict[str, dict[str, float | None]] = {"as written": {}, "best variant": {}}
    for name, result in results.items():
        for label, key in (("as written", "written"), ("best variant", "best")):
            target = result[key] or {"ratio": None, "captured": None, "target": None}
            values = [target[kind] for kind in ("ratio", "captured") if target[kind] is not None]
            series[label][name], targets[label][name] = max(values, default=None), target["target"]
    return report.ratio_figure(series, "PyTorch's time over nnlite's (CPU)", targets)


def command(arguments: list[str] | None = None) -> None:
    """Measure, print, write."""
    parser = report.Parser("cpu", __doc__, rounds=9, seconds=0.3)
    parser.add_argument("--only", metavar="ROW,...", help="rows by name or pattern; else all")
    parser.add_argument(
        "--images", type=report.whole(1), default=60_000, help="of the epoch (60000)"
    )
    parser.add_argument(
        "--compile", action="store_true", help="torch.compile, too: a minute more per row"
    )
    args = parser.parse_args(arguments)
    try:
        chosen = choose(rows(args.images), args.only)
    except ValueError as error:
        parser.error(str(error))
    with pair.Team(args.threads) as team:
        measure(team, chosen, args, arguments)


def measure(
    team: pair.Team, chosen: list[Row], args: argparse.Namespace, arguments: list[str] | None
) -> None:
    """Row by row; what is measured when Ctrl-C comes is written, too."""
    jax = find_spec("jax") is not None
    if not jax and any(row.jax for row in chosen):
        print("jax is not installed: left out")
    print(
        f"{args.threads} threads each, {args.rounds} rounds; ratio: a side's minimum / nnlite's, "
        "as written and captured\n"
    )
    print(report.line(HEADER, WIDTHS))
    results: dict[str, Json] = {}
    try:
        for row in chosen:
            sides = team.sides(*row.sides(args.compile, jax))
            seconds = 0.0 if row.one else args.seconds
            pair.measure(sides, row.builder, row.args, args.rounds, seconds)
            results[row.name] = judge(row, sides)
            print("\n".join(lines(row.name, results[row.name])), flush=True)
    finally:
        if results:
            judged = [r[key] for r in results.values() for key in ("written", "best") if r[key]]
            known = [target["reached"] for target in judged if target["reached"] is not None]
            print(f"\n{sum(known)} of {len(judged)} targets reached")
            report.write("cpu", args, results, lambda: draw(results), arguments)


def main(arguments: list[str] | None = None) -> int:
    """The command; returns the exit status."""
    return report.run(command, arguments)


if __name__ == "__main__":
    raise SystemExit(main())
