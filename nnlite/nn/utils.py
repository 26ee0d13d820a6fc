"""Gradients clipped, and parameters as one vector."""

from __future__ import annotations

import types
import warnings
from collections.abc import Iterable
from typing import Any

from nnlite.autograd.modes import no_grad
from nnlite.autograd.tape import traced
from nnlite.autograd.tensor import Tensor
from nnlite.backend import array_module, quiet, same_device
from nnlite.errors import ArgumentError, DeviceError, DtypeError, ShapeError
from nnlite.ops.common import cast, check_same_device
from nnlite.ops.creation import zeros
from nnlite.ops.joining import cat, stack
from nnlite.ops.reduce import norm
from nnlite.ops.shape import reshape

__all__ = [
    "clip_grad_norm_",
    "clip_grad_value_",
    "clip_grads_with_norm_",
    "get_total_norm",
    "parameters_to_vector",
    "vector_to_parameters",
]


def get_total_norm(
    tensors: Tensor | Iterable[Tensor],
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """The norm of all the numbers of all tensors together, as one vector; outside the graph.

    Args:
        tensors: of one device; none at all have norm 0.
        norm_type: 2, 1, inf or any other p of ``nnlite.norm``.
        error_if_nonfinite: refuse a norm that is NaN or infinite.
        foreach: ignored; PyTorch's choice of an implementation.

    Raises:
        ArgumentError: a norm that is not finite, with error_if_nonfinite; a negative norm_type.
        DeviceError: tensors on two devices.
    """
    given = _listed("get_total_norm", tensors, "tensors")
    p = _number("get_total_norm", "norm_type", norm_type)
    if not given:
        return zeros(())
    check_same_device("get_total_norm", *given)
    with no_grad():
        norms = [norm(t, p) for t in given]
        widest = max((t.dtype for t in norms), key=lambda dtype: dtype.itemsize)
        total = norm(stack([cast(t, widest) for t in norms]), p)
    if error_if_nonfinite:
        traced(_refuse_nonfinite, total)
    return total


def _refuse_nonfinite(norm: Tensor) -> None:
    if not array_module(norm.array).isfinite(norm.array).item():
        raise ArgumentError(
            "get_total_norm",
            "tensors",
            expected="a finite norm",
            got=str(norm.item()),
            hint="error_if_nonfinite=False goes on; look for the first NaN or infinity",
        )


def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """Scale all gradients so that their norm, taken together, is max_norm at most; in place.

    Each gradient is multiplied by min(1, max_norm / (norm + 1e-6)). Parameters without a gradient
    are left out.

    Args:
        parameters: a Tensor, or any number of them.
        max_norm: the largest norm allowed.
        norm_type, error_if_nonfinite, foreach: see ``get_total_norm``.

    Returns:
        the norm before, 0-d.

    Raises:
        ArgumentError: max_norm is negative.
        ArgumentError, DeviceError: as ``get_total_norm``; nothing is changed then.
    """
    given = _listed("clip_grad_norm_", parameters)
    limit = _number("clip_grad_norm_", "max_norm", max_norm)
    if limit < 0:
        raise ArgumentError(
            "clip_grad_norm_",
            "max_norm",
            expected="0 or more",
            got=str(max_norm),
            hint="a negative norm would turn the gradients round",
        )
    if not given and isinstance(parameters, types.GeneratorType):
        warnings.warn(
            "clip_grad_norm_: parameters is a generator without any left; nothing is clipped",
            UserWarning,
            stacklevel=2,
        )
    grads = [p.grad for p in given if p.grad is not None]
    total = get_total_norm(grads, norm_type, error_if_nonfinite)
    clip_grads_with_norm_(given, limit, total)
    return total


def clip_grads_with_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    total_norm: Tensor,
    foreach: bool | None = None,
) -> None:
    """Multiply all gradients by min(1, max_norm / (total_norm + 1e-6)), in place.

    Args:
        parameters: a Tensor, or any number of them.
        max_norm: the largest norm allowed.
        total_norm: their norm, as ``get_total_norm`` gives it.
        foreach: ignored.

    Raises:
        DtypeError: max_norm is no number.
    """
    limit = _number("clip_grads_with_norm_", "max_norm", max_norm)
    for p in _listed("clip_grads_with_norm_", parameters):
        if p.grad is not None:
            traced(_shrink, p.grad, limit, total_norm)


