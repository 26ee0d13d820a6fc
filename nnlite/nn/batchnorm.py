"""BatchNorm and InstanceNorm: each channel by itself, with running statistics."""

from __future__ import annotations

import math
import warnings
from typing import Any, ClassVar

from nnlite.autograd.tensor import Tensor, wrap
from nnlite.backend import Device, backend_of
from nnlite.backend.dtypes import int64
from nnlite.errors import ArgumentError, DtypeError, ShapeError
from nnlite.nn.normalization import Affine
from nnlite.nn.parameter import new_parameter
from nnlite.nn.settings import count
from nnlite.ops import normalization as ops
from nnlite.ops.shape import squeeze, unsqueeze

__all__ = ["BatchNorm1d", "BatchNorm2d", "InstanceNorm1d", "InstanceNorm2d"]


class _Running(Affine):
    """What batch and instance normalization share: one weight per channel, running statistics."""

    ranks: ClassVar[tuple[int, ...]]
    """The numbers of dimensions that an input may have."""
    shapes: ClassVar[str]
    """How the error that refuses others names them."""

    running_mean: Tensor | None
    running_var: Tensor | None
    num_batches_tracked: Tensor | None

    def __init__(
        self,
        num_features: int,
        eps: float,
        momentum: float | None,
        affine: bool,
        track_running_stats: bool,
        device: str | Device | None,
        dtype: object,
        bias: bool,
    ) -> None:
        super().__init__()
        op = type(self).__name__
        self.num_features = count(op, "num_features", num_features)
        self.eps = ops.check_eps(op, eps)
        self.momentum = _checked_momentum(op, momentum)
        self.affine = affine
        self.track_running_stats = track_running_stats
        self._make_affine((self.num_features,), affine, bias, device, dtype)
        for name in ("running_mean", "running_var", "num_batches_tracked"):
            self.register_buffer(name, None)
        if track_running_stats:
            mean = new_parameter(op, (self.num_features,), device, dtype).array
            self.running_mean = wrap(mean)
            self.running_var = wrap(mean.copy())
            self.num_batches_tracked = wrap(backend_of(mean).asarray(0, int64))
        self.reset_parameters()

    def reset_running_stats(self) -> None:
        """Forget all batches: mean 0, variance 1, none counted."""
        for buffer, value in (
            (self.running_mean, 0),
            (self.running_var, 1),
            (self.num_batches_tracked, 0),
        ):
            if buffer is not None:
                buffer.fill_(value)

    def reset_parameters(self) -> None:
        """Set weight and bias to 1 and 0, and forget all batches."""
        self.reset_running_stats()
        super().reset_parameters()

    def _check_input(self, input: Tensor, channel: int) -> None:
        op = type(self).__name__
        if not isinstance(input, Tensor):
            raise DtypeError(
                op,
                "input",
                expected="a Tensor",
                got=type(input).__name__,
                hint="make one with nnlite.tensor(...)",
            )
        if input.ndim not in self.ranks:
            raise ShapeError(
                op, "input", expected=self.shapes, got=str(input.shape), hint="C are the channels"
            )
        if input.shape[channel] != self.num_features:
            if self._takes_any_channels():
                warnings.warn(
                    f"{op}: input {input.shape} has {input.shape[channel]} channels, but "
                    f"num_features={self.num_features}; without affine it is not used",
                    UserWarning,
                    stacklevel=4,
                )
                return
            raise ShapeError(
                op,
                "input",
                expected=f"{self.num_features} channels, as num_features says",
                got=f"{input.shape[channel]} in {input.shape}",
                hint=f"the layer takes {self.shapes}",
            )

    def _takes_any_channels(self) -> bool:
        return False

    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"bias={self.bias is not None}, track_running_stats={self.track_running_stats}"
        )


