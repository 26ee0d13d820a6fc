"""Each update rule against torch.optim: 50 steps, every option, resumed half way."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest
import torch

from nnlite import optim
from nnlite.autograd import Tensor
from nnlite.errors import DeviceError
from tests.conftest import to_device
from tests.strict import forbid_transfers

STEPS = 50

CASES = [
    ("SGD", {}),
    ("SGD", {"lr": 0.07, "weight_decay": 0.013}),
    ("SGD", {"lr": 0.07, "momentum": 0.83}),
    ("SGD", {"lr": 0.07, "momentum": 0.83, "dampening": 0.37, "weight_decay": 0.11}),
    ("SGD", {"lr": 0.07, "momentum": 0.71, "nesterov": True, "weight_decay": 0.02}),
    ("SGD", {"lr": 0.07, "momentum": 0.71, "nesterov": True, "maximize": True}),
    ("Adam", {}),
    ("Adam", {"lr": 0.031, "betas": (0.37, 0.81), "eps": 1e-3}),
    ("Adam", {"lr": 0.031, "betas": (0.0, 0.0), "eps": 1e-2}),
    ("Adam", {"lr": 0.031, "betas": (0.7, 0.6), "amsgrad": True, "weight_decay": 0.17}),
    ("Adam", {"lr": 0.031, "weight_decay": 0.17, "maximize": True}),
    ("Adam", {"lr": 0.031, "weight_decay": 0.17, "decoupled_weight_decay": True}),
    ("AdamW", {}),
    ("AdamW", {"lr": 0.031, "weight_decay": 0.3, "amsgrad": True, "maximize": True}),
    ("RMSprop", {}),
    ("RMSprop", {"lr": 0.021, "alpha": 0.77, "eps": 1e-2, "weight_decay": 0.03}),
    ("RMSprop", {"lr": 0.021, "alpha": 0.77, "momentum": 0.61, "maximize": True}),
    ("RMSprop", {"lr": 0.021, "alpha": 0.77, "centered": True, "eps": 1e-3}),
    ("RMSprop", {"lr": 0.021, "alpha": 0.4, "centered": True, "momentum": 0.3, "eps": 1e-3}),
    ("NAdam", {}),
    ("NAdam", {"lr": 0.03, "betas": (0.6, 0.7), "momentum_decay": 0.05, "weight_decay": 0.1}),
    ("NAdam", {"lr": 0.03, "weight_decay": 0.1, "decoupled_weight_decay": True}),
    ("NAdam", {"lr": 0.03, "weight_decay": 0.1, "maximize": True}),
    ("RAdam", {}),
    ("RAdam", {"lr": 0.03, "betas": (0.6, 0.93), "eps": 1e-3, "weight_decay": 0.1}),
    ("RAdam", {"lr": 0.03, "betas": (0.6, 0.5), "maximize": True}),
    ("RAdam", {"lr": 0.03, "weight_decay": 0.1, "decoupled_weight_decay": True}),
    ("Adamax", {}),
    ("Adamax", {"lr": 0.03, "betas": (0.6, 0.7), "eps": 1e-2, "weight_decay": 0.1}),
    ("Adamax", {"lr": 0.03, "maximize": True}),
    ("Adagrad", {}),
    ("Adagrad", {"lr": 0.3, "lr_decay": 0.21, "initial_accumulator_value": 0.7, "eps": 1e-2}),
    ("Adagrad", {"lr": 0.3, "weight_decay": 0.1, "maximize": True}),
    ("Adadelta", {}),
    ("Adadelta", {"lr": 0.3, "rho": 0.71, "eps": 1e-3, "weight_decay": 0.1}),
    ("Adadelta", {"lr": 0.3, "maximize": True}),
    ("Rprop", {}),
    ("Rprop", {"lr": 0.03, "etas": (0.31, 1.9), "step_sizes": (0.01, 0.2)}),
    ("Rprop", {"lr": 0.03, "maximize": True}),
    ("ASGD", {}),
    ("ASGD", {"lr": 0.05, "lambd": 0.2, "alpha": 0.4, "t0": 7.0, "weight_decay": 0.1}),
    ("ASGD", {"lr": 0.05, "t0": 3.0, "maximize": True}),
    ("SparseAdam", {"lr": 0.03, "betas": (0.6, 0.7), "eps": 1e-3}),
    ("SparseAdam", {"lr": 0.03, "maximize": True}),
]
IDS = [f"{name}-{'-'.join(f'{k}={v}' for k, v in options.items())}" for name, options in CASES]

SHAPES = [(3, 4), (), (1,), (2, 1, 3), (5,), (4,), (0, 2)]
UNUSED, ZERO, RARE = 4, 5, 3  # no gradient ever; a gradient of zeros; a gradient now and then


def starts(dtype: str) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [np.asarray(rng.normal(size=shape), dtype) for shape in SHAPES]


def gradients(dtype: str, sparse: bool = False) -> list[list[np.ndarray | None]]:
    """The gradient of each parameter in each step; None where it has none."""
    rng = np.random.default_rng(1)
    steps = []
    for step in range(STEPS):
        row: list[np.ndarray | None] = []
        for i, shape in enumerate(SHAPES):
            g = np.asarray(rng.normal(size=shape) + 0.2, dtype)
            if sparse and g.ndim:
                g[rng.random(g.shape[0]) < 0.4] = 0
            if i == ZERO:
                g[...] = 0
            row.append(None if i == UNUSED or (i == RARE and step % 7 not in (2, 3)) else g)
        steps.append(row)
    return steps


@contextlib.contextmanager
def torch_default(dtype: str):
    """PyTorch keeps NAdam's mu_product and ASGD's eta in its default dtype, we in float64."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(getattr(torch, dtype))
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def run_torch(name: str, options: dict, dtype: str) -> list[np.ndarray]:
    sparse = name == "SparseAdam"
    with torch_default(dtype):
        params = [torch.tensor(x, requires_grad=True) for x in starts(dtype)]
        optimizer = getattr(torch.optim, name)(params, **options)
        for row in gradients(dtype, sparse):
            for p, g in zip(params, row, strict=True):
                p.grad = None if g is None else torch.from_numpy(g.copy())
                if sparse and p.grad is not None:
                    if p.ndim == 0 or p.numel() == 0:
                        p.grad = None  # PyTorch's sparse tensors have no such case
                    else:
                        p.grad = p.grad.to_sparse(1)
            optimizer.step()
    return [p.detach().numpy() for p in params]


