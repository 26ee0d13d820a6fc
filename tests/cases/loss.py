"""Cases of the losses of classification and regression: cross_entropy.py, regression_loss.py."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch.nn.functional as F

from nnlite.autograd import Tensor
from nnlite.backend import backend_of
from nnlite.ops import cross_entropy as C
from nnlite.ops import regression_loss as R
from nnlite.ops.extremum import PutAt, TakeAt
from nnlite.ops.softmax import LogSoftmax, Softmax
from tests.cases.base import OpCase, Sample

REDUCTIONS = ("none", "mean", "sum")


def _weights(rng: np.random.Generator, n: int) -> Any:
    """A list, which with_constants makes a tensor."""
    return rng.uniform(0.5, 2, n).tolist()


def _constant(fn: Any, tensor: Any) -> Any:
    """fn with each argument that is a list made a constant tensor of input's dtype."""

    def call(x: Any, *args: Any, **kwargs: Any) -> Any:
        args = tuple(tensor(a, x) if isinstance(a, list) else a for a in args)
        named = {k: tensor(a, x) if isinstance(a, list) else a for k, a in kwargs.items()}
        return fn(x, *args, **named)

    return call


def _ours(values: list[float], x: Any) -> Any:
    return Tensor(backend_of(x.array).asarray(np.asarray(values, x.dtype)))


def _theirs(values: list[float], x: Any) -> Any:
    return x.new_tensor(values)


def _shapes(rng: np.random.Generator, n: int = 4) -> list[tuple[Any, Any]]:
    return [
        (rng.standard_normal((5, n)), rng.integers(0, n, 5)),
        (rng.standard_normal(n), rng.integers(0, n, ())),
        (rng.standard_normal((3, n, 2)), rng.integers(0, n, (3, 2))),
        (rng.standard_normal((2, n, 3, 1)), rng.integers(0, n, (2, 3, 1))),
    ]


def _classes(rng: np.random.Generator, smoothing: float | None = None) -> list[Sample]:
    more = {} if smoothing is None else {"label_smoothing": smoothing}
    samples = []
    for x, t in _shapes(rng):
        for reduction in REDUCTIONS:
            options = {"reduction": reduction, **more}
            name = f"{x.shape} {reduction}"
            samples.append(Sample((x, t), options, id=name))
            samples.append(
                Sample((x, t), {**options, "weight": _weights(rng, 4)}, id=f"{name}, weight")
            )
            ignored = np.array(t)
            ignored.flat[0] = 2
            if t.size > 1:
                options = {**options, "ignore_index": 2}
                samples.append(Sample((x, ignored), options, id=f"{name}, ignore 2"))
                samples.append(
                    Sample(
                        (x, ignored),
                        {**options, "weight": _weights(rng, 4)},
                        id=f"{name}, ignore 2, weight",
                    )
                )
    x, t = rng.standard_normal((4, 3)), np.array([0, -100, 2, -100])
    far = np.array([[1e4, -1e4, 0.0], [-1e4, -1e4, -1e4], [100.0, 89.0, -89.0]])
    return [
        *samples,
        Sample((x, t), more, id="default ignore_index"),
        Sample((x, np.full(4, 255)), {"reduction": "sum", "ignore_index": 255, **more}, id="255"),
        Sample((x, np.full(4, 255)), {"ignore_index": 255, **more}, smooth=False, id="all ignored"),
        Sample((rng.standard_normal((3, 1)), np.zeros(3, int)), more, id="one class"),
        Sample((far, np.array([1, 0, 2])), more, id="far"),
        Sample((x[:0], t[:0]), {"reduction": "sum", **more}, id="empty batch"),
        Sample((x[:0], t[:0]), more, smooth=False, id="mean of an empty batch"),
    ]


def _bytes(rng: np.random.Generator) -> list[Sample]:
    return [Sample((x, t.astype(np.uint8)), id=f"uint8 {x.shape}") for x, t in _shapes(rng)[:1]]


def _probabilities(rng: np.random.Generator) -> list[Sample]:
    samples = []
    for x, _ in _shapes(rng):
        p = np.exp(rng.standard_normal(x.shape))
        p /= p.sum(axis=min(1, x.ndim - 1), keepdims=True)
        for reduction in REDUCTIONS:
            for smoothing in (0.0, 0.1):
                for weight in (None, _weights(rng, 4)):
                    options = {
                        "reduction": reduction,
                        "label_smoothing": smoothing,
                        "weight": weight,
                    }
                    name = f"{x.shape} {reduction} {smoothing} {'weight' if weight else ''}"
                    samples.append(Sample((x, p), options, id=name))
    return samples


def pairs(rng: np.random.Generator) -> list[Sample]:
    """Two tensors of one shape, under every reduction."""
    shapes: list[tuple[int, ...]] = [(), (1,), (5,), (2, 3), (4, 1, 5)]
    return [
        Sample(
            (rng.standard_normal(s), rng.standard_normal(s)),
            {"reduction": reduction},
            id=f"{s} {reduction}",
        )
        for s in shapes
        for reduction in REDUCTIONS
    ] + [
        Sample((np.zeros((0, 3)), np.zeros((0, 3))), {"reduction": "sum"}, id="sum of nothing"),
        Sample((np.zeros(0), np.zeros(0)), smooth=False, id="mean of nothing"),
    ]


def with_constants(fn: Any, torch_fn: Any) -> dict[str, Any]:
    """The two functions of a row; lists among the arguments become constant tensors."""
    return {"fn": _constant(fn, _ours), "torch_fn": _constant(torch_fn, _theirs)}


CASES = [
    OpCase(
        "cross_entropy",
        (C.CrossEntropy, C.MeanCrossEntropy, Softmax, PutAt),
        device_ops=(C.DeviceCrossEntropy,),
        samples=_classes,
        **with_constants(C.cross_entropy, F.cross_entropy),
    ),
    OpCase(
        "cross_entropy, smoothed",
        (LogSoftmax, TakeAt),
        samples=lambda rng: _classes(rng, 0.1),
        **with_constants(C.cross_entropy, F.cross_entropy),
    ),
    OpCase(
        "cross_entropy, bytes",
        (C.CrossEntropy, C.MeanCrossEntropy),
        C.cross_entropy,
        lambda x, t: F.cross_entropy(x, t.long()),
        _bytes,
    ),
    OpCase(
        "cross_entropy, probabilities",
        (LogSoftmax,),
        samples=_probabilities,
        **with_constants(C.cross_entropy, F.cross_entropy),
    ),
    OpCase("nll_loss", (TakeAt, PutAt), samples=_classes, **with_constants(C.nll_loss, F.nll_loss)),
    OpCase("mse_loss", (R.SquaredError, R.TotalSquaredError), R.mse_loss, F.mse_loss, pairs),
]
