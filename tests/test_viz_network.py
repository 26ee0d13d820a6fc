"""The graph of a network, and its drawing."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import numpy as np
import pytest

import nnlite
import nnlite.nn.functional as F
from nnlite import nn, viz
from nnlite.autograd import Function
from nnlite.errors import DtypeError, GraphError


class Residual(nn.Module):
    """Two ways from h to the sum, of different length, and one without a layer."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(8, 8)
        self.a = nn.Linear(8, 8)
        self.side = nn.Linear(8, 8, bias=False)
        self.scale = nn.Parameter(nnlite.ones(8))

    def forward(self, x: Any) -> Any:
        h = self.first(x)
        return F.relu(self.a(h)) + self.side(h) * self.scale + h


def _briefly(graph: viz.NetworkGraph) -> list[tuple[str, str, tuple[int, ...]]]:
    return [(layer.name, layer.kind.partition("(")[0], layer.sources) for layer in graph.layers]


def test_a_chain_of_layers() -> None:
    model = nn.Sequential(
        OrderedDict(flat=nn.Flatten(), fc1=nn.Linear(16, 5), act=nn.Tanh(), fc2=nn.Linear(5, 2))
    )
    graph = viz.network_graph(model, nnlite.zeros(3, 1, 4, 4))
    assert _briefly(graph) == [
        ("input", "", ()),
        ("flat", "Flatten", (0,)),
        ("fc1", "Linear", (1,)),
        ("act", "Tanh", (2,)),
        ("fc2", "Linear", (3,)),
    ]
    assert [layer.shape for layer in graph.layers] == [
        (3, 1, 4, 4),
        (3, 16),
        (3, 5),
        (3, 5),
        (3, 2),
    ]
    assert graph.layers[2].parameters == {"fc1.weight": (5, 16), "fc1.bias": (5,)}
    assert graph.layers[2].kind == repr(model.fc1)
    assert graph.layers[3].ops == ("Tanh",)
    assert graph.parameter_count == 16 * 5 + 5 + 5 * 2 + 2


def test_branches_and_parameters_outside_of_layers() -> None:
    graph = viz.network_graph(Residual(), nnlite.zeros(2, 8))
    assert _briefly(graph) == [
        ("input", "", ()),
        ("first", "Linear", (0,)),
        ("a", "Linear", (1,)),
        ("", "Relu", (2,)),
        ("side", "Linear", (1,)),
        ("", "Mul", (4,)),
        ("", "Add", (3, 5)),
        ("", "Add", (1, 6)),
    ]
    assert graph.layers[5].parameters == {"scale": (8,)}
    assert graph.parameter_count == 72 + 72 + 64 + 8


def test_a_layer_that_does_nothing_is_shown() -> None:
    """Dropout when not training returns its input, the same tensor."""
    model = nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.5), nn.Identity(), nn.Linear(4, 1))
    graph = viz.network_graph(model, nnlite.zeros(1, 4))
    assert [layer.kind.partition("(")[0] for layer in graph.layers] == [
        "",
        "Linear",
        "Dropout",
        "Identity",
        "Linear",
    ]


def test_an_op_before_a_layer_stands_for_itself() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(4, 2)

        def forward(self, x: Any) -> Any:
            return self.fc(F.relu(x).flatten(1))

    graph = viz.network_graph(Net(), nnlite.zeros(3, 2, 2))
    assert [layer.ops for layer in graph.layers] == [(), ("Relu",), ("View",), ("Linear",)]


def test_a_shared_layer_is_called_twice_and_counted_once() -> None:
    layer = nn.Linear(3, 3)
    graph = viz.network_graph(nn.Sequential(layer, nn.ReLU(), layer), nnlite.zeros(1, 3))
    assert [layer.name for layer in graph.layers] == ["input", "0", "1", "0"]
    assert graph.parameter_count == 12


def test_integer_input_of_an_embedding() -> None:
    model = nn.Sequential(nn.Embedding(10, 3), nn.Linear(3, 1))
    graph = viz.network_graph(model, nnlite.tensor([1, 2]))
    assert [layer.sources for layer in graph.layers] == [(), (0,), (1,)]


def test_several_inputs_and_an_op_with_several_outputs() -> None:
    class Net(nn.Module):
        def forward(self, x: Any, y: Any) -> Any:
            top, bottom = (x + y).chunk(2)
            return top * bottom

    graph = viz.network_graph(Net(), nnlite.zeros(4, 2), nnlite.zeros(4, 2))
    names = [layer.kind for layer in graph.layers]
    assert names[:3] == ["", "", "Add"]
    assert names[-1] == "Mul"
    assert "Pick" not in names
    assert graph.layers[2].sources == (0, 1)


