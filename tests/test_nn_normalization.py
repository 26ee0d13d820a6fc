"""Normalization layers against PyTorch's, with weights and statistics passed both ways."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from nnlite import nn
from nnlite.autograd import Tensor, grad
from nnlite.errors import ArgumentError, DeviceError, DtypeError, NnliteError, ShapeError
from nnlite.nn import functional as F
from tests.conftest import to_device

LAYERS = [
    ("BatchNorm1d(3)", (5, 3)),
    ("BatchNorm1d(3, eps=0.1, momentum=0.3)", (4, 3, 6)),
    ("BatchNorm2d(3)", (4, 3, 5, 2)),
    ("BatchNorm2d(3, momentum=None)", (4, 3, 5, 2)),
    ("BatchNorm2d(3, momentum=0.0)", (4, 3, 5, 2)),
    ("BatchNorm2d(3, affine=False)", (4, 3, 5, 2)),
    ("BatchNorm2d(3, bias=False)", (4, 3, 5, 2)),
    ("BatchNorm2d(3, track_running_stats=False)", (4, 3, 5, 2)),
    ("InstanceNorm1d(3)", (2, 3, 6)),
    ("InstanceNorm1d(3, affine=True)", (3, 6)),
    ("InstanceNorm2d(3, affine=True, track_running_stats=True)", (4, 3, 5, 2)),
    ("LayerNorm(6)", (2, 3, 6)),
    ("LayerNorm((3, 6), eps=0.1)", (2, 3, 6)),
    ("LayerNorm([6], bias=False)", (2, 3, 6)),
    ("LayerNorm(6, elementwise_affine=False)", (6,)),
    ("GroupNorm(2, 4)", (3, 4, 5, 2)),
    ("GroupNorm(4, 4, affine=False)", (3, 4, 5)),
    ("GroupNorm(1, 4, eps=0.1)", (3, 4)),
]
by_layer = pytest.mark.parametrize(("text", "shape"), LAYERS, ids=[text for text, _ in LAYERS])


def _pair(text: str) -> tuple[Any, Any]:
    """The layer of nnlite and PyTorch's in float64, with the same weights, not 1 and 0."""
    ours = eval(text, vars(nn).copy()).double()
    theirs = eval(text, vars(torch.nn).copy()).double()
    rng = np.random.default_rng(5)
    state = {
        name: torch.tensor(rng.uniform(0.5, 2.0, tuple(value.shape)))
        if value.dtype.is_floating_point
        else value
        for name, value in theirs.state_dict().items()
    }
    theirs.load_state_dict(state)
    ours.load_state_dict({name: value.numpy() for name, value in state.items()})
    return ours, theirs


def _assert_same_state(ours: Any, theirs: Any) -> None:
    mine, wanted = ours.state_dict(), theirs.state_dict()
    assert list(mine) == list(wanted)
    for name, value in wanted.items():
        assert mine[name].dtype.name == str(value.dtype).removeprefix("torch."), name
        np.testing.assert_allclose(
            mine[name].array, value.numpy(), rtol=1e-12, atol=1e-12, err_msg=name
        )


@by_layer
def test_layer_equals_torch_in_training_and_evaluation(text: str, shape: tuple[int, ...]) -> None:
    ours, theirs = _pair(text)
    rng = np.random.default_rng(0)
    assert repr(ours) == repr(theirs)
    for mode in (True, True, False, True, False):
        ours.train(mode)
        theirs.train(mode)
        # ragged: batches of different sizes, the last ones of one sample where that is allowed
        x = rng.normal(2.0, 3.0, (shape[0] + int(rng.integers(0, 3)), *shape[1:]))
        x = x[: shape[0]] if len(shape) == 1 or text.startswith("InstanceNorm1d(3, aff") else x
        a, b = Tensor(x, True), torch.tensor(x, requires_grad=True)
        y, expected = ours(a), theirs(b)
        np.testing.assert_allclose(y.array, expected.detach().numpy(), rtol=1e-9, atol=1e-9)
        v = rng.normal(size=y.shape)
        found = grad(y, [a, *ours.parameters()], Tensor(v))
        wanted = torch.autograd.grad(expected, [b, *theirs.parameters()], torch.tensor(v))
        for g, w in zip(found, wanted, strict=True):
            assert g is not None
            np.testing.assert_allclose(g.array, w.numpy(), rtol=1e-8, atol=1e-9)
        _assert_same_state(ours, theirs)