def set_gradients(params: list[Tensor], row: list[np.ndarray | None]) -> None:
    for p, g in zip(params, row, strict=True):
        p.grad = None if g is None else Tensor(g.copy())


def run_ours(name: str, options: dict, dtype: str, steps: slice = slice(None)) -> list[Tensor]:
    params = [Tensor(x, requires_grad=True) for x in starts(dtype)]
    optimizer = getattr(optim, name)(params, **options)
    for row in gradients(dtype, name == "SparseAdam")[steps]:
        set_gradients(params, row)
        optimizer.step()
    return params


@pytest.mark.parametrize(("name", "options"), CASES, ids=IDS)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_trajectory_is_that_of_torch(name: str, options: dict, dtype: str) -> None:
    expected = run_torch(name, options, dtype)
    params = run_ours(name, options, dtype)
    # RMSprop's centered variance and Adadelta's ratios lose digits in float32.
    rtol, atol = (1e-12, 1e-13) if dtype == "float64" else (2e-5, 2e-5)
    for i, (p, x) in enumerate(zip(params, expected, strict=True)):
        if name == "SparseAdam" and p.ndim == 0:
            continue
        assert p.dtype == dtype
        assert p.shape == x.shape
        np.testing.assert_allclose(p.array, x, rtol=rtol, atol=atol, err_msg=f"parameter {i}")


