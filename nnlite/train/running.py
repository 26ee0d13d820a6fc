"""Loss and accuracy of an epoch, counted batch by batch, and the bar that shows them."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import IO, Any

import numpy as np

from nnlite.autograd.tape import refuse_reading
from nnlite.extras import require
from nnlite.metrics.pending import as_array, fetch, is_far

MOST_WAITING = 4096
"""Batches whose numbers may wait on a device; then they are read."""


class Running:
    """Means over the samples seen so far, exact for ragged batches.

    Numbers of a GPU stay there until a mean is asked for: the loop does not wait for them.

    Attributes:
        samples: number of samples seen.
    """

    def __init__(self) -> None:
        self.samples = 0
        self._correct = 0
        self._loss_sum = 0.0
        self._waiting: list[tuple[int, Any, Any]] = []

    def add(self, samples: int, loss: Any, correct: Any = 0) -> None:
        """Count a batch.

        Args:
            samples: its size.
            loss: its mean loss, a number or a Tensor of one element.
            correct: its number of right answers, likewise.
        """
        refuse_reading("Running.add")
        self.samples += samples
        if is_far(loss) or is_far(correct):
            self._waiting.append((samples, as_array(loss), as_array(correct)))
            if len(self._waiting) >= MOST_WAITING:
                self._settle()
        else:
            self._settle()
            self._count(samples, as_array(loss), as_array(correct))

    def _settle(self) -> None:
        """Read what waits, and count it in the order in which it came."""
        waiting, self._waiting = self._waiting, []
        read = iter(fetch([value for _, loss, correct in waiting for value in (loss, correct)]))
        for (samples, _, _), loss, correct in zip(waiting, read, read, strict=True):
            self._count(samples, loss, correct)

    def _count(self, samples: int, loss: Any, correct: Any) -> None:
        self._loss_sum += np.asarray(loss).item() * samples
        self._correct += int(np.asarray(correct).item())

    @property
    def is_waiting(self) -> bool:
        """Whether the next mean has to be waited for."""
        return bool(self._waiting)

    @property
    def correct(self) -> int:
        """How many of the samples were right."""
        self._settle()
        return self._correct

    @property
    def loss(self) -> float:
        """Mean loss per sample; NaN before the first batch."""
        self._settle()
        return self._loss_sum / self.samples if self.samples else float("nan")

    @property
    def accuracy(self) -> float:
        """Share of right answers in [0, 1]; NaN before the first batch."""
        return self.correct / self.samples if self.samples else float("nan")


class EpochBar:
    """A live line for one epoch: loss, accuracy, images per second, time left.

    On a terminal it is a bar that vanishes when the epoch ends; elsewhere (a file, a pipe) it
    prints nothing, so that a log holds only the lines that the program prints itself.

    Args:
        total: number of samples in the epoch.
        label: stands before the bar, "epoch 1/5".
        stream: where it is drawn; default standard error.

    Raises:
        MissingExtraError: on a terminal without tqdm (extra ``progress``).
    """

    def __init__(self, total: int, label: str, stream: IO[str] | None = None) -> None:
        self.running = Running()
        self.seconds = 0.0
        self._started = time.perf_counter()
        self._bar: Any = None
        out = sys.stderr if stream is None else stream
        if out.isatty():
            self._bar = require("tqdm", "progress", "EpochBar").tqdm(
                total=total,
                desc=label,
                unit=" images",
                unit_scale=True,
                file=out,
                leave=False,
                dynamic_ncols=True,
                bar_format="{desc} {percentage:3.0f} %|{bar}| "
                "{postfix} {rate_fmt}, {remaining} left",
            )

    def add(self, samples: int, loss: Any, correct: Any) -> None:
        """Count a batch, see ``Running.add``, and move the bar on."""
        self.running.add(samples, loss, correct)
        if self._bar is None:
            return
        if not self.running.is_waiting:
            self._bar.set_postfix_str(self._figures(), refresh=False)
            self._bar.update(samples)
        elif self._bar.update(samples):  # it was drawn, as it is some ten times a second
            self._bar.set_postfix_str(self._figures())

    def _figures(self) -> str:
        running = self.running
        return f"loss {running.loss:.4f}, accuracy {100 * running.accuracy:.1f} %"

    def __enter__(self) -> EpochBar:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.seconds = time.perf_counter() - self._started
        if self._bar is not None:
            self._bar.close()
