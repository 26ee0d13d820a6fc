"""Optimizers and learning-rate schedules, by PyTorch's names.

Read optimizer.py first, then a rule (sgd.py, adam.py), then lr_scheduler/base.py.
"""

from nnlite.optim import lr_scheduler
from nnlite.optim.adadelta import Adadelta
from nnlite.optim.adagrad import Adagrad
from nnlite.optim.adam import Adam, AdamW
from nnlite.optim.adamax import Adamax
from nnlite.optim.asgd import ASGD
from nnlite.optim.lbfgs import LBFGS
from nnlite.optim.nadam import NAdam
from nnlite.optim.optimizer import Optimizer
from nnlite.optim.radam import RAdam
from nnlite.optim.rmsprop import RMSprop
from nnlite.optim.rprop import Rprop
from nnlite.optim.sgd import SGD
from nnlite.optim.sparse_adam import SparseAdam

__all__ = [
    "ASGD",
    "LBFGS",
    "SGD",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "NAdam",
    "Optimizer",
    "RAdam",
    "RMSprop",
    "Rprop",
    "SparseAdam",
    "lr_scheduler",
]