@pytest.mark.parametrize(("name", "options"), CASES, ids=IDS)
def test_resume_half_way_is_bit_equal(name: str, options: dict) -> None:
    whole = run_ours(name, options, "float32")

    first = [Tensor(x, requires_grad=True) for x in starts("float32")]
    optimizer = getattr(optim, name)(first, **options)
    rows = gradients("float32", name == "SparseAdam")
    for row in rows[:23]:
        set_gradients(first, row)
        optimizer.step()
    state_dict = optimizer.state_dict()
    second = [Tensor(p.array.copy(), requires_grad=True) for p in first]
    for row in rows[23:26]:  # what the old optimizer does next must not reach the saved state
        set_gradients(first, row)
        optimizer.step()

    resumed = getattr(optim, name)(second, lr=0.123)
    resumed.load_state_dict(state_dict)
    for row in rows[23:]:
        set_gradients(second, row)
        resumed.step()
    for p, q in zip(second, whole, strict=True):
        assert p.array.tobytes() == q.array.tobytes()


@pytest.mark.parametrize(("name", "options"), CASES, ids=IDS)
def test_step_keeps_memory_dtype_and_gradients(name: str, options: dict) -> None:
    params = [Tensor(x, requires_grad=True) for x in starts("float32")]
    arrays = [p.array for p in params]
    # NumPy's scalars must not promote float32 (NEP 50).
    options = {"lr": 0.1, **options}
    options = {k: np.float64(v) if type(v) is float else v for k, v in options.items()}
    optimizer = getattr(optim, name)(params, **options)
    for row in gradients("float32", name == "SparseAdam")[:4]:
        set_gradients(params, row)
        optimizer.step()
        for group in optimizer.param_groups:
            group["lr"] = np.float64(group["lr"])
        for p, g, array in zip(params, row, arrays, strict=True):
            assert p.array is array
            assert p.dtype == np.float32
            if g is not None:
                np.testing.assert_array_equal(p.grad.array, g)
                assert p.grad.dtype == np.float32
    for entries in optimizer.state.values():
        for entry, value in entries.items():
            if isinstance(value, Tensor):
                assert value.dtype == np.float32, entry
            elif entry == "step":
                assert type(value) is int
    assert not optimizer.state[params[UNUSED]]
    np.testing.assert_array_equal(params[UNUSED].array, starts("float32")[UNUSED])


@pytest.mark.parametrize("name", sorted({name for name, _ in CASES}))
def test_non_contiguous_parameters(name: str) -> None:
    rng = np.random.default_rng(2)
    base = rng.normal(size=(4, 6))
    views = [base.copy().T, base.copy()[::-1, ::2], np.asfortranarray(base)]
    plain = [Tensor(np.ascontiguousarray(v), requires_grad=True) for v in views]
    odd = [Tensor(v, requires_grad=True) for v in views]
    optimizers = [getattr(optim, name)(params, lr=0.1) for params in (plain, odd)]
    for _ in range(3):
        for p, q in zip(plain, odd, strict=True):
            g = rng.normal(size=p.shape)
            p.grad, q.grad = Tensor(g), Tensor(np.asfortranarray(g))
        for optimizer in optimizers:
            optimizer.step()
    for p, q, view in zip(plain, odd, views, strict=True):
        assert q.array is view
        np.testing.assert_allclose(q.array, p.array, rtol=1e-14)


@pytest.mark.parametrize(("name", "options"), CASES, ids=IDS)
def test_on_the_strict_device(name: str, options: dict) -> None:
    """Nothing leaves the device, and no NumPy function meets its arrays."""
    params = [Tensor(to_device(x, "strict"), requires_grad=True) for x in starts("float32")]
    arrays = [p.array for p in params]
    rows = [
        [None if g is None else Tensor(to_device(g, "strict")) for g in row]
        for row in gradients("float32", name == "SparseAdam")[:6]
    ]
    optimizer = getattr(optim, name)(params, **options)
    with forbid_transfers():
        for i, row in enumerate(rows):
            for p, g in zip(params, row, strict=True):
                p.grad = g
            optimizer.step()
            if i == 3:
                optimizer.load_state_dict(optimizer.state_dict())
        optimizer.zero_grad(set_to_none=False)
    expected = run_ours(name, options, "float32", slice(0, 6))
    for p, array, q in zip(params, arrays, expected, strict=True):
        assert p.array is array
        np.testing.assert_array_equal(p.array.get(), q.array)


