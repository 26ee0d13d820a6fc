"""Arrays, devices, dtypes and random numbers: the one layer that knows array libraries apart."""

from nnlite.backend.cuda import load_cupy
from nnlite.backend.device import CPU, Device, device
from nnlite.backend.dtypes import Dtype, as_dtype, is_float
from nnlite.backend.plain import is_plain, plain_kernels
from nnlite.backend.quiet import hush, quiet, unhush
from nnlite.backend.registry import (
    NUMPY,
    Array,
    Backend,
    array_module,
    backend_for,
    backend_of,
    is_array,
    is_writable,
    names_device,
    register,
    same_device,
)
from nnlite.backend.rng import Generator, default_generator, manual_seed
from nnlite.backend.threads import get_num_threads, set_num_threads

__all__ = [
    "CPU",
    "NUMPY",
    "Array",
    "Backend",
    "Device",
    "Dtype",
    "Generator",
    "array_module",
    "as_dtype",
    "backend_for",
    "backend_of",
    "default_generator",
    "device",
    "get_num_threads",
    "hush",
    "is_array",
    "is_float",
    "is_plain",
    "is_writable",
    "load_cupy",
    "manual_seed",
    "names_device",
    "plain_kernels",
    "quiet",
    "register",
    "same_device",
    "set_num_threads",
    "unhush",
]
