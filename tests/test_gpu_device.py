"""On a CUDA device, by that name: agreement with the CPU, no host copies, graphs, memory, TF32.

Run by ``make test-gpu``. Everything else that is tested on a device runs there, too, under the name
of the stand-in: see tests/gpu.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nnlite
import nnlite.nn.functional as F
from benchmarks import works, works_gpu
from nnlite import nn, optim
from nnlite.data import DataLoader, TensorDataset
from nnlite.errors import CaptureError, DeviceError, DeviceMemoryError
from tests.strict import forbid_transfers

pytestmark = pytest.mark.gpu

CUDA = "cuda"
LIMITS = {"float32": 1e-5, "float64": 1e-10}
BATCH = 32


def model_of(name: str, dtype: str, device: str, dropout: bool = False) -> nn.Module:
    """A network of the experiments, the same numbers on every device."""
    model = nn.Sequential(*works.NETWORKS[name][0](nn))
    shapes = {key: tuple(value.shape) for key, value in model.state_dict().items()}
    numbers = works_gpu.weights(shapes)
    model.load_state_dict({key: nnlite.from_numpy(w) for key, w in numbers.items()})
    for module in model.modules():
        if isinstance(module, nn.Dropout) and not dropout:
            module.eval()
    return model.to(device, getattr(nnlite, dtype))


def batch_of(name: str, dtype: str, device: str, n: int = BATCH, seed: int = 0) -> Any:
    rng = np.random.default_rng(seed)
    x = nnlite.from_numpy(rng.random((n, *works.NETWORKS[name][1])).astype(dtype))
    y = x.clone() if name == "autoencoder" else nnlite.from_numpy(rng.integers(0, 10, n))
    return x.to(device), y.to(device)


def loss_of(name: str, model: nn.Module, x: Any, y: Any) -> Any:
    return (F.mse_loss if name == "autoencoder" else F.cross_entropy)(model(x), y)


class Training:
    """Steps of one network."""

    def __init__(self, name: str, dtype: str, device: str, dropout: bool = False) -> None:
        nnlite.manual_seed(0)
        self.name, self.dtype, self.device = name, dtype, device
        self.model = model_of(name, dtype, device, dropout)
        self.optimizer = optim.Adam(self.model.parameters(), lr=1e-3)

    def step(self, x: Any, y: Any) -> Any:
        self.optimizer.zero_grad()
        loss = loss_of(self.name, self.model, x, y)
        loss.backward()
        self.optimizer.step()
        return loss

    def batches(self, n: int = 9) -> list[Any]:
        return [batch_of(self.name, self.dtype, self.device, seed=k) for k in range(n)]

    def numbers(self) -> list[np.ndarray]:
        return [p.detach().cpu().numpy() for p in self.model.parameters()]


def near(found: Any, wanted: Any, dtype: str) -> None:
    """Equal up to the limit, of the largest number among them."""
    limit = LIMITS[dtype]
    np.testing.assert_allclose(found, wanted, rtol=limit, atol=limit * np.abs(wanted).max())


# -- agreement -------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", LIMITS)
@pytest.mark.parametrize("name", works.NETWORKS)
def test_gradients_are_those_of_the_cpu(name: str, dtype: str) -> None:
    found = []
    for device in (CUDA, "cpu"):
        model = model_of(name, dtype, device)
        x, y = batch_of(name, dtype, device)
        x.requires_grad_()
        loss = loss_of(name, model, x, y)
        loss.backward()
        leaves = [x, *model.parameters()]
        found.append([loss.item(), *(leaf.grad.cpu().numpy() for leaf in leaves)])
    for a, b in zip(*found, strict=True):
        near(a, b, dtype)


def test_the_same_seed_gives_the_same_bits() -> None:
    runs = []
    for _ in range(2):
        training = Training("cnn", "float32", CUDA, dropout=True)
        losses = [training.step(*batch).item() for batch in training.batches(4)]
        runs.append([losses, [w.tobytes() for w in training.numbers()]])
    assert runs[0] == runs[1]


# -- the host is left alone --------------------------------------------------------------------


@pytest.mark.parametrize("name", works.NETWORKS)
def test_a_training_step_copies_nothing_to_the_host(name: str) -> None:
    training = Training(name, "float32", CUDA, dropout=True)
    x, y = batch_of(name, "float32", CUDA, 4 * BATCH)
    loader = DataLoader(TensorDataset(x, y), BATCH, shuffle=True)
    with forbid_transfers():
        losses = [training.step(*batch) for _ in range(2) for batch in loader]
    values = [loss.item() for loss in losses]
    assert np.isfinite(values).all()
    assert len(set(values)) == 8


def test_the_check_sees_each_way_to_the_host() -> None:
    x = nnlite.ones(1, device=CUDA)
    ways = [x.item, x.tolist, x.cpu, lambda: bool(x), lambda: float(x), lambda: int(x)]
    for way in ways:
        with forbid_transfers(), pytest.raises(AssertionError, match="copies from the device"):
            way()
        way()


# -- graphs ----------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", LIMITS)
@pytest.mark.parametrize("name", works.NETWORKS)
def test_a_captured_step_is_the_step(name: str, dtype: str) -> None:
    plain, captured = (Training(name, dtype, CUDA) for _ in range(2))
    step = nnlite.cuda.capture(captured.step, captured.batches(1)[0])
    losses: list[list[float]] = [[], []]
    for k, batch in enumerate(plain.batches()):
        if k == 6:  # by now the graph is repeated
            for training in (plain, captured):
                training.optimizer.param_groups[0]["lr"] *= 0.5
        losses[0].append(plain.step(*batch).item())
        losses[1].append(step(*batch).item())
    near(losses[1], losses[0], dtype)
    for a, b in zip(captured.numbers(), plain.numbers(), strict=True):
        # Adam divides by the gradient's size: where that is nearly 0 its rounding is magnified
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-4 if dtype == "float32" else 1e-8)


def test_each_replay_of_dropout_draws_anew() -> None:
    nnlite.manual_seed(0)
    x = nnlite.ones(1000, device=CUDA)
    step = nnlite.cuda.capture(lambda x: F.dropout(x, 0.5), [x])
    found = [step(x).cpu().numpy() for _ in range(10)]
    assert len({y.tobytes() for y in found}) == 10
    # five standard deviations of 1000 draws
    assert all(abs((y > 0).mean() - 0.5) < 0.08 for y in found)


def test_a_ragged_batch_between_replays() -> None:
    plain, captured = (Training("mlp-small", "float64", CUDA) for _ in range(2))
    step = nnlite.cuda.capture(captured.step, captured.batches(1)[0])
    batches = [*plain.batches(6), batch_of("mlp-small", "float64", CUDA, 5), *plain.batches(2)]
    losses = [[f(*batch).item() for batch in batches] for f in (plain.step, step)]
    near(losses[1], losses[0], "float64")


def test_a_graph_refuses_a_look_at_the_host() -> None:
    def step(x: Any) -> Any:
        return x * float(x.sum())

    x = nnlite.ones(3, device=CUDA)
    captured = nnlite.cuda.capture(step, [x])

    def run() -> None:
        for _ in range(5):
            captured(x)

    with pytest.raises(CaptureError):
        run()
    assert nnlite.ones(2, device=CUDA).sum().item() == 2, "the device goes on"


# -- devices, memory, precision ----------------------------------------------------------------


@pytest.fixture
def _precision() -> Iterator[None]:
    yield
    nnlite.backends.cuda.matmul.allow_tf32 = False


def test_the_device_has_a_name_and_memory() -> None:
    assert nnlite.cuda.is_available()
    assert nnlite.cuda.get_device_name()
    free, total = nnlite.cuda.mem_get_info()
    assert 0 < free <= total
    before = nnlite.cuda.memory_allocated()
    x = nnlite.zeros(2**20, device=CUDA)
    assert str(x.device) == f"cuda:{nnlite.cuda.current_device()}"
    assert nnlite.cuda.memory_allocated() - before >= 2**22
    del x
    nnlite.cuda.synchronize()


def test_too_large_is_an_error_and_the_process_goes_on() -> None:
    with pytest.raises(DeviceMemoryError, match=r"free of"):
        nnlite.zeros(2**42, device=CUDA)
    assert nnlite.ones(3, device=CUDA).sum().item() == 3


def test_nothing_moves_by_itself() -> None:
    x = nnlite.ones(3, device=CUDA)
    with pytest.raises(DeviceError, match="cpu"):
        x + nnlite.ones(3)
    with pytest.raises(DeviceError, match=r"\.cpu\(\)"):
        np.asarray(x)


@pytest.mark.usefixtures("_precision")
def test_float32_means_float32_unless_tf32_is_allowed() -> None:
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal((256, 256)) for _ in range(2))
    x, y = (nnlite.from_numpy(v.astype("float32")).to(CUDA) for v in (a, b))
    exact = x.double().cpu().numpy() @ y.double().cpu().numpy()
    errors = []
    for allowed in (False, True):
        nnlite.backends.cuda.matmul.allow_tf32 = allowed
        found = (x @ y).cpu().numpy()
        errors.append(np.linalg.norm(found - exact) / np.linalg.norm(exact))
    assert errors[0] < 2e-6
    if nnlite.cuda.get_device_capability() >= (8, 0):  # older ones know no TF32
        assert 5e-5 < errors[1] < 2e-3


# -- the examples ----------------------------------------------------------------------------

EXAMPLES: dict[str, list[str]] = {
    "input_gradients": ["--limit", "300", "--batch-size", "60", "--epochs", "2"],
    "lenet": ["--limit", "300", "--epochs", "1", "--batch-sizes", "100"],
    "dropout_cnn": ["--limit", "300", "--epochs", "1", "--batch-size", "60"],
    "denoising_autoencoder": ["--limit", "300", "--epochs", "1", "--classifier-epochs", "1"],
    "mini_project": ["--limit", "300", "--epochs", "1", "--question", "1,3,7"],
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_runs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NNLITE_DATA", raising=False)
    monkeypatch.setenv("NNLITE_OFFLINE", "1")
    module = importlib.import_module(f"examples.{name}")
    given = ["--sample", "--seeds", "1", "--device", CUDA, "--out", str(tmp_path)]
    assert module.main([*given, *EXAMPLES[name]]) == 0
    results = json.loads((tmp_path / "results.json").read_text())
    assert results["settings"]["device"] == CUDA
    series = [np.ravel(values) for values in results["series"].values()]
    assert series
    assert np.isfinite(np.concatenate(series)).all()


def test_the_short_example_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    module = importlib.import_module("examples.fashion_lenet")
    given = ["--no-download", "--epochs", "1", "--device", CUDA, "--out", str(tmp_path)]
    assert module.main(given) == 0
    assert "epoch 1/1" in capsys.readouterr().out
