"""Backward: walk the recorded graph from the outputs to the leaves.

Nodes are visited in the reverse order of their creation. A node's consumers were all created
after it, so when its turn comes its gradient is complete; a heap on the creation numbers gives
that order in one pass, without recursion and without sorting the graph first.

Gradients are added by ownership: the first that arrives is borrowed, the second is added out of
place, which makes a sum that is ours, and the further ones are added into it. Nothing is copied
without need, and no gradient shares memory with another.
"""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heappop, heappush
from typing import Any

from nnlite.autograd.fit import Cast, fit
from nnlite.autograd.modes import set_grad_enabled
from nnlite.autograd.op import FREED, Node, Pick, freed
from nnlite.autograd.roots import as_list, no_graph, unused, with_cotangents
from nnlite.autograd.tape import retraced
from nnlite.autograd.tensor import Tensor, wrap
from nnlite.backend import array_module, backend_of, is_array, is_writable, quiet
from nnlite.errors import ArgumentError, DoubleBackwardError, GraphError, ShapeError


class _Gradients:
    """The gradient of each node and leaf that was reached, while backward runs.

    In a plain backward the values are arrays, under create_graph Tensors.
    """

    def __init__(self) -> None:
        self.of: dict[Any, Any] = {}
        self.owned: set[Any] = set()
        self.retained: list[tuple[Tensor, Any]] = []  # for the .grad of non-leaves

    def add(self, target: Any, gradient: Any) -> None:
        """A further gradient for a target that already has one."""
        total = self.of[target]
        if target in self.owned and not isinstance(total, Tensor):
            total += gradient
        else:
            self.of[target] = total + gradient
            if self.of[target].shape:  # NumPy's 0-d sums are scalars: nothing to add into
                self.owned.add(target)


def _run(
    roots: list[tuple[Tensor, Any]],
    *,
    retain_graph: bool,
    create_graph: bool,
    only: set[Any] | None = None,
    watch: frozenset[Any] = frozenset(),
) -> _Gradients:
    """Propagate from roots; returns the gradients of all leaves and of the watched nodes.

    Args:
        roots: (tensor, its gradient) pairs.
        only: the nodes worth visiting; None for all.
        watch: nodes (of non-leaf tensors) whose gradient is wanted, not only passed on.
    """
    gradients = _Gradients()
    of, owned = gradients.of, gradients.owned
    heap: list[tuple[int, Node]] = []
    for tensor, cotangent in roots:
        target = tensor.node or tensor
        if target in of:
            gradients.add(target, cotangent)
        else:
            of[target] = cotangent
            if target is tensor.node:
                heappush(heap, (-target.seq, target))

    while heap:
        node = heappop(heap)[1]
        gy = of[node] if watch and node in watch else of.pop(node)
        if node._hooks or node._retained is not None:
            gy = _observe(node, gy, gradients)
            if node in watch:
                of[node] = gy
                owned.discard(node)  # a hook may keep what it returned
        if only is not None and node not in only:
            continue
        op = node.op
        if op is Pick:
            _fill_slot(of, heap, node, gy)
            continue
        if create_graph and not op.double_backward:
            raise _no_double_backward(node)
        if node.saved is FREED:
            raise freed(node)
        gxs = op.backward(node, gy)
        if gxs.__class__ is not tuple:
            gxs = (gxs,)
        parents = node.parents
        if len(gxs) != len(parents):
            raise _wrong_count(node, len(gxs))
        # the lengths are equal; saying strict= would take as long as the rest of this line
        for parent, gx in zip(parents, gxs):  # noqa: B905
            if parent is None or gx is None:
                continue
            if gx.shape != parent.shape or gx.dtype is not parent.dtype:
                gx = fit(gx, parent.shape, parent.dtype, node.name)
            if parent in of:
                gradients.add(parent, gx)
                continue
            of[parent] = gx
            if parent.__class__ is Node:
                heappush(heap, (-parent.seq, parent))
            elif op.fresh and gx is not gy and _is_only_holder(gx, gxs):
                owned.add(parent)
        if not retain_graph:
            node.release()
    return gradients


def _is_only_holder(gx: Any, gxs: tuple[Any, ...]) -> bool:
    """Whether a leaf may keep gx as its .grad without a copy (see the rules in op.py)."""
    return is_array(gx) and gx.base is None and sum(g is gx for g in gxs) == 1


