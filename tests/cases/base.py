"""The form of a row in the table of op cases; see tests/test_ops.py for what is done with it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from nnlite.autograd.op import Op


@dataclass(frozen=True)
class Sample:
    """One call of an op.

    Attributes:
        args: positional arguments. A float64 array becomes a Tensor that requires a gradient (and
            is checked in float32 too), an integer or boolean array a constant Tensor; a list or
            tuple of arrays becomes a list of Tensors; anything else is passed as it is.
        kwargs: keyword arguments, treated alike.
        smooth: the function is differentiable at this point, so finite differences apply; where it
            is not (a kink, a tie, NaN), only PyTorch is the oracle.
        id: what is special about it, for the test's name.
    """

    args: tuple[Any, ...]
    kwargs: dict[str, Any] = field(default_factory=dict)
    smooth: bool = True
    id: str = ""


@dataclass(frozen=True)
class OpCase:
    """A row of the table: a public function, its Ops, its oracle and its samples.

    Attributes:
        name: the public name, "conv2d".
        ops: the Op classes that the samples pass through, those of the backward included. Every Op
            class of nnlite must stand in some row.
        device_ops: the Ops that do the work of these on a device; there the samples reach them.
        fn: the function of nnlite, on Tensors.
        torch_fn: the same in PyTorch, on its tensors, with the same arguments.
        samples: makes the calls from a seeded generator: broadcasting, 0-d, empty and odd sizes
            where the op takes them.
        random: what is drawn differs from device to device; a device is compared with its own
            plain twin.
        differentiable: False where the result carries no gradient (comparisons, argmax).
        double: the second derivative is claimed and checked; else DoubleBackwardError is expected.
        complex_fn: the same function on complex NumPy arrays, where it is analytic; the gradient is
            then checked by complex steps too, which have no cancellation.
        rtol, atol: how near float64 must be to PyTorch's; float32 is compared at 1e-5-like
            tolerances scaled by ``headroom``.
        headroom: factor for float32, about sqrt(length of the longest reduction).
    """

    name: str
    ops: tuple[type[Op], ...]
    fn: Callable[..., Any]
    torch_fn: Callable[..., Any]
    samples: Callable[[np.random.Generator], list[Sample]]
    differentiable: bool = True
    device_ops: tuple[type[Op], ...] = ()
    random: bool = False
    double: bool = True
    complex_fn: Callable[..., Any] | None = None
    rtol: float = 1e-7
    atol: float = 1e-7
    headroom: float = 1.0
