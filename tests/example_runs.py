"""A small example that trains nothing, and readers of what a run writes."""

from __future__ import annotations

import json
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np

import nnlite
from examples.shared import Example, Quirk, Run, launch
from nnlite.viz.style import new_figure

EXAMPLE = Example(
    name="lenet",
    description="Nothing is trained.",
    epochs=7,
    sample_epochs=2,
    batch_size=50,
    sample_batch_size=10,
    quirks=(Quirk("first", "counts from one"), Quirk("second", "counts twice")),
    options=lambda parser: parser.add_argument("--penalty", choices=("inert", "scaled")),
)


def fill(run: Run) -> None:
    """A report with something of everything."""
    run.log("epoch 1/2")
    run.record("loss", 0.5)
    run.record("loss", float("nan"))
    run.value("list", np.arange(3))
    run.section("Part <one>")
    run.text("a < b & c")
    run.items(["x", "y"])
    run.verbatim("<pre> stays")
    run.table("grid", ["name", "n"], [["<b>", np.int64(1234)], ["none", None]], csv=True)
    run.compare("accuracy", 89.76, [89.5, 90.0], tolerance=1.5, unit="%")
    run.compare("name", "Bag", "<i>Bag</i>", inside=False, depends=())
    figure = new_figure(2, 1, "test")
    figure.subplots().plot([1, 2])
    run.figure("line", figure, 'a "line"')
    run.weights("model", {"w": nnlite.ones(2)})
    run.text_file("note.txt", "é")
    run.result("It works.")


def start(
    out: Path, *arguments: str, experiment: Callable[[Run], None] = fill, example: Example = EXAMPLE
) -> int:
    return launch(example, experiment, ["--sample", "--limit", "20", "--out", str(out), *arguments])


def read(out: Path) -> dict[str, Any]:
    results: dict[str, Any] = json.loads((out / "results.json").read_text())
    return results


class Page(HTMLParser):
    """Checks that tags are balanced, and collects what is asked for."""

    VOID = frozenset({"meta", "img", "br"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.sources: list[str] = []
        self.tags: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.sources += [v or "" for k, v in attrs if k in ("src", "href")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)
