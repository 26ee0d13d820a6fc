"""benchmarks.gpu without a GPU: its arithmetic, its refusals, and its whole flow with a made-up
clock, nnlite on the stand-in for CuPy and PyTorch on the CPU."""

from __future__ import annotations

import argparse
import json
import math
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

import nnlite
from benchmarks import gpu, report, works, works_gpu
from tests.cuda_shim.oracle import needs_compiler

DEVICE = {"name": "Made-up 1000", "driver": "1.2.3"}


def record(*seconds: float) -> dict[str, Any]:
    return gpu.Side("", None, seconds=list(seconds)).record()  # type: ignore[arg-type]


TIMES = {
    "nnlite": record(4.0, 2.0, 3.0),
    "nnlite captured": record(0.5, 1.0, 0.75),
    "torch": record(3.0, 2.4, 1.0),
    "torch captured": record(0.5, 0.5, 0.9),
}


# -- arithmetic ------------------------------------------------------------------------------


def test_ratios_are_those_of_the_medians() -> None:
    compared = gpu.judge("mlp-small", 60, TIMES)["compared"]
    eager, fast, graphs = (compared[pair[0]] for pair in gpu.PAIRS)
    assert eager == {"ratio": pytest.approx(2.4 / 3), "target": 0.7, "reached": True}
    assert fast == {"ratio": pytest.approx(2.4 / 0.75), "target": 3.0, "reached": True}
    assert graphs == {"ratio": pytest.approx(0.5 / 0.75), "target": 0.8, "reached": False}


def test_targets_of_networks_that_compute_long_are_lower() -> None:
    captured = {name: gpu.targets(name)["eager / captured"] for name in works.NETWORKS}
    assert captured == {
        "mlp-small": 3,
        "mlp-large": 3,
        "lenet": 3,
        "cnn": 1,
        "autoencoder": 1,
    }


def test_each_network_has_its_experiments_batch_and_4096() -> None:
    found = gpu.rows()
    assert len(found) == 10
    assert {name: found[name][1] for name in works.NETWORKS} == {
        "mlp-small": 60,
        "mlp-large": 64,
        "lenet": 100,
        "cnn": 128,
        "autoencoder": 1000,
    }
    assert all(found[f"{name}-4096"] == (name, 4096) for name in works.NETWORKS)


def test_the_table() -> None:
    result = gpu.judge("mlp-small", 60, TIMES | {"torch captured": record()})
    cells = [line.split() for line in gpu.lines("mlp-small", result)]
    assert cells[0] == ["mlp-small", "nnlite", "3000", "2000", "0.800", "0.7", "yes"]
    assert cells[1] == [
        *["nnlite", "captured", "750", "500"],
        *["3.20", "/", "-", "3", "/", "0.8", "yes", "/", "-"],
    ]
    assert cells[2] == ["torch", "2400", "1000"]
    assert cells[3] == ["torch", "captured", "-", "-"]
    assert all(len(gpu.HEADER) == len(gpu.WIDTHS) for _ in cells)


def test_a_failed_side_is_shown_and_judged_by_nobody() -> None:
    failed = gpu.Side("nnlite captured", None, seconds=[0.1], error="OutOfMemory: x").record()  # type: ignore[arg-type]
    result = gpu.judge("cnn", 128, TIMES | {"nnlite captured": failed})
    assert result["compared"]["eager / captured"]["ratio"] is None
    assert result["compared"]["captured / captured"]["reached"] is None
    assert result["compared"]["eager / eager"]["reached"] is True
    assert gpu.lines("cnn", result)[1].endswith("failed: OutOfMemory: x")


