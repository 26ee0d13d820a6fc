"""Cases of nnlite.ops.conv."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch.nn.functional as F

from nnlite.ops import conv as C
from tests.cases.base import OpCase, Sample


def _sample(
    rng: np.random.Generator,
    x: tuple[int, ...],
    w: tuple[int, ...],
    bias: int | None = None,
    id: str = "",
    **kwargs: Any,
) -> Sample:
    args = [rng.normal(size=x), rng.normal(size=w)]
    if bias is not None:
        args.append(rng.normal(size=bias))
    return Sample(tuple(args), kwargs, id=id)


def _images(rng: np.random.Generator) -> list[Sample]:
    return [
        _sample(rng, (2, 3, 5, 4), (2, 3, 3, 2), 2, "bias"),
        _sample(rng, (3, 5, 4), (2, 3, 2, 3), None, "one image"),
        _sample(rng, (1, 1, 1, 1), (1, 1, 1, 1), 1, "one pixel"),
        _sample(rng, (0, 2, 4, 4), (3, 2, 3, 3), 3, "empty batch"),
        _sample(rng, (2, 3, 4, 4), (4, 3, 1, 1), 4, "1x1"),
        # 6 + 4 - 5 is no multiple of 3, 7 + 2 - 2 none of 2: rows and columns are left over
        _sample(
            rng, (2, 2, 6, 7), (2, 2, 5, 2), 2, "stride left over", stride=(3, 2), padding=(2, 1)
        ),
        _sample(rng, (1, 1, 8, 8), (1, 1, 3, 3), None, "k3 s3 left over", stride=3),
        _sample(rng, (1, 1, 7, 5), (1, 1, 2, 2), None, "stride over the kernel", stride=3),
        _sample(rng, (2, 1, 7, 8), (2, 1, 3, 2), 2, "dilation", dilation=(2, 3)),
        _sample(rng, (2, 4, 5, 5), (6, 2, 3, 3), 6, "groups", groups=2, padding=1),
        _sample(rng, (2, 3, 5, 5), (6, 1, 3, 3), 6, "depthwise", groups=3, stride=2),
        _sample(
            rng,
            (2, 4, 9, 8),
            (4, 2, 3, 2),
            4,
            "everything",
            stride=(2, 3),
            padding=(1, 2),
            dilation=(2, 1),
            groups=2,
        ),
        _sample(rng, (1, 2, 2, 3), (1, 2, 3, 3), None, "padding wider than the image", padding=4),
        _sample(rng, (2, 1, 4, 5), (1, 1, 3, 5), 1, "same", padding="same"),
        _sample(rng, (2, 1, 6, 6), (1, 1, 2, 3), 1, "same, dilated", padding="same", dilation=2),
        _sample(rng, (2, 1, 4, 5), (1, 1, 2, 2), 1, "valid", padding="valid", stride=2),
    ]


def _signals(rng: np.random.Generator) -> list[Sample]:
    return [
        _sample(rng, (2, 3, 7), (4, 3, 3), 4, "bias"),
        _sample(rng, (2, 7), (4, 2, 3), None, "one signal"),
        _sample(rng, (2, 4, 9), (4, 2, 2), 4, "all", stride=2, padding=1, dilation=3, groups=2),
        _sample(rng, (2, 1, 6), (2, 1, 3), 2, "same", padding="same", dilation=2),
    ]


def _transposed_images(rng: np.random.Generator) -> list[Sample]:
    return [
        _sample(rng, (2, 3, 3, 4), (3, 2, 3, 2), 2, "bias"),
        _sample(rng, (3, 3, 4), (3, 2, 2, 2), None, "one image"),
        _sample(rng, (0, 2, 3, 3), (2, 1, 3, 3), 1, "empty batch"),
        _sample(rng, (2, 2, 3, 3), (2, 2, 3, 3), 2, "stride", stride=(2, 3), padding=(1, 0)),
        _sample(rng, (1, 1, 3, 3), (1, 1, 2, 2), 1, "gaps", stride=3),
        _sample(rng, (1, 2, 3, 3), (2, 1, 3, 3), 1, "more", stride=2, output_padding=1, padding=1),
        _sample(rng, (1, 2, 3, 3), (2, 1, 2, 2), 1, "dilated more", dilation=2, output_padding=1),
        _sample(rng, (2, 4, 3, 3), (4, 2, 3, 2), 4, "groups", groups=2, dilation=2, stride=2),
    ]


def _transposed_signals(rng: np.random.Generator) -> list[Sample]:
    return [
        _sample(rng, (2, 3, 4), (3, 2, 3), 2, "bias"),
        _sample(rng, (2, 5), (2, 2, 3), 4, "one", groups=2, stride=2, output_padding=1),
    ]


_OPS = (C.Conv2d, C.Conv2dInputGrad, C.Conv2dWeightGrad)

CASES = [
    OpCase("conv2d", _OPS, C.conv2d, F.conv2d, _images, headroom=4),
    OpCase("conv1d", _OPS, C.conv1d, F.conv1d, _signals, headroom=4),
    OpCase(
        "conv_transpose2d",
        _OPS,
        C.conv_transpose2d,
        F.conv_transpose2d,
        _transposed_images,
        headroom=4,
    ),
    OpCase(
        "conv_transpose1d",
        _OPS,
        C.conv_transpose1d,
        F.conv_transpose1d,
        _transposed_signals,
        headroom=4,
    ),
]
