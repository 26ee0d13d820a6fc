"""Op: how one operation and its derivative are written, and the Node that records a call of it.

An op is a class with two static methods on raw arrays::

    class Mul(Op):
        '''a * b, broadcast.  d/da = gy * b,  d/db = gy * a.'''

        @staticmethod
        def forward(ctx, a, b):
            ctx.save_inputs(0, 1)
            return a * b

        @staticmethod
        def backward(ctx, gy):
            a, b = ctx.input(0), ctx.input(1)
            return gy * b, gy * a

``Mul.apply(x, y)`` computes and records; ``Mul.call(x, y)`` is for use inside other ops' backward.
With ``create_graph=True`` the engine runs the same backward on Tensors instead of arrays: gy is a
Tensor, and ``ctx.input`` and ``ctx.output`` return Tensors attached to the graph, so that the one
formula serves every order. It may use Python's operators and ``OtherOp.call``, nothing else.

Rules for backward: return one gradient per input (a tuple where there are several), None where
there is none. Broadcasting and casts are undone by the engine: a gradient may have the broadcast
shape. A gradient is a new array, a view, or gy itself, never an array that was saved. Never change
gy in place: others may hold it.
"""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Callable
from typing import Any, ClassVar

from numpy import ndarray

from nnlite.autograd.modes import _state, is_grad_enabled
from nnlite.autograd.tensor import Tensor, wrap
from nnlite.backend import Dtype, backend_of, hush, is_array, unhush
from nnlite.backend.cuda_errors import explain
from nnlite.errors import GraphError

_sequence = itertools.count()

OUTPUT = -1  # key of the first output among the saved values; further outputs are -2, -3, ...
FREED: dict[int, Any] = {}  # in the place of what was saved, once backward has used it
_new = object.__new__


class Op:
    """Base of all operations. See the module's text for how to write one.

    Attributes:
        double_backward: False where backward leaves NumPy's common ground or saves arrays that
            depend on an input: create_graph=True then raises DoubleBackwardError by name.
        view: the outputs share the memory of input 0.
        pure: forward and backward depend on nothing but their arguments, and change no array that
            they did not make, so that capture may keep their NumPy calls alone (see lowering.py).
        fresh: gradients returned by backward are not kept by anybody else (see the rules above).
    """

    double_backward: ClassVar[bool] = True
    view: ClassVar[bool] = False
    pure: ClassVar[bool] = True
    fresh: ClassVar[bool] = True

    forward: ClassVar[Callable[..., Any]]
    backward: ClassVar[Callable[..., Any]]

    @classmethod
    def apply(cls, *inputs: Any, **params: Any) -> Any:
        """Compute on Tensors, and record where an input requires a gradient.

        Args:
            inputs: Tensors, or anything else, which then counts as a constant.
            params: what is no tensor; forward gets them by name, backward finds them on ctx.
                But ctx.shape and ctx.dtype are the output's, whatever params say.

        Returns:
            a Tensor, or a tuple of Tensors where forward returns a tuple of arrays.
        """
        enabled, _, tape = _state.get()
        if tape is not None:
            return tape.op(cls, inputs, params)
        args: list[Any] = [NO_GRAPH]  # what forward is called with: ctx and the arrays
        parents: list[Any] = []
        recording = False
        for x in inputs:
            if isinstance(x, Tensor):
                args.append(x.array)
                if enabled:
                    if x._view_n is not None and x._version.rebased > x._view_n:  # type: ignore[union-attr]
                        raise _stale_view(cls.__name__)
                    if x._requires_grad:
                        recording = True
                        parents.append(x.node or x)
                        continue
            else:
                args.append(x)
            parents.append(None)
        if recording:
            args[0] = node = Node(cls, parents, inputs)
            if params:
                node.__dict__.update(params)
        view = cls.view
        token = None if view else hush()  # a view computes nothing
        try:
            result = cls.forward(*args, **params) if params else cls.forward(*args)
        except RuntimeError as error:
            found = explain(cls.__name__, error)  # of a device: CUDA's number in words
            if found is None:
                raise
            raise found from error
        finally:
            if token is not None:
                unhush(token)
        if result.__class__ is ndarray:  # nearly always
            out = _new(Tensor)  # as wrap does
            out.array = result
        elif isinstance(result, tuple):
            arrays = args[1:]
            if recording:
                outs = node.attach_outputs(result, arrays)
            else:
                outs = tuple([_plain(array, arrays) for array in result])
            if view:
                for out in outs:
                    _share_memory(out, inputs[0])
            return outs
        else:
            out = wrap(result) if is_array(result) else _plain(result, args[1:])
            result = out.array
        if recording:
            node._inputs = None
            node.shape = result.shape
            node.dtype = result.dtype
            out.node = node
            out._requires_grad = True
            if node._keep_outputs:
                node._save(OUTPUT, out)
        if view:
            _share_memory(out, inputs[0])
        return out

    @classmethod
    def call(cls, *inputs: Any, **params: Any) -> Any:
        """For use in a backward: array in, array out; with a Tensor among the inputs, apply."""
        for x in inputs:
            if isinstance(x, Tensor):
                return cls.apply(*inputs, **params)
        return cls.forward(NO_GRAPH, *inputs, **params)


