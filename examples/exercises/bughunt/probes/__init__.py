"""What a script must do when its bug is gone: a function for each, by the bug's name.

A probe calls the functions of a script. It returns a sentence on what they did rightly, and raises
BugRemainsError with one on what they did not.
"""

from collections.abc import Callable

from examples.exercises.bughunt.probes.answers import counting, four_images
from examples.exercises.bughunt.probes.common import Script
from examples.exercises.bughunt.probes.inputs import channels, shuffle, view
from examples.exercises.bughunt.probes.training import (
    devices,
    dropout,
    graph,
    names,
    optimizer,
    selection,
    softmax,
    zero_grad,
)
from examples.exercises.bughunt.probes.whole import whole

__all__ = ["PROBES"]

PROBES: dict[str, Callable[[Script], str]] = {
    "names": names,
    "channels": channels,
    "view": view,
    "devices": devices,
    "counting": counting,
    "four_images": four_images,
    "zero_grad": zero_grad,
    "softmax": softmax,
    "optimizer": optimizer,
    "dropout": dropout,
    "shuffle": shuffle,
    "graph": graph,
    "selection": selection,
    "whole": whole,
}
