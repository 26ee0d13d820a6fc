"""Hyper-parameters: made into plain Python numbers, and refused where they make no sense.

Python numbers matter: under NumPy's promotion rules (NEP 50) a ``np.float64`` learning rate would
turn float32 parameters into float64, a Python float never does.
"""

from __future__ import annotations

import math
from numbers import Real
from typing import Any, TypedDict

from nnlite.autograd import Tensor
from nnlite.backend import is_array
from nnlite.errors import ArgumentError, DtypeError


class Hints(TypedDict, total=False):
    """PyTorch's options on how a step is carried out. None of them changes the result.

    ``foreach`` and ``fused`` may have any value and are ignored; ``capturable`` and
    ``differentiable`` may only be False.
    """

    foreach: bool | None
    fused: bool | None
    capturable: bool
    differentiable: bool


def check_hints(op: str, hints: Hints) -> None:
    """Refuse the hints that cannot be followed.

    Raises:
        ArgumentError: capturable=True or differentiable=True.
        DtypeError: a keyword that the optimizer does not have.
    """
    for name, value in hints.items():
        if name in ("foreach", "fused"):
            continue
        if name not in ("capturable", "differentiable"):
            raise DtypeError(
                op,
                name,
                expected="an argument that the optimizer has",
                got=f"an unknown keyword, {name}={value!r}",
                hint="look for a misspelt name",
            )
        if value:
            raise ArgumentError(
                op,
                name,
                expected="False",
                got=repr(value),
                hint="a step is not recorded in the graph; leave this argument out",
            )


def plain(value: Any) -> Any:
    """A number of any kind (NumPy scalar, one-element Tensor or array) as a Python number.

    Tuples and lists are converted element by element; everything else is returned as it is.
    """
    kind = type(value)
    if kind is float or kind is bool:
        return value
    if kind is tuple or kind is list:
        return tuple(plain(item) for item in value)
    if isinstance(value, Tensor):
        value = value.array
    if is_array(value) and value.size == 1:
        value = value.item()
    return float(value) if isinstance(value, Real) and not isinstance(value, bool) else value


def number(
    op: str,
    argument: str,
    value: Any,
    low: float = -math.inf,
    high: float = math.inf,
    *,
    above: bool = False,
    below: bool = False,
) -> float:
    """A finite Python float with low <= value <= high.

    Args:
        op: the name of the optimizer or scheduler, for errors.
        argument: the name of the hyper-parameter, for errors.
        value: a Python or NumPy number, or a one-element Tensor.
        low: smallest value allowed.
        high: largest value allowed.
        above: low itself is refused too.
        below: high itself is refused too.

    Raises:
        DtypeError: not a number.
        ArgumentError: NaN, infinite or outside the range.
    """
    result = plain(value)
    if type(result) is not float:
        got = repr(value) if isinstance(value, (str, bool)) else type(value).__name__
        raise DtypeError(op, argument, expected="a number", got=got, hint=f"{argument}=0.1")
    too_low = result <= low if above else result < low
    too_high = result >= high if below else result > high
    if too_low or too_high or not math.isfinite(result):
        raise ArgumentError(
            op,
            argument,
            expected=_range(low, high, above, below),
            got=repr(result),
            hint=f"look at how {argument} is computed, or leave it out for the default",
        )
    return result


def _range(low: float, high: float, above: bool, below: bool) -> str:
    text = "a finite number"
    if low > -math.inf:
        text += f" {'>' if above else '>='} {low:g}"
    if high < math.inf:
        text += f"{' and' if low > -math.inf else ''} {'<' if below else '<='} {high:g}"
    return text


def pair(op: str, argument: str, value: Any) -> tuple[Any, Any]:
    """Two hyper-parameters given together, such as betas.

    Raises:
        DtypeError: not a tuple or list of two.
    """
    if not isinstance(value, (tuple, list)) or len(value) != 2:
        raise DtypeError(
            op,
            argument,
            expected="a tuple of two numbers",
            got=repr(value),
            hint=f"{argument}=(0.9, 0.999), for example",
        )
    return value[0], value[1]


def betas(op: str, value: Any) -> tuple[float, float]:
    """Adam's two decay rates, each in [0, 1).

    Raises:
        DtypeError, ArgumentError: not two numbers in [0, 1).
    """
    first, second = pair(op, "betas", value)
    return (
        number(op, "betas[0]", first, 0, 1, below=True),
        number(op, "betas[1]", second, 0, 1, below=True),
    )


def flag(op: str, argument: str, value: Any) -> bool:
    """True or False.

    Raises:
        DtypeError: anything else; a number here is mostly an argument in the wrong place.
    """
    if not isinstance(value, bool):
        raise DtypeError(
            op,
            argument,
            expected="True or False",
            got=repr(value),
            hint="pass options by name, so that none lands in another's place",
        )
    return value


def whole(op: str, argument: str, value: Any, low: int) -> int:
    """An integer >= low.

    Raises:
        DtypeError: not an integer.
        ArgumentError: below low.
    """
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise DtypeError(
            op, argument, expected=f"an integer >= {low}", got=repr(value), hint=f"{argument}=10"
        )
    result = int(value)
    if result < low:
        raise ArgumentError(
            op, argument, expected=f"an integer >= {low}", got=repr(result), hint=f"{argument}=10"
        )
    return result
