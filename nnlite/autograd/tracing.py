"""Which NumPy calls an op makes: arrays that note what is done with them.

A ``Traced`` array computes as the NumPy array inside it does, and writes each call down with the
very memory that it read and wrote. Made again, these calls compute the op without the op: no
Python between them, no views, no allocation (see program.py). It is no subclass of NumPy's array:
what it does not know it refuses, so that nothing can pass it by unseen.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from nnlite.autograd.replay import rebuilt
from nnlite.backend.registry import register_like_numpy
from nnlite.backend.threads import Piece, piece_recorder, run

Raw: TypeAlias = np.ndarray[Any, Any]

_VIEWS: set[Any] = {
    *(np.broadcast_to, np.expand_dims, np.moveaxis, np.squeeze, np.swapaxes, np.transpose)
}
_ROOM: set[Any] = {np.empty, np.empty_like}
_COPIES: set[Any] = {
    *(np.argmax, np.argmin, np.clip, np.concatenate, np.dot, np.mean, np.ones_like, np.reshape),
    *(np.stack, np.take, np.take_along_axis, np.where, np.zeros, np.zeros_like),
}
_sum: Any = np.add.reduce
_max: Any = np.maximum.reduce
_min: Any = np.minimum.reduce


class NotStraightError(Exception):
    """What cannot be written down as NumPy calls. Never leaves this package."""


class Root:
    """Memory in which traced arrays lie.

    Attributes:
        raw: the array that owns it.
        slot: where each replay finds other memory in its place; None: it stays the same.
        writable: whether calls may write there.
    """

    __slots__ = ("raw", "slot", "writable")

    def __init__(self, raw: Raw, slot: int | None = None, writable: bool = True) -> None:
        self.raw, self.slot, self.writable = raw, slot, writable


class Line(NamedTuple):
    """A call, with traced arrays among its arguments; or pieces of work for all threads."""

    function: Any
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = {}  # noqa: RUF012  (never changed)
    pieces: tuple[list[Line], ...] = ()


class Recorder:
    """Notes calls, in their order, while its ``with`` block runs.

    Attributes:
        lines: the calls.
        one_thread: whether some of them ran with BLAS at one thread.
    """

    def __init__(self) -> None:
        self.lines: list[Line] = []
        self.one_thread = False

    def __enter__(self) -> None:
        register_like_numpy(Traced)
        self._token = piece_recorder.set(self._pieces)

    def __exit__(self, *error: object) -> None:
        piece_recorder.reset(self._token)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """In this block, kernels share their pieces among threads as ever."""
        token = piece_recorder.set(None)
        try:
            yield
        finally:
            piece_recorder.reset(token)

    def note(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        """Make a call that writes to ``out``, or else to its first argument, and note it."""
        target = kwargs.get("out", args[0])
        if not (isinstance(target, Traced) and target.root.writable):
            raise NotStraightError
        function(*raw_of(args), **raw_of(kwargs))
        self.lines.append(Line(function, args, kwargs))

    def room(self, raw: Any) -> Traced:
        """A result in memory of its own; NumPy's scalars become 0-d arrays."""
        raw = np.asarray(raw)
        return Traced(raw, Root(raw), self)

    def _pieces(self, pieces: Iterable[Piece]) -> None:
        """In the place of threads.run: one piece after the other, each noted for itself."""
        self.one_thread = True
        before, found = self.lines, []

        def noted() -> None:
            token = piece_recorder.set(_in_turn)
            try:
                for piece in pieces:
                    self.lines = []
                    piece()
                    found.append(self.lines)
            finally:
                piece_recorder.reset(token)
                self.lines = before

        with self.paused():
            run((noted,))  # with BLAS at one thread, as the pieces expect
        if len(found) == 1:
            self.lines += found[0]
        else:
            self.lines.append(Line(None, pieces=tuple(found)))


def _in_turn(pieces: Iterable[Piece]) -> None:
    for piece in pieces:
        piece()


