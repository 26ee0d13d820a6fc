"""Loss and accuracy of an epoch, counted batch by batch, and the bar that shows them."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import IO, Any

from nnlite.extras import require


class Running:
    """Means over the samples seen so far, exact for ragged batches.

    Attributes:
        samples: number of samples seen.
        correct: how many of them were right.
    """

    def __init__(self) -> None:
        self.samples = 0
        self.correct = 0
        self._loss_sum = 0.0

    def add(self, samples: int, loss: float, correct: int) -> None:
        """Count a batch: its size, its mean loss, its number of right answers."""
        self.samples += samples
        self.correct += correct
        self._loss_sum += loss * samples

    @property
    def loss(self) -> float:
        """Mean loss per sample; NaN before the first batch."""
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

    def add(self, samples: int, loss: float, correct: int) -> None:
        """Count a batch and move the bar on."""
        self.running.add(samples, loss, correct)
        if self._bar is not None:
            self._bar.set_postfix_str(
                f"loss {self.running.loss:.4f}, accuracy {100 * self.running.accuracy:.1f} %",
                refresh=False,
            )
            self._bar.update(samples)

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
