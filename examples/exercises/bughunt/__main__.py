"""The command of the bug hunt.

python -m examples.exercises.bughunt                     lists the bugs
python -m examples.exercises.bughunt start NAME          copies a buggy script for you to repair
python -m examples.exercises.bughunt task NAME           what is odd about it
python -m examples.exercises.bughunt run NAME [FILE]     runs your copy
python -m examples.exercises.bughunt hint NAME 1         the first of three hints
python -m examples.exercises.bughunt check NAME [FILE]   says whether the bug is gone
python -m examples.exercises.bughunt solution NAME       what had to be changed
python -m examples.exercises.bughunt explain NAME        what the bug does to the numbers
"""

from __future__ import annotations

import difflib
import os
import subprocess
import sys
from argparse import Namespace, RawDescriptionHelpFormatter
from pathlib import Path

from examples.exercises.bughunt.catalogue import BUGS, FOLDER, HINTS, Bug, find
from examples.exercises.bughunt.checking import check
from examples.shared.command import Parser, one_line
from nnlite.errors import ArgumentError, DataError, NnliteError

COMMAND = "python -m examples.exercises.bughunt"
ROOT = FOLDER.parents[2]
COPIES = Path("runs/bughunt")
"""Where a student's copies lie, from the folder in which the command is called."""


def listing() -> str:
    """A line for each bug."""
    lines = [
        f"  {b.name:<12} {'stops with an error' if b.loud else 'runs to the end':<20} {b.title}"
        for b in BUGS
    ]
    usage = (__doc__ or "").partition("\n\n")[2].strip()
    return "\n".join(["Find the bug: scripts to repair.", "", *lines, "", usage])


def students_file(bug: Bug, given: str | None) -> Path:
    """The file named on the command line; else the student's copy; else the script itself."""
    if given is not None:
        path = Path(given)
        if not path.is_file():
            raise DataError(
                "bughunt",
                given,
                expected="a Python script",
                got="a folder" if path.is_dir() else "no such file",
                hint=f"{COMMAND} start {bug.name} makes a copy of the buggy one",
            )
        return path
    copy = COPIES / f"{bug.name}.py"
    return copy if copy.is_file() else bug.script


def start(bug: Bug, args: Namespace) -> int:
    """Copy the buggy script, and say what the task is."""
    path = Path(args.file) if args.file else COPIES / f"{bug.name}.py"
    if path.exists():
        raise ArgumentError(
            "start",
            expected="a file that is not there yet",
            got=str(path),
            hint="your work is in it: rename or remove it to begin again",
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bug.script.read_bytes())
    task(bug, args)
    print(f"\nYour copy: {path}")
    return 0


def task(bug: Bug, args: Namespace) -> int:
    """Print what the student is told."""
    print(f"{bug.title}\n\n{bug.task}")
    return 0


def command_line(path: Path) -> list[str]:
    """How Python runs a script."""
    return [sys.executable, str(path)]


def environment() -> dict[str, str]:
    """The process's variables, and this project's folder where imports are looked for."""
    folders = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(folders)}


def run(bug: Bug, args: Namespace) -> int:
    """Run the student's file as Python runs any script, tracebacks and warnings included."""
    path = students_file(bug, args.file)
    print(f"running {path}", flush=True)
    status = subprocess.run(command_line(path), env=environment(), check=False).returncode
    return 1 if status else 0


def hint(bug: Bug, args: Namespace) -> int:
    """Print one hint."""
    print(bug.hint(args.number))
    return 0


def verdict(bug: Bug, args: Namespace) -> int:
    """Check the student's file; status 0 where the bug is gone, else 1."""
    path = students_file(bug, args.file)
    result = check(bug, path)
    print(f"{path}: {'the bug is gone' if result.gone else 'not yet'}. {result.text}")
    return 0 if result.gone else 1


def solution(bug: Bug, args: Namespace) -> int:
    """Print the lines that had to be changed."""
    old, new = (p.read_text(encoding="utf-8").splitlines() for p in (bug.script, bug.solution))
    names = [str(p.relative_to(ROOT)) for p in (bug.script, bug.solution)]
    print("\n".join(difflib.unified_diff(old, new, names[0], names[1], lineterm="")))
    return 0


def explain(bug: Bug, args: Namespace) -> int:
    """Print what the bug does, then what both scripts print, run now."""
    print(f"{bug.title}\n\n{bug.explanation}")
    for heading, path in (("with the bug", bug.script), ("without it", bug.solution)):
        print(f"\n-- {heading} ({path.relative_to(FOLDER)}) --\n{output_of(path)}", flush=True)
    return 0


def output_of(path: Path) -> str:
    """What a script prints, then its warnings and its error, a line each."""
    done = subprocess.run(
        command_line(path), env=environment(), check=False, capture_output=True, text=True
    )
    errors = done.stderr.splitlines()
    told = [line.rpartition(".py:")[2] for line in errors if "Warning: " in line]
    told = [f"line {line}" for line in told]
    if done.returncode:
        told += errors[-1:]
    return "\n".join([*done.stdout.splitlines(), *told])


def parser() -> Parser:
    """The command line."""
    p = Parser(
        prog=COMMAND,
        description=listing(),
        formatter_class=RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    commands = p.add_subparsers(metavar="COMMAND", required=True)
    for name, function, sentence in (
        ("start", start, "copy a buggy script, and say what the task is"),
        ("task", task, "say what is odd about a script"),
        ("run", run, "run your copy, or FILE"),
        ("hint", hint, "print one of the hints"),
        ("check", verdict, "say whether the bug is gone from your copy, or from FILE"),
        ("solution", solution, "print the lines that had to be changed"),
        ("explain", explain, "say what the bug does to the numbers, and show them"),
    ):
        sub = commands.add_parser(name, help=sentence, description=sentence, allow_abbrev=False)
        sub.add_argument("name", metavar="NAME", help="the bug, as in the list")
        if name == "hint":
            sub.add_argument("number", metavar="N", type=int, help=f"1 to {HINTS}")
        elif name in ("start", "run", "check"):
            sub.add_argument("file", metavar="FILE", nargs="?", help=f"default: {COPIES}/NAME.py")
        sub.set_defaults(function=function)
    return p


def main(arguments: list[str] | None = None) -> int:
    """The command; returns the exit status: 0, 1 for a bug that is not gone, 2 for bad input."""
    given = sys.argv[1:] if arguments is None else arguments
    try:
        if not given:
            print(listing())
            return 0
        args = parser().parse_args(given)
        status: int = args.function(find(args.name), args)
        return status
    except (NnliteError, OSError) as error:
        print(one_line(error), file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nstopped", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
