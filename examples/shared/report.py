"""report.html: one page with everything in it, made of results.json and the pictures beside it.

It needs no network and no script, prints, and reads on a phone.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from html import escape
from pathlib import Path
from typing import Any

from examples.shared.compare import number

STYLE = Path(__file__).with_name("report.css")
STATES = {
    True: ("inside", "✓ inside"),
    False: ("outside", "✗ outside"),
    None: ("unknown", "– not judged"),
}


def page(results: dict[str, Any], folder: Path) -> str:
    """The whole page.

    Args:
        results: the content of results.json.
        folder: where its pictures lie.
    """
    body = [
        f"<h1>{escape(results['title'])}</h1>",
        f'<p class="lead">{escape(results["sentence"])}</p>',
        *_state(results),
        *_summary(results),
        *(block for each in results["content"] for block in _block(each, results, folder)),
        *_facts(results),
    ]
    return html(results["title"], body)


def html(title: str, body: Iterable[str]) -> str:
    """A page with the style inside it."""
    style = STYLE.read_text(encoding="utf-8")
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en">',
            '<head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(title)}</title>",
            f"<style>\n{style}</style></head>",
            "<body>",
            *body,
            "</body></html>\n",
        ]
    )


def image(path: Path, alt: str) -> str:
    """A PNG as an img element that holds it."""
    try:
        data = base64.b64encode(path.read_bytes()).decode()
    except OSError:
        return f"<em>the picture {escape(path.name)} is not there</em>"
    return f'<img src="data:image/png;base64,{data}" alt="{escape(alt)}">'


# -- the head ----------------------------------------------------------------------------------


def _state(results: dict[str, Any]) -> Iterable[str]:
    """The outcome, whether the run came to its end, and what its numbers cannot be used for."""
    if results["result"]:
        yield f'<p class="outcome">{escape(results["result"])}</p>'
    if results["status"] == "interrupted":
        yield (
            '<p class="warning"><strong>Interrupted.</strong> The run was stopped by Ctrl-C; '
            "this page has what was done until then.</p>"
        )
    if results["status"] == "failed":
        yield (
            '<p class="warning"><strong>Failed.</strong> The run ended with an error; this page '
            f"has what was done until then. {escape(results['error'])}</p>"
        )
    if results["caveats"]:
        items = "".join(
            f"<li><strong>{escape(kind)}</strong>: {escape(sentence)}</li>"
            for kind, sentence in results["caveats"].items()
        )
        yield (
            '<div class="warning">This run differs from the published one, so that not all of its '
            f"numbers can be compared:<ul>{items}</ul></div>"
        )


def _summary(results: dict[str, Any]) -> Iterable[str]:
    rows = results["comparisons"]
    if not rows:
        return
    inside = sum(row["inside"] is True for row in rows)
    outside = [row["what"] for row in rows if row["inside"] is False]
    text = (
        f"Values compared below: {len(rows)}. Inside what is accepted: {inside}; outside: "
        f"{len(outside)}; not judged: {len(rows) - inside - len(outside)}."
    )
    if outside:
        text += f" Outside: {'; '.join(outside)}."
    yield f"<p>{escape(text)}</p>"


# -- the content -------------------------------------------------------------------------------


def _block(block: dict[str, Any], results: dict[str, Any], folder: Path) -> Iterable[str]:
    kind = block["kind"]
    if kind == "section":
        yield f"<h2>{escape(block['text'])}</h2>"
    elif kind == "text":
        yield f"<p>{escape(block['text'])}</p>"
    elif kind == "verbatim":
        yield f'<pre tabindex="0">{escape(block["text"])}</pre>'
    elif kind == "items":
        yield "<ul>" + "".join(f"<li>{escape(item)}</li>" for item in block["items"]) + "</ul>"
    elif kind == "figure":
        figure = results["figures"][block["name"]]
        caption = escape(figure["caption"])
        picture = image(folder / figure["file"], figure["caption"])
        yield f"<figure>{picture}<figcaption>{caption}</figcaption></figure>"
    elif kind == "table":
        yield _table(results["tables"][block["name"]])
    elif kind == "comparisons":
        yield _comparisons([results["comparisons"][k] for k in block["rows"]])


def _table(table: dict[str, Any]) -> str:
    formats = table["formats"] or [""] * len(table["columns"])
    texts = [_cell(c, f) for row in table["rows"] for c, f in zip(row, formats, strict=True)]
    width = len(table["columns"])
    numeric = [any(isinstance(row[k], int | float) for row in table["rows"]) for k in range(width)]
    rows = [texts[k : k + width] for k in range(0, len(texts), width)]
    return _grid(table["caption"], table["columns"], rows, ["number" if n else "" for n in numeric])


def _cell(value: Any, spec: str) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return value
    if spec:
        return format(value, spec)
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"


def _comparisons(rows: list[dict[str, Any]]) -> str:
    banded = any(row["band"] for row in rows)
    mean = "reproduced (mean)" if banded else "reproduced"
    columns = ["value", "published", mean, "seeds, min–max", "accepted", "verdict", "reason"]
    judged = any(row["accepted"] for row in rows)
    shown = [0, 1, 2, *([3] if banded else []), *([4] if judged else []), 5, 6]
    cells, states = [], []
    for row in rows:
        digits, unit = row["digits"], row["unit"]
        band, state = "", STATES[row["inside"]]
        if row["band"]:
            low, high = row["band"]
            band = f"{number(low, digits)}–{number(high, digits)} ({len(row['values'])})"
        if row["inside"] is None and not row["accepted"] and not row["caveats"]:
            state = ("unknown", "")  # nothing was asked
        cells.append(
            [
                row["what"],
                number(row["published"], digits, unit),
                number(row["reproduced"], digits, unit),
                band,
                _accepted(row),
                state[1],
                row["reason"],
            ]
        )
        states.append(state[0])
    numeric = not any(isinstance(row["published"], str) for row in rows)
    kind = "number" if numeric else ""
    classes = ["", kind, kind, "number", "number", "state", "reason"]
    return _grid(
        "",
        [columns[k] for k in shown],
        [[row[k] for k in shown] for row in cells],
        [classes[k] for k in shown],
        states,
    )


def _accepted(row: dict[str, Any]) -> str:
    if not row["accepted"]:
        return ""
    (low, high), digits = row["accepted"], row["digits"]
    if low is None:
        return f"≤ {number(high, digits)}"
    if high is None:
        return f"≥ {number(low, digits)}"
    return f"{number(low, digits)}–{number(high, digits)}"


def _grid(
    caption: str,
    columns: list[str],
    rows: list[list[str]],
    classes: list[str],
    states: list[str] | None = None,
) -> str:
    """A table that scrolls sideways where the screen is narrow.

    With ``states``, the class of each row's cell "state", it turns into a list there instead.
    """

    def line(tag: str, cells: list[str], state: str = "") -> str:
        texts = []
        for text, kind, column in zip(cells, classes, columns, strict=True):
            css = state if kind == "state" else kind
            attributes = f' class="{css}"' if css else ""
            if states and tag == "td":
                attributes += f' data-label="{escape(column)}"'
            texts.append(f"<{tag}{attributes}>{escape(text)}</{tag}>")
        return f"<tr>{''.join(texts)}</tr>"

    body = [line("td", row, states[k] if states else "") for k, row in enumerate(rows)]
    # the span stays where the page is when a wide table is scrolled
    head = f"<caption><span>{escape(caption)}</span></caption>" if caption else ""
    kind = ' class="stack"' if states else ""
    return (
        f'<div class="scroll" tabindex="0"><table{kind}>{head}<thead>{line("th", columns)}</thead>'
        f"<tbody>{''.join(body)}</tbody></table></div>"
    )


# -- the foot ----------------------------------------------------------------------------------


def _facts(results: dict[str, Any]) -> Iterable[str]:
    """Settings, data, versions and files: what another needs to do it again."""
    yield "<h2>Settings</h2>"
    yield f"<p><code>{escape(results['command'])}</code></p>"
    settings = [[key, _setting(value)] for key, value in results["settings"].items()]
    yield _grid("", ["setting", "value"], settings, ["", ""])
    if results["quirks"]:
        rows = [
            [name, "on" if quirk["on"] else "off", quirk["sentence"]]
            for name, quirk in results["quirks"].items()
        ]
        caption = "Quirks of the published work"
        yield _grid(caption, ["quirk", "here", "what it does"], rows, ["", "", "reason"])
    yield "<h2>Data</h2>"
    yield f"<p>{escape(results['data']['source'])}</p>"
    parts = [
        [name, " × ".join(f"{n:,}" for n in part["shape"]), part["sha256"]]
        for name, part in results["data"]["parts"].items()
    ]
    yield _grid("", ["array", "shape", "SHA-256 of its numbers"], parts, ["", "number", "hash"])
    yield "<h2>Files</h2>"
    files = [["results.json", "settings, data, every series and table"], ["log.txt", "the log"]]
    files += [[figure["file"], figure["caption"]] for figure in results["figures"].values()]
    files += [[name, caption] for name, caption in results["files"].items()]
    yield _grid("", ["file", "content"], files, ["", "reason"])
    versions = ", ".join(f"{name} {version}" for name, version in results["versions"].items())
    yield (
        f"<footer>Started {escape(results['started'])}, took {results['seconds']:,.0f} s. "
        f"{escape(versions)}.</footer>"
    )


def _setting(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(str(each) for each in value) or "none"
    return "–" if value is None else _cell(value, "")
