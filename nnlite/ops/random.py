"""Random tensors, from this context's default generator or from one that is given."""

from __future__ import annotations

from typing import Any

from nnlite.autograd.tape import traced
from nnlite.autograd.tensor import Tensor
from nnlite.backend import (
    Device,
    Dtype,
    Generator,
    as_dtype,
    backend_for,
    default_generator,
)
from nnlite.backend import device as make_device
from nnlite.backend.dtypes import DEFAULT_FLOAT, int64
from nnlite.errors import ArgumentError, DtypeError
from nnlite.ops.common import as_index, as_tensor
from nnlite.ops.sizes import check_size, spread

__all__ = [
    "normal",
    "pick_generator",
    "rand",
    "rand_like",
    "randint",
    "randint_like",
    "randn",
    "randn_like",
    "randperm",
]


def pick_generator(op: str, generator: Generator | None) -> Generator:
    """The generator that was given, or this context's own.

    Raises:
        DtypeError: what was given is no generator.
    """
    if generator is None:
        return default_generator()
    if not isinstance(generator, Generator):
        raise DtypeError(
            op,
            "generator",
            expected="an nnlite.Generator",
            got=type(generator).__name__,
            hint="nnlite.Generator().manual_seed(0)",
        )
    return generator


def rand(
    *size: Any,
    generator: Generator | None = None,
    dtype: object = None,
    device: str | Device | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """Independent numbers, uniform on [0, 1): ``rand(2, 3)`` or ``rand((2, 3))``.

    Raises:
        ShapeError, DtypeError: a size that is none; a dtype that is not floating.
    """
    shape = check_size("rand", spread(size))
    draw = pick_generator("rand", generator).uniform
    array = traced(draw, shape, _float("rand", dtype))
    return _on(device, array, requires_grad)


def randn(
    *size: Any,
    generator: Generator | None = None,
    dtype: object = None,
    device: str | Device | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """Independent numbers, normal with mean 0 and variance 1; see ``rand``."""
    shape = check_size("randn", spread(size))
    draw = pick_generator("randn", generator).normal
    array = traced(draw, shape, _float("randn", dtype))
    return _on(device, array, requires_grad)


def normal(
    mean: float,
    std: float,
    size: Any,
    *,
    generator: Generator | None = None,
    dtype: object = None,
    device: str | Device | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """Independent numbers, normal with this mean and standard deviation.

    Raises:
        ArgumentError: a negative std.
    """
    if not std >= 0:
        raise ArgumentError(
            "normal",
            "std",
            expected="0 or more",
            got=str(std),
            hint="std is not the variance's log",
        )
    shape = check_size("normal", size)
    array = pick_generator("normal", generator).normal(shape, _float("normal", dtype))
    return _on(device, array * float(std) + float(mean), requires_grad)


def randint(
    *args: Any,
    low: Any = 0,
    high: Any = None,
    size: Any = None,
    generator: Generator | None = None,
    dtype: object = None,
    device: str | Device | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """Independent whole numbers, uniform on [low, high).

    ``randint(high, size)`` or ``randint(low, high, size)``, or all by name; int64 by default.

    Raises:
        ArgumentError: no number lies in [low, high).
    """
    given = list(args)
    if size is None and given:
        size = given.pop()
    if high is None and given:
        high = given.pop()
    if given:
        low = given.pop()
    if size is None or high is None or given:
        raise ArgumentError(
            "randint",
            expected="(high, size) or (low, high, size)",
            got=f"{len(args)} positional arguments",
            hint="randint(0, 10, (2, 3))",
        )
    first, last = as_index("randint", "low", low), as_index("randint", "high", high)
    if not -(2**63) <= first < last <= 2**63:
        raise ArgumentError(
            "randint",
            "high",
            expected=f"more than low = {first}, within int64",
            got=str(last),
            hint="high itself is never drawn",
        )
    shape = check_size("randint", size)
    array = pick_generator("randint", generator).integers(first, last, shape)
    wanted = int64 if dtype is None else as_dtype(dtype, "randint")
    return _on(device, array.astype(wanted, copy=False), requires_grad)


def randperm(
    n: Any,
    *,
    generator: Generator | None = None,
    dtype: object = None,
    device: str | Device | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """The numbers 0 to n - 1 in random order, int64 by default."""
    (count,) = check_size("randperm", (n,), "n")
    array = pick_generator("randperm", generator).permutation(count)
    wanted = int64 if dtype is None else as_dtype(dtype, "randperm")
    return _on(device, array.astype(wanted, copy=False), requires_grad)


def rand_like(
    input: Tensor,
    *,
    generator: Generator | None = None,
    dtype: object = None,
    device: str | Device | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """As ``rand``, with input's shape, and its dtype and device unless given."""
    x = as_tensor("rand_like", input)
    return rand(
        x.shape,
        generator=generator,
        dtype=x.dtype if dtype is None else dtype,
        device=x.device if device is None else device,
        requires_grad=requires_grad,
    )


def randn_like(
    input: Tensor,
    *,
    generator: Generator | None = None,
    dtype: object = None,
    device: str | Device | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """As ``randn``, with input's shape, and its dtype and device unless given."""
    x = as_tensor("randn_like", input)
    return randn(
        x.shape,
        generator=generator,
        dtype=x.dtype if dtype is None else dtype,
        device=x.device if device is None else device,
        requires_grad=requires_grad,
    )


def randint_like(
    input: Tensor,
    *args: Any,
    low: Any = 0,
    high: Any = None,
    generator: Generator | None = None,
    dtype: object = None,
    device: str | Device | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """As ``randint``, with input's shape, and its dtype and device unless given."""
    x = as_tensor("randint_like", input)
    return randint(
        *args,
        low=low,
        high=high,
        size=x.shape,
        generator=generator,
        dtype=x.dtype if dtype is None else dtype,
        device=x.device if device is None else device,
        requires_grad=requires_grad,
    )


def _float(op: str, dtype: object) -> Dtype:
    found = DEFAULT_FLOAT if dtype is None else as_dtype(dtype, op)
    if found.kind != "f":
        raise DtypeError(
            op,
            "dtype",
            expected="float32 or float64",
            got=found.name,
            hint="whole numbers: nnlite.randint",
        )
    return found


def _on(device: str | Device | None, array: Any, requires_grad: bool) -> Tensor:
    backend = backend_for(make_device("cpu" if device is None else device))
    return Tensor(backend.asarray(array), requires_grad)
