"""What convolution, pooling and dropout refuse, and how they say it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from nnlite import nn
from nnlite.autograd import Tensor
from nnlite.errors import ArgumentError, DeviceError, DtypeError, ShapeError
from nnlite.nn import functional as F
from tests.conftest import to_device


def _t(*shape: int, dtype: str = "float32") -> Tensor:
    return Tensor(np.ones(shape, dtype))


X, W, B = _t(2, 3, 6, 6), _t(4, 3, 3, 3), _t(4)
S, V = _t(2, 3, 6), _t(4, 3, 3)
TX, TW = _t(2, 4, 3, 3), _t(4, 3, 3, 3)
DEVICE = Tensor(to_device(np.ones((4, 3, 3, 3), "float32"), "strict"))

# (call, error, how the message begins)
REFUSALS: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: F.conv2d(_t(64, 3, 28, 28), _t(8, 1, 5, 5)), ShapeError, "conv2d: input"),
    (lambda: F.conv2d(_t(6, 6), W), ShapeError, "conv2d: input"),
    (lambda: F.conv2d(_t(1, 2, 3, 6, 6), W), ShapeError, "conv2d: input"),
    (lambda: F.conv2d(_t(2, 3, 0, 6), W), ShapeError, "conv2d: input"),
    (lambda: F.conv2d(X, _t(4, 3, 3)), ShapeError, "conv2d: weight"),
    (lambda: F.conv2d(X, _t(4, 3, 0, 3)), ShapeError, "conv2d: weight"),
    (lambda: F.conv2d(X, _t(4, 3, 7, 3)), ShapeError, "conv2d: weight"),
    (lambda: F.conv2d(X, W, dilation=3), ShapeError, "conv2d: weight"),
    (lambda: F.conv2d(X, W, _t(3)), ShapeError, "conv2d: bias"),
    (lambda: F.conv2d(X, W, _t(1)), ShapeError, "conv2d: bias"),
    (lambda: F.conv2d(X, W, _t(4, 1)), ShapeError, "conv2d: bias"),
    (lambda: F.conv2d(X, W, stride=0), ArgumentError, "conv2d: stride"),
    (lambda: F.conv2d(X, W, stride=(1, -1)), ArgumentError, "conv2d: stride"),
    (lambda: F.conv2d(X, W, stride=(1, 1, 1)), ArgumentError, "conv2d: stride"),
    (lambda: F.conv2d(X, W, stride=1.5), DtypeError, "conv2d: stride"),
    (lambda: F.conv2d(X, W, stride=True), DtypeError, "conv2d: stride"),
    (lambda: F.conv2d(X, W, dilation=0), ArgumentError, "conv2d: dilation"),
    (lambda: F.conv2d(X, W, padding=-1), ArgumentError, "conv2d: padding"),
    (lambda: F.conv2d(X, W, padding="full"), ArgumentError, "conv2d: padding"),
    (lambda: F.conv2d(X, W, padding="same", stride=2), ArgumentError, "conv2d: padding"),
    (lambda: F.conv2d(X, W, padding=2**30), ShapeError, "conv2d: result"),
    (lambda: F.conv2d(X, W, groups=0), ArgumentError, "conv2d: groups"),
    (lambda: F.conv2d(X, W, groups=-1), ArgumentError, "conv2d: groups"),
    (lambda: F.conv2d(X, W, groups=3), ShapeError, "conv2d: groups"),
    (lambda: F.conv2d(X, W, groups=2), ShapeError, "conv2d: input"),
    (lambda: F.conv2d(_t(2, 3, 6, 6, dtype="int64"), W), DtypeError, "conv2d: input"),
    (lambda: F.conv2d(X, _t(4, 3, 3, 3, dtype="float64")), DtypeError, "conv2d: weight"),
    (lambda: F.conv2d(X, W, _t(4, dtype="float64")), DtypeError, "conv2d: bias"),
    (lambda: F.conv2d([[1.0]], W), DtypeError, "conv2d: input"),
    (lambda: F.conv2d(X, DEVICE), DeviceError, "conv2d"),
    (lambda: F.conv1d(X, V), ShapeError, "conv1d: input"),
    (lambda: F.conv1d(S, W), ShapeError, "conv1d: weight"),
    (lambda: F.conv1d(S, V, stride=(1, 1)), ArgumentError, "conv1d: stride"),
    (lambda: F.conv_transpose2d(_t(2, 3, 3, 3), TW), ShapeError, "conv_transpose2d: input"),
    (lambda: F.conv_transpose2d(TX, TW, _t(4)), ShapeError, "conv_transpose2d: bias"),
    (lambda: F.conv_transpose2d(TX, TW, stride=0), ArgumentError, "conv_transpose2d: stride"),
    (lambda: F.conv_transpose2d(TX, TW, padding=3), ShapeError, "conv_transpose2d: padding"),
    (lambda: F.conv_transpose2d(TX, TW, groups=3), ShapeError, "conv_transpose2d: groups"),
    (
        lambda: F.conv_transpose2d(TX, TW, stride=2, output_padding=2),
        ArgumentError,
        "conv_transpose2d: output_padding",
    ),
    (lambda: F.max_pool2d(X, 0), ArgumentError, "max_pool2d: kernel_size"),
    (lambda: F.max_pool2d(X, (2, 2, 2)), ArgumentError, "max_pool2d: kernel_size"),
    (lambda: F.max_pool2d(X, 2, stride=0), ArgumentError, "max_pool2d: stride"),
    (lambda: F.max_pool2d(X, 2, dilation=0), ArgumentError, "max_pool2d: dilation"),
    (lambda: F.max_pool2d(X, 2, padding=-1), ArgumentError, "max_pool2d: padding"),
    (lambda: F.max_pool2d(X, 2, padding=2), ArgumentError, "max_pool2d: padding"),
    (lambda: F.max_pool2d(X, 3, padding=2), ArgumentError, "max_pool2d: padding"),
    (lambda: F.max_pool2d(X, 7), ShapeError, "max_pool2d: kernel_size"),
    (lambda: F.max_pool2d(_t(6, 6), 2), ShapeError, "max_pool2d: input"),
    (lambda: F.max_pool2d(_t(2, 3, 6, 6, dtype="int64"), 2), DtypeError, "max_pool2d: input"),
    (lambda: F.avg_pool2d(X, 2, padding=2), ArgumentError, "avg_pool2d: padding"),
    (lambda: F.avg_pool2d(X, 2, divisor_override=0), ArgumentError, "avg_pool2d: divisor_override"),
    (lambda: F.avg_pool2d(X, 8), ShapeError, "avg_pool2d: kernel_size"),
    (lambda: F.avg_pool2d(_t(2, 3, 6, 6, dtype="int64"), 2), DtypeError, "avg_pool2d: input"),
    (lambda: F.avg_pool1d(X, 2), ShapeError, "avg_pool1d: input"),
    (lambda: F.adaptive_avg_pool2d(X, 0), ArgumentError, "adaptive_avg_pool2d: output_size"),
    (
        lambda: F.adaptive_avg_pool2d(X, (1, 2, 3)),
        ArgumentError,
        "adaptive_avg_pool2d: output_size",
    ),
    (lambda: F.adaptive_max_pool2d(X, 2**30), ShapeError, "adaptive_max_pool2d: output_size"),
    (lambda: F.dropout(X, -0.1), ArgumentError, "dropout: p"),
    (lambda: F.dropout(X, 1.1), ArgumentError, "dropout: p"),
    (lambda: F.dropout(X, float("nan")), ArgumentError, "dropout: p"),
    (lambda: F.dropout(X, 2, training=False), ArgumentError, "dropout: p"),
    (lambda: F.dropout(X, "half"), DtypeError, "dropout: p"),
    (lambda: F.dropout(_t(3, dtype="int64")), DtypeError, "dropout: input"),
    (lambda: F.dropout(X, generator=np.random.default_rng(0)), DtypeError, "dropout: generator"),
    (lambda: F.dropout2d(_t(3, 3)), ShapeError, "dropout2d: input"),
    (lambda: nn.Dropout(1.5), ArgumentError, "Dropout: p"),
    (lambda: nn.Conv2d(0, 1, 3), ArgumentError, "Conv2d: in_channels"),
    (lambda: nn.Conv2d(1.0, 1, 3), DtypeError, "Conv2d: in_channels"),
    (lambda: nn.Conv2d(3, 4, 3, groups=2), ArgumentError, "Conv2d: in_channels"),
    (lambda: nn.Conv2d(4, 3, 3, groups=2), ArgumentError, "Conv2d: out_channels"),
    (lambda: nn.Conv2d(1, 1, 0), ArgumentError, "Conv2d: kernel_size"),
    (lambda: nn.Conv2d(1, 1, 3, stride=0), ArgumentError, "Conv2d: stride"),
    (lambda: nn.Conv2d(1, 1, 3, padding=-1), ArgumentError, "Conv2d: padding"),
    (lambda: nn.Conv2d(1, 1, 3, 2, "same"), ArgumentError, "Conv2d: padding"),
    (lambda: nn.Conv2d(1, 1, 3, padding_mode="wrap"), ArgumentError, "Conv2d: padding_mode"),
    (lambda: nn.Conv2d(1, 1, 3, dtype="int64"), DtypeError, "Conv2d: dtype"),
    (
        lambda: nn.ConvTranspose2d(1, 1, 3, padding="same"),
        ArgumentError,
        "ConvTranspose2d: padding",
    ),
    (lambda: nn.Linear(0, 3), ArgumentError, "Linear: in_features"),
    (lambda: nn.Linear(3, -1), ArgumentError, "Linear: out_features"),
]


@pytest.mark.parametrize("case", REFUSALS, ids=[f"{i}-{c[2]}" for i, c in enumerate(REFUSALS)])
def test_refused(case: tuple[Callable[[], Any], type[Exception], str]) -> None:
    call, error, beginning = case
    with pytest.raises(error) as caught:
        call()
    text = str(caught.value)
    assert text.startswith(beginning)
    assert "expected " in text
    assert "got " in text
    assert "; hint: " in text


def test_channels_message_says_both_shapes() -> None:
    with pytest.raises(ShapeError) as caught:
        F.conv2d(_t(64, 3, 28, 28), _t(8, 1, 5, 5))
    assert "(64, 3, 28, 28)" in str(caught.value)
    assert "(8, 1, 5, 5)" in str(caught.value)


@pytest.mark.parametrize(
    "make",
    [
        lambda: nn.Linear(2**31, 2**31),
        lambda: nn.Conv2d(2**20, 2**20, 3),
        lambda: nn.Conv2d(1, 1, 2**30),
        lambda: nn.ConvTranspose2d(2**20, 2**20, 3),
    ],
)
def test_absurd_sizes_are_refused_before_memory_is_asked_for(make: Callable[[], Any]) -> None:
    start = time.perf_counter()
    with pytest.raises(ShapeError):
        make()
    assert time.perf_counter() - start < 0.2
