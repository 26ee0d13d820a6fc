"""Starts the kernels of cross_entropy.cu: the loss of a classifier and its derivative in one."""

from __future__ import annotations

import numpy as np

from nnlite.backend import Array
from nnlite.backend.kernels import Kernels
from nnlite.backend.reports import report_for
from nnlite.errors import NnliteIndexError
from nnlite.ops.kernels.cuda.launching import THREADS, each, empty, gapless

FEW = 64
"""Up to so many classes a thread does a whole sample."""


def loss_and_derivative(
    k: Kernels, x: Array, labels: Array, ignored: int, mean: bool
) -> tuple[Array, Array, Array]:
    """The loss, d = softmax(x) - onehot(labels), and the factor of each sample's loss in it.

    A label outside 0 ... C - 1 makes the loss and its row of d NaN, and ``synchronize()`` raise
    NnliteIndexError.

    Args:
        k: the kernels.
        x: scores (N, C), both at least 1.
        labels: int64 (N,).
        ignored: samples of this class count for nothing.
        mean: divide by the number of the other samples, else by nothing.

    Returns:
        arrays of shapes (), (N, C) and (); the factor is 0 where all samples are ignored.
    """
    N, C = x.shape
    few = C <= FEW
    blocks = -(-N // THREADS) if few else N
    y, d, factor = empty(x, ()), empty(x), empty(x, ())
    shares = empty(x, (blocks, 2), "float64")
    outside = report_for(x, "labels", _outside)
    args = (gapless(x), gapless(labels), np.int64(ignored), d, shares, outside)
    name = "few_classes" if few else "many_classes"
    k.launch(name, (blocks,), (THREADS,), (*args, np.int32(N), np.int32(C)))
    ends = (shares, np.int32(mean), y, factor, np.int32(blocks))
    k.launch("reduce_loss", (1,), (THREADS,), ends)
    return y, d, factor


def loss_grad(k: Kernels, d: Array, gy: Array, factor: Array) -> Array:
    """d * gy * factor, where the latter two are one number each."""
    gx = empty(d)
    each(k, "loss_grad", d.size, d, gapless(gy), factor, gx)
    return gx


def _outside(found: int) -> NnliteIndexError:
    return NnliteIndexError(
        "cross_entropy",
        "target",
        expected="labels from 0 to the number of classes - 1",
        got=f"label {found}, in a call since the last synchronize()",
        hint="its loss was NaN; labels count from 0, and ignore_index names one to leave out",
    )
