"""Bugs that other libraries' elementwise ops, reductions and indexing have had; PyTorch decides."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import nnlite
import nnlite.nn.functional as F
from nnlite import optim
from nnlite.nn import functional

NAN, INF = float("nan"), float("inf")


def both(
    ours: Callable[..., Any], theirs: Callable[..., Any], *arrays: Any, rtol: float = 1e-12
) -> list[np.ndarray]:
    """The result and all gradients, equal to PyTorch's to the last digits, NaN included."""
    a = [nnlite.tensor(np.asarray(x, float), requires_grad=True) for x in arrays]
    b = [torch.tensor(np.asarray(x, float), requires_grad=True) for x in arrays]
    y, expected = ours(*a), theirs(*b)
    weight = np.random.default_rng(0).uniform(0.5, 1.5, y.shape)
    (y * nnlite.tensor(weight)).sum().backward()
    (expected * torch.tensor(weight)).sum().backward()
    found = [y.detach().numpy(), *(t.grad.numpy() for t in a)]
    for mine, other in zip(found, [expected.detach(), *(t.grad for t in b)], strict=True):
        np.testing.assert_allclose(mine, other.numpy(), rtol=rtol, atol=1e-12, strict=True)
    return found


# -- powers and roots ------------------------------------------------------------------------------


@pytest.mark.parametrize("exponent", [0, 0.0, 1, 2, 3, -1, 0.5])
def test_power_of_zero(exponent: float) -> None:
    """x ** 0 has gradient 0 at 0; a negative base keeps whole exponents. pytorch#8940, #27134."""
    x = [0.0, 2.0] if exponent == 0.5 else [0.0, -2.0, 3.0]
    gradient = both(lambda x: x**exponent, lambda x: x**exponent, x)[1]
    if exponent == 0:
        assert gradient.tolist() == [0.0, 0.0, 0.0]


def test_gradient_of_an_exponent_over_zero() -> None:
    """d/db a**b is 0 at a = 0 with b >= 0, where log(a) is not. tfjs#346, tt-metal#54439."""
    a, b = [0.0, 0.0, 2.0, 0.0], [2.0, 0.0, 3.0, 1.0]
    found = both(lambda a, b: a**b, lambda a, b: a**b, a, b)
    assert found[2].tolist()[:2] == [0.0, 0.0]
    both(lambda b: 0.0**b, lambda b: 0.0**b, [0.0, 1.0, 2.0])


@pytest.mark.parametrize("p", [1, 2, 3, INF, 0.5])
def test_norm_of_zero_has_gradient_zero(p: float) -> None:
    """pytorch#2421, PR #45468. Below p = 1 it is unbounded near 0, and nnlite says 0 there too."""
    if p == 0.5:
        x = nnlite.zeros(3, dtype="float64", requires_grad=True)
        x.norm(p).backward()
        assert x.grad.tolist() == [0.0, 0.0, 0.0]
        return
    found = both(lambda x: x.norm(p), lambda x: x.norm(p), np.zeros(3))
    assert found[1].tolist() == [0.0, 0.0, 0.0]


def test_root_of_zero_and_deviation_of_a_constant() -> None:
    """pytorch#2421: sqrt has an infinite gradient at 0, std of a constant the gradient 0."""
    assert both(lambda x: x.sqrt(), lambda x: x.sqrt(), [0.0])[1].tolist() == [INF]
    assert not both(lambda x: x.std(), lambda x: x.std(), np.full(4, 2.0))[1].any()


# -- reductions ------------------------------------------------------------------------------------


@pytest.mark.parametrize("zeros", [0, 1, 2, 3])
@pytest.mark.parametrize("dim", [None, 0, 1])
def test_product_with_zeros(zeros: int, dim: int | None) -> None:
    """pytorch#82644, #106789; tinygrad PR #17404; mxnet#17864."""
    x = np.arange(1.0, 7.0).reshape(2, 3)
    x.flat[:zeros] = 0
    if dim is None:
        both(lambda x: x.prod(), lambda x: x.prod(), x)
    else:
        both(lambda x: x.prod(dim), lambda x: x.prod(dim), x)