@by_layer
def test_weights_go_back_to_torch(text: str, shape: tuple[int, ...]) -> None:
    ours, _ = _pair(text)
    x = np.random.default_rng(0).normal(size=shape)
    ours(Tensor(x))
    fresh = eval(text, vars(torch.nn).copy()).double()
    fresh.load_state_dict({k: torch.tensor(v.array) for k, v in ours.state_dict().items()})
    _assert_same_state(ours, fresh)
    np.testing.assert_allclose(
        ours.eval()(Tensor(x)).array, fresh.eval()(torch.tensor(x)).detach().numpy(), rtol=1e-9
    )
    assert [name for name, _ in ours.named_parameters()] == [n for n, _ in fresh.named_parameters()]
    assert [name for name, _ in ours.named_buffers()] == [n for n, _ in fresh.named_buffers()]


def test_new_layers_start_like_torch() -> None:
    for text, _ in LAYERS:
        ours, theirs = eval(text, vars(nn).copy()), eval(text, vars(torch.nn).copy())
        _assert_same_state(ours, theirs)


# -- running statistics ------------------------------------------------------------------------


def test_variance_is_biased_for_the_result_and_unbiased_for_the_running_one() -> None:
    x = np.array([[1.0], [2.0], [6.0]])
    layer = nn.BatchNorm1d(1, eps=1e-12, momentum=1.0).double()
    y = layer(Tensor(x)).array
    np.testing.assert_allclose(y, (x - 3) / np.sqrt(14 / 3), rtol=1e-9)
    assert layer.running_mean is not None
    assert layer.running_var is not None
    np.testing.assert_allclose(layer.running_mean.array, [3])
    np.testing.assert_allclose(layer.running_var.array, [14 / 2])


@pytest.mark.parametrize("momentum", [0.1, 0.75, None])
def test_running_statistics_after_ragged_batches(momentum: float | None) -> None:
    rng = np.random.default_rng(1)
    batches = [rng.normal(5, 2, (n, 2)) for n in (7, 3, 2, 5)]
    layer = nn.BatchNorm1d(2, momentum=momentum).double()
    mean, var = np.zeros(2), np.ones(2)
    for k, x in enumerate(batches, start=1):
        layer(Tensor(x))
        share = 1 / k if momentum is None else momentum
        mean = (1 - share) * mean + share * x.mean(axis=0)
        var = (1 - share) * var + share * x.var(axis=0, ddof=1)
    assert layer.running_mean is not None
    assert layer.running_var is not None
    np.testing.assert_allclose(layer.running_mean.array, mean, rtol=1e-12)
    np.testing.assert_allclose(layer.running_var.array, var, rtol=1e-12)
    assert layer.num_batches_tracked.item() == 4
    layer.reset_running_stats()
    assert layer.running_mean.tolist() == [0, 0]
    assert layer.running_var.tolist() == [1, 1]
    assert layer.num_batches_tracked.item() == 0


def test_evaluation_leaves_the_statistics_alone() -> None:
    layer = nn.BatchNorm1d(2).eval()
    before = {name: t.array.copy() for name, t in layer.state_dict().items()}
    layer(Tensor(np.ones((4, 2), "float32")))
    for name, t in layer.state_dict().items():
        np.testing.assert_array_equal(t.array, before[name])


def test_an_empty_batch_leaves_the_statistics_alone() -> None:
    layer, reference = nn.BatchNorm1d(2), torch.nn.BatchNorm1d(2)
    y = layer(Tensor(np.ones((0, 2), "float32")))
    reference(torch.ones(0, 2))
    assert y.shape == (0, 2)
    _assert_same_state(layer, reference)


def test_a_refused_batch_is_not_counted() -> None:
    layer = nn.BatchNorm1d(2)
    with pytest.raises(ShapeError):
        layer(Tensor(np.ones((1, 2), "float32")))
    assert layer.num_batches_tracked.item() == 0