def _fill_slot(of: dict[Any, Any], heap: list[tuple[int, Node]], pick: Node, gy: Any) -> None:
    """Put the gradient of one output of an op with several into its place."""
    (parent,) = pick.parents
    if parent.is_freed:
        raise freed(parent)
    if parent not in of:
        of[parent] = [None] * len(parent.outputs)
        heappush(heap, (-parent.seq, parent))
    slots, k = of[parent], pick.__dict__["slot"]
    slots[k] = gy if slots[k] is None else slots[k] + gy


def _observe(node: Node, gy: Any, gradients: _Gradients) -> Any:
    """Run the hooks of a non-leaf, and note its gradient where retain_grad asked for it."""
    raw = not isinstance(gy, Tensor)
    if node._hooks:
        gy = _run_hooks(node._hooks, _own(gy, False) if raw else gy)
        gy = gy.array if raw else gy
    tensor = node._retained() if node._retained is not None else None
    if tensor is not None:
        gradients.retained.append((tensor, gy))
    return gy


def _run_hooks(hooks: dict[int, Any], gradient: Tensor) -> Tensor:
    for hook in list(hooks.values()):
        replaced = hook(gradient)
        if replaced is None:
            continue
        if not isinstance(replaced, Tensor) or replaced.shape != gradient.shape:
            raise ShapeError(
                "register_hook",
                "what the hook returned",
                expected=f"None or a Tensor of shape {gradient.shape}",
                got=f"{type(replaced).__name__} {getattr(replaced, 'shape', '')}".strip(),
                hint="a hook may replace a gradient by one of the same shape",
            )
        gradient = replaced
    return gradient


def _store(tensor: Tensor, gradient: Any, *, owned: bool) -> None:
    """Add a gradient into tensor.grad; copies where others may hold the array."""
    grad = tensor.grad
    if grad is None and isinstance(gradient, Tensor):
        tensor.grad = Cast.apply(gradient, dtype=gradient.dtype)  # a copy, in the graph
    elif grad is None:
        tensor.grad = _own(gradient, owned)
    elif isinstance(gradient, Tensor) or grad.requires_grad or not is_writable(grad.array):
        tensor.grad = grad + gradient
    else:
        # In place, as PyTorch does: whoever holds the .grad of a parameter sees the new sum.
        grad.bump_version()
        grad.array += gradient


def _own(gradient: Any, owned: bool) -> Tensor:
    """A Tensor of a raw gradient that shares its memory with nobody."""
    # NumPy's 0-d results are scalars; the others are arrays already
    return wrap(backend_of(gradient).asarray(gradient if owned else gradient.copy()))


def _store_all(gradients: _Gradients, wanted: Sequence[Tensor] | None) -> None:
    """Fill .grad at the end, so that a backward that fails half way changes no gradient."""
    found = [(tensor, gradient, False) for tensor, gradient in gradients.retained]
    for target, gradient in gradients.of.items():
        if isinstance(target, Tensor) and (wanted is None or any(target is w for w in wanted)):
            owned = target in gradients.owned
            if target._hooks:
                raw = not isinstance(gradient, Tensor)
                gradient = _run_hooks(target._hooks, _own(gradient, owned) if raw else gradient)
                gradient, owned = (gradient.array if raw else gradient), False
            found.append((target, gradient, owned))
    for tensor in wanted or ():
        if tensor.node is not None and tensor.node in gradients.of:
            found.append((tensor, gradients.of[tensor.node], False))
    for tensor, gradient, owned in found:
        _store(tensor, gradient, owned=owned)


# -- the public calls ------------------------------------------------------------------------


@retraced
def backward(
    tensors: Tensor | Sequence[Tensor],
    grad_tensors: Tensor | Sequence[Tensor | None] | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Tensor | Sequence[Tensor] | None = None,
) -> None:
    """Add d(sum of tensors * grad_tensors)/d(leaf) to the .grad of every leaf below tensors.

    Also the method ``Tensor.backward(gradient, retain_graph, create_graph, inputs)``.

    Args:
        tensors: one or several results of recorded ops.
        grad_tensors: the gradient arriving at each, of its shape; may be left out (None) for a
            single number, where it is 1.
        retain_graph: keep what was saved, for another backward. Default: create_graph.
        create_graph: record the backward itself, for higher derivatives. Each .grad then refers to
            the graph and the graph to its leaf: set .grad to None when done, or use ``grad``, or
            the memory is kept until Python's collector of cycles runs.
        inputs: fill only these.

    Raises:
        GraphError: no graph, or a graph that was freed by an earlier backward, or a saved value
            that was changed in place.
        DoubleBackwardError: create_graph over an op that has no second derivative.
        ShapeError, DtypeError: a gradient that does not fit its tensor.
    """
    outputs = as_list("backward", "tensors", tensors)
    wanted = None if inputs is None else as_list("backward", "inputs", inputs)
    keep = create_graph if retain_graph is None else retain_graph
    if wanted is not None and not wanted:
        raise ArgumentError(
            "backward", "inputs", expected="at least one tensor", got="none", hint="leave it out"
        )
    roots = with_cotangents("backward", outputs, grad_tensors, create_graph)
    with set_grad_enabled(create_graph), quiet():
        only = None if wanted is None else _nodes_towards(outputs, wanted)
        watch = frozenset(w.node for w in wanted or () if w.node is not None)
        found = _run(roots, retain_graph=keep, create_graph=create_graph, only=only, watch=watch)
        _store_all(found, wanted)