def test_product_of_a_single_zero_keeps_the_shape() -> None:
    """mxnet#17864."""
    assert both(lambda x: x.prod(0), lambda x: x.prod(0), [[0.0]])[1].shape == (1, 1)


@pytest.mark.parametrize("name", ["max", "min"])
def test_ties_of_an_extremum(name: str) -> None:
    """One index, the first, takes all with dim; without dim and in amax it is shared.

    tensorflow#4886, Theano#5248, CrypTen PR #90, pytorch_scatter#399. The sum is preserved.
    """
    x = [[1.0, 1.0, 0.0], [0.0, 1.0, 1.0]]
    x = x if name == "max" else (-np.array(x)).tolist()

    def along(x: Any) -> Any:
        return getattr(x, name)(1)[0]

    first = both(along, along, x)[1]
    np.testing.assert_array_equal(first != 0, [[True, False, False], [False, True, False]])
    for call in (
        lambda x: getattr(x, "a" + name)(1),
        lambda x: getattr(x, name)(),
        lambda x: getattr(x, "a" + name)((0, 1)),
    ):
        shared = both(call, call, x)[1]
        assert ((shared != 0) == (np.array(x) == (1 if name == "max" else -1))).all()


@pytest.mark.parametrize("kind", ["maximum", "minimum"])
def test_ties_of_two_tensors_share(kind: str) -> None:
    """mni-ml/framework PR #22: the gradients of both sides add up to gy."""
    a, b = [1.0, 2.0, NAN], [1.0, 1.0, 0.0]
    both(lambda a, b: getattr(nnlite, kind)(a, b), getattr(torch, kind), a[:2], b[:2])
    assert np.isnan(getattr(nnlite, kind)(nnlite.tensor(a), nnlite.tensor(b)).numpy()[2])


# -- NaN -------------------------------------------------------------------------------------------

PASS_NAN = {
    "relu": lambda m, x: m.relu(x),
    "clamp": lambda m, x: m.clamp(x, -1.0, 1.0),
    "clamp from below": lambda m, x: m.clamp(x, min=0.0),
    "max": lambda m, x: m.max(x),
    "max along a dimension": lambda m, x: m.max(x, 0)[0],
    "min along a dimension": lambda m, x: m.min(x, 0)[0],
    "amax": lambda m, x: m.amax(x, 0),
    "relu6": lambda m, x: (F if m is nnlite else torch.nn.functional).relu6(x),
    "hardtanh": lambda m, x: (F if m is nnlite else torch.nn.functional).hardtanh(x),
    "leaky_relu": lambda m, x: (F if m is nnlite else torch.nn.functional).leaky_relu(x),
    "elu": lambda m, x: (F if m is nnlite else torch.nn.functional).elu(x),
    "max_pool1d": lambda m, x: m.max_pool1d(x.reshape(1, 1, 4), 2),
}


@pytest.mark.parametrize("name", PASS_NAN)
def test_nan_passes(name: str) -> None:
    """pytorch#7645, #7999, PR #7670; mxnet#11115; burn#5609, PR #5658; tensorflow#2501."""
    x = [0.5, NAN, -2.0, 0.0]
    result, gradient = both(
        lambda x: PASS_NAN[name](nnlite, x), lambda x: PASS_NAN[name](torch, x), x
    )
    assert np.isnan(result).any()
    assert gradient.any()


def test_softmax_at_the_edges() -> None:
    """tt-metal#52131, #56056; mindspore#378; allennlp#890; geti PR #1507; pytorch PR #95091."""
    rows = [[INF, 0.0, 1.0], [-INF, -INF, -INF], [NAN, 0.0, 1.0], [1e4, -1e4, 0.0], [-INF, 0, 1]]
    for dtype, name in itertools.product(("float32", "float64"), ("softmax", "log_softmax")):
        x = np.array(rows, dtype)
        mine = getattr(nnlite, name)(nnlite.tensor(x), 1).numpy()
        other = getattr(torch, name)(torch.tensor(x), 1).numpy()
        np.testing.assert_allclose(mine, other, rtol=1e-6)
        assert np.isnan(mine[:3]).all()
        assert np.isfinite(mine[3]).all()
    for shape, dim in (((0, 3), 1), ((3, 0), 1), ((3, 0), 0)):
        assert nnlite.softmax(nnlite.zeros(*shape), dim).shape == shape