class Node:
    """One recorded call: the op, where its inputs came from, and what it saved for backward.

    Passed to forward and backward as ``ctx``. The parents of a node are Nodes, leaf Tensors, or
    None for inputs without gradient; ``seq`` counts creations, so a parent's is always smaller.
    """

    __slots__ = (
        "__dict__",
        "__weakref__",
        "_hooks",
        "_inputs",
        "_keep_outputs",
        "_retained",
        "dtype",
        "op",
        "parents",
        "saved",
        "seq",
        "shape",
    )

    shape: tuple[int, ...]  # of the output; set once that is known
    dtype: Dtype

    def __init__(self, op: Any, parents: list[Any], inputs: Any = None) -> None:
        self.op = op  # a subclass of Op, or what stands for a Function
        self.parents = parents
        self.seq = next(_sequence)
        self.saved: dict[int, Any] | None = None
        self._hooks: dict[int, Any] | None = None
        self._inputs: tuple[Any, ...] | None = inputs
        self._keep_outputs = False
        self._retained: weakref.ref[Tensor] | None = None

    @property
    def name(self) -> str:
        """The op's name, as it appears in errors and in repr."""
        return str(self.op.__name__)

    @property
    def next_functions(self) -> tuple[tuple[Any, int], ...]:
        """PyTorch's view of the graph: (parent, 0) for each input."""
        return tuple((parent, 0) for parent in self.parents)

    @property
    def needs_input_grad(self) -> tuple[bool, ...]:
        """Which inputs require a gradient: an op may skip the others."""
        return tuple([parent is not None for parent in self.parents])

    # -- for forward -----------------------------------------------------------------------

    def save_inputs(self, *positions: int) -> None:
        """Keep these inputs for backward, where ``ctx.input(i)`` gives them back."""
        assert self._inputs is not None, "save_inputs is for forward"
        for i in positions:
            self._save(i, self._inputs[i])

    def save_output(self) -> None:
        """Keep what forward returns for backward, where ``ctx.output()`` gives it back."""
        self._keep_outputs = True

    def _save(self, key: int, x: Any) -> None:
        if self.saved is None:
            self.saved = {}
        if isinstance(x, Tensor):
            version = x.version()
            self.saved[key] = (x.array, version, version.n)
        else:
            self.saved[key] = (x, None, 0)

    # -- for backward ----------------------------------------------------------------------

    def input(self, i: int) -> Any:
        """Input i as saved: an array, or under create_graph a Tensor in its place in the graph."""
        array = self._load(i)
        if not is_grad_enabled() or not is_array(array):
            return array
        parent = self.parents[i]
        return parent if isinstance(parent, Tensor) else self.saved_tensor(i, parent)

    def output(self, k: int = 0) -> Any:
        """Output k as saved by save_output; under create_graph a Tensor in the graph."""
        array = self._load(OUTPUT - k)
        if not is_grad_enabled():
            return array
        return self.saved_tensor(OUTPUT - k, Pick.of(self, k) if self.outputs else self)

    def saved_tensor(self, key: int, node: Node | None = None) -> Tensor:
        """A saved value as a Tensor that node made; shares the counter of in-place changes."""
        out = wrap(self._load(key))
        out._version = self.saved[key][1]  # type: ignore[index]
        if node is not None:
            out.node = node
            out.requires_grad = True
        return out

    def _load(self, key: int) -> Any:
        if self.saved is None or self.saved is FREED:
            raise freed(self)
        array, version, n = self.saved[key]
        if version is not None and version.n != n:
            what = f"input {key}" if key >= 0 else f"output {OUTPUT - key}"
            raise GraphError(
                self.name,
                f"{what}, saved for backward",
                expected=f"version {n}",
                got=f"version {version.n}: it was changed in place after {self.name} used it",
                hint="change a copy (x.clone()), or use the out-of-place op",
            )
        return array

    # -- for the engine --------------------------------------------------------------------

    @property
    def outputs(self) -> list[tuple[tuple[int, ...], Dtype]]:
        """Shape and dtype of each output of an op with several; empty for ops with one."""
        found: list[tuple[tuple[int, ...], Dtype]] = self.__dict__.get("_outputs", [])
        return found

    def attach_outputs(self, results: tuple[Any, ...], arrays: list[Any]) -> tuple[Tensor, ...]:
        """The Tensors of an op with several outputs; integer outputs stay outside the graph."""
        self._inputs = None
        outs = tuple(_plain(array, arrays) for array in results)
        self.__dict__["_outputs"] = [(out.shape, out.dtype) for out in outs]
        for k, out in enumerate(outs):
            if out.dtype.kind == "f":
                out.node = Pick.of(self, k)
                out.requires_grad = True
            if self._keep_outputs:
                self._save(OUTPUT - k, out)
        return outs

    def retain_grad(self, tensor: Tensor) -> None:
        """Have the engine fill tensor.grad when it passes here."""
        self._retained = weakref.ref(tensor)

    def release(self) -> None:
        """Drop what was saved; a second backward that needs it is refused."""
        if self.saved is not None or self.__dict__:
            self.saved = FREED
            self.__dict__.clear()

    @property
    def is_freed(self) -> bool:
        """Whether what backward needs was dropped by an earlier backward."""
        return self.saved is FREED

    def __repr__(self) -> str:
        return f"<{self.name}>"