def test_statistics_stay_float32() -> None:
    layer = nn.BatchNorm2d(3, momentum=float(np.float64(0.1)))
    x = Tensor(np.random.default_rng(0).normal(size=(2, 3, 4, 4)).astype("float32"), True)
    y = layer(x)
    assert {t.dtype.name for t in (y, layer.running_mean, layer.running_var)} == {"float32"}
    y.sum().backward()
    assert x.grad is not None
    assert x.grad.dtype.name == layer.weight.grad.dtype.name == "float32"


def test_backward_uses_the_statistics_of_its_own_forward() -> None:
    """A second batch between forward and backward moves the running statistics, not the gradient.

    In evaluation they are constants of the graph: what is loaded later does not reach it either.
    """
    rng = np.random.default_rng(2)
    x = Tensor(rng.normal(size=(4, 2)), True)
    layer = nn.BatchNorm1d(2).double().eval()
    y = layer(x)
    expected = grad(y, x, Tensor(np.ones((4, 2))), retain_graph=True)[0].array.copy()
    layer.load_state_dict({**layer.state_dict(), "running_var": np.array([9.0, 9.0])})
    np.testing.assert_array_equal(grad(y, x, Tensor(np.ones((4, 2))))[0].array, expected)


def test_layer_runs_on_another_device(device: str) -> None:
    x = np.random.default_rng(0).normal(size=(4, 3, 2, 2)).astype("float32")
    layer = nn.BatchNorm2d(3, device=device)
    y = layer(Tensor(to_device(x, device)))
    y.sum().backward()
    assert str(y.device) == str(layer.running_var.device) == device
    layer.eval()(Tensor(to_device(x, device)))


# -- the gradient ------------------------------------------------------------------------------


@pytest.mark.parametrize("training", [True, False])
def test_uniform_cotangent(training: bool) -> None:
    """With gy = 1 everywhere the gradient to x vanishes in training: only that hides many errors.

    It must be 0 there, and must not be in evaluation; the table of op cases uses random ones.

    Mnemosyne PR #987.
    """
    rng = np.random.default_rng(3)
    x = Tensor(rng.normal(size=(6, 3, 2)), True)
    layer = nn.BatchNorm1d(3).double().train(training)
    layer(x).sum().backward()
    assert x.grad is not None
    if training:
        np.testing.assert_allclose(x.grad.array, 0, atol=1e-12)
    else:
        np.testing.assert_allclose(x.grad.array, 1 / np.sqrt(1 + 1e-5), rtol=1e-12)
    assert layer.bias is not None
    np.testing.assert_allclose(layer.bias.grad.array, 12)


@pytest.mark.parametrize("mean", [0.0, 1e3])
def test_float32_is_as_good_as_torchs(mean: float) -> None:
    """Far from 0 the variance must not be a difference of squares."""
    rng = np.random.default_rng(4)
    x = (rng.normal(size=(64, 4, 9, 9)) + mean).astype("float32")
    v = rng.normal(size=x.shape).astype("float32")
    exact = torch.tensor(x.astype("float64"), requires_grad=True)
    y64 = torch.nn.functional.batch_norm(exact, None, None, training=True)
    (g64,) = torch.autograd.grad(y64, exact, torch.tensor(v.astype("float64")))
    theirs = torch.tensor(x, requires_grad=True)
    y32 = torch.nn.functional.batch_norm(theirs, None, None, training=True)
    (g32,) = torch.autograd.grad(y32, theirs, torch.tensor(v))
    ours = Tensor(x, True)
    y = F.batch_norm(ours, None, None, training=True)
    (g,) = grad(y, ours, Tensor(v))
    assert g is not None
    for mine, other, best in ((y.array, y32, y64), (g.array, g32, g64)):
        best = best.detach().numpy()
        worst = np.abs(other.detach().numpy() - best).max()
        assert np.abs(mine - best).max() <= 2 * worst + 1e-6


def test_a_constant_channel_gives_its_bias() -> None:
    x = Tensor(np.full((8, 2, 3), 1e6, "float32"), True)
    layer = nn.BatchNorm1d(2)
    y = layer(x)
    np.testing.assert_array_equal(y.array, np.zeros((8, 2, 3)))
    y.sum().backward()
    assert np.isfinite(x.grad.array).all()