def tensor_backward(
    tensor: Tensor,
    gradient: Tensor | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Tensor | Sequence[Tensor] | None = None,
) -> None:
    """The method ``Tensor.backward``: see ``nnlite.autograd.backward``."""
    backward(tensor, gradient, retain_graph, create_graph=create_graph, inputs=inputs)


@retraced
def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Tensor | Sequence[Tensor],
    grad_outputs: Tensor | Sequence[Tensor | None] | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    allow_unused: bool | None = None,
    materialize_grads: bool = False,
) -> tuple[Tensor | None, ...]:
    """d(sum of outputs * grad_outputs)/d(input) for each input; fills no .grad.

    Only the part of the graph between inputs and outputs is visited.

    Args:
        outputs, grad_outputs, retain_graph, create_graph: as for ``backward``.
        inputs: leaves or not, but in the graph.
        allow_unused: give None for an input that no output depends on, instead of an error.
        materialize_grads: give zeros there.

    Raises:
        GraphError: as for backward, and for an unused input.
    """
    outs, ins = as_list("grad", "outputs", outputs), as_list("grad", "inputs", inputs)
    keep = create_graph if retain_graph is None else retain_graph
    for i, tensor in enumerate(ins):
        if not tensor.requires_grad:
            raise no_graph("grad", f"inputs[{i}]")
    roots = with_cotangents("grad", outs, grad_outputs, create_graph)
    with set_grad_enabled(create_graph), quiet():
        found = _run(
            roots,
            retain_graph=keep,
            create_graph=create_graph,
            only=_nodes_towards(outs, ins),
            watch=frozenset(t.node for t in ins if t.node is not None),
        )
        results: list[Tensor | None] = []
        for i, tensor in enumerate(ins):
            key = tensor.node or tensor
            gradient = found.of.get(key)
            if gradient is None and materialize_grads:
                gradient = array_module(tensor.array).zeros_like(tensor.array)
            elif gradient is None:
                if not allow_unused:
                    raise unused(i)
                results.append(None)
                continue
            elif tensor.node is None and tensor._hooks:
                raw = not isinstance(gradient, Tensor)
                gradient = _run_hooks(tensor._hooks, _own(gradient, False) if raw else gradient)
            if not isinstance(gradient, Tensor):
                gradient = _own(gradient, key in found.owned)
                found.owned.discard(key)  # the same input a second time gets a copy
            results.append(gradient)
    return tuple(results)


def _nodes_towards(outputs: list[Tensor], inputs: list[Tensor]) -> set[Any]:
    """The nodes through which some output depends on some input."""
    targets = {tensor.node or tensor for tensor in inputs}
    reachable: list[Node] = []
    seen: set[Any] = set()
    stack: list[Any] = [tensor.node for tensor in outputs if tensor.node is not None]
    while stack:
        node = stack.pop()
        if node in seen or not isinstance(node, Node):
            continue
        seen.add(node)
        reachable.append(node)
        stack.extend(parent for parent in node.parents if parent is not None)
    useful: set[Any] = set()
    for node in sorted(reachable, key=lambda n: n.seq):  # parents before their consumers
        if any(parent in targets or parent in useful for parent in node.parents):
            useful.add(node)
    return useful


def _wrong_count(node: Node, count: int) -> GraphError:
    return GraphError(
        f"backward of {node.name}",
        expected=f"{len(node.parents)} gradients, one per input (None where there is none)",
        got=str(count),
        hint="return a tuple with one entry for each argument of forward",
    )


def _no_double_backward(node: Node) -> DoubleBackwardError:
    return DoubleBackwardError(
        node.name,
        expected="an op with a second derivative",
        got=f"create_graph=True over {node.name}, which has none",
        hint="compute this part without create_graph, or write the op from differentiable ones",
    )
