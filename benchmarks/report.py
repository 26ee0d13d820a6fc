"""What the commands share: arguments, the machine's description, tables, JSON and pictures."""

from __future__ import annotations

import json
import os
import platform
import shlex
import sys
import time
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from benchmarks.pair import Side

Json = dict[str, Any]


# -- the command line ------------------------------------------------------------------------


class Parser(ArgumentParser):
    """Refuses in one line, with exit status 2; has the options of all commands.

    Args:
        name: of the module, "cpu".
        rounds: the default of --rounds; None: there is no such option.
        seconds: likewise of --seconds.
    """

    def __init__(
        self,
        name: str,
        description: str | None,
        rounds: int | None = None,
        seconds: float | None = None,
    ) -> None:
        first = (description or "").partition("\n")[0]
        super().__init__(prog=f"python -m benchmarks.{name}", description=first)
        self.name = name
        if rounds is not None:
            self.add_argument(
                "--rounds", type=whole(1), default=rounds, help=f"turns of each side ({rounds})"
            )
        if seconds is not None:
            self.add_argument(
                "--seconds",
                type=positive,
                default=seconds,
                help=f"length of a turn, at least one call ({seconds})",
            )
        self.add_argument(
            "--threads", type=whole(1, 256), default=2, help="threads of each library (2)"
        )
        self.add_argument(
            "--out", metavar="DIR", default="runs/benchmarks", help="folder (runs/benchmarks)"
        )

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}\n")


def whole(low: int, high: int | None = None) -> Callable[[str], int]:
    """The type of an argument that is a whole number in a range."""

    def convert(text: str) -> int:
        try:
            n = int(text)
        except ValueError:
            raise ArgumentTypeError(f"expected a whole number, got {text!r}") from None
        if n < low or (high is not None and n > high):
            limits = f"{low} or more" if high is None else f"{low} to {high}"
            raise ArgumentTypeError(f"expected {limits}, got {n}")
        return n

    return convert


def positive(text: str) -> float:
    """The type of an argument that is a number above 0."""
    try:
        x = float(text)
    except ValueError:
        x = 0.0
    if not 0 < x < float("inf"):
        raise ArgumentTypeError(f"expected a number above 0, got {text!r}")
    return x


def run(command: Callable[[list[str] | None], None], arguments: list[str] | None = None) -> int:
    """Call a command; returns the exit status: 2: a file cannot be written; 130: Ctrl-C."""
    try:
        command(arguments)
    except OSError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nstopped", file=sys.stderr)
        return 130
    return 0


# -- the machine -----------------------------------------------------------------------------


def machine() -> Json:
    """What the figures depend on: processor, cores, versions."""
    from threadpoolctl import threadpool_info

    from nnlite.backend.threads import available_cores

    blas = [entry for entry in threadpool_info() if entry["user_api"] == "blas"]
    return {
        "cpu": _cpu(),
        "cores": available_cores(),
        "load": os.getloadavg()[0]
        if hasattr(os, "getloadavg")
        else None,  # over a minute, at the end
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "blas": ", ".join(f"{b['internal_api']} {b['version']}" for b in blas) or None,
        **{name: _version(name) for name in ("numpy", "nnlite", "torch", "jax")},
    }


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return (names or [platform.processor() or platform.machine()])[0]


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


# -- figures ---------------------------------------------------------------------------------


def record(side: Side) -> Json:
    """A side's rounds, in seconds per call: minimum and median are None where it has none."""
    measured = bool(side.seconds) and not side.error
    return {
        "minimum": side.best if measured else None,
        "median": side.median if measured else None,
        "seconds": list(side.seconds),
        "error": side.reason or None,
    }


def ratio(other: Json | None, ours: Json | None) -> float | None:
    """How many times as long the other takes, by the minima; None where one is missing."""
    if not other or not ours or other["minimum"] is None or not ours["minimum"]:
        return None
    return float(other["minimum"] / ours["minimum"])


def reached(value: float | None, target: float | None, most: bool = False) -> bool | None:
    """Whether the value is at least (or at most) the target; None where there is nothing to say."""
    if value is None or target is None:
        return None
    return value <= target if most else value >= target


def slope(x: Sequence[float], y: Sequence[float | None]) -> float | None:
    """The exponent p of y = c x**p, by least squares on logarithms; None for under two points."""
    points = [(a, b) for a, b in zip(x, y, strict=True) if b]
    if len(points) < 2:
        return None
    a, b = np.log(np.array(points, dtype=np.float64)).T
    return float(np.polyfit(a, b, 1)[0])


