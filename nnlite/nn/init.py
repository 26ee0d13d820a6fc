"""Initial values of parameters, as ``torch.nn.init``: each function writes into its tensor.

None of them is recorded for backward. Random numbers come from this context's default generator,
or from generator=.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from nnlite.autograd.tensor import Tensor
from nnlite.backend import Array, Generator, backend_of
from nnlite.errors import ArgumentError, ShapeError
from nnlite.ops.common import need_float
from nnlite.ops.random import pick_generator

__all__ = [
    "calculate_gain",
    "constant_",
    "dirac_",
    "eye_",
    "kaiming_normal_",
    "kaiming_uniform_",
    "normal_",
    "ones_",
    "orthogonal_",
    "sparse_",
    "trunc_normal_",
    "uniform_",
    "xavier_normal_",
    "xavier_uniform_",
    "zeros_",
]

_GAINS = {
    "linear": 1.0,
    "conv1d": 1.0,
    "conv2d": 1.0,
    "conv3d": 1.0,
    "conv_transpose1d": 1.0,
    "conv_transpose2d": 1.0,
    "conv_transpose3d": 1.0,
    "sigmoid": 1.0,
    "tanh": 5 / 3,
    "relu": math.sqrt(2),
    "selu": 3 / 4,
}


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """The factor that keeps the variance of activations through a nonlinearity.

    Args:
        nonlinearity: "linear", "sigmoid", "tanh", "relu", "leaky_relu", "selu", "conv2d" ...
        param: the negative slope of leaky_relu; 0.01 unless given.

    Raises:
        ArgumentError: an unknown name.
    """
    if nonlinearity == "leaky_relu":
        slope = 0.01 if param is None else _finite("calculate_gain", "param", param)
        return math.sqrt(2 / (1 + slope**2))
    if nonlinearity not in _GAINS:
        raise ArgumentError(
            "calculate_gain",
            "nonlinearity",
            expected="one of " + ", ".join(sorted([*_GAINS, "leaky_relu"])),
            got=repr(nonlinearity),
            hint="use 'linear' for a gain of 1",
        )
    return _GAINS[nonlinearity]


def uniform_(
    tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: Generator | None = None
) -> Tensor:
    """Uniform on [a, b).

    Raises:
        ArgumentError: b below a, or either not finite.
    """
    need_float("uniform_", tensor, "tensor")
    low, high = _finite("uniform_", "a", a), _finite("uniform_", "b", b)
    if high < low:
        raise ArgumentError(
            "uniform_", "b", expected=f"{low} or more, as a is", got=str(b), hint="swap a and b"
        )
    drawn = pick_generator("uniform_", generator).uniform(tensor.shape, tensor.dtype)
    drawn *= high - low
    drawn += low
    return _write(tensor, drawn)


def normal_(
    tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: Generator | None = None
) -> Tensor:
    """Normal with this mean and standard deviation.

    Raises:
        ArgumentError: a negative std, or either not finite.
    """
    need_float("normal_", tensor, "tensor")
    centre, width = _finite("normal_", "mean", mean), _spread("normal_", std)
    drawn = pick_generator("normal_", generator).normal(tensor.shape, tensor.dtype)
    drawn *= width
    drawn += centre
    return _write(tensor, drawn)


def trunc_normal_(
    tensor: Tensor,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: Generator | None = None,
) -> Tensor:
    """Normal, but only numbers in [a, b]: those outside are drawn again.

    Raises:
        ArgumentError: std not above 0, or b not above a.

    Source for the tails: C. Robert, "Simulation of truncated normal variables", 1995.
    """
    need_float("trunc_normal_", tensor, "tensor")
    centre, width = _finite("trunc_normal_", "mean", mean), _spread("trunc_normal_", std)
    if width == 0:
        raise ArgumentError(
            "trunc_normal_", "std", expected="more than 0", got="0", hint="constant_ needs no std"
        )
    low, high = (float(a) - centre) / width, (float(b) - centre) / width
    if not low < high:
        raise ArgumentError(
            "trunc_normal_", "b", expected=f"more than a = {a}", got=str(b), hint="swap a and b"
        )
    rng = pick_generator("trunc_normal_", generator)
    count = math.prod(tensor.shape)
    drawn = np.empty(0)
    while drawn.size < count:
        more = _propose(rng, low, high, 2 * (count - drawn.size) + 16)
        drawn = np.concatenate([drawn, more])
    values = drawn[:count].reshape(tensor.shape) * width + centre
    # rounding to float32 must not lead outside
    return _write(tensor, values.clip(float(a), float(b)))


def _propose(rng: Generator, low: float, high: float, count: int) -> Any:
    """Some standard normal numbers in [low, high], fewer than count."""
    float64 = np.dtype("float64")
    inside = (math.erf(high / math.sqrt(2)) - math.erf(low / math.sqrt(2))) / 2
    if inside > 0.2:
        z = rng.normal((count,), float64)
        return z[(z >= low) & (z <= high)]
    # a narrow interval or a tail: propose uniformly, keep in proportion to the density, and leave
    # out what is e^40 times rarer than the nearest point
    nearest = min(max(low, 0.0), high)
    reach = math.sqrt(nearest**2 + 80)
    low, high = max(low, -reach), min(high, reach)
    z = low + (high - low) * rng.uniform((count,), float64)
    return z[rng.uniform((count,), float64) < np.exp((nearest**2 - z**2) / 2)]


def constant_(tensor: Tensor, val: float) -> Tensor:
    """The same number everywhere."""
    tensor.array[...] = val
    tensor.bump_version()
    return tensor


def ones_(tensor: Tensor) -> Tensor:
    """Ones."""
    return constant_(tensor, 1)


def zeros_(tensor: Tensor) -> Tensor:
    """Zeros."""
    return constant_(tensor, 0)


def eye_(tensor: Tensor) -> Tensor:
    """The identity matrix, as far as the shape allows.

    Raises:
        ShapeError: not two dimensions.
    """
    _need_ndim("eye_", tensor, (2,))
    return _write(tensor, np.eye(tensor.shape[0], tensor.shape[1]))


def dirac_(tensor: Tensor, groups: int = 1) -> Tensor:
    """Filters that pass as many channels on unchanged as there are.

    Raises:
        ShapeError: not 3, 4 or 5 dimensions, or a first size that groups does not divide.
    """
    _need_ndim("dirac_", tensor, (3, 4, 5))
    out, channels, *kernel = tensor.shape
    if groups < 1 or out % groups:
        raise ShapeError(
            "dirac_",
            "groups",
            expected=f"a divisor of the first size {out}",
            got=str(groups),
            hint="groups is that of the convolution",
        )
    values = np.zeros(tensor.shape)
    middle = tuple(k // 2 for k in kernel)
    for g in range(groups):
        for d in range(min(out // groups, channels)):
            values[(g * (out // groups) + d, d, *middle)] = 1
    return _write(tensor, values)


def xavier_uniform_(
    tensor: Tensor, gain: float = 1.0, generator: Generator | None = None
) -> Tensor:
    """Uniform on [-b, b) with b = gain * sqrt(6 / (fan_in + fan_out)).

    Source: X. Glorot, Y. Bengio, "Understanding the difficulty of training deep feedforward neural
    networks", AISTATS 2010.

    Raises:
        ShapeError: fewer than two dimensions.
    """
    fan_in, fan_out = _fans("xavier_uniform_", tensor)
    bound = _finite("xavier_uniform_", "gain", gain) * math.sqrt(6 / (fan_in + fan_out))
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Normal with std = gain * sqrt(2 / (fan_in + fan_out)); see ``xavier_uniform_``."""
    fan_in, fan_out = _fans("xavier_normal_", tensor)
    std = _finite("xavier_normal_", "gain", gain) * math.sqrt(2 / (fan_in + fan_out))
    return normal_(tensor, 0.0, std, generator)


