"""Measurements against PyTorch: each module is a command, ``python -m benchmarks.cpu``."""
