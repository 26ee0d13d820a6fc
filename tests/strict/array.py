"""StrictArray: a NumPy array that refuses what ``cupy.ndarray`` refuses."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tests.strict.interface import load
from tests.strict.rules import (
    SCALARS,
    DeviceDiffersError,
    bindings,
    indices_in_bounds,
    no_numpy,
    refuse_repeated,
    transfers,
)

INTERFACE = load()


class Flags:
    """CuPy's flags: there is no ``writeable``."""

    def __init__(self, c_contiguous: bool, f_contiguous: bool, owndata: bool) -> None:
        self.c_contiguous = c_contiguous
        self.f_contiguous = f_contiguous
        self.owndata = owndata

    def __getitem__(self, name: str) -> bool:
        return bool(getattr(self, name.lower()))


class StrictArray:
    """Behaves as ``cupy.ndarray`` does, in the host's memory.

    Where CuPy would go on in silence with another result than NumPy's: DeviceDiffersError.
    The methods are made from CuPy's signatures, below the class.
    """

    __slots__ = ("__weakref__", "_base", "_x")

    # CuPy answers np.add(x) and np.sum(x); here code that calls NumPy by name shall fail
    __array_ufunc__ = None
    __array_priority__ = 100

    _x: Any
    _base: StrictArray | None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise TypeError("make arrays with the module's functions")

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        raise TypeError("Implicit conversion to a NumPy array is not allowed.")

    def __array_function__(self, function: Any, *args: Any) -> Any:
        raise TypeError(f"numpy.{function.__name__} was called on an array of the device")

    # -- attributes ------------------------------------------------------------------------

    shape = property(lambda self: self._x.shape)
    dtype = property(lambda self: self._x.dtype)
    ndim = property(lambda self: self._x.ndim)
    size = property(lambda self: self._x.size)
    strides = property(lambda self: self._x.strides)
    nbytes = property(lambda self: self._x.nbytes)
    itemsize = property(lambda self: self._x.itemsize)
    base = property(lambda self: self._base)
    mT = property(lambda self: wrap(self._x.mT, self))  # noqa: N815
    real = property(lambda self: wrap(self._x.real, self))

    @property
    def T(self) -> StrictArray:  # noqa: N802
        """The array itself below two dimensions, as in CuPy."""
        return self if self.ndim < 2 else wrap(self._x.T, self)

    @property
    def flags(self) -> Flags:
        x = self._x.flags
        return Flags(x.c_contiguous, x.f_contiguous, self._base is None)

    # -- to the host -----------------------------------------------------------------------

    def get(self, stream: Any = None, order: str = "C", out: Any = None) -> Any:
        transfers.add("get")
        if out is None:
            return np.array(self._x, order=order)
        out[...] = self._x
        return out

    def set(self, arr: Any) -> None:
        """The explicit copy from the host."""
        self._x[...] = arr

    def item(self) -> Any:
        transfers.add("item")
        return self._x.item()

    def tolist(self) -> Any:
        transfers.add("tolist")
        return self._x.tolist()

    def __bool__(self) -> bool:
        transfers.add("bool")
        return bool(self._x)

    def __int__(self) -> int:
        transfers.add("int")
        return int(self._x)

    def __float__(self) -> float:
        transfers.add("float")
        return float(self._x)

    def __complex__(self) -> complex:
        transfers.add("complex")
        return complex(self._x)

    # CuPy has no __index__: range(x), list[x] and shapes made of arrays fail

    def __repr__(self) -> str:
        return f"strict {self._x!r}"  # not counted: tests print what they are about to fail on

    # -- items -----------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self._x)

    def __iter__(self) -> Iterator[StrictArray]:
        if not self.ndim:
            raise TypeError("iteration over a 0-d array")
        return (self[i] for i in range(self.shape[0]))

    def __getitem__(self, key: Any) -> StrictArray:
        index, arrays = as_index(key)
        if any(a.dtype == bool for a in arrays):
            transfers.add("indexing by a mask")
        if not arrays:
            return wrap(self._x[index], self)
        with indices_in_bounds():
            return wrap(np.array(self._x[index]))

    def __setitem__(self, key: Any, value: Any) -> None:
        if isinstance(value, StrictArray):
            value = value._x
        elif not isinstance(value, SCALARS):
            raise no_numpy(value, "assignment")
        index, arrays = as_index(key)
        with indices_in_bounds():
            if any(a.dtype != bool for a in arrays) and np.size(value) > 1:
                refuse_repeated(np.arange(self.size).reshape(self.shape)[index])
            self._x[index] = value

    # -- copies ----------------------------------------------------------------------------

    def __copy__(self) -> StrictArray:
        return wrap(self._x.copy())

    def __deepcopy__(self, memo: Any) -> StrictArray:
        return wrap(self._x.copy())


