"""What check_op finds out about an op: its Jacobian, as backward says and as differences say."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from nnlite.autograd.checks.naming import name_fault
from nnlite.autograd.checks.numeric import (
    Numbers,
    as_list,
    difference,
    fresh_leaves,
    is_close,
    is_same,
    like,
    numbers,
    refined,
)
from nnlite.autograd.checks.point import Fault, Point
from nnlite.autograd.engine import grad
from nnlite.autograd.tensor import Tensor
from nnlite.backend import Generator, is_float
from nnlite.errors import NnliteError

_MOST = 64  # elements of a tensor that are moved, or asked for their gradient


@dataclass
class Evidence:
    """The two Jacobians at one point, and what else was noticed there.

    Attributes:
        points: at the inputs, and at other inputs a little nearer to 0.
        outputs: how many output elements take part.
        sampled: not all elements were looked at.
        kinks: some numeric values are those of one side only.
    """

    points: list[Point] = field(default_factory=list)
    outputs: int = 0
    sampled: bool = False
    kinks: bool = False


def largest_error(found: Evidence) -> float:
    """The largest |analytic - numeric| / (1 + |numeric|) at the inputs."""
    errors = [
        np.abs(a - n) / (1 + np.abs(n))
        for point in found.points[:1]
        for a, n in zip(point.analytic, point.numeric, strict=True)
    ]
    return max((float(e.max()) for e in errors if e.size), default=0.0)


class Probe:
    """An op under examination."""

    def __init__(
        self, fn: Callable[..., Any], checked: list[int], rtol: float, atol: float
    ) -> None:
        self.fn, self.checked, self.rtol, self.atol = fn, checked, rtol, atol

    def values(self, args: Sequence[Any]) -> list[Numbers]:
        """The checked inputs' numbers."""
        return [numbers(args[i]) for i in self.checked]

    def examine(self, args: list[Any]) -> Evidence | Fault:
        """The evidence at these arguments where all is right, else the fault."""
        self.rng = Generator().manual_seed(0).numpy
        others = self._elsewhere(args)
        if others is not None:
            self._call(others)  # what an op keeps from its first call must not matter
        xs = fresh_leaves(args)
        before = [numbers(x) for x in xs]
        everything = self._call(xs)
        changed = self._changed(before, xs, "forward")
        if changed is not None:
            return changed
        outs = [out for out in everything if out.requires_grad]
        if not outs:
            return self._outside(args, everything)
        first = [numbers(out) for out in outs]
        again = [numbers(out) for out in self._call(fresh_leaves(args)) if out.requires_grad]
        if not all(is_same(a, b, 0.0) for a, b in zip(first, again, strict=True)):
            return Fault(
                "random",
                "forward gives another result at each call",
                hint="draw random numbers from a generator that is seeded in each call",
            )
        found = Evidence(outputs=sum(out.array.size for out in outs))
        try:
            fault = self._compare(args, others, xs, outs, found)
        except Exception as error:  # the user's backward may raise anything
            return _of_backward(error)
        return found if fault is None else fault

    # -- evidence --------------------------------------------------------------------------

    def _compare(
        self, args: list[Any], others: list[Any] | None, xs: list[Any], outs: Any, found: Evidence
    ) -> Fault | None:
        cotangents = [self.rng.uniform(0.5, 1.5, out.shape) for out in outs]
        held = [like(out, v.copy()) for out, v in zip(outs, cotangents, strict=True)]
        before = [numbers(x) for x in xs]
        plain = self._vjp(xs, outs, held)
        changed = self._changed(before, xs, "backward")
        if changed is not None:
            return changed
        if not all(is_same(v, numbers(h), 0.0) for v, h in zip(cotangents, held, strict=True)):
            return Fault(
                "gy in place",
                "backward changes gy in place",
                hint="gy belongs to others too: compute a new array from it",
            )
        twice = [like(out, 2 * v) for out, v in zip(outs, cotangents, strict=True)]
        double = self._vjp(xs, outs, twice)
        point = self._point(args, xs, outs, found)
        point.ignores_gy = [
            bool(a.any()) and is_same(a, b, 0.0) for a, b in zip(plain, double, strict=True)
        ]
        found.points.append(point)
        wrong = [self._wrong(a, n) for a, n in zip(point.analytic, point.numeric, strict=True)]
        if not any(w.any() for w in wrong):
            if any(point.ignores_gy) or not self._linear(plain, double):
                return name_fault(found.points, wrong)
            return self._overwritten(args, others, point)
        found.kinks = self._forgive_kinks(args, point, wrong)
        if not any(w.any() for w in wrong):
            return None
        if others is not None:
            leaves = fresh_leaves(others)
            outs = [out for out in self._call(leaves) if out.requires_grad]
            found.points.append(self._point(others, leaves, outs, found))
        return self._overwritten(args, others, point) or name_fault(found.points, wrong)

    def _linear(self, plain: list[Numbers], double: list[Numbers]) -> bool:
        return all(
            bool(is_close(2 * a, b, self.rtol, self.atol).all())
            for a, b in zip(plain, double, strict=True)
        )

    def _overwritten(self, args: list[Any], others: list[Any] | None, point: Point) -> Fault | None:
        """Whether a later call of the op changes the gradient of an earlier one."""
        if others is None:
            return None
        xs = fresh_leaves(args)
        outs = [out for out in self._call(xs) if out.requires_grad]
        self._call(fresh_leaves(others))
        after = self._analytic(xs, outs, point.rows)
        pairs = zip(after, point.analytic, point.columns, strict=True)
        if not any(self._wrong(a[:, c], b).any() for a, b, c in pairs):
            return None
        return Fault(
            "stale",
            "the gradient is made of values of a later call: what forward saved was overwritten",
            hint="save on ctx (ctx.save_for_backward), never on the class or in a global",
        )

    def _point(self, args: list[Any], xs: list[Any], outs: list[Tensor], found: Evidence) -> Point:
        sizes = [out.array.size for out in outs]
        rows, columns = self._some(sum(sizes)), [self._some(x.size) for x in self.values(args)]
        found.sampled = len(rows) < sum(sizes) or any(
            len(c) < x.size for c, x in zip(columns, self.values(args), strict=True)
        )
        analytic = [a[:, c] for a, c in zip(self._analytic(xs, outs, rows), columns, strict=True)]
        numeric = []
        for i, c, x in zip(self.checked, columns, self.values(args), strict=True):
            f = self._along(args, i)
            parts = [self._slope(f, x, int(k))[rows] for k in c]
            numeric.append(np.array(parts).reshape(len(c), len(rows)).T)
        for i, (a, n) in enumerate(zip(analytic, numeric, strict=True)):
            for k in np.flatnonzero(self._wrong(a, n).any(axis=0)):
                x = self.values(args)[i]
                f = self._along(args, self.checked[i])
                n[:, k] = refined(f, x, _unit(x, int(columns[i][k])))[rows]
        shapes = [out.shape for out in outs]
        ys = np.concatenate([numbers(out).ravel() for out in outs])[rows]
        return Point(self.values(args), columns, shapes, rows, ys, analytic, numeric, self.checked)

    def _some(self, n: int) -> Numbers:
        return np.arange(n) if n <= _MOST else np.sort(self.rng.permutation(n)[:_MOST])

    def _analytic(self, xs: list[Any], outs: list[Tensor], rows: Numbers) -> list[Numbers]:
        ends = np.cumsum([0, *(out.array.size for out in outs)])
        found: list[list[Numbers]] = [[] for _ in self.checked]
        for row in rows:
            vs = [np.zeros(out.shape) for out in outs]
            k = int(np.searchsorted(ends, row, "right")) - 1
            vs[k].reshape(-1)[row - ends[k]] = 1.0
            gradients = self._vjp(xs, outs, [like(o, v) for o, v in zip(outs, vs, strict=True)])
            for part, g in zip(found, gradients, strict=True):
                part.append(g.ravel())
        return [
            np.array(part).reshape(len(rows), xs[i].array.size)
            for part, i in zip(found, self.checked, strict=True)
        ]

    def _slope(self, f: Callable[[Numbers], Numbers], x: Numbers, k: int) -> Numbers:
        return difference(f, x, _unit(x, k), 1e-6)[0]

    def _forgive_kinks(self, args: list[Any], point: Point, wrong: list[Numbers]) -> bool:
        """Where the slopes on both sides differ, any value between them is right."""
        met = False
        for n, i in enumerate(self.checked):
            f, x = self._along(args, i), self.values(args)[n]
            here = f(x)[point.rows]
            for k in np.flatnonzero(wrong[n].any(axis=0)):
                step = 1e-6 * _unit(x, int(point.columns[n][k]))
                left, right = (here - f(x - step)[point.rows]) / 1e-6, f(x + step)[point.rows]
                right = (right - here) / 1e-6
                low, high, a = np.minimum(left, right), np.maximum(left, right), point.analytic[n]
                slack = 1e-3 * (1 + np.abs(low) + np.abs(high))
                at_kink = (
                    (high - low > slack) & (a[:, k] >= low - slack) & (a[:, k] <= high + slack)
                )
                met |= bool((wrong[n][:, k] & at_kink).any())
                wrong[n][:, k] &= ~at_kink
        return met

    # -- calls -----------------------------------------------------------------------------

    def _call(self, xs: Sequence[Any]) -> list[Tensor]:
        return [
            out for out in as_list(self.fn(*xs)) if isinstance(out, Tensor) and is_float(out.dtype)
        ]

    def _vjp(self, xs: list[Any], outs: list[Tensor], vs: list[Tensor]) -> list[Numbers]:
        wanted = [xs[i] for i in self.checked]
        found = grad(outs, wanted, vs, retain_graph=True, allow_unused=True)
        return [
            np.zeros(x.shape) if g is None else numbers(g)
            for g, x in zip(found, wanted, strict=True)
        ]

    def _along(self, args: list[Any], i: int) -> Callable[[Numbers], Numbers]:
        def f(x: Numbers) -> Numbers:
            xs = fresh_leaves(args)
            xs[i] = like(xs[i], x).requires_grad_()
            outs = self._call(xs)
            kept = [out for out in outs if out.requires_grad] or outs
            return np.concatenate([numbers(out).ravel() for out in kept])

        return f

    def _elsewhere(self, args: list[Any]) -> list[Any] | None:
        """Arguments of the same signs nearer to 0, at which the op works."""
        for low, high in ((0.5, 0.9), (0.99, 0.995)):
            xs = fresh_leaves(args)
            for i in self.checked:
                x = numbers(xs[i])
                xs[i] = like(xs[i], x * self.rng.uniform(low, high, x.shape)).requires_grad_()
            try:
                outs = self._call(xs)
            except Exception:  # outside the op's domain
                continue
            if all(np.isfinite(numbers(out)).all() for out in outs):
                return xs
        return None

    # -- other faults ----------------------------------------------------------------------

    def _wrong(self, analytic: Numbers, numeric: Numbers) -> Numbers:
        wrong: Numbers = ~is_close(analytic, numeric, self.rtol, self.atol)
        return wrong & ~(np.isnan(analytic) & np.isnan(numeric))

    def _changed(self, before: list[Any], xs: list[Any], when: str) -> Fault | None:
        for i, (a, x) in enumerate(zip(before, xs, strict=True)):
            if isinstance(x, Tensor) and not is_same(a, numbers(x), 0.0):
                return Fault(
                    "in place",
                    f"{when} changes inputs[{i}] in place",
                    hint="compute a new array; an input belongs to the caller",
                )
        return None

    def _outside(self, args: list[Any], outs: list[Tensor]) -> Evidence | Fault:
        """No output is in the graph: right only for an op whose result is constant."""
        for i, x in zip(self.checked, self.values(args), strict=True):
            f = self._along(args, i)
            for k in range(min(x.size, _MOST)) if outs else ():
                if np.abs(self._slope(f, x, k)).max(initial=0.0) > self.atol:
                    return Fault(
                        "outside",
                        f"the result is outside the graph, though it depends on inputs[{i}]",
                        hint="backward is never called: use MyOp.apply(x), not MyOp.forward, and "
                        "no detach(), no_grad() or .array on the way",
                    )
        return Evidence()


