"""Deep graphs: no recursion anywhere, and time linear in the number of ops."""

from __future__ import annotations

import subprocess
import sys

import pytest

CHAIN = """
import gc, sys, time
import numpy as np
from nnlite.autograd import Tensor, grad
import nnlite.ops
sys.setrecursionlimit(200)
gc.disable()

def chain(n):
    begin = time.perf_counter()
    x = Tensor(np.ones(1), True)
    y = x
    for k in range(n):
        y = y + x if k % 2 else y * 1.0
    y.backward(Tensor(np.ones(1)))
    assert x.grad.array == [1 + n // 2], x.grad.array
    g, = grad((x * 2) * 3, x, Tensor(np.ones(1)))
    del y
    return time.perf_counter() - begin

def unused(n):
    x = Tensor(np.ones(1), True)
    y = x
    for _ in range(n):
        y = y * 1.0
    del y          # never went through backward: the whole graph is freed here

def partial(n):
    x = Tensor(np.ones(1), True)
    z = y = x * 1.0
    for _ in range(n):
        y = y * 1.0
    assert grad(y, z, Tensor(np.ones(1)))[0].array == [1.0]

chain(1000)
small = min(chain(100_000) for _ in range(2))
large = min(chain(200_000) for _ in range(2))
unused(200_000)
partial(100_000)
assert large < 4 * small, (small, large)
"""

SKIPS = """
import random, sys
import numpy as np
from nnlite.autograd import Tensor
import nnlite.ops
sys.setrecursionlimit(200)
random.seed(0)
n = 100_000
x = Tensor(np.ones(1), True)
nodes, counts = [x], [1]      # counts[i]: d nodes[i] / dx, scaled as the nodes are
for _ in range(n):
    a = len(nodes) - 1
    near = random.random() < 0.9
    b = random.randrange(max(0, a - 50) if near else 0, a + 1)
    nodes.append(nodes[a] * 0.5 + nodes[b] * 0.5)
    counts.append(counts[a] * 0.5 + counts[b] * 0.5)
y = nodes[-1]
y.backward(Tensor(np.ones(1)))
assert abs(x.grad.array[0] - counts[-1]) < 1e-9
del nodes, y
"""


@pytest.mark.parametrize("script", [CHAIN, SKIPS], ids=["chain", "skips"])
def test_deep_graph(script: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-2000:]
