"""Embedding, Bilinear and Upsample against PyTorch's, and what they refuse."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import nnlite
from nnlite import nn
from nnlite.autograd import Tensor, grad
from nnlite.errors import ArgumentError, DeviceError, DtypeError, NnliteIndexError, ShapeError
from nnlite.nn import functional as F
from tests.conftest import to_device

NUMBERS = np.array([[1, 4, 1, 0], [1, 0, 4, 3]])
OPTIONS: list[dict[str, Any]] = [
    {},
    {"padding_idx": 1},
    {"padding_idx": -1},
    {"max_norm": 0.9},
    {"max_norm": 1.5, "norm_type": 1.0},
    {"scale_grad_by_freq": True},
    {"padding_idx": 0, "scale_grad_by_freq": True, "max_norm": 1.0},
]


@pytest.mark.parametrize("options", OPTIONS, ids=[str(o) for o in OPTIONS])
def test_embedding_equals_torch(options: dict[str, Any]) -> None:
    theirs = torch.nn.Embedding(5, 3, **options, dtype=torch.float64)
    ours = nn.Embedding(5, 3, **options).double()
    assert repr(ours) == repr(theirs)
    ours.load_state_dict({k: v.numpy().copy() for k, v in theirs.state_dict().items()})
    for _ in range(2):
        y, expected = ours(Tensor(NUMBERS)), theirs(torch.tensor(NUMBERS))
        np.testing.assert_allclose(y.array, expected.detach().numpy(), rtol=1e-12)
        v = np.random.default_rng(1).normal(size=y.shape)
        y.backward(Tensor(v))
        expected.backward(torch.tensor(v))
        np.testing.assert_allclose(ours.weight.grad.array, theirs.weight.grad.numpy(), rtol=1e-12)
        # max_norm changes the table itself
        np.testing.assert_allclose(ours.weight.array, theirs.weight.detach().numpy(), rtol=1e-12)


def test_repeated_numbers_accumulate() -> None:
    w = Tensor(np.zeros((3, 2)), True)
    F.embedding(Tensor(np.array([2, 0, 2, 2])), w).sum().backward()
    assert w.grad is not None
    assert w.grad.tolist() == [[1, 1], [0, 0], [3, 3]]


def test_second_derivative_with_padding_equals_torch() -> None:
    rng = np.random.default_rng(0)
    table, v, u = (rng.normal(size=shape) for shape in ((5, 3), (2, 4, 3), (5, 3)))

    def second(make: Any, F: Any, gradient: Any) -> list[Any]:
        w, gy = make(table), make(v)
        y = F.embedding(make(NUMBERS), w, padding_idx=1)
        first = gradient((y**3 * gy).sum(), [w])[0]
        # the padding's row counts in u, so that its zero in the gradient must be a constant
        return list(gradient((first * make(u)).sum(), [w, gy]))

    ours = second(
        lambda x: Tensor(x, x.dtype.kind == "f"), F, lambda y, x: grad(y, x, create_graph=True)
    )
    theirs = second(
        lambda x: torch.tensor(x, requires_grad=x.dtype.kind == "f"),
        torch.nn.functional,
        lambda y, x: torch.autograd.grad(y, x, create_graph=True),
    )
    for mine, wanted in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine.array, wanted.detach().numpy(), rtol=1e-12)


def test_numbers_changed_after_the_forward_do_not_reach_backward() -> None:
    numbers, w = Tensor(np.array([0, 1])), Tensor(np.zeros((3, 1)), True)
    y = F.embedding(numbers, w)
    numbers.fill_(2)
    y.sum().backward()
    assert w.grad is not None
    assert w.grad.tolist() == [[1], [1], [0]]


def test_a_table_of_integers_is_looked_up() -> None:
    table = np.arange(6).reshape(3, 2)
    y = F.embedding(Tensor(np.array([2, 0])), Tensor(table))
    np.testing.assert_array_equal(y.array, table[[2, 0]])
    assert y.dtype.name == "int64"
    assert not y.requires_grad


def test_padding_row_starts_at_zero_and_stays() -> None:
    layer = nn.Embedding(4, 2, padding_idx=2)
    assert layer.weight[2].tolist() == [0, 0]
    assert bool((layer.weight[0] != 0).all())
    layer(Tensor(np.array([2, 2, 1]))).sum().backward()
    assert layer.weight.grad[2].tolist() == [0, 0]


def test_table_starts_standard_normal() -> None:
    w = nn.Embedding(400, 100).weight.array
    assert abs(w.mean()) < 0.03
    assert abs(w.std() - 1) < 0.03


@pytest.mark.parametrize("freeze", [True, False])
def test_from_pretrained(freeze: bool) -> None:
    table = Tensor(np.arange(6.0).reshape(3, 2))
    layer = nn.Embedding.from_pretrained(table, freeze=freeze, padding_idx=0)
    assert layer.weight.requires_grad is not freeze
    assert (layer.num_embeddings, layer.embedding_dim, layer.padding_idx) == (3, 2, 0)
    assert layer(Tensor(np.array([1]))).tolist() == [[2, 3]]
    assert np.shares_memory(layer.weight.array, table.array)


def test_embedding_on_another_device(device: str) -> None:
    layer = nn.Embedding(5, 3, padding_idx=0, max_norm=1.0, scale_grad_by_freq=True, device=device)
    y = layer(Tensor(to_device(NUMBERS, device)))
    y.sum().backward()
    assert str(y.device) == str(layer.weight.grad.device) == device


# -- Bilinear ----------------------------------------------------------------------------------


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("rows", [(), (5,), (2, 3)])
def test_bilinear_equals_torch(rows: tuple[int, ...], bias: bool) -> None:
    theirs = torch.nn.Bilinear(3, 4, 2, bias=bias, dtype=torch.float64)
    ours = nn.Bilinear(3, 4, 2, bias=bias).double()
    assert repr(ours) == repr(theirs)
    ours.load_state_dict({k: v.numpy().copy() for k, v in theirs.state_dict().items()})
    theirs.load_state_dict({k: torch.tensor(v.array) for k, v in ours.state_dict().items()})
    rng = np.random.default_rng(0)
    inputs = [rng.normal(size=(*rows, n)) for n in (3, 4)]
    mine = [Tensor(x, True) for x in inputs]
    other = [torch.tensor(x, requires_grad=True) for x in inputs]
    y, expected = ours(*mine), theirs(*other)
    np.testing.assert_allclose(y.array, expected.detach().numpy(), rtol=1e-10, atol=1e-12)
    v = rng.normal(size=y.shape)
    found = grad(y, [*mine, *ours.parameters()], Tensor(v))
    wanted = torch.autograd.grad(expected, [*other, *theirs.parameters()], torch.tensor(v))
    for g, w in zip(found, wanted, strict=True):
        assert g is not None
        np.testing.assert_allclose(g.array, w.numpy(), rtol=1e-10, atol=1e-12)


def test_bilinear_starts_within_its_bound() -> None:
    nnlite.manual_seed(0)
    layer = nn.Bilinear(16, 5, 70)  # 70 draws: all below 0.2 in one case of six million
    for parameter in layer.parameters():
        assert 0.2 < np.abs(parameter.array).max() <= 0.25


# -- Upsample ----------------------------------------------------------------------------------

UPSAMPLES = [
    ("Upsample(scale_factor=2)", (2, 3, 4, 5)),
    ("Upsample(size=7)", (2, 3, 5)),
    ("Upsample(size=(3, 9), mode='bilinear')", (2, 3, 4, 5)),
    ("Upsample(scale_factor=(1.5, 2), mode='bilinear', align_corners=True)", (2, 3, 4, 5)),
    ("Upsample(scale_factor=1.5, mode='linear', recompute_scale_factor=True)", (2, 3, 5)),
    ("Upsample(scale_factor=2, mode='bicubic')", (1, 2, 4, 5)),
    ("Upsample(scale_factor=2, mode='trilinear')", (1, 2, 2, 3, 2)),
    ("UpsamplingNearest2d(scale_factor=3)", (2, 3, 4, 5)),
    ("UpsamplingBilinear2d(size=(6, 6))", (2, 3, 4, 5)),
]


@pytest.mark.parametrize(("text", "shape"), UPSAMPLES, ids=[text for text, _ in UPSAMPLES])
def test_upsample_equals_torch(text: str, shape: tuple[int, ...]) -> None:
    ours, theirs = eval(text, vars(nn).copy()), eval(text, vars(torch.nn).copy())
    assert repr(ours) == repr(theirs)
    x = np.random.default_rng(0).normal(size=shape)
    a, b = Tensor(x, True), torch.tensor(x, requires_grad=True)
    y, expected = ours(a), theirs(b)
    np.testing.assert_allclose(y.array, expected.detach().numpy(), rtol=1e-10, atol=1e-12)
    v = np.random.default_rng(1).normal(size=y.shape)
    y.backward(Tensor(v))
    expected.backward(torch.tensor(v))
    assert a.grad is not None
    np.testing.assert_allclose(a.grad.array, b.grad.numpy(), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("mode", ["nearest", "nearest-exact", "linear", "linear, corners"])
def test_every_size_and_factor_equals_torch(mode: str, dtype: str) -> None:
    """Where an output lies on the border of two pixels the rounding decides: it is PyTorch's."""
    options = {"mode": mode.split(",")[0]}
    if "corners" in mode:
        options["align_corners"] = True
    factors = (0.3, 0.5, 0.7, 1.0, 1.2, 1.3, 2, 2.4, 3.7)
    calls = [{"size": n} for n in (*range(1, 14), 27, 64)]
    calls += [{"scale_factor": s} for s in factors]
    for n in (*range(4, 12), 32):
        x = np.random.default_rng(n).normal(size=(1, 1, n)).astype(dtype)
        for call in calls:
            y = F.interpolate(Tensor(x), **call, **options)
            expected = torch.nn.functional.interpolate(torch.tensor(x), **call, **options)
            tolerance = 1e-5 if dtype == "float32" else 1e-12
            np.testing.assert_allclose(
                y.array, expected.numpy(), rtol=tolerance, atol=tolerance, err_msg=f"{n} {call}"
            )


