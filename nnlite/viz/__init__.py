"""Pictures: each function returns a matplotlib Figure (extra ``plot``); ``save`` writes it."""

from nnlite.viz.confusion import plot_confusion
from nnlite.viz.curves import plot_curves
from nnlite.viz.predictions import plot_predictions
from nnlite.viz.style import save

__all__ = ["plot_confusion", "plot_curves", "plot_predictions", "save"]
