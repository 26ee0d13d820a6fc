"""How the time grows with batch size, depth and training time: ``python -m benchmarks.scaling``.

A step's time should grow no faster than the batch and the depth: an exponent of at most about 1
where they are large. And an epoch late in training should take as long as an early one.
"""

from __future__ import annotations

import statistics
from typing import Any, NamedTuple

from benchmarks import pair, report
from benchmarks.report import Json

BATCHES = (16, 32, 64, 128, 256, 512, 1024, 2048, 4096)
DEPTHS = (2, 5, 10, 20, 50, 100, 200)
EPOCHS = 30


class Curve(NamedTuple):
    """A family of works: its axis, sizes, and the work of one size (builder, arguments)."""

    axis: str
    sizes: tuple[int, ...]
    builder: str
    args: tuple[Any, ...]  # None stands for the size


CURVES = {
    "lenet": Curve("batch size", BATCHES, "training", ("lenet", "float32", None)),
    "mlp-small": Curve("batch size", BATCHES, "training", ("mlp-small", "float32", None)),
    "depth": Curve("layers of Linear(64, 64) + ReLU", DEPTHS, "deep", (None,)),
}
LATE = "epochs"


def grow(sides: list[pair.Side], curve: Curve, rounds: int, seconds: float) -> Json:
    """The time of a step at each size, and the exponent over the larger half of the sizes."""
    found: Json = {side.name: [] for side in sides}
    for size in curve.sizes:
        args = tuple(size if argument is None else argument for argument in curve.args)
        pair.measure(sides, curve.builder, args, rounds, seconds)
        for side in sides:
            found[side.name].append(report.record(side))
    large = len(curve.sizes) // 2
    return {
        "axis": curve.axis,
        "sizes": list(curve.sizes),
        "sides": found,
        "slopes": {
            name: report.slope(curve.sizes[large:], [r["minimum"] for r in records[large:]])
            for name, records in found.items()
        },
    }


def late(sides: list[pair.Side], epochs: int) -> Json:
    """Seconds of each epoch in a training to loss 0, and how much slower the late ones are.

    The ratio is that of the medians of the last and the first fifth of the epochs.
    """
    pair.measure(sides, "late", (), epochs, seconds=1e-9)  # one call per turn
    few = max(1, epochs // 5)
    found: Json = {}
    for side in sides:
        record = report.record(side)
        value = side.ask(("value",))
        spent = side.seconds
        found[side.name] = {
            **record,
            "loss": value[0] if value else None,
            "denormal": value[1] if value else None,
            "ratio": statistics.median(spent[-few:]) / statistics.median(spent[:few])
            if record["minimum"] is not None
            else None,
        }
    return {"sides": found}


def words(name: str, result: Json) -> str:
    """A table."""
    sides = result["sides"]
    failed = "".join(
        f"\n{side} failed: {record['error']}"
        for side, records in sides.items()
        for record in (records if isinstance(records, list) else [records])
        if record["error"]
    )
    if name == LATE:
        header = ["training to loss 0", "epoch min ms", "late / early", "last loss", "denormal"]
        rows = [
            [
                side,
                report.ms(record["minimum"]),
                report.number(record["ratio"]),
                "-" if record["loss"] is None else f"{record['loss']:.1e}",
                "-" if record["denormal"] is None else f"{record['denormal']:.1%}",
            ]
            for side, record in sides.items()
        ]
        return report.table(header, rows) + failed
    header = [f"{name}: {result['axis']}", *(f"{side} ms" for side in sides), "torch/nnlite"]
    rows = []
    for i, size in enumerate(result["sizes"]):
        records = {side: sides[side][i] for side in sides}
        quotient = report.ratio(records.get("torch"), records.get("nnlite"))
        times = [report.ms(record["minimum"]) for record in records.values()]
        rows.append([str(size), *times, report.number(quotient)])
    slopes = [report.number(result["slopes"][side]) for side in sides]
    return report.table(header, [*rows, ["exponent, larger half", *slopes, ""]]) + failed


def draw(results: dict[str, Json]) -> Any:
    """The picture: a log-log plot for each curve, and the epochs one after the other."""
    from nnlite.viz.style import legend_below, look, new_figure, plain_log, tidy

    figure = new_figure(6.4, 0.5 + 2.6 * len(results), "benchmarks")
    panels = figure.subplots(len(results), 1, squeeze=False)[:, 0]
    for axes, (name, result) in zip(panels, results.items(), strict=True):
        for i, (side, records) in enumerate(result["sides"].items()):
            if name == LATE:
                y = records["seconds"]
                x = list(range(1, len(y) + 1))
            else:
                known = [
                    (s, r["minimum"])
                    for s, r in zip(result["sizes"], records, strict=True)
                    if r["minimum"]
                ]
                x, y = ([a for a, _ in known], [b for _, b in known])
            axes.plot(x, [1e3 * seconds for seconds in y], label=side, **look(i))
        if name != LATE:
            axes.set_xscale("log")
            plain_log(axes.xaxis, "benchmarks")
        axes.set_yscale("log")
        plain_log(axes.yaxis, "benchmarks")
        axes.set_xlabel("epoch" if name == LATE else f"{name}: {result['axis']}")
        axes.set_ylabel("ms per epoch" if name == LATE else "ms per step")
        tidy(axes)
    legend_below(figure, panels[0], 2)
    return figure


def command(arguments: list[str] | None = None) -> None:
    """Measure, print, write."""
    names = [*CURVES, LATE]
    parser = report.Parser("scaling", __doc__, rounds=5, seconds=0.1)
    parser.add_argument("--only", metavar="NAME,...", help=f"among {', '.join(names)}")
    parser.add_argument("--largest", type=report.whole(2), help="leave out larger sizes")
    parser.add_argument(
        "--epochs", type=report.whole(2), default=EPOCHS, help=f"of the long training ({EPOCHS})"
    )
    args = parser.parse_args(arguments)
    chosen = names if args.only is None else args.only.split(",")
    for name in chosen:
        if name not in names:
            parser.error(f"argument --only: no work {name!r}; there are {', '.join(names)}")
    results: dict[str, Json] = {}
    with pair.Team(args.threads) as team:
        sides = team.sides(("nnlite", "eager"), ("torch", "eager"))
        for name in chosen:
            if name == LATE:
                results[name] = late(sides, args.epochs)
            else:
                curve = CURVES[name]
                sizes = tuple(n for n in curve.sizes if not args.largest or n <= args.largest)
                if not sizes:
                    parser.error(f"argument --largest: {name} begins with {curve.sizes[0]}")
                results[name] = grow(sides, curve._replace(sizes=sizes), args.rounds, args.seconds)
            print(words(name, results[name]) + "\n", flush=True)
    report.write("scaling", args, results, lambda: draw(results), arguments)


def main(arguments: list[str] | None = None) -> int:
    """The command; returns the exit status."""
    return report.run(command, arguments)


if __name__ == "__main__":
    raise SystemExit(main())
