"""results.json and what lies beside it: written at the end of a run, removed before a new one."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from examples.shared import report
from examples.shared.run import Run
from nnlite.files import atomic_write

RESULTS, REPORT, LOG = "results.json", "report.html", "log.txt"


def finish(run: Run, status: str, error: str = "") -> None:
    """Write log.txt, results.json and report.html, and say where they are.

    Args:
        status: "complete", "interrupted" or "failed".
        error: what it failed with.
    """
    results = plain(run.results(status, error))
    _write(run.out / LOG, "".join(f"{line}\n" for line in run.lines))
    text = json.dumps(results, indent=1, ensure_ascii=False, allow_nan=False)
    _write(run.out / RESULTS, text + "\n")
    _write(run.out / REPORT, report.page(results, run.out))
    print(f"\n{run.outcome}" if run.outcome else "")
    print(f"report: {run.out / REPORT}", flush=True)


def plain(value: Any) -> Any:
    """The value in JSON's types; NaN and infinity, which JSON lacks, become None."""
    if isinstance(value, dict):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(each) for each in value]
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return str(value)


def has_results(folder: Path) -> bool:
    """Whether an earlier run wrote into this folder."""
    return any((folder / name).exists() for name in (RESULTS, REPORT))


def is_complete(run: Run) -> bool:
    """Whether the folder of a run that is about to start holds it already, complete.

    The same is what has the same settings, data and version; where the data was found and where
    the results went does not count.
    """
    try:
        old = read(run.out)
        new = plain(run.results("complete"))
        elsewhere = dict.fromkeys(("out", "data", "no_download"))
        return bool(
            old["status"] == "complete"
            and old["settings"] | elsewhere == new["settings"] | elsewhere
            and old["data"]["parts"] == new["data"]["parts"]
            and old["versions"]["nnlite"] == new["versions"]["nnlite"]
        )
    except (OSError, ValueError, KeyError, TypeError):
        return False


def read(folder: Path) -> dict[str, Any]:
    """The results.json of a folder.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no JSON object.
    """
    results = json.loads((folder / RESULTS).read_text(encoding="utf-8"))
    if not isinstance(results, dict):
        raise ValueError(f"{folder / RESULTS} is no JSON object")
    return results


def remove(folder: Path) -> None:
    """Remove what an earlier run wrote, as its results.json lists it, and nothing else."""
    try:
        old = read(folder)
        names = [str(figure["file"]) for figure in old["figures"].values()] + list(old["files"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        names = []
    for name in (*names, RESULTS, REPORT, LOG):
        if Path(name).name == name:  # a file of this folder, wherever the list comes from
            (folder / name).unlink(missing_ok=True)


def _write(path: Path, text: str) -> None:
    with atomic_write(path) as file:
        file.write(text.encode())