def test_state_moves_to_the_device_of_its_parameter() -> None:
    x = Tensor(np.ones(2), requires_grad=True)
    x.grad = Tensor(np.ones(2))
    first = optim.Adam([x])
    first.step()
    y = Tensor(to_device(x.array, "strict"), requires_grad=True)
    second = optim.Adam([y])
    second.load_state_dict(first.state_dict())
    y.grad = Tensor(to_device(np.ones(2), "strict"))
    first.step()
    second.step()
    np.testing.assert_array_equal(y.array.get(), x.array)
    y.grad = Tensor(np.ones(2))
    with pytest.raises(DeviceError, match="strict"):
        second.step()


def test_groups_with_options_of_their_own() -> None:
    def groups(params: list) -> list[dict]:
        return [
            {"params": params[:2], "lr": 0.2, "weight_decay": 0.1},
            {"params": params[2:4], "amsgrad": True, "betas": (0.5, 0.6)},
            {"params": params[4:], "maximize": True, "eps": 0.1},
        ]

    theirs = [torch.tensor(x, requires_grad=True) for x in starts("float64")]
    ours = [Tensor(x, requires_grad=True) for x in starts("float64")]
    a = torch.optim.Adam(groups(theirs), lr=0.03)
    b = optim.Adam(groups(ours), lr=0.03)
    for row in gradients("float64"):
        for p, g in zip(theirs, row, strict=True):
            p.grad = None if g is None else torch.from_numpy(g.copy())
        set_gradients(ours, row)
        a.step()
        b.step()
    for p, x in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(p.array, x.detach().numpy(), rtol=1e-12, atol=1e-13)
    theirs_saved, ours_saved = a.state_dict(), b.state_dict()
    assert [g["params"] for g in ours_saved["param_groups"]] == [
        g["params"] for g in theirs_saved["param_groups"]
    ]
    assert ours_saved["state"].keys() == theirs_saved["state"].keys()
    for i, entries in theirs_saved["state"].items():
        assert ours_saved["state"][i].keys() == entries.keys()
        for name, value in entries.items():
            mine = ours_saved["state"][i][name]
            mine = mine.array if isinstance(mine, Tensor) else mine
            np.testing.assert_allclose(mine, value.numpy(), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(("name", "options"), CASES, ids=IDS)
def test_state_of_torch_can_be_loaded(name: str, options: dict) -> None:
    """Half the way in PyTorch, the other half here."""
    shapes = slice(2, 3) if name == "SparseAdam" else slice(0, 4)
    rows = [row[shapes] for row in gradients("float64")]
    with torch_default("float64"):
        theirs = [torch.tensor(x, requires_grad=True) for x in starts("float64")[shapes]]
        a = getattr(torch.optim, name)(theirs, **options)
        for t, row in enumerate(rows):
            if t == 25:
                saved = a.state_dict()
                saved = {
                    "param_groups": [dict(g) for g in saved["param_groups"]],
                    "state": {
                        i: {
                            k: Tensor(v.numpy().copy()) if isinstance(v, torch.Tensor) else v
                            for k, v in entries.items()
                        }
                        for i, entries in saved["state"].items()
                    },
                }
                ours = [Tensor(p.detach().numpy().copy(), requires_grad=True) for p in theirs]
                b = getattr(optim, name)(ours)
                b.load_state_dict(saved)
            for p, g in zip(theirs, row, strict=True):
                p.grad = None if g is None else torch.from_numpy(g.copy())
                if name == "SparseAdam":
                    p.grad = p.grad.to_sparse(1)
            a.step()
            if t >= 25:
                set_gradients(ours, row)
                b.step()
    for p, x in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(p.array, x.detach().numpy(), rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("name", sorted({name for name, _ in CASES} | {"LBFGS"}))
def test_defaults_are_those_of_torch(name: str) -> None:
    ours = getattr(optim, name)([Tensor(np.zeros(1), requires_grad=True)]).defaults
    theirs = getattr(torch.optim, name)([torch.zeros(1, requires_grad=True)]).defaults
    not_ours = {"foreach", "fused", "capturable", "differentiable"}
    assert ours == {k: v for k, v in theirs.items() if k not in not_ours}
