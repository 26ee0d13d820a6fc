"""Cases of nnlite.ops.normalization, whose op is in nnlite.ops.standardize."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from nnlite.autograd import Tensor
from nnlite.backend import backend_of
from nnlite.ops import normalization as N
from nnlite.ops.standardize import Normalize, Project, Standardize
from tests.cases.base import OpCase, Sample

MEAN, VAR = np.array([0.3, -1.2, 2.0]), np.array([0.5, 1.7, 0.1])


def _affine(rng: np.random.Generator, *shape: int) -> tuple[np.ndarray, np.ndarray]:
    return rng.uniform(0.5, 1.5, shape) * rng.choice([-1, 1], shape), rng.normal(size=shape)


def _channels(rng: np.random.Generator) -> list[Sample]:
    wide = rng.normal(size=(4, 3, 2)) * np.array([1e-2, 1.0, 1e2])[:, None] + 5
    return [
        Sample((rng.normal(size=(5, 3)), *_affine(rng, 3)), id="rows"),
        Sample((rng.normal(size=(2, 3)), None, None), id="two rows, not affine"),
        Sample((rng.normal(size=(2, 3, 4)), *_affine(rng, 3)), id="signals"),
        Sample((rng.normal(size=(2, 3, 3, 2)), *_affine(rng, 3)), id="images"),
        Sample((rng.normal(size=(1, 3, 5, 1)), *_affine(rng, 3)), id="one image"),
        Sample((rng.normal(size=(2, 3, 2)), _affine(rng, 3)[0], None), id="weight alone"),
        Sample((rng.normal(size=(2, 3, 2)), None, _affine(rng, 3)[0]), id="bias alone"),
        Sample((rng.normal(size=(2, 3, 2, 1, 2)), *_affine(rng, 3)), id="5-D"),
        Sample((wide, *_affine(rng, 3)), {"eps": 0.1}, id="scales and a large eps"),
        Sample((rng.normal(size=(0, 3, 2)), *_affine(rng, 3)), id="empty batch"),
        Sample((np.full((4, 3), 2.5), *_affine(rng, 3)), smooth=False, id="constant"),
    ]


def _layers(rng: np.random.Generator) -> list[Sample]:
    return [
        Sample((rng.normal(size=(2, 5)), (5,), *_affine(rng, 5)), id="rows"),
        Sample((rng.normal(size=5), (5,), *_affine(rng, 5)), id="1-d"),
        Sample((rng.normal(size=(2, 3, 4)), (3, 4), *_affine(rng, 3, 4)), id="two dimensions"),
        Sample((rng.normal(size=(2, 1, 4)), (1, 4), *_affine(rng, 1, 4)), id="of size 1"),
        Sample((rng.normal(size=(2, 3, 4)), (4,)), id="not affine"),
        Sample((rng.normal(size=(2, 4)), (4,), None, _affine(rng, 4)[0]), id="bias alone"),
        Sample((rng.normal(size=(2, 4)), (4,), _affine(rng, 4)[0]), {"eps": 0.3}, id="eps"),
        Sample((rng.normal(size=(0, 4)), (4,), *_affine(rng, 4)), id="empty batch"),
        Sample((rng.normal(size=(3, 0)), (0,), *_affine(rng, 0)), id="no features"),
        Sample((rng.normal(size=(3, 1)), (1,), *_affine(rng, 1)), smooth=False, id="one feature"),
    ]


def _groups(rng: np.random.Generator) -> list[Sample]:
    return [
        Sample((rng.normal(size=(2, 4, 3, 2)), 2, *_affine(rng, 4)), id="images"),
        Sample((rng.normal(size=(2, 6)), 2, *_affine(rng, 6)), id="rows"),
        Sample((rng.normal(size=(2, 3, 5)), 3, *_affine(rng, 3)), id="a group for each channel"),
        Sample((rng.normal(size=(2, 3, 5)), 1, *_affine(rng, 3)), id="one group"),
        Sample((rng.normal(size=(2, 4, 3)), 2), id="not affine"),
        Sample((rng.normal(size=(0, 4, 3)), 2, *_affine(rng, 4)), {"eps": 0.1}, id="empty batch"),
    ]


def _instances(rng: np.random.Generator) -> list[Sample]:
    # PyTorch itself fails on an empty batch
    return [s for s in _channels(rng) if s.args[0].ndim > 2 and s.args[0].size]


def _training(x: Any, w: Any, b: Any, **options: Any) -> Any:
    return N.batch_norm(x, None, None, w, b, training=True, **options)


def _torch_training(x: Any, w: Any, b: Any, **options: Any) -> Any:
    return F.batch_norm(x, None, None, _present(w, b), b, training=True, **options)


def _present(w: Any, b: Any) -> Any:
    """A weight of 1 where there is a bias alone, of which PyTorch has no second derivative."""
    return torch.ones_like(b) if w is None and b is not None else w


def _torch_layer_norm(x: Any, shape: Any, w: Any = None, b: Any = None, **options: Any) -> Any:
    return F.layer_norm(x, shape, _present(w, b), b, **options)


def _instance(x: Any, w: Any, b: Any, **options: Any) -> Any:
    return N.instance_norm(x, None, None, w, b, **options)


def _torch_instance(x: Any, w: Any, b: Any, **options: Any) -> Any:
    return F.instance_norm(x, None, None, _present(w, b), b, **options)


def _with_running(fn: Callable[..., Any]) -> Callable[..., Any]:
    """fn with constant running statistics of x's kind."""

    def evaluate(x: Any, w: Any, b: Any, **options: Any) -> Any:
        if isinstance(x, Tensor):
            backend = backend_of(x.array)
            running = [Tensor(backend.asarray(v, x.dtype)) for v in (MEAN, VAR)]
        else:
            running = [torch.tensor(v, dtype=x.dtype) for v in (MEAN, VAR)]
            w = _present(w, b)
        return fn(x, *running, w, b, False, **options)

    return evaluate


_FUSED = (Normalize, Standardize, Project)

CASES = [
    OpCase("batch_norm training", _FUSED, _training, _torch_training, _channels, headroom=4),
    OpCase(
        "batch_norm evaluation",
        (),
        _with_running(N.batch_norm),
        _with_running(F.batch_norm),
        _channels,
        headroom=4,
    ),
    OpCase("layer_norm", _FUSED, N.layer_norm, _torch_layer_norm, _layers, headroom=4),
    OpCase("group_norm", _FUSED, N.group_norm, F.group_norm, _groups, headroom=4),
    OpCase("instance_norm", _FUSED, _instance, _torch_instance, _instances, headroom=4),
]
