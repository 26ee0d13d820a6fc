"""What the scripts print: a name, then numbers in full."""

from __future__ import annotations

from typing import Any


def show(name: str, *values: Any) -> None:
    """Print numbers, tensors (shape and elements) and text on one line, tabs between."""
    words = [name]
    for value in values:
        if hasattr(value, "detach"):
            words.append(str(tuple(value.shape)))
            words += [repr(float(v)) for v in value.detach().reshape(-1).tolist()]
        elif isinstance(value, (bool, str)):
            words.append(str(value))
        elif isinstance(value, (list, tuple)):
            words += [repr(float(v)) for v in value]
        else:
            words.append(repr(float(value)))
    print("\t".join(words))
