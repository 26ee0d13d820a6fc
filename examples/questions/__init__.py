"""The thirteen questions of the mini-project: a module each, with ``answer(run, project)``.

``project`` is the Project of examples.mini_project: the data, the training loop, the baseline.
"""

from __future__ import annotations

from typing import NamedTuple


class Question(NamedTuple):
    """A question: its number, its module in this package, and what it asks."""

    number: int
    module: str
    title: str


QUESTIONS = (
    Question(1, "bugs", "Find the bugs in a training script"),
    Question(2, "gpu", "Run it on the GPU"),
    Question(3, "descent_kind", "Is it stochastic, mini-batch or batch descent?"),
    Question(4, "depth_width", "Depth against width at the same number of parameters"),
    Question(5, "optimizers", "Ten optimizers and five schedulers"),
    Question(6, "transfer_functions", "Nine transfer functions"),
    Question(7, "pixel_gradients", "Gradients with respect to the inputs, as CSV"),
    Question(8, "dropout_gap", "Dropout, and the gap that it closes"),
    Question(9, "batch_sizes", "Stochastic, mini-batch and batch descent: time and performance"),
    Question(10, "confusion", "The confusion matrix, element by element"),
    Question(11, "response", "The network's response to an input, against its target"),
    Question(12, "roc", "ROC curves and AUC for ten classes"),
    Question(13, "tensorboard", "The training in TensorBoard"),
)
