"""The entries of a captured step's tape: what is done at each replay (see capture.py).

All values of one replay lie in a list, each in a slot of its own. An entry reads its arguments
there and puts its results there; ``frees`` names the slots that nobody reads after it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from numpy import ndarray

from nnlite.autograd.function import Function, FunctionContext, attach, call_forward
from nnlite.autograd.op import NO_GRAPH, OUTPUT, Node, Op
from nnlite.autograd.tensor import Tensor, wrap
from nnlite.backend import backend_of, is_array
from nnlite.errors import CaptureError

Values: TypeAlias = list[Any]
Resolver: TypeAlias = Callable[[Values], Any]
"""Makes an argument from the values of a replay."""

_new = object.__new__


class Const:
    """A value that is the same in each replay, to be read as tensors are."""

    __slots__ = ("array",)

    def __init__(self, value: Any) -> None:
        self.array = value


class GradOf:
    """The gradient that backward left in a leaf, to be read as tensors are."""

    __slots__ = ("leaf",)

    def __init__(self, leaf: Tensor) -> None:
        self.leaf = leaf

    @property
    def tensor(self) -> Tensor:
        """The gradient as it is now.

        Raises:
            CaptureError: there is none.
        """
        found = self.leaf._grad
        if found is None:
            raise CaptureError(
                "capture",
                expected="a gradient where there was one while recording",
                got="None",
                hint="clear gradients inside the captured step, or always outside",
            )
        return found

    @property
    def array(self) -> Any:
        """Its array."""
        return self.tensor.array


class Entry:
    """One line of the tape.

    Attributes:
        key: what it did with what, to compare two recordings by.
        reads, writes, frees: slots.
    """

    name: str
    key: Any
    reads: set[int]
    writes: tuple[int, ...]
    frees: tuple[int, ...] = ()

    def run(self, values: Values) -> None:
        """Do it again."""
        raise NotImplementedError


class Forward(Entry):
    """An Op's forward, recorded in the graph or not.

    Args:
        op: the Op.
        node: the node of the graph that it fills, or None.
        inputs: for each a slot, or what has an ``array``.
        params: by name, those that are the same each time.
        moving: the others, by name.
        several: whether forward returns a tuple.
    """

    def __init__(
        self,
        op: type[Op],
        node: Node | None,
        inputs: list[Any],
        params: dict[str, Any],
        moving: dict[str, Resolver],
        several: bool,
    ) -> None:
        self.name = op.__name__
        self.op = op
        self.forward = op.forward
        self.node = node
        self.inputs = inputs
        self.params = params
        self.moving = moving
        self.several = several
        self.outputs = node.outputs if node is not None else []

    def run(self, values: Values) -> None:
        """The forward, and what Op.apply does to the node."""
        self.compute([values[x] if x.__class__ is int else x.array for x in self.inputs], values)

    def compute(self, arrays: list[Any], values: Values) -> None:
        """The same of these inputs."""
        params = self.params
        if self.moving:
            params = {**params, **{name: make(values) for name, make in self.moving.items()}}
        node = self.node
        if node is None:
            result = self.forward(NO_GRAPH, *arrays, **params)
        else:
            node.saved = None
            node.__dict__.update(params)
            node._inputs = arrays  # type: ignore[assignment]
            result = self.forward(node, *arrays, **params)
            node._inputs = None
        results = result if self.several else (result,)
        for k, (slot, array) in enumerate(zip(self.writes, results, strict=True)):
            if array.__class__ is not ndarray and not is_array(array):
                array = backend_of(array).asarray(array)  # NumPy's 0-d results are scalars
            values[slot] = array
            if node is not None and node._keep_outputs:
                node._save(OUTPUT - k, array)
        if self.outputs:
            node.__dict__["_outputs"] = self.outputs


class FunctionForward(Entry):
    """The forward of a user's Function that is recorded in the graph."""

    def __init__(self, function: type[Function], node: Node, args: list[Resolver | Const]) -> None:
        self.name = function.__name__
        self.function = function
        self.node = node
        self.args = args

    def run(self, values: Values) -> None:
        """The forward with a new ctx, which backward then finds in the node."""
        node, function = self.node, self.function
        node.saved = None
        args = tuple([a.array if isinstance(a, Const) else a(values) for a in self.args])
        ctx = FunctionContext(node)
        result = call_forward(function, ctx, args)
        outputs = result if isinstance(result, tuple) else (result,)
        attach(node, ctx, args, outputs)
        for slot, output in zip(self.writes, outputs, strict=True):
            values[slot] = output.array


class Call(Entry):
    """A call that came through ``traced``."""

    def __init__(
        self, function: Callable[..., Any], args: list[Resolver | Const], kwargs: dict[str, Any]
    ) -> None:
        self.name = getattr(function, "__qualname__", repr(function))
        self.function = function
        self.args = args
        self.kwargs = kwargs
        self.forms: list[Any] = []  # shape and dtype of each result

    def run(self, values: Values) -> None:
        """The call, its arguments made anew."""
        args, kwargs = self.arguments(values)
        result = self.function(*args, **kwargs)
        if self.writes:
            results = result if isinstance(result, tuple) else (result,)
            for slot, x, form in zip(self.writes, results, self.forms, strict=True):
                values[slot] = array = x.array if isinstance(x, Tensor) else x
                if (array.shape, array.dtype) != form:
                    raise CaptureError(
                        self.name,
                        expected=f"a result of shape {form[0]}, as while recording",
                        got=f"shape {array.shape}",
                        hint="a captured step has no results whose size depends on values",
                    )

    def arguments(self, values: Values) -> tuple[list[Any], dict[str, Any]]:
        """What it is called with."""
        args = [a.array if isinstance(a, Const) else a(values) for a in self.args]
        kwargs = {
            name: a.array if isinstance(a, Const) else a(values) for name, a in self.kwargs.items()
        }
        return args, kwargs


def rebuilt(like: Any, items: list[Any]) -> Any:
    """A tuple, named tuple or list as like is, of other items."""
    kind = type(like)
    return kind(*items) if hasattr(like, "_fields") else kind(items)


def tensor_in(slot: int, node: Node | None) -> Resolver:
    """Makes the tensor around a slot's array, at its place in the graph."""

    def make(values: Values) -> Tensor:
        if node is None:
            return wrap(values[slot])
        out: Tensor = _new(Tensor)
        out.array = values[slot]
        out.node = node
        out._requires_grad = True
        return out

    return make