class Traced(NDArrayOperatorsMixin):
    """A NumPy array whose use is noted: it has the part of NumPy's interface that ops use.

    Args:
        raw: the array.
        root: the memory it lies in.
        recorder: where calls are noted.
    """

    def __init__(self, raw: Raw, root: Root, recorder: Recorder) -> None:
        self.raw, self.root, self.recorder = raw, root, recorder

    # -- what does not depend on values ----------------------------------------------------

    shape = property(lambda self: self.raw.shape)
    dtype = property(lambda self: self.raw.dtype)
    ndim = property(lambda self: self.raw.ndim)
    size = property(lambda self: self.raw.size)
    nbytes = property(lambda self: self.raw.nbytes)
    itemsize = property(lambda self: self.raw.itemsize)
    strides = property(lambda self: self.raw.strides)
    flags = property(lambda self: _Flags(self.raw))
    base = property(lambda self: self.raw.base)
    T = property(lambda self: self._view(self.raw.T))

    def __len__(self) -> int:
        return len(self.raw)

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        raise NotStraightError

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise NotStraightError

    __bool__ = __int__ = __float__ = __index__ = __iter__ = item = tolist = __array__

    # -- views -----------------------------------------------------------------------------

    def _view(self, raw: Raw) -> Traced:
        return Traced(raw, self.root, self.recorder)

    def reshape(self, *shape: Any) -> Traced:
        raw = self.raw.reshape(*shape)
        if np.may_share_memory(raw, self.raw):
            return self._view(raw)
        return self._copy(np.reshape, self, raw.shape)

    def transpose(self, *axes: Any) -> Traced:
        return self._view(self.raw.transpose(*axes))

    def swapaxes(self, a: int, b: int) -> Traced:
        return self._view(self.raw.swapaxes(a, b))

    def view(self, *dtype: Any) -> Traced:
        return self._view(self.raw.view(*dtype))

    def __getitem__(self, key: Any) -> Traced:
        keys = key if isinstance(key, tuple) else (key,)
        if any(isinstance(item, Traced) and item.dtype == bool for item in keys):
            raise NotStraightError  # how many it picks depends on values
        if not _is_basic(key):
            return self._copy(operator.getitem, self, key)
        # with an ellipsis, a single element is a 0-d view instead of a scalar
        return self._view(self.raw[keys if Ellipsis in keys else (*keys, ...)])

    def __setitem__(self, key: Any, value: Any) -> None:
        if _is_basic(key):
            self.recorder.note(np.copyto, self[key], value, casting="unsafe")
        else:
            self.recorder.note(operator.setitem, self, key, value)

    # -- calls -----------------------------------------------------------------------------

    def __pow__(self, other: Any) -> Traced:
        # the operator itself: for some exponents it is another function than np.power
        if self.ndim == 0:
            raise NotStraightError  # and of a scalar it rounds otherwise than of a 0-d array
        return self._copy(operator.pow, self, other)

    def __ipow__(self, other: Any) -> Any:
        raise NotStraightError

    def _copy(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Traced:
        """The result of any function that makes an array, and its way into the same memory."""
        arrays = raw_of(args)
        result = function(*arrays, **raw_of(kwargs))
        # a view would be written to as if it were room of its own
        if any(isinstance(x, np.ndarray) and np.may_share_memory(result, x) for x in arrays):
            raise NotStraightError
        out = self.recorder.room(result)
        self.recorder.lines.append(Line(_into, (out, function, *args), kwargs))
        return out

    def __array_ufunc__(
        self, ufunc: Any, method: str, *inputs: Any, out: Any = (), **kwargs: Any
    ) -> Any:
        known = all(isinstance(x, _OPERANDS) for x in (*inputs, *out))
        if not known or method not in ("__call__", "reduce") or ufunc.nout != 1:
            raise NotStraightError
        if ufunc is np.power and not any(np.ndim(x) for x in raw_of(inputs)):
            raise NotStraightError
        function = ufunc if method == "__call__" else ufunc.reduce
        if out and not isinstance(out[0], Traced):
            raise NotStraightError
        if out:
            self.recorder.note(function, *inputs, out=out[0], **kwargs)
            return out[0]
        result = self.recorder.room(function(*raw_of(inputs), **raw_of(kwargs)))
        self.recorder.lines.append(Line(function, inputs, {**kwargs, "out": result}))
        return result

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if function is np.copyto:
            return self.recorder.note(function, *args, **kwargs)
        if function in _ROOM:
            return self.recorder.room(function(*raw_of(args), **raw_of(kwargs)))
        if function in _VIEWS and args and args[0] is self:
            return self._view(function(*raw_of(args), **raw_of(kwargs)))
        if function is np.where and len(args) != 3:
            raise NotStraightError  # np.nonzero
        if function in _COPIES and kwargs.get("out") is None:
            return self._copy(function, *args, **kwargs)
        raise NotStraightError

    def sum(self, axis: Any = None, dtype: Any = None, keepdims: bool = False) -> Any:
        return _sum(self, axis=axis, dtype=dtype, keepdims=keepdims)

    def max(self, axis: Any = None, keepdims: bool = False) -> Any:
        return _max(self, axis=axis, keepdims=keepdims)

    def min(self, axis: Any = None, keepdims: bool = False) -> Any:
        return _min(self, axis=axis, keepdims=keepdims)

    def mean(self, axis: Any = None, keepdims: bool = False) -> Any:
        return self._copy(np.mean, self, axis=axis, keepdims=keepdims)

    def argmax(self, axis: Any = None) -> Any:
        return self._copy(np.argmax, self, axis=axis)

    def copy(self) -> Traced:
        out = self.recorder.room(self.raw.copy())
        self.recorder.note(np.copyto, out, self)
        return out

    def astype(self, dtype: Any) -> Traced:
        out = self.recorder.room(self.raw.astype(dtype))
        self.recorder.note(np.copyto, out, self, casting="unsafe")
        return out


class _Flags:
    """An array's flags, to be read only: a replay writes where nothing was to be written."""

    def __init__(self, raw: Raw) -> None:
        vars(self)["raw"] = raw

    def __getattr__(self, name: str) -> Any:
        return getattr(self.raw.flags, name)

    def __setattr__(self, name: str, value: Any) -> None:
        raise NotStraightError


class Number:
    """A number that may be another one in each replay, and what is computed with it.

    Args:
        value: what it is now.
        again: finds it in the values of a replay.
    """

    __slots__ = ("again", "value")

    def __init__(self, value: Any, again: Callable[[list[Any]], Any]) -> None:
        self.value, self.again = value, again

    @staticmethod
    def _computed(function: Callable[[Any, Any], Any], a: Any, b: Any) -> Any:
        if not all(isinstance(x, (Number, int, float)) for x in (a, b)):
            return NotImplemented
        p, q = (x.again if isinstance(x, Number) else None for x in (a, b))
        value = function(*raw_of((a, b)))
        if p is not None and q is not None:
            return Number(value, lambda values: function(p(values), q(values)))
        if p is not None:
            return Number(value, lambda values: function(p(values), b))
        assert q is not None, "one of them is a Number"
        return Number(value, lambda values: function(a, q(values)))

    def __add__(self, other: Any) -> Any:
        return self._computed(operator.add, self, other)

    def __radd__(self, other: Any) -> Any:
        return self._computed(operator.add, other, self)

    def __sub__(self, other: Any) -> Any:
        return self._computed(operator.sub, self, other)

    def __rsub__(self, other: Any) -> Any:
        return self._computed(operator.sub, other, self)

    def __mul__(self, other: Any) -> Any:
        return self._computed(operator.mul, self, other)

    def __rmul__(self, other: Any) -> Any:
        return self._computed(operator.mul, other, self)

    def __truediv__(self, other: Any) -> Any:
        return self._computed(operator.truediv, self, other)

    def __rtruediv__(self, other: Any) -> Any:
        return self._computed(operator.truediv, other, self)

    def __pow__(self, other: Any) -> Any:
        return self._computed(operator.pow, self, other)

    def __rpow__(self, other: Any) -> Any:
        return self._computed(operator.pow, other, self)

    def __neg__(self) -> Any:
        return self._computed(operator.mul, self, -1)

    def __bool__(self) -> Any:
        raise NotStraightError

    __float__ = __int__ = __index__ = __bool__

    def __lt__(self, other: object) -> Any:
        raise NotStraightError

    __le__ = __gt__ = __ge__ = __eq__ = __ne__ = __lt__
    __hash__ = None  # type: ignore[assignment]


_OPERANDS = (Traced, Number, np.ndarray, np.generic, bool, int, float)


def raw_of(x: Any) -> Any:
    """x with arrays and numbers in the place of traced ones, in tuples, lists and dicts too."""
    if isinstance(x, Traced):
        return x.raw
    if isinstance(x, Number):
        return x.value
    if isinstance(x, (tuple, list)):
        return rebuilt(x, [raw_of(item) for item in x])
    if isinstance(x, dict):
        return {name: raw_of(item) for name, item in x.items()}
    return x


def _into(out: Raw, function: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
    np.copyto(out, function(*args, **kwargs))


def _is_basic(key: Any) -> bool:
    """Whether indexing with key gives a view."""
    if isinstance(key, tuple):
        return all(_is_basic(item) for item in key)
    return key is None or key is Ellipsis or type(key) is int or isinstance(key, slice)
