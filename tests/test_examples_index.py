"""python -m examples: the list, running all, and the index of the runs."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest

from examples import __main__ as command
from examples.shared import Example, index, registry
from tests.example_runs import Page, start


@pytest.fixture(autouse=True)
def _no_named_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NNLITE_DATA", raising=False)
    monkeypatch.setenv("NNLITE_OFFLINE", "1")


def test_list_names_every_example(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main([]) == 0
    text = capsys.readouterr().out
    for entry in registry.ENTRIES:
        assert entry.name in text
        assert entry.sentence in text
        assert f"{entry.minutes} min" in text


@pytest.mark.parametrize("arguments", [["foo"], ["foo", "--epochs", "1"], ["--everything"]])
def test_unknown_example(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(arguments) == 2
    error = capsys.readouterr().err
    assert len(error.splitlines()) == 1
    assert error.startswith("error: ")
    assert arguments[0] in error


@pytest.mark.parametrize("arguments", [["--quick"], ["--al"], ["--overwrite", "--out", "runs"]])
def test_hours_of_work_are_asked_for_by_name(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    calls = _fake_examples(monkeypatch, dict.fromkeys(NAMES, 0))
    assert command.main(arguments) == 2
    assert calls == []
    assert "--al" in capsys.readouterr().err


def _fake_examples(
    monkeypatch: pytest.MonkeyPatch, statuses: dict[str, int]
) -> list[tuple[str, list[str]]]:
    """Stand-ins for the modules of the examples that write results; returns their calls."""
    calls: list[tuple[str, list[str]]] = []
    for name, status in statuses.items():
        module = ModuleType(f"examples.{name}")

        def main(arguments: list[str], name: str = name, status: int = status) -> int:
            calls.append((name, arguments))
            example = Example(name=name, description="", epochs=1)
            start(Path(arguments[-1]), example=example)
            return status

        module.main = main  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, f"examples.{name}", module)
    return calls


NAMES = [entry.name for entry in registry.ENTRIES if entry.reproduces]


@pytest.mark.parametrize("again", ["--overwrite", "--resume"])
def test_all_runs_each_and_builds_the_index(
    again: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = _fake_examples(monkeypatch, dict.fromkeys(NAMES, 0))
    out = str(tmp_path / "runs")
    assert command.main(["--all", "--quick", again, "--out", out]) == 0
    assert [name for name, _ in calls] == NAMES
    for name, arguments in calls:
        assert "--sample" in arguments
        assert again in arguments
        assert arguments[-2:] == ["--out", str(tmp_path / "runs" / name)]
    page = Page((tmp_path / "runs" / "index.html").read_text())
    for name in NAMES:
        assert f"{name}/report.html" in page.sources
        assert f"{name}/line.png" in page.sources


def test_all_goes_on_after_a_failure_and_tells(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    calls = _fake_examples(monkeypatch, dict.fromkeys(NAMES, 0))
    monkeypatch.setitem(sys.modules, f"examples.{NAMES[1]}", None)  # not there
    assert command.main(["--all", "--out", str(tmp_path)]) == 2
    assert [name for name, _ in calls] == [NAMES[0], *NAMES[2:]]
    assert f"examples.{NAMES[1]} is not there" in capsys.readouterr().err


def test_ctrl_c_ends_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = _fake_examples(monkeypatch, dict.fromkeys(NAMES, 130))
    assert command.main(["--all", "--out", str(tmp_path)]) == 130
    assert len(calls) == 1
    assert (tmp_path / "index.html").exists()


def test_ctrl_c_between_two_examples(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(name: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(command.importlib, "import_module", interrupted)
    assert command.main(["lenet"]) == 130
    assert capsys.readouterr().err.strip() == "stopped"


def test_index_tells_sound_runs_from_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    start(tmp_path / "a <run>")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "results.json").write_text('{"format": 1}')
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "results.json").write_text("")
    assert index.main([str(tmp_path)]) == 0
    assert "3 runs" in capsys.readouterr().out
    page = Page((tmp_path / "index.html").read_text())
    assert page.sources.count("a%20%3Crun%3E/report.html") == 2
    assert "a%20%3Crun%3E/line.png" in page.sources
    text = " ".join(page.words)
    assert "It works." in text
    assert text.count("no sound results") == 2


@pytest.mark.parametrize("arguments", [["no-such-folder"], ["a", "b"]])
def test_index_of_nothing(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert index.main(arguments) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
