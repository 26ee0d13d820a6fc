"""Figures that say how good a model is; arrays, lists and Tensors are all welcome."""

from nnlite.metrics.classification import (
    ClassCounts,
    accuracy,
    class_accuracy,
    class_counts,
    confusion_matrix,
    f1_score,
    misclassification_rate,
    precision,
    recall,
)
from nnlite.metrics.roc import RocAuc, RocCurve, auc, roc_auc, roc_curve
from nnlite.metrics.tally import Tally

__all__ = [
    "ClassCounts",
    "RocAuc",
    "RocCurve",
    "Tally",
    "accuracy",
    "auc",
    "class_accuracy",
    "class_counts",
    "confusion_matrix",
    "f1_score",
    "misclassification_rate",
    "precision",
    "recall",
    "roc_auc",
    "roc_curve",
]
