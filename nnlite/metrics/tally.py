"""Tally: counts over the batches of a pass, from which every rate is computed once."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from nnlite.autograd.tape import refuse_reading
from nnlite.backend import array_module
from nnlite.errors import ArgumentError, NnliteError, ShapeError
from nnlite.metrics.classification import (
    accuracy,
    check_classes,
    class_accuracy,
    confusion_matrix,
    misclassification_rate,
)
from nnlite.metrics.inputs import (
    Counts,
    Reals,
    as_numpy,
    as_reals,
    check_labels,
    check_pairs,
)
from nnlite.metrics.pending import as_array, fetch, is_far

MOST_WAITING = 2**20
"""Images whose answers may wait on a device; then they are read."""


class _Batch(NamedTuple):
    """What is counted of a batch: its loss, or None, and how many of its rows have a NaN."""

    predictions: Any
    targets: Any
    loss: Any
    spoilt: Any


class Tally:
    """What a classifier answered, batch by batch::

        tally = Tally(10)
        for images, labels in loader:
            outputs = model(images)
            tally.update(outputs, labels, F.cross_entropy(outputs, labels))
        print(tally.loss, tally.accuracy)

    It sums counts, so a ragged last batch weighs as many images as it has; the mean of the batches'
    accuracies would give each of them a larger weight.

    Args:
        classes: number of classes, K.

    Attributes:
        matrix: the confusion matrix so far, int64 (K, K), rows true, columns predicted.

    Raises:
        ArgumentError: classes is not positive.
    """

    def __init__(self, classes: int) -> None:
        check_classes("Tally", classes)
        self.classes = classes
        self._matrix: Counts = np.zeros((classes, classes), np.int64)
        self._loss_sum = 0.0
        self._loss_samples = 0
        self._waiting: list[_Batch] = []
        self._images_waiting = 0

    def update(self, outputs: Any, targets: Any, loss: Any = None) -> None:
        """Count a batch; a batch that is refused is not counted.

        What lies on a GPU stays there until the tally is read, so that the loop does not wait for
        it. A wrong value (a NaN, a label outside) is then refused when the tally is first read.

        Args:
            outputs: scores of shape (N, K), of which the largest (the first, where several are) is
                the answer; or the predicted classes, integers of shape (N,).
            targets: the right classes, integers of shape (N,).
            loss: the mean loss of this batch, a number or a Tensor of one element.

        Raises:
            ShapeError: scores for another number of classes; targets of another length; several
                losses.
            ArgumentError: NaN among the scores: no class is the largest.
            DtypeError, NnliteIndexError: as ``confusion_matrix``.
        """
        refuse_reading("Tally.update")
        if is_far(outputs) or is_far(targets) or is_far(loss):
            self._waiting.append(self._later(outputs, targets, loss))
            self._images_waiting += len(self._waiting[-1].predictions)
            if self._images_waiting >= MOST_WAITING:
                self._settle()
            return
        self._settle()
        predictions = as_numpy("Tally.update", "outputs", outputs)
        spoilt = 0
        if predictions.ndim == 2:
            predictions, spoilt = self._answers(predictions)
        self._count(_Batch(predictions, targets, loss, spoilt))

    def _later(self, outputs: Any, targets: Any, loss: Any) -> _Batch:
        """A batch to be counted later, checked as far as its shapes and dtypes go."""
        op = "confusion_matrix"
        answers, spoilt = _where_it_is("Tally.update", "outputs", outputs), 0
        if answers.ndim == 2:
            answers, spoilt = self._answers(answers)
        labels = _where_it_is(op, "targets", targets)
        check_labels(op, "targets", labels)
        check_labels(op, "predictions", answers)
        check_pairs(op, len(labels), len(answers))
        if loss is not None:
            loss = as_array(loss) if is_far(loss) else _number(loss)
            _check_one(getattr(loss, "shape", ()))
        return _Batch(answers, labels, loss, spoilt)

    def _answers(self, scores: Any) -> tuple[Any, Any]:
        """The class of the largest score in each row, and how many rows have a NaN."""
        if scores.shape[1] != self.classes:
            raise ShapeError(
                "Tally.update",
                "outputs",
                expected=f"shape (N, {self.classes}), a score for each class",
                got=str(scores.shape),
                hint=f"the tally was made for {self.classes} classes",
            )
        spoilt = 0
        if scores.dtype.kind == "f":
            spoilt = array_module(scores).isnan(scores).any(axis=1).sum()
        return scores.argmax(axis=1), spoilt

    def _settle(self) -> None:
        """Read the batches that wait, in one copy per dtype, and count them in their order."""
        waiting, self._waiting, self._images_waiting = self._waiting, [], 0
        read = iter(fetch([value for batch in waiting for value in batch]))
        refused: NnliteError | None = None
        for batch in zip(read, read, read, read, strict=True):
            try:
                self._count(_Batch(*batch))
            except NnliteError as error:
                refused = refused or error
        if refused is not None:
            raise refused

    def _count(self, batch: _Batch) -> None:
        n = len(batch.predictions)
        if batch.spoilt:
            raise ArgumentError(
                "Tally.update",
                "outputs",
                expected="numbers",
                got=f"NaN in {int(batch.spoilt)} of {n} rows",
                hint="the training diverged: try a lower learning rate",
            )
        counts = confusion_matrix(batch.targets, batch.predictions, self.classes)
        if batch.loss is not None and n:  # the mean loss of no image is NaN, and weighs nothing
            self._loss_sum += n * _number(batch.loss)
            self._loss_samples += n
        self._matrix = self._matrix + counts

    @property
    def matrix(self) -> Counts:
        """The confusion matrix so far."""
        self._settle()
        return self._matrix

    @property
    def samples(self) -> int:
        """Number of images counted."""
        return int(self.matrix.sum())

    @property
    def loss(self) -> float:
        """Mean loss per image, over those that came with a loss; NaN where none did."""
        self._settle()
        return self._loss_sum / self._loss_samples if self._loss_samples else float("nan")

    @property
    def accuracy(self) -> float:
        """Share of right answers in [0, 1]; NaN before the first batch."""
        return accuracy(self.matrix)

    @property
    def misclassification_rate(self) -> float:
        """Share of wrong answers in [0, 1]; NaN before the first batch."""
        return misclassification_rate(self.matrix)

    @property
    def class_accuracy(self) -> Reals:
        """Share of each class that was recognised, (K,); NaN for one without images."""
        return class_accuracy(self.matrix)


def _where_it_is(op: str, argument: str, values: Any) -> Any:
    """The values as an array: of their device, or of NumPy."""
    return as_array(values) if is_far(values) else as_numpy(op, argument, values)


def _number(loss: Any) -> float:
    value = as_reals("Tally.update", "loss", loss)
    _check_one(value.shape)
    return float(value.item())


def _check_one(shape: tuple[int, ...]) -> None:
    if math.prod(shape) != 1:
        raise ShapeError(
            "Tally.update",
            "loss",
            expected="one number, the mean of the batch",
            got=f"shape {shape}",
            hint='the losses of single images come from reduction="none"; take their mean()',
        )
