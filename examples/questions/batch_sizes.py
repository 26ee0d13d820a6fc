"""Question 9: stochastic, mini-batch and batch descent, in time and in performance.

One network and one optimizer, batch sizes from 1 to the whole training set. What is a fair share
for each differs: an epoch of 60,000 images is 60,000 updates at batch size 1, and a single one with
the full batch. So every size gets the same number of epochs, but no fewer than MIN_UPDATES and no
more than MAX_UPDATES updates, and the loss is shown against epochs and against seconds. The clock
stops while the loss is measured.
"""

from __future__ import annotations

import math
import time
import tracemalloc
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

import nnlite.nn.functional as F
from examples.questions.evidence import ranking
from nnlite import optim, viz
from nnlite.data import DataLoader, TensorDataset

if TYPE_CHECKING:
    from examples.mini_project import Project
    from examples.shared import Run

SIZES = (1, 10, 60, 600, 6000)  # and the whole training set
MIN_UPDATES, MAX_UPDATES = 100, 60_000
MEASURED = 10_000  # training images on which the training loss is measured
LEVELS = (85, 80, 75, 70, 60, 50, 40, 30, 20)  # test accuracies in %, to be reached


@dataclass
class Descent:
    """One training, measured now and then: an entry for each measurement.

    Attributes:
        seconds: of training until then.
        loss: training loss in eval mode.
        test_loss: likewise of the test images.
        accuracy: share of the test images in %.
    """

    seconds: list[float] = field(default_factory=list)
    loss: list[float] = field(default_factory=list)
    test_loss: list[float] = field(default_factory=list)
    accuracy: list[float] = field(default_factory=list)


