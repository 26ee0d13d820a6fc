"""Figures that say how good a model is."""

from nnlite.metrics.classification import accuracy, class_accuracy, confusion_matrix

__all__ = ["accuracy", "class_accuracy", "confusion_matrix"]
