"""Module: registration, traversal, modes, conversion, hooks; PyTorch is the oracle."""

from __future__ import annotations

import copy
from collections import OrderedDict
from typing import Any

import numpy as np
import pytest
import torch

import nnlite
from nnlite import nn
from nnlite.autograd import Tensor, grad, no_grad
from nnlite.errors import ArgumentError, DtypeError, NnliteIndexError, NnliteKeyError


def _net(nn: Any) -> Any:
    """The same net of either library, with a shared layer, a None bias, and lists."""

    class Net(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(1, 2, 3, padding=1, bias=False)
            self.head = nn.Sequential(
                OrderedDict(fc=nn.Linear(4, 4), act=nn.ReLU(), drop=nn.Dropout(0.2))
            )
            self.again = self.head.fc
            self.many = nn.ModuleList([nn.Linear(2, 2), nn.Linear(2, 2), nn.Tanh()])
            self.named = nn.ModuleDict({"a": nn.Linear(1, 1), "b": nn.Softmax(dim=1)})
            self.free = nn.ParameterList([nn.Linear(3, 1).weight])
            self.loss = nn.CrossEntropyLoss()

    return Net()


def test_names_order_and_text_equal_torch() -> None:
    ours, theirs = _net(nn), _net(torch.nn)
    names = [name for name, _ in ours.named_parameters()]
    assert names == [name for name, _ in theirs.named_parameters()]
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert [tuple(p.shape) for p in theirs.parameters()] == [p.shape for p in ours.parameters()]
    assert [n for n, _ in ours.named_modules()] == [n for n, _ in theirs.named_modules()]
    assert [n for n, _ in ours.named_children()] == [n for n, _ in theirs.named_children()]
    every = [n for n, _ in ours.named_parameters(remove_duplicate=False)]
    assert every == [n for n, _ in theirs.named_parameters(remove_duplicate=False)]
    del ours.free, theirs.free  # PyTorch names its own tensor types there
    assert repr(ours) == repr(theirs)


@pytest.mark.parametrize(
    "text",
    [
        "Linear(3, 4, bias=False)",
        "Conv2d(2, 4, (3, 5), stride=2, padding=1, dilation=2, groups=2, bias=False)",
        "Conv2d(2, 4, 3, padding='same', padding_mode='reflect')",
        "Conv1d(2, 4, 3)",
        "ConvTranspose2d(2, 4, 3, stride=2, padding=1, output_padding=1)",
        "ConvTranspose1d(2, 4, 3)",
        "MaxPool1d(2)",
        "MaxPool2d(2)",
        "MaxPool2d((2, 3), stride=1, padding=1, ceil_mode=True)",
        "AvgPool1d(2)",
        "AvgPool2d(3, 2, 1)",
        "AdaptiveAvgPool2d((2, None))",
        "AdaptiveMaxPool2d(3)",
        "Dropout(0.1)",
        "Dropout2d()",
        "Flatten()",
        "Unflatten(1, (2, 3))",
        "Identity()",
        "ReLU()",
        "ReLU(inplace=True)",
        "ReLU6()",
        "ELU(0.5)",
        "ELU(inplace=True)",
        "CELU(2.0)",
        "SELU()",
        "GELU()",
        "GELU('tanh')",
        "SiLU()",
        "Mish()",
        "Softplus()",
        "Softsign()",
        "LogSigmoid()",
        "PReLU(3)",
        "Threshold(0.1, 20)",
        "L1Loss()",
        "SmoothL1Loss()",
        "HuberLoss()",
        "BCELoss()",
        "BCEWithLogitsLoss()",
        "KLDivLoss()",
        "PoissonNLLLoss()",
        "GaussianNLLLoss()",
        "LeakyReLU(0.2)",
        "Hardtanh()",
        "Hardsigmoid()",
        "Hardswish()",
        "Tanh()",
        "Sigmoid()",
        "Softmax(dim=1)",
        "Softmin(dim=1)",
        "LogSoftmax(dim=-1)",
        "MSELoss()",
        "NLLLoss()",
        "CrossEntropyLoss()",
        "Sequential()",
        "ModuleList()",
        "ModuleDict()",
        "Sequential(ReLU(), Sequential(Tanh()))",
    ],
)
def test_layers_are_written_as_in_torch(text: str) -> None:
    assert repr(eval(text, vars(nn).copy())) == repr(eval(text, vars(torch.nn).copy()))


def test_attributes_become_members() -> None:
    module = nn.Module()
    weight = nn.Parameter(Tensor(np.ones(3)))
    module.weight = weight
    module.child = nn.Identity()
    module.number = 3
    assert module.weight is weight
    assert weight.requires_grad
    assert [p is weight for p in module.parameters()] == [True]
    assert {"weight", "child", "number"} <= set(dir(module))
    with pytest.raises(DtypeError, match=r"Module: weight: expected a Parameter or None"):
        module.weight = Tensor(np.ones(3))
    with pytest.raises(DtypeError, match=r"Module: child"):
        module.child = 3
    module.weight = None
    assert module.weight is None
    assert list(module.parameters()) == []
    del module.child
    assert not hasattr(module, "child")


def test_an_unknown_attribute_is_told_with_the_nearest() -> None:
    with pytest.raises(AttributeError, match=r"Linear: .*'wieght'; hint: did you mean 'weight'"):
        nn.Linear(1, 1).wieght  # noqa: B018


def test_forgotten_super_init_is_told() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            self.fc = nn.Linear(1, 1)

    with pytest.raises(AttributeError, match=r"super\(\).__init__\(\)"):
        Net()


@pytest.mark.parametrize("make", [lambda m: [m], lambda m: (m,), lambda m: {"a": m}])
def test_modules_in_plain_containers_are_warned_of(make: Any) -> None:
    module = nn.Module()
    with pytest.warns(UserWarning, match=r"Module\.layers.*nn\.Module(List|Dict)"):
        module.layers = make(nn.Linear(1, 1))
    with pytest.warns(UserWarning, match=r"Module\.weights.*nn\.Parameter(List|Dict)"):
        module.weights = make(nn.Parameter(np.ones(1)))
    module.sizes = make(3)


def test_registration_is_checked() -> None:
    module = nn.Module()
    module.register_buffer("mean", Tensor(np.zeros(2)))
    for name in ("a.b", "", "forward", "mean"):
        with pytest.raises(ArgumentError, match="register_parameter: name"):
            module.register_parameter(name, None)
    with pytest.raises(DtypeError, match="register_buffer: mean"):
        module.register_buffer("mean", np.zeros(2))  # type: ignore[arg-type]
    with pytest.raises(DtypeError, match="add_module: child"):
        module.add_module("child", nn.ReLU)  # type: ignore[arg-type]


def test_modes_reach_every_module() -> None:
    net = _net(nn)
    assert net.eval() is net
    assert not any(m.training for m in net.modules())
    net.head.train()
    assert net.head.drop.training
    assert not net.training
    with pytest.raises(DtypeError):
        net.train(1)
    net.requires_grad_(False)
    assert not any(p.requires_grad for p in net.parameters())


def test_zero_grad() -> None:
    layer = nn.Linear(2, 1)
    layer(Tensor(np.ones((3, 2), "float32"))).sum().backward()
    layer.zero_grad(set_to_none=False)
    assert layer.weight.grad is not None
    np.testing.assert_array_equal(layer.weight.grad.array, np.zeros((1, 2)))
    layer.zero_grad()
    assert layer.weight.grad is None
    assert layer.bias.grad is None


def test_conversion_keeps_the_parameters_and_integer_buffers() -> None:
    net = nn.Sequential(nn.Linear(2, 2))
    net.register_buffer("count", Tensor(np.array(3)))
    net.register_buffer("mean", Tensor(np.ones(2, "float32")))
    weight = net[0].weight
    net(Tensor(np.ones((1, 2), "float32"))).sum().backward()
    assert net.double() is net
    assert net[0].weight is weight
    assert weight.dtype == weight.grad.dtype == net.mean.dtype == np.float64
    assert net.count.dtype == np.int64
    assert net(Tensor(np.ones((1, 2)))).dtype == np.float64
    assert net.float()[0].weight.dtype == np.float32
    net.to(device="strict")
    assert str(net[0].weight.device) == str(net.count.device) == "strict"
    net.to("cpu", "float64")
    assert (str(weight.device), weight.dtype) == ("cpu", np.float64)
    with pytest.raises(DtypeError, match=r"Module\.to: dtype"):
        net.to("int64")


def test_shared_parameters_get_one_summed_gradient() -> None:
    layer = nn.Linear(2, 2)
    net = nn.Sequential(layer, layer)
    assert len(list(net.parameters())) == 2
    theirs = torch.nn.Linear(2, 2)
    theirs.load_state_dict({k: torch.tensor(v.array) for k, v in layer.state_dict().items()})
    x = np.arange(4, dtype="float32").reshape(2, 2)
    net(Tensor(x)).sum().backward()
    theirs(theirs(torch.tensor(x))).sum().backward()
    np.testing.assert_allclose(layer.weight.grad.array, theirs.weight.grad.numpy(), rtol=1e-5)


def test_a_copy_is_independent() -> None:
    net = _net(nn)
    twin = copy.deepcopy(net)
    with no_grad():
        for p in net.parameters():
            p.array[...] = 0
    assert all((p.array != 0).any() for p in twin.parameters())
    assert twin.again is twin.head.fc


def test_apply_visits_children_first() -> None:
    seen: list[str] = []
    nn.Sequential(nn.ReLU(), nn.Sequential(nn.Tanh())).apply(
        lambda m: seen.append(type(m).__name__)
    )
    assert seen == ["ReLU", "Tanh", "Sequential", "Sequential"]


def test_members_by_dotted_name() -> None:
    net = _net(nn)
    assert net.get_submodule("head.fc") is net.head.fc
    assert net.get_submodule("") is net
    assert net.get_parameter("many.1.bias") is net.many[1].bias
    for name in ("head.nothing", "nothing.bias"):
        with pytest.raises(AttributeError):
            net.get_parameter(name)
    with pytest.raises(AttributeError):
        net.get_buffer("head.fc.weight")


# -- containers --------------------------------------------------------------------------------


def test_sequential_is_a_list() -> None:
    a, b, c, d = nn.ReLU(), nn.Tanh(), nn.Sigmoid(), nn.Identity()
    net = nn.Sequential(a, b)
    net.append(c).insert(0, d)
    assert list(net) == [d, a, b, c]
    assert net[-1] is c
    assert list(net[1:3]) == [a, b]
    assert isinstance(net[1:3], nn.Sequential)
    del net[0]
    assert [name for name, _ in net.named_children()] == ["0", "1", "2"]
    net[0] = d
    assert net.pop(0) is d
    assert len(net) == 2
    with pytest.raises(NnliteIndexError):
        net[2]
    named = nn.Sequential(OrderedDict(x=a, y=b))
    assert named.y is named[1] is b
    assert list(named[1:].state_dict()) == []
    assert next(iter(named[1:].named_children()))[0] == "y"
    with pytest.raises(DtypeError, match="Sequential: member"):
        nn.Sequential(nn.ReLU)
    with pytest.raises(DtypeError, match="Sequential: member"):
        nn.Sequential(nn.ReLU(), nn.functional.relu)


def test_dictionaries_and_parameter_lists() -> None:
    layers = nn.ModuleDict({"a": nn.Linear(1, 1)})
    layers["b"] = nn.ReLU()
    layers.update({"a": nn.Tanh()})
    assert list(layers) == ["a", "b"]
    assert "b" in layers
    assert isinstance(layers.pop("a"), nn.Tanh)
    assert len(layers) == 1
    with pytest.raises(NnliteKeyError):
        layers["c"]
    weights = nn.ParameterDict({"w": Tensor(np.ones(2))})
    assert isinstance(weights["w"], nn.Parameter)
    assert list(weights.state_dict()) == ["w"]
    some = nn.ParameterList([Tensor(np.ones(2))])
    some.append(nn.Parameter(np.ones(3)))
    assert list(some.state_dict()) == ["0", "1"]
    assert some[1].shape == (3,)
    with pytest.raises(DtypeError):
        some.append(3)


# -- hooks -------------------------------------------------------------------------------------


def test_forward_hooks_see_and_replace() -> None:
    layer = nn.Identity()
    calls: list[str] = []
    layer.register_forward_pre_hook(lambda m, args: calls.append("second"))
    layer.register_forward_pre_hook(lambda m, args: calls.append("first"), prepend=True)
    handle = layer.register_forward_pre_hook(lambda m, args: args[0] * 2)
    layer.register_forward_hook(lambda m, args, out: out + args[0])
    x = Tensor(np.ones(2))
    np.testing.assert_array_equal(layer(x).array, [4, 4])
    assert calls == ["first", "second"]
    handle.remove()
    handle.remove()
    np.testing.assert_array_equal(layer(x).array, [2, 2])


def test_hooks_with_keyword_arguments() -> None:
    class Scale(nn.Module):
        def forward(self, x: Any, factor: float = 1.0) -> Any:
            return x * factor

    layer = Scale()
    layer.register_forward_pre_hook(lambda m, a, k: (a, {"factor": 5.0}), with_kwargs=True)
    layer.register_forward_hook(lambda m, a, k, out: out + k["factor"], with_kwargs=True)
    assert layer(Tensor(np.ones(1))).array.item() == 10


@pytest.mark.filterwarnings("ignore:Full backward hook is firing:UserWarning")  # PyTorch's own
@pytest.mark.parametrize("input_needs_grad", [True, False])
def test_backward_hooks_see_what_torch_shows(input_needs_grad: bool) -> None:
    def run(nn: Any, make: Any, x: Any) -> list[Any]:
        seen: list[Any] = []
        net = nn.Sequential(nn.Linear(2, 3), nn.Tanh())
        for p, value in zip(net.parameters(), values, strict=True):
            p.data = make(value)
        net[0].register_full_backward_hook(lambda m, gx, gy: seen.append((gx[0], gy[0])))
        net[1].register_full_backward_pre_hook(lambda m, gy: (gy[0] * 2,))
        net(x).sum().backward()
        return [*seen[0], net[0].weight.grad]

    rng = np.random.default_rng(0)
    values = [rng.normal(size=(3, 2)), rng.normal(size=3)]
    x = rng.normal(size=(4, 2))
    ours = run(nn, Tensor, Tensor(x, input_needs_grad))
    theirs = run(torch.nn, torch.tensor, torch.tensor(x, requires_grad=input_needs_grad))
    for a, b in zip(ours, theirs, strict=True):
        assert (a is None) == (b is None)
        if a is not None:
            np.testing.assert_allclose(a.array, b.numpy(), rtol=1e-9)


def test_backward_hooks_replace_the_gradient() -> None:
    layer = nn.Identity()
    layer.register_full_backward_hook(lambda m, gx, gy: (gx[0] * 10,))
    x = Tensor(np.ones(2), True)
    (g,) = grad(layer(x), [x], Tensor(np.ones(2)))
    assert g is not None
    np.testing.assert_array_equal(g.array, [10, 10])


def test_a_tied_weight_comes_once() -> None:
    for library in (nn, torch.nn):
        net = library.Sequential(library.Linear(2, 2), library.Linear(2, 2))
        net[1].weight = net[0].weight
        assert [name for name, _ in net.named_parameters()] == ["0.weight", "0.bias", "1.bias"]
        assert len(net.state_dict()) == 4


def test_a_name_may_change_its_kind() -> None:
    module = nn.Module()
    module.a = nn.Linear(2, 2)
    module.b = nn.Parameter(nnlite.ones(1))
    module.a = nn.Parameter(nnlite.zeros(3))
    module.b = nn.Linear(2, 1)
    assert [name for name, _ in module.named_parameters()] == ["a", "b.weight", "b.bias"]
    assert [name for name, _ in module.named_children()] == ["b"]


def test_a_missing_key_of_a_module_dict() -> None:
    members = nn.ModuleDict({"a": nn.Linear(1, 1)})
    with pytest.raises(KeyError, match=r"ModuleDict: key: expected one of \['a'\], got 'b'; hint"):
        members["b"]
