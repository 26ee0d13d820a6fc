"""What backward, grad and the gradient checks are called with, checked."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from nnlite.autograd.tensor import Tensor, wrap
from nnlite.backend import array_module, is_array
from nnlite.errors import ArgumentError, DtypeError, GraphError, ShapeError


def as_list(op: str, argument: str, tensors: Any) -> list[Tensor]:
    """One Tensor or several, as a list.

    Raises:
        DtypeError: something else, or something else among them.
    """
    if isinstance(tensors, Tensor):
        return [tensors]
    found = list(tensors) if isinstance(tensors, Iterable) else [tensors]
    for i, x in enumerate(found):
        if not isinstance(x, Tensor):
            raise DtypeError(
                op,
                f"{argument}[{i}]" if x is not tensors else argument,
                expected="a Tensor",
                got=type(x).__name__,
                hint="make one with nnlite.tensor(...)",
            )
    return found


def with_cotangents(
    op: str, outputs: list[Tensor], cotangents: Any, create_graph: bool
) -> list[tuple[Tensor, Any]]:
    """Each output with the gradient that arrives there, checked."""
    if cotangents is None and not create_graph and len(outputs) == 1:  # the usual loss
        x = outputs[0].array
        if outputs[0].requires_grad and x.size == 1:
            return [(outputs[0], array_module(x).ones(x.shape, x.dtype))]
    given = [None] * len(outputs) if cotangents is None else cotangents
    alone = is_array(given) or isinstance(given, Tensor) or not isinstance(given, Iterable)
    given = [given] if alone else list(given)
    if len(given) != len(outputs):
        raise ArgumentError(
            op,
            "gradients",
            expected=f"one for each of {len(outputs)} tensors",
            got=str(len(given)),
            hint="None stands for 1 at a single number",
        )
    roots = []
    for tensor, cotangent in zip(outputs, given, strict=True):
        if not tensor.requires_grad:
            raise no_graph(op, "tensor")
        if cotangent is None:
            if tensor.array.size != 1:
                raise ShapeError(
                    op,
                    "gradient",
                    expected="a tensor with one element, or its gradient",
                    got=f"shape {tensor.shape} and no gradient",
                    hint="reduce to a loss with .sum() or .mean(), or pass gradient=",
                )
            cotangent = wrap(array_module(tensor.array).ones(tensor.shape, tensor.dtype))
        elif is_array(cotangent):
            cotangent = wrap(cotangent)
        elif not isinstance(cotangent, Tensor):
            raise DtypeError(
                op,
                "gradient",
                expected=f"a Tensor of shape {tensor.shape}, as the tensor has",
                got=type(cotangent).__name__,
                hint="make one with nnlite.tensor(...)",
            )
        if cotangent.shape != tensor.shape:
            raise ShapeError(
                op,
                "gradient",
                expected=f"shape {tensor.shape}, as the tensor has",
                got=f"shape {cotangent.shape}",
                hint="the gradient of a loss has the shape of what it is taken by",
            )
        if cotangent.dtype != tensor.dtype:
            raise DtypeError(
                op,
                "gradient",
                expected=tensor.dtype.name,
                got=cotangent.dtype.name,
                hint="convert it with .to(tensor.dtype)",
            )
        roots.append((tensor, cotangent if create_graph else cotangent.array))
    return roots


def gradcheck_inputs(op: str, inputs: Any) -> list[Any]:
    """The arguments of a function to be checked, as a list.

    Raises:
        ArgumentError, DtypeError: as gradcheck says.
    """
    args = list(inputs) if isinstance(inputs, (tuple, list)) else [inputs]
    checked = [(i, x) for i, x in enumerate(args) if isinstance(x, Tensor) and x.requires_grad]
    if not checked:
        raise ArgumentError(
            op,
            "inputs",
            expected="at least one Tensor that requires a gradient",
            got="none",
            hint="call requires_grad_() on what is to be checked",
        )
    for i, x in checked:
        if x.dtype.name != "float64":
            raise DtypeError(
                op,
                f"inputs[{i}]",
                expected="float64: finite differences in lower precision prove nothing",
                got=x.dtype.name,
                hint="make the inputs of the check with dtype=nnlite.float64",
            )
        if x.array.size and any(
            s == 0 and n > 1 for s, n in zip(x.array.strides, x.shape, strict=True)
        ):
            raise ArgumentError(
                op,
                f"inputs[{i}]",
                expected="elements that can be changed one at a time",
                got="a broadcast tensor, whose elements share memory",
                hint="pass a copy: x.clone()",
            )
    return args


def no_graph(op: str, argument: str) -> GraphError:
    """The error of asking for the gradient of what has no graph."""
    return GraphError(
        op,
        argument,
        expected="a tensor with requires_grad=True or computed from one",
        got="one without a graph",
        hint="call requires_grad_() on a leaf, and look for no_grad() or detach() on the way",
    )


def unused(i: int) -> GraphError:
    """The error of asking for the gradient of an input that no output depends on."""
    return GraphError(
        "grad",
        f"inputs[{i}]",
        expected="a tensor that the outputs depend on",
        got="one that they do not depend on",
        hint="pass allow_unused=True to get None for it",
    )
