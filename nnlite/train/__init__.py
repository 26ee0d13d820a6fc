"""What surrounds a training loop: running means and a progress bar. The loop is yours."""

from nnlite.train.running import EpochBar, Running

__all__ = ["EpochBar", "Running"]
