"""The list of the examples, and the command that runs them.

python -m examples                  lists them
python -m examples NAME [options]   runs one, as python -m examples.NAME does
python -m examples --all            runs all that reproduce a published experiment
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

from examples.shared.command import Parser, one_line
from examples.shared.index import build
from examples.shared.registry import ENTRIES
from nnlite.errors import ArgumentError, NnliteError


def listing() -> str:
    """A line for each example."""
    lines = ["python -m examples.NAME [--help]", ""]
    lines += [f"  {e.name:<22} {e.sentence} {e.minutes} min" for e in ENTRIES]
    return "\n".join([*lines, "", "all in a row: python -m examples --all [--quick] [--out DIR]"])


def run(name: str, arguments: list[str]) -> int:
    """Run one example; returns its exit status.

    Raises:
        ArgumentError: there is none of this name.
    """
    if name not in {e.name for e in ENTRIES}:
        raise ArgumentError(
            "examples",
            expected=", ".join(e.name for e in ENTRIES),
            got=repr(name),
            hint="python -m examples says what each of them shows",
        )
    status: int = importlib.import_module(f"examples.{name}").main(arguments)
    return status


def run_all(arguments: list[str]) -> int:
    """Run all that reproduce something, and build the index; the worst exit status."""
    parser = Parser(
        prog="python -m examples",
        description="Run all examples and build the index of the runs.",
        allow_abbrev=False,
    )
    parser.add_argument("--all", action="store_true", help="run them; needed with the others")
    parser.add_argument("--quick", action="store_true", help="on the sample, in some minutes")
    parser.add_argument("--out", metavar="DIR", default="runs", help="folder of the runs (runs)")
    parser.add_argument("--data", metavar="DIR", help="folder with the datasets; else NNLITE_DATA")
    parser.add_argument("--no-download", action="store_true", help="do not use the network")
    again = parser.add_mutually_exclusive_group()
    again.add_argument("--overwrite", action="store_true", help="replace earlier results")
    again.add_argument("--resume", action="store_true", help="leave out runs that are complete")
    args = parser.parse_args(arguments)
    if not args.all:  # hours of work are asked for by name
        raise ArgumentError(
            "examples",
            expected="--all, or the name of an example",
            got=" ".join(arguments),
            hint="python -m examples lists them",
        )
    common = [*(["--data", args.data] if args.data else [])]
    common += ["--no-download"] * args.no_download
    common += ["--overwrite"] * args.overwrite + ["--resume"] * args.resume
    worst = 0
    for e in ENTRIES:
        if not e.reproduces:
            continue
        quick = ["--sample", *e.quick] if args.quick else []
        out = str(Path(args.out, e.name))
        print(f"\n== {e.name} ==", flush=True)
        try:
            status = run(e.name, [*common, *quick, "--out", out])
        except ModuleNotFoundError as error:
            if error.name != f"examples.{e.name}":
                raise
            print(f"error: examples.{e.name} is not there", file=sys.stderr)
            status = 2
        worst = max(worst, status)
        if status == 130:
            break
    if Path(args.out).is_dir():
        path, count = build(Path(args.out))
        print(f"\n{path}: {count} runs")
    return worst


def main(arguments: list[str] | None = None) -> int:
    """The command; returns the exit status."""
    given = sys.argv[1:] if arguments is None else arguments
    try:
        if not given or given in (["--help"], ["-h"]):
            print(listing())
            return 0
        return run_all(given) if given[0].startswith("-") else run(given[0], given[1:])
    except (NnliteError, OSError) as error:
        print(one_line(error), file=sys.stderr)
        return 2
    except KeyboardInterrupt:  # between two examples; within one it leaves a report
        print("\nstopped", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