# -- masked branches -------------------------------------------------------------------------------


def test_where_with_a_bad_branch() -> None:
    """0 * inf in the branch not taken is NaN, as in PyTorch. pytorch#68425, #18287, #187297."""
    call = lambda m: lambda x: m.where(x > 0, x.log(), x * 0)  # noqa: E731
    assert np.isnan(both(call(nnlite), call(torch), [0.0, 1.0])[1][0])


SAFE: dict[str, Callable[[Any, Any], Any]] = {
    name: lambda f, x, name=name: getattr(f, name)(x)
    for name in ("elu", "selu", "celu", "gelu", "silu", "mish", "softplus", "logsigmoid",
                 "softsign", "hardtanh", "relu6", "leaky_relu", "hardsigmoid", "hardswish")
}  # fmt: skip


@pytest.mark.parametrize("name", SAFE)
def test_activations_are_immune_to_their_own_branches(name: str) -> None:
    """exp overflows in the branch that large inputs do not take. pytorch#68425."""
    x = np.array([-1e4, -100.0, -1.0, 1.0, 100.0, 1e4])
    # PyTorch's 1/6 is a float32 there
    rtol = 1e-7 if name == "hardsigmoid" else 1e-12
    theirs = lambda x: SAFE[name](torch.nn.functional, x)  # noqa: E731
    found = both(lambda x: SAFE[name](F, x), theirs, x, rtol=rtol)
    assert all(np.isfinite(a).all() for a in found)


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("smooth_l1_loss", [0.0, 1e8, 0.0]),
        ("huber_loss", [0.0, 1e8, 0.0]),
        ("kl_div", [0.0, 0.5, 0.0]),
        ("poisson_nll_loss", [0.0, 1.0, 20.0]),
        ("binary_cross_entropy_with_logits", [0.0, 1.0, 1.0]),
    ],
)
@pytest.mark.filterwarnings("ignore:reduction. 'mean' divides:UserWarning")
def test_losses_are_immune_to_their_own_branches(name: str, target: list[float]) -> None:
    """log(0) of a term that counts 0 times. pytorch#68425."""
    options = {"full": True} if name == "poisson_nll_loss" else {}
    t = np.array(target)
    found = both(
        lambda x: getattr(functional, name)(x, nnlite.tensor(t), **options),
        lambda x: getattr(torch.nn.functional, name)(x, torch.tensor(t), **options),
        [0.0, -3.0, 2.0],
    )
    assert all(np.isfinite(a).all() for a in found)


# -- indexing --------------------------------------------------------------------------------------

REPEATED = np.array([2, 0, 2, 2])
READS: dict[str, Callable[[Any, Any], Any]] = {
    "getitem": lambda x, i: x[i],
    "gather": lambda x, i: x.gather(0, i.reshape(4, 1).expand(4, 2)),
    "index_select": lambda x, i: x.index_select(0, i),
    "take_along_dim": lambda x, i: x.take_along_dim(i.reshape(4, 1), 0),
}


@pytest.mark.parametrize("name", READS)
def test_repeated_indices_add_up(name: str) -> None:
    """HIPS/autograd#39, PR #136; pytorch#1528, #1631; pytensor PR #2242."""
    i = REPEATED
    found = both(
        lambda x: READS[name](x, nnlite.tensor(i)),
        lambda x: READS[name](x, torch.tensor(i)),
        np.arange(6.0).reshape(3, 2),
    )
    assert not found[1][1].any()


def test_repeated_words_add_up() -> None:
    """pytorch#1528, of an embedding."""
    i = REPEATED
    both(
        lambda w: F.embedding(nnlite.tensor(i), w),
        lambda w: torch.nn.functional.embedding(torch.tensor(i), w),
        np.arange(6.0).reshape(3, 2),
    )


# -- broadcasting ----------------------------------------------------------------------------------