@pytest.mark.parametrize("name", ["batch_norm", "layer_norm"])
def test_third_derivative_equals_torch(name: str) -> None:
    """Every order comes from one formula; the table of op cases ends at the second."""
    x = np.random.default_rng(6).normal(size=(4, 3))

    def third(F: Any, leaf: Any, gradient: Any) -> Any:
        args = (None, None, None, None, True) if name == "batch_norm" else ((3,),)
        y = getattr(F, name)(leaf, *args)
        for _ in range(3):
            y = gradient((y * y * y).sum(), leaf)
        return y

    a, b = Tensor(x, True), torch.tensor(x, requires_grad=True)
    # PyTorch's own third derivative is not implemented for its fused ops: the same by hand
    dims = 0 if name == "batch_norm" else 1

    class ByHand:
        @staticmethod
        def batch_norm(x: Any, *args: Any) -> Any:
            d = x - x.mean(dims, keepdim=True)
            return d / ((d * d).mean(dims, keepdim=True) + 1e-5).sqrt()

        layer_norm = batch_norm

    ours = third(F, a, lambda y, x: grad(y, x, create_graph=True)[0])
    theirs = third(ByHand, b, lambda y, x: torch.autograd.grad(y, x, create_graph=True)[0])
    np.testing.assert_allclose(ours.array, theirs.detach().numpy(), rtol=1e-7, atol=1e-7)


# -- refusals ----------------------------------------------------------------------------------


def _t(*shape: int, dtype: str = "float32") -> Tensor:
    return Tensor(np.ones(shape, dtype))


ROWS, IMAGES, CHANNELS = _t(4, 3), _t(2, 3, 4, 4), _t(3)
ELSEWHERE = Tensor(to_device(np.ones(3, "float32"), "strict"))

