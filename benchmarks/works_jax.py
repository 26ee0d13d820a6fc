"""The training step of the two MLPs in JAX, under jit: what it is beaten by, where installed."""

from __future__ import annotations

import os
from itertools import pairwise
from typing import Any

import numpy as np

from benchmarks import works

NETWORKS = {"mlp-small": (784, 40, 10), "mlp-large": (784, 512, 512, 10)}


class Library:
    """JAX, imported when its threads are set: it makes as many as there are cores."""

    def __init__(self, name: str, variant: str = "eager") -> None:
        self.name, self.variant = name, variant
        self.threads = 0

    def set_num_threads(self, n: int) -> None:
        """Leave the process n of its cores (on Linux), and import JAX."""
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:n])
        import jax

        self.jax, self.threads = jax, n

    def get_num_threads(self) -> int:
        """How many were asked for."""
        return self.threads

    def manual_seed(self, seed: int) -> None:
        """Nothing: the weights have a seed of their own."""


def training(L: Library, name: str) -> works.Call:
    """One step, compiled as a whole: loss, gradients and Adam as in PyTorch."""
    jax = L.jax
    jnp, tree = jax.numpy, jax.tree_util.tree_map
    sizes, rng = NETWORKS[name], np.random.default_rng(0)
    params: Any = [
        (rng.uniform(-1, 1, (i, o)).astype("float32") / i**0.5, np.zeros(o, "float32"))
        for i, o in pairwise(sizes)
    ]
    batch = works.NETWORKS[name][2]
    x, y = jnp.asarray(works.images(batch, (784,))), jnp.asarray(works.labels(batch))

    def loss(params: Any) -> Any:
        h = x
        for w, b in params[:-1]:
            h = jax.nn.relu(h @ w + b)
        w, b = params[-1]
        return -jax.nn.log_softmax(h @ w + b)[jnp.arange(batch), y].mean()

    def update(params: Any, m: Any, v: Any, t: Any) -> Any:
        g = jax.grad(loss)(params)
        m = tree(lambda m, g: 0.9 * m + 0.1 * g, m, g)
        v = tree(lambda v, g: 0.999 * v + 0.001 * g * g, v, g)
        rate, scale = 1e-3 / (1 - 0.9**t), 1 / (1 - 0.999**t)
        step = tree(lambda p, m, v: p - rate * m / (jnp.sqrt(scale * v) + 1e-8), params, m, v)
        return step, m, v, t + 1

    compiled = jax.jit(update, donate_argnums=(0, 1, 2))
    # one zero each: two trees that shared their arrays could not both be donated
    state = [tree(jnp.asarray, params), *(tree(jnp.zeros_like, params) for _ in range(2)), 1.0]

    def step() -> None:
        state[:] = compiled(*state)
        jax.block_until_ready(state)

    return step
