"""PyTorch's places for what lies elsewhere here: ``nnlite.utils.data`` is ``nnlite.data``."""

from nnlite.utils import data

__all__ = ["data"]
