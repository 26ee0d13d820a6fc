"""A user's script, run once with PyTorch and once with nnlite."""