def test_a_nan_reaches_its_neighbours_alone() -> None:
    x = np.ones((1, 1, 6, 6))
    x[0, 0, 5, 5] = np.nan
    y = F.interpolate(Tensor(x), scale_factor=2, mode="bilinear")
    expected = torch.nn.functional.interpolate(torch.tensor(x), scale_factor=2, mode="bilinear")
    np.testing.assert_array_equal(np.isnan(y.array), np.isnan(expected.numpy()))


# -- refusals ----------------------------------------------------------------------------------


def _t(*shape: int, dtype: str = "float32") -> Tensor:
    return Tensor(np.ones(shape, dtype))


def _i(*values: int) -> Tensor:
    return Tensor(np.array(values))


TABLE, IMAGE, FORM = _t(5, 3), _t(1, 2, 4, 4), _t(2, 3, 4)
ELSEWHERE = Tensor(to_device(np.ones((5, 3), "float32"), "strict"))

REFUSALS: list[tuple[Any, type[Exception], str]] = [
    (lambda: F.embedding(_i(0, 5), TABLE), NnliteIndexError, "embedding: input"),
    (lambda: F.embedding(_i(0, -1), TABLE), NnliteIndexError, "embedding: input"),
    (lambda: F.embedding(_i(0), _t(0, 3)), NnliteIndexError, "embedding: input"),
    (lambda: F.embedding(_t(2), TABLE), DtypeError, "embedding: input"),
    (lambda: F.embedding(TABLE, _i(0)), DtypeError, "embedding: input"),
    (
        lambda: F.embedding(_i(0), _t(5, 3, dtype="int64"), max_norm=1.0),
        DtypeError,
        "embedding: weight",
    ),
    (lambda: F.embedding([0], TABLE), DtypeError, "embedding: input"),
    (lambda: F.embedding(_t(2, dtype="int8"), TABLE), DtypeError, "embedding: input"),
    (lambda: F.embedding(_i(0), _t(5)), ShapeError, "embedding: weight"),
    (lambda: F.embedding(_i(0), _t(5, 3, 1)), ShapeError, "embedding: weight"),
    (lambda: F.embedding(_i(0), TABLE, 5), ArgumentError, "embedding: padding_idx"),
    (lambda: F.embedding(_i(0), TABLE, -6), ArgumentError, "embedding: padding_idx"),
    (lambda: F.embedding(_i(0), TABLE, 0.5), DtypeError, "embedding: padding_idx"),
    (lambda: F.embedding(_i(0), TABLE, max_norm=0), ArgumentError, "embedding: max_norm"),
    (lambda: F.embedding(_i(0), TABLE, max_norm="1"), DtypeError, "embedding: max_norm"),
    (lambda: F.embedding(_i(0), ELSEWHERE), DeviceError, "embedding"),
    (lambda: nn.Embedding(5, 3, padding_idx=5), ArgumentError, "Embedding: padding_idx"),
    (lambda: nn.Embedding(0, 3), ArgumentError, "Embedding: num_embeddings"),
    (lambda: nn.Embedding(2**31, 2**31), ShapeError, "Embedding"),
    (lambda: nn.Embedding(5, 3, _weight=_t(3, 5)), ShapeError, "Embedding: _weight"),
    (lambda: nn.Embedding.from_pretrained(_t(3)), ShapeError, "Embedding.from_pretrained: emb"),
    (lambda: nn.Embedding.from_pretrained([[1.0]]), DtypeError, "Embedding.from_pretrained: emb"),
    (lambda: F.bilinear(_t(2, 4), _t(2, 4), FORM), ShapeError, "bilinear: input1"),
    (lambda: F.bilinear(_t(2, 3), _t(2, 3), FORM), ShapeError, "bilinear: input2"),
    (lambda: F.bilinear(_t(2, 3), _t(1, 4), FORM), ShapeError, "bilinear: input2"),
    (lambda: F.bilinear(_t(2, 3), _t(4), FORM), ShapeError, "bilinear: input2"),
    (lambda: F.bilinear(_t(2, 3), _t(2, 4), _t(3, 4)), ShapeError, "bilinear: weight"),
    (lambda: F.bilinear(_t(2, 3), _t(2, 4), FORM, _t(3)), ShapeError, "bilinear: bias"),
    (lambda: F.bilinear(_t(2, 3), _t(2, 4, dtype="float64"), FORM), DtypeError, "bilinear: input2"),
    (lambda: F.bilinear(_t(2, 3, dtype="int64"), _t(2, 4), FORM), DtypeError, "bilinear: input1"),
    (lambda: nn.Bilinear(0, 4, 2), ArgumentError, "Bilinear: in1_features"),
    (lambda: nn.Bilinear(2**20, 2**20, 2), ShapeError, "Bilinear"),
    (lambda: F.interpolate(IMAGE), ArgumentError, "interpolate: size"),
    (lambda: F.interpolate(IMAGE, 2, 2), ArgumentError, "interpolate: size"),
    (lambda: F.interpolate(IMAGE, 0), ArgumentError, "interpolate: size"),
    (lambda: F.interpolate(IMAGE, (2, 2, 2)), ArgumentError, "interpolate: size"),
    (lambda: F.interpolate(IMAGE, 2.5), DtypeError, "interpolate: size"),
    (lambda: F.interpolate(IMAGE, 2**30), ShapeError, "interpolate: size"),
    (lambda: F.interpolate(IMAGE, scale_factor=0.1), ArgumentError, "interpolate: scale_factor"),
    (lambda: F.interpolate(IMAGE, scale_factor=-2), ArgumentError, "interpolate: scale_factor"),
    (lambda: F.interpolate(IMAGE, scale_factor="2"), ArgumentError, "interpolate: scale_factor"),
    (lambda: F.interpolate(IMAGE, scale_factor=(2,)), ArgumentError, "interpolate: scale_factor"),
    (lambda: F.interpolate(IMAGE, scale_factor=1e300), ArgumentError, "interpolate: scale_factor"),
    (lambda: F.interpolate(IMAGE, 2, mode="cubic"), ArgumentError, "interpolate: mode"),
    (lambda: F.interpolate(IMAGE, 2, mode="linear"), ShapeError, "interpolate: input"),
    (lambda: F.interpolate(_t(2, 3, 4), 2, mode="bilinear"), ShapeError, "interpolate: input"),
    (lambda: F.interpolate(_t(3, 4), 2), ShapeError, "interpolate: input"),
    (lambda: F.interpolate(_t(1, 0, 4), 2), ShapeError, "interpolate: input"),
    (lambda: F.interpolate(IMAGE, 2, align_corners=True), ArgumentError, "interpolate: align_co"),
    (
        lambda: F.interpolate(IMAGE, 2, mode="bilinear", antialias=True),
        ArgumentError,
        "interpolate: antialias",
    ),
    (
        lambda: F.interpolate(IMAGE, 2, recompute_scale_factor=True),
        ArgumentError,
        "interpolate: recompute_scale_factor",
    ),
    (lambda: F.interpolate(_t(1, 1, 4, dtype="int64"), 2), DtypeError, "interpolate: input"),
    (lambda: nn.Upsample(scale_factor="2"), ArgumentError, "Upsample: scale_factor"),
    (lambda: nn.Upsample(2, mode="best"), ArgumentError, "Upsample: mode"),
    (lambda: nn.Upsample(2, align_corners=False), ArgumentError, "Upsample: align_corners"),
]


@pytest.mark.parametrize(
    ("call", "error", "beginning"),
    REFUSALS,
    ids=[f"{i} {beginning}" for i, (_, _, beginning) in enumerate(REFUSALS)],
)
def test_refused(call: Any, error: Any, beginning: str) -> None:
    with pytest.raises(error) as caught:
        call()
    assert str(caught.value).startswith(beginning)
    assert caught.value.expected
    assert caught.value.got
    assert caught.value.hint
