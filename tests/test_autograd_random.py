"""Random graphs against the plainest possible autograd: forward mode over scalars."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from nnlite.autograd import Tensor, backward, grad, no_grad
from nnlite.ops import pointwise

SIZE = 3


class Dual:
    """Values, and their derivatives by each leaf element: a dict from leaf to (SIZE, SIZE)."""

    def __init__(self, value, tangents):
        self.value, self.tangents = value, tangents

    def map(self, value, slope):
        return Dual(value, {k: slope[:, None] * d for k, d in self.tangents.items()})

    def join(self, other, value, mine, theirs):
        a, b = self.map(value, mine).tangents, other.map(value, theirs).tangents
        return Dual(value, {k: a.get(k, 0) + b.get(k, 0) for k in {**a, **b}})


OPS = {
    "add": (lambda x, y: x + y, lambda a, b: a.join(b, a.value + b.value, one(a), one(b))),
    "sub": (lambda x, y: x - y, lambda a, b: a.join(b, a.value - b.value, one(a), -one(b))),
    "mul": (lambda x, y: x * y, lambda a, b: a.join(b, a.value * b.value, b.value, a.value)),
    "half": (lambda x, y: x * 0.5, lambda a, b: a.map(a.value * 0.5, one(a) * 0.5)),
    "neg": (lambda x, y: -x, lambda a, b: a.map(-a.value, -one(a))),
    "exp": (
        lambda x, y: pointwise.exp(x * 0.01),
        lambda a, b: a.map(np.exp(a.value * 0.01), 0.01 * np.exp(a.value * 0.01)),
    ),
    "detach": (lambda x, y: x.detach(), lambda a, b: Dual(a.value, {})),
}


def one(a: Dual) -> np.ndarray:
    return np.ones(SIZE)


def check(leaves: list[Tensor], outs: list[Tensor], duals: list[Dual]) -> None:
    """grad of sum(out * v) by each leaf, against v @ Jacobian."""
    picked = [(o, d) for o, d in zip(outs, duals, strict=True) if o.requires_grad]
    if not picked:
        return
    rng = np.random.default_rng(len(outs))
    vs = [rng.uniform(-1, 1, SIZE) for _ in picked]
    found = grad(
        [o for o, _ in picked],
        leaves,
        [Tensor(v) for v in vs],
        retain_graph=True,
        materialize_grads=True,
    )
    for k, g in enumerate(found):
        expected = sum(
            v @ d.tangents.get(k, np.zeros((SIZE, SIZE)))
            for v, (_, d) in zip(vs, picked, strict=True)
        )
        scale = 1 + np.abs(expected).max()
        np.testing.assert_allclose(g.array, expected, rtol=1e-9, atol=1e-9 * scale)


@settings(max_examples=100, derandomize=True, deadline=None, database=None)
@given(
    st.integers(1, 3),
    st.lists(
        st.tuples(st.sampled_from(sorted(OPS)), st.integers(0, 99), st.integers(0, 99)),
        min_size=1,
        max_size=40,
    ),
    st.lists(st.integers(0, 99), min_size=1, max_size=4),
)
def test_random_graphs(n_leaves, steps, roots) -> None:
    rng = np.random.default_rng(n_leaves)
    leaves = [Tensor(rng.uniform(-1, 1, SIZE), True) for _ in range(n_leaves)]
    nodes: list[Tensor] = list(leaves)
    duals = [Dual(x.array, {k: np.eye(SIZE)}) for k, x in enumerate(leaves)]
    for name, i, j in steps:
        ours, theirs = OPS[name]
        i, j = i % len(nodes), j % len(nodes)
        x, y, a, b = nodes[i], nodes[j], duals[i], duals[j]
        if max(np.abs(a.value).max(), np.abs(b.value).max()) > 1e3:
            continue
        nodes.append(ours(x, y))
        duals.append(theirs(a, b))
        np.testing.assert_allclose(nodes[-1].array, duals[-1].value, rtol=1e-12, atol=1e-300)
    check(leaves, [nodes[r % len(nodes)] for r in roots], [duals[r % len(nodes)] for r in roots])


class Graph(RuleBasedStateMachine):
    """Steps in any order: ops, backward with and without keeping the graph, updates of leaves."""

    def __init__(self) -> None:
        super().__init__()
        rng = np.random.default_rng(0)
        self.leaves = [Tensor(rng.uniform(-1, 1, SIZE), True) for _ in range(2)]
        self.expected = [None, None]
        self.restart()

    def restart(self) -> None:
        self.nodes: list[Tensor] = list(self.leaves)
        self.duals = [Dual(x.array.copy(), {k: np.eye(SIZE)}) for k, x in enumerate(self.leaves)]

    @rule(name=st.sampled_from(sorted(OPS)), i=st.integers(0, 99), j=st.integers(0, 99))
    def op(self, name, i, j) -> None:
        i, j = i % len(self.nodes), j % len(self.nodes)
        a, b = self.duals[i], self.duals[j]
        if max(np.abs(a.value).max(), np.abs(b.value).max()) > 1e3:
            return
        self.nodes.append(OPS[name][0](self.nodes[i], self.nodes[j]))
        self.duals.append(OPS[name][1](a, b))

    @rule(i=st.integers(0, 99), keep=st.booleans())
    def run_backward(self, i, keep) -> None:
        i %= len(self.nodes)
        if not self.nodes[i].requires_grad:
            return
        v = np.arange(1.0, SIZE + 1)
        backward(self.nodes[i], Tensor(v), retain_graph=keep)
        for k, tangent in self.duals[i].tangents.items():
            self.expected[k] = v @ tangent + (0 if self.expected[k] is None else self.expected[k])
        if not keep:
            self.restart()

    @rule(i=st.integers(0, 99))
    def ask_grad(self, i) -> None:
        i %= len(self.nodes)
        check(self.leaves, [self.nodes[i]], [self.duals[i]])

    @rule(k=st.integers(0, 1))
    def update(self, k) -> None:
        with no_grad():
            self.leaves[k].data = self.leaves[k].array * 0.9
        self.restart()

    @rule(k=st.integers(0, 1))
    def clear(self, k) -> None:
        self.leaves[k].grad = None
        self.expected[k] = None

    @invariant()
    def gradients_are_right(self) -> None:
        for x, expected in zip(self.leaves, self.expected, strict=True):
            assert (x.grad is None) == (expected is None)
            if expected is not None:
                scale = 1 + np.abs(expected).max()
                np.testing.assert_allclose(x.grad.array, expected, rtol=1e-9, atol=1e-9 * scale)


def test_any_sequence_of_steps() -> None:
    run_state_machine_as_test(
        Graph,
        settings=settings(
            max_examples=60, stateful_step_count=50, derandomize=True, deadline=None, database=None
        ),
    )
