"""In-place changes of a Tensor: what is allowed, and how the graph learns of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from nnlite.autograd.modes import is_grad_enabled
from nnlite.autograd.tape import traced
from nnlite.autograd.tensor import Tensor
from nnlite.errors import DtypeError, GraphError, ShapeError

if TYPE_CHECKING:
    from nnlite.autograd.op import Node

T = TypeVar("T", bound=Tensor)


def refuse_leaf(tensor: Tensor, op: str) -> None:
    """A leaf that requires a gradient is not changed in place while ops are recorded.

    Raises:
        GraphError: it is one.
    """
    if tensor.requires_grad and tensor.node is None and is_grad_enabled():
        raise GraphError(
            op,
            expected="a tensor that is not a leaf with requires_grad=True",
            got="such a leaf: its old value would be lost to backward",
            hint="update parameters inside `with nnlite.no_grad():`",
        )


def refuse_view(tensor: Tensor, op: str) -> None:
    """A view is not changed in place by an op that takes part in the graph.

    Raises:
        GraphError: it is one.
    """
    if tensor._view_n is not None:
        raise GraphError(
            op,
            expected="a tensor that owns its memory",
            got="a view, whose base would not know of the change in the graph",
            hint="use the out-of-place op, or change the base itself",
        )


def assign(tensor: T, result: Tensor, op: str) -> T:
    """Write result into tensor's own memory; tensor takes result's place in the graph.

    Args:
        tensor: what is changed; keeps its memory, shape and dtype.
        result: the new value, computed out of place.
        op: name for errors, "add_".

    Raises:
        GraphError: a leaf that requires a gradient, or a view (its base would not follow).
        ShapeError, DtypeError: result does not fit into tensor.
    """
    refuse_leaf(tensor, op)
    if result.shape != tensor.shape:
        raise ShapeError(
            op,
            expected=f"a result of the tensor's shape {tensor.shape}",
            got=f"shape {result.shape}",
            hint="an in-place op cannot grow its tensor; use the out-of-place op",
        )
    if "bui f".index(result.dtype.kind) > "bui f".index(tensor.dtype.kind):
        raise DtypeError(
            op,
            expected=f"a result that fits into {tensor.dtype.name}",
            got=result.dtype.name,
            hint="use the out-of-place op, or convert the tensor first",
        )
    if result.requires_grad:
        refuse_view(tensor, op)
    traced(write, tensor, result)
    if result.requires_grad:
        assert result.node is not None, "a result that requires a gradient has a node"
        rebase(tensor, result.node)
    return tensor


def write(tensor: Tensor, value: Tensor) -> None:
    """Write value into tensor's memory."""
    tensor.array[...] = value.array
    tensor.bump_version()


def rebase(tensor: Tensor, node: Node) -> None:
    """Put a tensor that was changed in place where node stands in the graph.

    retain_grad asks for the gradient of the tensor as it is now, so its request moves along.
    """
    old = tensor.node
    if old is not None and old._retained is not None and old._retained() is tensor:
        old._retained = None
        node.retain_grad(tensor)
    version = tensor.version()
    version.rebased = version.n
    tensor.node = node
    tensor._requires_grad = True