SHAPES = [
    (), (1,), (3,), (1, 3), (2, 1), (2, 3), (4, 1, 3), (4, 2, 3), (0,), (0, 3), (1, 0),
]  # fmt: skip


@pytest.mark.parametrize("op", ["add", "mul", "div", "maximum", "where", "pow"])
def test_gradients_have_the_shape_of_their_input(op: str) -> None:
    """All pairs of shapes. pytorch#1787, #913; HIPS/autograd#376; burn#181; nd4j#2424;
    rust-autograd#38; tt-metal#40008.
    """
    calls: dict[str, Callable[..., Any]] = {
        "where": lambda m: lambda a, b: m.where(a > b, a, b),
    }
    make = calls.get(op, lambda m: getattr(m, op))
    tried = 0
    for s, t in itertools.product(SHAPES, repeat=2):
        try:
            np.broadcast_shapes(s, t)
        except ValueError:
            continue
        rng = np.random.default_rng(tried)
        both(make(nnlite), make(torch), rng.uniform(1, 2, s), rng.uniform(1, 2, t))
        tried += 1
    assert tried == 91


@pytest.mark.parametrize("text", ["ij,jk->ik", "...i,...i->...", "bij,bjk->bik", "ii->i", "ij->"])
def test_einsum_with_sizes_of_one(text: str) -> None:
    """A label of size 1 in one operand is broadcast, its gradient summed. HIPS/autograd#376."""
    shapes = {
        "ij,jk->ik": [(2, 1), (3, 4)], "...i,...i->...": [(2, 1, 3), (4, 1)],
        "bij,bjk->bik": [(1, 2, 3), (5, 3, 2)], "ii->i": [(3, 3)], "ij->": [(2, 3)],
    }[text]  # fmt: skip
    arrays = [np.random.default_rng(k).normal(size=s) for k, s in enumerate(shapes)]
    both(lambda *x: nnlite.einsum(text, *x), lambda *x: torch.einsum(text, *x), *arrays)


# -- numbers of NumPy's ----------------------------------------------------------------------------


@pytest.mark.parametrize("left", [np.float64(2.0), np.float32(2.0), np.int64(2), 2, 2.0])
@pytest.mark.parametrize("op", ["__add__", "__sub__", "__mul__", "__truediv__", "__pow__"])
def test_numpys_numbers_from_the_left(left: Any, op: str) -> None:
    """The Tensor's method wins, keeps the graph and float32.

    pytorch#9468, #59237, PR #9651; tensortrax#5.
    """
    import operator

    x = nnlite.ones(3, requires_grad=True)
    y = getattr(operator, op)(left, x)
    assert isinstance(y, nnlite.Tensor)
    assert y.requires_grad
    assert y.dtype == nnlite.float32


def test_numpys_arrays_from_the_left() -> None:
    """No array of objects. pytorch#9468, #59237."""
    x = nnlite.ones(3, requires_grad=True)
    for y in (np.arange(3.0) * x, np.arange(3.0) + x, np.arange(3.0) - x, np.arange(1.0, 4.0) / x):
        assert isinstance(y, nnlite.Tensor)
        assert y.requires_grad


RULES = ["SGD", "Adam", "AdamW", "NAdam", "RAdam", "Adamax", "Adagrad", "Adadelta", "RMSprop",
         "Rprop", "ASGD", "LBFGS"]  # fmt: skip


@pytest.mark.parametrize("name", RULES)
def test_a_rate_of_numpys_keeps_float32(name: str) -> None:
    """NEP 50: np.float64(0.1) * float32 array is a float64 array."""
    x = nnlite.ones(3, requires_grad=True)
    optimizer = getattr(optim, name)([x], lr=np.float64(0.1))

    def closure() -> nnlite.Tensor:
        optimizer.zero_grad()
        loss = (x * x).sum()
        loss.backward()
        return loss

    for _ in range(3):
        optimizer.step(closure)
        assert x.dtype == nnlite.float32
        assert x.array.dtype == np.float32
    for state in optimizer.state.values():
        for key, value in state.items():
            if isinstance(value, nnlite.Tensor) and value.ndim:
                assert value.dtype == nnlite.float32, key