# -- words -----------------------------------------------------------------------------------


def ms(seconds: float | None) -> str:
    """Milliseconds with three digits."""
    return number(None if seconds is None else 1e3 * seconds)


def number(value: float | None) -> str:
    """Three digits; "-" for None."""
    if value is None:
        return "-"
    return f"{value:.0f}" if abs(value) >= 999.5 else f"{value:#.3g}".rstrip(".")


def answer(value: bool | None) -> str:
    """Yes, no, or nothing to say."""
    return "" if value is None else "yes" if value else "no"


def line(cells: Sequence[str], widths: Sequence[int]) -> str:
    """A line of a table: the first column to the left, the others to the right."""
    parts = [f"{cell:>{width}}" for cell, width in zip(cells[1:], widths[1:], strict=True)]
    return "  ".join([f"{cells[0]:<{widths[0]}}", *parts]).rstrip()


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table as wide as its cells."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    rule = "  ".join("-" * width for width in widths)
    return "\n".join([line(header, widths), rule, *(line(row, widths) for row in rows)])


# -- files -----------------------------------------------------------------------------------


def write(
    name: str,
    args: Namespace,
    results: Json,
    draw: Callable[[], Any],
    arguments: list[str] | None = None,
) -> Json:
    """Write NAME.json and NAME.png to args.out and say so in one line; returns what JSON holds.

    Args:
        draw: makes the matplotlib Figure; without matplotlib there is no picture.
        arguments: the command line; None: the process's.

    Raises:
        OSError: the folder cannot be written to.
    """
    from nnlite.errors import DataError, MissingExtraError
    from nnlite.files import atomic_write
    from nnlite.viz.style import save

    given = sys.argv[1:] if arguments is None else arguments
    content = {
        "command": shlex.join(["python", "-m", f"benchmarks.{name}", *given]),
        "date": time.strftime("%Y-%m-%d %H:%M:%S %z"),
        "machine": machine(),
        "settings": {key: value for key, value in vars(args).items() if key != "out"},
        "results": results,
    }
    out = Path(args.out)
    os.makedirs(out, exist_ok=True)
    with atomic_write(out / f"{name}.json") as file:
        file.write(json.dumps(content, indent=1, allow_nan=False).encode() + b"\n")
    try:
        save(draw(), out / f"{name}.png")
    except MissingExtraError as error:
        print(f"\nwritten to {out}: {name}.json; no picture: {error}")
    except DataError as error:
        raise OSError(str(error)) from None
    else:
        print(f"\nwritten to {out}: {name}.json, {name}.png")
    return content


def ratio_figure(
    series: Mapping[str, Mapping[str, float | None]],
    xlabel: str,
    targets: Mapping[str, Mapping[str, float | None]] | None = None,
) -> Any:
    """A row for each work, a mark for each series on a logarithmic axis; a stroke at its target.

    Args:
        series: by name, by work the value; None leaves a gap.
        targets: likewise.
    """
    from nnlite.viz.style import legend_below, look, new_figure, plain_log, tidy

    works = list(dict.fromkeys(work for values in series.values() for work in values))
    figure = new_figure(6.4, 1.2 + 0.28 * len(works), "benchmarks")
    axes = figure.subplots()
    axes.axvline(1.0, color="black", linewidth=0.8)
    for i, (name, values) in enumerate(series.items()):
        style = {**look(i), "linestyle": "none"}
        known = [(value, works.index(work)) for work, value in values.items() if value]
        x, y = zip(*known, strict=True) if known else ((), ())
        axes.plot(x, y, label=name, zorder=3, **style)
        wanted = [(t, works.index(w)) for w, t in ((targets or {}).get(name) or {}).items() if t]
        if wanted:
            x, y = zip(*wanted, strict=True)
            style |= {"marker": "|", "markersize": 13}
            axes.plot(x, y, label=f"{name}: target", **style)
    axes.set_xscale("log")
    plain_log(axes.xaxis, "benchmarks")
    axes.set_yticks(range(len(works)), works)
    axes.set_ylim(len(works) - 0.5, -0.5)
    axes.set_xlabel(xlabel)
    tidy(axes)
    legend_below(figure, axes, 2)
    return figure