REFUSALS: list[tuple[Any, type[NnliteError], str]] = [
    (lambda: F.batch_norm(_t(1, 3), None, None, training=True), ShapeError, "batch_norm: input"),
    (lambda: F.batch_norm(_t(1, 3, 1, 1), None, None, training=True), ShapeError, "batch_norm: i"),
    (lambda: F.batch_norm(_t(3), None, None, training=True), ShapeError, "batch_norm: input"),
    (lambda: F.batch_norm(ROWS, None, None), ArgumentError, "batch_norm: running_mean"),
    (lambda: F.batch_norm(ROWS, CHANNELS, None), ArgumentError, "batch_norm: running_var"),
    (lambda: F.batch_norm(ROWS, None, CHANNELS), ArgumentError, "batch_norm: running_mean"),
    (lambda: F.batch_norm(ROWS, _t(4), CHANNELS), ShapeError, "batch_norm: running_mean"),
    (lambda: F.batch_norm(ROWS, CHANNELS, _t(1)), ShapeError, "batch_norm: running_var"),
    (lambda: F.batch_norm(ROWS, CHANNELS, CHANNELS, _t(4)), ShapeError, "batch_norm: weight"),
    (lambda: F.batch_norm(ROWS, CHANNELS, CHANNELS, None, _t(3, 1)), ShapeError, "batch_norm: bi"),
    (lambda: F.batch_norm(ROWS, CHANNELS, CHANNELS, eps=-1), ArgumentError, "batch_norm: eps"),
    (lambda: F.batch_norm(ROWS, None, None, training=True, eps=0), ArgumentError, "batch_norm: ep"),
    (lambda: F.batch_norm(ROWS, CHANNELS, CHANNELS, eps="a"), DtypeError, "batch_norm: eps"),
    (lambda: F.batch_norm(_t(4, 3, dtype="int64"), None, None), DtypeError, "batch_norm: input"),
    (
        lambda: F.batch_norm(ROWS, CHANNELS, CHANNELS, _t(3, dtype="float64")),
        DtypeError,
        "batch_norm: weight",
    ),
    (lambda: F.batch_norm(ROWS, CHANNELS, CHANNELS, ELSEWHERE), DeviceError, "batch_norm"),
    (lambda: F.instance_norm(_t(2, 3, 1)), ShapeError, "instance_norm: input"),
    (lambda: F.instance_norm(_t(3, 4)), ShapeError, "instance_norm: input"),
    (lambda: F.instance_norm(_t(3)), ShapeError, "instance_norm: input"),
    (lambda: F.layer_norm(ROWS, 4), ShapeError, "layer_norm: input"),
    (lambda: F.layer_norm(ROWS, ()), ShapeError, "layer_norm: input"),
    (lambda: F.layer_norm(ROWS, (2, 4, 3)), ShapeError, "layer_norm: input"),
    (lambda: F.layer_norm(ROWS, 3.0), DtypeError, "layer_norm: normalized_shape"),
    (lambda: F.layer_norm(ROWS, 3, _t(1, 3)), ShapeError, "layer_norm: weight"),
    (lambda: F.layer_norm(ROWS, 3, None, _t(4)), ShapeError, "layer_norm: bias"),
    (lambda: F.layer_norm(ROWS, 3, eps=float("nan")), ArgumentError, "layer_norm: eps"),
    (lambda: F.group_norm(ROWS, 2), ShapeError, "group_norm: input"),
    (lambda: F.group_norm(_t(1, 3), 3), ShapeError, "group_norm: input"),
    (lambda: F.group_norm(_t(3), 3), ShapeError, "group_norm: input"),
    (lambda: F.group_norm(ROWS, 0), ArgumentError, "group_norm: num_groups"),
    (lambda: F.group_norm(ROWS, 3, _t(1)), ShapeError, "group_norm: weight"),
    (lambda: nn.BatchNorm1d(0), ArgumentError, "BatchNorm1d: num_features"),
    (lambda: nn.BatchNorm1d(2**41), ShapeError, "BatchNorm1d"),
    (lambda: nn.BatchNorm1d(2.0), DtypeError, "BatchNorm1d: num_features"),
    (lambda: nn.BatchNorm2d(3, eps=-1e-5), ArgumentError, "BatchNorm2d: eps"),
    (lambda: nn.BatchNorm2d(3, momentum="0.1"), DtypeError, "BatchNorm2d: momentum"),
    (lambda: nn.BatchNorm2d(3, momentum=float("nan")), ArgumentError, "BatchNorm2d: momentum"),
    (lambda: nn.BatchNorm2d(3)(ROWS), ShapeError, "BatchNorm2d: input"),
    (lambda: nn.BatchNorm1d(3)(IMAGES), ShapeError, "BatchNorm1d: input"),
    (lambda: nn.BatchNorm2d(4)(IMAGES), ShapeError, "BatchNorm2d: input"),
    (lambda: nn.BatchNorm2d(4)([[1.0]]), DtypeError, "BatchNorm2d: input"),
    (lambda: nn.BatchNorm1d(3)(_t(1, 3)), ShapeError, "batch_norm: input"),
    (lambda: nn.InstanceNorm2d(4, affine=True)(IMAGES), ShapeError, "InstanceNorm2d: input"),
    (lambda: nn.InstanceNorm1d(3)(_t(3)), ShapeError, "InstanceNorm1d: input"),
    (lambda: nn.LayerNorm(()), ShapeError, "LayerNorm: normalized_shape"),
    (lambda: nn.LayerNorm(-1), ShapeError, "LayerNorm: normalized_shape"),
    (lambda: nn.LayerNorm((2**21, 2**21)), ShapeError, "LayerNorm: normalized_shape"),
    (lambda: nn.GroupNorm(2, 3), ArgumentError, "GroupNorm: num_channels"),
    (lambda: nn.GroupNorm(0, 3), ArgumentError, "GroupNorm: num_groups"),
]


@pytest.mark.parametrize(
    ("call", "error", "beginning"),
    REFUSALS,
    ids=[f"{i} {beginning}" for i, (_, _, beginning) in enumerate(REFUSALS)],
)
def test_refused(call: Any, error: type[NnliteError], beginning: str) -> None:
    with pytest.raises(error) as caught:
        call()
    assert str(caught.value).startswith(beginning)
    assert caught.value.expected
    assert caught.value.got
    assert caught.value.hint


def test_instance_norm_warns_of_channels_that_it_ignores() -> None:
    with pytest.warns(UserWarning, match="InstanceNorm2d"):
        nn.InstanceNorm2d(7)(IMAGES)
