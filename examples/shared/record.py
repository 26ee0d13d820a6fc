"""What a run has to say, collected as it goes: the content of results.json and report.html."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from examples.shared.compare import KINDS, comparison
from nnlite import viz
from nnlite.errors import ArgumentError
from nnlite.files import atomic_write
from nnlite.io import save_safetensors


class Record:
    """Series, tables, figures, files, comparisons and text, in the order of the report.

    Everything is kept as plain Python values; files are written at once, so that they are there
    whatever happens later. A file name is one without folders: letters, digits, ``._-``.

    Args:
        out: the folder of the run.
    """

    def __init__(self, out: Path) -> None:
        self.out = out
        self.caveats: dict[str, str] = {}
        self.outcome = ""
        self.content: list[dict[str, Any]] = []
        self.lines: list[str] = []
        self.series: dict[str, list[float]] = {}
        self.values: dict[str, Any] = {}
        self.tables: dict[str, dict[str, Any]] = {}
        self.figures: dict[str, dict[str, Any]] = {}
        self.files: dict[str, str] = {}
        self.comparisons: list[dict[str, Any]] = []

    # -- numbers -------------------------------------------------------------------------------

    def record(self, series: str, value: float) -> None:
        """Append a number to a series; a series is made by its first number."""
        self.series.setdefault(series, []).append(float(value))

    def value(self, name: str, value: Any) -> None:
        """Keep a single number, text or list under a name."""
        self.values[name] = value

    def log(self, line: str = "") -> None:
        """Print a line, and keep it for log.txt."""
        print(line, flush=True)
        self.lines.append(line)

    # -- the report, in order ------------------------------------------------------------------

    def section(self, title: str) -> None:
        """Begin a part of the report."""
        self.content.append({"kind": "section", "text": title})

    def text(self, paragraph: str) -> None:
        """A paragraph of plain text."""
        self.content.append({"kind": "text", "text": " ".join(paragraph.split())})

    def items(self, lines: Iterable[str]) -> None:
        """A list of plain sentences."""
        self.content.append({"kind": "items", "items": [" ".join(line.split()) for line in lines]})

    def verbatim(self, text: str) -> None:
        """Lines as they are, in a typewriter's letters: a log, a network's repr."""
        self.content.append({"kind": "verbatim", "text": text})

    def result(self, sentence: str) -> None:
        """The outcome in one sentence: at the top of the report and in the index of all runs."""
        self.outcome = " ".join(sentence.split())

    def figure(self, name: str, figure: Any, caption: str, main: bool = False) -> Path:
        """Write a matplotlib Figure as ``name.png`` and show it here.

        Args:
            main: the one for the index of all runs; otherwise the first is.
        """
        path = viz.save(figure, self._path(name, ".png"))
        self.figures[name] = {"file": path.name, "caption": caption, "main": main}
        self.content.append({"kind": "figure", "name": name})
        return path

    def table(
        self,
        name: str,
        columns: Sequence[str],
        rows: Iterable[Sequence[Any]],
        caption: str = "",
        *,
        formats: Sequence[str] | None = None,
        csv: bool = False,
    ) -> None:
        """A table of numbers and texts.

        Args:
            name: its key in results.json, and of the file.
            columns: the headings.
            rows: each as long as columns; None for a cell without a value.
            formats: a format per column for the report ("", ".2f", ","); None: four digits.
            csv: also write ``name.csv``, with all digits.
        """
        kept = [list(row) for row in rows]
        if any(len(row) != len(columns) for row in kept) or (
            formats is not None and len(formats) != len(columns)
        ):
            raise ArgumentError(
                "table",
                name,
                expected=f"{len(columns)} cells in each row, and as many formats",
                got=f"rows of {sorted({len(row) for row in kept})} cells and "
                f"{len(formats or columns)} formats",
                hint="one cell and one format per column",
            )
        self.tables[name] = {
            "caption": caption,
            "columns": list(columns),
            "rows": kept,
            "formats": list(formats) if formats is not None else None,
        }
        self.content.append({"kind": "table", "name": name})
        if csv:
            self.csv(name, kept, columns, caption)

    def compare(
        self,
        what: str,
        published: float | str | None,
        reproduced: float | str | Sequence[float] | None,
        *,
        tolerance: float | None = None,
        at_least: float | None = None,
        at_most: float | None = None,
        inside: bool | None = None,
        reason: str = "",
        digits: int = 2,
        unit: str = "",
        depends: Sequence[str] = KINDS,
    ) -> dict[str, Any]:
        """A row of the table published / reproduced / reason; rows in a sequence share a table.

        Args:
            what: the value's name.
            published: as published; None for a value that nobody published.
            reproduced: this run's; a list has one value per seed, and makes the band.
            tolerance: accepted are published ± tolerance.
            at_least, at_most: or these limits.
            inside: or the verdict itself, where the value is no number.
            reason: why the two differ; "" leaves it to the caveats and the seeds' spread.
            digits: decimals shown.
            unit: stands behind the numbers.
            depends: the kinds of caveat that forbid the comparison: "data", "epochs", "batch",
                "quirks" (all of them) or "quirk NAME", and those that the example adds to
                ``caveats``.

        Returns:
            the row; ``row["inside"]`` is True, False, or None where it cannot be judged.
        """
        row = comparison(
            what,
            published,
            reproduced,
            tolerance=tolerance,
            at_least=at_least,
            at_most=at_most,
            inside=inside,
            reason=reason,
            digits=digits,
            unit=unit,
            caveats=self.caveats,
            depends=depends,
        )
        if not (self.content and self.content[-1]["kind"] == "comparisons"):
            self.content.append({"kind": "comparisons", "rows": []})
        self.content[-1]["rows"].append(len(self.comparisons))
        self.comparisons.append(row)
        return row

    # -- files ---------------------------------------------------------------------------------

    def csv(
        self,
        name: str,
        rows: Iterable[Iterable[Any]],
        columns: Sequence[str] | None = None,
        caption: str = "",
    ) -> Path:
        """Write ``name.csv``: a line of headings (unless None), then the rows with all digits."""
        path = self._path(name, ".csv")
        with atomic_write(path) as raw:
            lines = _Lines()
            writer = csv.writer(lines, lineterminator="\n")
            if columns is not None:
                writer.writerow(columns)
            writer.writerows([_plain(cell) for cell in row] for row in rows)
            raw.write("".join(lines.parts).encode())
        self.files[path.name] = caption
        return path

    def text_file(self, name: str, text: str, caption: str = "") -> Path:
        """Write ``name`` (with its ending) as UTF-8 text."""
        path = self._path(name, "")
        with atomic_write(path) as raw:
            raw.write(text.encode())
        self.files[path.name] = caption
        return path

    def weights(self, name: str, state_dict: Mapping[str, Any], caption: str = "") -> Path:
        """Write ``name.safetensors``: the model file that nnlite and PyTorch read."""
        path = self._path(name, ".safetensors")
        save_safetensors(state_dict, path)
        self.files[path.name] = caption or f"weights of {name}"
        return path

    def _path(self, name: str, ending: str) -> Path:
        if not re.fullmatch(r"[A-Za-z0-9][\w.-]*", name, re.ASCII):
            raise ArgumentError(
                "file name",
                expected="letters, digits, '.', '_' and '-'",
                got=repr(name),
                hint="all files of a run lie in its folder",
            )
        return self.out / (name + ending)


class _Lines:
    """What csv.writer writes to."""

    def __init__(self) -> None:
        self.parts: list[str] = []

    def write(self, text: str) -> None:
        self.parts.append(text)


def _plain(value: Any) -> Any:
    """NumPy's scalars as Python's, whose repr has all digits and nothing else."""
    return value.item() if hasattr(value, "item") else value
