"""index.html: a page that leads to the reports of all runs below a folder.

python -m examples.shared.index runs
"""

from __future__ import annotations

import sys
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

from examples.shared import report, results, schema
from examples.shared.registry import ENTRIES
from nnlite.files import atomic_write

INDEX = "index.html"


def build(folder: Path) -> tuple[Path, int]:
    """Write index.html into a folder; returns its path and how many runs it lists.

    Folders below with a results.json that is not sound are listed as such.

    Raises:
        OSError: it cannot be written.
    """
    order = [entry.name for entry in ENTRIES]
    found: list[tuple[int, str, str]] = []
    for path in sorted(folder.rglob(results.RESULTS)):
        where = path.parent.relative_to(folder)
        try:
            content = results.read(path.parent)
            wrong = schema.problems(content)
        except (OSError, ValueError) as error:
            content, wrong = {}, [str(error)]
        if wrong:
            text = (
                f"<li><h2>{escape(str(where))}</h2><p>no sound results: {escape(wrong[0])}</p></li>"
            )
            found.append((len(order), str(where), text))
        else:
            name = content["example"]
            rank = order.index(name) if name in order else len(order)
            found.append((rank, str(where), _item(content, where)))
    items = [item for _, _, item in sorted(found)]
    body = [
        "<h1>Runs of the examples</h1>",
        '<p class="lead">Published experiments, reproduced with nnlite.</p>',
        f'<ul class="runs">{"".join(items)}</ul>' if items else "<p>There are no runs yet.</p>",
    ]
    with atomic_write(folder / INDEX) as file:
        file.write(report.html("Runs of the examples", body).encode())
    return folder / INDEX, len(items)


def _item(content: dict[str, Any], where: Path) -> str:
    link = quote((where / results.REPORT).as_posix())
    figures = list(content["figures"].values())
    main = next((figure for figure in figures if figure["main"]), figures[0] if figures else None)
    picture = ""
    if main is not None:
        source = quote((where / main["file"]).as_posix())
        picture = f'<a href="{link}"><img src="{source}" alt="{escape(main["caption"])}"></a>'
    status = "" if content["status"] == "complete" else f"<strong>{content['status']}</strong>: "
    caveats = "; ".join(content["caveats"].values())
    note = f'<p class="note">Not comparable in all: {escape(caveats)}</p>' if caveats else ""
    minutes = content["seconds"] / 60
    return (
        f'<li>{picture}<h2><a href="{link}">{escape(content["title"])}</a></h2>'
        f"<p>{status}{escape(content['result'] or content['sentence'])}</p>{note}"
        f'<p class="note"><code>{escape(content["command"])}</code><br>{minutes:.1f} min, started '
        f"{escape(content['started'][:16].replace('T', ' '))} UTC</p></li>"
    )


def main(arguments: list[str] | None = None) -> int:
    """The command; returns the exit status."""
    names = sys.argv[1:] if arguments is None else arguments
    folder = Path(names[0]) if names else Path("runs")
    try:
        if len(names) > 1 or not folder.is_dir():
            raise OSError(f"expected the folder of the runs, got {' '.join(names) or 'runs'}")
        path, count = build(folder)
    except OSError as error:
        got = " ".join(str(error).split())
        print(f"error: index: {got}; hint: run an example first", file=sys.stderr)
        return 2
    print(f"{path}: {count} runs")
    return 0


if __name__ == "__main__":
    sys.exit(main())
