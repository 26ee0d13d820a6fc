"""Pictures: each function returns a matplotlib Figure (extra ``plot``); ``save`` writes it."""

from nnlite.viz.bars import plot_bars, plot_class_accuracy
from nnlite.viz.confusion import plot_confusion
from nnlite.viz.curves import plot_curves
from nnlite.viz.graph import Layer, NetworkGraph, network_graph
from nnlite.viz.heatmap import plot_heatmap
from nnlite.viz.histograms import plot_histograms
from nnlite.viz.images import plot_image_rows
from nnlite.viz.network import plot_network
from nnlite.viz.predictions import plot_predictions
from nnlite.viz.response import plot_response
from nnlite.viz.roc import plot_roc
from nnlite.viz.scatter import plot_scatter
from nnlite.viz.series import plot_series
from nnlite.viz.style import save
from nnlite.viz.tiles import plot_tiles, plot_update

__all__ = [
    "Layer",
    "NetworkGraph",
    "network_graph",
    "plot_bars",
    "plot_class_accuracy",
    "plot_confusion",
    "plot_curves",
    "plot_heatmap",
    "plot_histograms",
    "plot_image_rows",
    "plot_network",
    "plot_predictions",
    "plot_response",
    "plot_roc",
    "plot_scatter",
    "plot_series",
    "plot_tiles",
    "plot_update",
    "save",
]
