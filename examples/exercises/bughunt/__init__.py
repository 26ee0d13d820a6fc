"""Find the bug: training scripts to repair. ``python -m examples.exercises.bughunt`` lists them."""

from examples.exercises.bughunt.catalogue import BUGS, Bug, find
from examples.exercises.bughunt.checking import Verdict, check

__all__ = ["BUGS", "Bug", "Verdict", "check", "find"]
