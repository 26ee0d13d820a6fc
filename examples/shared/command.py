"""The command line that all examples share, from the arguments to the exit status."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import nnlite
from examples.shared import data as data_
from examples.shared import results
from examples.shared.registry import Entry, entry
from examples.shared.run import Run
from nnlite.errors import ArgumentError, NnliteError
from nnlite.extras import require


class Quirk(NamedTuple):
    """Something in the published work that changes its numbers: a name, and what it does."""

    name: str
    sentence: str


@dataclass(frozen=True)
class Example:
    """What an example says of itself.

    Attributes:
        name: its module, as in examples.shared.registry.
        description: a paragraph for --help and the report; ``__doc__`` will do.
        epochs: as published.
        sample_epochs: where the stand-in for the data is used; default: the same.
        dataset: "fashion_mnist" or "mnist".
        batch_size: as published; None: there is no --batch-size.
        sample_batch_size: likewise on the stand-in.
        seed, seeds: the first seed, and how many make the band.
        dtype: "float32" or "float64".
        quirks: in the order of --help.
        options: adds the example's own options to the parser.
        check: refuses settings by an ArgumentError, before any older results are removed.
    """

    name: str
    description: str
    epochs: int
    sample_epochs: int | None = None
    dataset: str = "fashion_mnist"
    batch_size: int | None = None
    sample_batch_size: int | None = None
    seed: int = 0
    seeds: int = 3
    dtype: str = "float32"
    quirks: tuple[Quirk, ...] = ()
    options: Callable[[ArgumentParser], object] | None = None
    check: Callable[[Run], object] | None = None

    @property
    def entry(self) -> Entry:
        """Its title, sentence and expected minutes."""
        return entry(self.name)


def launch(
    example: Example, experiment: Callable[[Run], None], arguments: list[str] | None = None
) -> int:
    """Run an example as a command.

    Args:
        experiment: trains and fills the report.
        arguments: the command line; None: the process's.

    Returns:
        the exit status: 0; 2 for what the user can mend, told in one line; 130 after Ctrl-C.
    """
    run: Run | None = None
    command = sys.argv[1:] if arguments is None else arguments
    try:
        run = _start(example, command)
        if example.check is not None:
            example.check(run)
        if run.args.resume and results.is_complete(run):
            print(f"{run.out} has this run already; --overwrite makes it anew", flush=True)
            return 0
        results.remove(run.out)  # there is nothing, but for --overwrite and --resume
        print(f"{example.entry.title}\ndata: {run.data.source}", flush=True)
        experiment(run)
        results.finish(run, "interrupted" if run.interrupted else "complete")
    except KeyboardInterrupt:
        print("\nstopped", file=sys.stderr)
        if run is None:
            return 130
        run.interrupted = True
        results.finish(run, "interrupted")
    except (NnliteError, OSError) as error:
        print(one_line(error), file=sys.stderr)
        if run is not None and run.has_content:
            results.finish(run, "failed", str(error))
        return 2
    except Exception as error:
        if run is not None and run.has_content:
            results.finish(run, "failed", f"{type(error).__name__}: {error}")
        raise
    return 130 if run.interrupted else 0


def _start(example: Example, command: list[str]) -> Run:
    """Everything that can be refused before the training."""
    args = parser(example).parse_args(command)
    args.command = command
    for name, least in (("epochs", 0), ("limit", 1), ("seeds", 1), ("batch_size", 1)):
        given = getattr(args, name, None)
        if given is not None and given < least:
            raise ArgumentError(
                example.name,
                f"--{name.replace('_', '-')}",
                expected=f"{least} or more",
                got=str(given),
                hint="leave it out for the published setting",
            )
    quirks = _quirks(example, args.quirks)
    nnlite.manual_seed(args.seed)
    nnlite.zeros(1, device=nnlite.device(args.device))  # a device that is not there says so now
    require("matplotlib.figure", "plot", example.name)
    require("safetensors.numpy", "safetensors", example.name)
    out = _folder(example, args)
    data = data_.load(example.dataset, args.data, not args.no_download, args.sample)
    return Run(example, args, quirks, data_.first(data, args.limit), out)


class Parser(ArgumentParser):
    """argparse, with its errors as one line."""

    def error(self, message: str) -> NoReturn:
        """Refuse the command line."""
        raise ArgumentError(self.prog, got=message, hint=f"{self.prog} --help lists the options")


def parser(example: Example) -> Parser:
    """The options of an example: the common ones, then its own."""
    description = (
        f"{example.entry.title}. {example.entry.sentence}\n\n{example.description.strip()}"
    )
    lines = [f"  {quirk.name}: {quirk.sentence}" for quirk in example.quirks]
    epilog = "quirks of the published work:\n" + "\n".join(lines or ["  none"])
    p = Parser(
        prog=f"python -m examples.{example.name}",
        description=description,
        epilog=epilog,
        formatter_class=RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    on_sample = "" if example.sample_epochs is None else f"; {example.sample_epochs} on the sample"
    p.add_argument("--epochs", type=int, metavar="N", help=f"default: {example.epochs}{on_sample}")
    p.add_argument("--limit", type=int, metavar="N", help="the first N training and test images")
    p.add_argument(
        "--seed", type=int, metavar="N", default=example.seed, help="default: %(default)s"
    )
    p.add_argument(
        "--seeds",
        type=int,
        metavar="N",
        default=example.seeds,
        help="runs with N seeds from --seed on, for the band of each value (%(default)s)",
    )
    if example.batch_size is not None:
        p.add_argument("--batch-size", type=int, metavar="N", help=f"default: {example.batch_size}")
    p.add_argument("--device", default="cpu", help="cpu or cuda (%(default)s)")
    p.add_argument(
        "--dtype",
        choices=("float32", "float64"),
        default=example.dtype,
        help="default: %(default)s",
    )
    p.add_argument("--data", metavar="DIR", help="folder with the dataset; else NNLITE_DATA")
    p.add_argument("--no-download", action="store_true", help="do not use the network")
    p.add_argument(
        "--sample",
        action="store_true",
        help="take the small stand-in for the data; numbers are not comparable",
    )
    p.add_argument(
        "--out", metavar="DIR", help=f"where everything is written (runs/{example.name})"
    )
    again = p.add_mutually_exclusive_group()
    again.add_argument(
        "--overwrite", action="store_true", help="replace the results in that folder"
    )
    again.add_argument(
        "--resume",
        action="store_true",
        help="replace them unless they are those of a complete run with these settings",
    )
    p.add_argument(
        "--quirks",
        default="published",
        metavar="A,B",
        help="those to keep, of the list below: names, none, or published for all (the default)",
    )
    if example.options is not None:
        example.options(p)
    return p


def _quirks(example: Example, text: str) -> frozenset[str]:
    known = [quirk.name for quirk in example.quirks]
    if text == "published":
        return frozenset(known)
    if text == "none":
        return frozenset()
    names = [name.strip() for name in text.split(",")]
    for name in names:
        if name not in known:
            raise ArgumentError(
                example.name,
                "--quirks",
                expected=", ".join([*known, "none", "published"]),
                got=repr(name),
                hint="several are separated by commas; --help explains each",
            )
    return frozenset(names)


def _folder(example: Example, args: Namespace) -> Path:
    """The folder for the results, made and tried now, not after an hour of training."""
    out = Path(args.out or f"runs/{example.name}")
    try:
        out.mkdir(parents=True, exist_ok=True)
        probe = out / f".probe-{os.getpid()}"
        probe.write_bytes(b"")
        probe.unlink()
    except (OSError, ValueError) as error:
        raise ArgumentError(
            example.name,
            "--out",
            expected="a folder that can be written to",
            got=str(error),
            hint="choose another folder",
        ) from error
    if results.has_results(out) and not args.overwrite and not args.resume:
        raise ArgumentError(
            example.name,
            "--out",
            expected="a folder without results",
            got=f"those of an earlier run in {out}",
            hint="--overwrite replaces them, --resume those of a run cut short, --out DIR none",
        )
    args.out = str(out)
    return out


def one_line(error: Any) -> str:
    """An error as the one line that a command prints of it."""
    return "error: " + " ".join(str(error).split())
