"""A run: its settings, its data, its seeds, and what it has to say."""

from __future__ import annotations

import os
import platform
import sys
import time
from argparse import Namespace
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import nnlite
from examples.shared import data as data_
from examples.shared.record import Record
from nnlite.datasets import ImageData
from nnlite.extras import require

if TYPE_CHECKING:
    from examples.shared.command import Example


class Run(Record):
    """What an example's function gets: everything but the training itself.

    Attributes:
        args: the command line, with the example's own options.
        epochs, batch_size, seed: as asked for, or else the example's.
        seeds: all seeds of the band: seed, seed + 1, ...
        device: a name that Tensor.to and Module.to take.
        dtype: nnlite.float32 or nnlite.float64.
        quirks: the names of those that are on.
        data: an nnlite ImageData, cut to --limit.
        caveats: why numbers cannot be compared, by kind: "data", "epochs", "batch", "quirk NAME",
            and what the example adds.
        interrupted: Ctrl-C was pressed.
        out: the folder of the run.
        Those of Record: series, values, tables, ...
    """

    def __init__(
        self, example: Example, args: Namespace, quirks: frozenset[str], data: ImageData, out: Path
    ) -> None:
        super().__init__(out)
        self.example = example
        self.args = args
        self.data = data
        self.quirks = quirks
        self.device: str = args.device
        self.dtype: Any = {"float32": nnlite.float32, "float64": nnlite.float64}[args.dtype]
        self.seed: int = args.seed
        self.seeds = tuple(range(args.seed, args.seed + args.seeds))
        sample = data.is_sample
        self.epochs: int = _first(
            args.epochs, example.sample_epochs if sample else None, example.epochs
        )
        self.batch_size: int = _first(
            getattr(args, "batch_size", None),
            example.sample_batch_size if sample else None,
            example.batch_size,
            0,
        )
        self.interrupted = False
        self._started = time.perf_counter()
        self._date = datetime.now(UTC).isoformat(timespec="seconds")
        self._add_caveats()

    def _add_caveats(self) -> None:
        example = self.example
        if reason := data_.caveat(example.dataset, self.data):
            self.caveats["data"] = reason
        if self.epochs != example.epochs:
            unit = "epoch" if self.epochs == 1 else "epochs"
            self.caveats["epochs"] = f"{self.epochs} {unit} instead of {example.epochs}"
        if self.batch_size != (example.batch_size or 0):
            self.caveats["batch"] = f"batch size {self.batch_size} instead of {example.batch_size}"
        for quirk in example.quirks:
            if quirk.name not in self.quirks:
                self.caveats[f"quirk {quirk.name}"] = f"{quirk.name} is switched off"

    def quirk(self, name: str) -> bool:
        """Whether a quirk is on."""
        if name not in {quirk.name for quirk in self.example.quirks}:
            raise KeyError(f"{self.example.name} has no quirk {name!r}")
        return name in self.quirks

    def each_seed(self) -> Iterator[int]:
        """The seeds, one after the other, nnlite seeded with each; ends early after Ctrl-C."""
        for seed in self.seeds:
            if self.interrupted:
                return
            nnlite.manual_seed(seed)
            yield seed

    @contextmanager
    def stoppable(self) -> Iterator[None]:
        """Ctrl-C in the with block ends the block, and the run goes on with its report.

        A second Ctrl-C, in this block or another, ends the run, with the report as it is then.
        """
        try:
            yield
        except KeyboardInterrupt:
            if self.interrupted:
                raise
            self.interrupted = True
            print("\nstopped; the report has what was done so far", flush=True)

    # -- the end -------------------------------------------------------------------------------

    @property
    def has_content(self) -> bool:
        """Whether there is anything to report."""
        return bool(self.content or self.series or self.values or self.lines)

    def of_seeds(self, seeds: Iterable[int], name: str) -> list[list[float]]:
        """A series of each seed that got as far as the first, (seeds, epochs)."""
        series = [self.series.get(f"seed {seed}/{name}", []) for seed in seeds]
        return [values for values in series if len(values) == len(series[0])]

    def results(self, status: str, error: str = "") -> dict[str, Any]:
        """The content of results.json; examples.shared.schema says what is in it."""
        example = self.example
        return {
            "format": 1,
            "example": example.name,
            "title": example.entry.title,
            "sentence": example.entry.sentence,
            "description": example.description,
            "status": status,
            "error": error,
            "result": self.outcome,
            "command": f"python -m examples.{example.name} " + " ".join(self.args.command),
            "started": self._date,
            "seconds": time.perf_counter() - self._started,
            "settings": self._settings(),
            "quirks": {
                quirk.name: {"on": quirk.name in self.quirks, "sentence": quirk.sentence}
                for quirk in example.quirks
            },
            "versions": _versions(),
            "data": data_.describe(self.data),
            "caveats": dict(self.caveats),
            "series": self.series,
            "values": self.values,
            "tables": self.tables,
            "comparisons": self.comparisons,
            "figures": self.figures,
            "files": self.files,
            "content": self.content,
        }

    def _settings(self) -> dict[str, Any]:
        """All options by name, with what was taken where they were left out."""
        not_settings = ("command", "overwrite", "resume")
        settings = {k: v for k, v in vars(self.args).items() if k not in not_settings}
        settings |= {"epochs": self.epochs, "seeds": list(self.seeds)}
        settings["quirks"] = sorted(self.quirks)
        if self.batch_size:
            settings["batch_size"] = self.batch_size
        return settings


def _first(*values: Any) -> Any:
    return next((value for value in values if value is not None), None)


def _versions() -> dict[str, str]:
    return {
        "nnlite": nnlite.__version__,
        "numpy": np.__version__,
        "matplotlib": require("matplotlib", "plot", "report").__version__,
        "python": sys.version.split()[0],
        "platform": platform.platform(),
        "cores": str(os.cpu_count()),
    }
