"""nnlite against PyTorch on one CUDA device, taking turns: ``python -m benchmarks.gpu --only cnn``.

Ratios are PyTorch's median over nnlite's: above 1, nnlite is faster. Unlike in the other commands
both libraries live in one process: each would else have a CUDA context of its own, between which
the device switches by time slices, and an event measures within one context only.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any

from benchmarks import report, works, works_gpu
from benchmarks.report import Json

NNLITE, CAPTURED = ("nnlite", "eager"), ("nnlite", "captured")
TORCH, GRAPH = ("torch", "eager"), ("torch", "captured")
SIDES = (NNLITE, CAPTURED, TORCH, GRAPH)

LARGE = 4096
FAST_GRAPH = {"mlp-small": 3.0, "mlp-large": 3.0, "lenet": 3.0, "cnn": 1.0, "autoencoder": 1.0}
EAGER, AGAINST_GRAPH = 0.7, 0.8
"""Targets: nnlite captured against PyTorch eager, by network; eager against eager; captured
against captured."""

STEPS = 10
TOLERANCE = 1e-3
"""All sides' losses agree to this in so many steps, or they are not timed. The fifth call and
later ones of nnlite's captured step are launches of its graph, so these are among them."""

Who = tuple[str, str]
Timer = Callable[[works.Call, int], float]


@dataclass
class Side:
    """One library and variant: the work, and what was measured of it.

    Attributes:
        run: one training step.
        seconds: per call, one figure for each round.
        error: why it has none.
    """

    name: str
    library: works_gpu.Library
    run: works.Call | None = None
    seconds: list[float] = field(default_factory=list)
    error: str = ""

    def attempt(self, work: Callable[[], Any]) -> Any:
        """What work returns; None where it failed, now or before: the other sides go on."""
        if self.error:
            return None
        try:
            return work()
        except Exception as error:  # whatever a library raises, it costs that side its figures
            words = " ".join(str(error).split())
            self.error, self.run = f"{type(error).__name__}: {words}", None
            return None

    def record(self) -> Json:
        """As ``report.record``."""
        measured = bool(self.seconds) and not self.error
        return {
            "minimum": min(self.seconds) if measured else None,
            "median": statistics.median(self.seconds) if measured else None,
            "seconds": list(self.seconds),
            "error": self.error or None,
        }


def named(who: Who) -> str:
    """How a side stands in the tables."""
    return who[0] if who[1] == "eager" else " ".join(who)


def rows() -> dict[str, tuple[str, int]]:
    """By name the network and the batch size: the experiment's, and 4096."""
    usual = {name: (name, works.NETWORKS[name][2]) for name in FAST_GRAPH}
    return usual | {f"{name}-{LARGE}": (name, LARGE) for name in FAST_GRAPH}


# -- measuring -------------------------------------------------------------------------------


def event_timer(torch: Any) -> Timer:
    """Seconds per call between two events of the device.

    Both libraries work on the device's default stream, in which the events stand, too.
    """

    def clock(run: works.Call, calls: int) -> float:
        torch.cuda.synchronize()
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        for _ in range(calls):
            run()
        end.record()
        end.synchronize()
        return float(start.elapsed_time(end)) / 1e3 / calls

    return clock


def losses(side: Side, network: str, batch: int) -> list[float]:
    """The losses of the first steps from the same weights, nothing dropped; empty if it failed."""

    def steps() -> list[float]:
        run = works_gpu.training(side.library, network, batch, dropout=False)
        return [float(run().item()) for _ in range(STEPS)]

    return side.attempt(steps) or []


def agree(sides: Sequence[Side], network: str, batch: int) -> None:
    """Take a side out whose losses are not those of the last one that has some: PyTorch's.

    A loss that is infinite or no number agrees with nothing.
    """
    found = {side.name: losses(side, network, batch) for side in sides}
    judge = next((found[s.name] for s in reversed(sides) if found[s.name]), [])
    for side in sides:
        for step, (a, b) in enumerate(zip(found[side.name], judge, strict=False)):
            if not abs(a - b) <= TOLERANCE * abs(b):
                side.error = f"wrong: its loss in step {step} is {a:.6g}, PyTorch's {b:.6g}"
                break


