"""Gradient checks: is a backward the derivative of its forward?

The conditions are those of torch.autograd.gradcheck; the numerics are in numeric.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np

from nnlite.autograd.checks.numeric import (
    Numbers,
    as_list,
    difference,
    do_overlap,
    fresh_leaves,
    index_text,
    is_close,
    is_same,
    like,
    numbers,
    refined,
    strided,
)
from nnlite.autograd.engine import grad
from nnlite.autograd.modes import enable_grad
from nnlite.autograd.roots import gradcheck_inputs
from nnlite.autograd.tensor import Tensor
from nnlite.backend import Generator, is_float, quiet
from nnlite.errors import GradcheckError

Outputs: TypeAlias = Tensor | Sequence[Tensor]


def gradcheck(
    fn: Callable[..., Outputs],
    inputs: Tensor | Sequence[Any],
    *,
    eps: float = 1e-6,
    atol: float = 1e-8,
    rtol: float = 1e-6,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    fast_mode: bool = False,
) -> bool:
    """Check the gradients of fn against finite differences, element by element.

    For each output element j and input element i the analytic d out_j / d in_i must satisfy
    ``|analytic - numeric| <= atol + rtol * max(|analytic|, |numeric|)``. Further conditions:

    - a second run gives the same outputs and gradients to the bit (or within nondet_tol), even
      where fn was called with other values in between;
    - a random cotangent gives the same through a non-contiguous array; a cotangent of zeros gives
      zeros; cotangents of several outputs together give the sum of each alone;
    - each gradient has the shape, dtype and device of its input;
    - inputs, outputs and cotangents are not changed, and no gradient shares memory with another,
      with an input, an output or the cotangent.

    Args:
        fn: takes the inputs, returns a Tensor or several. Random functions must draw the same
            numbers at each call.
        inputs: a Tensor or a sequence of arguments. The float64 Tensors among them that require a
            gradient are checked, anything else is passed on.
        eps: first step of the differences.
        check_undefined_grad: outputs are checked alone, the others without a cotangent (a Function
            with set_materialize_grads(False) gets None); else the others have zeros.
        raise_exception: raise GradcheckError; else return False.
        fast_mode: compare one random projection, u^T J v, instead of the whole Jacobian.

    Returns:
        True where all conditions hold.

    Raises:
        GradcheckError: names the input, the element, the analytic and the numeric value.
        DtypeError: an input that requires a gradient is not float64.
        ArgumentError: no input requires a gradient, or one overlaps itself in memory.
    """
    check = _Check("gradcheck", fn, inputs, eps, atol, rtol, nondet_tol, fast_mode)
    check.undefined = check_undefined_grad
    return _report(check.run, raise_exception)


def gradgradcheck(
    fn: Callable[..., Outputs],
    inputs: Tensor | Sequence[Any],
    grad_outputs: Tensor | Sequence[Tensor] | None = None,
    *,
    eps: float = 1e-6,
    atol: float = 1e-8,
    rtol: float = 1e-6,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    fast_mode: bool = False,
) -> bool:
    """Check second derivatives: the gradients of fn, made with create_graph, pass gradcheck.

    Args:
        fn, inputs and the further arguments: as for gradcheck.
        grad_outputs: the cotangents of fn's outputs at which to check; default: random ones.

    Raises:
        GradcheckError, DtypeError, ArgumentError: as gradcheck.
        DoubleBackwardError: fn contains an op without a second derivative.
    """
    args = gradcheck_inputs("gradgradcheck", inputs)
    with enable_grad():
        outputs = [out for out in as_list(fn(*fresh_leaves(args))) if out.requires_grad]
    if grad_outputs is None:
        rng = Generator().manual_seed(1)
        given = [like(out, rng.numpy.uniform(0.5, 1.5, out.shape)) for out in outputs]
    else:
        given = [
            like(out, numbers(g)) for out, g in zip(outputs, as_list(grad_outputs), strict=True)
        ]
    for cotangent in given:
        cotangent.requires_grad_()
    checked = [i for i, x in enumerate(args) if isinstance(x, Tensor) and x.requires_grad]

    def gradients(*arguments: Any) -> list[Tensor]:
        xs, cotangents = arguments[: len(args)], arguments[len(args) :]
        outs = [out for out in as_list(fn(*xs)) if out.requires_grad]
        found = (
            grad(
                outs,
                [xs[i] for i in checked],
                cotangents,
                create_graph=True,
                materialize_grads=True,
            )
            if outs
            else ()
        )
        return [g for g in found if g is not None]

    check = _Check(
        "gradgradcheck", gradients, [*args, *given], eps, atol, rtol, nondet_tol, fast_mode
    )
    check.constants_too = True
    check.undefined = check_undefined_grad
    return _report(check.run, raise_exception)


def _report(run: Callable[[], None], raise_exception: bool) -> bool:
    try:
        with enable_grad(), quiet():
            run()
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


class _Check:
    """One check: the function, where, how exactly, and the conditions one by one."""

    constants_too = False  # floating outputs outside the graph must be constant
    undefined = True  # outputs may be left without a cotangent

    def __init__(
        self,
        op: str,
        fn: Callable[..., Outputs],
        inputs: Tensor | Sequence[Any],
        eps: float,
        atol: float,
        rtol: float,
        nondet_tol: float,
        fast: bool,
    ) -> None:
        self.op, self.fn, self.args = op, fn, gradcheck_inputs(op, inputs)
        self.eps, self.atol, self.rtol = eps, atol, rtol
        self.nondet_tol, self.fast = nondet_tol, fast
        self.rng = Generator().manual_seed(0).numpy
        self.checked = [
            i for i, x in enumerate(self.args) if isinstance(x, Tensor) and x.requires_grad
        ]

    def run(self) -> None:
        self.call(self.elsewhere())  # what fn keeps from its first call must not matter
        xs = fresh_leaves(self.args)
        before = [numbers(x) for x in xs]
        everything = self.call(xs)
        outs = [out for out in everything if out.requires_grad]
        for k, out in enumerate(everything if self.constants_too or not outs else ()):
            if not out.requires_grad and is_float(out.dtype):
                self.check_constant(k)
        after = [numbers(out) for out in outs]
        for k, out in enumerate(everything):
            if out.requires_grad:
                self.check_jacobian(xs, outs, out, k)
        cotangents = [like(o, self.rng.uniform(0.5, 1.5, o.shape)) for o in outs]
        if outs:
            first = self.gradients(outs, xs, cotangents)
            self.check_rerun(after, cotangents, first)
            self.check_cotangents(outs, xs, cotangents, first)
            self.check_sum(outs, xs, cotangents, first)
        self.check_unchanged("an input", before, xs)
        self.check_unchanged("an output", after, outs)

    # -- calls -----------------------------------------------------------------------------

    def call(self, xs: Sequence[Any]) -> list[Tensor]:
        return as_list(self.fn(*xs))

    def elsewhere(self) -> list[Any]:
        """The arguments at another point, a little nearer to 0."""
        xs = fresh_leaves(self.args)
        for i in self.checked:
            x = numbers(xs[i])
            xs[i] = like(xs[i], x * (1 - 0.01 * self.rng.uniform(0.5, 1, x.shape)))
            xs[i].requires_grad_()
        return xs

    def gradients(
        self, outs: list[Tensor], xs: list[Any], cotangents: list[Tensor]
    ) -> list[Numbers]:
        """The vector-Jacobian product for each checked input, with all that must hold for one."""
        before = [numbers(v) for v in cotangents]
        wanted = [xs[i] for i in self.checked]
        found = grad(outs, wanted, cotangents, retain_graph=True, allow_unused=True)
        self.check_unchanged("the cotangent", before, cotangents)
        results = []
        others = [*cotangents, *outs, *(x for x in xs if isinstance(x, Tensor))]
        for i, x, g in zip(self.checked, wanted, found, strict=True):
            if g is None:
                results.append(np.zeros(x.shape))
                continue
            for what in ("shape", "dtype", "device"):
                if getattr(g, what) != getattr(x, what):
                    self.fail(i, f"{what} {getattr(x, what)}", f"{what} {getattr(g, what)}")
            if any(do_overlap(g, other) for other in others):
                self.fail(
                    i,
                    "a gradient with memory of its own",
                    "one that shares memory with another tensor",
                )
            others.append(g)
            results.append(numbers(g))
        return results

    # -- conditions ------------------------------------------------------------------------

    def alone(self, outs: list[Tensor], xs: list[Any], out: Tensor, v: Numbers) -> list[Numbers]:
        """The gradients for a cotangent of one output; the others have none, or zeros."""
        if self.undefined:
            return self.gradients([out], xs, [like(out, v)])
        cotangents = [like(o, v if o is out else np.zeros(o.shape)) for o in outs]
        return self.gradients(outs, xs, cotangents)

    def check_jacobian(self, xs: list[Any], outs: list[Tensor], out: Tensor, position: int) -> None:
        if self.fast:
            cotangents = [self.rng.uniform(0.5, 1.5, out.shape)]
        else:
            cotangents = [e.reshape(out.shape) for e in np.eye(out.array.size)]
        rows = [self.alone(outs, xs, out, v) for v in cotangents]
        for n, i in enumerate(self.checked):
            x = self.args[i]
            analytic = np.array([row[n].ravel() for row in rows]).reshape(len(rows), x.array.size)
            if self.fast:
                directions = [self.rng.uniform(0.5, 1.5, x.shape)]
            else:
                directions = [e.reshape(x.shape) for e in np.eye(x.array.size)]
            weights = np.array([v.ravel() for v in cotangents]).reshape(len(rows), out.array.size)
            for column, direction in enumerate(directions):
                found = analytic @ direction.ravel() if self.fast else analytic[:, column]
                self.compare(i, position, column, direction, weights, found)

    def compare(
        self, i: int, k: int, column: int, direction: Numbers, weights: Numbers, analytic: Numbers
    ) -> None:
        """Analytic derivatives of output k along a direction of input i against measured ones."""
        f, x = self.along(i, k), numbers(self.args[i])
        numeric = self.project(weights, difference(f, x, direction, self.eps)[0])
        if not is_close(analytic, numeric, self.rtol, self.atol).all():
            numeric = self.project(weights, refined(f, x, direction))
        wrong = ~is_close(analytic, numeric, self.rtol, self.atol)
        if not wrong.any():
            return
        distance = np.where(wrong, np.nan_to_num(np.abs(analytic - numeric), nan=np.inf), -1.0)
        row = int(distance.argmax())
        if self.fast:
            where = f"the projection of output {k} along a random direction"
        else:
            out_shape = self.call(fresh_leaves(self.args))[k].shape
            at = index_text(column, self.args[i].shape)
            where = f"d output {k}{index_text(row, out_shape)} / d inputs[{i}]{at}"
        self.fail(
            i,
            f"{where} = {numeric[row]:.10g} (numeric)",
            f"{analytic[row]:.10g} (analytic); {int(wrong.sum())} of {wrong.size} outputs differ",
        )

    def project(self, weights: Numbers, derivative: Numbers) -> Numbers:
        return weights @ derivative.ravel() if self.fast else derivative.ravel()

    def along(self, i: int, k: int) -> Callable[[Numbers], Numbers]:
        """Output k as a function of input i alone, on NumPy's numbers."""

        def f(x: Numbers) -> Numbers:
            xs = fresh_leaves(self.args)
            xs[i] = like(xs[i], x).requires_grad_()
            out: Numbers = numbers(self.call(xs)[k])
            return out

        return f

    def check_constant(self, k: int) -> None:
        """An output outside the graph must not depend on any checked input."""
        for i in self.checked:
            for column in range(self.args[i].array.size):
                direction = np.zeros(self.args[i].shape)
                direction.ravel()[column] = 1.0
                size = self.call(fresh_leaves(self.args))[k].array.size
                self.compare(i, k, column, direction, np.eye(size), np.zeros(size))

    def check_rerun(
        self, outputs: list[Numbers], cotangents: list[Tensor], first: list[Numbers]
    ) -> None:
        xs = fresh_leaves(self.args)
        outs = [out for out in self.call(xs) if out.requires_grad]
        again = self.gradients(outs, xs, cotangents)
        once_more = self.gradients(outs, xs, cotangents)
        for a, out in zip(outputs, outs, strict=True):
            if not is_same(a, numbers(out), self.nondet_tol):
                self.fail(None, "the same outputs at each call", "others at the second call")
        for found in (again, once_more):
            for i, a, b in zip(self.checked, first, found, strict=True):
                if not is_same(a, b, self.nondet_tol):
                    self.fail(i, "the same gradient in each backward", "another at the second run")

    def check_cotangents(
        self, outs: list[Tensor], xs: list[Any], cotangents: list[Tensor], first: list[Numbers]
    ) -> None:
        spaced = [strided(v) for v in cotangents]
        for i, a, b in zip(self.checked, first, self.gradients(outs, xs, spaced), strict=True):
            if not is_close(a, b, self.rtol, self.atol).all():
                self.fail(i, "the same gradient for a non-contiguous cotangent", "another")
        zeros = [like(v, np.zeros(v.shape)) for v in cotangents]
        for i, g in zip(self.checked, self.gradients(outs, xs, zeros), strict=True):
            if g.any():
                self.fail(
                    i, "zeros for a cotangent of zeros", f"{g.ravel()[g.ravel() != 0][0]:.6g}"
                )

    def check_sum(
        self, outs: list[Tensor], xs: list[Any], cotangents: list[Tensor], first: list[Numbers]
    ) -> None:
        """A backward is linear: all outputs together give the sum of each alone."""
        parts = [
            self.alone(outs, xs, out, numbers(v)) for out, v in zip(outs, cotangents, strict=True)
        ]
        for n, i in enumerate(self.checked):
            total = np.sum([part[n] for part in parts], axis=0)
            if not is_close(first[n], total, self.rtol, self.atol).all():
                self.fail(i, "for all outputs together the sum of each alone", "another gradient")

    def check_unchanged(self, what: str, before: list[Any], now: Sequence[Any]) -> None:
        for n, (a, x) in enumerate(zip(before, now, strict=True)):
            if isinstance(x, Tensor) and not is_same(a, numbers(x), 0.0):
                self.fail(None, f"{what} as it was", f"{what} (number {n}) changed in place")

    def fail(self, i: int | None, expected: str, got: str) -> None:
        raise GradcheckError(
            f"{self.op} of {getattr(self.fn, '__name__', type(self.fn).__name__)}",
            "" if i is None else f"gradient of inputs[{i}]",
            expected=expected,
            got=got,
            hint="the backward is wrong, or the point lies on a kink or the function is not smooth",
        )
