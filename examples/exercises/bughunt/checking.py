"""Whether a bug is gone from a student's file: its functions are called, its text is not read."""

from __future__ import annotations

import contextlib
import io
import sys
import traceback
import warnings
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import nnlite
from examples.exercises.bughunt.catalogue import Bug
from examples.exercises.bughunt.probes import PROBES
from examples.exercises.bughunt.probes.common import BugRemainsError, Script
from nnlite.errors import DataError


class Verdict(NamedTuple):
    """What a check found.

    Attributes:
        gone: whether the script does what it should.
        text: one or two sentences on what it did.
    """

    gone: bool
    text: str


def check(bug: Bug, path: Path) -> Verdict:
    """Load a repaired script, call its functions, and compare what they do with what they should.

    What the script prints and warns of is not shown.

    Raises:
        DataError: the file cannot be read.
    """
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return Verdict(True, PROBES[bug.name](load(path)))
        except BugRemainsError as error:
            return Verdict(False, str(error))
        except (DataError, KeyboardInterrupt):
            raise
        except (Exception, SystemExit) as error:  # a student's file may raise anything
            return Verdict(False, describe(error, path))


def load(path: Path) -> Script:
    """The file as a module, its ``if __name__ == "__main__"`` left out; seeded, as ``main`` is.

    Raises:
        DataError: the file cannot be read.
        SyntaxError: it is no Python.
    """
    try:
        source = path.read_bytes()
    except OSError as error:
        raise DataError(
            "check",
            str(path),
            expected="a Python script",
            got=error.strerror or str(error),
            hint="name the file that you repaired",
        ) from error
    module = ModuleType(f"bughunt_{path.stem}")
    module.__file__ = str(path)
    nnlite.manual_seed(0)
    sys.modules[module.__name__] = module  # where dataclasses look their annotations up
    try:
        exec(compile(source, str(path), "exec"), vars(module))
    finally:
        del sys.modules[module.__name__]
    return Script(module)


def describe(error: BaseException, path: Path) -> str:
    """An error as a sentence, with the line of the script in which it came up."""
    lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == str(path)]
    if isinstance(error, SyntaxError) and error.filename == str(path):
        lines = [error.lineno]
    where = f" in line {lines[-1]}" if lines else ""
    message = " ".join(str(error.msg if isinstance(error, SyntaxError) else error).split())
    return f"It stops with {type(error).__name__}{where}: {message}"