class Pick(Op):
    """Output k of an op with several. Only the engine meets it: it hands gy to slot k."""

    @staticmethod
    def of(node: Node, k: int) -> Node:
        """The node that stands for output k of node; the same one as long as it lives."""
        picks = node.__dict__.setdefault("_picks", {})
        pick: Node | None = picks[k]() if k in picks else None
        if pick is None:
            pick = Node(Pick, [node])
            pick.__dict__["slot"] = k
            pick.shape, pick.dtype = node.outputs[k]
            picks[k] = weakref.ref(pick)
        return pick

    @staticmethod
    def backward(ctx: Node, gy: Any) -> Any:
        """The gradient of the one output, passed on as it is."""
        return gy


class _NoGraph:
    """The ctx of a forward that is not recorded: takes everything, keeps nothing."""

    __slots__ = ()
    needs_input_grad = (False,) * 16

    def save_inputs(self, *positions: int) -> None:
        """Nothing is kept."""

    def save_output(self) -> None:
        """Nothing is kept."""

    def __setattr__(self, name: str, value: Any) -> None:
        """Nothing is kept."""


NO_GRAPH: Any = _NoGraph()


def _share_memory(view: Tensor, base: Tensor) -> None:
    """Make a view count the changes of its base's memory as its own."""
    view._version = version = base.version()
    view._view_n = version.n


def _plain(array: Any, inputs: list[Any]) -> Tensor:
    """A Tensor of a forward's result; NumPy's reductions return scalars, which become 0-d."""
    if not is_array(array):
        like = next((x for x in inputs if is_array(x)), array)
        array = backend_of(like).asarray(array)
    return wrap(array)


def freed(node: Node) -> GraphError:
    """The error of a second backward."""
    return GraphError(
        node.name,
        expected="a graph that was not yet used by backward",
        got="one whose saved values were freed by an earlier backward",
        hint="pass retain_graph=True to the first backward, or compute the forward again",
    )


def _stale_view(op: str) -> GraphError:
    return GraphError(
        op,
        expected="a view as it was taken",
        got="a view whose base was since changed in place by an op that takes part in the graph",
        hint="take the view again after the change, or use the out-of-place op",
    )
