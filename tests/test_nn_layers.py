"""Each layer computes what PyTorch's layer of the same settings and weights computes."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
import torch

from nnlite import manual_seed, nn
from nnlite.autograd import Tensor, grad

IMAGE, SIGNAL, ROWS = (2, 4, 7, 6), (2, 4, 9), (5, 4)

LAYERS = [
    ("Linear(4, 3)", ROWS),
    ("Linear(9, 3, bias=False)", SIGNAL),
    ("Conv2d(4, 6, (3, 2), stride=2, padding=(1, 2), groups=2)", IMAGE),
    ("Conv2d(4, 2, 3, padding='same', padding_mode='circular')", IMAGE),
    ("Conv2d(4, 2, 3, padding=2, padding_mode='reflect')", IMAGE),
    ("Conv2d(4, 2, (2, 3), padding=(0, 1), dilation=2, padding_mode='replicate')", IMAGE),
    ("Conv1d(4, 2, 3, padding=1, padding_mode='circular', bias=False)", SIGNAL),
    ("ConvTranspose2d(4, 2, 3, stride=2, padding=1, output_padding=1)", IMAGE),
    ("ConvTranspose1d(4, 6, 3, groups=2, dilation=2)", SIGNAL),
    ("MaxPool2d(2)", IMAGE),
    ("MaxPool2d(3, 2, 1, ceil_mode=True)", IMAGE),
    ("MaxPool1d(2)", SIGNAL),
    ("AvgPool2d(2)", IMAGE),
    ("AvgPool2d(3, 2, 1, True, False)", IMAGE),
    ("AvgPool1d(3, padding=1, count_include_pad=False)", SIGNAL),
    ("AdaptiveAvgPool2d((3, None))", IMAGE),
    ("AdaptiveMaxPool2d(3)", IMAGE),
    ("Flatten()", IMAGE),
    ("Flatten(2)", IMAGE),
    ("Unflatten(1, (2, -1))", IMAGE),
    ("AdaptiveAvgPool1d(4)", SIGNAL),
    ("AdaptiveMaxPool1d(5)", SIGNAL),
    ("Unfold((2, 3), dilation=(2, 1), padding=1, stride=2)", IMAGE),
    ("Fold((3, 4), 2)", (2, 8, 6)),
    ("ZeroPad1d((1, 2))", SIGNAL),
    ("ZeroPad2d((1, 0, -1, 2))", IMAGE),
    ("ConstantPad1d(2, 0.5)", SIGNAL),
    ("ConstantPad2d((1, 2, 0, 3), -1.5)", IMAGE),
    ("ReflectionPad1d((3, 1))", SIGNAL),
    ("ReflectionPad2d((3, 1, 2, 0))", IMAGE),
    ("ReplicationPad1d(4)", SIGNAL),
    ("ReplicationPad2d((3, 9, 2, 0))", IMAGE),
    ("CircularPad1d((3, 1))", SIGNAL),
    ("CircularPad2d(2)", IMAGE),
    ("Dropout(0.0)", ROWS),
    ("Identity()", ROWS),
    ("Softmax(dim=1)", IMAGE),
    ("Softmin(dim=-1)", ROWS),
    ("LogSoftmax(dim=1)", ROWS),
    ("LeakyReLU(0.3)", ROWS),
    ("ELU(0.5)", ROWS),
    ("CELU(2.0)", ROWS),
    ("Hardtanh(-0.5, 0.7)", ROWS),
    ("Threshold(0.1, 20)", ROWS),
    ("PReLU(4)", IMAGE),
    ("GELU('tanh')", ROWS),
    ("Softplus(2.0, 1.0)", ROWS),
    *((f"{name}()", ROWS) for name in (
        "ReLU", "ReLU6", "Tanh", "Sigmoid", "SELU", "SiLU", "Mish", "GELU", "Softplus", "Softsign",
        "LogSigmoid", "Hardsigmoid", "Hardswish",
    )),
]  # fmt: skip


@pytest.mark.parametrize(("text", "shape"), LAYERS, ids=[text for text, _ in LAYERS])
def test_layer_equals_torch(text: str, shape: tuple[int, ...]) -> None:
    ours = eval(text, vars(nn).copy()).double()
    theirs = eval(text, vars(torch.nn).copy()).double()
    theirs.load_state_dict({k: torch.tensor(v.array) for k, v in ours.state_dict().items()})
    x = np.random.default_rng(0).normal(size=shape)
    a, b = Tensor(x, True), torch.tensor(x, requires_grad=True)
    y, expected = ours(a), theirs(b)
    np.testing.assert_allclose(y.array, expected.detach().numpy(), rtol=1e-7, atol=1e-9)
    v = np.random.default_rng(1).normal(size=y.shape)
    found = grad(y, [a, *ours.parameters()], Tensor(v))
    wanted = torch.autograd.grad(expected, [b, *theirs.parameters()], torch.tensor(v))
    for g, w in zip(found, wanted, strict=True):
        assert g is not None
        np.testing.assert_allclose(g.array, w.numpy(), rtol=1e-7, atol=1e-9)


PROBABILITIES = np.random.default_rng(3).uniform(0.05, 0.95, (4, 3))
CLASSES = np.array([0, 2, 1, 2])
LOSSES = [
    ("MSELoss", PROBABILITIES),
    ("L1Loss", PROBABILITIES),
    ("SmoothL1Loss", PROBABILITIES),
    ("HuberLoss", PROBABILITIES),
    ("BCELoss", PROBABILITIES.round()),
    ("BCEWithLogitsLoss", PROBABILITIES),
    ("KLDivLoss", PROBABILITIES),
    ("PoissonNLLLoss", PROBABILITIES),
    ("NLLLoss", CLASSES),
    ("CrossEntropyLoss", CLASSES),
]
OPTIONS = {
    "SmoothL1Loss": {"beta": 0.2},
    "HuberLoss": {"delta": 0.3},
    "KLDivLoss": {"log_target": True},
    "PoissonNLLLoss": {"log_input": False, "full": True, "eps": 1e-3},
    "NLLLoss": {"ignore_index": 1},
    "CrossEntropyLoss": {"ignore_index": 1, "label_smoothing": 0.2},
}


@pytest.mark.filterwarnings("ignore:reduction. 'mean' divides:UserWarning")  # PyTorch's kl_div
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize(("name", "target"), LOSSES, ids=[name for name, _ in LOSSES])
def test_loss_equals_torch(name: str, target: np.ndarray, reduction: str) -> None:
    x = np.random.default_rng(4).uniform(0.1, 0.9, (4, 3))
    options = {**OPTIONS.get(name, {}), "reduction": reduction}
    ours = getattr(nn, name)(**options)(Tensor(x), Tensor(target))
    theirs = getattr(torch.nn, name)(**options)(torch.tensor(x), torch.tensor(target))
    np.testing.assert_allclose(ours.array, theirs.numpy(), rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("name", ["CrossEntropyLoss", "NLLLoss"])
def test_class_weights_are_a_buffer(name: str) -> None:
    x, weight = np.random.default_rng(4).normal(size=(4, 3)), np.array([0.2, 1.0, 3.0])
    ours = getattr(nn, name)(weight=Tensor(weight))
    theirs = getattr(torch.nn, name)(weight=torch.tensor(weight))
    assert list(ours.state_dict()) == list(theirs.state_dict()) == ["weight"]
    loss = ours(Tensor(x), Tensor(CLASSES))
    expected = theirs(torch.tensor(x), torch.tensor(CLASSES))
    np.testing.assert_allclose(loss.array, expected.numpy(), rtol=1e-9)


@pytest.mark.parametrize("name", ["MSELoss", "CrossEntropyLoss", "BCELoss"])
def test_unknown_reduction_is_refused_when_the_loss_is_made(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name}: reduction"):
        getattr(nn, name)(reduction="average")


A, B, C = np.random.default_rng(5).normal(size=(3, 4, 3))
SIGNS = np.array([1, -1, -1, 1])
PAIRS = [
    ("HingeEmbeddingLoss(margin=0.5)", (A[:, 0], SIGNS)),
    ("MarginRankingLoss(margin=0.5)", (A[:, 0], B[:, 0], SIGNS)),
    ("CosineEmbeddingLoss(margin=0.1)", (A, B, SIGNS)),
    ("TripletMarginLoss(margin=2.0, p=1.0, eps=1e-3, swap=True)", (A, B, C)),
    ("TripletMarginLoss(reduction='none')", (A, B, C)),
    ("MultiMarginLoss()", (A, CLASSES)),
    ("MultiMarginLoss(p=2, margin=0.5, reduction='sum')", (A, CLASSES)),
    ("GaussianNLLLoss(full=True)", (A, B, np.exp(C))),
    ("CosineSimilarity(dim=1, eps=1e-3)", (A, B)),
    ("CosineSimilarity(0)", (A[:1], B)),
    ("PairwiseDistance(p=1.0, eps=1e-3, keepdim=True)", (A, B)),
]


@pytest.mark.parametrize(("text", "inputs"), PAIRS, ids=[text for text, _ in PAIRS])
def test_of_several_inputs_equals_torch(text: str, inputs: tuple[np.ndarray, ...]) -> None:
    ours = eval(text, vars(nn).copy())(*map(Tensor, inputs))
    theirs = eval(text, vars(torch.nn).copy())(*map(torch.tensor, inputs))
    np.testing.assert_allclose(ours.array, theirs.numpy(), rtol=1e-9, atol=1e-12)


def test_multi_margin_weights_are_a_buffer() -> None:
    weight = np.array([0.2, 1.0, 3.0])
    ours = nn.MultiMarginLoss(weight=Tensor(weight))
    theirs = torch.nn.MultiMarginLoss(weight=torch.tensor(weight))
    assert list(ours.state_dict()) == list(theirs.state_dict()) == ["weight"]
    loss = ours(Tensor(A), Tensor(CLASSES))
    np.testing.assert_allclose(
        loss.array, theirs(torch.tensor(A), torch.tensor(CLASSES)).numpy(), rtol=1e-12
    )


MODULES = [
    name for name, cls in vars(nn).items() if isinstance(cls, type) and issubclass(cls, nn.Module)
]


@pytest.mark.parametrize("name", [name for name in MODULES if hasattr(torch.nn, name)])
def test_arguments_and_defaults_are_those_of_torch(name: str) -> None:
    """In PyTorch's order, which positional calls rely on; further ones only after them."""
    theirs = list(inspect.signature(getattr(torch.nn, name)).parameters.values())
    ours = list(inspect.signature(getattr(nn, name)).parameters.values())
    kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    if any(p.kind in kinds for p in theirs):  # PyTorch takes anything, and ignores it
        return
    if name == "Hardtanh":  # min_value and max_value, which PyTorch warns of
        theirs = theirs[:3]
    assert [p.name for p in ours][: len(theirs)] == [p.name for p in theirs]
    assert [p.default for p in ours][: len(theirs)] == [p.default for p in theirs]
    assert all(p.default is not inspect.Parameter.empty for p in ours[len(theirs) :])


