"""Jacobians, Hessians and their products with vectors, as in ``torch.autograd.functional``.

All are built from ``grad``. One call of it gives v^T J for one v; J comes row by row from the unit
vectors. J v takes two calls: g(u) = u^T J is linear in u, so d(g . v)/du = J v, whatever u is.

func takes the inputs (Tensors) and returns a Tensor or a tuple of them. It is called on copies of
the inputs outside the graph, unless ``create_graph`` is set, so that no .grad is touched. Where
inputs is a single Tensor, so is what belongs to it in the result; where it is a tuple, a tuple is.

Common arguments:
    create_graph: record the computation of the result too, so that it can be differentiated.
    strict: refuse a result that does not depend on an input, instead of giving zeros.

Common errors:
    DtypeError: an input or output is no Tensor.
    ShapeError: v has another shape than what it is multiplied with, or func was to return one
        number and did not.
    GraphError: with strict, an output does not depend on an input.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from nnlite.autograd.derivatives import Run
from nnlite.autograd.modes import enable_grad
from nnlite.autograd.op import Op
from nnlite.autograd.tensor import Tensor, wrap
from nnlite.backend import Array, array_module
from nnlite.errors import ArgumentError

__all__ = ["hessian", "hvp", "jacobian", "jvp", "vhp", "vjp"]


class Rows(Op):
    """Arrays of one shape as the rows of one more dimension, the first.  d/dx_i = gy[i]."""

    @staticmethod
    def forward(ctx: Any, *xs: Array) -> Array:
        return array_module(xs[0]).stack(xs)

    @staticmethod
    def backward(ctx: Any, gy: Any) -> Any:
        return tuple([gy[i] if need else None for i, need in enumerate(ctx.needs_input_grad)])


# -- products --------------------------------------------------------------------------------


def vjp(
    func: Callable[..., Any],
    inputs: Any,
    v: Any = None,
    create_graph: bool = False,
    strict: bool = False,
) -> tuple[Any, Any]:
    """(func(inputs), v^T J): one backward.

    Args:
        v: of the outputs' shapes; may be left out where func returns one number.
    """
    run = Run("vjp", func, inputs, create_graph, strict)
    outputs = run.outputs()
    vs = run.vector(v, outputs, "func's output")
    product = run.gradients(outputs, run.inputs, vs, create_graph)
    return run.like_outputs(outputs), run.like_inputs(product)


def jvp(
    func: Callable[..., Any],
    inputs: Any,
    v: Any = None,
    create_graph: bool = False,
    strict: bool = False,
) -> tuple[Any, Any]:
    """(func(inputs), J v): the derivative along v, by two backwards.

    Args:
        v: of the inputs' shapes; may be left out where the input is one number.
    """
    run = Run("jvp", func, inputs, create_graph, strict)
    vs = run.vector(v, run.inputs, "inputs")
    outputs = run.outputs()
    product = run.forward_product(outputs, vs)
    return run.like_outputs(outputs), run.like_outputs(product)


def vhp(
    func: Callable[..., Any],
    inputs: Any,
    v: Any = None,
    create_graph: bool = False,
    strict: bool = False,
) -> tuple[Any, Any]:
    """(func(inputs), v^T H) with the Hessian H of func, which returns one number.

    Args:
        v: of the inputs' shapes; may be left out where the input is one number.
    """
    run = Run("vhp", func, inputs, create_graph, strict)
    vs = run.vector(v, run.inputs, "inputs")
    output = run.single_output()
    slopes = run.gradients(output, run.inputs, None, True)
    product = run.gradients(slopes, run.inputs, vs, create_graph)
    return run.like_outputs(output), run.like_inputs(product)


def hvp(
    func: Callable[..., Any],
    inputs: Any,
    v: Any = None,
    create_graph: bool = False,
    strict: bool = False,
) -> tuple[Any, Any]:
    """(func(inputs), H v) with the Hessian H of func, which returns one number.

    Where second derivatives are continuous H is symmetric, and ``vhp`` gives the same for less.

    Args:
        v: of the inputs' shapes; may be left out where the input is one number.
    """
    run = Run("hvp", func, inputs, create_graph, strict)
    vs = run.vector(v, run.inputs, "inputs")
    output = run.single_output()
    slopes = run.gradients(output, run.inputs, None, True)
    product = run.forward_product(slopes, vs)
    return run.like_outputs(output), run.like_inputs(product)


# -- whole matrices --------------------------------------------------------------------------


def jacobian(
    func: Callable[..., Any],
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    strategy: str = "reverse-mode",
) -> Any:
    """All derivatives of func's outputs by its inputs.

    Args:
        vectorize, strategy: accepted as PyTorch has them. The result is the same; it is computed
            row by row, one backward for each element of the outputs.

    Returns:
        a Tensor of shape ``output.shape + input.shape``, where element [i, j] is
        d(output[i])/d(input[j]). For a tuple of inputs a tuple of them, for a tuple of outputs a
        tuple of these: jacobian[i][j] is for output i and input j.

    Raises:
        ArgumentError: a strategy that is none of "reverse-mode" and "forward-mode".
    """
    _check_strategy("jacobian", "strategy", strategy)
    return _jacobian("jacobian", func, inputs, create_graph, strict)


def hessian(
    func: Callable[..., Any],
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    outer_jacobian_strategy: str = "reverse-mode",
) -> Any:
    """All second derivatives of func, which returns one number.

    Args:
        vectorize, outer_jacobian_strategy: as ``jacobian`` has them.

    Returns:
        a Tensor of shape ``input.shape + input.shape``. For a tuple of inputs a tuple of tuples:
        hessian[i][j] is for inputs i and j.

    Raises:
        ArgumentError: a strategy that is none of "reverse-mode" and "forward-mode".
    """
    _check_strategy("hessian", "outer_jacobian_strategy", outer_jacobian_strategy)

    def slope(*xs: Tensor) -> Any:
        given = xs if isinstance(inputs, tuple) else xs[0]
        return _jacobian("hessian", func, given, True, strict, single=True)

    return _jacobian("hessian", slope, inputs, create_graph, strict)


def _jacobian(
    op: str,
    func: Callable[..., Any],
    inputs: Any,
    create_graph: bool,
    strict: bool,
    *,
    single: bool = False,
) -> Any:
    run = Run(op, func, inputs, create_graph, strict)
    outputs = run.single_output() if single else run.outputs()
    matrices = []
    for k, output in enumerate(outputs):
        rows = [
            run.gradients((output,), run.inputs, (unit,), create_graph, keep=True, first=k)
            for unit in _units(output)
        ]
        columns = zip(*rows, strict=True) if rows else [()] * len(run.inputs)
        pairs = zip(columns, run.inputs, strict=True)
        matrices.append(run.like_inputs(tuple(_matrix(rows, output, x) for rows, x in pairs)))
    return tuple(matrices) if run.is_tuple_out else matrices[0]


def _units(output: Tensor) -> list[Tensor]:
    """For each element of output a Tensor of its shape that is 1 there and 0 elsewhere."""
    xp = array_module(output.array)
    units = []
    for i in range(output.array.size):
        unit = xp.zeros(output.shape, dtype=output.dtype)
        unit.reshape(-1)[i] = 1
        units.append(wrap(unit))
    return units


def _matrix(rows: Sequence[Tensor], output: Tensor, x: Tensor) -> Tensor:
    """The rows of a Jacobian put together; there are none where output is empty."""
    shape = output.shape + x.shape
    if not rows:
        return wrap(array_module(x.array).zeros(shape, dtype=x.dtype))
    with enable_grad():
        return Rows.apply(*rows).reshape(shape)  # type: ignore[no-any-return]


def _check_strategy(op: str, argument: str, strategy: str) -> None:
    if strategy not in ("reverse-mode", "forward-mode"):
        raise ArgumentError(
            op,
            argument,
            expected="'reverse-mode' or 'forward-mode'",
            got=repr(strategy),
            hint="leave it out",
        )