def kaiming_uniform_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """Uniform on [-b, b) with b = gain * sqrt(3 / fan).

    Args:
        tensor: (out, in, ...).
        a: the negative slope of leaky_relu, for the gain.
        mode: "fan_in" keeps the variance in the forward pass, "fan_out" in the backward pass.
        nonlinearity: what follows; see ``calculate_gain``.
        generator: where the numbers are drawn from.

    Source: K. He et al., "Delving deep into rectifiers", ICCV 2015.

    Raises:
        ShapeError: fewer than two dimensions.
        ArgumentError: an unknown mode or nonlinearity.
    """
    bound = math.sqrt(3) * _kaiming_std("kaiming_uniform_", tensor, a, mode, nonlinearity)
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """Normal with std = gain / sqrt(fan); see ``kaiming_uniform_``."""
    std = _kaiming_std("kaiming_normal_", tensor, a, mode, nonlinearity)
    return normal_(tensor, 0.0, std, generator)


def orthogonal_(tensor: Tensor, gain: float = 1, generator: Generator | None = None) -> Tensor:
    """gain times a matrix with orthonormal rows or columns, whichever are fewer.

    The matrix is (first size, all others), and uniformly distributed.

    Source: A. Saxe, J. McClelland, S. Ganguli, "Exact solutions to the nonlinear dynamics of
    learning in deep linear neural networks", ICLR 2014.

    Raises:
        ShapeError: fewer than two dimensions.
    """
    _fans("orthogonal_", tensor)
    rows = tensor.shape[0]
    columns = math.prod(tensor.shape[1:])
    rng = pick_generator("orthogonal_", generator)
    drawn = rng.normal((max(rows, columns), min(rows, columns)), np.dtype("float64"))
    q, r = np.linalg.qr(drawn)
    q = q * np.where(np.diag(r) < 0, -1.0, 1.0)  # else the distribution is not uniform
    q = q.T if rows < columns else q
    return _write(tensor, _finite("orthogonal_", "gain", gain) * q.reshape(tensor.shape))


