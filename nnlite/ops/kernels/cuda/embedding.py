"""Starts the kernel of embedding.cu: rows of a table."""

from __future__ import annotations

import numpy as np

from nnlite.backend import Array
from nnlite.backend.reports import report_for
from nnlite.errors import NnliteIndexError
from nnlite.ops.kernels.cuda.launching import LIMIT, each, empty, gapless, kernels


def take_rows(w: Array, index: Array) -> Array:
    """w[index]: (V, D), (*) -> (*, D).

    A number outside 0 ... V - 1 makes its row NaN on a device, and ``synchronize()`` raise
    NnliteIndexError; nobody waits. Where no kernel applies (whole numbers, very large tables,
    ``plain_kernels()``) CuPy takes it modulo V.

    Args:
        w: the table.
        index: int64; on the CPU checked before.
    """
    width = w.shape[1]
    k = None if index.size * width >= LIMIT else kernels("embedding", w)
    if k is None or not w.size:
        return w[index]
    y = empty(w, (*index.shape, width))
    outside = report_for(w, "embedding", _outside)
    sizes = (np.int32(w.shape[0]), np.int32(width))
    each(k, "take_rows", y.size, gapless(w), gapless(index), y, outside, *sizes)
    return y


def _outside(found: int) -> NnliteIndexError:
    return NnliteIndexError(
        "embedding",
        "input",
        expected="numbers from 0 to the weight's rows - 1",
        got=f"number {found}, in a call since the last synchronize()",
        hint="its row of the result was NaN; negative numbers do not count from the end here",
    )
