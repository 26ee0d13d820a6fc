"""The few in-place formulas that the update rules share.

They write through ``out=`` into memory that is already there: a step then allocates one scratch
array per parameter, plus the changed gradient where weight decay or maximize asks for one.
"""

from __future__ import annotations

from typing import Any

from nnlite.autograd.tensor import wrap
from nnlite.backend import Array, array_module


def buffer(state: dict[str, Any], name: str, x: Array, fill: float = 0.0) -> Array:
    """The array of a state's entry; made like x, full of one value, when it is missing."""
    entry = state.get(name)
    if entry is None:
        entry = state[name] = wrap(array_module(x).full_like(x, fill))
    return entry.array


def count(state: dict[str, Any]) -> int:
    """Advance the state's step counter; returns t = 1, 2, ...

    It is a Python integer: exact, and never in the dtype of the parameter.
    """
    t: int = state.get("step", 0) + 1
    state["step"] = t
    return t


def descent(x: Array, g: Array, maximize: bool, weight_decay: float = 0.0) -> Array:
    """The gradient to go down: ``±g + weight_decay * x``; g itself where nothing changes it."""
    if not maximize and weight_decay == 0:
        return g
    xp = array_module(x)
    out = xp.empty_like(x)
    if weight_decay == 0:
        return xp.negative(g, out=out)
    xp.multiply(x, weight_decay, out=out)
    return xp.subtract(out, g, out=out) if maximize else xp.add(out, g, out=out)


def lerp(m: Array, g: Array, weight: float, scratch: Array) -> None:
    """``m = (1 - weight) * m + weight * g``, exact at weight 0 and 1 as torch.lerp is."""
    xp = array_module(m)
    xp.subtract(g, m, out=scratch)
    if weight < 0.5:
        scratch *= weight
        m += scratch
    else:
        scratch *= 1 - weight
        xp.subtract(g, scratch, out=m)


def average_square(v: Array, g: Array, decay: float, scratch: Array) -> None:
    """``v = decay * v + (1 - decay) * g**2``."""
    v *= decay
    add_scaled_square(v, g, 1 - decay, scratch)


def add_scaled_square(v: Array, g: Array, scale: float, scratch: Array) -> None:
    """``v += scale * g**2``."""
    array_module(v).multiply(g, g, out=scratch)
    scratch *= scale
    v += scratch
