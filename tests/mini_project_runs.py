"""A small run of the mini-project, and readers of what it writes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from examples import mini_project
from examples.mini_project import Project
from examples.shared import Run, launch
from examples.shared.schema import problems


def read(out: Path) -> dict[str, Any]:
    results: dict[str, Any] = json.loads((out / "results.json").read_text())
    assert problems(results) == []
    return results


def table(results: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """The rows of a table, by column."""
    found = results["tables"][name]
    return [dict(zip(found["columns"], row, strict=True)) for row in found["rows"]]


def words(results: dict[str, Any]) -> str:
    """All sentences of the report."""
    blocks = results["content"]
    texts = [block["text"] for block in blocks if block["kind"] in ("text", "section")]
    return "\n".join(texts + [i for b in blocks if b["kind"] == "items" for i in b["items"]])


def small_project(folder: Path) -> Project:
    """A project to train in, with 130 images, two seeds and two epochs, in float64."""
    found: list[Run] = []
    arguments = ["--sample", "--limit", "130", "--epochs", "2", "--seeds", "2"]
    arguments += ["--dtype", "float64", "--out", str(folder)]
    assert launch(mini_project.EXAMPLE, found.append, arguments) == 0
    return Project(found[0])