def test_the_picture_has_three_series(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[Any] = []
    monkeypatch.setattr(report, "ratio_figure", lambda *args: drawn.append(args))
    gpu.draw({"cnn": gpu.judge("cnn", 128, TIMES)}, "card")
    series, label, wanted = drawn[0]
    assert series["eager / captured"] == {"cnn": pytest.approx(3.2)}
    assert wanted["eager / captured"] == {"cnn": 1.0}
    assert list(series) == list(wanted) == [pair[0] for pair in gpu.PAIRS]
    assert "card" in label


# -- refusals --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--only", "cnn,nope"], "no row 'nope'; there are mlp-small, "),
        (["--only", ","], "expected names of rows"),
        (["--rounds", "0"], "expected 1 or more, got 0"),
        (["--seconds", "-1"], "expected a number above 0"),
    ],
)
def test_bad_arguments(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        gpu.main(arguments)
    assert stopped.value.code == 2
    errors = capsys.readouterr().err
    assert message in errors
    assert errors.count("\n") == 1


def refused(capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as stopped:
        gpu.main(["--only", "cnn"])
    assert stopped.value.code == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    return said.err


def test_what_is_missing_is_said_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if nnlite.cuda.is_available():
        pytest.skip("there is a GPU")
    assert "cuda" in refused(capsys).lower()
    monkeypatch.setattr(nnlite, "zeros", lambda *args, **kwargs: None)  # as if there were one
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert f"PyTorch {torch.__version__} sees no CUDA device" in refused(capsys)
    monkeypatch.setattr(gpu, "find_spec", lambda name: None)
    assert "PyTorch is missing" in refused(capsys)


# -- the flow --------------------------------------------------------------------------------


class Clock:
    """Runs the work and says how long it took by a list: seconds per call, by side."""

    def __init__(self, seconds: dict[str, float]) -> None:
        self.seconds = seconds
        self.turns: list[str] = []
        self.calls: list[int] = []

    def of(self, sides: list[works_gpu.Library]) -> gpu.Timer:
        names = {id(lib): gpu.named((lib.name, lib.variant)) for lib in sides}
        training = works_gpu.training

        def built(L: Any, *args: Any, **kwargs: Any) -> Any:
            run = training(L, *args, **kwargs)
            run.who = names[id(L)]
            return run

        self.patch = built

        def clock(run: Any, calls: int) -> float:
            run()
            self.turns.append(run.who)
            self.calls.append(calls)
            return self.seconds[run.who]

        return clock


def libraries() -> list[works_gpu.Library]:
    nn_sides = [works_gpu.Library(*who, device="strict") for who in (gpu.NNLITE, gpu.CAPTURED)]
    return [*nn_sides, works_gpu.Library(*gpu.TORCH, device="cpu")]


@pytest.fixture
def options(tmp_path: Path) -> argparse.Namespace:
    args, _ = gpu.parse(["--rounds", "3", "--threads", "1", "--out", str(tmp_path)])
    args.seconds = 0.02
    return args


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "rows", lambda: {"mlp-small": ("mlp-small", 7)})


@needs_compiler
@pytest.mark.usefixtures("small")
def test_the_whole_flow(
    options: argparse.Namespace,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    clock = Clock({"nnlite": 0.004, "nnlite captured": 0.001, "torch": 0.002})
    sides = libraries()
    timer = clock.of(sides)
    monkeypatch.setattr(works_gpu, "training", clock.patch)
    gpu.compare(["mlp-small"], options, ["--rounds", "3"], sides, timer, DEVICE)
    names = list(clock.seconds)
    warm, timed = clock.turns[:9], clock.turns[9:]
    assert warm == [name for name in names for _ in range(3)]
    assert timed == names * 3, "the sides take turns"
    assert clock.calls[9:12] == [5, 20, 10], "a turn lasts as long for each"
    content = json.loads((tmp_path / "gpu.json").read_text())
    assert content["command"] == "python -m benchmarks.gpu --rounds 3"
    assert content["results"]["device"] == DEVICE
    assert content["settings"]["tf32"] is False
    compared = content["results"]["works"]["mlp-small"]["compared"]
    assert compared["eager / eager"]["ratio"] == 0.5
    assert compared["eager / captured"]["ratio"] == 2.0
    assert compared["captured / captured"]["ratio"] is None
    assert (tmp_path / "gpu.png").read_bytes().startswith(b"\x89PNG")
    said = capsys.readouterr().out
    assert said.startswith("Made-up 1000 (driver 1.2.3)\n3 rounds, float32 without TF32\n")
    assert "\n0 of 3 targets reached\n" in said


@needs_compiler
@pytest.mark.usefixtures("small")
def test_a_fast_wrong_result_cannot_win(
    options: argparse.Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    sides = libraries()
    adam = sides[1].optim.Adam

    class Fast(adam):  # type: ignore[misc, valid-type]
        """It saves itself the work of every other step."""

        def _update(self, *args: Any) -> None: ...

    monkeypatch.setattr(sides[0], "adam", lambda model: Fast(model.parameters(), lr=1e-3))
    clock = Clock({"nnlite": 1e-6, "nnlite captured": 0.001, "torch": 0.002})
    timer = clock.of(sides)
    monkeypatch.setattr(works_gpu, "training", clock.patch)
    result = gpu.compare(["mlp-small"], options, [], sides, timer, DEVICE)["mlp-small"]
    assert result["sides"]["nnlite"]["error"].startswith("wrong: its loss in step 1 is ")
    assert result["compared"]["eager / eager"]["ratio"] is None
    assert result["compared"]["eager / captured"]["ratio"] == 2.0


def test_a_loss_that_is_no_number_agrees_with_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    found = {"nnlite": [1.0, math.nan], "torch": [1.0, 1.0005]}
    monkeypatch.setattr(gpu, "losses", lambda side, *args: found[side.name])
    sides = [gpu.Side(name, None) for name in found]  # type: ignore[arg-type]
    gpu.agree(sides, "cnn", 1)
    assert [bool(side.error) for side in sides] == [True, False]
    found["nnlite"] = [1.0, 1.0]
    sides = [gpu.Side(name, None) for name in found]  # type: ignore[arg-type]
    gpu.agree(sides, "cnn", 1)
    assert [side.error for side in sides] == ["", ""]


def test_without_dropout_both_libraries_compute_the_cnn_alike() -> None:
    sides = [works_gpu.Library(name, device="cpu") for name in ("nnlite", "torch")]
    found = []
    for library in sides:
        run = works_gpu.training(library, "cnn", 2, dropout=False)
        found.append([float(run().item()) for _ in range(3)])
    assert found[0] == pytest.approx(found[1], rel=1e-4)
    assert found[0][2] < found[0][0]
    with_dropout = works_gpu.training(sides[0], "cnn", 2)
    assert float(with_dropout().item()) != pytest.approx(found[0][0], rel=1e-4)


def test_tf32_is_switched_on_both_sides() -> None:
    sides = [works_gpu.Library(name, device="cpu") for name in ("nnlite", "torch")]
    before = torch.backends.cudnn.allow_tf32
    try:
        for allowed in (True, False):
            for library in sides:
                library.allow_tf32(allowed)
            assert nnlite.backends.cuda.matmul.allow_tf32 is allowed
            assert torch.backends.cuda.matmul.allow_tf32 is allowed
            assert torch.backends.cudnn.allow_tf32 is allowed
    finally:
        torch.backends.cudnn.allow_tf32 = before


# -- CUDA's part, in words -------------------------------------------------------------------


class FakeTorch:
    """What a graph and a clock need of torch; each call is logged."""

    def __init__(self) -> None:
        log = self.log = []  # type: list[str]

        class Stream:
            def __init__(self, name: str = "side") -> None:
                self.name = name

            def wait_stream(self, other: Any) -> None:
                log.append(f"{self.name} waits for {other.name}")

        class Graph:
            def replay(self) -> None:
                log.append("replay")

        class Event:
            def __init__(self, enable_timing: bool) -> None:
                assert enable_timing

            def record(self) -> None:
                log.append("event")

            def synchronize(self) -> None:
                log.append("wait")

            def elapsed_time(self, end: Any) -> float:
                return 30.0  # ms

        @contextmanager
        def block(what: Any) -> Any:
            name = getattr(what, "name", "graph")
            log.append(f"begin {name}")
            yield
            log.append(f"end {name}")

        self.cuda = SimpleNamespace(
            Stream=Stream,
            CUDAGraph=Graph,
            Event=Event,
            stream=block,
            graph=block,
            current_stream=lambda: Stream("main"),
            synchronize=lambda: log.append("wait for all"),
        )


def test_pytorch_is_captured_as_it_documents() -> None:
    fake, steps = FakeTorch(), []

    def step(x: torch.Tensor) -> torch.Tensor:
        fake.log.append("step")
        steps.append(x)
        return x.sum()

    run = works_gpu.TorchGraph(fake, step, (torch.zeros(2),))
    for k in range(3):
        assert run(torch.full((2,), float(k))).item() == 2 * k
    side = ["side waits for main", "begin side", "step", "end side", "main waits for side"]
    assert fake.log == side * 3
    fake.log.clear()
    run(torch.ones(2))
    run(torch.full((2,), 5.0))
    assert fake.log == ["begin graph", "step", "end graph", "replay", "replay"]
    assert all(x is steps[0] for x in steps), "always the same place"
    assert steps[0].tolist() == [5.0, 5.0], "with the new numbers"


def test_only_pytorchs_captured_adam_counts_on_the_device() -> None:
    for who in gpu.SIDES:
        library = works_gpu.Library(*who, device="cpu")
        optimizer = library.adam(library.nn.Linear(1, 1))
        assert optimizer.param_groups[0].get("capturable", False) is (who == gpu.GRAPH)


def test_the_clock_gives_seconds_per_call() -> None:
    fake = FakeTorch()
    clock = gpu.event_timer(fake)
    assert clock(lambda: fake.log.append("call"), 3) == pytest.approx(0.010)
    assert fake.log == ["wait for all", "event", "call", "call", "call", "event", "wait"]
