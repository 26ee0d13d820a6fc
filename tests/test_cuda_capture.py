"""nnlite.cuda.capture on the stand-in, and the calls that it makes of CuPy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import nnlite
import nnlite.nn.functional as F
from nnlite import nn, optim
from nnlite.autograd import Tensor
from nnlite.backend.cuda_graph import CudaGraph
from nnlite.errors import CaptureError, DtypeError
from tests.conftest import to_device
from tests.cuda_shim import COMPILER
from tests.strict.graph import WATCHED, StrictGraph

pytestmark = pytest.mark.skipif(COMPILER is None, reason="no g++ to compile the CUDA sources with")


@pytest.fixture(autouse=True)
def _nothing_watched() -> Iterator[None]:
    yield
    WATCHED.clear()


def on_device(x: np.ndarray) -> Tensor:
    return Tensor(to_device(x, "strict"))


def batch(shape: tuple[int, ...], k: int) -> tuple[Tensor, Tensor]:
    rng = np.random.default_rng(k)
    return on_device(rng.standard_normal(shape)), on_device(rng.integers(0, 10, shape[0]))


def mlp() -> nn.Module:
    return nn.Sequential(nn.Linear(20, 16), nn.ReLU(), nn.Linear(16, 10))


def lenet() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 3, 3), nn.ReLU(), nn.AvgPool2d(2), nn.Conv2d(3, 4, 3), nn.Tanh(),
        nn.MaxPool2d(2), nn.Flatten(), nn.Linear(4 * 2 * 2, 10),
    )  # fmt: skip


Make = Callable[..., optim.Optimizer]
OPTIMIZERS: dict[str, Make] = {
    "SGD": lambda p: optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.01),
    "Adam": lambda p: optim.Adam(p, lr=0.01),
    "AdamW": lambda p: optim.AdamW(p, lr=0.01),
    "RMSprop": lambda p: optim.RMSprop(p, lr=0.01, centered=True),
}


class Training:
    """Steps of one network, plain or captured."""

    def __init__(self, make: Callable[[], nn.Module], optimizer: Make, shape: Any) -> None:
        nnlite.manual_seed(0)
        self.model = make().double().to("strict")
        self.optimizer = optimizer(self.model.parameters())
        WATCHED.extend(self.model.parameters())
        self.shape = shape
        self.captured: Any = None

    def step(self, x: Tensor, y: Tensor) -> Tensor:
        self.optimizer.zero_grad()
        loss = F.cross_entropy(self.model(x), y)
        loss.backward()
        self.optimizer.step()
        return loss

    def capture(self) -> Training:
        self.captured = nnlite.cuda.capture(self.step, batch(self.shape, 0))
        return self

    def run(self, calls: range, shape: Any = None) -> list[float]:
        step = self.captured or self.step
        return [step(*batch(shape or self.shape, k)).item() for k in calls]

    def graph(self) -> StrictGraph:
        graph: StrictGraph = self.captured._recorded._graph
        return graph

    def weights(self) -> list[Any]:
        return [p.detach().cpu().numpy() for p in self.model.parameters()]

    def counts(self) -> list[Any]:
        return [entries.get("step") for entries in self.optimizer.state.values()]


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize(("make", "shape"), [(mlp, (6, 20)), (lenet, (5, 1, 14, 14))])
def test_steps_are_the_same(make: Any, shape: Any, name: str) -> None:
    plain, captured = (Training(make, OPTIMIZERS[name], shape) for _ in range(2))
    captured.capture()
    for training in (plain, captured):
        training.losses = training.run(range(5))  # type: ignore[attr-defined]
        training.optimizer.param_groups[0]["lr"] *= 0.5  # a schedule goes on working
        training.losses += training.run(range(5, 9))  # type: ignore[attr-defined]
    np.testing.assert_allclose(captured.losses, plain.losses, rtol=1e-12)  # type: ignore[attr-defined]
    for x, y in zip(captured.weights(), plain.weights(), strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-10, atol=1e-14)
    assert captured.counts() == plain.counts()
    assert captured.graph().log == ["warm", "record", *["launch"] * 6]


def test_another_option_is_recorded_anew() -> None:
    plain, captured = (Training(mlp, OPTIMIZERS["SGD"], (6, 20)) for _ in range(2))
    captured.capture()
    for training in (plain, captured):
        training.run(range(6))
        training.optimizer.param_groups[0]["momentum"] = 0.5
        training.run(range(6, 12))
    for x, y in zip(captured.weights(), plain.weights(), strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-10)
    assert captured.graph().log == ["warm", "record", *["launch"] * 3]


def test_a_loaded_state_is_recorded_anew() -> None:
    plain, captured = (Training(mlp, OPTIMIZERS["Adam"], (6, 20)) for _ in range(2))
    captured.capture()
    for training in (plain, captured):
        training.run(range(6))
        saved = training.optimizer.state_dict()
        training.run(range(6, 8))
        training.optimizer.load_state_dict(saved)
        training.run(range(8, 14))
    for x, y in zip(captured.weights(), plain.weights(), strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-10)
    assert captured.counts() == plain.counts() == [12] * 4


@pytest.mark.parametrize("zero", ["inside", "outside", "never"])
def test_an_optimizer_outside_of_the_step(zero: str) -> None:
    trained = []
    for captured in (False, True):
        training = Training(mlp, OPTIMIZERS["SGD"], (6, 20))

        def step(x: Tensor, y: Tensor, training: Training = training) -> Tensor:
            if zero == "inside":
                training.optimizer.zero_grad()
            loss = F.cross_entropy(training.model(x), y)
            loss.backward()
            return loss

        run = nnlite.cuda.capture(step, batch((6, 20), 0)) if captured else step
        for k in range(9):
            run(*batch((6, 20), k))
            training.optimizer.step()
            if zero == "outside":
                training.optimizer.zero_grad()
        trained.append(training.weights())
    for x, y in zip(*trained, strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-10)


def test_weights_that_lie_elsewhere_are_recorded_anew() -> None:
    model = mlp().double().to("strict").requires_grad_(False)
    WATCHED.extend(model.parameters())
    step = nnlite.cuda.capture(model, [batch((6, 20), 0)[0]])
    for k in range(10):
        x = batch((6, 20), k)[0]
        if k == 6:
            model[0].weight.data = on_device(np.zeros((16, 20)))
        np.testing.assert_allclose(step(x).cpu().numpy(), model(x).cpu().numpy(), rtol=1e-12)


def test_weights_that_are_frozen_or_set_free_are_recorded_anew() -> None:
    plain, captured = (Training(mlp, OPTIMIZERS["SGD"], (6, 20)) for _ in range(2))
    captured.capture()
    for training in (plain, captured):
        training.run(range(6))
        training.model[0].weight.requires_grad_(False)  # type: ignore[index]
        training.run(range(6, 12))
        training.model[0].weight.requires_grad_(True)  # type: ignore[index]
        training.run(range(12, 18))
    for x, y in zip(captured.weights(), plain.weights(), strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-10)
    assert captured.graph().log == ["warm", "record", *["launch"] * 3]


def test_named_tuples_are_returned() -> None:
    step = nnlite.cuda.capture(lambda x: x.max(1), [on_device(np.zeros((1, 2)))])
    for k in range(6):
        found = step(on_device(np.array([[1.0, 2.0 + k]])))
        assert (found.values.tolist(), found.indices.tolist()) == ([2 + k], [1])


def test_a_ragged_batch_runs_as_it_is() -> None:
    plain, captured = (Training(mlp, OPTIMIZERS["Adam"], (6, 20)) for _ in range(2))
    captured.capture()
    for training in (plain, captured):
        training.run(range(5))
        training.run(range(5, 7), (4, 20))
        training.run(range(7, 9))
    for x, y in zip(captured.weights(), plain.weights(), strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-10)
    assert captured.counts() == plain.counts() == [9] * 4


def test_results_are_not_overwritten_and_dropout_draws_anew() -> None:
    nnlite.manual_seed(3)
    x = on_device(np.ones(400))
    step = nnlite.cuda.capture(lambda x: F.dropout(x, 0.5), [x])
    found = [step(x) for _ in range(8)]
    drawn = {y.cpu().numpy().tobytes() for y in found}
    assert len(drawn) == 8
    assert all(0.3 < (y.cpu().numpy() > 0).mean() < 0.7 for y in found)


def test_the_graph_reads_the_new_inputs() -> None:
    w = on_device(np.ones(3)).requires_grad_()
    step = nnlite.cuda.capture(lambda x: {"y": w * x, "n": 7}, [on_device(np.zeros(3))])
    for k in range(7):
        found = step(on_device(np.full(3, float(k))))
        assert found["y"].tolist() == [k] * 3
        assert found["n"] == 7


def test_an_optimizer_without_a_kernel_is_refused() -> None:
    training = Training(mlp, lambda p: optim.Adadelta(p), (6, 20)).capture()
    training.run(range(2))
    with pytest.raises(CaptureError, match="Adadelta: expected an optimizer whose step is one"):
        training.run(range(2, 3))


def test_where_there_is_no_graph() -> None:
    with pytest.raises(CaptureError, match=r"nnlite\.capture is for the CPU"):
        nnlite.cuda.capture(lambda x: x, [nnlite.ones(2)])
    with pytest.raises(CaptureError, match="no tensor"):
        nnlite.cuda.capture(lambda x: x, [])
    with pytest.raises(DtypeError, match="expected a function"):
        nnlite.cuda.capture(nnlite.ones(2), [])  # type: ignore[arg-type]


# -- CuPy's part -----------------------------------------------------------------------------


class FakeCupy:
    """The names of CuPy that a graph needs; each call is logged."""

    def __init__(self) -> None:
        self.log: list[str] = []
        log = self.log

        class Stream:
            def __init__(self, non_blocking: bool = False) -> None:
                log.append(f"stream non_blocking={non_blocking}")

            def __enter__(self) -> None:
                log.append("on stream")

            def __exit__(self, *error: object) -> None:
                log.append("off stream")

            def synchronize(self) -> None:
                log.append("wait")

            def begin_capture(self) -> None:
                log.append("begin")

            def end_capture(self) -> Any:
                log.append("end")
                return Recorded()

        class Recorded:
            def launch(self, stream: Any) -> None:
                log.append(f"launch on {stream}")

        class Pool:
            def malloc(self, size: int) -> int:
                log.append(f"{size} bytes of the pool")
                if size > 1000:
                    raise MemoryError
                return size

        class Allocator:
            def __init__(self, malloc: Callable[[int], Any]) -> None:
                self.malloc = malloc

            def __enter__(self) -> None:
                log.append("own memory")
                self.malloc(8)

            def __exit__(self, *error: object) -> None:
                log.append("usual memory")

        class Runtime:
            @staticmethod
            def deviceSynchronize() -> None:  # noqa: N802
                log.append("wait for all")

        class cuda:  # noqa: N801
            runtime = Runtime
            MemoryPool = Pool
            using_allocator = Allocator
            get_current_stream = staticmethod(lambda: "the current stream")

        cuda.Stream = Stream  # type: ignore[attr-defined]
        self.cuda = cuda


def _graph() -> tuple[FakeCupy, CudaGraph]:
    from contextlib import nullcontext

    cupy = FakeCupy()
    graph = CudaGraph(cupy, nullcontext)
    cupy.log.clear()
    return cupy, graph


def test_the_calls_of_a_graph() -> None:
    cupy, graph = _graph()

    def work() -> str:
        cupy.log.append("work")
        return "result"

    inside = ["own memory", "8 bytes of the pool", "on stream"]
    outside = ["off stream", "usual memory"]
    assert graph.warm(work) == "result"
    assert cupy.log == ["wait for all", *inside, "work", *outside, "wait"]
    cupy.log.clear()
    assert graph.record(work) == "result"
    assert cupy.log == ["wait for all", *inside, "begin", "work", "end", *outside]
    cupy.log.clear()
    graph.launch()
    assert cupy.log == ["launch on the current stream"]


def test_what_cuda_refuses_to_record() -> None:
    cupy, graph = _graph()

    def work() -> None:
        raise RuntimeError("operation not permitted when stream is capturing")

    with pytest.raises(CaptureError, match=r"not permitted.*nnlite\.capture replays without"):
        graph.record(work)
    assert cupy.log[-3:] == ["end", "off stream", "usual memory"], "the stream is free again"
