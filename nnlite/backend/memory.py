"""Keep freed memory in the process, so that each step does not fetch it anew."""

from __future__ import annotations

import numpy as np

_LARGEST = 2**25 - 2**16
"""Just below 32 MiB, the largest block by which glibc lets itself be taught."""


def hold_freed_memory() -> None:
    """Teach glibc to hand out arrays up to 32 MiB from memory that it keeps.

    By default it asks the system for each larger array, and gives it back when it is freed: every
    page of it is then fetched and cleared again in each training step, which takes as long as the
    computation. glibc raises its threshold to the largest block that it saw freed (mallopt(3),
    M_MMAP_THRESHOLD), so one such block is enough; it is never touched and costs no memory. Other
    systems' allocators are not moved by it.
    """
    np.empty(_LARGEST, dtype="uint8")
