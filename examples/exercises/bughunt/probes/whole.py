"""The probe of the script with six bugs at once: each by itself, then the whole."""

from __future__ import annotations

from collections.abc import Callable

from examples.exercises.bughunt.pretend_gpu import DEVICE
from examples.exercises.bughunt.probes.answers import Reader, counting, four_images, known_answers
from examples.exercises.bughunt.probes.common import BugRemainsError, Script, random_images
from examples.exercises.bughunt.probes.inputs import channels, view
from examples.exercises.bughunt.probes.training import devices, on_device
from examples.exercises.bughunt.probes.training import names as runs_to_the_end
from nnlite import nn


def whole(script: Script) -> str:
    """All six bugs are gone, and main() learns something."""
    probes: tuple[Callable[[Script], object], ...] = (
        channels,
        names,
        view,
        moved,
        counting,
        four_images,
    )
    first: Exception | None = None
    gone = 0
    for probe in probes:
        try:
            probe(script)
            gone += 1
        except Exception as error:  # a student's file may raise anything
            first = first or error
    if first is not None:
        what = str(first)
        if not isinstance(first, BugRemainsError):
            what = f"{type(first).__name__}: {' '.join(what.split())}"
        raise BugRemainsError(f"{gone} of {len(probes)} bugs are gone. The next: {what}")
    return f"All {len(probes)} bugs are gone. {runs_to_the_end(script)}"


def small_network() -> nn.Module:
    """One layer, on the pretended GPU: what is wrong with the script's own network is no matter."""
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 10)).to(DEVICE)


def names(script: Script) -> None:
    """No function stops for want of a name; other errors are other bugs."""
    dataset = known_answers(20)[0]
    for call in (
        lambda: script.train(small_network(), random_images(20)),
        lambda: script.evaluate(Reader(), dataset),
        lambda: script.class_accuracy(Reader(), dataset),
    ):
        try:
            call()
        except (NameError, BugRemainsError):
            raise
        except Exception:
            continue


def moved(script: Script) -> None:
    """The loop brings the data to the network, or main() has done so before."""
    model = small_network()
    try:
        script.train(model, random_images(20))
    except Exception:
        devices(script)  # fails as train() does, unless main() moves all data at once
    else:
        on_device(model)
