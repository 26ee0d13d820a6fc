"""Each exercise of the bug hunt: its bug shows as it is told, and its solution has none."""

from __future__ import annotations

import difflib
import math
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import nnlite
from examples.exercises.bughunt import BUGS, Bug, check, find
from examples.exercises.bughunt.catalogue import FOLDER
from examples.exercises.bughunt.pretend_gpu import DEVICE
from nnlite.errors import ArgumentError, DataError, DeviceError, ShapeError

each_bug = pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)


def load(path: Path) -> ModuleType:
    module = ModuleType(path.stem)
    exec(compile(path.read_bytes(), str(path), "exec"), vars(module))
    return module


def run(name: str) -> Any:
    return load(find(name).script).main()


def run_solution(name: str) -> Any:
    return load(find(name).solution).main()


# -- the symptoms, measured here and not by the checks ---------------------------------------


def test_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(NameError, match="LEARNING_RATE"):
        run("names")
    # a second one, after the training
    module = load(find("names").script)
    vars(module).update(LEARNING_RATE=1e-3, EPOCHS=1, BATCH_SIZE=100)
    with pytest.raises(NameError, match="N_EPOCHS"):
        module.main()
    assert run_solution("names")[1] > 0.7
    assert "in 3 epochs" in capsys.readouterr().out


def test_channels() -> None:
    with pytest.raises(ShapeError, match=r"C=3, got \(2000, 1, 28, 28\)"):
        run("channels")
    assert run_solution("channels")[1] > 0.7


def test_view(capsys: pytest.CaptureFixture[str]) -> None:
    _, accuracy = run("view")
    last = float(capsys.readouterr().out.splitlines()[0].rpartition(" ")[2])
    assert last == pytest.approx(math.log(10), abs=0.05)  # the loss of guessing
    assert accuracy < 0.2
    assert run_solution("view")[1] > 0.7


def test_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DeviceError, match=r"linear: .* got cpu and pretend"):
        run("devices")
    # a second one, in the test: the labels
    module = load(find("devices").script)
    vars(module)["train"] = load(find("devices").solution).train
    with pytest.raises(DeviceError, match=r"eq: .* got pretend and cpu"):
        module.main()
    model, accuracy = run_solution("devices")
    assert {p.device.type for p in model.parameters()} == {"pretend"}
    assert accuracy > 0.6


def test_the_pretended_gpu_computes_as_the_cpu_does() -> None:
    module = load(find("devices").solution)
    _, there = module.main()
    vars(module)["DEVICE"] = nnlite.device("cpu")
    _, here = module.main()
    assert there == pytest.approx(here, abs=0.01)
    one = nnlite.ones(1).to(DEVICE)
    with pytest.raises(DeviceError):
        one + nnlite.ones(1)
    with pytest.raises(DeviceError):
        one.numpy()
    assert one.cpu().numpy() == [1]


def test_counting(capsys: pytest.CaptureFixture[str]) -> None:
    run("counting")
    numbers = capsys.readouterr().out.partition("[")[2].partition("]")[0].split(",")
    shares = [float(number) for number in numbers]
    assert len(shares) == 50
    assert max(shares) <= 10 / 500 + 1e-6
    run_solution("counting")
    accuracy = float(capsys.readouterr().out.rpartition(" ")[2])
    assert accuracy > 0.7
    assert sum(shares) == pytest.approx(accuracy, abs=50 * 5e-4)  # printed to three digits


def test_four_images() -> None:
    overall, classes = run("four_images")
    assert abs(np.mean(classes) - overall) > 0.01
    assert any(abs(100 * share - round(100 * share)) > 0.1 for share in classes)
    overall, classes = run_solution("four_images")
    assert np.mean(classes) == pytest.approx(overall)
    assert overall > 0.7


def test_zero_grad() -> None:
    losses, solved = run("zero_grad"), run_solution("zero_grad")
    assert losses[1] < losses[0]
    assert max(losses[2:]) > 1.2 * losses[1]
    assert solved == sorted(solved, reverse=True)
    assert solved[-1] < 0.9


def test_softmax() -> None:
    with pytest.warns(UserWarning, match="cross_entropy: input comes from softmax"):
        losses = run("softmax")
    assert min(losses) > math.log(math.e + 9) - 1
    assert run_solution("softmax")[-1] < 0.6  # and warns of nothing


def test_optimizer() -> None:
    losses = run("optimizer")
    assert max(losses) - min(losses) < 5e-6
    assert run_solution("optimizer")[-1] < 0.8


def test_dropout() -> None:
    shares, solved = run("dropout"), run_solution("dropout")
    assert len(set(shares)) > 1
    assert len(set(solved)) == 1
    assert max(shares) < solved[0]


