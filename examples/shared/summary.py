"""A summary of the runs below a folder, in Markdown: what docs/reproductions.md holds.

python -m examples.shared.summary runs > docs/reproductions.md
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from examples.shared import results, schema
from examples.shared.command import one_line
from examples.shared.registry import ENTRIES
from nnlite.errors import DataError

HEAD = """# Reproductions

The five published pieces of work, run on the full data: written by
`python -m examples.shared.summary` from the runs' own files. A value is *inside* where every
seed lies in the accepted band; values without a band are not judged, but shown. The reports, with
figures and explanations, come from the commands below, or all together from `make reproduce`.
"""

VERDICTS = {True: "inside", False: "**outside**", None: ""}


def summary(folder: Path) -> str:
    """All sound runs below the folder, in the order of the list of examples.

    Raises:
        DataError: there is no run, or one whose results.json is not sound.
    """
    order = [entry.name for entry in ENTRIES]
    runs = []
    for path in folder.rglob(results.RESULTS):
        content = results.read(path.parent)
        wrong = schema.problems(content)
        if wrong:
            raise DataError("summary", str(path), expected="sound results", got=wrong[0])
        runs.append((order.index(content["example"]), str(path), content))
    if not runs:
        raise DataError(
            "summary",
            str(folder),
            expected="runs of the examples",
            got="none",
            hint="python -m examples --all makes them",
        )
    return "\n".join([HEAD, *(_section(content) for _, _, content in sorted(runs))])


def _section(content: dict[str, Any]) -> str:
    settings = content["settings"]
    shown = [f"python -m examples.{content['example']}"]
    if settings["seeds"]:
        shown.append(f"--seeds {len(settings['seeds'])}")
    minutes = round(content["seconds"] / 60)
    lines = [
        f"## {content['title']}",
        "",
        content["result"],
        "",
        f"`{' '.join(shown)}`: {minutes} minute{'' if minutes == 1 else 's'}, {content['status']}; "
        f"{settings['epochs']} epochs, seeds {', '.join(map(str, settings['seeds']))}, "
        f"{settings['dtype']}, {settings['device']}; "
        f"{'the sample' if content['data']['is_sample'] else 'the full data'}.",
        "",
        "| value | published | reproduced | seeds | accepted | |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    lines += [_row(row) for row in content["comparisons"]]
    outside = [row for row in content["comparisons"] if row["inside"] is False]
    if outside:
        lines += ["", "Outside:", ""]
        lines += [f"- {row['what']}: {row['reason']}" for row in outside]
    return "\n".join([*lines, ""])


def _row(row: dict[str, Any]) -> str:
    digits, unit = row["digits"], row["unit"]
    band = row["band"]
    seeds = "" if band is None else f"{band[0]:.{digits}f}–{band[1]:.{digits}f}"
    low, high = row["accepted"] or (None, None)
    if low is not None and high is not None:
        accepted = f"{low:.{digits}f}–{high:.{digits}f}"
    elif low is not None:
        accepted = f"≥ {low:.{digits}f}"
    else:
        accepted = "" if high is None else f"≤ {high:.{digits}f}"
    cells = [
        row["what"],
        _number(row["published"], digits, unit),
        _number(row["reproduced"], digits, unit),
        seeds,
        accepted,
        VERDICTS[row["inside"]],
    ]
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _number(value: Any, digits: int, unit: str) -> str:
    if isinstance(value, float):
        return f"{value:.{digits}f} {unit}".strip()
    return "" if value is None else str(value)


def main(arguments: list[str] | None = None) -> int:
    """The command; returns the exit status."""
    given = sys.argv[1:] if arguments is None else arguments
    try:
        print(summary(Path(given[0] if given else "runs")))
    except (DataError, OSError, ValueError) as error:
        print(one_line(error), file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
