"""nnlite: neural networks in plain NumPy, with PyTorch's interface.

    import nnlite
    from nnlite import nn, optim
    import nnlite.nn.functional as F

A PyTorch script for such networks runs with ``import nnlite as torch``.
"""

from math import e, inf, nan, pi

from numpy import dtype, finfo, iinfo

from nnlite import autograd, backend, backends, cuda, data, errors, io, nn, ops, optim, utils
from nnlite.autograd import (
    Tensor,
    capture,
    enable_grad,
    inference_mode,
    is_grad_enabled,
    no_grad,
    set_grad_enabled,
)
from nnlite.backend import (
    Generator,
    default_generator,
    device,
    get_num_threads,
    manual_seed,
    plain_kernels,
    set_num_threads,
)
from nnlite.backend.cuda_precision import (
    get_float32_matmul_precision,
    set_float32_matmul_precision,
)
from nnlite.backend.dtypes import bool_ as bool
from nnlite.backend.dtypes import (
    float32,
    float64,
    int8,
    int16,
    int32,
    int64,
    uint8,
)
from nnlite.default_dtype import get_default_dtype, set_default_dtype
from nnlite.io import load, save
from nnlite.ops import public as _public
from nnlite.ops.public import *  # noqa: F403  (it has an __all__)

__version__ = "0.1.0"

# dtypes and types by PyTorch's further names
float = float32
double = float64
int = int32
long = int64
short = int16
Size: type = tuple
newaxis = None

__all__ = [
    "Generator",
    "Size",
    "Tensor",
    "autograd",
    "backend",
    "backends",
    "bool",
    "capture",
    "cuda",
    "data",
    "default_generator",
    "device",
    "double",
    "dtype",
    "e",
    "enable_grad",
    "errors",
    "finfo",
    "float",
    "float32",
    "float64",
    "get_default_dtype",
    "get_float32_matmul_precision",
    "get_num_threads",
    "iinfo",
    "inf",
    "inference_mode",
    "int",
    "int8",
    "int16",
    "int32",
    "int64",
    "io",
    "is_grad_enabled",
    "load",
    "long",
    "manual_seed",
    "nan",
    "newaxis",
    "nn",
    "no_grad",
    "ops",
    "optim",
    "pi",
    "plain_kernels",
    "save",
    "set_default_dtype",
    "set_float32_matmul_precision",
    "set_grad_enabled",
    "set_num_threads",
    "short",
    "uint8",
    "utils",
]
__all__ += _public.__all__
