"""The one list of what Tensor can do: each operator and method, and the function behind it.

Methods of the same name as their function are listed by family; the others stand by name below.
``nnlite/autograd/methods.py`` and ``operators.py`` there declare their signatures for editors and
type checkers.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

from nnlite.autograd.tensor import Tensor
from nnlite.ops import (
    activation,
    arithmetic,
    bitwise,
    comparison,
    conversion,
    extremum,
    folding,
    fractions,
    gather_scatter,
    indexing,
    inplace,
    interchange,
    joining,
    linalg,
    logic,
    moving,
    new_like,
    pointwise,
    properties,
    rearranging,
    reduce,
    selection,
    shape,
    shorthands,
    softmax,
    sorting,
    trigonometry,
)
from nnlite.ops.erf import erf
from nnlite.ops.inplace import in_place

SAME_NAME: list[tuple[ModuleType, str]] = [
    (arithmetic, "add sub mul div floor_divide remainder neg pow square"),
    (pointwise, "abs ceil exp expm1 floor isfinite isinf isnan log log1p log2 log10 round sign"),
    (pointwise, "sqrt trunc"),
    (trigonometry, "cos sin tan"),
    (fractions, "lerp reciprocal rsqrt"),
    (comparison, "eq ge gt le lt ne"),
    (logic, "all allclose any count_nonzero equal isclose"),
    (logic, "logical_and logical_not logical_or logical_xor"),
    (selection, "clamp maximum minimum"),
    (activation, "relu relu_ sigmoid sigmoid_ tanh tanh_"),
    (softmax, "log_softmax softmax"),
    (reduce, "mean norm prod std sum var"),
    (extremum, "amax amin argmax argmin logsumexp max min"),
    (linalg, "addmm bmm dot matmul mm mv outer"),
    (shape, "broadcast_to expand expand_as flatten movedim permute repeat reshape reshape_as"),
    (shape, "squeeze swapaxes t tile transpose unflatten unsqueeze view view_as"),
    (joining, "chunk split unbind"),
    (rearranging, "diag diagonal flip roll tril triu"),
    (indexing, "narrow select"),
    (gather_scatter, "gather index_add index_select masked_fill masked_select scatter"),
    (gather_scatter, "scatter_add take_along_dim"),
    (sorting, "argsort bincount cumsum nonzero sort topk unique"),
    (conversion, "clone contiguous cpu cuda data_ptr dim element_size is_contiguous"),
    (moving, "is_pinned pin_memory"),
    (conversion, "is_floating_point item numel numpy size stride to tolist type_as"),
    (new_like, "new_empty new_full new_ones new_tensor new_zeros"),
    (shorthands, "addcdiv addcmul addmv baddbmm bernoulli clamp_max clamp_min ravel"),
    (shorthands, "dist fliplr flipud repeat_interleave trace"),
    (inplace, "copy_ fill_ normal_ uniform_ zero_"),
]

OTHER_NAME: dict[str, Callable[..., Any]] = {
    "__abs__": pointwise.abs,
    "__add__": arithmetic.add,
    "__and__": bitwise.bitwise_and,
    "__array__": conversion.as_numpy,
    "__bool__": conversion.to_python_bool,
    "__contains__": conversion.contains,
    "__dlpack__": interchange.to_dlpack,
    "__dlpack_device__": interchange.to_dlpack_device,
    "__deepcopy__": conversion.deep_copy,
    "__eq__": comparison.eq,
    "__float__": conversion.to_python_float,
    "__floordiv__": arithmetic.floor_divide,
    "__ge__": comparison.ge,
    "__getitem__": indexing.getitem,
    "__gt__": comparison.gt,
    "__index__": conversion.to_python_index,
    "__int__": conversion.to_python_int,
    "__invert__": bitwise.bitwise_not,
    "__iter__": conversion.iterate,
    "__le__": comparison.le,
    "__len__": conversion.length,
    "__lt__": comparison.lt,
    "__matmul__": linalg.matmul,
    "__mod__": arithmetic.remainder,
    "__mul__": arithmetic.mul,
    "__ne__": comparison.ne,
    "__neg__": arithmetic.neg,
    "__or__": bitwise.bitwise_or,
    "__pow__": arithmetic.pow,
    "__reduce_ex__": conversion.reduce_leaf,
    "__setitem__": indexing.setitem,
    "__sub__": arithmetic.sub,
    "__truediv__": arithmetic.div,
    "__xor__": bitwise.bitwise_xor,
    "absolute": pointwise.abs,
    "argwhere": sorting.nonzero,
    "bool": conversion.to_bool,
    "byte": conversion.to_uint8,
    "char": conversion.to_int8,
    "clip": selection.clamp,
    "divide": arithmetic.div,
    "double": conversion.to_double,
    "erf": erf,
    "float": conversion.to_float,
    "half": conversion.to_half,
    "int": conversion.to_int,
    "long": conversion.to_long,
    "multiply": arithmetic.mul,
    "ndimension": conversion.dim,
    "negative": arithmetic.neg,
    "nelement": conversion.numel,
    "short": conversion.to_short,
    "subtract": arithmetic.sub,
    "moveaxis": shape.movedim,
    "swapdims": shape.swapaxes,
    "true_divide": arithmetic.div,
    "type": shorthands.as_type,
    "unfold": folding.unfold_dimension,
    "where": shorthands.where_self,
}

REFLECTED: dict[str, Callable[..., Any]] = {
    "__radd__": arithmetic.add,
    "__rand__": bitwise.bitwise_and,
    "__rfloordiv__": arithmetic.floor_divide,
    "__rmatmul__": linalg.matmul,
    "__rmod__": arithmetic.remainder,
    "__rmul__": arithmetic.mul,
    "__ror__": bitwise.bitwise_or,
    "__rpow__": arithmetic.pow,
    "__rsub__": arithmetic.sub,
    "__rtruediv__": arithmetic.div,
    "__rxor__": bitwise.bitwise_xor,
}

IN_PLACE: dict[str, Callable[..., Tensor]] = {
    "__iadd__": arithmetic.add,
    "__ifloordiv__": arithmetic.floor_divide,
    "__imod__": arithmetic.remainder,
    "__imul__": arithmetic.mul,
    "__ipow__": arithmetic.pow,
    "__isub__": arithmetic.sub,
    "__itruediv__": arithmetic.div,
    "__iand__": bitwise.bitwise_and,
    "__ior__": bitwise.bitwise_or,
    "__ixor__": bitwise.bitwise_xor,
    "abs_": pointwise.abs,
    "add_": arithmetic.add,
    "addcdiv_": shorthands.addcdiv,
    "addcmul_": shorthands.addcmul,
    "ceil_": pointwise.ceil,
    "clamp_": selection.clamp,
    "clamp_max_": shorthands.clamp_max,
    "clamp_min_": shorthands.clamp_min,
    "clip_": selection.clamp,
    "cos_": trigonometry.cos,
    "div_": arithmetic.div,
    "erf_": erf,
    "exp_": pointwise.exp,
    "expm1_": pointwise.expm1,
    "floor_": pointwise.floor,
    "index_add_": gather_scatter.index_add,
    "lerp_": fractions.lerp,
    "log1p_": pointwise.log1p,
    "log_": pointwise.log,
    "masked_fill_": gather_scatter.masked_fill,
    "mul_": arithmetic.mul,
    "neg_": arithmetic.neg,
    "pow_": arithmetic.pow,
    "reciprocal_": fractions.reciprocal,
    "remainder_": arithmetic.remainder,
    "round_": pointwise.round,
    "rsqrt_": fractions.rsqrt,
    "scatter_": gather_scatter.scatter,
    "scatter_add_": gather_scatter.scatter_add,
    "sign_": pointwise.sign,
    "sin_": trigonometry.sin,
    "sqrt_": pointwise.sqrt,
    "square_": arithmetic.square,
    "sub_": arithmetic.sub,
    "tril_": rearranging.tril,
    "triu_": rearranging.triu,
    "trunc_": pointwise.trunc,
}

PROPERTIES: dict[str, Callable[[Tensor], Any]] = {
    "T": shape.reverse_dims,
    "__cuda_array_interface__": interchange.cuda_array_interface,
    "is_cuda": properties.is_cuda,
    "itemsize": properties.itemsize,
    "mT": shape.matrix_transpose,
    "nbytes": properties.nbytes,
}


def _reflected(function: Callable[..., Any]) -> Callable[..., Any]:
    def method(self: Tensor, other: Any) -> Any:
        return function(other, self)

    method.__doc__ = function.__doc__
    return method


def attach() -> None:
    """Give Tensor its operators and methods."""
    for module, names in SAME_NAME:
        for name in names.split():
            setattr(Tensor, name, getattr(module, name))
    for name, function in OTHER_NAME.items():
        setattr(Tensor, name, function)
    for name, function in REFLECTED.items():
        setattr(Tensor, name, _reflected(function))
    for name, function in IN_PLACE.items():
        setattr(Tensor, name, in_place(function, name))
    for name, function in PROPERTIES.items():
        setattr(Tensor, name, property(function))
