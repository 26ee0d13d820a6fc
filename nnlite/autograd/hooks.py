"""The handle of a registered hook."""

from __future__ import annotations

import itertools
from typing import Any

_ids = itertools.count()


class RemovableHandle:
    """Removes a hook: ``handle.remove()``; also a context manager that does so at its end.

    Args:
        hooks: where the hook is put, and taken from again.
        hook: what will be called.
        prepend: before the hooks that are there already.
    """

    def __init__(self, hooks: dict[int, Any], hook: Any, prepend: bool = False) -> None:
        self._hooks = hooks
        self._id = next(_ids)
        others = dict(hooks) if prepend else {}
        if prepend:
            hooks.clear()
        hooks[self._id] = hook
        hooks.update(others)

    def remove(self) -> None:
        """Take the hook off; doing it twice does no harm."""
        self._hooks.pop(self._id, None)

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *error: object) -> None:
        self.remove()
