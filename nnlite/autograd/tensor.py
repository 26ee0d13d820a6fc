"""Tensor: an array, its gradient, and its place in the graph. No mathematics: see nnlite.ops."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from nnlite.autograd.hooks import RemovableHandle
from nnlite.autograd.methods import TensorMethods
from nnlite.autograd.modes import _state
from nnlite.autograd.tape import refuse_capture
from nnlite.backend import Array, Device, Dtype, backend_of, is_array, is_float
from nnlite.errors import CaptureError, DtypeError, GraphError, ShapeError

if TYPE_CHECKING:
    from nnlite.autograd.op import Node

T = TypeVar("T", bound="Tensor")

_hook_keys = itertools.count()
_HOOKS = "register hooks of leaves outside of the captured step, once"


class Version:
    """Counts the in-place changes of one piece of memory; shared by all its views.

    Attributes:
        n: number of changes so far.
        rebased: value of n after the last change that itself takes part in the graph.
    """

    __slots__ = ("n", "rebased")

    def __init__(self) -> None:
        self.n = 0
        self.rebased = 0


class Tensor(TensorMethods):
    """An array with a gradient.

    Args:
        array: an array of a known backend; its memory is shared, not copied. To make a tensor of
            lists or numbers use ``nnlite.tensor``.
        requires_grad: record what is done with it.

    Attributes:
        array: the NumPy (or other backend's) array itself.
        requires_grad: whether backward computes a gradient for it.
        grad: d(loss)/d(this) as a Tensor of the same shape and dtype, or None; filled by backward
            for leaves (tensors made by the user) and where retain_grad() was called.
        node: the op that made it, as recorded in the graph; None for leaves.

    Raises:
        DtypeError: array is no array, or requires_grad is asked of an integer array.
    """

    # Defaults live on the class, so that making a tensor sets what differs and nothing else.
    node: Node | None = None
    _requires_grad: bool = False
    _grad: Tensor | None = None
    _version: Version | None = None  # made when someone first saves or views this memory
    _view_n: int | None = None  # version.n when this view was taken; None where it is no view
    _hooks: dict[int, Callable[[Tensor], Tensor | None]] | None = None

    # NumPy then leaves `array * tensor` to Tensor.__rmul__ instead of making an object array.
    __array_ufunc__ = None
    __hash__ = object.__hash__

    def __init__(self, array: Array, requires_grad: bool = False) -> None:
        if not is_array(array):
            raise DtypeError(
                "Tensor",
                "array",
                expected="a NumPy or CuPy array",
                got=type(array).__name__,
                hint="nnlite.tensor(...) takes lists and numbers",
            )
        self.array: Array = array
        if requires_grad:
            self.requires_grad_()

    # -- what it is ------------------------------------------------------------------------

    @property
    def shape(self) -> tuple[int, ...]:
        """Its sizes, a tuple."""
        return self.array.shape  # type: ignore[no-any-return]

    @property
    def dtype(self) -> Dtype:
        """Its dtype, a ``np.dtype``."""
        return self.array.dtype  # type: ignore[no-any-return]

    @property
    def ndim(self) -> int:
        """Its number of dimensions."""
        return self.array.ndim  # type: ignore[no-any-return]

    @property
    def device(self) -> Device:
        """Where its memory is."""
        return backend_of(self.array).device

    @property
    def requires_grad(self) -> bool:
        """Whether backward computes a gradient for it; setting it is ``requires_grad_``."""
        return self._requires_grad

    @requires_grad.setter
    def requires_grad(self, requires_grad: bool) -> None:
        self.requires_grad_(requires_grad)

    @property
    def grad(self) -> Tensor | None:
        """The gradient that backward left, or None."""
        tape = _state.get()[2]
        if tape is not None:
            tape.leaves[id(self)] = self  # so that it is known when an op meets it
        return self._grad

    @grad.setter
    def grad(self, value: Tensor | None) -> None:
        if value is not None and not isinstance(value, Tensor):
            raise DtypeError(
                "Tensor.grad",
                "value",
                expected="a Tensor or None",
                got=type(value).__name__,
                hint="make one with nnlite.tensor(...)",
            )
        tape = _state.get()[2]
        if tape is None:
            self._grad = value
        else:  # a replay must do it, too
            tape.call(_set_grad, (self, value), {})

    @property
    def is_leaf(self) -> bool:
        """Whether no recorded op made it."""
        return self.node is None

    @property
    def grad_fn(self) -> Node | None:
        """PyTorch's name for ``node``."""
        return self.node

    @property
    def data(self) -> Tensor:
        """A tensor on the same memory, outside the graph; writing to it is seen by backward."""
        return self.detach()

    @data.setter
    def data(self, value: Tensor | Array) -> None:
        array = value.array if isinstance(value, Tensor) else value
        if not is_array(array):
            raise DtypeError(
                "Tensor.data",
                "value",
                expected="a Tensor or an array",
                got=type(value).__name__,
                hint="x.data = nnlite.tensor(...)",
            )
        if self.requires_grad and not is_float(array.dtype):
            raise _needs_float("Tensor.data", array.dtype)
        self.bump_version()
        self.array = array

    @property
    def _version_number(self) -> int:
        return 0 if self._version is None else self._version.n

    # -- its place in the graph ------------------------------------------------------------

    def requires_grad_(self: T, requires_grad: bool = True) -> T:
        """Set requires_grad of a leaf; returns self.

        Raises:
            DtypeError: an integer tensor has no gradient.
            GraphError: a tensor that an op made always requires what its inputs require.
        """
        if requires_grad and not is_float(self.dtype):
            raise _needs_float("requires_grad", self.dtype)
        if not requires_grad and self.node is not None:
            raise GraphError(
                "requires_grad_",
                expected="a leaf",
                got=f"the output of {self.node.name}",
                hint="use detach() to cut a tensor off the graph",
            )
        tape = _state.get()[2]
        if tape is not None and id(self.array) in tape.known:
            refuse_capture("requires_grad_", "a leaf made inside the step", "make it outside, once")
        self._requires_grad = bool(requires_grad)
        return self

    def detach(self) -> Tensor:
        """The same memory outside the graph: shares data, not history."""
        out = wrap(self.array)
        out._version = self.version()
        return out

    def version(self) -> Version:
        """The counter of in-place changes of this memory."""
        if self._version is None:
            self._version = Version()
        return self._version

    def bump_version(self) -> None:
        """Say that the memory was changed in place, so that backward can refuse stale values."""
        if _state.get()[2] is not None:
            raise _untraced()
        if self._version is not None:  # else nobody saved or viewed it, and nobody can be misled
            self._version.n += 1

    def retain_grad(self) -> None:
        """Have backward fill .grad of this non-leaf too.

        Raises:
            GraphError: it does not require a gradient.
        """
        if not self.requires_grad:
            raise _no_graph("retain_grad")
        refuse_capture("retain_grad", "retain_grad() inside the step", _HOOKS)
        if self.node is not None:
            self.node.retain_grad(self)

    def register_hook(self, hook: Callable[[Tensor], Tensor | None]) -> RemovableHandle:
        """Call hook with the gradient of this tensor in each backward.

        What the hook returns, unless None, takes the gradient's place. Returns a handle whose
        ``remove()`` takes the hook off.

        Raises:
            GraphError: it does not require a gradient.
        """
        if not self.requires_grad:
            raise _no_graph("register_hook")
        refuse_capture("register_hook", "a hook registered inside the step", _HOOKS)
        owner: Any = self.node if self.node is not None else self
        if owner._hooks is None:
            owner._hooks = {}
        return RemovableHandle(owner._hooks, hook)

    # -- Python's protocols ----------------------------------------------------------------

    def __repr__(self) -> str:
        numbers = backend_of(self.array).to_numpy(self.array)
        text = f"tensor({_format(numbers)}"
        if not self.array.size and self.ndim != 1:
            text += f", size={self.shape}"
        if self.dtype.name not in ("float32", "int64", "bool"):
            text += f", dtype={self.dtype.name}"
        if self.device.type != "cpu":
            text += f", device='{self.device}'"
        if self.node is not None:
            text += f", grad_fn=<{self.node.name}>"
        elif self.requires_grad:
            text += ", requires_grad=True"
        return text + ")"

    def __format__(self, spec: str) -> str:
        refuse_capture("format", "a tensor made into text", "return it and print it outside")
        """``f"{loss:.4f}"``: a 0-d tensor is formatted as its number.

        Raises:
            ShapeError: a format for one number, and more dimensions than none.
        """
        if not self.ndim:
            return format(self.array.item(), spec)
        if spec:
            raise ShapeError(
                "format",
                expected=f"a 0-d tensor, for the format {spec!r}",
                got=f"shape {self.shape}",
                hint="format its numbers one by one, or print the tensor without a format",
            )
        return str(self)


def wrap(array: Array) -> Tensor:
    """A Tensor around an array that is known to be one: no checks, for results of ops."""
    out = Tensor.__new__(Tensor)
    out.array = array
    return out


def _format(numbers: Any) -> str:
    import numpy as np

    return np.array2string(numbers, separator=", ", prefix="tensor(", precision=4, threshold=1000)


def _needs_float(op: str, dtype: Dtype) -> DtypeError:
    return DtypeError(
        op,
        expected="float32 or float64: only floating numbers have a gradient",
        got=dtype.name,
        hint="convert with .float() first",
    )


def _set_grad(tensor: Tensor, value: Tensor | None) -> None:
    tensor._grad = value


def _untraced() -> CaptureError:
    return CaptureError(
        "capture",
        expected="a step of tensor operations, backward and optimizers' methods",
        got="an in-place change that a replay would not repeat",
        hint="do it outside of the captured step",
    )


def _no_graph(op: str) -> GraphError:
    return GraphError(
        op,
        expected="a tensor with requires_grad=True",
        got="one without",
        hint="call requires_grad_() on the leaf, and look for no_grad() around the computation",
    )
