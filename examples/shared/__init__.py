"""What all examples share: command line, data, results.json, report.html, but no training."""

from examples.shared.command import Example, Quirk, launch
from examples.shared.run import Run

__all__ = ["Example", "Quirk", "Run", "launch"]