@dataclass
class Size:
    """A batch size, and its trainings.

    Attributes:
        batch: images per update; the last one of an epoch may have fewer.
        images: those of the training set.
        updates: after how many it is measured, (M,).
        descents: one per seed.
        memory: bytes that an update takes at its peak; None where they cannot be counted.
    """

    batch: int
    images: int
    updates: list[int]
    descents: list[Descent] = field(default_factory=list)
    memory: int | None = None

    @property
    def name(self) -> str:
        whole = self.batch == self.images
        return (
            f"{self.batch:,}{' (stochastic)' if self.batch == 1 else ' (batch)' if whole else ''}"
        )

    @property
    def epochs(self) -> list[float]:
        """The images seen at each measurement by the number there is, (M,)."""
        per_epoch = math.ceil(self.images / self.batch)
        return [u // per_epoch + u % per_epoch * self.batch / self.images for u in self.updates]

    def all(self, measure: str) -> np.ndarray:
        """A list of the descents, (seeds, M)."""
        return np.array([getattr(descent, measure) for descent in self.descents])

    def last(self, measure: str) -> np.ndarray:
        """Its last values, (seeds,)."""
        return self.all(measure)[:, -1]

    @property
    def clock(self) -> np.ndarray:
        """Seconds of training until each measurement, the median of the seeds, (M,)."""
        return np.asarray(np.median(self.all("seconds"), axis=0))

    @property
    def seconds_per_update(self) -> float:
        return float(self.clock[-1]) / self.updates[-1]

    @property
    def images_per_second(self) -> float:
        return self.epochs[-1] * self.images / float(self.clock[-1])

    def first_at(self, level: float) -> int | None:
        """The first measurement at which the seeds' mean accuracy has reached a level."""
        reached = np.flatnonzero(self.all("accuracy").mean(axis=0) >= level)
        return int(reached[0]) if reached.size else None


def answer(run: Run, project: Project) -> None:
    n = len(project.train_set)
    batches = sorted({size for size in (*SIZES, run.batch_size) if size < n} | {n})
    run.text(
        f"Adam with lr 0.001 at every batch size. Each was given {project.comparison_epochs} "
        f"epochs of {n:,} images, but at least {MIN_UPDATES:,} and at most {MAX_UPDATES:,} "
        "updates: so the full batch does not stop after a few updates, and batch size 1 does not "
        "take all day."
    )
    sizes = []
    for batch in batches:
        size = Size(batch, n, measurements(n, batch, project.comparison_epochs))
        for seed in run.each_seed():
            descent = descend(run, project, size, seed)
            if len(descent.accuracy) == len(size.updates):  # not stopped half way
                size.descents.append(descent)
        if size.descents:
            sizes.append(size)
            if run.device == "cpu":
                with run.stoppable():
                    size.memory = memory_of_an_update(project, batch)
    if sizes:
        report(run, sizes)
    else:
        run.text("No training came to its end, so there is nothing to compare.")


def measurements(n: int, batch: int, epochs: int) -> list[int]:
    """The updates after which to measure: 1, 2, 4, ... and the last.

    Args:
        n: training images.
        batch: images per update.
        epochs: as many as every size should get.
    """
    last = min(max(epochs * math.ceil(n / batch), MIN_UPDATES), MAX_UPDATES)
    return [2**k for k in range(last.bit_length()) if 2**k < last] + [last]


def descend(run: Run, project: Project, size: Size, seed: int) -> Descent:
    """Train once, measuring on the way; a stop ends it early."""
    some = TensorDataset(*(tensor[:MEASURED] for tensor in project.train_set.tensors))
    loader = DataLoader(project.train_set, batch_size=size.batch, shuffle=True)
    model = project.network()
    optimizer = optim.Adam(model.parameters(), lr=1e-3)
    descent, update, clock = Descent(), 0, 0.0
    with run.stoppable():
        while update < size.updates[-1]:
            started = time.perf_counter()
            for images, labels in loader:
                optimizer.zero_grad()
                loss = F.cross_entropy(model(images), labels)
                loss.backward()
                optimizer.step()
                update += 1
                if update == size.updates[len(descent.accuracy)]:
                    loss.item()  # waits for a GPU, which works on while Python goes ahead
                    clock += time.perf_counter() - started
                    test = project.evaluate(model, project.test_set)
                    descent.seconds.append(clock)
                    descent.loss.append(project.evaluate(model, some).loss)
                    descent.test_loss.append(test.loss)
                    descent.accuracy.append(100 * test.accuracy)
                    started = time.perf_counter()
                    if update == size.updates[-1]:
                        break
            clock += time.perf_counter() - started
    label = f"batch_sizes/{size.batch}/seed {seed}"
    for name, values in vars(descent).items():
        for value in values:
            run.record(f"{label}/{name}", value)
    if descent.accuracy:
        run.log(
            f"batch size {size.batch:,}, seed {seed}: {update:,} updates in {clock:.1f} s, "
            f"training loss {descent.loss[-1]:.4f}, test accuracy {descent.accuracy[-1]:.2f} %"
        )
    return descent


def memory_of_an_update(project: Project, batch: int) -> int:
    """The most bytes that are allocated at once from the loading of a batch to the update.

    Not the first updates, in which the optimizer makes what it keeps.
    """
    loader = DataLoader(project.train_set, batch_size=batch, shuffle=True)
    model = project.network()
    optimizer = optim.Adam(model.parameters(), lr=1e-3)

    def update() -> None:  # a function, so that nothing of it outlives it
        images, labels = next(iter(loader))
        F.cross_entropy(model(images), labels).backward()
        optimizer.step()
        optimizer.zero_grad()

    traced = tracemalloc.is_tracing()
    if not traced:
        tracemalloc.start()
    try:
        for _ in range(3):
            update()
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        update()
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        if not traced:
            tracemalloc.stop()


# -- the report --------------------------------------------------------------------------------


def report(run: Run, sizes: Sequence[Size]) -> None:
    """Charts, table and explanation."""
    for against, xlabel in (
        ("epochs", "epochs (images seen, divided by those there are)"),
        ("seconds", "seconds of training"),
    ):
        series = {}
        for size in sizes:
            x = size.epochs if against == "epochs" else size.clock.tolist()
            series[size.name] = dict(zip(x, size.all("loss").mean(axis=0).tolist(), strict=True))
        figure = viz.plot_series(series, "training loss", xlabel=xlabel)
        figure.axes[0].set_xscale("log")
        caption = (
            f"Training loss against {against}, by batch size; in eval mode, mean of the seeds"
            + ("." if against == "epochs" else "; seconds are their median.")
        )
        run.figure(f"batch_sizes_{against}", figure, caption)
    points = {size.name: (size.last("seconds"), size.last("accuracy")) for size in sizes}
    figure = viz.plot_scatter(points, "seconds of training", "test accuracy in %", log_x=True)
    caption = "Where each batch size ended, and after what time: mean and range of the seeds."
    run.figure("batch_sizes_time", figure, caption)

    level = common_level(sizes)
    rows = []
    for size in sizes:
        first = None if level is None else size.first_at(level)
        reached = (None, None) if first is None else (size.epochs[first], size.clock[first])
        rows.append(
            [
                size.name,
                size.updates[-1],
                size.epochs[-1],
                float(size.clock[-1]),
                1 / size.seconds_per_update,
                size.images_per_second,
                None if size.memory is None else size.memory / 1e6,
                size.last("loss").mean(),
                size.last("accuracy").mean(),
                *(reached if level is not None else ()),
            ]
        )
    columns = ["batch size", "updates", "epochs", "seconds", "updates / s", "images / s"]
    columns += ["peak memory of an update in MB", "training loss", "test accuracy in %"]
    formats = ["", ",", ".4g", ".2f", ",.1f", ",.0f", ",.1f", ".4f", ".2f"]
    caption = f"Median time and mean performance over the seeds (number: {len(sizes[0].descents)})"
    if level is not None:
        columns += [f"epochs to {level} %", f"seconds to {level} %"]
        formats += [".3g", ".3g"]
        caption += f"; the last columns: when a test accuracy of {level} % was first measured"
    run.table("batch_sizes", columns, rows, caption, formats=formats, csv=True)
    for size in sizes:
        measured = {"updates": size.updates, "epochs": size.epochs, "bytes": size.memory}
        run.value(f"batch_sizes/{size.batch}", measured)
    run.items(explain(sizes, level))


def common_level(sizes: Sequence[Size]) -> int | None:
    """The highest of LEVELS that at least half of the batch sizes reached; None: there is none."""
    for level in LEVELS:
        if 2 * sum(size.first_at(level) is not None for size in sizes) >= len(sizes):
            return level
    return None


def explain(sizes: Sequence[Size], level: int | None) -> list[str]:
    """What this run's numbers say of the three kinds of descent."""
    small, large = sizes[0], sizes[-1]
    sentences = []
    if small is not large:
        sentences.append(_budget(small, large))
        sentences.append(_speed(sizes))
    if level is not None:
        sentences.append(_race(sizes, level))
    sentences.append(_steadiness(sizes))
    accuracies = {f"batch size {size.name}": size.last("accuracy") for size in sizes}
    sentences += ranking(accuracies, "test accuracy")
    if len(sizes) > 1:
        sentences.append(
            "All sizes have the same learning rate. A rate of its own for each could change their "
            "order: the mean over more images is less noisy and allows larger steps."
        )
    if large.memory is not None:
        sentences.append(_memory(small, large))
    return sentences


def _budget(small: Size, large: Size) -> str:
    return (
        f"Batch size {small.name} made {small.updates[-1]:,} updates and saw "
        f"{_epochs(small.epochs[-1])}; batch size {large.name} made {large.updates[-1]:,} "
        f"updates and saw {large.epochs[-1]:.3g}."
    )


def _speed(sizes: Sequence[Size]) -> str:
    small, large = sizes[0], sizes[-1]
    more = large.batch / small.batch
    longer = large.seconds_per_update / small.seconds_per_update
    fastest = max(sizes, key=lambda size: size.images_per_second)
    text = (
        f"An update takes {1e3 * small.seconds_per_update:.3g} ms at batch size {small.name} and "
        f"{1e3 * large.seconds_per_update:.3g} ms at {large.name}: {longer:,.1f} times as long for "
        f"{more:,.0f} times as many images. "
    )
    if longer < more:
        share = 100 * (1 - longer / more)
        text += (
            f"So at batch size {small.name} {share:.1f} % of the time per image goes into what "
            "each update costs whatever its size: Python's calls and the optimizer. "
        )
    text += (
        f"Most images per second has batch size {fastest.name}: {fastest.images_per_second:,.0f}"
    )
    if fastest is not large:
        text += (
            f" against {large.images_per_second:,.0f} with {large.name}; larger did not mean faster"
        )
    return text + "."


def _race(sizes: Sequence[Size], level: int) -> str:
    """Which size was first at an accuracy, by the clock and by the images it had seen."""
    there = {size.name: (size, size.first_at(level)) for size in sizes}
    arrived = {n: (size, first) for n, (size, first) in there.items() if first is not None}
    missing = [name for name in there if name not in arrived]
    clock = {name: float(size.clock[first]) for name, (size, first) in arrived.items()}
    seen = {name: size.epochs[first] for name, (size, first) in arrived.items()}
    quick, thrifty = min(clock, key=clock.__getitem__), min(seen, key=seen.__getitem__)
    text = (
        f"A test accuracy of {level} % was reached first by batch size {quick}, after "
        f"{clock[quick]:.3g} s; with the fewest images by {thrifty}, after "
        f"{_epochs(seen[thrifty])}"
    )
    slow = max(clock, key=clock.__getitem__)
    if slow != quick:
        text += f"; {slow} took {clock[slow] / clock[quick]:.1f} times as long as {quick}"
    if missing:
        text += f". Not at all by {', '.join(missing)}"
    return text + ". (It was measured after 1, 2, 4, 8, ... updates, so these are upper limits.)"


def _steadiness(sizes: Sequence[Size]) -> str:
    """How often the training loss was higher than at the measurement before."""
    parts = []
    for size in sizes:
        steps = np.diff(size.all("loss"), axis=1)
        parts.append(f"{size.name}: {int((steps > 0).sum())} of {steps.size}")
    return (
        "From one measurement to the next, the training loss rose instead of falling this often: "
        + "; ".join(parts)
        + "."
    )


def _memory(small: Size, large: Size) -> str:
    return (
        f"The full batch must fit into memory: its update takes {large.memory / 1e6:,.1f} MB at "
        f"the peak (the batch that is drawn, the activations, the gradients) on top of the data "
        f"set, at batch size {small.name} it is {small.memory / 1e6:,.1f} MB."
    )


def _epochs(number: float) -> str:
    return f"{number:.3g} epoch{'' if number == 1 else 's'}"