WRITTEN = [
    *(text for text, _ in LAYERS),
    *(text for text, _ in PAIRS),
    *(f"{name}()" for name, _ in LOSSES),
]


@pytest.mark.parametrize("text", WRITTEN)
def test_written_as_in_torch(text: str) -> None:
    assert repr(eval(text, vars(nn).copy())) == repr(eval(text, vars(torch.nn).copy()))


@pytest.mark.parametrize("name", [name for name in MODULES if name.endswith("Loss")])
@pytest.mark.parametrize("old", ["size_average", "reduce"])
def test_old_reductions_are_refused(name: str, old: str) -> None:
    """PyTorch computes another loss with them; ignoring them would be silent."""
    if old not in inspect.signature(getattr(nn, name)).parameters:
        assert old not in inspect.signature(getattr(torch.nn, name)).parameters
        return
    with pytest.raises(ValueError, match=f"{name}: {old}"):
        getattr(nn, name)(**{old: False})


def test_a_weight_that_was_replaced_by_a_plain_tensor_is_used() -> None:
    layer = nn.Linear(2, 1)
    del layer.weight
    layer.weight = Tensor(np.array([[2.0, 3.0]], dtype="float32"))
    bias = layer.bias.item()
    assert layer(Tensor(np.ones((1, 2), dtype="float32"))).item() == np.float32(5) + np.float32(
        bias
    )


@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (2, 3, 4), (2, 3, 4, 5)])
@pytest.mark.parametrize("layout", ["C", "F"])
def test_dropout_drops_the_same_elements_in_any_layout(shape: tuple[int, ...], layout: str) -> None:
    x = Tensor(np.ones(shape, dtype="float32"))
    manual_seed(1)
    expected = nn.Dropout(0.5)(x).numpy()
    manual_seed(1)
    found = nn.Dropout(0.5)(Tensor(np.array(x.numpy(), order=layout))).numpy()  # type: ignore[call-overload]
    assert found.shape == shape
    np.testing.assert_array_equal(found, expected)
    assert set(np.unique(found)) <= {0, 2}