def measure(sides: Sequence[Side], network: str, batch: int, args: Any, clock: Timer) -> None:
    """Check one work on each side, then time it in turn, round after round."""
    agree(sides, network, batch)
    calls = {}
    for side in sides:

        def build(side: Side = side) -> int:
            side.run = works_gpu.training(side.library, network, batch)
            clock(side.run, STEPS)  # compiles, fills memory pools, records graphs
            once = max(clock(side.run, STEPS) for _ in range(2))
            return max(1, round(args.seconds / once))

        calls[side.name] = side.attempt(build)
    gc.collect()
    for _ in range(args.rounds):
        for side in sides:

            def turn(side: Side = side) -> float:
                assert side.run is not None, "built, or it has an error"
                return clock(side.run, calls[side.name])

            taken = side.attempt(turn)
            if taken is not None:
                side.seconds.append(taken)


# -- judging ---------------------------------------------------------------------------------

Pair = tuple[str, Who, Who]
PAIRS: tuple[Pair, ...] = (
    ("eager / eager", TORCH, NNLITE),
    ("eager / captured", TORCH, CAPTURED),
    ("captured / captured", GRAPH, CAPTURED),
)
"""What is compared: PyTorch's side over nnlite's."""


def targets(network: str) -> dict[str, float]:
    """By comparison."""
    wanted = (EAGER, FAST_GRAPH[network], AGAINST_GRAPH)
    return {pair[0]: target for pair, target in zip(PAIRS, wanted, strict=True)}


def judge(network: str, batch: int, records: dict[str, Json]) -> Json:
    """A row's result: what each side measured, and each comparison's ratio of the medians."""
    compared = {}
    for name, theirs, ours in PAIRS:
        a, b = (records.get(named(who), {}).get("median") for who in (theirs, ours))
        ratio = a / b if a and b else None
        target = targets(network)[name]
        reached = report.reached(ratio, target)
        compared[name] = {"ratio": ratio, "target": target, "reached": reached}
    return {"network": network, "batch": batch, "sides": records, "compared": compared}


HEADER = ("work", f"{'side':<16}", "median ms", "min ms", "PyTorch / this", "target", "reached")
WIDTHS = (17, 16, 9, 9, 14, 10, 8)


def lines(name: str, result: Json) -> list[str]:
    """A row of the table: a line for each side; comparisons stand beside nnlite's sides."""
    found = []
    for side, record in result["sides"].items():
        mine = [result["compared"][pair[0]] for pair in PAIRS if named(pair[2]) == side]
        cells = [
            "" if found else name,
            f"{side:<{WIDTHS[1]}}",
            report.ms(record["median"]),
            report.ms(record["minimum"]),
            " / ".join(report.number(each["ratio"]) for each in mine),
            " / ".join(f"{each['target']:g}" for each in mine),
            " / ".join(report.answer(each["reached"]) or "-" for each in mine),
        ]
        text = report.line(cells, WIDTHS)
        found.append(f"{text}  failed: {record['error']}" if record["error"] else text)
    return found


def draw(results: dict[str, Json], device: str) -> Any:
    """The picture: the three comparisons of each row, and their targets."""
    series: dict[str, dict[str, float | None]] = {}
    wanted: dict[str, dict[str, float | None]] = {}
    for label, *_ in PAIRS:
        series[label] = {n: r["compared"][label]["ratio"] for n, r in results.items()}
        wanted[label] = {n: r["compared"][label]["target"] for n, r in results.items()}
    return report.ratio_figure(series, f"PyTorch's time over nnlite's ({device})", wanted)


# -- the device ------------------------------------------------------------------------------


def missing() -> str | None:
    """What keeps this command from running, in one line; None where nothing does."""
    import nnlite

    try:
        nnlite.zeros(1, device="cuda")
    except nnlite.errors.NnliteError as error:
        return " ".join(str(error).split())
    if find_spec("torch") is None:
        return "PyTorch is missing: pip install torch, a build with CUDA"
    import torch

    if not torch.cuda.is_available():
        return f"PyTorch {torch.__version__} sees no CUDA device: a build with CUDA is needed"
    return None


