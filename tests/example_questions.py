"""The mini-project's questions asked of a part of the sample, and readers of the answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from examples import mini_project
from examples.shared.schema import problems

LIMIT = 310  # training images and test images: the last batch of 60 has ten


def ask(out: Path, numbers: str, *more: str) -> int:
    limits = ["--sample", "--limit", str(LIMIT), "--epochs", "1", "--seeds", "2"]
    return mini_project.main([*limits, "--question", numbers, "--out", str(out), *more])


def read(out: Path) -> dict[str, Any]:
    results: dict[str, Any] = json.loads((out / "results.json").read_text())
    assert problems(results) == []
    return results


def rows(results: dict[str, Any], name: str) -> dict[Any, dict[str, Any]]:
    """A table's rows by their first cell, as {column: cell}."""
    found = results["tables"][name]
    return {row[0]: dict(zip(found["columns"], row, strict=True)) for row in found["rows"]}


def column(results: dict[str, Any], name: str, heading: str) -> list[Any]:
    """A table's column, without the rows behind the ten classes."""
    return [row[heading] for row in rows(results, name).values()][:10]


def words(results: dict[str, Any]) -> str:
    """All sentences of the report."""
    blocks = results["content"]
    texts = [block["text"] for block in blocks if block["kind"] in ("text", "section")]
    return "\n".join(texts + [i for b in blocks if b["kind"] == "items" for i in b["items"]])
