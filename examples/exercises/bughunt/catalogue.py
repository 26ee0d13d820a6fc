"""The list of the buggy scripts, and what is written about each."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path

from nnlite.errors import ArgumentError

FOLDER = Path(__file__).parent
HINTS = 3


@dataclass(frozen=True)
class Bug:
    """A script with a bug in it.

    Attributes:
        name: what the command calls it.
        module: the script's name, here and in solutions/.
        loud: whether it stops with an error; a silent one runs, and its numbers are wrong.
    """

    name: str
    module: str
    loud: bool = False

    @property
    def script(self) -> Path:
        """The buggy script."""
        return FOLDER / f"{self.module}.py"

    @property
    def solution(self) -> Path:
        """The same script without the bug."""
        return FOLDER / "solutions" / f"{self.module}.py"

    @property
    def title(self) -> str:
        """What one notices first."""
        return self._texts["title"]

    @property
    def task(self) -> str:
        """What the student is told: what the script is for, and what is odd about it."""
        return self._texts["task"]

    @property
    def explanation(self) -> str:
        """What the bug does to the numbers, and why."""
        return self._texts["explanation"]

    def hint(self, number: int) -> str:
        """The first, second or third hint, each nearer to the place than the one before.

        Raises:
            ArgumentError: there is none of that number.
        """
        if number not in range(1, HINTS + 1):
            raise ArgumentError(
                "hint",
                expected=f"a number from 1 to {HINTS}",
                got=str(number),
                hint="start with 1",
            )
        return self._texts[f"hint {number}"]

    @cached_property
    def _texts(self) -> dict[str, str]:
        """The parts of texts/NAME.md, by their headings in lower case; the title as "title"."""
        text = (FOLDER / "texts" / f"{self.name}.md").read_text(encoding="utf-8")
        title, *sections = text.split("\n## ")
        parts = {"title": title.removeprefix("#").strip()}
        for section in sections:
            heading, _, body = section.partition("\n")
            parts[heading.strip().lower()] = body.strip()
        return parts


BUGS = (
    Bug("names", "bug01_names", loud=True),
    Bug("channels", "bug02_channels", loud=True),
    Bug("view", "bug03_view"),
    Bug("devices", "bug04_devices", loud=True),
    Bug("counting", "bug05_counting"),
    Bug("four_images", "bug06_four_images"),
    Bug("zero_grad", "bug07_zero_grad"),
    Bug("softmax", "bug08_softmax"),
    Bug("optimizer", "bug09_optimizer"),
    Bug("dropout", "bug10_dropout"),
    Bug("shuffle", "bug11_shuffle"),
    Bug("graph", "bug12_graph"),
    Bug("selection", "bug13_selection"),
    Bug("whole", "the_whole_script", loud=True),
)


def find(name: str) -> Bug:
    """The bug of a name.

    Raises:
        ArgumentError: there is none.
    """
    bugs = {bug.name: bug for bug in BUGS}
    if name not in bugs:
        near = get_close_matches(name, bugs, n=1)
        raise ArgumentError(
            "bughunt",
            expected=", ".join(bugs),
            got=repr(name),
            hint=f"did you mean {near[0]}?" if near else "the command alone lists them",
        )
    return bugs[name]