def describe() -> Json:
    """The card, its driver and what computes on it."""
    import torch

    import nnlite
    from nnlite.backend import load_cupy

    runtime = load_cupy("benchmarks.gpu").cuda.runtime
    return {
        "name": nnlite.cuda.get_device_name(),
        "capability": ".".join(map(str, nnlite.cuda.get_device_capability())),
        "memory": nnlite.cuda.mem_get_info()[1],
        "driver": _driver(),
        "cuda driver": runtime.driverGetVersion(),
        "cuda runtime": runtime.runtimeGetVersion(),
        "cupy": load_cupy("benchmarks.gpu").__version__,
        "torch": torch.__version__,
        "torch cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(),
    }


def _driver() -> str | None:
    query = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    with suppress(OSError, subprocess.SubprocessError):
        return subprocess.check_output(query, text=True, timeout=30).split()[0]
    return None


def release() -> None:
    """Give the device back what the last work held."""
    import torch

    import nnlite

    gc.collect()
    nnlite.cuda.empty_cache()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


# -- the command -----------------------------------------------------------------------------


def parse(arguments: list[str] | None = None) -> tuple[argparse.Namespace, list[str]]:
    """The options, and the names of the rows that they choose."""
    parser = report.Parser("gpu", __doc__, rounds=25, seconds=0.05)
    parser.add_argument("--only", metavar="ROW,...", help="rows by name; else all")
    parser.add_argument("--tf32", action="store_true", help="allow TF32, on both sides")
    args = parser.parse_args(arguments)
    chosen = list(rows()) if args.only is None else [n for n in args.only.split(",") if n]
    unknown = [name for name in chosen if name not in rows()]
    if unknown or not chosen:
        got = f"no row {unknown[0]!r}" if unknown else "expected names of rows"
        parser.error(f"argument --only: {got}; there are {', '.join(rows())}")
    return args, chosen


def command(arguments: list[str] | None = None) -> None:
    """Measure, print, write."""
    args, chosen = parse(arguments)
    lacking = missing()
    if lacking is not None:
        print(f"python -m benchmarks.gpu: {lacking}", file=sys.stderr)
        raise SystemExit(2)
    import torch

    libraries = [works_gpu.Library(*who) for who in SIDES]
    compare(chosen, args, arguments, libraries, event_timer(torch), describe())


def compare(
    chosen: Sequence[str],
    args: argparse.Namespace,
    arguments: list[str] | None,
    libraries: Sequence[works_gpu.Library],
    clock: Timer,
    device: Json,
) -> Json:
    """Row by row; what is measured when Ctrl-C comes is written, too. Returns the results."""
    for library in libraries:
        library.set_num_threads(args.threads)
        library.allow_tf32(args.tf32)
    versions = ", ".join(f"{key} {value}" for key, value in device.items() if key != "name")
    precision = "TF32 allowed" if args.tf32 else "float32 without TF32"
    print(f"{device['name']} ({versions})\n{args.rounds} rounds, {precision}\n")
    print(report.line(HEADER, WIDTHS))
    results: dict[str, Json] = {}
    try:
        for name in chosen:
            network, batch = rows()[name]
            sides = [Side(named((lib.name, lib.variant)), lib) for lib in libraries]
            measure(sides, network, batch, args, clock)
            records = {side.name: side.record() for side in sides}
            results[name] = judge(network, batch, records)
            print("\n".join(lines(name, results[name])), flush=True)
            del sides
            release()
    finally:
        for library in libraries:
            library.allow_tf32(False)
        if results:
            judged = [each for r in results.values() for each in r["compared"].values()]
            reached = sum(each["reached"] is True for each in judged)
            print(f"\n{reached} of {len(judged)} targets reached")
            content = {"device": device, "works": results}
            report.write("gpu", args, content, lambda: draw(results, device["name"]), arguments)
    return results


def main(arguments: list[str] | None = None) -> int:
    """The command; returns the exit status."""
    return report.run(command, arguments)


if __name__ == "__main__":
    raise SystemExit(main())