def wrap(result: Any, *sources: StrictArray) -> Any:
    """What NumPy returned, as CuPy would return it.

    Scalars become 0-d arrays; an array that is one of the sources is that source; a view knows
    the source whose memory it shares as its base.
    """
    if isinstance(result, tuple | list):
        return type(result)(wrap(r, *sources) for r in result)
    if not isinstance(result, (np.ndarray, *SCALARS)):
        return result
    x = np.asarray(result)
    for source in sources:
        if x is source._x:
            return source
    out = StrictArray.__new__(StrictArray)
    out._x = x
    out._base = None
    owner = _owner(x)
    if owner is not x:
        for source in sources:
            if _owner(source._x) is owner:
                out._base = source if source._base is None else source._base
                break
        else:
            out._base = wrap(owner)
    return out


def _owner(x: Any) -> Any:
    while isinstance(x.base, np.ndarray):
        x = x.base
    return x


def as_operand(x: Any, what: str) -> Any:
    """The NumPy value of an operand: arrays of the device and scalars (0-d arrays count so)."""
    if isinstance(x, StrictArray):
        return x._x
    if isinstance(x, SCALARS) or (isinstance(x, np.ndarray) and not x.ndim):
        return x
    raise no_numpy(x, what)


def as_index(key: Any) -> tuple[tuple[Any, ...], list[Any]]:
    """The NumPy index of a CuPy index, and the arrays in it."""
    parts, arrays = [], []
    for part in key if isinstance(key, tuple) else (key,):
        if isinstance(part, np.ndarray):
            raise no_numpy(part, "indexing")
        if isinstance(part, StrictArray | list | tuple | bool | np.bool_):
            part = _index_array(part)
            arrays.append(part)
        elif part is not None and part is not Ellipsis and not isinstance(part, slice):
            part = operator.index(part)
        parts.append(part)
    if sum(a.dtype == bool for a in arrays) > 1:
        raise NotImplementedError("CuPy takes one boolean mask in an index")
    if all(part is not Ellipsis for part in parts):
        parts.append(Ellipsis)  # so that x[0] of a vector is a view of 0 dimensions, no scalar
    return tuple(parts), arrays


def _index_array(part: Any) -> Any:
    if isinstance(part, StrictArray):
        part = part._x
    elif isinstance(part, list | tuple):
        part = np.array([_index_array(p) if isinstance(p, list) else _element(p) for p in part])
        part = part if part.size else part.astype(int)
    part = np.asarray(part)
    if part.dtype.kind not in "biu":
        raise IndexError("arrays used as indices must be of integer or boolean type")
    return part


def _element(x: Any) -> Any:
    if isinstance(x, np.ndarray):
        raise no_numpy(x, "indexing")
    return x._x if isinstance(x, StrictArray) else x


# -- operators -------------------------------------------------------------------------------


def _defers(x: Any) -> bool:
    """Whether the operator is left to the other operand, as CuPy does: a Tensor."""
    return not isinstance(x, StrictArray) and getattr(x, "__array_ufunc__", False) is None


