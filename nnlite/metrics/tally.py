"""Tally: counts over the batches of a pass, from which every rate is computed once."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnlite.errors import ArgumentError, ShapeError
from nnlite.metrics.classification import (
    accuracy,
    check_classes,
    class_accuracy,
    confusion_matrix,
    misclassification_rate,
)
from nnlite.metrics.inputs import Counts, Reals, as_numpy, as_reals


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
        self.matrix: Counts = np.zeros((classes, classes), np.int64)
        self._loss_sum = 0.0
        self._loss_samples = 0

    def update(self, outputs: Any, targets: Any, loss: Any = None) -> None:
        """Count a batch; a batch that is refused is not counted.

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
        predictions = as_numpy("Tally.update", "outputs", outputs)
        if predictions.ndim == 2:
            predictions = self._argmax(predictions)
        counts = confusion_matrix(targets, predictions, self.classes)
        n = len(predictions)
        if loss is not None and n:  # the mean loss of no image is NaN, and weighs nothing
            self._loss_sum += n * _number(loss)
            self._loss_samples += n
        self.matrix = self.matrix + counts

    def _argmax(self, scores: Any) -> Any:
        if scores.shape[1] != self.classes:
            raise ShapeError(
                "Tally.update",
                "outputs",
                expected=f"shape (N, {self.classes}), a score for each class",
                got=str(scores.shape),
                hint=f"the tally was made for {self.classes} classes",
            )
        if scores.dtype.kind == "f" and np.isnan(scores).any():
            raise ArgumentError(
                "Tally.update",
                "outputs",
                expected="numbers",
                got=f"NaN in {int(np.isnan(scores).any(axis=1).sum())} of {len(scores)} rows",
                hint="the training diverged: try a lower learning rate",
            )
        return scores.argmax(axis=1)

    @property
    def samples(self) -> int:
        """Number of images counted."""
        return int(self.matrix.sum())

    @property
    def loss(self) -> float:
        """Mean loss per image, over those that came with a loss; NaN where none did."""
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


def _number(loss: Any) -> float:
    value = as_reals("Tally.update", "loss", loss)
    if value.size != 1:
        raise ShapeError(
            "Tally.update",
            "loss",
            expected="one number, the mean of the batch",
            got=f"shape {value.shape}",
            hint='the losses of single images come from reduction="none"; take their mean()',
        )
    return float(value.item())
