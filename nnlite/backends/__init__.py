"""Settings of what computes, by PyTorch's names: ``nnlite.backends.cuda.matmul.allow_tf32``."""

from nnlite.backends import cuda

__all__ = ["cuda"]
