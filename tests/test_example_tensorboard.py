"""Question 13 of the mini-project: the event file, and what happens without the extra."""

from __future__ import annotations

import math
import struct
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch

from tests.example_questions import ask, read, rows, words


@pytest.fixture
def no_tensorboard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorboardX", None)


@pytest.mark.usefixtures("no_tensorboard")
def test_question_13_alone_needs_its_extra(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ask(tmp_path / "out", "13") == 2
    error = capsys.readouterr().err
    assert len(error.splitlines()) == 1
    assert "tensorboardX" in error
    assert "pip install 'nnlite[tensorboard]'" in error


@pytest.mark.usefixtures("no_tensorboard")
def test_with_others_question_13_goes_on_without(tmp_path: Path) -> None:
    assert ask(tmp_path / "out", "12,13") == 0
    results = read(tmp_path / "out")
    assert results["status"] == "complete"
    assert "pip install 'nnlite[tensorboard]'" in words(results)
    assert "tensorboard" not in results["tables"]
    assert not (tmp_path / "out" / "tensorboard").exists()
    figures = {"network_graph", "tensorboard_parameters", "tensorboard_gradients"}
    assert figures <= set(results["figures"])

    weights = safetensors.torch.load_file(tmp_path / "out" / "model.safetensors")
    table = rows(results, "tensorboard_parameters")
    assert set(table) == set(weights)
    for name, row in table.items():  # trained with the baseline's seed, so it is the same network
        end = weights[name].double()
        assert row["numbers"] == end.numel()
        assert row["largest"] == pytest.approx(end.max().item())
        assert row["smallest"] == pytest.approx(end.min().item())
        assert row["std after"] == pytest.approx(end.std(correction=0).item(), rel=1e-4)
    moved = {name: row["moved by % of its length"] for name, row in table.items()}
    assert f"{max(moved, key=moved.__getitem__)} moved most" in words(results)


def events(path: Path) -> Iterator[Any]:
    """The records of an event file: length, its checksum, an Event, its checksum."""
    from tensorboardX.proto.event_pb2 import Event

    raw = path.read_bytes()
    while raw:
        (length,) = struct.unpack("<Q", raw[:8])
        yield Event.FromString(raw[12 : 12 + length])
        raw = raw[16 + length :]


@pytest.mark.skipif(not find_spec("tensorboardX"), reason="needs the extra tensorboard")
def test_event_file_holds_the_training(tmp_path: Path) -> None:
    out = tmp_path / "out"
    earlier = out / "tensorboard" / "events.out.tfevents.1.earlier"
    earlier.parent.mkdir(parents=True)
    earlier.touch()
    assert ask(out, "12,13") == 0
    results = read(out)
    (path,) = earlier.parent.iterdir()
    assert path != earlier
    weights = safetensors.torch.load_file(out / "model.safetensors")
    found: dict[str, list[Any]] = {}
    graph = None
    for event in events(path):
        if event.HasField("graph_def"):
            graph = event.graph_def
        for value in event.summary.value:
            found.setdefault(value.tag, []).append((event.step, value))

    written = {tag: row["entries"] for tag, row in rows(results, "tensorboard").items()}
    assert written.pop("graph") == 1
    assert {tag: len(entries) for tag, entries in found.items()} == written
    for name, end in weights.items():
        group = "biases" if name.endswith("bias") else "weights"
        assert [step for step, _ in found[f"{group}/{name}"]] == [0, 1]
        histogram = found[f"{group}/{name}"][-1][1].histo
        assert histogram.num == end.numel()
        assert histogram.max == pytest.approx(end.max().item())
        assert histogram.min == pytest.approx(end.min().item())
        assert histogram.sum == pytest.approx(end.double().sum().item(), rel=1e-4, abs=1e-4)
        (step, gradient), (_, norm) = *found[f"gradients/{name}"], *found[f"gradient_norm/{name}"]
        assert step == 1
        assert math.sqrt(gradient.histo.sum_squares) == pytest.approx(norm.simple_value, rel=1e-4)
    series = results["series"]["tensorboard/seed 200/train_loss"]
    assert [v.simple_value for _, v in found["loss/train"]] == pytest.approx(series)
    ((_, picture),) = found["network"]
    assert picture.image.encoded_image_string.startswith(b"\x89PNG")
    check_graph(graph)


def check_graph(raw: bytes | None) -> None:
    """The MLP as TensorFlow's GraphDef."""
    from tensorboardX.proto.graph_pb2 import GraphDef

    assert raw is not None
    nodes = {node.name: node for node in GraphDef.FromString(raw).node}
    assert [node.op for node in nodes.values()] == [
        *("Input", "Parameter", "Parameter", "Linear", "ReLU"),
        *("Parameter", "Parameter", "Linear"),
    ]
    assert list(nodes["Linear[2]/Linear"].input) == [
        "ReLU[1]",
        "Linear[2]/weight",
        "Linear[2]/bias",
    ]
    for node in nodes.values():
        assert set(node.input) <= set(nodes)
    shape = nodes["Linear[0]/weight"].attr["_output_shapes"].list.shape[0]
    assert [dim.size for dim in shape.dim] == [40, 784]