class _BatchNorm(_Running):
    """What BatchNorm1d and BatchNorm2d share: all but the input's shape."""

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: str | Device | None = None,
        dtype: object = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(
            num_features, eps, momentum, affine, track_running_stats, device, dtype, bias
        )

    def forward(self, input: Tensor) -> Tensor:
        self._check_input(input, 1)
        mean, var = self.running_mean, self.running_var
        by_batch = self.training or (mean is None and var is None)
        if self.training and not self.track_running_stats:
            mean = var = None
        share = 0.0 if self.momentum is None else self.momentum
        tracked = self.num_batches_tracked
        if self.training and self.track_running_stats and tracked is not None:
            # counted only once the batch is accepted, unlike PyTorch, so as to retry after an error
            if self.momentum is None:
                share = 1 / (int(tracked.item()) + 1)  # the one case that waits for a device
            y = ops.batch_norm(input, mean, var, self.weight, self.bias, True, share, self.eps)
            tracked.add_(1)
            return y
        return ops.batch_norm(input, mean, var, self.weight, self.bias, by_batch, share, self.eps)


class BatchNorm1d(_BatchNorm):
    """``BatchNorm2d`` for inputs (N, C) or (N, C, L), with the same settings and errors."""

    ranks = (2, 3)
    shapes = "(N, C) or (N, C, L)"


class BatchNorm2d(_BatchNorm):
    """Each channel brought to mean 0 and variance 1 over a batch (N, C, H, W).

    See ``nn.functional.batch_norm``. In training with the batch's mean and variance, which also
    move running_mean and running_var; in evaluation with these, or with the batch's where
    track_running_stats is False.

    Args:
        num_features: the number of channels, C.
        eps: added to the variance.
        momentum: weight of the batch in the running statistics; None makes these the mean over all
            batches so far.
        affine: whether there are a weight and a bias, (C,), which start as 1 and 0.
        track_running_stats: whether there are running statistics; they start as 0 and 1.
        device, dtype: of the parameters and running statistics.
        bias: with affine, whether there is a bias.

    Raises:
        ArgumentError: num_features below 1, a negative eps, a momentum that is no number.
        ShapeError: an input of other dimensions or channels, or with one value per channel in
            training.

    Source: S. Ioffe, C. Szegedy, "Batch normalization", ICML 2015.
    """

    ranks = (4,)
    shapes = "(N, C, H, W)"


class _InstanceNorm(_Running):
    """What InstanceNorm1d and InstanceNorm2d share: all but the input's shape."""

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        device: str | Device | None = None,
        dtype: object = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(
            num_features, eps, momentum, affine, track_running_stats, device, dtype, bias
        )

    def forward(self, input: Tensor) -> Tensor:
        single = isinstance(input, Tensor) and input.ndim == self.ranks[0]
        self._check_input(input, 0 if single else 1)
        y = ops.instance_norm(
            unsqueeze(input, 0) if single else input,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training or not self.track_running_stats,
            0.0 if self.momentum is None else self.momentum,
            self.eps,
        )
        return squeeze(y, 0) if single else y

    def _takes_any_channels(self) -> bool:
        return not self.affine


class InstanceNorm1d(_InstanceNorm):
    """``InstanceNorm2d`` for inputs (N, C, L) or (C, L), with the same settings and errors."""

    ranks = (2, 3)
    shapes = "(N, C, L) or (C, L)"


class InstanceNorm2d(_InstanceNorm):
    """Each channel of each sample brought to mean 0 and variance 1; see ``instance_norm``.

    Inputs are (N, C, H, W) or (C, H, W).

    Args:
        num_features, eps, momentum, device, dtype, bias: as for ``BatchNorm2d``.
        affine: whether there are a weight and a bias, (C,).
        track_running_stats: keep running statistics and use them in evaluation.

    Raises:
        As ``BatchNorm2d``.

    Source: D. Ulyanov et al., "Instance normalization", 2016.
    """

    ranks = (3, 4)
    shapes = "(N, C, H, W) or (C, H, W)"


def _checked_momentum(op: str, momentum: Any) -> float | None:
    if momentum is None:
        return None
    if isinstance(momentum, bool) or not isinstance(momentum, (int, float)):
        raise DtypeError(
            op, "momentum", expected="a number or None", got=repr(momentum), hint="try 0.1"
        )
    if not math.isfinite(momentum):
        raise ArgumentError(
            op, "momentum", expected="a finite number", got=repr(momentum), hint="try 0.1"
        )
    return float(momentum)
