"""docs/traps.md names tests that exist, and issues that these tests name."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
TEXT = (TESTS.parent / "docs" / "traps.md").read_text()
ROWS = [line for line in TEXT.splitlines() if line.startswith("| ") and "::" in line]


def _functions(path: Path) -> set[str]:
    return {n.name for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.FunctionDef)}


@pytest.mark.parametrize("row", ROWS, ids=[row.split("|")[1].strip() for row in ROWS])
def test_the_tests_of_a_trap_exist(row: str) -> None:
    named = re.findall(r"`(test_\w+\.py)::(test_\w+)`", row)
    assert named
    for file, test in named:
        assert test in _functions(TESTS / file), f"{file}::{test}"


COVERED = [row for row in ROWS if row.count("|") == 4]


@pytest.mark.parametrize("row", COVERED, ids=[row.split("|")[1].strip() for row in COVERED])
def test_the_issues_of_a_trap_are_named_in_its_tests(row: str) -> None:
    issues = re.findall(r"#\d+|CVE-\d+-\d+|NEP \d+", row.split("|")[2])
    assert issues
    files = set(re.findall(r"`(test_\w+\.py)::", row))
    text = "".join((TESTS / file).read_text() for file in files)
    assert not [issue for issue in issues if not re.search(rf"{issue}\b", text)]


def test_all_traps_are_listed() -> None:
    assert len(COVERED) >= 45
