"""One call of a function whose derivatives are wanted; see functional.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from nnlite.autograd.engine import grad
from nnlite.autograd.modes import enable_grad
from nnlite.autograd.tensor import Tensor, wrap
from nnlite.backend import array_module
from nnlite.errors import DtypeError, GraphError, ShapeError

Tensors: TypeAlias = tuple[Tensor, ...]


class Run:
    """What the functions share: the inputs made ready, and the checks by the way.

    Attributes:
        inputs: what func is called with.
    """

    def __init__(
        self, op: str, func: Callable[..., Any], inputs: Any, create_graph: bool, strict: bool
    ) -> None:
        self.op = op
        self.func = func
        self.create_graph = create_graph
        self.strict = strict
        self.is_tuple_in = isinstance(inputs, tuple)
        self.is_tuple_out = False
        self.inputs = tuple(self._ready(x) for x in self._tensors(inputs, "inputs"))

    def _ready(self, x: Tensor) -> Tensor:
        if self.create_graph and x.requires_grad:
            with enable_grad():
                return x.view_as(x)  # another place in the graph, so that x's own hooks stay quiet
        return x.detach().requires_grad_()

    def _tensors(self, value: Any, argument: str) -> Tensors:
        found = value if isinstance(value, tuple) else (value,)
        for i, x in enumerate(found):
            if not isinstance(x, Tensor):
                raise DtypeError(
                    self.op,
                    f"{argument}[{i}]" if isinstance(value, tuple) else argument,
                    expected="a Tensor",
                    got=type(x).__name__,
                    hint="several of them go into a tuple; bind other arguments with a lambda",
                )
        return found

    # -- what func returns -----------------------------------------------------------------

    def outputs(self) -> Tensors:
        """func(inputs) as a tuple, recorded."""
        with enable_grad():
            result = self.func(*self.inputs)
        self.is_tuple_out = isinstance(result, tuple)
        outputs = self._tensors(result, "func's output")
        for i, output in enumerate(outputs):
            if self.strict and not output.requires_grad:
                raise self._independent(i, None)
        return outputs

    def single_output(self) -> Tensors:
        """func(inputs), refused unless it is one number."""
        outputs = self.outputs()
        if self.is_tuple_out or outputs[0].array.size != 1:
            got = f"{len(outputs)} outputs" if self.is_tuple_out else f"shape {outputs[0].shape}"
            raise ShapeError(
                self.op,
                "func's output",
                expected="one number",
                got=got,
                hint="sum it up, or take nnlite.autograd.functional.jacobian",
            )
        return outputs

    def vector(self, v: Any, like: Tensors, what: str) -> Tensors:
        """V as a tuple of the shapes of like; ones where it is left out for one number."""
        if v is None:
            if len(like) != 1 or like[0].array.size != 1:
                raise ShapeError(
                    self.op,
                    "v",
                    expected=f"a vector of the shape of {what}, {[x.shape for x in like]}",
                    got="None",
                    hint="it may be left out for a single number only",
                )
            return (wrap(array_module(like[0].array).ones_like(like[0].array)),)
        vs = self._tensors(v, "v")
        if [x.shape for x in vs] != [x.shape for x in like]:
            raise ShapeError(
                self.op,
                "v",
                expected=f"the shape of {what}, {[x.shape for x in like]}",
                got=str([x.shape for x in vs]),
                hint="v has one entry for each number that it multiplies",
            )
        return vs if self.create_graph else tuple(x.detach() for x in vs)

    # -- derivatives -----------------------------------------------------------------------

    def gradients(
        self,
        outputs: Tensors,
        inputs: Tensors,
        vs: Tensors | None,
        create_graph: bool,
        *,
        keep: bool | None = None,
        first: int = 0,
    ) -> Tensors:
        """The sum of v^T d(output)/d(input) for each input; zeros where nothing depends on it."""
        roots = [(out, k) for k, out in enumerate(outputs) if out.requires_grad]
        found: tuple[Tensor | None, ...] = (None,) * len(inputs)
        if roots:
            found = grad(
                [out for out, _ in roots],
                inputs,
                None if vs is None else [vs[k] for _, k in roots],
                retain_graph=keep,
                create_graph=create_graph,
                allow_unused=True,
            )
        filled = []
        for i, (gradient, x) in enumerate(zip(found, inputs, strict=True)):
            if self.strict and (gradient is None or (create_graph and not gradient.requires_grad)):
                raise self._independent(first, i)
            filled.append(_zeros_like(x) if gradient is None else gradient)
        return tuple(filled)

    def forward_product(self, outputs: Tensors, vs: Tensors) -> Tensors:
        """J v for the Jacobian of outputs by the inputs, by the two backwards."""
        us = tuple(_zeros_like(out).requires_grad_() for out in outputs)
        backward = self.gradients(outputs, self.inputs, us, True)
        return self.gradients(backward, us, vs, self.create_graph)

    def _independent(self, i: int, j: int | None) -> GraphError:
        on = "the inputs" if j is None else f"inputs[{j}]"
        return GraphError(
            self.op,
            "func",
            expected="results that depend on all inputs, as strict=True demands",
            got=f"output {i} (or its derivative), which does not depend on {on}",
            hint="strict=False gives zeros there",
        )

    # -- what is returned ------------------------------------------------------------------

    def like_inputs(self, tensors: Tensors) -> Any:
        """One for each input, in the form in which the inputs were given."""
        return self._given_back(tensors, self.is_tuple_in)

    def like_outputs(self, tensors: Tensors) -> Any:
        """One for each output, in the form in which func returned them."""
        return self._given_back(tensors, self.is_tuple_out)

    def _given_back(self, tensors: Tensors, as_tuple: bool) -> Any:
        if not self.create_graph:
            tensors = tuple(x.detach() for x in tensors)
        return tensors if as_tuple else tensors[0]


def _zeros_like(x: Tensor) -> Tensor:
    return wrap(array_module(x.array).zeros_like(x.array))