def test_shuffle() -> None:
    losses = run("shuffle")
    assert losses[-1] < losses[0]
    assert losses[-1] > 2.1
    assert run_solution("shuffle")[-1] < 0.9


def test_graph() -> None:
    memory, solved = run("graph"), run_solution("graph")
    assert memory[2] > 1.7 * memory[1] > 1.7**2 * memory[0]
    assert max(solved) < 1.2 * min(solved)


def test_selection() -> None:
    ahead, later = run("selection")
    assert ahead > 0.03
    assert later < ahead / 2


# the six bugs, put one by one into the script without any: old text, new text, what stops it then,
# and how many are gone (without a name, the functions in which others would be looked for stop too)
SIX = {
    "names": ("batch_size = 60\n", "", "NameError: name 'batch_size'", 2),
    "channels": ("(0.5,), (0.5,)", "(0.5, 0.5, 0.5), (0.5, 0.5, 0.5)", "ShapeError: Normalize", 5),
    "view": ("x.view(-1, 28 * 28)", "x.view(-1, 3 * 28 * 28)", "ShapeError: linear", 5),
    "devices": (
        "            images, labels = images.to(DEVICE), labels.to(DEVICE)\n            optimizer",
        "            optimizer",
        "DeviceError: linear",
        5,
    ),
    "counting": (
        "(model(images).argmax(1) == labels).sum().item()",
        "model(images).argmax(1) == labels",
        "ShapeError: add: .* (60,) and (40,)",
        5,
    ),
    "four_images": ("range(len(labels))", "range(4)", "", 5),
}


@pytest.mark.parametrize("kind", SIX)
def test_whole_finds_each_of_the_six(kind: str, tmp_path: Path) -> None:
    bug, (old, new, stops, gone) = find("whole"), SIX[kind]
    text = bug.solution.read_text()
    assert text.count(old) == 1
    path = tmp_path / "mine.py"
    path.write_text(text.replace(old, new))
    assert new in bug.script.read_text()
    verdict = check(bug, path)
    assert not verdict.gone
    assert verdict.text.startswith(f"{gone} of 6 bugs are gone")
    if stops:
        name, _, words = stops.partition(": ")
        with pytest.raises(Exception, match=words.replace("(", r"\(").replace(")", r"\)")) as error:
            load(path).main()
        assert error.type.__name__ == name
    else:
        load(path).main()


def test_whole_has_all_six() -> None:
    bug = find("whole")
    with pytest.raises(ShapeError, match="Normalize"):
        run("whole")
    assert check(bug, bug.script).text.startswith("0 of 6 bugs are gone")
    verdict = check(bug, bug.solution)
    assert verdict.gone, verdict.text


# -- the checks ------------------------------------------------------------------------------


@each_bug
def test_check_tells_script_and_solution_apart(bug: Bug, capsys: pytest.CaptureFixture) -> None:
    with_bug, without = check(bug, bug.script), check(bug, bug.solution)
    assert not with_bug.gone
    assert without.gone, without.text
    # as the list says; in the one with six bugs each is looked at by itself
    assert with_bug.text.startswith("It stops with") == (bug.loud and bug.name != "whole")
    for verdict in (with_bug, without):
        assert verdict.text.strip()
        assert "\n" not in verdict.text
    assert capsys.readouterr().out == ""


# -- the collection --------------------------------------------------------------------------


def test_the_list_is_complete() -> None:
    modules = {bug.module for bug in BUGS}
    for folder in (FOLDER, FOLDER / "solutions"):
        assert {p.stem for p in folder.glob("bug*.py")} | {"the_whole_script"} == modules
    assert {p.stem for p in (FOLDER / "texts").iterdir()} == {bug.name for bug in BUGS}
    assert len({bug.name for bug in BUGS}) == len(BUGS)


@each_bug
def test_texts(bug: Bug) -> None:
    hints = [bug.hint(n) for n in (1, 2, 3)]
    parts = [bug.title, bug.task, *hints, bug.explanation]
    assert all(len(part) > 15 for part in parts)
    assert len(set(parts)) == 6
    assert "\n" not in bug.title
    for wrong in (0, 4, -1):
        with pytest.raises(ArgumentError, match="from 1 to 3"):
            bug.hint(wrong)


@each_bug
def test_solution_changes_a_few_lines(bug: Bug) -> None:
    old, new = (p.read_text().splitlines() for p in (bug.script, bug.solution))
    changes = [line for line in difflib.ndiff(old, new) if line[0] in "+-"]
    assert 0 < len(changes) <= (20 if bug.name == "whole" else 6)
    assert 40 <= len(new) <= (100 if bug.name == "whole" else 85)


def test_unknown_names_and_files(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="did you mean counting"):
        find("countig")
    with pytest.raises(DataError, match="nothing-here"):
        check(find("names"), tmp_path / "nothing-here.py")
