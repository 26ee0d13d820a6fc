"""The layers and ops of a network, and how they hang together, read from the autograd graph.

The model runs once on an example. Each tensor knows the Node that made it, and each Node its
parents, so a walk from the outputs back meets every op. Hooks on the layers tell which ops belong
to which call of which layer; ops outside of layers stand for themselves.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from nnlite.autograd.modes import enable_grad
from nnlite.autograd.op import Node, Pick
from nnlite.autograd.tensor import Tensor
from nnlite.errors import DtypeError, GraphError
from nnlite.nn.module import Module
from nnlite.ops.conversion import clone


@dataclass(frozen=True)
class Layer:
    """A box of the drawing: an input, a call of a layer, or an op outside of layers.

    Attributes:
        name: "fc1", as in named_modules(); "input" for inputs; "" for ops.
        kind: "Linear(in_features=784, ...)", or the op's name, "Relu"; "" for inputs.
        ops: the names of the ops inside, in the order in which they ran.
        shape: of the output.
        parameters: shapes by dotted name, as in named_parameters().
        sources: the layers it gets its inputs from, by their place in NetworkGraph.layers.
    """

    name: str
    kind: str
    ops: tuple[str, ...]
    shape: tuple[int, ...]
    parameters: dict[str, tuple[int, ...]]
    sources: tuple[int, ...]


@dataclass(frozen=True)
class NetworkGraph:
    """A network as a list of layers, each after those that it depends on.

    Attributes:
        layers: inputs first.
        parameter_count: the numbers in all parameters that take part, shared ones counted once.
    """

    layers: tuple[Layer, ...]
    parameter_count: int


@dataclass(eq=False)
class _Box:
    """A Layer in the making: what was met so far of one call."""

    name: str = ""
    kind: str = ""
    module: Module | None = None
    nodes: list[Node] = field(default_factory=list)
    shape: tuple[int, ...] = ()
    sources: list[_Box] = field(default_factory=list)


def network_graph(model: Module, *inputs: Tensor) -> NetworkGraph:
    """Run a model once, in evaluation mode, and list what it is made of.

    Its training flags, gradients, buffers and the inputs are left as they were.

    Args:
        model: the network.
        inputs: what its forward takes: Tensors of an example batch.

    Raises:
        DtypeError: model is no Module, or an input is no Tensor.
        GraphError: the output does not depend on an input or a parameter with a gradient.
    """
    _check(model, inputs)
    leaves = [x.detach() for x in inputs]
    boxes = [_Box("input", shape=x.shape) for x in inputs]
    tracer = _Tracer(model)
    with enable_grad():
        for i, x in enumerate(leaves):
            if x.dtype.kind == "f":
                leaves[i] = clone(x.requires_grad_())  # not a leaf: may be changed in place
                boxes[i].nodes = [leaves[i].node]  # type: ignore[list-item]
            tracer.know(boxes[i], leaves[i])
        outputs = tracer.run(leaves)
    ends = [tensor.node for tensor in outputs if tensor.node is not None]
    if not ends:
        raise GraphError(
            "network_graph",
            expected="an output with a graph",
            got="one that no input or parameter with a gradient leads to",
            hint="look for detach(), no_grad() or frozen parameters around the whole forward",
        )
    return tracer.graph(boxes, ends)


class _Tracer:
    """Runs the model with a hook on each layer, and sorts the nodes into boxes."""

    def __init__(self, model: Module) -> None:
        self.model = model
        self.owner: dict[Node, _Box] = {}
        self.constants: dict[int, _Box] = {}  # inputs without a gradient, by id
        self.names = {m: name for name, m in model.named_modules()}
        self.parameters = {id(p): (name, p.shape) for name, p in model.named_parameters()}

    def know(self, box: _Box, x: Tensor) -> None:
        """An input of the network."""
        self.constants[id(x)] = box
        if x.node is not None:
            self.owner[x.node] = box

    def run(self, inputs: list[Tensor]) -> list[Tensor]:
        """The outputs of the model; its modes and hooks are put back whatever happens."""
        modes = [(m, m.training) for m in self.model.modules()]
        layers = [m for m in self.model.modules() if m is not self.model and not m._modules]
        hooks = [m.register_forward_hook(self._after, with_kwargs=True) for m in layers]
        try:
            self.model.eval()
            return list(_tensors(self.model(*inputs)))
        finally:
            for hook in hooks:
                hook.remove()
            for m, training in modes:
                m.training = training

    def _after(self, module: Module, args: Any, kwargs: Any, out: Any) -> Any:
        """All that is new between the arguments and the output belongs to this call."""
        given = list(_tensors((args, *kwargs.values())))
        if any(out is x for x in given):
            out = clone(out)  # dropout when not training: the same tensor, but a layer nonetheless
        box = _Box(self.names[module], _one_line(module), module)
        box.sources = [self.constants[id(x)] for x in given if id(x) in self.constants]
        stop = {x.node for x in given}
        stack = [x.node for x in _tensors(out)]
        while stack:
            node = stack.pop()
            if not isinstance(node, Node) or node in stop or node in self.owner:
                continue
            self.owner[node] = box
            box.nodes.append(node)
            stack += node.parents
        box.shape = next((x.shape for x in _tensors(out)), ())
        return out

    def graph(self, inputs: list[_Box], ends: list[Node]) -> NetworkGraph:
        """Everything that the outputs depend on, in the order in which it ran."""
        met: dict[Node, None] = {}
        stack = list(ends)
        while stack:
            node = stack.pop()
            if isinstance(node, Node) and node not in met:
                met[node] = None
                stack += node.parents
        for node in sorted(met, key=lambda node: node.seq):
            self._own(node)
        ran = sorted({self.owner[node] for node in met} - set(inputs), key=_last)
        boxes = [*inputs, *ran]
        place = {box: i for i, box in enumerate(boxes)}
        layers = []
        for box in boxes:
            parents = [p for node in box.nodes for p in node.parents if p is not None]
            sources = [self.owner[p] for p in parents if isinstance(p, Node)] + box.sources
            own = parents if box.module is None else box.module.parameters()  # frozen ones too
            layers.append(
                Layer(
                    name=box.name,
                    kind=box.kind,
                    ops=() if box in inputs else _ops(box),
                    shape=box.shape,
                    parameters=dict(
                        self.parameters[id(p)] for p in own if id(p) in self.parameters
                    ),
                    sources=tuple(sorted({place[source] for source in sources} - {place[box]})),
                )
            )
        sizes = {name: shape for layer in layers for name, shape in layer.parameters.items()}
        return NetworkGraph(tuple(layers), sum(math.prod(shape) for shape in sizes.values()))

    def _own(self, node: Node) -> None:
        """A box for a node outside of layers; an output of an op with several joins that op."""
        if node in self.owner:
            return
        if node.op is Pick:
            box = self.owner[node.parents[0]]
            box.shape = box.shape or node.shape
        else:
            box = _Box(kind=node.name, shape=() if node.outputs else node.shape)
        box.nodes.append(node)
        self.owner[node] = box


def _check(model: Any, inputs: Iterable[Any]) -> None:
    for argument, wanted, values in (("model", Module, [model]), ("inputs", Tensor, inputs)):
        for value in values:
            if not isinstance(value, wanted):
                raise DtypeError(
                    "network_graph",
                    argument,
                    expected=f"a {wanted.__name__}",
                    got=type(value).__name__,
                    hint="network_graph(model, nnlite.zeros(1, 1, 28, 28))",
                )


def _tensors(value: Any) -> Iterator[Tensor]:
    """The Tensors in what a module takes or returns."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, (tuple, list)):
        for member in value:
            yield from _tensors(member)
    elif isinstance(value, dict):
        yield from _tensors(list(value.values()))


def _last(box: _Box) -> int:
    return max(node.seq for node in box.nodes)


def _ops(box: _Box) -> tuple[str, ...]:
    return tuple(
        node.name for node in sorted(box.nodes, key=lambda node: node.seq) if node.op is not Pick
    )


def _one_line(module: Module) -> str:
    return " ".join(repr(module).split())