def _shrink(g: Tensor, limit: float, norm: Tensor) -> None:
    xp = array_module(g.array)
    with quiet():
        factor = xp.minimum(limit / (norm.array + 1e-6), 1.0)
        g.array *= factor.astype(g.dtype)
    g.bump_version()


def clip_grad_value_(
    parameters: Tensor | Iterable[Tensor], clip_value: float, foreach: bool | None = None
) -> None:
    """Bring each number of each gradient into [-clip_value, clip_value], in place.

    Args:
        parameters: a Tensor, or any number of them.
        clip_value: the bound.
        foreach: ignored.

    Raises:
        DtypeError: clip_value is no number.
    """
    bound = _number("clip_grad_value_", "clip_value", clip_value)
    for p in _listed("clip_grad_value_", parameters):
        if p.grad is not None:
            traced(_clip, p.grad, bound)


def _clip(g: Tensor, bound: float) -> None:
    g.array[...] = array_module(g.array).clip(g.array, -bound, bound)
    g.bump_version()


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """All numbers of all parameters, one after the other, as a vector; recorded in the graph.

    Raises:
        ArgumentError: no parameters.
        DeviceError, DtypeError: on two devices, or of two dtypes.
    """
    given = _listed("parameters_to_vector", parameters)
    if not given:
        raise ArgumentError(
            "parameters_to_vector",
            "parameters",
            expected="at least one",
            got="none",
            hint="a generator such as module.parameters() can be read only once",
        )
    check_same_device("parameters_to_vector", *given)
    return cat([reshape(p, -1) for p in given])


def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Copy a vector's numbers into the parameters, one after the other: undoes the above.

    Unlike PyTorch's the parameters keep their memory, and a vector that is too long is refused.

    Raises:
        DtypeError: vec is no Tensor, or of another dtype than a parameter.
        ShapeError: vec does not have as many numbers as the parameters together.
        DeviceError: it is on another device.
    """
    if not isinstance(vec, Tensor):
        raise DtypeError(
            "vector_to_parameters",
            "vec",
            expected="a Tensor",
            got=type(vec).__name__,
            hint="as parameters_to_vector() returns",
        )
    given = _listed("vector_to_parameters", parameters)
    n = sum(p.array.size for p in given)
    if vec.shape != (n,):
        raise ShapeError(
            "vector_to_parameters",
            "vec",
            expected=f"shape ({n},), as the parameters have {n} numbers",
            got=str(vec.shape),
            hint="as parameters_to_vector() returns",
        )
    for p in given:
        if not same_device(p.array, vec.array):
            raise DeviceError(
                "vector_to_parameters",
                "vec",
                expected=str(p.device),
                got=str(vec.device),
                hint="move it with .to(device)",
            )
        if p.dtype != vec.dtype:
            raise DtypeError(
                "vector_to_parameters",
                "vec",
                expected=f"{p.dtype.name}, as the parameters have",
                got=vec.dtype.name,
                hint="convert it with .float() or .double()",
            )
    start = 0
    for p in given:
        stop = start + p.array.size
        p.array[...] = vec.array[start:stop].reshape(p.shape)
        p.bump_version()
        start = stop


def _listed(op: str, tensors: Any, argument: str = "parameters") -> list[Tensor]:
    given = [tensors] if isinstance(tensors, Tensor) else list(tensors)
    for t in given:
        if not isinstance(t, Tensor):
            raise DtypeError(
                op,
                argument,
                expected="Tensors",
                got=type(t).__name__,
                hint="pass module.parameters()",
            )
    return given


def _number(op: str, argument: str, value: Any) -> float:
    if isinstance(value, bool):
        raise DtypeError(op, argument, expected="a number", got=repr(value), hint="try 1.0")
    try:
        return float(value)
    except (TypeError, ValueError):
        raise DtypeError(
            op, argument, expected="a number", got=repr(value), hint="try 1.0"
        ) from None