def _unit(x: Numbers, k: int) -> Numbers:
    e = np.zeros(x.shape)
    e.reshape(-1)[k] = 1.0
    return e


def _of_backward(error: Exception) -> Fault:
    """The fault behind an error that backward raised, or that the engine raised about it."""
    expected = error.expected if isinstance(error, NnliteError) else ""
    got = error.got if isinstance(error, NnliteError) else str(error)
    count = re.match(r"(\d+) gradients", expected)
    if count and got.isdigit():
        missing = int(count[1]) - int(got)
        size = {1: "one gradient too few", -1: "one gradient too many"}.get(
            missing, f"{abs(missing)} gradients too {'few' if missing > 0 else 'many'}"
        )
        return Fault(
            "count",
            f"backward returns {size}",
            expected,
            got,
            hint="return one per argument of forward, None for those that are no Tensors",
        )
    shapes = [_shape(re.search(r"\(([\d, ]*)\)", text)) for text in (expected, got)]
    if "as the input has" in expected and shapes[0] is not None and shapes[1] is not None:
        return _of_shapes(shapes[0], shapes[1])
    if got == "None":
        return Fault("count", f"backward returns None: {error}", hint="return its gradient")
    return Fault(
        "raised",
        f"backward raises {type(error).__name__}: {str(error)[:200]}",
        hint="run y.backward() by itself to see where",
    )


def _shape(found: re.Match[str] | None) -> tuple[int, ...] | None:
    return tuple(int(n) for n in found[1].split(",") if n.strip()) if found else None


def _of_shapes(wanted: tuple[int, ...], got: tuple[int, ...]) -> Fault:
    expected, given = f"a gradient of shape {wanted}", f"shape {got}"
    if sorted(wanted) == sorted(got):
        text, key = "the gradient is transposed", "transposed"
        hint = "its shape must be that of the input: swap the factors, or transpose the result"
    elif math.prod(got) < math.prod(wanted):
        text, key = "the gradient is too small: it was not spread out again", "spread"
        hint = "each summed element gets the gradient of the sum: expand gy to the input's shape"
    else:
        text, key = "the gradient has a shape of its own: a sum is missing", "sum"
        hint = "sum over the dimensions along which forward repeated the input"
    return Fault(key, text, expected, given, hint)