def test_a_function_of_the_users_own() -> None:
    class Double(Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x * 2

        @staticmethod
        def backward(ctx: Any, gy: Any) -> Any:
            return gy * 2

    class Net(nn.Module):
        def forward(self, x: Any) -> Any:
            return Double.apply(x)

    graph = viz.network_graph(Net(), nnlite.zeros(2, 3))
    assert (graph.layers[1].kind, graph.layers[1].shape) == ("Double", (2, 3))


def test_frozen_parameters_count() -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3)).requires_grad_(False)
    assert viz.network_graph(model, nnlite.zeros(1, 3)).parameter_count == 24


def test_the_model_is_left_as_it_was() -> None:
    model = nn.Sequential(nn.BatchNorm1d(4), nn.ReLU(inplace=True), nn.Dropout(0.5), Residual8())
    model[2].eval()
    before = {name: tensor.numpy().copy() for name, tensor in model.state_dict().items()}
    x = nnlite.randn(5, 4)
    kept = x.numpy().copy()
    with nnlite.no_grad():
        viz.network_graph(model, x)
    assert [m.training for m in model] == [True, True, False, True]
    for name, tensor in model.state_dict().items():
        np.testing.assert_array_equal(tensor.numpy(), before[name])
    np.testing.assert_array_equal(x.numpy(), kept)
    assert not x.requires_grad
    assert all(p.grad is None for p in model.parameters())
    assert not any(m._hooks and m._hooks.after for m in model.modules())


class Residual8(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.widen = nn.Linear(4, 8)
        self.inner = Residual()

    def forward(self, x: Any) -> Any:
        return self.inner(self.widen(x))


def test_modes_and_hooks_are_put_back_after_an_error() -> None:
    model = nn.Sequential(nn.Linear(3, 3))
    with pytest.raises(ValueError, match="linear"):
        viz.network_graph(model, nnlite.zeros(1, 4))
    assert model.training
    assert not model[0]._hooks.after


def test_names_of_nested_layers() -> None:
    graph = viz.network_graph(Residual8(), nnlite.zeros(1, 4))
    assert [layer.name for layer in graph.layers if layer.name] == [
        "input",
        "widen",
        "inner.first",
        "inner.a",
        "inner.side",
    ]


# -- the drawing -----------------------------------------------------------------------------


def test_drawing() -> None:
    axes = viz.plot_network(Residual(), nnlite.zeros(2, 8), title="residual").axes[0]
    words = [text.get_text() for text in axes.texts]
    assert "residual: 216 parameters" in words
    assert "first: Linear(in_features=8, out_features=8, bias=True)" in words
    assert "2×8 · weight 8×8 · bias 8" in words
    assert "Relu" in words
    boxes = [patch.get_bbox() for patch in axes.patches if hasattr(patch, "get_bbox")]
    assert len(boxes) == 8
    for i, a in enumerate(boxes):
        assert axes.viewLim.x0 <= a.x0 < a.x1 <= axes.viewLim.x1
        assert not any(a.overlaps(b) for b in boxes[:i])
    arrows = [text for text in axes.texts if getattr(text, "arrow_patch", None)]
    assert len(arrows) == 9


def test_arrows_lead_down_from_box_to_box() -> None:
    graph = viz.network_graph(nn.Sequential(nn.Linear(3, 3), nn.ReLU()), nnlite.zeros(1, 3))
    axes = viz.plot_network(graph).axes[0]
    boxes = [patch.get_bbox() for patch in axes.patches if hasattr(patch, "get_bbox")]
    arrows = [text for text in axes.texts if getattr(text, "arrow_patch", None)]
    for arrow, above, below in zip(arrows, boxes, boxes[1:], strict=False):
        assert arrow.get_position() == pytest.approx(((above.x0 + above.x1) / 2, above.y1))
        assert arrow.xy == pytest.approx(((below.x0 + below.x1) / 2, below.y0))


# -- bad input -------------------------------------------------------------------------------


class Cut(nn.Module):
    def forward(self, x: Any) -> Any:
        return x.detach()


@pytest.mark.parametrize("draw", [viz.network_graph, viz.plot_network])
@pytest.mark.parametrize(
    ("model", "inputs", "error", "words"),
    [
        (lambda x: x, [nnlite.zeros(1)], DtypeError, "model: expected a Module"),
        (nn.ReLU(), [np.zeros(1)], DtypeError, "inputs: expected a Tensor, got ndarray"),
        (Cut(), [nnlite.zeros(1)], GraphError, "detach"),
        (nn.Flatten(), [nnlite.tensor([[1, 2]])], GraphError, "output with a graph"),
    ],
)
def test_bad_input(draw, model: Any, inputs: list, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words) as caught:
        draw(model, *inputs)
    assert "hint" in str(caught.value)
