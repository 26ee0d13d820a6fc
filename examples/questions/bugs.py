"""Question 1: the buggy training scripts of exercises/bughunt, checked before and after repair."""

from __future__ import annotations

import difflib
import time
from typing import TYPE_CHECKING

from examples.exercises.bughunt.catalogue import BUGS, Bug
from examples.exercises.bughunt.checking import check

if TYPE_CHECKING:
    from examples.mini_project import Project
    from examples.shared import Run

COMMAND = "python -m examples.exercises.bughunt"


def answer(run: Run, project: Project) -> None:
    """A table of the bugs: what one notices, what the check finds, and what repairs it."""
    rows, checked, repaired = [], [], []
    started = time.perf_counter()
    with run.stoppable():
        for bug in BUGS:
            before, after = check(bug, bug.script), check(bug, bug.solution)
            checked.append(bug)
            repaired += [bug] * (after.gone and not before.gone)
            run.log(f"{bug.name}: {before.text}")
            kind = "loud" if bug.loud else "silent"
            rows.append([bug.name, kind, bug.title, before.text, changed(bug), after.text])
    if not rows:
        return
    run.text(
        "The exercises are training scripts with bugs that people really write, one each; the last "
        "has the kinds of the published exercise together. "
        f"{COMMAND} lists them, gives hints one by one, and checks a repair. What follows is its "
        "check of each script as it is, and of its solution, made just now."
    )
    columns = ["bug", "kind", "what one notices", "symptom", "lines to change", "after the repair"]
    run.table("bugs", columns, rows, "Bugs and their symptoms", csv=True)
    explain(run, checked, repaired, time.perf_counter() - started)


def changed(bug: Bug) -> int:
    """How many lines the solution replaces, removes or adds; lines of comment do not count."""
    before, after = (
        [line for line in path.read_text().splitlines() if not line.lstrip().startswith("#")]
        for path in (bug.script, bug.solution)
    )
    blocks = difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes()
    return sum(max(b - a, d - c) for tag, a, b, c, d in blocks if tag != "equal")


def explain(run: Run, checked: list[Bug], repaired: list[Bug], seconds: float) -> None:
    """Which bugs announce themselves, and what the checks found."""
    loud = [bug.name for bug in checked if bug.loud]
    silent = [bug.name for bug in checked if not bug.loud]
    small = [bug.name for bug in checked if changed(bug) == 1]
    sentences = [
        f"{len(loud)} of {len(checked)} stop with an error, which names the place: "
        f"{', '.join(loud) or 'none'}.",
        f"{len(silent)} run to their end, and only their numbers or their use of memory are wrong: "
        f"{', '.join(silent) or 'none'}. Those are found by knowing what to expect, as the "
        "symptoms show.",
        f"One changed line repairs {len(small)} of them ({', '.join(small) or 'none'}).",
        f"The check finds the bug in the script, and finds it gone from the solution, for "
        f"{len(repaired)} of {len(checked)}; all checks took {seconds:.0f} s.",
    ]
    run.value("bugs/repaired", [bug.name for bug in repaired])
    run.items(sentences)
