"""Points where a function has no derivative, or several choices: PyTorch's choice is ours."""

from __future__ import annotations

import math
from typing import Any

NAN, INF = math.nan, math.inf
TIES = [[1.0, 3.0, 3.0], [2.0, 2.0, 2.0], [-1.0, -1.0, -3.0]]
NANS = [[1.0, NAN, NAN], [2.0, 1.0, 0.0], [NAN, -INF, INF]]
ROWS = [[1.0, 1.0, 2.0, 2.0], [1.0, 1.0, 2.0, 2.0], [NAN, 0.0, -1.0, -1.0], [0.0, 0.0, -1.0, -1.0]]
IMAGE = [[ROWS]]
ZEROS = [0.0, -0.0]

# name, function of (library, its functional, inputs ...), the inputs
KINKS: tuple[tuple[Any, ...], ...] = (
    ("relu at 0", lambda m, f, x: f.relu(x), [*ZEROS, NAN, 1.0]),
    ("relu6 at 0 and 6", lambda m, f, x: f.relu6(x), [*ZEROS, 6.0, NAN]),
    ("leaky_relu at 0", lambda m, f, x: f.leaky_relu(x, 0.25), [*ZEROS, NAN]),
    ("hardtanh at its bounds", lambda m, f, x: f.hardtanh(x), [-1.0, 1.0, NAN]),
    ("hardsigmoid at its bounds", lambda m, f, x: f.hardsigmoid(x), [-3.0, 3.0]),
    ("hardswish at its bounds", lambda m, f, x: f.hardswish(x), [-3.0, 3.0]),
    ("elu at 0", lambda m, f, x: f.elu(x), ZEROS),
    ("celu at 0", lambda m, f, x: f.celu(x, 2.0), ZEROS),
    ("softsign at 0", lambda m, f, x: f.softsign(x), ZEROS),
    ("threshold at its bound", lambda m, f, x: f.threshold(x, 0.5, 2.0), [0.5, 0.25]),
    ("abs at 0", lambda m, f, x: m.abs(x), [*ZEROS, NAN, -INF]),
    ("sign at 0", lambda m, f, x: m.sign(x), [*ZEROS, -2.0]),
    ("sqrt at 0", lambda m, f, x: m.sqrt(x), [0.0, -1.0, INF]),
    ("rsqrt at 0", lambda m, f, x: m.rsqrt(x), [0.0, -1.0, INF]),
    ("log at 0", lambda m, f, x: m.log(x), [0.0, -1.0]),
    ("log1p at -1", lambda m, f, x: m.log1p(x), [-1.0, -2.0]),
    ("reciprocal of 0", lambda m, f, x: m.reciprocal(x), ZEROS),
    ("floor of whole numbers", lambda m, f, x: m.floor(x), [1.0, -1.0]),
    ("round half to even", lambda m, f, x: m.round(x), [0.5, 1.5, 2.5, -0.5]),
    ("clamp at its bounds", lambda m, f, x: m.clamp(x, -1.0, 1.0), [-1.0, 1.0, NAN, INF]),
    ("clamp, one bound", lambda m, f, x: m.clamp(x, min=0.0), [*ZEROS, NAN]),
    ("maximum, tie", lambda m, f, a, b: m.maximum(a, b), [1.0, NAN, 1.0], [1.0, 0.0, NAN]),
    ("minimum, tie", lambda m, f, a, b: m.minimum(a, b), [1.0, NAN, 1.0], [1.0, 0.0, NAN]),
    ("max, tie", lambda m, f, x: m.max(x), TIES),
    ("min, tie", lambda m, f, x: m.min(x), TIES),
    ("max, NaN", lambda m, f, x: m.max(x), NANS),
    ("max along dim, tie", lambda m, f, x: m.max(x, 1), TIES),
    ("max along dim, NaN", lambda m, f, x: m.max(x, 1), NANS),
    ("min along dim, tie", lambda m, f, x: m.min(x, 0), TIES),
    ("amax, tie", lambda m, f, x: m.amax(x, 1), TIES),
    ("amax, NaN", lambda m, f, x: m.amax(x, 1), NANS),
    ("amin, tie", lambda m, f, x: m.amin(x, (0, 1)), TIES),
    ("pow(0, 0)", lambda m, f, a, b: m.pow(a, b), [0.0, 0.0, 2.0], [0.0, 2.0, 0.0]),
    ("x ** 0 at 0", lambda m, f, x: x**0, [0.0, 2.0, NAN]),
    ("x ** 1 at 0", lambda m, f, x: x**1, [0.0, 2.0, NAN]),
    ("0 ** y", lambda m, f, y: m.pow(0.0, y), [0.0, 1.0, 2.0]),
    ("negative base", lambda m, f, x: x**3, [-2.0, 0.0]),
    ("norm of 0", lambda m, f, x: m.norm(x), [0.0, 0.0]),
    ("1-norm of 0", lambda m, f, x: m.norm(x, 1), [0.0, 1.0]),
    ("3-norm of 0", lambda m, f, x: m.norm(x, 3), [0.0, 0.0]),
    ("inf-norm, tie", lambda m, f, x: m.norm(x, INF), [1.0, -1.0, 0.5]),
    ("std of a constant", lambda m, f, x: m.std(x), [2.0, 2.0]),
    ("var of a constant", lambda m, f, x: m.var(x), [2.0, 2.0]),
    ("prod with one zero", lambda m, f, x: m.prod(x), [2.0, 0.0, 4.0]),
    ("prod with two zeros", lambda m, f, x: m.prod(x), [2.0, 0.0, 0.0]),
    ("prod of a zero", lambda m, f, x: m.prod(x), [0.0]),
    ("where, NaN not chosen", lambda m, f, a, b: m.where(b > 0, a, b), [NAN, 1.0], [-1.0, 2.0]),
    ("softmax of -inf", lambda m, f, x: f.softmax(x, 0), [-INF, -INF]),
    ("log_softmax far out", lambda m, f, x: f.log_softmax(x, 0), [1e4, -1e4]),
    ("logsumexp of -inf", lambda m, f, x: m.logsumexp(x, 0), [-INF, -INF]),
    ("sort, ties", lambda m, f, x: m.sort(x, dim=1, stable=True), TIES),
    ("max_pool2d, ties and NaN", lambda m, f, x: f.max_pool2d(x, 2), IMAGE),
    ("max_pool2d, overlap", lambda m, f, x: f.max_pool2d(x, 3, 1, 1), IMAGE),
    ("adaptive_max_pool2d, ties", lambda m, f, x: f.adaptive_max_pool2d(x, 3), IMAGE),
    ("l1_loss at 0", lambda m, f, a, b: f.l1_loss(a, b), [1.0, 2.0], [1.0, 0.0]),
    ("smooth_l1_loss at beta", lambda m, f, a, b: f.smooth_l1_loss(a, b), [1.0, 0.0], [0.0, 0.0]),
    ("huber_loss at delta", lambda m, f, a, b: f.huber_loss(a, b), [1.0, 0.0], [0.0, 0.0]),
    ("norm of equal points", lambda m, f, a, b: f.pairwise_distance(a, b), [[1.0]], [[1.0]]),
    ("getitem, repeated", lambda m, f, x: x[[0, 0, 1]], [1.0, 2.0]),
)
