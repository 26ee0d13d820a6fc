"""check_op: is an op's gradient right, and if not, what is most likely wrong with it?

gradcheck says that a gradient is wrong; check_op is for the one who wrote the op. It measures the
whole Jacobian (probe.py), compares what is wrong with the mistakes that are usually made
(rules.py), and shrinks the inputs as long as the same mistake shows (shrink.py).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from nnlite.autograd.checks.gradcheck import gradcheck
from nnlite.autograd.checks.numeric import like, numbers
from nnlite.autograd.checks.point import Fault
from nnlite.autograd.checks.probe import Evidence, Probe, largest_error
from nnlite.autograd.checks.shrink import shrink
from nnlite.autograd.modes import enable_grad
from nnlite.autograd.tensor import Tensor
from nnlite.backend import is_float, quiet
from nnlite.backend.dtypes import float64
from nnlite.errors import ArgumentError, GradcheckError


@dataclass(frozen=True)
class OpReport:
    """What check_op returns where the gradient is right; prints as one line.

    Attributes:
        name: the op's name.
        error: the largest |analytic - numeric| / (1 + |numeric|).
        elements: how many input elements were moved.
        notes: what was done to the inputs before the check.
    """

    name: str
    error: float
    elements: int
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        text = f"check_op: {self.name}: ok, largest error {self.error:.1g} over {self.elements} "
        text += "element" if self.elements == 1 else "elements"
        return text + (f" ({'; '.join(self.notes)})" if self.notes else "")

    __repr__ = __str__


def check_op(
    fn: Callable[..., Any], *inputs: Any, rtol: float = 1e-6, atol: float = 1e-8
) -> OpReport:
    """Check the gradient of an op of your own; where it is wrong, name the likely mistake.

    ::

        check_op(Exp.apply, nnlite.tensor([0.5, -1.0, 2.0]))

    The derivative of every output element by every input element is compared with central
    differences. The message of a failure names the mistake (off by a factor, the sign, transposed,
    a sum missing, gy not used, ...) and shows the smallest input at which it was found.

    Args:
        fn: the apply of a Function, or any function of Tensors. Random functions must draw the
            same numbers at each call.
        inputs: its arguments. The Tensors that require a gradient are checked; where none does,
            all floating ones. float32 is checked on a copy in float64. Numbers without a pattern,
            of both signs, and sizes that differ show the most.
        rtol, atol: ``|analytic - numeric| <= atol + rtol * max(|analytic|, |numeric|)`` is asked.

    Returns:
        A report that prints as "check_op: Exp: ok, largest error 3e-10 over 3 elements".

    Raises:
        GradcheckError: the gradient is wrong; argument, expected, got and hint say how.
        ArgumentError: no floating Tensor among inputs.
    """
    name = _name(fn)
    args, checked, notes = _arguments(name, inputs)
    probe = Probe(fn, checked, rtol, atol)
    with enable_grad(), quiet():
        found = probe.examine(args)
        if isinstance(found, Fault):
            args, found = shrink(probe, args, found)
            raise _refusal(name, args, found)
        _check_conditions(name, fn, probe, args, found, rtol, atol)
    elements = sum(x.size for x in probe.values(args))
    return OpReport(name, largest_error(found), elements, tuple(notes))


def _name(fn: Callable[..., Any]) -> str:
    owner = getattr(fn, "__self__", None)
    return owner.__name__ if isinstance(owner, type) else getattr(fn, "__name__", type(fn).__name__)


def _arguments(name: str, inputs: tuple[Any, ...]) -> tuple[list[Any], list[int], list[str]]:
    """The inputs as float64 leaves, the positions to be checked, and notes of what was changed."""
    floats = [i for i, x in enumerate(inputs) if isinstance(x, Tensor) and is_float(x.dtype)]
    checked = [i for i in floats if inputs[i].requires_grad] or floats
    if not checked:
        raise ArgumentError(
            "check_op",
            "inputs",
            expected=f"at least one floating Tensor for {name}",
            got=", ".join(type(x).__name__ for x in inputs) or "none",
            hint="for example check_op(MyOp.apply, nnlite.randn(2, 3))",
        )
    args, notes = list(inputs), []
    if any(inputs[i].dtype != float64 for i in floats):
        notes.append("float32 inputs were checked as float64 copies")
    for i in floats:
        x = Tensor(np.asarray(numbers(inputs[i]), dtype="float64"))
        args[i] = like(x, numbers(x)) if inputs[i].device.type == "cpu" else inputs[i].to(float64)
        if i in checked:
            args[i] = args[i].detach().requires_grad_()
    return args, checked, notes


def _check_conditions(
    name: str,
    fn: Callable[..., Any],
    probe: Probe,
    args: list[Any],
    found: Evidence,
    rtol: float,
    atol: float,
) -> None:
    """What a right Jacobian leaves open: memory shared, cotangents that are not contiguous, ..."""
    if found.kinks or found.sampled or not found.outputs:
        return
    try:
        gradcheck(fn, args, rtol=rtol, atol=atol, check_undefined_grad=False)
    except GradcheckError as error:
        raise GradcheckError(
            f"check_op: {name}",
            error.argument,
            expected=error.expected,
            got=error.got,
            hint="the values are right one output at a time, but this further condition fails; "
            "return new tensors from backward, and keep nothing outside of ctx",
        ) from error


def _refusal(name: str, args: list[Any], fault: Fault) -> GradcheckError:
    where = f"{fault.place} = " if fault.place else ""
    expected = f"{where}{fault.expected}" if fault.expected else ""
    example = ", ".join(_shown(i, x) for i, x in enumerate(args))
    return GradcheckError(
        f"check_op: {name}",
        fault.text,
        expected=expected,
        got=f"{fault.got}; smallest example: {example}" if fault.got else f"it at {example}",
        hint=fault.hint,
    )


def _shown(i: int, x: Any) -> str:
    if isinstance(x, Tensor):
        return f"inputs[{i}] = {np.array2string(numbers(x), separator=', ', threshold=32)}"
    return f"inputs[{i}] = {x!r}"
