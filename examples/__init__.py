"""Example scripts; run them as ``python -m examples.NAME`` from the project's folder."""
