"""Function: an operation of the user's own, by PyTorch's contract (Tensors in and out)."""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable
from typing import Any, ClassVar

from nnlite.autograd.inplace import rebase, refuse_leaf, refuse_view
from nnlite.autograd.modes import _state, is_grad_enabled, no_grad
from nnlite.autograd.op import OUTPUT, Node, Pick
from nnlite.autograd.tensor import Tensor, wrap
from nnlite.backend import Array, backend_of
from nnlite.errors import DoubleBackwardError, DtypeError, GraphError


class FunctionContext:
    """The ctx of a Function: what forward leaves for backward.

    Any attribute may be set on it. Tensors go through save_for_backward, which keeps their place
    in the graph and notices when they are changed in place.

    Attributes:
        needs_input_grad: for each argument of forward, whether its gradient is wanted.
    """

    def __init__(self, node: Node) -> None:
        self.needs_input_grad = node.needs_input_grad
        self._call = _Call(node)

    def save_for_backward(self, *tensors: Tensor | None) -> None:
        """Keep inputs, outputs or other tensors for backward, where saved_tensors gives them."""
        for tensor in tensors:
            if tensor is not None and not isinstance(tensor, Tensor):
                raise DtypeError(
                    "save_for_backward",
                    expected="Tensors or None",
                    got=type(tensor).__name__,
                    hint="keep anything else as an attribute: ctx.n = n",
                )
        self._call.to_save = tensors

    @property
    def saved_tensors(self) -> tuple[Tensor | None, ...]:
        """What save_for_backward was given, in its order.

        Raises:
            GraphError: a tensor was changed in place since, or the graph is freed.
        """
        call = self._call
        return tuple([None if key is None else call.saved_tensor(key) for key in call.keys])

    def mark_non_differentiable(self, *tensors: Tensor) -> None:
        """Say that these outputs have no gradient."""
        self._call.non_differentiable = tensors

    def mark_dirty(self, *tensors: Tensor) -> None:
        """Say that forward changed these inputs in place (and returns them)."""
        self._call.dirty = tensors

    def set_materialize_grads(self, value: bool) -> None:
        """Whether backward gets zeros (the default) or None for outputs without a gradient."""
        self._call.materialize = value


class _Call:
    """Bookkeeping of one call, apart from the attributes that the user sets on ctx."""

    def __init__(self, node: Node) -> None:
        self.name = node.name
        self.node = weakref.ref(node)  # the node holds the ctx: a strong link would be a cycle
        self.to_save: tuple[Tensor | None, ...] = ()
        self.keys: list[int | None] = []
        self.outside: dict[int, Any] = {}  # key: place in the graph of a tensor that is no argument
        self.non_differentiable: tuple[Tensor, ...] = ()
        self.dirty: tuple[Tensor, ...] = ()
        self.materialize = True

    def saved_tensor(self, key: int) -> Tensor:
        """A saved tensor, under create_graph in its place in the graph."""
        node = self.node()
        if node is None:
            raise GraphError(
                "saved_tensors",
                expected="a graph that is still there",
                got="a ctx kept beyond the life of its graph",
                hint="read ctx.saved_tensors inside backward",
            )
        if is_grad_enabled() and key < len(node.parents):
            value: Tensor = node.input(key) if key > OUTPUT else node.output(OUTPUT - key)
            return value
        place = self.outside.get(key) if is_grad_enabled() else None
        return place if isinstance(place, Tensor) else node.saved_tensor(key, place)


class Function:
    """Base of custom operations, as ``torch.autograd.Function``::

        class Exp(Function):
            @staticmethod
            def forward(ctx, x):
                y = x.exp()
                ctx.save_for_backward(y)
                return y

            @staticmethod
            def backward(ctx, gy):
                (y,) = ctx.saved_tensors
                return gy * y

        y = Exp.apply(x)

    forward runs without recording. backward returns one gradient for each argument of forward,
    None for arguments that are no tensors or need none. It is recorded under create_graph, so a
    backward made of tensor operations has further derivatives by itself. Unlike in the PyTorch of
    2018, a forward that returns its own input unchanged still has its backward called.
    """

    forward: ClassVar[Callable[..., Any]]
    backward: ClassVar[Callable[..., Any]]
    setup_context: ClassVar[Callable[..., Any] | None] = None

    @classmethod
    def apply(cls, *args: Any) -> Any:
        """Call forward, and record the call where a tensor among args requires a gradient.

        Raises:
            DtypeError: forward returned something that is no Tensor.
        """
        enabled, _, tape = _state.get()
        if tape is not None:
            return tape.function(cls, args)
        recording = enabled and any(isinstance(x, Tensor) and x.requires_grad for x in args)
        parents = [
            (x.node or x) if recording and isinstance(x, Tensor) and x.requires_grad else None
            for x in args
        ]
        node = Node(_FunctionOp(cls), parents)
        ctx = FunctionContext(node)
        result = call_forward(cls, ctx, args)
        outputs = result if isinstance(result, tuple) else (result,)
        for output in outputs:
            if not isinstance(output, Tensor):
                raise DtypeError(
                    f"{cls.__name__}.forward",
                    "returned value",
                    expected="a Tensor or a tuple of Tensors",
                    got=type(output).__name__,
                    hint="wrap arrays with nnlite.from_numpy or nnlite.tensor",
                )
        for tensor in ctx._call.dirty:
            tensor.bump_version()
        tensors = attach(node, ctx, args, outputs) if recording else outputs
        return tensors if isinstance(result, tuple) else tensors[0]


