"""L-BFGS: a quasi-Newton method with limited memory."""

from __future__ import annotations

from typing import Any, ClassVar

from nnlite.autograd import enable_grad, no_grad
from nnlite.autograd.tensor import wrap
from nnlite.backend import Array, array_module
from nnlite.errors import ArgumentError, DtypeError
from nnlite.optim.checks import number, plain, whole
from nnlite.optim.line_search import Point, strong_wolfe
from nnlite.optim.optimizer import Closure, Optimizer, Params


class LBFGS(Optimizer):
    """Newton steps with an inverse Hessian built from the last changes of the gradient.

    All parameters are seen as one flat vector x. An iteration takes the direction d = -H g, where H
    comes from the last history_size pairs s = change of x, y = change of the gradient (two-loop
    recursion, started with H = s·y / y·y), and moves x by t * d: t = lr, or what a line search
    finds. One step does up to max_iter iterations and calls closure for each evaluation.

    Args:
        params: parameters, one group at most, all on one device and of one dtype.
        lr: step size, >= 0; with a line search its first trial.
        max_iter: iterations per step.
        max_eval: evaluations per step; None for max_iter * 5 // 4.
        tolerance_grad: stop when no element of the gradient is larger.
        tolerance_change: stop when neither x nor the loss changes by more.
        history_size: number of pairs remembered, each twice as large as the parameters.
        line_search_fn: "strong_wolfe" or None.

    Raises:
        DtypeError, ArgumentError: see Optimizer.

    Source: Nocedal and Wright, "Numerical Optimization", algorithm 7.4, as in torch.optim.LBFGS.
    """

    _scalars: ClassVar[dict[str, type]] = {
        "func_evals": int,
        "n_iter": int,
        "t": float,
        "H_diag": float,
        "prev_loss": float,
    }

    def __init__(
        self,
        params: Params,
        lr: float = 1,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        defaults = {
            "lr": lr,
            "max_iter": max_iter,
            "max_eval": max_iter * 5 // 4 if max_eval is None else max_eval,
            "tolerance_grad": tolerance_grad,
            "tolerance_change": tolerance_change,
            "history_size": history_size,
            "line_search_fn": line_search_fn,
        }
        super().__init__(params, defaults)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """As Optimizer's, but there can be only one group.

        Raises:
            ArgumentError: a second group, or parameters of different dtypes or devices.
        """
        if self.param_groups:
            raise ArgumentError(
                "LBFGS",
                "params",
                expected="one parameter group",
                got="several",
                hint="L-BFGS sees all parameters as one vector; use one list",
            )
        super().add_param_group(param_group)
        kinds = {(str(p.device), p.dtype.name) for p in self.param_groups[0]["params"]}
        if len(kinds) != 1:
            raise ArgumentError(
                "LBFGS",
                "params",
                expected="parameters of one dtype on one device",
                got=str(sorted(kinds)) if kinds else "none",
                hint="convert the model with .float() or .double() first",
            )

    def _check_group(self, group: dict[str, Any]) -> None:
        self._check_common(group)
        for name in ("max_iter", "max_eval", "history_size"):
            group[name] = whole("LBFGS", name, group[name], 1)
        for name in ("tolerance_grad", "tolerance_change"):
            group[name] = number("LBFGS", name, group[name], 0)
        if group["line_search_fn"] not in (None, "strong_wolfe"):
            raise ArgumentError(
                "LBFGS",
                "line_search_fn",
                expected="'strong_wolfe' or None",
                got=repr(group["line_search_fn"]),
                hint="leave it out for steps of fixed size",
            )

    def _step(self, closure: Closure | None) -> Any:
        if closure is None:
            raise DtypeError(
                "LBFGS",
                "closure",
                expected="a function that returns the loss",
                got="None",
                hint="it clears the gradients, computes the loss, calls backward, returns the loss",
            )
        self._follow(self.param_groups[0]["params"][:1])
        with no_grad():
            return _Run(self, enable_grad()(closure)).step()


class _Run:
    """One call of step: the flat view of the parameters, and the loop."""

    def __init__(self, optimizer: LBFGS, closure: Closure) -> None:
        self.group = optimizer.param_groups[0]
        self.params = self.group["params"]
        self.state = optimizer.state[self.params[0]]
        self.check_gradients = optimizer._check_gradients
        self.closure = closure
        self.xp = array_module(self.params[0].array)
        self.evals = 0

    def step(self) -> Any:
        """Iterate; returns the loss before the first iteration."""
        group, state = self.group, self.state
        first_loss, loss, g = self.evaluate()
        state.setdefault("n_iter", 0)
        iterations = 0
        while iterations < group["max_iter"] and self.largest(g) > group["tolerance_grad"]:
            iterations += 1
            state["n_iter"] += 1
            d = self.direction(g)
            state["d"], state["prev_flat_grad"] = wrap(d), wrap(g)
            before = state["prev_loss"] = loss
            t = plain(group["lr"])
            if state["n_iter"] == 1:
                t *= min(1.0, 1.0 / float(self.xp.abs(g).sum()))
            state["t"] = t
            slope = self.dot(g, d)
            if slope > -group["tolerance_change"]:
                break

            if group["line_search_fn"] is not None:
                found = self.search(d, t, Point(0.0, loss, slope, g))
                t, loss, g = found.t, found.f, found.gradient
                state["t"] = t
                self.move(t, d)
            else:
                self.move(t, d)
                # The last move of a step is not evaluated: the next step does it.
                if iterations < group["max_iter"]:
                    _, loss, g = self.evaluate()

            if self.evals >= group["max_eval"]:
                break
            if abs(t) * self.largest(d) <= group["tolerance_change"]:
                break
            if abs(loss - before) < group["tolerance_change"]:
                break
        return first_loss

    def direction(self, g: Array) -> Array:
        """-H g by the two-loop recursion, after taking the last move into the history."""
        state = self.state
        if state["n_iter"] == 1:
            state.update(old_dirs=[], old_stps=[], ro=[], H_diag=1.0)
            return -g
        y = g - state["prev_flat_grad"].array
        s = state["d"].array * state["t"]
        ys = self.dot(y, s)
        if ys > 1e-10:
            for name, value in (("old_dirs", wrap(y)), ("old_stps", wrap(s)), ("ro", 1 / ys)):
                state[name].append(value)
                del state[name][: -self.group["history_size"]]
            state["H_diag"] = ys / self.dot(y, y)

        pairs = list(zip(state["old_dirs"], state["old_stps"], state["ro"], strict=True))
        q = -g
        steps = []
        for y, s, rho in reversed(pairs):
            steps.append(self.dot(s.array, q) * rho)
            q -= steps[-1] * y.array
        q *= state["H_diag"]
        for (y, s, rho), step in zip(pairs, reversed(steps), strict=True):
            q += (step - self.dot(y.array, q) * rho) * s.array
        return q

    def search(self, d: Array, t: float, start: Point) -> Point:
        """The line search along d; leaves the parameters where they were."""
        saved = [p.array.copy() for p in self.params]

        def evaluate(t: float) -> Point:
            self.move(t, d)
            _, loss, g = self.evaluate()
            for p, array in zip(self.params, saved, strict=True):
                p.array[...] = array
                p.bump_version()
            return Point(t, loss, self.dot(g, d), g)

        limit = self.group["max_eval"] - self.evals
        return strong_wolfe(evaluate, start, t, self.largest(d), max_evals=limit)[0]

    def evaluate(self) -> tuple[Any, float, Array]:
        """The loss as closure returned it, as a number, and the flat gradient."""
        self.evals += 1
        self.state["func_evals"] = self.state.get("func_evals", 0) + 1
        result = self.closure()
        self.check_gradients()
        flat = [
            self.xp.zeros_like(p.array).ravel() if p.grad is None else p.grad.array.ravel()
            for p in self.params
        ]
        return result, float(plain(result)), self.xp.concatenate(flat)

    def move(self, t: float, d: Array) -> None:
        """x += t * d."""
        start = 0
        for p in self.params:
            x = p.array
            x += t * d[start : start + x.size].reshape(x.shape)
            p.bump_version()
            start += x.size

    def dot(self, a: Array, b: Array) -> float:
        """Inner product as a Python number."""
        return float(self.xp.dot(a, b))

    def largest(self, a: Array) -> float:
        """Largest absolute element; 0 where there is none."""
        return float(self.xp.abs(a).max()) if a.size else 0.0
