"""Optional dependencies, imported where they are used."""

from __future__ import annotations

import importlib
from typing import Any

from nnlite.errors import MissingExtraError


def require(module: str, extra: str, op: str) -> Any:
    """Import an optional module.

    Args:
        module: its dotted name, "matplotlib.figure".
        extra: the extra of nnlite that installs it, "plot".
        op: what needs it, for the error.

    Raises:
        MissingExtraError: it is not installed; the message has the command that installs it.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        missing = module.partition(".")[0]
        if error.name is not None and error.name.partition(".")[0] != missing:
            raise
        raise MissingExtraError(
            op,
            expected=f"the package {missing}",
            got="none installed",
            hint=f"pip install 'nnlite[{extra}]'",
        ) from None