def sparse_(
    tensor: Tensor, sparsity: float, std: float = 0.01, generator: Generator | None = None
) -> Tensor:
    """Normal numbers of this std, with the share sparsity of each column set to zero.

    Source: J. Martens, "Deep learning via Hessian-free optimization", ICML 2010.

    Raises:
        ShapeError: not two dimensions.
        ArgumentError: sparsity outside [0, 1].
    """
    _need_ndim("sparse_", tensor, (2,))
    if not 0 <= sparsity <= 1:
        raise ArgumentError(
            "sparse_",
            "sparsity",
            expected="a share from 0 to 1",
            got=str(sparsity),
            hint="0.9 leaves every tenth number",
        )
    rng = pick_generator("sparse_", generator)
    rows, columns = tensor.shape
    values = rng.normal((rows, columns), tensor.dtype) * _spread("sparse_", std)
    for column in range(columns):
        values[rng.permutation(rows)[: math.ceil(sparsity * rows)], column] = 0
    return _write(tensor, values)


def fan_in_and_out(shape: tuple[int, ...]) -> tuple[int, int]:
    """How many inputs reach one output, and how many outputs one input, of a weight's shape."""
    places = math.prod(shape[2:])
    return shape[1] * places, shape[0] * places


def _fans(op: str, tensor: Tensor) -> tuple[int, int]:
    need_float(op, tensor, "tensor")
    if tensor.ndim < 2 or 0 in tensor.shape:
        raise ShapeError(
            op,
            "tensor",
            expected="at least two dimensions, none of size 0: (out, in, ...)",
            got=str(tensor.shape),
            hint="a bias has no fan; use uniform_ or zeros_",
        )
    return fan_in_and_out(tensor.shape)


def _kaiming_std(op: str, tensor: Tensor, a: float, mode: str, nonlinearity: str) -> float:
    fan_in, fan_out = _fans(op, tensor)
    if mode not in ("fan_in", "fan_out"):
        raise ArgumentError(
            op, "mode", expected="'fan_in' or 'fan_out'", got=repr(mode), hint="fan_in is usual"
        )
    gain = calculate_gain(nonlinearity, a)
    return gain / math.sqrt(fan_in if mode == "fan_in" else fan_out)


def _write(tensor: Tensor, values: Array) -> Tensor:
    """Values, made on the host where the generators are, into the tensor's own memory."""
    tensor.array[...] = backend_of(tensor.array).asarray(values.astype(tensor.dtype, copy=False))
    tensor.bump_version()
    return tensor


def _need_ndim(op: str, tensor: Tensor, allowed: tuple[int, ...]) -> None:
    need_float(op, tensor, "tensor")
    if tensor.ndim not in allowed:
        raise ShapeError(
            op,
            "tensor",
            expected=f"{' or '.join(map(str, allowed))} dimensions",
            got=str(tensor.shape),
            hint="it is meant for weights",
        )


def _finite(op: str, argument: str, value: Any) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ArgumentError(
            op, argument, expected="a finite number", got=repr(value), hint="look where it is made"
        )
    return number


def _spread(op: str, std: Any) -> float:
    number = _finite(op, "std", std)
    if number < 0:
        raise ArgumentError(
            op, "std", expected="0 or more", got=repr(std), hint="it is no variance"
        )
    return number