def call_forward(function: type[Function], ctx: FunctionContext, args: tuple[Any, ...]) -> Any:
    """forward with its ctx, in either of PyTorch's two forms, without recording."""
    with no_grad():
        if function.setup_context is None:
            return function.forward(ctx, *args)
        result = function.forward(*args)
        function.setup_context(ctx, args, result)
        return result


def once_differentiable(backward: Callable[..., Any]) -> Callable[..., Any]:
    """Mark a Function's backward as one that has no derivative itself.

    Under create_graph it raises DoubleBackwardError instead of giving a wrong second derivative.
    """

    @functools.wraps(backward)
    def wrapped(ctx: FunctionContext, *gradients: Any) -> Any:
        if is_grad_enabled():
            raise DoubleBackwardError(
                ctx._call.name,
                expected="a Function with a second derivative",
                got="one whose backward is marked once_differentiable",
                hint="compute this part without create_graph",
            )
        return backward(ctx, *gradients)

    return wrapped


def attach(
    node: Node, ctx: FunctionContext, args: tuple[Any, ...], outputs: tuple[Tensor, ...]
) -> tuple[Tensor, ...]:
    """Put the outputs into the graph, and save what forward asked for."""
    call = ctx._call
    node.__dict__["ctx"] = ctx
    node.__dict__["_outputs"] = [(out.shape, out.dtype) for out in outputs]
    attached = []
    for k, output in enumerate(outputs):
        if any(output is x for x in call.dirty):
            refuse_leaf(output, node.name)
            refuse_view(output, node.name)
            out = output
        else:
            out = _another(output, is_view=any(output is x for x in args))
        if out.dtype.kind == "f" and not any(output is x for x in call.non_differentiable):
            place = Pick.of(node, k)
            if out is output:
                rebase(out, place)
            else:
                out.node, out.requires_grad = place, True
        attached.append(out)
    for extra, tensor in enumerate(call.to_save):
        call.keys.append(_save(node, call, tensor, args, outputs, attached, len(args) + extra))
    call.to_save = call.dirty = call.non_differentiable = ()
    return tuple(attached)


def _another(output: Tensor, *, is_view: bool) -> Tensor:
    """A tensor of our own on an output's memory.

    What forward returned may be its input, or a tensor that someone else keeps: putting it into
    the graph would rewrite its history.
    """
    out = output.detach()
    if is_view or output._view_n is not None:
        out._view_n = out.version().n
    return out


def _save(
    node: Node,
    call: _Call,
    tensor: Tensor | None,
    args: tuple[Any, ...],
    outputs: tuple[Tensor, ...],
    attached: list[Tensor],
    free_key: int,
) -> int | None:
    """Save one tensor under the position of the input or output that it is."""
    if tensor is None:
        return None
    if not any(tensor is x for x in call.dirty):
        for key, x in enumerate(args):
            if x is tensor:
                node._save(key, tensor)
                return key
    for k, x in enumerate(outputs):
        if x is tensor:
            node._save(OUTPUT - k, attached[k])
            return OUTPUT - k
    node._save(free_key, tensor)
    if tensor.requires_grad:
        call.outside[free_key] = tensor.node or tensor
    return free_key


class _FunctionOp:
    """What the engine calls for a Function: hands Tensors to the user's backward."""

    double_backward = True
    fresh = False  # the user's backward may return a tensor that it keeps
    view = False

    def __init__(self, function: type[Function]) -> None:
        self.function = function
        self.__name__ = function.__name__

    def backward(self, node: Node, slots: tuple[Any, ...]) -> tuple[Any, ...]:
        raw = not is_grad_enabled()
        like = next(g.array if isinstance(g, Tensor) else g for g in slots if g is not None)
        ctx: FunctionContext = node.__dict__["ctx"]
        gradients = [
            _materialize(node, ctx._call.materialize, k, g, like) for k, g in enumerate(slots)
        ]
        result = self.function.backward(ctx, *gradients)
        returned = list(result) if isinstance(result, (tuple, list)) else [result]
        while len(returned) > len(node.parents) and returned[-1] is None:
            returned.pop()  # PyTorch allows further Nones
        if len(returned) == len(node.parents):
            for i, (parent, gradient) in enumerate(zip(node.parents, returned, strict=True)):
                if parent is not None:
                    _check_gradient(self.__name__, i, gradient)
        return tuple(g.array if raw and isinstance(g, Tensor) else g for g in returned)


def _materialize(node: Node, zeros: bool, k: int, gradient: Any, like: Array) -> Tensor | None:
    """The gradient of output k as a Tensor: zeros, or None, where nothing arrived."""
    if gradient is None and zeros:
        shape, dtype = node.outputs[k]
        return wrap(backend_of(like).xp.zeros(shape, dtype))
    if gradient is None or isinstance(gradient, Tensor):
        return gradient
    return wrap(backend_of(like).asarray(gradient))  # NumPy's 0-d sums are scalars


def _check_gradient(name: str, i: int, gradient: Any) -> None:
    if gradient is None:
        raise GraphError(
            f"{name}.backward",
            f"gradient {i}",
            expected=f"a Tensor: argument {i} of forward requires a gradient",
            got="None",
            hint="return zeros if the result does not depend on it, or detach() the argument",
        )
    if not isinstance(gradient, Tensor):
        raise DtypeError(
            f"{name}.backward",
            f"gradient {i}",
            expected="a Tensor or None",
            got=type(gradient).__name__,
            hint="compute with the Tensors that backward is given",
        )
