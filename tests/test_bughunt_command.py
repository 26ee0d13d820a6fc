"""The command of the bug hunt, as a student calls it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from examples.exercises.bughunt import BUGS, find
from examples.exercises.bughunt.__main__ import main, output_of

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Copies go to a folder of the test's own."""
    monkeypatch.chdir(tmp_path)


def test_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    lines = capsys.readouterr().out.splitlines()
    for bug in BUGS:
        (line,) = [line for line in lines if line.split()[:1] == [bug.name]]
        assert bug.title in line
        assert ("stops with an error" in line) == bug.loud


def test_the_way_of_a_student(capfd: pytest.CaptureFixture[str]) -> None:
    bug, copy = find("counting"), Path("runs/bughunt/counting.py")
    assert main(["start", "counting"]) == 0
    assert bug.task in capfd.readouterr().out
    assert copy.read_text() == bug.script.read_text()
    assert main(["run", "counting"]) == 0
    assert "tensor([" in capfd.readouterr().out
    assert main(["check", "counting"]) == 1
    assert "runs/bughunt/counting.py: not yet. " in capfd.readouterr().out
    for n in (1, 2, 3):
        assert main(["hint", "counting", str(n)]) == 0
        assert capfd.readouterr().out == bug.hint(n) + "\n"
    copy.write_text(bug.solution.read_text())
    assert main(["check", "counting"]) == 0
    assert "the bug is gone" in capfd.readouterr().out


def test_start_keeps_what_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    Path("mine.py").write_text("my work")
    assert main(["start", "view", "mine.py"]) == 2
    assert Path("mine.py").read_text() == "my work"
    assert "mine.py" in capsys.readouterr().err


def test_check_takes_a_file_and_else_the_script_itself(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "view", str(find("view").solution)]) == 0
    assert main(["check", "view"]) == 1
    assert str(find("view").script) in capsys.readouterr().out


def test_run_shows_the_traceback(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "names"]) == 1
    errors = capfd.readouterr().err
    assert errors.startswith("Traceback")
    assert errors.rstrip().endswith("NameError: name 'LEARNING_RATE' is not defined")


def test_task_and_solution(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["task", "shuffle"]) == 0
    assert find("shuffle").task in capsys.readouterr().out
    assert main(["solution", "shuffle"]) == 0
    diff = capsys.readouterr().out.splitlines()
    assert "+    order = nnlite.randperm(len(images))" in diff
    assert len([line for line in diff if line.startswith("-")]) == 3  # one of them the file's name


def test_explain_runs_both(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "channels"]) == 0
    text, buggy, solved = capsys.readouterr().out.split("\n-- ")
    assert find("channels").explanation in text
    assert "ShapeError: Normalize" in buggy
    assert "test accuracy" in solved


def test_output_has_warnings_and_errors(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import warnings\nprint('before')\nwarnings.warn('odd', stacklevel=1)\nprint(1 / 0)\n"
    )
    assert output_of(script).splitlines() == [
        "before",
        "line 3: UserWarning: odd",
        "ZeroDivisionError: division by zero",
    ]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["check", "countig"], ["'countig'", "did you mean counting"]),
        (["hint", "nothing", "1"], ["'nothing'", "counting"]),
        (["hint", "counting", "4"], ["from 1 to 3", "4"]),
        (["hint", "counting", "x"], ["invalid int"]),
        (["hint", "counting"], ["N"]),
        (["check", "counting", "no-such.py"], ["no-such.py", "no such file"]),
        (["check", "counting", "."], ["a folder"]),
        (["run", "counting", "no-such.py"], ["no-such.py"]),
        (["start", "counting", "file/below.py"], ["file"]),
        (["mend", "counting"], ["'mend'"]),
        (["--all"], ["COMMAND"]),
    ],
)
def test_bad_input(
    arguments: list[str], words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    Path("file").write_text("")
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: ")
    assert len(captured.err.splitlines()) == 1
    for word in words:
        assert word in captured.err


def test_ctrl_c_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("endless.py").write_text("raise KeyboardInterrupt")
    assert main(["check", "counting", "endless.py"]) == 130
    assert capsys.readouterr().err.strip() == "stopped"


def test_as_a_process() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "examples.exercises.bughunt", "check", "optimizer"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "4 of the network's 4 parameters" in done.stdout
    assert done.stderr == ""