def _operator(name: str, function: Callable[[Any, Any], Any]) -> None:
    def forward(self: StrictArray, other: Any) -> Any:
        if _defers(other):
            return NotImplemented
        return wrap(function(self._x, as_operand(other, name)))

    def reflected(self: StrictArray, other: Any) -> Any:
        if _defers(other):
            return NotImplemented
        return wrap(function(as_operand(other, name), self._x))

    setattr(StrictArray, f"__{name}__", forward)
    setattr(StrictArray, f"__r{name}__", reflected)


def _in_place(name: str, ufunc: Any) -> None:
    def update(self: StrictArray, other: Any) -> StrictArray:
        ufunc(self._x, as_operand(other, f"i{name}"), out=self._x)
        return self

    setattr(StrictArray, f"__i{name}__", update)


def _comparison(name: str, ufunc: Any) -> None:
    def compare(self: StrictArray, other: Any) -> Any:
        if _defers(other):
            return NotImplemented
        return wrap(ufunc(self._x, as_operand(other, name)))

    setattr(StrictArray, f"__{name}__", compare)


def _product(a: Any, b: Any) -> Any:
    bindings.add("@")
    return np.matmul(a, b)


_ARITHMETIC = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "truediv": np.true_divide,
    "floordiv": np.floor_divide,
    "mod": np.remainder,
    "pow": np.power,
    "lshift": np.left_shift,
    "rshift": np.right_shift,
    "and": np.bitwise_and,
    "or": np.bitwise_or,
    "xor": np.bitwise_xor,
}
for _name, _ufunc in _ARITHMETIC.items():
    # the Python operator, not the ufunc: it is NumPy's x ** 2 that CuPy's x ** 2 must equal
    _operator(_name, getattr(operator, f"__{_name}__"))
    _in_place(_name, _ufunc)
_operator("matmul", _product)
_operator("divmod", np.divmod)
for _name in ("less", "less_equal", "equal", "not_equal", "greater", "greater_equal"):
    _short = _name[0] + ("e" if "_" in _name else "t") if _name != "equal" else "eq"
    _comparison("ne" if _name == "not_equal" else _short, getattr(np, _name))
for _name in ("neg", "pos", "abs", "invert"):
    _unary = getattr(operator, f"__{_name}__")
    setattr(StrictArray, f"__{_name}__", lambda self, f=_unary: wrap(f(self._x)))
StrictArray.__hash__ = None  # type: ignore[assignment]


# -- methods ---------------------------------------------------------------------------------


def _method(name: str) -> None:
    signature = INTERFACE.methods[name]

    def method(self: StrictArray, *args: Any, **kwargs: Any) -> Any:
        bound = signature.bind(*args, **kwargs).arguments
        if name == "astype" and (bound.get("casting"), bound.get("subok")) != (None, None):
            raise TypeError("casting and subok are not supported")
        if bound.get("kind") not in (None, "stable"):
            raise DeviceDiffersError("CuPy sorts in a stable way only")
        if bound.get("out") is not None and not isinstance(bound["out"], StrictArray):
            raise no_numpy(bound["out"], name)
        if name == "dot" and not isinstance(bound["b"], StrictArray):
            raise no_numpy(bound["b"], name)
        if name in ("nonzero", "compress"):
            transfers.add(name)
        if name == "dot":
            bindings.add(name)
        args = tuple(_argument(a, name) for a in args)
        kwargs = {key: _argument(a, name) for key, a in kwargs.items()}
        with indices_in_bounds():
            return wrap(getattr(self._x, name)(*args, **kwargs), self)

    method.__name__ = name
    setattr(StrictArray, name, method)


def _argument(x: Any, what: str) -> Any:
    if isinstance(x, np.ndarray) and x.ndim:
        raise no_numpy(x, what)
    return x._x if isinstance(x, StrictArray) else x


for _name in INTERFACE.methods:
    # what is defined above, what NumPy lacks, and what reads the memory in other ways
    if _name not in vars(StrictArray) and hasattr(np.ndarray, _name) and _name not in (
        "byteswap", "dump", "dumps", "tobytes", "tofile"
    ):  # fmt: skip
        _method(_name)
